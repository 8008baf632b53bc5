//! Sessions ↔ real-time database: which link a point lives on, what a link reports, what goes out on it.
//!
//! The gateway knows protocols only by `signal`'s traits and values. The drivers (layer 4) run the sessions; what
//! these report comes in through [`Gateway::take`], what the command gate releases is addressed by
//! [`Gateway::route`].

use scada::alarm::AlarmKind;
use scada::centre::Centre;
use scada::event::{EventKind, Severity};
use signal::{Direction, FunctionCode, LinkState, PointId, PointList, Request, SessionEvent};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use timebase::{Now, Utc};

/// Dense index of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkIdx(pub u32);

impl LinkIdx {
    /// The index as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// One link to the field.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// Name, as in the bindings of its points.
    pub name: Arc<str>,
    /// Name of its protocol.
    pub protocol: &'static str,
    /// Where it connects to, for people.
    pub endpoint: String,
    /// Present state.
    pub state: LinkState,
    /// Since when.
    pub since: Utc,
    /// Faults of the peer.
    pub faults: u64,
    /// Samples taken over.
    pub taken: u64,
    /// Messages that the conduit did not allow: how many, and when the last one came.
    pub forbidden: BTreeMap<(Direction, FunctionCode), (u64, Utc)>,
}

/// The links and what is known about them.
#[derive(Clone, Debug)]
pub struct Gateway {
    links: Vec<Link>,
    link_of: Vec<Option<LinkIdx>>,
    taken: u64,
    foreign: u64,
}

/// Why a list of links was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GatewayError {
    /// Two links have one name.
    #[error("link {0:?} is configured twice")]
    TwoLinks(String),
    /// A point is bound to a link that does not exist.
    #[error("point {point:?} is bound to link {link:?}, which is not configured")]
    NoLink {
        /// The point.
        point: String,
        /// The missing link.
        link: String,
    },
}

