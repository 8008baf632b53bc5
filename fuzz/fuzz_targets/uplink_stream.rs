//! Any octets to both roles of the uplink, before and after the greeting, in chunks with time between them.
//!
//! The first octet of each chunk says how long it is and how much time passes before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use timebase::Mono;
use uplink::codec::Welcome;
use uplink::{CentreSession, EdgeSession, Frame, Hello, VERSION};

fn hello() -> Hello {
    Hello { version: VERSION, gateway: "g".into(), epoch: 7, first: 3, next: 9, fingerprint: 0 }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = Frame::decode(data) {
        let again = Frame::decode(&frame.encode()[4..]);
        assert_eq!(format!("{again:?}"), format!("Ok({frame:?})"));
    }
    let Some((greeted, mut rest)) = data.split_first() else { return };
    let mut now = Mono::ZERO;
    let mut edge = EdgeSession::new(now, hello(), (&[], &[]));
    let mut centre = CentreSession::new(now, 1, 100);
    if greeted % 2 == 1 {
        let welcome = Welcome { version: VERSION, connection: 1, wanted: Some(4), credit: 100 };
        edge.handle_input(now, &Frame::Welcome(welcome).encode());
        centre.handle_input(now, &Frame::Hello(hello()).encode());
        centre.welcome(Some(4));
    }
    let (mut reports, mut answers) = (0, 0);
    while let Some((&control, tail)) = rest.split_first() {
        let (chunk, after) = tail.split_at(usize::from(control & 0x3F).min(tail.len()));
        rest = after;
        now = now + Duration::from_millis(u64::from(control >> 6) * 700);
        edge.handle_timeout(now);
        centre.handle_timeout(now);
        edge.handle_input(now, chunk);
        centre.handle_input(now, chunk);
        reports += std::iter::from_fn(|| edge.poll_event()).count();
        reports += std::iter::from_fn(|| centre.poll_event()).count();
        answers += std::iter::from_fn(|| edge.poll_transmit()).count();
        answers += std::iter::from_fn(|| centre.poll_transmit()).count();
    }
    // A frame has five octets at least; the greeting and pings of the passing time come on top.
    assert!(reports <= data.len() + 16 && answers <= 2 * data.len() + 16, "{reports} reports, {answers} answers");
});
