//! Interlocks on the IEEE 14-bus grid: each rule, what it says, and when it is silent.
#![allow(clippy::unwrap_used)]

use super::*;
use model::ExpandOptions;
use signal::{PointDef, PointKind, PointList, Quality, Sample};
use timebase::{Mono, Now, Utc};

const OPEN: Value = Value::Double(DoublePoint::Off);
const CLOSED: Value = Value::Double(DoublePoint::On);
const EARTH: &str = "S4/L4-5/ES";

struct Bench {
    rules: NetworkInterlock,
    table: Table,
}

impl Bench {
    /// All switches closed but those; the earth switch of L4-5 as given.
    fn new(open: &[&str], earth: Value, config: InterlockConfig) -> Self {
        let text = include_bytes!("../../../../examples/ieee14.m");
        let network = Arc::new(exchange::read_network(text, ExpandOptions::default()).unwrap().0);
        let position = |measurement: &model::Measurement| match measurement.role {
            MeasurementRole::SwitchPosition(switch) => {
                let (name, mrid) = (network[switch].name.clone(), measurement.mrid.as_str().to_owned());
                Some(PointDef { name, mrid, kind: PointKind::Double, ..PointDef::default() })
            }
            _ => None,
        };
        let mut points: Vec<PointDef> = network.measurements().iter().filter_map(position).collect();
        let earth_point = PointDef {
            name: EARTH.into(),
            mrid: "_es".into(),
            kind: PointKind::Double,
            ..PointDef::default()
        };
        points.push(earth_point);
        let list = Arc::new(PointList::new(points).unwrap());
        let mut table = Table::new(Arc::clone(&list));
        let received = Now { mono: Mono::ZERO, utc: Utc::default() };
        for (point, def) in list.iter() {
            let closed = if open.contains(&def.name.as_str()) { OPEN } else { CLOSED };
            let value = if def.name == EARTH { earth } else { closed };
            table.apply(&Sample { point, value, quality: Quality::GOOD, source_time: None, received });
        }
        let earths = vec![EarthSwitch { point: EARTH.into(), nodes: nodes_named(&network, "L4-5") }];
        Self { rules: NetworkInterlock::new(network, config, earths), table }
    }

    fn bars(&self, name: &str, value: Value) -> Vec<Bar> {
        self.rules.bars(self.table.points().named(name).unwrap(), value, &self.table)
    }
}

