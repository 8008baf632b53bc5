//! Any octets to both roles of IEC 60870-5-104, in chunks with time between them.
//!
//! The first octet of each chunk says how long it is and how much time passes before it. Sequence numbers of I formats
//! are not repaired: a peer that keeps them right is found by the fuzzer from the seeds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto_iec104::{Config, ControlledStation, ControllingSession, decode_stream};
use signal::{
    Binding, Channel, CommandAnswer, ControlMode, Limits, PointDef, PointKind, PointList, PointSession, PointStation,
    StationEvent,
};
use std::time::Duration;
use timebase::{Mono, Now, Utc};

/// Reports that one octet may cause: an object of one octet each in a sequence, and a margin for the link itself.
const REPORTS_PER_OCTET: usize = 2;
const REPORTS_MARGIN: usize = 256;

fn point(number: usize, kind: PointKind, address: &str, control: Option<(&str, ControlMode)>) -> PointDef {
    PointDef {
        name: format!("P{number}"),
        mrid: format!("P{number}"),
        equipment: String::new(),
        substation: String::new(),
        kind,
        unit: String::new(),
        binding: Some(Binding {
            link: "S1".into(),
            address: address.into(),
            control: control.map(|(address, mode)| (address.into(), mode)),
        }),
        limits: Limits::default(),
        normal: None,
        stale_after: None,
        deadband: 0.0,
        ..PointDef::default()
    }
}

fn points() -> PointList {
    let select = ControlMode::SelectBeforeOperate;
    let defs = vec![
        point(0, PointKind::Analog, "M_ME_TF_1@1", Some(("C_SE_NC_1@5", ControlMode::Direct))),
        point(1, PointKind::Double, "M_DP_TB_1@2", Some(("C_DC_NA_1@6", select))),
        point(2, PointKind::Step, "M_ST_TB_1@3", Some(("C_RC_NA_1@7", ControlMode::Direct))),
        point(3, PointKind::Counter, "M_IT_TB_1@4", None),
    ];
    PointList::new(defs).unwrap_or_default()
}

fuzz_target!(|data: &[u8]| {
    for (_, frame) in decode_stream(data) {
        if let Ok(frame) = frame {
            let _ = frame.to_string();
        }
    }
    let config = Config { endpoints: vec!["a:1".into()], ..Config::default() };
    let list = points();
    let (Ok(mut session), Ok(mut station)) = (
        ControllingSession::new(&config, &list, "S1"),
        ControlledStation::new(&config, &list, "S1"),
    ) else {
        return;
    };
    let mut now = Now { mono: Mono::ZERO, utc: Utc::from_micros(1_767_225_600_000_000) };
    session.connected(now, Channel(0));
    station.connected(now, Channel(0));
    session.handle_input(now, Channel(0), &[0x68, 4, 0x0B, 0, 0, 0]);
    station.handle_input(now, Channel(0), &[0x68, 4, 0x07, 0, 0, 0]);
    let (mut rest, mut reports) = (data, 0);
    while let Some((&control, tail)) = rest.split_first() {
        let (chunk, after) = tail.split_at(usize::from(control & 0x3F).min(tail.len()));
        rest = after;
        now = now.advanced(Duration::from_secs(u64::from(control >> 6)));
        session.handle_timeout(now);
        station.handle_timeout(now);
        session.handle_input(now, Channel(0), chunk);
        station.handle_input(now, Channel(0), chunk);
        while session.poll_transmit().is_some() {}
        while session.poll_event().is_some() {
            reports += 1;
        }
        while let Some(event) = station.poll_event() {
            reports += 1;
            if let StationEvent::Command(command, _) = event {
                station.answer(now, command, CommandAnswer::Accept);
            }
        }
        while station.poll_transmit().is_some() {}
    }
    assert!(reports <= REPORTS_MARGIN + 2 * REPORTS_PER_OCTET * data.len(), "{reports} reports");
});
