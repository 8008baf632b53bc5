//! Any bytes from any peer: no panic, no memory beyond a bound; and every ASDU survives encoding and decoding.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use proto_iec104::codec::{
    Asdu, Body, Cause, CommonAddress, CounterReading, Cp56Time2a, DoubleState, Element, Header, Ioa, Layout,
    Object, Qds, Qualifier, StepDirection, TypeId,
};
use proto_iec104::{Config, ControlledStation, ControllingSession, decode_stream};
use signal::{
    Channel, CommandAnswer, ControlMode, PointKind, PointList, PointSession, PointStation, StationEvent,
};
use testkit::{controlled, point};
use timebase::{Mono, Now, Utc};

fn qds(full: bool) -> impl Strategy<Value = Qds> {
    let upper = [Qds::BLOCKED, Qds::SUBSTITUTED, Qds::NOT_TOPICAL, Qds::INVALID];
    prop::collection::vec(any::<bool>(), 5).prop_map(move |set| {
        let mut quality = if full && set[4] { Qds::OVERFLOW } else { Qds::GOOD };
        for (bit, on) in upper.into_iter().zip(set) {
            if on {
                quality = quality | bit;
            }
        }
        quality
    })
}

fn qualifier(most: u8) -> impl Strategy<Value = Qualifier> {
    (0..=most, any::<bool>()).prop_map(|(code, select)| Qualifier { code, select })
}

fn double() -> impl Strategy<Value = DoubleState> {
    prop::sample::select(vec![
        DoubleState::Intermediate,
        DoubleState::Off,
        DoubleState::On,
        DoubleState::Indeterminate,
    ])
}

fn element(layout: Layout) -> BoxedStrategy<Element> {
    let finite = || -1e30_f32..1e30_f32;
    match layout {
        Layout::Single => (any::<bool>(), qds(false)).prop_map(|(v, q)| Element::Single(v, q)).boxed(),
        Layout::Double => (double(), qds(false)).prop_map(|(v, q)| Element::Double(v, q)).boxed(),
        Layout::Step => {
            (-64..=63_i8, any::<bool>(), qds(true)).prop_map(|(v, t, q)| Element::Step(v, t, q)).boxed()
        }
        Layout::Bits => (any::<u32>(), qds(true)).prop_map(|(v, q)| Element::Bits(v, q)).boxed(),
        Layout::Normalized => (any::<i16>(), qds(true)).prop_map(|(v, q)| Element::Normalized(v, q)).boxed(),
        Layout::Scaled => (any::<i16>(), qds(true)).prop_map(|(v, q)| Element::Scaled(v, q)).boxed(),
        Layout::Float => (finite(), qds(true)).prop_map(|(v, q)| Element::Float(v, q)).boxed(),
        Layout::Counter => (any::<i32>(), 0..32_u8, any::<[bool; 3]>())
            .prop_map(|(value, sequence, [carry, adjusted, invalid])| {
                Element::Counter(CounterReading { value, sequence, carry, adjusted, invalid })
            })
            .boxed(),
        Layout::PackedSingle => (any::<u16>(), any::<u16>(), qds(true))
            .prop_map(|(s, c, q)| Element::PackedSingle(s, c, q))
            .boxed(),
        Layout::NormalizedBare => any::<i16>().prop_map(Element::NormalizedBare).boxed(),
        Layout::ProtectionEvent => (0..4_u8, qds(false), any::<u16>())
            .prop_map(|(e, q, t)| Element::ProtectionEvent(e, q, t))
            .boxed(),
        Layout::ProtectionStart => (0..64_u8, qds(false), any::<u16>())
            .prop_map(|(e, q, t)| Element::ProtectionStart(e, q, t))
            .boxed(),
        Layout::ProtectionTrip => (0..16_u8, qds(false), any::<u16>())
            .prop_map(|(e, q, t)| Element::ProtectionTrip(e, q, t))
            .boxed(),
        Layout::SingleCommand => {
            (any::<bool>(), qualifier(31)).prop_map(|(v, q)| Element::SingleCommand(v, q)).boxed()
        }
        Layout::DoubleCommand => {
            (double(), qualifier(31)).prop_map(|(v, q)| Element::DoubleCommand(v, q)).boxed()
        }
        Layout::StepCommand => (
            prop::sample::select(vec![
                StepDirection::Lower,
                StepDirection::Higher,
                StepDirection::NotPermitted(0),
                StepDirection::NotPermitted(3),
            ]),
            qualifier(31),
        )
            .prop_map(|(v, q)| Element::StepCommand(v, q))
            .boxed(),
        Layout::SetNormalized => {
            (any::<i16>(), qualifier(127)).prop_map(|(v, q)| Element::SetNormalized(v, q)).boxed()
        }
        Layout::SetScaled => {
            (any::<i16>(), qualifier(127)).prop_map(|(v, q)| Element::SetScaled(v, q)).boxed()
        }
        Layout::SetFloat => (finite(), qualifier(127)).prop_map(|(v, q)| Element::SetFloat(v, q)).boxed(),
        Layout::BitsCommand => any::<u32>().prop_map(Element::BitsCommand).boxed(),
        Layout::EndOfInitialization => any::<u8>().prop_map(Element::EndOfInitialization).boxed(),
        Layout::Interrogation => any::<u8>().prop_map(Element::Interrogation).boxed(),
        Layout::CounterInterrogation => any::<u8>().prop_map(Element::CounterInterrogation).boxed(),
        Layout::Read => Just(Element::Read).boxed(),
        Layout::ClockSynchronization => Just(Element::ClockSynchronization).boxed(),
        Layout::ResetProcess => any::<u8>().prop_map(Element::ResetProcess).boxed(),
        Layout::Test => any::<u16>().prop_map(Element::Test).boxed(),
    }
}

