//! Carson's series against the integral that it stands for, and Bessel functions against their power series.

use super::*;

/// The integral by Simpson's rule over `t = √k`, which takes the kink at zero away.
fn integral(a: f64, angle: f64) -> Complex {
    let end = (60.0 / (a * angle.cos())).sqrt();
    let steps = 200_000;
    let width = end / f64::from(steps);
    let value = |at: i32| {
        let t = f64::from(at) * width;
        let k = t * t;
        let root = Complex::new(k * k, 1.0).sqrt() - Complex::from(k);
        root * (2.0 * t * (-k * a * angle.cos()).exp() * (k * a * angle.sin()).cos())
    };
    let mut sum = value(0) + value(steps);
    for at in 1..steps {
        sum += value(at) * if at % 2 == 1 { 4.0 } else { 2.0 };
    }
    sum * (width / 3.0)
}

#[test]
fn the_series_is_the_integral() {
    for (a, angle, tolerance) in [
        (0.03, 0.1, 1e-9),
        (0.5, 0.7, 1e-9),
        (2.0, 0.4, 1e-9),
        (5.0, 1.2, 1e-9),
        (10.0, 0.3, 1e-9),
        (19.9, 0.0, 1e-8),
        (20.1, 0.0, 1e-8),
        (20.1, 1.2, 1e-8),
        (50.0, 0.9, 1e-9),
    ] {
        let (got, want) = (carson(a, angle), integral(a, angle));
        assert!((got - want).abs() < tolerance, "a {a} angle {angle}: {got:?} {want:?}");
    }
}

#[test]
fn the_ratio_of_bessel_functions_is_that_of_their_series() {
    for size in [0.01, 0.5, 2.0, 6.0, 12.0] {
        let z = Complex::new(size, size);
        let quarter = z * z * 0.25;
        let (mut i0, mut i1) = (Complex::ZERO, Complex::ZERO);
        let (mut of_i0, mut of_i1) = (Complex::ONE, z * 0.5);
        for k in 1..200 {
            i0 += of_i0;
            i1 += of_i1;
            let k = f64::from(k);
            of_i0 = of_i0 * quarter * (1.0 / (k * k));
            of_i1 = of_i1 * quarter * (1.0 / (k * (k + 1.0)));
        }
        let (got, want) = (bessel_ratio(z), i1 / i0);
        assert!((got - want).abs() < 1e-13, "{size}: {got:?} {want:?}");
    }
}

#[test]
fn both_branches_of_the_ratio_meet() {
    let at = |size: f64| bessel_ratio(Complex::new(size, size) * FRAC_1_SQRT_2);
    let (below, above) =
        (at(BESSEL_ASYMPTOTIC_FROM * (1.0 - 1e-9)), at(BESSEL_ASYMPTOTIC_FROM * (1.0 + 1e-9)));
    assert!((below - above).abs() < 1e-9, "{below:?} {above:?}");
}

#[test]
fn a_round_wire_at_low_frequency_has_its_resistance_and_a_quarter_of_flux() {
    let z = round_wire(0.01, 1e-4);
    assert!((z.re - 1e-4).abs() < 1e-12, "{z:?}");
    // The flux inside is `μ/8π` per metre.
    let inside = 2.0 * PI * 0.01 * MU / (8.0 * PI);
    assert!((z.im - inside).abs() < 1e-6 * inside, "{z:?}");
}

#[test]
fn deri_is_close_to_carson() {
    let (one, other) = (Place { x_m: -3.0, y_m: 12.0 }, Place { x_m: 4.0, y_m: 9.0 });
    for frequency_hz in [50.0, 1000.0, 20_000.0] {
        let at = |model| Earth { frequency_hz, resistivity_ohm_m: 100.0, model }.impedance(one, other);
        let (carson, deri) = (at(EarthReturn::Carson), at(EarthReturn::Deri));
        // The paper states at most a few percent of the term of the earth itself.
        assert!((carson - deri).abs() < 0.05 * carson.abs(), "{frequency_hz}: {carson:?} {deri:?}");
    }
}

#[test]
fn modified_carson_is_carson_for_low_wires() {
    let (one, other) = (Place { x_m: 0.0, y_m: 0.1 }, Place { x_m: 0.2, y_m: 0.1 });
    let at = |model| Earth { frequency_hz: 50.0, resistivity_ohm_m: 1000.0, model }.impedance(one, other);
    let (carson, modified) = (at(EarthReturn::Carson), at(EarthReturn::ModifiedCarson));
    assert!((carson - modified).abs() < 1e-4 * carson.abs(), "{carson:?} {modified:?}");
}
