//! The point table with readers on other threads: no reader ever sees half a state.

#![allow(clippy::unwrap_used)]

use scada::table::Table;
use signal::{PointDef, PointId, PointKind, PointList, Quality, Sample, Value};
use std::sync::Arc;
use timebase::{Mono, Now, Utc, UtcStamp};

const ROUNDS: i64 = 100_000;

/// Value, source time and receive time all say the same number.
fn sample(n: i64) -> Sample {
    let received = Now { mono: Mono::from_nanos(n as u64), utc: Utc::from_micros(n) };
    let source_time = Some(UtcStamp::synchronised(Utc::from_micros(n)));
    Sample { point: PointId(0), value: Value::Counter(n), quality: Quality::GOOD, source_time, received }
}

#[test]
fn a_reader_beside_the_writer_sees_whole_states_in_their_order() {
    let def =
        PointDef { name: "a".into(), mrid: "_a".into(), kind: PointKind::Counter, ..PointDef::default() };
    let mut table = Table::new(Arc::new(PointList::new(vec![def]).unwrap()));
    table.apply(&sample(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = table.reader();
            scope.spawn(move || {
                let mut last = 0;
                while last < ROUNDS {
                    let state = reader.get(PointId(0)).unwrap();
                    let Some(Value::Counter(n)) = state.value else { panic!("{state:?}") };
                    let whole = sample(n);
                    assert_eq!(state.source_time, whole.source_time);
                    assert_eq!(state.received, Some(whole.received));
                    assert!(n >= last, "time runs forward");
                    last = n;
                }
            });
        }
        for n in 1..=ROUNDS {
            table.apply(&sample(n));
        }
    });
}