fn header() -> impl Strategy<Value = Header> {
    (0..64_u8, any::<[bool; 2]>(), any::<u8>(), any::<u16>()).prop_map(
        |(cause, [negative, test], originator, station)| Header {
            cause: Cause::from_code(cause),
            negative,
            test,
            originator,
            common_address: CommonAddress(station),
        },
    )
}

fn asdu() -> impl Strategy<Value = Asdu> {
    (prop::sample::select(TypeId::KNOWN.to_vec()), any::<bool>()).prop_flat_map(|(type_id, sequence)| {
        let (layout, timed) = type_id.layout().unwrap();
        let most = Asdu::capacity(type_id, sequence);
        let content = (element(layout), any::<[u8; 7]>(), 0..1_u32 << 24);
        let objects = prop::collection::vec(content, 1..=most);
        (header(), 0..(1_u32 << 24) - 128, objects).prop_map(move |(header, first, objects)| {
            let objects = (first..)
                .zip(objects)
                .map(|(next, (element, time, any))| Object {
                    address: Ioa::new(if sequence { next } else { any }).unwrap(),
                    element,
                    time: timed.then_some(Cp56Time2a::from_octets(time)),
                })
                .collect();
            Asdu { type_id, header, sequence, body: Body::Objects(objects) }
        })
    })
}

fn now(seconds: u64) -> Now {
    Now { mono: Mono::from_nanos(seconds * 1_000_000_000), utc: Utc::from_micros(1_767_225_600_000_000) }
}

fn list() -> PointList {
    PointList::new(vec![
        point("V", PointKind::Analog, "S1", "M_ME_TF_1@1"),
        controlled(
            point("CB", PointKind::Double, "S1", "M_DP_TB_1@2"),
            "C_DC_NA_1@3",
            ControlMode::SelectBeforeOperate,
        ),
        controlled(point("T", PointKind::Step, "S1", "M_ST_TB_1@4"), "C_RC_NA_1@5", ControlMode::Direct),
        point("E", PointKind::Counter, "S1", "M_IT_TB_1@6"),
    ])
    .unwrap()
}

/// Feeds chunks to a session; returns octets sent and reports made, so that growth can be bounded.
fn drive_session(chunks: &[Vec<u8>], started: bool) -> (usize, usize) {
    let config = Config { endpoints: vec!["a:1".into()], ..Config::default() };
    let mut session = ControllingSession::new(&config, &list(), "S1").unwrap();
    session.connected(now(0), Channel(0));
    if started {
        session.handle_input(now(0), Channel(0), &[0x68, 4, 0x0B, 0, 0, 0]);
    }
    let (mut sent, mut reports) = (0, 0);
    for (chunk, second) in chunks.iter().zip(0..) {
        session.handle_input(now(second), Channel(0), chunk);
        session.handle_timeout(now(second));
        sent += std::iter::from_fn(|| session.poll_transmit()).map(|out| out.bytes.len()).sum::<usize>();
        reports += std::iter::from_fn(|| session.poll_event()).count();
    }
    (sent, reports)
}

