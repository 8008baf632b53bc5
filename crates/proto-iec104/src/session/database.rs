//! The points of a controlled station, in the order in which interrogations answer them.

use crate::codec::{CommonAddress, CounterReading, DoubleState, Element, Ioa, Layout, Qds, TypeId};
use std::collections::HashMap;
use std::ops::Range;

/// A monitored point of a controlled station.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StationPoint {
    /// Type with which events are reported; interrogations answer with its sibling without time tag.
    pub type_id: TypeId,
    /// Station.
    pub common_address: CommonAddress,
    /// Object.
    pub address: Ioa,
    /// Interrogation group 1 to 16, counter group 1 to 4; 0 for none.
    pub group: u8,
    /// Changes of a measured value within this band are no events.
    pub deadband: f64,
}

/// A point with its present value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) type_id: TypeId,
    pub(super) common_address: CommonAddress,
    pub(super) address: Ioa,
    pub(super) group: u8,
    deadband: f64,
    /// Present value; `None` until the process gave one.
    element: Option<Element>,
    /// Value of the last report as event or, before any, the first value.
    reported: Option<Element>,
    counter: Counter,
}

/// Freeze and reset of integrated totals, IEC 60870-5-101 7.4.8.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// Count of the process at the last reset.
    base: i32,
    frozen: Option<CounterReading>,
    sequence: u8,
}

impl Slot {
    pub(super) fn is_counter(&self) -> bool {
        matches!(self.type_id.layout(), Some((Layout::Counter, _)))
    }

    /// The value to answer with; invalid and not topical until the process gave one.
    pub(super) fn answer(&self) -> Element {
        let element = self.element.unwrap_or_else(|| unknown(self.type_id));
        match element {
            Element::Counter(reading) => Element::Counter(self.counter.frozen.unwrap_or(CounterReading {
                value: reading.value.wrapping_sub(self.counter.base),
                sequence: self.counter.sequence,
                ..reading
            })),
            other => other,
        }
    }
}

/// All points of a station.
#[derive(Debug)]
pub(super) struct Database {
    /// INVARIANT: sorted by common address, then object address, both together unique.
    slots: Vec<Slot>,
    /// Position in `slots` of the caller's n-th point.
    position: Vec<usize>,
    by_address: HashMap<(CommonAddress, Ioa), usize>,
    stations: Vec<(CommonAddress, Range<usize>)>,
}

