//! A walk through the points of a station: interrogation, counter interrogation, cyclic and background reports.

use super::database::Slot;
use crate::codec::{Asdu, Body, Cause, Cp56Time2a, Header, Object, TypeId};
use std::ops::Range;

/// Which points a scan reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selection {
    /// All but counters.
    Station,
    /// An interrogation group.
    Group(u8),
    /// All counters.
    Counters,
    /// A counter group.
    CounterGroup(u8),
    /// Measured values only (cyclic reports).
    Measured,
}

/// A scan under way. It holds no values: each ASDU reports what the points are when it is built.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) selection: Selection,
    pub(super) header: Header,
    /// Slots still to visit.
    pub(super) range: Range<usize>,
    /// What ends it: the ActTerm of the command that began it.
    pub(super) termination: Option<Asdu>,
}

impl Selection {
    fn takes(self, slot: &Slot) -> bool {
        match self {
            Self::Station => !slot.is_counter(),
            Self::Group(group) => !slot.is_counter() && slot.group == group,
            Self::Counters => slot.is_counter(),
            Self::CounterGroup(group) => slot.is_counter() && slot.group == group,
            Self::Measured => matches!(slot.type_id.code(), 9 | 11 | 13 | 21 | 34 | 35 | 36),
        }
    }
}

impl Scan {
    /// The cause with which an interrogation of this kind answers.
    pub(super) const fn cause_of(selection: Selection) -> Cause {
        match selection {
            Selection::Station => Cause::InterrogatedByStation,
            Selection::Group(group) => Cause::InterrogatedByGroup(group),
            Selection::Counters => Cause::CounterGeneral,
            Selection::CounterGroup(group) => Cause::CounterByGroup(group),
            Selection::Measured => Cause::Periodic,
        }
    }

    /// The next ASDU: data, then the termination, then nothing. `time` stamps counters of a type with time tag.
    pub(super) fn next_asdu(&mut self, slots: &[Slot], time: Cp56Time2a) -> Option<Asdu> {
        let Some(first) = self.next_match(slots) else { return self.termination.take() };
        let (listed, sequence) = self.choose(slots, first);
        let timed = self.type_of(listed.first().copied().unwrap_or(first));
        let (type_id, timed) = (timed, timed.layout().is_some_and(|(_, timed)| timed));
        let object = |slot: &Slot| Object {
            address: slot.address,
            element: slot.answer(),
            time: timed.then_some(time),
        };
        let objects: Vec<Object> = listed.iter().map(|slot| object(slot)).collect();
        let header = Header { common_address: first.common_address, ..self.header };
        Some(Asdu { type_id, header, sequence, body: Body::Objects(objects) })
    }

    /// Counters keep their time tag; everything else is interrogated without (IEC 60870-5-101 7.4.5).
    fn type_of(&self, slot: &Slot) -> TypeId {
        if slot.is_counter() { slot.type_id } else { slot.type_id.untimed() }
    }

    /// Skips to the next point of the selection.
    fn next_match<'a>(&mut self, slots: &'a [Slot]) -> Option<&'a Slot> {
        loop {
            let slot = slots.get(self.range.clone())?.first()?;
            if self.selection.takes(slot) {
                return Some(slot);
            }
            self.range.start += 1;
        }
    }

    /// The points of one ASDU: a sequence of consecutive addresses (SQ = 1) or a list, whichever holds more.
    fn choose<'a>(&mut self, slots: &'a [Slot], first: &Slot) -> (Vec<&'a Slot>, bool) {
        let type_id = self.type_of(first);
        let ahead = slots.get(self.range.clone()).unwrap_or_default();
        let matching = |&(_, slot): &(usize, &'a Slot)| self.selection.takes(slot);
        let alike = |&(_, slot): &(usize, &'a Slot)| self.type_of(slot) == type_id;
        let list: Vec<(usize, &Slot)> = ahead
            .iter()
            .enumerate()
            .filter(matching)
            .take_while(alike)
            .take(Asdu::capacity(type_id, false))
            .collect();
        let consecutive = |&(at, slot): &(usize, &'a Slot)| {
            usize::try_from(slot.address.value() - first.address.value()) == Ok(at)
                && self.selection.takes(slot)
                && self.type_of(slot) == type_id
        };
        let run: Vec<(usize, &Slot)> =
            ahead.iter().enumerate().take_while(consecutive).take(Asdu::capacity(type_id, true)).collect();
        // A sequence of information elements is not defined for types with time tag (IEC 60870-5-101 7.2.2.1).
        let untimed = type_id.layout().is_some_and(|(_, timed)| !timed);
        let sequence = untimed && run.len() > 1 && run.len() >= list.len();
        let taken = if sequence { run } else { list };
        self.range.start += taken.last().map_or(1, |(at, _)| at + 1);
        (taken.into_iter().map(|(_, slot)| slot).collect(), sequence)
    }
}