fn drive_station(chunks: &[Vec<u8>], started: bool) -> (usize, usize) {
    let config = Config { endpoints: vec!["a:1".into()], ..Config::default() };
    let mut station = ControlledStation::new(&config, &list(), "S1").unwrap();
    station.connected(now(0), Channel(0));
    if started {
        station.handle_input(now(0), Channel(0), &[0x68, 4, 0x07, 0, 0, 0]);
    }
    let (mut sent, mut reports) = (0, 0);
    for (chunk, second) in chunks.iter().zip(0..) {
        station.handle_input(now(second), Channel(0), chunk);
        station.handle_timeout(now(second));
        while let Some(event) = station.poll_event() {
            reports += 1;
            if let StationEvent::Command(command, _) = event {
                station.answer(now(second), command, CommandAnswer::Accept);
            }
        }
        sent += std::iter::from_fn(|| station.poll_transmit()).map(|out| out.bytes.len()).sum::<usize>();
    }
    (sent, reports)
}

/// Well-framed I formats with sequence numbers that fit and any content, so that the layers above are reached.
fn framed() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = prop::collection::vec(any::<u8>(), 1..250);
    let valid = asdu().prop_map(|asdu| asdu.encode().unwrap());
    let mutated = (asdu(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(asdu, at, octet)| {
        let mut bytes = asdu.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = octet;
        bytes
    });
    prop::collection::vec(prop_oneof![noise, valid, mutated], 1..40).prop_map(|bodies| {
        (0_u16..)
            .zip(bodies)
            .map(|(n, body)| {
                let [low, high] = (n << 1).to_le_bytes();
                let mut bytes = vec![0x68, u8::try_from(body.len() + 4).unwrap(), low, high, 0, 0];
                bytes.extend(body.iter().take(249));
                bytes
            })
            .collect()
    })
}

fn check_bounds(chunks: &[Vec<u8>], started: bool) -> Result<(), TestCaseError> {
    let octets: usize = chunks.iter().map(Vec::len).sum();
    for (sent, reports) in [drive_session(chunks, started), drive_station(chunks, started)] {
        // A frame of 6 octets may be answered by 6; a command by its mirror and the points of this small list. At
        // most one report per octet (SQ = 1, one octet per object), and a handful for the link.
        prop_assert!(sent <= 4096 + 8 * octets, "{sent} octets for {octets}");
        prop_assert!(reports <= 64 + 2 * octets, "{reports} reports for {octets} octets");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_asdu_survives(asdu in asdu()) {
        let bytes = asdu.encode().unwrap();
        prop_assert!(bytes.len() <= 249);
        prop_assert_eq!(Asdu::decode(&bytes), Ok(asdu));
    }

    #[test]
    fn any_bytes_decode_to_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Asdu::decode(&bytes);
        let mut end = 0;
        for (offset, frame) in decode_stream(&bytes) {
            prop_assert!(offset >= end);
            end = offset;
            if let Ok(frame) = frame {
                prop_assert!(!frame.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_bytes_leave_both_roles_standing(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        started: bool,
    ) {
        check_bounds(&chunks, started)?;
    }

    #[test]
    fn any_asdu_leaves_both_roles_standing(chunks in framed(), started: bool) {
        check_bounds(&chunks, started)?;
    }
}

/// Published failures of other stacks (lib60870 #175, #200, and its file transfer), remade after their descriptions.
#[test]
fn published_bug_classes() {
    let frame = |body: &[u8]| {
        let mut bytes = vec![0x68, u8::try_from(body.len() + 4).unwrap(), 0, 0, 0, 0];
        bytes.extend_from_slice(body);
        bytes
    };
    let cases: [(&str, Vec<u8>); 6] = [
        ("sequence without an address", frame(&[1, 0x81, 20, 0, 1, 0])),
        ("sequence cut inside its address", frame(&[1, 0xFF, 20, 0, 1, 0, 1, 0])),
        ("interrogation before STARTDT", frame(&[100, 1, 6, 0, 1, 0, 0, 0, 0, 20])),
        ("file segment longer than its ASDU", frame(&[125, 1, 13, 0, 1, 0, 0, 0, 0, 0, 0, 1, 255])),
        ("no objects", frame(&[13, 0, 3, 0, 1, 0])),
        ("eight octets", vec![0x68, 0x06, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, bytes) in cases {
        for started in [false, true] {
            let (_, reports) = drive_station(std::slice::from_ref(&bytes), started);
            assert!(reports > 0, "{name}: counted as a fault or answered");
            drive_session(std::slice::from_ref(&bytes), started);
        }
    }
}
