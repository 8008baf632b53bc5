//! Primitive admittances of lines, sources, capacitors and reactors (Kersting, *Distribution System Modeling and
//! Analysis*, 4th ed., chapters 6 and 9):
//!
//! ```text
//! line         Y = [ Z⁻¹ + ½ jB    -Z⁻¹         ]      Z: series matrix of the conductors, B: charging
//!                  [ -Z⁻¹           Z⁻¹ + ½ jB  ]
//! source       the same without charging, second end at ground; injects Y · E
//! capacitor    1 / (z + 1/(j b)) between the conductors of a phase
//! ```

use model::distribution::{
    AcLineSegment, EarthReturn, EnergySource, LineImpedance, SeriesCompensator, ShuntCompensator,
    ShuntConnection,
};
use sparse::complex::Complex;

use crate::dense;
use crate::wires::{self, Conditions, InternalImpedance, WireFault};

/// `[Z⁻¹ -Z⁻¹; -Z⁻¹ Z⁻¹]` of a series matrix; `None` if that is singular.
fn series(mut z: Vec<Complex>, n: usize) -> Option<Vec<Complex>> {
    dense::invert(&mut z, n)?;
    let size = 2 * n;
    let mut y = vec![Complex::ZERO; size * size];
    for row in 0..n {
        for col in 0..n {
            // Rounding of the inversion must not make the element unsymmetric.
            let value = (z[row * n + col] + z[col * n + row]) * 0.5;
            y[row * size + col] = value;
            y[(row + n) * size + col + n] = value;
            y[row * size + col + n] = -value;
            y[(row + n) * size + col] = -value;
        }
    }
    Some(y)
}

/// Series impedance and charging of the whole length.
pub(super) fn constants(
    line: &AcLineSegment,
    frequency_hz: f64,
) -> Result<(Vec<Complex>, Vec<Complex>), WireFault> {
    let n = line.terminals[0].conductors.len();
    let LineImpedance::Geometry(geometry) = &line.impedance else {
        let (z, b) = line.impedance.matrices(n).unwrap_or_default();
        let z = z.into_iter().map(|[r, x]| Complex::new(r, x)).collect();
        return Ok((z, b.into_iter().map(|b| Complex::new(0.0, b)).collect()));
    };
    let internal = match geometry.earth_return {
        EarthReturn::ModifiedCarson | EarthReturn::Carson => InternalImpedance::Tabulated,
        EarthReturn::Deri => InternalImpedance::RoundWireResistance,
    };
    let conditions = Conditions {
        earth_resistivity_ohm_m: geometry.earth_resistivity_ohm_m,
        earth_return: geometry.earth_return,
        internal,
        ..Conditions::at(frequency_hz)
    };
    let per_metre = wires::line_constants(&geometry.wires, n, &conditions)?;
    let whole =
        |matrix: &wires::Matrix| (0..n * n).map(|at| matrix[(at / n, at % n)] * geometry.length_m).collect();
    Ok((whole(&per_metre.z_ohm_per_m), whole(&per_metre.y_s_per_m)))
}

pub(super) fn line(z: Vec<Complex>, charging: &[Complex], n: usize) -> Option<Vec<Complex>> {
    let mut y = series(z, n)?;
    let size = 2 * n;
    for row in 0..n {
        for col in 0..n {
            let half = charging[row * n + col] * 0.5;
            y[row * size + col] += half;
            y[(row + n) * size + col + n] += half;
        }
    }
    Some(y)
}

pub(super) fn source(source: &EnergySource) -> Option<Vec<Complex>> {
    let n = source.terminal.conductors.len();
    let [z1, z0] = [source.impedance.z1_ohm, source.impedance.z0_ohm].map(|[r, x]| Complex::new(r, x));
    let own = if n == 1 { z1 } else { (z1 * 2.0 + z0) * (1.0 / 3.0) };
    let mutual = (z0 - z1) * (1.0 / 3.0);
    let z = (0..n * n).map(|at| if at / n == at % n { own } else { mutual }).collect();
    series(z, n)
}

/// Voltages of a source: its phases in positive sequence, then its other end.
pub(super) fn emf(source: &EnergySource) -> Vec<Complex> {
    let n = source.terminal.conductors.len();
    let across = source.nominal_kv * source.voltage_pu * 1000.0;
    let phases = n as f64;
    let magnitude = if n == 1 { across } else { across / 2.0 / (std::f64::consts::PI / phases).sin() };
    let phase =
        |k: usize| Complex::polar(magnitude, (source.angle_degree - 360.0 * k as f64 / phases).to_radians());
    (0..n).map(phase).chain(std::iter::repeat_n(Complex::ZERO, n)).collect()
}

/// Values of a capacitor for 0, 1, 2, … steps.
pub(super) fn capacitor(capacitor: &ShuntCompensator) -> Vec<Vec<Complex>> {
    let size = capacitor_size(capacitor);
    let phases = usize::from(capacitor.phases);
    let mut y = vec![Complex::ZERO; size * size];
    let mut all = vec![y.clone()];
    for &b in &capacitor.step_b_s {
        let [r, x] = capacitor.series_ohm;
        let branch = if r == 0.0 && x == 0.0 {
            Complex::new(0.0, b)
        } else {
            (Complex::new(r, x) + Complex::new(0.0, b).recip()).recip()
        };
        for phase in 0..phases {
            let other = match capacitor.connection {
                ShuntConnection::Wye => phase + phases,
                ShuntConnection::Delta => (phase + 1) % size,
            };
            between(&mut y, size, [phase, other], branch);
        }
        all.push(y.clone());
    }
    all
}

/// Conductors of the element of a capacitor.
pub(super) fn capacitor_size(capacitor: &ShuntCompensator) -> usize {
    match capacitor.connection {
        ShuntConnection::Wye => capacitor.terminal.conductors.len() + capacitor.neutral.conductors.len(),
        ShuntConnection::Delta => capacitor.terminal.conductors.len(),
    }
}

pub(super) fn reactor(reactor: &SeriesCompensator) -> Option<Vec<Complex>> {
    let n = reactor.terminals[0].conductors.len();
    let z: Vec<Complex> =
        reactor.r_ohm.iter().zip(&reactor.x_ohm).map(|(&r, &x)| Complex::new(r, x)).collect();
    if !reactor.delta {
        return series(z, n);
    }
    let mut y = vec![Complex::ZERO; n * n];
    let branch = z.first().map(|z| z.recip()).filter(|y| y.is_finite())?;
    for k in 0..if n == 2 { 1 } else { n } {
        between(&mut y, n, [k, (k + 1) % n], branch);
    }
    Some(y)
}

/// Adds a branch between two conductors of an element.
pub(super) fn between(y: &mut [Complex], size: usize, [a, b]: [usize; 2], branch: Complex) {
    y[a * size + a] += branch;
    y[b * size + b] += branch;
    y[a * size + b] -= branch;
    y[b * size + a] -= branch;
}
