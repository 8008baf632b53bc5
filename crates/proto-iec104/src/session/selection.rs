//! Select-before-operate at a controlled station: IEC 60870-5-101 7.4.6 (figure 6) and the qualifiers of 7.2.6.26.

use crate::codec::Element;
use std::collections::HashMap;
use timebase::Mono;

/// A select that a connection holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    channel: u8,
    element: Element,
    expires: Mono,
}

/// The selects of a station, by control point.
#[derive(Debug, Default)]
pub(super) struct Selects {
    held: HashMap<usize, Held>,
}

impl Selects {
    /// Whether `channel` may select: nobody else holds the point.
    pub(super) fn is_free(&self, control: usize, channel: u8, now: Mono) -> bool {
        self.held.get(&control).is_none_or(|held| held.expires <= now || held.channel == channel)
    }

    /// Keeps a confirmed select. A second one of the same connection replaces the first: the operator changed
    /// their mind, that is no fault.
    pub(super) fn hold(&mut self, control: usize, channel: u8, element: Element, expires: Mono) {
        self.held.insert(control, Held { channel, element: element.with_select(false), expires });
    }

    /// Uses up the select of `control`; whether it allowed exactly this execute.
    pub(super) fn consume(&mut self, control: usize, channel: u8, element: Element, now: Mono) -> bool {
        let matching = self.held.get(&control).is_some_and(|held| held.channel == channel);
        if !matching {
            return false;
        }
        self.held
            .remove(&control)
            .is_some_and(|held| now < held.expires && held.element == element.with_select(false))
    }

    /// Gives the select of `control` back; whether there was one.
    pub(super) fn release(&mut self, control: usize, channel: u8, now: Mono) -> bool {
        let matching = self.held.get(&control).is_some_and(|held| held.channel == channel);
        matching && self.held.remove(&control).is_some_and(|held| now < held.expires)
    }

    /// A lost connection holds nothing.
    pub(super) fn drop_channel(&mut self, channel: u8) {
        self.held.retain(|_, held| held.channel != channel);
    }
}