impl Gateway {
    /// Joins links and points: name, protocol and endpoint of each link.
    pub fn new(
        points: &PointList,
        links: Vec<(Arc<str>, &'static str, String)>,
        start: Utc,
    ) -> Result<Self, GatewayError> {
        let mut index = HashMap::with_capacity(links.len());
        for (position, (name, _, _)) in (0_u32..).zip(&links) {
            if index.insert(Arc::clone(name), LinkIdx(position)).is_some() {
                return Err(GatewayError::TwoLinks(name.to_string()));
            }
        }
        let link_of = links_of(points, &index)?;
        let links = links
            .into_iter()
            .map(|(name, protocol, endpoint)| Link {
                name,
                protocol,
                endpoint,
                state: LinkState::Down,
                since: start,
                faults: 0,
                taken: 0,
                forbidden: BTreeMap::new(),
            })
            .collect();
        Ok(Self { links, link_of, taken: 0, foreign: 0 })
    }

    /// Joins the links with a changed list of points. Refused as a whole, or done.
    pub fn revise(&mut self, points: &PointList) -> Result<(), GatewayError> {
        let index = (0_u32..).zip(&self.links).map(|(at, link)| (Arc::clone(&link.name), LinkIdx(at)));
        self.link_of = links_of(points, &index.collect())?;
        Ok(())
    }

    /// The links in the order of their indices.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Samples taken over from links: `taken = processed + unknown + foreign`.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Samples dropped because the point does not live on the link that delivered it.
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// The link of a point.
    pub fn link_of(&self, point: PointId) -> Option<LinkIdx> {
        self.link_of.get(point.at()).copied().flatten()
    }

    /// Where a request that the gate released must go: the link of its point.
    pub fn route(&self, request: &Request) -> Option<LinkIdx> {
        match request {
            Request::Select(command) | Request::Execute(command) | Request::Deselect(command) => {
                self.link_of(command.point)
            }
            Request::Interrogate | Request::InterrogateCounters | Request::SynchroniseClock => None,
        }
    }

    /// Hands the reports of a link to the real-time database, in their order.
    pub fn take_all(&mut self, centre: &mut Centre, link: LinkIdx, events: Vec<SessionEvent>, now: Now) {
        for event in &events {
            if let SessionEvent::Sample(sample) = event {
                centre.expect(sample.point);
            }
        }
        for event in events {
            self.take(centre, link, event, now);
        }
    }

    /// Hands a link's report to the real-time database.
    pub fn take(&mut self, centre: &mut Centre, link: LinkIdx, event: SessionEvent, now: Now) {
        let Some(entry) = self.links.get_mut(link.at()) else { return };
        match event {
            SessionEvent::Sample(sample) => {
                self.taken += 1;
                entry.taken += 1;
                if self.link_of.get(sample.point.at()) == Some(&Some(link)) {
                    centre.apply(&sample);
                } else {
                    self.foreign += 1;
                }
            }
            SessionEvent::Link(state) => {
                if entry.state != state {
                    (entry.state, entry.since) = (state, now.utc);
                    let name = Arc::clone(&entry.name);
                    centre.link_changed(&name, state, now);
                }
            }
            SessionEvent::Command(id, stage) => {
                centre.with_gate(now.utc, |gate, table, _| gate.device_answered(now, id, stage, table));
            }
            SessionEvent::ClockSynchronised(_) => {
                let text = "device clock synchronised".to_owned();
                centre.record(now.utc, EventKind::Link, Severity::Info, &entry.name.clone(), text);
            }
            SessionEvent::Fault(fault) => {
                entry.faults += 1;
                // The first fault of a series is news, the rest is a count: a hostile peer must not fill the log.
                if entry.faults.is_power_of_two() {
                    let text = format!("fault {} of the peer: {}", entry.faults, fault.detail);
                    centre.record(now.utc, EventKind::Link, Severity::Low, &entry.name.clone(), text);
                }
            }
            SessionEvent::Forbidden(function, direction) => {
                let (count, at) = entry.forbidden.entry((direction, function)).or_insert((0, now.utc));
                (*count, *at) = (*count + 1, now.utc);
                let (count, name) = (*count, Arc::clone(&entry.name));
                if count.is_power_of_two() {
                    note_forbidden(centre, &name, (function, direction, count), now);
                }
            }
            SessionEvent::RemoteCommand(point) => {
                if self.link_of.get(point.at()) == Some(&Some(link)) {
                    centre.remotely_commanded(point, now);
                }
            }
            // The driver has dealt with it.
            SessionEvent::Close(_) => {}
        }
    }
}

/// The first of a series is an alarm; the rest is a count, so that a hostile peer does not fill the log.
fn note_forbidden(
    centre: &mut Centre,
    link: &str,
    (function, direction, count): (FunctionCode, Direction, u64),
    now: Now,
) {
    let way = match direction {
        Direction::ToField => "to the field",
        Direction::FromField => "from the field",
    };
    let text = format!("{function} {way} is not allowed on link {link}, dropped ({count})");
    let source = format!("conduit of {link}");
    // It has no end of its own: it stays listed until somebody has seen it.
    centre.raise_about(AlarmKind::System, &source, Severity::High, &text, now.utc);
    centre.clear_about(AlarmKind::System, &source, now.utc);
}

/// The link of every point.
fn links_of(
    points: &PointList,
    index: &HashMap<Arc<str>, LinkIdx>,
) -> Result<Vec<Option<LinkIdx>>, GatewayError> {
    let link = |def: &signal::PointDef| {
        let Some(binding) = &def.binding else { return Ok(None) };
        let missing = || GatewayError::NoLink { point: def.name.clone(), link: binding.link.to_string() };
        index.get(&binding.link).copied().map(Some).ok_or_else(missing)
    };
    points.iter().map(|(_, def)| link(def)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use scada::centre::Restored;
    use scada::gate::GateConfig;
    use signal::{Binding, Limits, PointDef, PointKind, Quality, Sample, Value};
    use timebase::Mono;

    fn def(name: &str, link: &str) -> PointDef {
        PointDef {
            name: name.into(),
            mrid: name.into(),
            equipment: String::new(),
            substation: String::new(),
            kind: PointKind::Analog,
            unit: String::new(),
            binding: Some(Binding { link: link.into(), address: "a".into(), control: None }),
            limits: Limits::default(),
            normal: None,
            stale_after: None,
            deadband: 0.0,
            ..PointDef::default()
        }
    }

    fn links(names: &[&str]) -> Vec<(Arc<str>, &'static str, String)> {
        names.iter().map(|name| (Arc::from(*name), "iec104", String::new())).collect()
    }

    #[test]
    fn every_point_must_have_its_link() {
        let points = PointList::new(vec![def("a", "S1")]).unwrap();
        let start = Utc::default();
        assert!(Gateway::new(&points, links(&["S1"]), start).is_ok());
        assert!(matches!(Gateway::new(&points, links(&["S2"]), start), Err(GatewayError::NoLink { .. })));
        assert!(matches!(Gateway::new(&points, links(&["S1", "S1"]), start), Err(GatewayError::TwoLinks(_))));
    }

    #[test]
    fn a_sample_for_a_point_of_another_link_is_dropped_and_counted() {
        let points = Arc::new(PointList::new(vec![def("a", "S1"), def("b", "S2")]).unwrap());
        let mut gateway = Gateway::new(&points, links(&["S1", "S2"]), Utc::default()).unwrap();
        let mut centre = Centre::new(Arc::clone(&points), GateConfig::default(), Restored::default());
        let now = Now { mono: Mono::ZERO, utc: Utc::default() };
        let sample = |point| Sample {
            point,
            value: Value::Analog(1.0),
            quality: Quality::GOOD,
            source_time: None,
            received: now,
        };
        for point in [PointId(0), PointId(1), PointId(7)] {
            gateway.take(&mut centre, LinkIdx(0), SessionEvent::Sample(sample(point)), now);
        }
        assert_eq!((gateway.taken(), gateway.foreign(), centre.counters().processed), (3, 2, 1));
    }
}