impl Database {
    /// INVARIANT for the caller: no address twice; the first of two wins.
    pub(super) fn new(points: &[StationPoint], stations: &[CommonAddress]) -> Self {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by_key(|&at| points.get(at).map(|point| (point.common_address, point.address)));
        let mut position = vec![0; points.len()];
        let mut slots = Vec::with_capacity(points.len());
        let mut by_address = HashMap::with_capacity(points.len());
        for at in order {
            let (Some(point), Some(place)) = (points.get(at), position.get_mut(at)) else { continue };
            *place = slots.len();
            by_address.entry((point.common_address, point.address)).or_insert(slots.len());
            slots.push(Slot {
                type_id: point.type_id,
                common_address: point.common_address,
                address: point.address,
                group: point.group,
                deadband: point.deadband,
                element: None,
                reported: None,
                counter: Counter::default(),
            });
        }
        let mut known: Vec<CommonAddress> =
            slots.iter().map(|slot| slot.common_address).chain(stations.iter().copied()).collect();
        known.sort_unstable();
        known.dedup();
        let range = |station: CommonAddress| {
            let from = slots.partition_point(|slot| slot.common_address < station);
            let to = slots.partition_point(|slot| slot.common_address <= station);
            (station, from..to)
        };
        let stations = known.into_iter().map(range).collect();
        Self { slots, position, by_address, stations }
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn slot(&self, common_address: CommonAddress, address: Ioa) -> Option<&Slot> {
        self.by_address.get(&(common_address, address)).and_then(|&at| self.slots.get(at))
    }

    /// Stations that `common_address` means: itself, all of them, or none.
    pub(super) fn stations(&self, common_address: CommonAddress) -> Vec<(CommonAddress, Range<usize>)> {
        let all = common_address == CommonAddress::BROADCAST;
        self.stations.iter().filter(|(station, _)| all || *station == common_address).cloned().collect()
    }

    /// Takes a value of the caller's `point`-th point. Returns its slot if this is a change to report.
    pub(super) fn update(&mut self, point: usize, element: Element) -> Option<usize> {
        let at = *self.position.get(point)?;
        let slot = self.slots.get_mut(at)?;
        if Some(element.layout()) != slot.type_id.layout().map(|(layout, _)| layout) {
            return None;
        }
        slot.element = Some(element);
        let Some(reported) = slot.reported else {
            slot.reported = Some(element);
            return Some(at);
        };
        // Integrated totals are reported by counter interrogation only (mode A of IEC 60870-5-101 7.4.8).
        if slot.is_counter() || !changed(reported, element, slot.deadband) {
            return None;
        }
        slot.reported = Some(element);
        Some(at)
    }

    /// Freezes or resets the counters of a group (0: all) of a station. `freeze` is FRZ of QCC.
    pub(super) fn count_command(&mut self, range: Range<usize>, group: u8, freeze: u8) {
        for slot in self.slots.get_mut(range).unwrap_or_default() {
            if !slot.is_counter() || (group != 0 && slot.group != group) {
                continue;
            }
            let Some(Element::Counter(reading)) = slot.element else { continue };
            let counter = &mut slot.counter;
            if matches!(freeze, 1 | 2) {
                let value = reading.value.wrapping_sub(counter.base);
                counter.sequence = (counter.sequence + 1) & 0x1F;
                counter.frozen = Some(CounterReading { value, sequence: counter.sequence, ..reading });
            }
            if matches!(freeze, 2 | 3) {
                counter.base = reading.value;
            }
        }
    }
}

/// Whether `new` differs from the last report by more than the deadband, or at all in state or quality.
fn changed(reported: Element, new: Element, deadband: f64) -> bool {
    let moved = |old: f64, new: f64| (new - old).abs() > deadband;
    match (reported, new) {
        (Element::Float(a, qa), Element::Float(b, qb)) => {
            qa != qb || a.is_nan() != b.is_nan() || moved(f64::from(a), f64::from(b))
        }
        (Element::Scaled(a, qa), Element::Scaled(b, qb)) => qa != qb || moved(f64::from(a), f64::from(b)),
        (Element::Normalized(a, qa), Element::Normalized(b, qb)) => {
            qa != qb || moved(f64::from(a) / 32768.0, f64::from(b) / 32768.0)
        }
        (Element::NormalizedBare(a), Element::NormalizedBare(b)) => {
            moved(f64::from(a) / 32768.0, f64::from(b) / 32768.0)
        }
        (old, new) => old != new,
    }
}

/// What is said of a point before the process gave a value.
fn unknown(type_id: TypeId) -> Element {
    let bad = Qds::INVALID | Qds::NOT_TOPICAL;
    match type_id.layout().map(|(layout, _)| layout) {
        Some(Layout::Double) => Element::Double(DoubleState::Intermediate, bad),
        Some(Layout::Step) => Element::Step(0, false, bad),
        Some(Layout::Bits) => Element::Bits(0, bad),
        Some(Layout::Normalized) => Element::Normalized(0, bad),
        Some(Layout::NormalizedBare) => Element::NormalizedBare(0),
        Some(Layout::Scaled) => Element::Scaled(0, bad),
        Some(Layout::Float) => Element::Float(0.0, bad),
        Some(Layout::PackedSingle) => Element::PackedSingle(0, 0, bad),
        Some(Layout::Counter) => {
            Element::Counter(CounterReading { invalid: true, ..CounterReading::default() })
        }
        _ => Element::Single(false, bad),
    }
}
