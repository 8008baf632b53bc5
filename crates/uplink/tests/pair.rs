//! Both roles on a virtual wire: lanes, receipts, credit, commands in time and too late, silence.
#![allow(clippy::unwrap_used, missing_docs)]

use signal::{Command, CommandId, PointId, Quality, Refusal, Request, Value};
use std::time::Duration;
use timebase::{Mono, Utc};
use uplink::{CentreEvent, CentreSession, EdgeEvent, EdgeSession, Entry, Frame, Hello, Journalled};

const CREDIT: u32 = 2_000;

fn entry(number: u64) -> Entry {
    Entry::Sample {
        point: 0,
        value: Value::Counter(i64::try_from(number).unwrap()),
        quality: Quality::GOOD,
        source_time: None,
        received: Utc::from_micros(0),
    }
}

struct Pair {
    now: Mono,
    edge: EdgeSession,
    centre: CentreSession,
    journal: (u64, u64),
    /// Octets from the centre that are still on their way.
    held: Option<Vec<u8>>,
    edge_events: Vec<EdgeEvent>,
    centre_events: Vec<CentreEvent>,
}

impl Pair {
    fn new(journal: (u64, u64)) -> Self {
        let now = Mono::ZERO + Duration::from_secs(1);
        let hello = Hello {
            version: 1,
            gateway: "g".into(),
            epoch: 7,
            first: journal.0,
            next: journal.1,
            fingerprint: 5,
        };
        let names: Vec<String> = (0..3_000).map(|number| format!("point {number}")).collect();
        Self {
            now,
            edge: EdgeSession::new(now, hello, (&names, &["L".to_owned()])),
            centre: CentreSession::new(now, 11, CREDIT),
            journal,
            held: None,
            edge_events: Vec::new(),
            centre_events: Vec::new(),
        }
    }

    /// Everything goes over until nothing more happens.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(octets) = self.edge.poll_transmit() {
                self.centre.handle_input(self.now, &octets);
                idle = false;
            }
            while let Some(octets) = self.centre.poll_transmit() {
                match &mut self.held {
                    Some(held) => held.extend(octets),
                    None => self.edge.handle_input(self.now, &octets),
                }
                idle = false;
            }
            self.edge_events.extend(std::iter::from_fn(|| self.edge.poll_event()));
            self.centre_events.extend(std::iter::from_fn(|| self.centre.poll_event()));
            if let Some((from, most)) = self.edge.wants(self.now) {
                let read = if from < self.journal.0 {
                    Journalled::GapTo(self.journal.0)
                } else {
                    let end = self.journal.1.min(from + most as u64);
                    Journalled::Entries((from..end).map(entry).collect())
                };
                self.edge.feed(read);
                idle = false;
            }
            if idle {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.edge.handle_timeout(self.now);
        self.centre.handle_timeout(self.now);
        self.settle();
    }

    fn numbers(&self) -> Vec<u64> {
        let number = |event: &CentreEvent| match event {
            CentreEvent::Batch { first, entries } => Some(*first..*first + entries.len() as u64),
            _ => None,
        };
        self.centre_events.iter().filter_map(number).flatten().collect()
    }
}

fn select() -> Request {
    Request::Select(Command {
        id: CommandId(4),
        point: PointId(2),
        value: Value::Single(true),
        deadline: None,
    })
}

#[test]
fn the_record_lane_goes_on_where_the_centre_wants_it_and_stops_at_the_credit() {
    let mut pair = Pair::new((10, 5_000));
    pair.settle();
    assert!(matches!(&pair.centre_events[0], CentreEvent::Hello { epoch: 7, next: 5_000, .. }));
    pair.centre.welcome(Some(100));
    pair.settle();
    // The path is not known yet: the least window.
    assert_eq!(pair.numbers(), (100..612).collect::<Vec<u64>>());
    for _ in 0..5 {
        pair.pass(Duration::from_secs(1));
    }
    assert_eq!(
        pair.numbers(),
        (100..2_100).collect::<Vec<u64>>(),
        "no more than the credit without a receipt"
    );
    pair.centre.acked(2_050);
    pair.settle();
    assert_eq!(pair.edge_events.last(), Some(&EdgeEvent::Acked(2_050)));
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.numbers().last(), Some(&4_049));
}

#[test]
fn what_the_journal_has_lost_is_named() {
    let mut pair = Pair::new((50, 60));
    pair.settle();
    pair.centre.welcome(Some(20));
    pair.settle();
    assert!(pair.centre_events.contains(&CentreEvent::Gap { from: 20, to: 50 }));
    assert_eq!(pair.numbers(), (50..60).collect::<Vec<u64>>());
}

#[test]
fn a_journal_that_is_behind_the_centre_is_told_to_go_on_there() {
    let mut pair = Pair::new((50, 60));
    pair.settle();
    pair.centre.welcome(Some(70));
    pair.settle();
    assert_eq!(pair.edge_events[0], EdgeEvent::Open { skip_to: Some(70) });
    assert_eq!(pair.numbers(), Vec::<u64>::new());
}

#[test]
fn a_request_is_taken_in_time_and_refused_when_it_is_late() {
    let mut pair = Pair::new((0, 0));
    pair.settle();
    pair.centre.welcome(None);
    pair.settle();
    pair.pass(Duration::from_secs(1));
    pair.centre.request(pair.now, (0, select()), Duration::from_secs(2)).unwrap();
    pair.settle();
    let Some(EdgeEvent::Request { link: 0, request }) = pair.edge_events.last() else {
        panic!("nothing came")
    };
    // What is left of the window goes on with it: it must not wait longer for the device's link either.
    let deadline = request.command().and_then(|command| command.deadline).unwrap();
    assert!(
        deadline > pair.now && deadline <= pair.now + Duration::from_secs(2),
        "{deadline:?} at {:?}",
        pair.now
    );
    assert_eq!(*request, select().due(deadline));
    // The path holds it back, with all that comes behind it.
    pair.held = Some(Vec::new());
    pair.centre.request(pair.now, (0, select()), Duration::from_secs(2)).unwrap();
    pair.settle();
    for _ in 0..3 {
        pair.pass(Duration::from_secs(1));
    }
    let held = pair.held.take().unwrap();
    pair.edge.handle_input(pair.now, &held);
    pair.settle();
    let refused = CentreEvent::Refused { link: 0, request: select(), refusal: Refusal::TooLate };
    assert_eq!(pair.centre_events.last(), Some(&refused));
    let taken = pair.edge_events.iter().filter(|event| matches!(event, EdgeEvent::Request { .. }));
    assert_eq!(taken.count(), 1);
}

#[test]
fn a_request_of_another_connection_is_refused() {
    let mut pair = Pair::new((0, 0));
    pair.settle();
    pair.centre.welcome(None);
    pair.settle();
    pair.pass(Duration::from_secs(1));
    let stale = Frame::Request {
        connection: 10,
        made_us: 1_000_000,
        window_us: u64::MAX,
        link: 0,
        request: select(),
    };
    pair.edge.handle_input(pair.now, &stale.encode());
    pair.settle();
    assert!(matches!(
        pair.centre_events.last(),
        Some(CentreEvent::Refused { refusal: Refusal::TooLate, .. })
    ));
}

#[test]
fn silence_ends_both_sides() {
    let mut pair = Pair::new((0, 0));
    pair.settle();
    pair.centre.welcome(None);
    pair.settle();
    pair.pass(Duration::from_secs(11));
    assert!(matches!(pair.edge_events.last(), Some(EdgeEvent::Closed(_))));
    assert!(matches!(pair.centre_events.last(), Some(CentreEvent::Closed(_))));
}
