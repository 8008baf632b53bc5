//! What a gateway knows now: the last reading of each point and the state of each link. It begins the live lane of a new
//! connection, and tells which readings go into the journal.

use signal::{Detail, LinkState, PointId, PointList, Quality, Sample, Validity, Value};
use timebase::Utc;
use uplink::Entry;

/// One link with the numbers of its points.
struct LinkPicture {
    state: LinkState,
    at: Utc,
    points: Vec<PointId>,
}

/// Last readings and states.
pub(crate) struct Picture {
    /// Number of each point in the journal's names.
    numbers: Vec<u32>,
    last: Vec<Option<Entry>>,
    /// Deadband of the archive, and the last value in the journal.
    bands: Vec<(f64, Option<(f64, Quality)>)>,
    links: Vec<LinkPicture>,
}

impl Picture {
    pub(crate) fn new(points: &PointList, numbers: Vec<u32>, links: &[String], now: Utc) -> Self {
        let of = |name: &String| LinkPicture {
            state: LinkState::Down,
            at: now,
            points: points.of_link(name).to_vec(),
        };
        Self {
            numbers,
            last: vec![None; points.len()],
            bands: points.iter().map(|(_, def)| (def.archive_deadband, None)).collect(),
            links: links.iter().map(of).collect(),
        }
    }

    /// The number of a point.
    pub(crate) fn number(&self, point: PointId) -> Option<u32> {
        self.numbers.get(point.at()).copied()
    }

    /// Takes a reading: as an entry, and whether it goes into the journal. `None` for a point that is not known.
    pub(crate) fn sample(&mut self, sample: &Sample) -> Option<(Entry, bool)> {
        let entry = Entry::Sample {
            point: self.number(sample.point)?,
            value: sample.value,
            quality: sample.quality,
            source_time: sample.source_time,
            received: sample.received.utc,
        };
        *self.last.get_mut(sample.point.at())? = Some(entry);
        Some((entry, self.counts(sample)))
    }

    fn counts(&mut self, sample: &Sample) -> bool {
        let Some((band, counted)) = self.bands.get_mut(sample.point.at()) else { return true };
        let (true, Value::Analog(value)) = (*band > 0.0, sample.value) else { return true };
        if counted.is_some_and(|(last, quality)| quality == sample.quality && (value - last).abs() <= *band) {
            return false;
        }
        *counted = Some((value, sample.quality));
        true
    }

    /// A link changed its state. When it goes down its last readings are old: what the history is to know of that.
    pub(crate) fn link(&mut self, number: usize, state: LinkState, now: Utc) -> Vec<Entry> {
        let Some(link) = self.links.get_mut(number) else { return Vec::new() };
        (link.state, link.at) = (state, now);
        if state != LinkState::Down {
            return Vec::new();
        }
        let old = link.points.iter().filter_map(|point| {
            if let Some((_, counted)) = self.bands.get_mut(point.at()) {
                *counted = None;
            }
            match self.last.get_mut(point.at())?.take()? {
                Entry::Sample { point, value, quality, .. } => {
                    let quality = made_old(quality);
                    Some(Entry::Sample { point, value, quality, source_time: None, received: now })
                }
                Entry::Link { .. } => None,
            }
        });
        old.collect()
    }

    /// Everything for a centre that knows nothing: links begin, readings, links are what they are.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let state = |number: usize, state| {
            let at = self.links[number].at;
            // Links are as many as the configuration has.
            Entry::Link { link: u32::try_from(number).unwrap_or(u32::MAX), state, at }
        };
        let mut entries = Vec::new();
        for (number, link) in self.links.iter().enumerate() {
            if link.state != LinkState::Down {
                entries.push(state(number, LinkState::Synchronising));
            }
            entries.extend(link.points.iter().filter_map(|point| self.last[point.at()]));
            entries.push(state(number, link.state));
        }
        entries
    }
}

/// As the real-time database marks a value whose link is gone.
fn made_old(mut quality: Quality) -> Quality {
    quality.detail |= Detail::OLD_DATA;
    if quality.validity == Validity::Good {
        quality.validity = Validity::Questionable;
    }
    quality
}
