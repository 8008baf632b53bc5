//! Figures of the standard's tables, one line each, and what holds for every inverter.

use super::*;

fn settings(nameplate: Nameplate, mode: ReactiveMode) -> Settings {
    let priority = Priority::default();
    Settings { nameplate, mode, volt_watt: None, p_limit: None, priority, cut_in: None }
}

fn run(settings: Settings, p_available_pu: f64, v_pu: f64) -> Operation {
    let inverter = Inverter::new(settings).map_err(|fault| fault.to_string());
    let condition = Condition { p_available_pu, v_pu, was_running: true };
    inverter.map(|inverter| inverter.operate(&condition)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-12, "{what}: got {got}, want {want}");
}

#[test]
fn table_8_defaults() {
    for (category, v_pu, q) in [
        // Category A: V1 = 0.9, V2 = V3 = VRef, V4 = 1.1 VN, 25 % at the ends, 10 s.
        (Category::A, 0.85, 0.25),
        (Category::A, 0.9, 0.25),
        (Category::A, 0.95, 0.125),
        (Category::A, 1.0, 0.0),
        (Category::A, 1.04, -0.1),
        (Category::A, 1.1, -0.25),
        (Category::A, 1.2, -0.25),
        // Category B: VRef - 0.08, -0.02, +0.02, +0.08, 44 % at the ends, 5 s.
        (Category::B, 0.5, 0.44),
        (Category::B, 0.92, 0.44),
        (Category::B, 0.95, 0.22),
        (Category::B, 0.98, 0.0),
        (Category::B, 1.0, 0.0),
        (Category::B, 1.02, 0.0),
        (Category::B, 1.05, -0.22),
        (Category::B, 1.08, -0.44),
        (Category::B, 1.3, -0.44),
    ] {
        let curve = VoltVar::default_of(category);
        close(curve.q_at(v_pu), q, &format!("{category:?} {v_pu}"));
        let shifted = curve.around(0.97);
        close(shifted.q_at(v_pu - 0.03), q, &format!("{category:?} {v_pu} around 0.97"));
        let nameplate = Nameplate::generator(category, 2.0);
        let found = run(settings(nameplate, ReactiveMode::VoltVar(curve)), 1.0, v_pu);
        close(found.q_injection_pu, 2.0 * q, "per unit of the base");
    }
    close(VoltVar::default_of(Category::A).response_time_s, 10.0, "A");
    close(VoltVar::default_of(Category::B).response_time_s, 5.0, "B");
}

#[test]
fn table_9_defaults() {
    let with_p_min = Nameplate { p_min_pu: 0.3, ..Nameplate::generator(Category::B, 1.0) };
    let storage = Nameplate::storage(Category::B, 1.0);
    for (nameplate, p, q) in [
        (Nameplate::generator(Category::A, 1.0), 0.2, 0.0),
        (Nameplate::generator(Category::A, 1.0), 0.5, 0.0),
        (Nameplate::generator(Category::A, 1.0), 0.75, -0.125),
        (Nameplate::generator(Category::A, 1.0), 1.0, -0.25),
        (Nameplate::generator(Category::B, 1.0), 0.0, 0.0),
        (Nameplate::generator(Category::B, 1.0), 0.75, -0.22),
        (Nameplate::generator(Category::B, 1.0), 1.0, -0.44),
        (storage, -0.2, 0.0),
        (storage, -0.5, 0.0),
        (storage, -0.75, 0.22),
        (storage, -1.0, 0.44),
        (with_p_min, 0.5, 0.0),
    ] {
        let curve = WattVar::default_of(&nameplate);
        close(curve.q_at(p, &nameplate), q, &format!("{:?} {p}", nameplate.category));
    }
    // P1 is the greater of 0.2 and the least active power.
    close(WattVar::default_of(&storage).p[0], 0.2, "P1");
    close(WattVar::default_of(&with_p_min).p[0], 0.3, "P1");
}

