//! Matrices, responses of loads and their derivatives.
#![allow(clippy::unwrap_used)]
use sparse::complex::Complex;

use super::branch::{Owner, Response, ShuntBranch};
use crate::dense;

fn close(a: Complex, b: Complex, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}");
}

#[test]
fn a_matrix_times_its_inverse_is_one() {
    let n = 4;
    let a: Vec<Complex> =
        (0..16).map(|k| Complex::new(f64::from(k * 7 % 11) - 4.0, f64::from(k * 5 % 13) - 6.0)).collect();
    let mut inverse = a.clone();
    dense::invert(&mut inverse, n).unwrap();
    for row in 0..n {
        for col in 0..n {
            let sum = (0..n).map(|k| a[row * n + k] * inverse[k * n + col]).sum();
            close(sum, if row == col { Complex::ONE } else { Complex::ZERO }, 1e-12);
        }
    }
    assert!(dense::invert(&mut [Complex::ZERO; 4], 2).is_none());
}

fn branch(response: Response) -> ShuntBranch {
    let mut branch = ShuntBranch {
        from: 0,
        to: 1,
        nominal_s: Complex::ZERO,
        nominal_v: 240.0,
        low_v: 120.0,
        min_v: 228.0,
        max_v: 252.0,
        low_factor: 1.0,
        response,
        owner: Owner::Load(0),
    };
    branch.set_power(Complex::new(2400.0, 1200.0));
    branch
}

#[test]
fn powers_follow_the_response_inside_the_range() {
    // By hand: p·(v/vn)^a at 235 V of 240 V.
    let check = |response, p: f64, q: f64| {
        let v = Complex::polar(235.0, 0.3);
        close(v * branch(response).current(v).conj(), Complex::new(p, q), 1e-12);
    };
    let k: f64 = 235.0 / 240.0;
    check(Response::Power, 2400.0, 1200.0);
    check(Response::Current, 2400.0 * k, 1200.0 * k);
    check(Response::Impedance, 2400.0 * k * k, 1200.0 * k * k);
    check(Response::Exponential { p: 1.0, q: 3.0 }, 2400.0 * k, 1200.0 * k.powi(3));
    check(Response::FixedReactive { q_var: 700.0 }, 2400.0, 700.0);
    let zip = Response::Zip { p: [0.5, 0.3, 0.2], q: [0.0, 0.0, 1.0], cut_off_pu: 0.0 };
    check(zip, 2400.0 * (0.5 * k * k + 0.3 * k + 0.2), 1200.0);
}

#[test]
fn currents_have_no_jump_at_the_ends_of_the_range() {
    let responses = [
        Response::Power,
        Response::Current,
        Response::Exponential { p: 0.0, q: 0.0 },
        Response::Zip { p: [0.4, 0.3, 0.3], q: [0.4, 0.3, 0.3], cut_off_pu: 0.0 },
    ];
    for response in responses {
        let branch = branch(response);
        for edge in [120.0, 228.0, 252.0] {
            let [below, above] = [edge - 1e-9, edge + 1e-9].map(|v| branch.current(Complex::new(v, 0.0)));
            let jump = (below - above).abs() / above.abs();
            assert!(jump < 1e-8, "{response:?} jumps by {jump} at {edge} V");
        }
    }
}

#[test]
fn derivatives_are_those_of_the_current() {
    for response in
        [Response::Power, Response::Current, Response::Impedance, Response::Exponential { p: 0.4, q: 3.0 }]
    {
        let branch = branch(response);
        for magnitude in [100.0, 180.0, 240.0, 260.0] {
            let v = Complex::polar(magnitude, -0.7);
            let (a, b) = branch.derivatives(v);
            for dv in [Complex::new(1e-4, 0.0), Complex::new(0.0, 1e-4)] {
                let change = (branch.current(v + dv) - branch.current(v - dv)) * 0.5;
                close((a * dv + b * dv.conj()) * 1e4, change * 1e4, 1e-6);
            }
        }
    }
}
