//! Any octets give a frame or an error, and what was encoded is read back.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use signal::{
    Command, CommandId, CommandStage, DoublePoint, LinkState, PointId, Quality, Refusal, Request, Value,
};
use std::time::Duration;
use timebase::{ClockQuality, Mono, Utc, UtcStamp};
use uplink::codec::{MAX_ENTRIES, MAX_FRAME, Reassembly, Welcome};
use uplink::{CentreSession, EdgeSession, Entry, Frame, FrameError, Hello, Names};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-1e9..1e9).prop_map(Value::Analog),
        any::<bool>().prop_map(Value::Single),
        prop_oneof![
            Just(DoublePoint::Intermediate),
            Just(DoublePoint::Off),
            Just(DoublePoint::On),
            Just(DoublePoint::Bad)
        ]
        .prop_map(Value::Double),
        any::<i16>().prop_map(Value::Step),
        any::<i64>().prop_map(Value::Counter),
        any::<u32>().prop_map(Value::Bits),
    ]
}

fn stamp() -> impl Strategy<Value = Option<UtcStamp>> {
    let quality = prop_oneof![
        Just(ClockQuality::Synchronised),
        Just(ClockQuality::Unsynchronised),
        Just(ClockQuality::Invalid)
    ];
    proptest::option::of(
        (any::<i64>(), quality)
            .prop_map(|(time, quality)| UtcStamp { time: Utc::from_micros(time), quality }),
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let sample = (any::<u32>(), value(), any::<u16>(), stamp(), any::<i64>());
    let state = prop_oneof![Just(LinkState::Down), Just(LinkState::Synchronising), Just(LinkState::Up)];
    prop_oneof![
        sample.prop_map(|(point, value, quality, source_time, received)| Entry::Sample {
            point,
            value,
            quality: Quality::from_bits(quality),
            source_time,
            received: Utc::from_micros(received),
        }),
        (any::<u32>(), state, any::<i64>()).prop_map(|(link, state, at)| Entry::Link {
            link,
            state,
            at: Utc::from_micros(at)
        }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let command = || {
        (any::<u64>(), any::<u32>(), value()).prop_map(|(id, point, value)| Command {
            id: CommandId(id),
            point: PointId(point),
            value,
            deadline: None,
        })
    };
    prop_oneof![
        command().prop_map(Request::Select),
        command().prop_map(Request::Execute),
        command().prop_map(Request::Deselect),
        Just(Request::Interrogate),
        Just(Request::SynchroniseClock),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let entries = || proptest::collection::vec(entry(), 0..40);
    prop_oneof![
        ("[a-zé]{0,40}", any::<[u64; 4]>()).prop_map(|(gateway, [epoch, first, next, fingerprint])| {
            Frame::Hello(Hello { version: 1, gateway, epoch, first, next, fingerprint })
        }),
        (any::<u32>(), proptest::collection::vec("[a-z]{0,9}", 0..9))
            .prop_map(|(first, names)| { Frame::Names { of: Names::Links, first, names } }),
        (any::<u64>(), proptest::option::of(0..u64::MAX), any::<u32>()).prop_map(
            |(connection, wanted, credit)| {
                Frame::Welcome(Welcome { version: 1, connection, wanted, credit })
            }
        ),
        any::<i64>().prop_map(|at| Frame::Picture(Utc::from_micros(at))),
        entries().prop_map(Frame::Live),
        (any::<u64>(), entries()).prop_map(|(first, entries)| Frame::Batch { first, entries }),
        any::<[u64; 2]>().prop_map(|[from, to]| Frame::Gap { from, to }),
        (any::<[u64; 3]>(), any::<u32>(), request()).prop_map(
            |([connection, made_us, window_us], link, request)| {
                Frame::Request { connection, made_us, window_us, link, request }
            }
        ),
        ("[a-z]{0,99}", any::<u64>())
            .prop_map(|(why, id)| Frame::Stage(CommandId(id), CommandStage::Refused(why))),
        (any::<u32>(), request()).prop_map(|(link, request)| Frame::Refused {
            link,
            request,
            refusal: Refusal::TooLate
        }),
        "[a-z]{0,99}".prop_map(|detail| Frame::Fault { link: None, detail }),
        any::<[u64; 2]>().prop_map(|[asked_us, clock_us]| Frame::Pong { asked_us, clock_us }),
    ]
}

proptest! {
    #[test]
    fn what_was_encoded_is_read_back_in_any_parts(
        frames in proptest::collection::vec(frame(), 0..6),
        part in 1_usize..200,
    ) {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut reassembly = Reassembly::default();
        let mut found = Vec::new();
        for part in octets.chunks(part) {
            reassembly.push(part);
            while let Some(frame) = reassembly.next_frame() {
                found.push(frame.unwrap());
            }
        }
        prop_assert_eq!(found, frames);
    }

    #[test]
    fn any_octets_give_frames_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..600), kind in 0_u8..16) {
        drop(Frame::decode(&octets));
        let mut body = vec![kind];
        body.extend(&octets);
        // What is read is written again as the same octets: nothing has two spellings, except a quality of no meaning and
        // the time of a stamp that is none.
        if let Ok(frame) = Frame::decode(&body) {
            let again = Frame::decode(&frame.encode()[4..]);
            prop_assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, FrameError>(frame)));
        }
        let mut framed = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        framed.extend(&body);
        sessions_survive(&framed);
        sessions_survive(&octets);
    }
}

const _: () = assert!(MAX_ENTRIES * Entry::MAX_BYTES + 16 < MAX_FRAME, "the longest batch fits into a frame");

fn hello() -> Hello {
    Hello { version: 1, gateway: "g".into(), epoch: 7, first: 3, next: 9, fingerprint: 0 }
}

/// Both roles, before and after the greeting, take any octets.
fn sessions_survive(octets: &[u8]) {
    let now = Mono::ZERO;
    for greeted in [false, true] {
        let mut edge = EdgeSession::new(now, hello(), (&[], &[]));
        let mut centre = CentreSession::new(now, 1, 100);
        if greeted {
            let welcome = Welcome { version: 1, connection: 1, wanted: Some(4), credit: 100 };
            edge.handle_input(now, &Frame::Welcome(welcome).encode());
            centre.handle_input(now, &Frame::Hello(hello()).encode());
            centre.welcome(Some(4));
        }
        for part in octets.chunks(7) {
            edge.handle_input(now, part);
            centre.handle_input(now, part);
        }
        edge.handle_timeout(now + Duration::from_secs(60));
        centre.handle_timeout(now + Duration::from_secs(60));
        while edge.poll_event().is_some() || edge.poll_transmit().is_some() {}
        while centre.poll_event().is_some() || centre.poll_transmit().is_some() {}
        assert_eq!((edge.poll_timeout(), centre.poll_timeout()), (None, None));
    }
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    for length in [0, u32::try_from(MAX_FRAME).unwrap() + 1, u32::MAX] {
        let mut reassembly = Reassembly::default();
        reassembly.push(&length.to_le_bytes());
        assert_eq!(reassembly.next_frame(), Some(Err(FrameError::Length(length))));
    }
    let many = u16::try_from(MAX_ENTRIES + 1).unwrap();
    let mut body = vec![5];
    body.extend(many.to_le_bytes());
    assert_eq!(Frame::decode(&body), Err(FrameError::Entries(MAX_ENTRIES + 1)));
}
