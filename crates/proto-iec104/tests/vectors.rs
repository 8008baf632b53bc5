//! Frames of foreign stacks, compared field by field with what tshark reads in them.
//!
//! `testdata/vectors/iec104/asdus.csv` names the source of each frame.
#![allow(clippy::unwrap_used, missing_docs)]

use proto_iec104::codec::{Asdu, DoubleState, Element, Object, Qds, StepDirection};
use proto_iec104::{Frame, decode_stream};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

fn number(text: &str) -> f64 {
    match text.strip_prefix("0x") {
        Some(hex) => f64::from(u32::from_str_radix(hex, 16).unwrap()),
        None => text.parse().unwrap(),
    }
}

fn double(state: DoubleState) -> u8 {
    match state {
        DoubleState::Intermediate => 0,
        DoubleState::Off => 1,
        DoubleState::On => 2,
        DoubleState::Indeterminate => 3,
    }
}

/// The value and QDS of an element as tshark prints them: SIQ and DIQ whole, BSI in the order of its octets.
fn as_tshark(element: &Element) -> (Option<f64>, Option<Qds>) {
    let normalized = |value: i16| Some(f64::from(value) / 32768.0);
    match *element {
        Element::Single(on, qds) => (Some(f64::from(u8::from(on) | qds.bits())), None),
        Element::Double(state, qds) => (Some(f64::from(double(state) | qds.bits())), None),
        Element::Step(value, _, qds) => (Some(f64::from(value)), Some(qds)),
        Element::Bits(bits, qds) => (Some(f64::from(bits.swap_bytes())), Some(qds)),
        Element::Normalized(value, qds) => (normalized(value), Some(qds)),
        Element::Scaled(value, qds) => (Some(f64::from(value)), Some(qds)),
        Element::Float(value, qds) => (Some(f64::from(value)), Some(qds)),
        Element::NormalizedBare(value) | Element::SetNormalized(value, _) => (normalized(value), None),
        Element::Counter(reading) => (Some(f64::from(reading.value)), None),
        Element::SingleCommand(on, _) => (Some(f64::from(u8::from(on))), None),
        Element::DoubleCommand(state, _) => (Some(f64::from(double(state))), None),
        Element::StepCommand(StepDirection::Lower, _) => (Some(1.0), None),
        Element::StepCommand(StepDirection::Higher, _) => (Some(2.0), None),
        Element::SetScaled(value, _) => (Some(f64::from(value)), None),
        Element::SetFloat(value, _) => (Some(f64::from(value)), None),
        Element::BitsCommand(bits) => (Some(f64::from(bits.swap_bytes())), None),
        Element::EndOfInitialization(octet) | Element::Interrogation(octet) => (Some(f64::from(octet)), None),
        _ => (None, None),
    }
}

fn time_text(object: &Object) -> String {
    let [low, high, minute, hour, day, month, year] = object.time.unwrap().octets();
    let millis = u16::from_le_bytes([low, high]);
    format!("{}-{}-{}-{}-{}-{millis}", year & 0x7F, month & 0x0F, day & 0x1F, hour & 0x1F, minute & 0x3F)
}

fn check(line: &str) {
    let fields: Vec<&str> = line.split(',').collect();
    let [_, hex, identifier @ .., addresses, values, qds, time] = &fields[..] else { panic!("{line}") };
    let bytes = octets(hex);
    let frames: Vec<_> = decode_stream(&bytes).collect();
    let [(0, Ok(Frame { asdu: Some(asdu), .. }))] = &frames[..] else { panic!("{line}: {frames:?}") };
    let header = &asdu.header;
    let objects = asdu.objects();
    let found = [
        u32::from(asdu.type_id.code()),
        u32::from(header.cause.code()),
        u32::from(header.negative),
        u32::from(header.test),
        u32::from(header.originator),
        u32::from(header.common_address.0),
        u32::from(asdu.sequence),
        u32::try_from(objects.len()).unwrap(),
    ];
    let expected: Vec<u32> = identifier.iter().map(|field| field.parse().unwrap()).collect();
    assert_eq!(found[..], expected[..], "{line}");
    let found: Vec<String> = objects.iter().map(|object| object.address.to_string()).collect();
    assert_eq!(found.join(";"), *addresses, "{line}");
    for (object, expected) in objects.iter().zip(values.split(';').filter(|text| !text.is_empty())) {
        let (value, expected) = (as_tshark(&object.element).0.unwrap(), number(expected));
        // tshark prints six digits.
        assert!((value - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{line}: {value}");
    }
    for (object, expected) in objects.iter().zip(qds.split(';').filter(|text| !text.is_empty())) {
        let bits = as_tshark(&object.element).1.unwrap().bits();
        assert_eq!(f64::from(bits), number(expected), "{line}");
    }
    if !time.is_empty() {
        assert_eq!(time_text(&objects[0]), *time, "{line}");
    }
    assert_eq!(asdu.encode().as_deref(), Ok(&bytes[6..]), "{line}");
}

#[test]
fn frames_of_foreign_stacks() {
    let text = std::fs::read_to_string(root().join("testdata/vectors/iec104/asdus.csv")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
    assert!(lines.len() >= 90, "{} vectors", lines.len());
    lines.into_iter().for_each(check);
}

#[test]
fn asdu_text_is_for_people() {
    let asdu = Asdu::decode(&octets("24010300010065040000002043002cbd10091b0b1a")).unwrap();
    let text = asdu.to_string();
    for part in ["M_ME_TF_1 (36)", "spontaneous (3)", "IOA 1125", "160", "26-11-27 09:16:48.428", "good"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
