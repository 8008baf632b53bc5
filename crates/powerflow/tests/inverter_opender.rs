//! Inverters under IEEE 1547-2018 against EPRI's OpenDER: `inverter/opender.txt`, made by `interop/inverter_cases.py`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use powerflow::inverter::{
    Category, Condition, Excitation, Inverter, Nameplate, Priority, ReactiveMode, Settings, VoltVar,
    VoltWatt, WattVar,
};

const CASES: &str = include_str!("inverter/opender.txt");
/// OpenDER stops its search for a point on the circle of rated apparent power when it is 1e-3 W of 100 kW away.
const TOLERANCE_PU: f64 = 1e-7;

fn number(text: &str) -> f64 {
    text.parse().expect(text)
}

fn nameplate(words: &[&str]) -> Nameplate {
    let category = match words[1] {
        "a" => Category::A,
        "b" => Category::B,
        other => panic!("category {other}"),
    };
    let rated = match words[0] {
        "generator" => Nameplate::generator(category, 1.0),
        "storage" => Nameplate::storage(category, 1.0),
        other => panic!("kind {other}"),
    };
    Nameplate { q_injected_rated_pu: number(words[2]), q_absorbed_rated_pu: number(words[3]), ..rated }
}

fn settings(words: &[&str]) -> Settings {
    let nameplate = nameplate(words);
    let priority = match words[4] {
        "reactive" => Priority::Reactive,
        "required" => Priority::ReactiveAsRequired,
        other => panic!("priority {other}"),
    };
    let power_factor =
        |excitation| ReactiveMode::ConstantPowerFactor { power_factor: number(words[6]), excitation };
    let mode = match words[5] {
        "volt_var" => ReactiveMode::VoltVar(VoltVar::default_of(nameplate.category)),
        "watt_var" => ReactiveMode::WattVar(WattVar::default_of(&nameplate)),
        "constant_q" => ReactiveMode::ConstantReactivePower { q: number(words[6]) },
        "injecting" => power_factor(Excitation::Injecting),
        "absorbing" => power_factor(Excitation::Absorbing),
        other => panic!("mode {other}"),
    };
    let volt_watt = words.contains(&"volt_watt").then(|| VoltWatt::default_of(&nameplate));
    Settings { nameplate, mode, volt_watt, p_limit: None, priority, cut_in: None }
}

#[test]
fn opender_settles_at_the_same_point() {
    let mut count = 0;
    for line in CASES.lines().filter(|line| !line.starts_with('#')) {
        let (words, figures) = line.split_once(" : ").unwrap();
        let words: Vec<&str> = words.split(' ').collect();
        let figures: Vec<f64> = figures.split(' ').map(number).collect();
        let inverter = Inverter::new(settings(&words)).expect(line);
        let condition = Condition { p_available_pu: figures[0], v_pu: figures[1], was_running: true };
        let found = inverter.operate(&condition);
        assert!((found.p_injection_pu - figures[2]).abs() < TOLERANCE_PU, "{line}: {found:?}");
        assert!((found.q_injection_pu - figures[3]).abs() < TOLERANCE_PU, "{line}: {found:?}");
        count += 1;
    }
    assert!(count > 800, "{count} cases");
}