#[test]
fn table_10_defaults() {
    let generator = Nameplate::generator(Category::B, 1.0);
    let storage = Nameplate::storage(Category::A, 1.0);
    let small = Nameplate { p_min_pu: 0.1, ..generator };
    let large = Nameplate { p_min_pu: 0.4, ..generator };
    for (nameplate, v_pu, limit) in [
        (generator, 1.0, 1.0),
        (generator, 1.06, 1.0),
        (generator, 1.08, 0.5),
        (generator, 1.1, 0.0),
        (generator, 1.2, 0.0),
        (storage, 1.08, 0.5),
        (storage, 1.1, 0.0),
        // The lesser of 0.2 of rated and the least active power.
        (small, 1.1, 0.1),
        (large, 1.1, 0.2),
        (large, 1.08, 0.6),
    ] {
        let curve = VoltWatt::default_of(&nameplate);
        close(curve.limit_pu(v_pu, &nameplate), limit, &format!("{v_pu} {}", nameplate.p_min_pu));
        let mode = ReactiveMode::ConstantReactivePower { q: 0.0 };
        let found = run(Settings { volt_watt: Some(curve), ..settings(nameplate, mode) }, 1.0, v_pu);
        close(found.p_injection_pu, limit, "as operated");
        assert_eq!(found.limits.volt_watt, limit < 1.0);
    }
    let charging = VoltWatt { p2: -1.0, ..VoltWatt::default_of(&storage) };
    let mode = ReactiveMode::ConstantReactivePower { q: 0.0 };
    let found = run(Settings { volt_watt: Some(charging), ..settings(storage, mode) }, 0.3, 1.1);
    close(found.p_injection_pu, -1.0, "at V2 it has to absorb");
}

#[test]
fn table_7_and_the_capability_at_low_power() {
    for (category, p, injected, absorbed) in [
        (Category::A, 1.0, 0.44, 0.25),
        (Category::B, 1.0, 0.44, 0.44),
        (Category::B, 0.2, 0.44, 0.44),
        (Category::B, 0.1, 0.22, 0.22),
        (Category::A, 0.05, 0.11, 0.0625),
        (Category::A, 0.049, 0.0, 0.0),
    ] {
        let nameplate = Nameplate::generator(category, 1.0);
        let (got_injected, got_absorbed) = nameplate.reactive_capability(p);
        close(got_injected, injected, "injection");
        close(got_absorbed, absorbed, "absorption");
        assert_eq!(nameplate.required_reactive_power(p), nameplate.reactive_capability(p));
    }
    close(Nameplate::storage(Category::B, 1.0).reactive_capability(0.0).0, 0.44, "storage at rest");
}

#[test]
fn priorities() {
    let nameplate = Nameplate {
        q_injected_rated_pu: 0.8,
        q_absorbed_rated_pu: 0.8,
        ..Nameplate::generator(Category::B, 1.0)
    };
    for (priority, p, q, want_p, want_q) in [
        (Priority::Reactive, 0.9, 0.6, 0.8, 0.6),
        (Priority::Reactive, 0.7, -0.6, 0.7, -0.6),
        (Priority::Active, 0.8, 0.8, 0.8, 0.6),
        (Priority::Active, 1.0, -0.8, 1.0, 0.0),
        (Priority::ReactiveAsRequired, 1.0, 0.8, (1.0_f64 - 0.44 * 0.44).sqrt(), 0.44),
        (Priority::ReactiveAsRequired, 0.8, -0.8, 0.8, -0.6),
        (Priority::ReactiveAsRequired, 1.0, 0.28, 0.96, 0.28),
    ] {
        let mode = ReactiveMode::ConstantReactivePower { q };
        let found = run(Settings { priority, ..settings(nameplate, mode) }, p, 1.0);
        close(found.p_injection_pu, want_p, &format!("{priority:?} {p} {q}: p"));
        close(found.q_injection_pu, want_q, &format!("{priority:?} {p} {q}: q"));
        assert_eq!(found.limits.apparent_power, (want_p, want_q) != (p, q));
    }
}

#[test]
fn power_factor_and_its_circle() {
    for (power_factor, excitation, p, want_p, want_q) in [
        (1.0, Excitation::Injecting, 1.0, 1.0, 0.0),
        (0.98, Excitation::Injecting, 0.49, 0.49, 0.5 * (1.0_f64 - 0.98 * 0.98).sqrt()),
        (0.98, Excitation::Absorbing, 1.0, 0.98, -(1.0_f64 - 0.98 * 0.98).sqrt()),
        // Charging keeps the direction of the reactive power.
        (0.98, Excitation::Injecting, -0.49, -0.49, 0.5 * (1.0_f64 - 0.98 * 0.98).sqrt()),
        // Beyond the rated reactive power the power factor is not kept.
        (0.6, Excitation::Injecting, 1.0, 0.6, 0.44),
    ] {
        let mode = ReactiveMode::ConstantPowerFactor { power_factor, excitation };
        let found = run(settings(Nameplate::storage(Category::B, 1.0), mode), p, 1.0);
        close(found.p_injection_pu, want_p, &format!("{power_factor} {p}: p"));
        close(found.q_injection_pu, want_q, &format!("{power_factor} {p}: q"));
        assert_eq!(found.limits.reactive_capability, power_factor < 0.9);
    }
}

