//! What the loss of a link means for alarms: one each, and one for all when many go together.

use super::Centre;
use crate::alarm::AlarmKind;
use crate::event::Severity;
use crate::incident::SEVERAL_LINKS;
use timebase::Now;

impl Centre {
    /// Losses of links from which on they are one incident; 0 for never. The single alarms are hidden meanwhile if a
    /// suppression by design says so.
    pub fn set_link_incident(&mut self, links: usize) {
        self.link_watch.set_threshold(links);
    }

    /// These links hang on others, as those of a gateway on the gateway (link, what it hangs on).
    pub fn set_links_behind(&mut self, links: impl IntoIterator<Item = (String, String)>) {
        self.link_watch.set_behind(links);
    }

    /// A link is down, or has not come up.
    pub fn link_lost(&mut self, link: &str, text: &str, now: Now) {
        // The incident first: a single alarm that belongs to it does not call.
        if self.link_watch.went_down(link, now) {
            self.tell_incident(now);
        }
        self.raise_about(AlarmKind::Link, link, Severity::High, text, now.utc);
    }

    pub(super) fn link_back(&mut self, link: &str, now: Now) {
        self.alarms.clear(AlarmKind::Link, link, now.utc);
        if self.link_watch.came_up(link) {
            self.tell_incident(now);
        }
    }

    fn tell_incident(&mut self, now: Now) {
        match self.link_watch.incident() {
            Some(incident) => {
                let text = incident.text(self.link_watch.links());
                self.raise_about(AlarmKind::Link, SEVERAL_LINKS, Severity::Critical, &text, now.utc);
            }
            None => self.alarms.clear(AlarmKind::Link, SEVERAL_LINKS, now.utc),
        }
    }
}
