//! The start from no load when the symmetric factors without pivot search do not serve, as where a series capacitor
//! meets a reactance of its own size: pivots are searched in the real equivalent of twice the size.
//!
//! A conductor without reference to ground has many voltages that satisfy Kirchhoff's law. It shows in a solve whose
//! answer is known: `Y x = Y p` gives back another `x` than `p`.

use sparse::Lu;
use sparse::complex::Complex;

use super::system::System;

/// Error of the known answer above which the solution is not unique.
const UNIQUE: f64 = 1e-5;

/// Writes the voltages without load; `false` if there are none, or many.
pub(super) fn start(system: &System, v: &mut [Complex]) -> bool {
    let n = system.size();
    let real = system.matrix.real_equivalent();
    let mut lu = Lu::new(&real);
    if lu.factor(&real).is_err() {
        return false;
    }
    let known: Vec<f64> = (0..2 * n).map(|k| if k % 3 == 0 { -1.0 } else { 1.0 }).collect();
    let mut found = vec![0.0; 2 * n];
    real.mul_add(1.0, &known, &mut found);
    lu.solve(&mut found);
    let unique = found.iter().zip(&known).all(|(found, known)| (found - known).abs() <= UNIQUE);
    if !unique {
        return false;
    }
    let mut pairs: Vec<f64> = system.injected.iter().flat_map(|i| [i.re, i.im]).collect();
    lu.solve(&mut pairs);
    for (v, pair) in v.iter_mut().zip(pairs.chunks_exact(2)) {
        *v = Complex::new(pair[0], pair[1]);
    }
    true
}