#[test]
fn cut_in_and_cut_out() {
    let mode = ReactiveMode::ConstantReactivePower { q: 0.0 };
    let cut_in = Some(CutIn { start_pu: 0.1, stop_pu: 0.05 });
    let settings = Settings { cut_in, ..settings(Nameplate::storage(Category::B, 1.0), mode) };
    for (p_available_pu, was_running, running) in [
        (0.04, true, false),
        (0.05, true, true),
        (0.09, true, true),
        (0.09, false, false),
        (0.1, false, true),
        (-0.1, false, true),
        (-0.01, true, false),
    ] {
        let found = Inverter::new(settings)
            .map(|inverter| inverter.operate(&Condition { p_available_pu, v_pu: 1.0, was_running }));
        let want = if running { p_available_pu } else { 0.0 };
        assert_eq!(found.map(|found| (found.running, found.p_injection_pu)), Ok((running, want)));
    }
}

#[test]
fn limits_of_active_power() {
    let mode = ReactiveMode::ConstantReactivePower { q: 0.0 };
    let limited = Settings { p_limit: Some(0.6), ..settings(Nameplate::storage(Category::B, 1.0), mode) };
    for (p_available, p, held) in
        [(0.5, 0.5, false), (0.7, 0.6, true), (-0.8, -0.8, false), (-1.5, -1.0, true)]
    {
        let found = run(limited, p_available, 1.0);
        close(found.p_injection_pu, p, "p");
        assert_eq!(found.limits.active_power, held, "{p_available}");
    }
    let generator = run(settings(Nameplate::generator(Category::B, 1.0), mode), -0.5, 1.0);
    close(generator.p_injection_pu, 0.0, "a generator does not absorb");
}

#[test]
fn a_bad_condition_is_no_result() {
    let mode = ReactiveMode::VoltVar(VoltVar::default_of(Category::B));
    for (p, v) in [(f64::NAN, 1.0), (0.5, f64::NAN), (f64::INFINITY, 1.0)] {
        let found = run(settings(Nameplate::generator(Category::B, 1.0), mode), p, v);
        assert!(found.p_injection_pu.is_nan() && found.q_injection_pu.is_nan() && !found.running);
    }
}

#[test]
fn rated_apparent_power_holds_in_every_mode() {
    let nameplate = Nameplate {
        q_injected_rated_pu: 1.0,
        q_absorbed_rated_pu: 1.0,
        ..Nameplate::storage(Category::B, 1.0)
    };
    let steep =
        WattVar { q: [0.0, -0.9, -1.0], q_absorbing: [0.0, 1.0, 0.2], ..WattVar::default_of(&nameplate) };
    let steep_volt_var = VoltVar { q: [1.0, 0.0, 0.0, -1.0], ..VoltVar::default_of(Category::B) };
    let injecting = Excitation::Injecting;
    for mode in [
        ReactiveMode::WattVar(steep),
        ReactiveMode::VoltVar(steep_volt_var),
        ReactiveMode::ConstantPowerFactor { power_factor: 0.1, excitation: injecting },
        ReactiveMode::ConstantReactivePower { q: -1.0 },
    ] {
        for priority in [Priority::Active, Priority::Reactive, Priority::ReactiveAsRequired] {
            for step in -20_i32..=20 {
                let p = f64::from(step) / 20.0;
                for v in [0.9, 0.95, 1.05, 1.1] {
                    let found = run(Settings { priority, ..settings(nameplate, mode) }, p, v);
                    let (p_out, q_out) = (found.p_injection_pu, found.q_injection_pu);
                    assert!(p_out.hypot(q_out) <= 1.0 + 1e-12, "{mode:?} {priority:?} {p} {v}");
                    // Never more than what is there, never the other way.
                    assert!(p_out.abs() <= p.abs() && p_out * p >= 0.0, "{mode:?} {priority:?} {p} {v}");
                }
            }
        }
    }
}

