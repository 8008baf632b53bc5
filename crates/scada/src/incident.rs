//! Many links lost in a short time are one incident with a first one, not as many alarms (scenario A-08: 30 sites lose
//! communication within minutes).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use timebase::{Mono, Now, Utc};

/// Losses within this time belong together.
pub const WINDOW: Duration = Duration::from_secs(300);
/// Source of the alarm; its condition is `link:several links`.
pub const SEVERAL_LINKS: &str = "several links";

/// What an incident says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// The link that went first.
    pub first: String,
    /// When.
    pub since: Utc,
    /// Links lost so far, each counted once.
    pub lost: usize,
    /// Of those, how many are still down.
    pub down: usize,
}

impl Incident {
    /// For people.
    pub fn text(&self, links: usize) -> String {
        let Self { first, since, lost, down } = self;
        format!("{lost} of {links} links lost together, {down} of them still down; first {first} at {since}")
    }
}

/// A loss that may belong to an incident.
#[derive(Clone, Debug)]
struct Loss {
    mono: Mono,
    utc: Utc,
    link: String,
}

/// Watches which links are up, and finds losses that belong together.
#[derive(Clone, Debug, Default)]
pub struct LinkWatch {
    /// Losses from which on it is an incident; 0 for never.
    threshold: usize,
    up: BTreeSet<String>,
    seen: BTreeSet<String>,
    /// Links that are down, oldest loss first. INVARIANT: one entry per link.
    down: VecDeque<Loss>,
    incident: Option<(Loss, BTreeSet<String>)>,
    /// What a link hangs on: another link, whose loss takes it along.
    behind: BTreeMap<String, String>,
}

impl LinkWatch {
    /// An incident begins with this many losses within [`WINDOW`]; 0 for never.
    pub fn set_threshold(&mut self, links: usize) {
        self.threshold = links;
    }

    /// These links hang on others (link, what it hangs on): while such another is down, losing them is its consequence
    /// and no loss of its own.
    pub fn set_behind(&mut self, links: impl IntoIterator<Item = (String, String)>) {
        self.behind = links.into_iter().collect();
    }

    /// A link came up. `true` if an incident changed by that.
    pub fn came_up(&mut self, link: &str) -> bool {
        self.up.insert(link.to_owned());
        self.seen.insert(link.to_owned());
        let before = self.down.len();
        self.down.retain(|loss| loss.link != link);
        let over = self.of_incident() <= self.threshold.saturating_sub(1) / 2;
        if self.incident.is_some() && over {
            self.incident = None;
            return true;
        }
        self.incident.is_some() && self.down.len() != before
    }

    /// A link that was up went down, or one never came up. `true` if an incident began or changed by that.
    pub fn went_down(&mut self, link: &str, now: Now) -> bool {
        let known = !self.up.remove(link) && self.down.iter().any(|loss| loss.link == link);
        let taken_along =
            self.behind.get(link).is_some_and(|on| self.down.iter().any(|loss| loss.link == *on));
        if known || taken_along {
            return false;
        }
        self.seen.insert(link.to_owned());
        self.down.push_back(Loss { mono: now.mono, utc: now.utc, link: link.to_owned() });
        if let Some((_, lost)) = &mut self.incident {
            return lost.insert(link.to_owned());
        }
        let recent = self.down.iter().filter(|loss| now.mono.since(loss.mono) <= WINDOW);
        let together: Vec<&Loss> = recent.collect();
        if self.threshold == 0 || together.len() < self.threshold {
            return false;
        }
        let links = together.iter().map(|loss| loss.link.clone()).collect();
        self.incident = together.first().map(|first| ((*first).clone(), links));
        true
    }

    /// The incident that lasts.
    pub fn incident(&self) -> Option<Incident> {
        let (first, lost) = self.incident.as_ref()?;
        Some(Incident {
            first: first.link.clone(),
            since: first.utc,
            lost: lost.len(),
            down: self.of_incident(),
        })
    }

    /// Links that were ever heard of.
    pub fn links(&self) -> usize {
        self.seen.len()
    }

    fn of_incident(&self) -> usize {
        let Some((_, lost)) = &self.incident else { return 0 };
        self.down.iter().filter(|loss| lost.contains(&loss.link)).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: u64) -> Now {
        let utc = Utc::from_micros(i64::try_from(seconds).unwrap() * 1_000_000);
        Now { mono: Mono::ZERO + Duration::from_secs(seconds), utc }
    }

    /// A watch on links of which all are up, with 5 losses to an incident.
    fn watch(links: u32) -> LinkWatch {
        let mut watch = LinkWatch::default();
        watch.set_threshold(5);
        for link in 0..links {
            watch.came_up(&link.to_string());
        }
        watch
    }

    #[test]
    fn losses_within_the_window_are_one_incident_with_its_first() {
        let mut watch = watch(44);
        for link in 0..30_u32 {
            let began = watch.went_down(&link.to_string(), at(u64::from(link) * 20));
            assert_eq!(began, link >= 4, "{link}");
        }
        let incident = watch.incident().unwrap();
        assert_eq!((incident.lost, incident.down, incident.first.as_str()), (30, 30, "0"));
        assert!(incident.text(watch.links()).starts_with("30 of 44 links lost together"));
        // Coming and going of one link counts it once.
        assert!(watch.came_up("3") && !watch.went_down("3", at(700)));
        assert_eq!(watch.incident().unwrap().lost, 30);
    }

    #[test]
    fn scattered_losses_and_repeated_reports_are_none() {
        let mut watch = watch(44);
        for link in 0..20_u32 {
            assert!(!watch.went_down(&link.to_string(), at(u64::from(link) * 76)), "{link}");
            assert!(!watch.went_down(&link.to_string(), at(u64::from(link) * 76 + 1)), "told twice");
        }
        assert_eq!(watch.incident(), None);
    }

    #[test]
    fn what_hangs_on_a_lost_link_is_no_loss_of_its_own() {
        let mut watch = watch(20);
        watch.set_behind((1..15).map(|link| (link.to_string(), "0".to_owned())));
        for link in 0..15_u32 {
            assert!(!watch.went_down(&link.to_string(), at(1)), "{link}");
        }
        // Its own losses count, and those of a field behind a line that stands.
        for link in 0..15_u32 {
            watch.came_up(&link.to_string());
        }
        for link in 1..6_u32 {
            assert_eq!(watch.went_down(&link.to_string(), at(2)), link == 5, "{link}");
        }
    }

    #[test]
    fn it_ends_when_most_are_back() {
        let mut watch = watch(10);
        for link in 0..6_u32 {
            watch.went_down(&link.to_string(), at(1));
        }
        for link in 0..3 {
            assert!(watch.came_up(&link.to_string()) && watch.incident().is_some(), "{link}");
        }
        assert!(watch.came_up("3") && watch.incident().is_none());
        assert!(!watch.came_up("4"));
    }

    #[test]
    fn a_threshold_of_nought_is_never_reached() {
        let mut watch = LinkWatch::default();
        (0..99_u32).for_each(|link| assert!(!watch.went_down(&link.to_string(), at(1))));
    }
}