/// What each action is told, with whether it is refused, in the state that the open switches make.
fn check(open: &[&str], earth: Value, (name, value): (&str, Value), wanted: &[(&str, bool)]) {
    let config = InterlockConfig { r#loop: Rule::Warn, ..InterlockConfig::default() };
    let bars = Bench::new(open, earth, config).bars(name, value);
    let found: Vec<(&str, bool)> = bars.iter().map(|bar| (bar.code, bar.refuses)).collect();
    assert_eq!(found, wanted, "{name} {value:?} with {open:?} open: {bars:?}");
}

const ISOLATED: [&str; 4] = ["S4/L4-5/CB", "S4/L4-5/DS", "S5/L4-5/CB", "S5/L4-5/DS"];

#[test]
fn nothing_closes_onto_an_earth_and_nothing_live_is_earthed() {
    let ready = ["S4/L4-5/CB", "S5/L4-5/CB"];
    check(&ready, CLOSED, ("S4/L4-5/CB", CLOSED), &[("earthed", true)]);
    check(&ready, OPEN, ("S4/L4-5/CB", CLOSED), &[]);
    // The far end of the line is the same conductor; a position that nobody knows counts as closed.
    check(&ready, CLOSED, ("S5/L4-5/CB", CLOSED), &[("earthed", true)]);
    check(&ready, Value::Double(DoublePoint::Bad), ("S5/L4-5/CB", CLOSED), &[("earthed", true)]);
    // An open breaker stands between this disconnector and the earth.
    check(&ISOLATED, CLOSED, ("S4/L4-5/DS", CLOSED), &[]);
    check(&[], OPEN, (EARTH, CLOSED), &[("energised", true)]);
    check(&["S4/L4-5/CB"], OPEN, (EARTH, CLOSED), &[("energised", true)]);
    check(&ISOLATED, OPEN, (EARTH, CLOSED), &[]);
    check(&ISOLATED, CLOSED, (EARTH, OPEN), &[]);
}

#[test]
fn a_disconnector_moves_without_load_only() {
    check(&[], OPEN, ("S4/L4-5/DS", OPEN), &[("under_load", true)]);
    check(&["S4/L4-5/CB"], OPEN, ("S4/L4-5/DS", OPEN), &[]);
    check(&["S4/L4-5/CB", "S4/L4-5/DS"], OPEN, ("S4/L4-5/DS", CLOSED), &[]);
    check(&["S4/L4-5/DS"], OPEN, ("S4/L4-5/DS", CLOSED), &[("under_load", true), ("loop", false)]);
    let bars = Bench::new(&[], OPEN, InterlockConfig::default()).bars("S4/L4-5/DS", OPEN);
    assert!(bars[0].text.contains("S4/L4-5/CB is not open"), "{}", bars[0].text);
}

#[test]
fn islands_and_supply() {
    check(&[], OPEN, ("S14/Load/CB", OPEN), &[("supply", false)]);
    check(&["S14/Load/CB"], OPEN, ("S14/Load/CB", CLOSED), &[]);
    check(&["S4/L4-5/CB"], OPEN, ("S4/L4-5/CB", CLOSED), &[("loop", false)]);
    // S2 with its machine and load stands alone: closing a line joins two grids, and opening the last one made them two.
    let alone = ["S2/L1-2/CB", "S2/L2-3/CB", "S2/L2-4/CB", "S2/L2-5/CB"];
    check(&alone, OPEN, ("S2/L1-2/CB", CLOSED), &[("parallel", true)]);
    check(&alone[1..], OPEN, ("S2/L1-2/CB", OPEN), &[("split", false)]);
    // To where it stands already, a switch is told nothing.
    check(&[], OPEN, ("S2/L1-2/CB", CLOSED), &[]);
}

#[test]
fn what_is_off_says_nothing() {
    let off = InterlockConfig {
        earth: Rule::Off,
        load: Rule::Off,
        supply: Rule::Off,
        ..InterlockConfig::default()
    };
    let bench = Bench::new(&[], OPEN, off);
    assert_eq!(bench.bars("S4/L4-5/DS", OPEN), []);
    assert_eq!(bench.bars(EARTH, CLOSED), []);
    assert_eq!(bench.bars("S14/Load/CB", OPEN), []);
}

#[test]
fn steps_of_an_order_are_looked_at_on_the_positions_after_them() {
    let bench = Bench::new(&[], OPEN, InterlockConfig::default());
    let point = |name: &str| bench.table.points().named(name).unwrap();
    let after = |positions: &[(&str, Value)], of: &str| {
        let positions = positions.iter().map(|(name, value)| (point(name), *value)).collect();
        let bars = bench.rules.bars_among(point(of), &positions, &bench.table);
        bars.iter().map(|bar| bar.code).collect::<Vec<_>>()
    };
    assert_eq!(after(&[("S4/L4-5/CB", OPEN), ("S4/L4-5/DS", OPEN)], "S4/L4-5/DS"), Vec::<&str>::new());
    assert_eq!(after(&[("S4/L4-5/DS", OPEN)], "S4/L4-5/DS"), ["under_load"]);
    let isolated: Vec<(&str, Value)> = ISOLATED.iter().map(|name| (*name, OPEN)).collect();
    let earthed: Vec<(&str, Value)> = isolated.iter().copied().chain([(EARTH, CLOSED)]).collect();
    assert_eq!(after(&earthed, EARTH), Vec::<&str>::new());
    let back = [("S5/L4-5/CB", CLOSED), ("S4/L4-5/CB", OPEN), (EARTH, CLOSED)];
    assert_eq!(after(&back, "S5/L4-5/CB"), ["earthed"]);
}