#[test]
fn settings_outside_of_the_tables_are_refused() {
    let a = Nameplate::generator(Category::A, 1.0);
    let b = Nameplate::generator(Category::B, 1.0);
    let storage = Nameplate::storage(Category::B, 1.0);
    let volt_var = |nameplate: Nameplate, change: &dyn Fn(&mut VoltVar)| {
        let mut curve = VoltVar::default_of(nameplate.category);
        change(&mut curve);
        settings(nameplate, ReactiveMode::VoltVar(curve))
    };
    let watt_var = |change: &dyn Fn(&mut WattVar)| {
        let mut curve = WattVar::default_of(&storage);
        change(&mut curve);
        settings(storage, ReactiveMode::WattVar(curve))
    };
    let volt_watt = |nameplate: Nameplate, change: &dyn Fn(&mut VoltWatt)| {
        let mut curve = VoltWatt::default_of(&nameplate);
        change(&mut curve);
        let mode = ReactiveMode::ConstantReactivePower { q: 0.0 };
        Settings { volt_watt: Some(curve), ..settings(nameplate, mode) }
    };
    let constant = |q: f64| settings(b, ReactiveMode::ConstantReactivePower { q });
    for (settings, place, setting) in [
        (volt_var(b, &|curve| curve.v_ref_pu = 1.06), "Table 8", "VRef"),
        (volt_var(a, &|curve| curve.v_pu[1] = 0.99), "Table 8", "V2"),
        (volt_var(b, &|curve| curve.v_pu[1] = 0.96), "Table 8", "V2"),
        (volt_var(b, &|curve| curve.v_pu[2] = 1.04), "Table 8", "V3"),
        (volt_var(b, &|curve| curve.v_pu[0] = 0.97), "Table 8", "V1"),
        (volt_var(b, &|curve| curve.v_pu[0] = 0.81), "Table 8", "V1"),
        (volt_var(b, &|curve| curve.v_pu[3] = 1.19), "Table 8", "V4"),
        (volt_var(b, &|curve| curve.q[0] = -0.1), "Table 8", "Q1"),
        (volt_var(a, &|curve| curve.q[3] = -0.3), "Table 8", "Q4"),
        (volt_var(b, &|curve| curve.response_time_s = 0.5), "Table 8", "open-loop response time"),
        (watt_var(&|curve| curve.p[1] = 0.3), "Table 9", "P2"),
        (watt_var(&|curve| curve.p[2] = 0.55), "Table 9", "P3"),
        (watt_var(&|curve| curve.p[0] = 0.45), "Table 9", "P1"),
        (watt_var(&|curve| curve.p_absorbing[2] = -1.1), "Table 9", "P'3"),
        (watt_var(&|curve| curve.p_absorbing[0] = 0.1), "Table 9", "P'1"),
        (watt_var(&|curve| curve.q[2] = -0.5), "Table 9", "Q3"),
        (volt_watt(b, &|curve| curve.v_pu[0] = 1.04), "Table 10", "V1"),
        (volt_watt(b, &|curve| curve.v_pu[1] = 1.065), "Table 10", "V2"),
        (volt_watt(b, &|curve| curve.p2 = -0.5), "Table 10", "P2"),
        (volt_watt(storage, &|curve| curve.p2 = 0.5), "Table 10", "P'2"),
        (constant(0.5), "5.3.5", "reactive power"),
        (Settings { p_limit: Some(1.1), ..constant(0.0) }, "4.6.2", "limit of active power"),
        (Settings { cut_in: Some(CutIn { start_pu: 0.1, stop_pu: 0.2 }), ..constant(0.0) }, "cut-in", "stop"),
    ] {
        let fault = Inverter::new(settings).map(|_| ());
        assert_eq!(fault.map_err(|fault| (fault.place, fault.setting)), Err((place, setting)));
    }
    let weak = Nameplate { q_absorbed_rated_pu: 0.3, ..b };
    let message = Inverter::new(settings(weak, ReactiveMode::ConstantReactivePower { q: 0.0 }))
        .map_or_else(|fault| fault.to_string(), |_| String::new());
    assert_eq!(
        message,
        "reactive power of absorption (Table 7 of IEEE 1547-2018) is 0.3, allowed is 0.44 to 1"
    );
}
