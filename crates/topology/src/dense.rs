//! Small dense complex matrices, row by row: the inverse, and what is left without some rows and columns.

use sparse::complex::Complex;

/// Share of an admittance that is nothing but rounding.
const ROUNDING: f64 = 1e-12;

/// Inverts an `n × n` matrix in place by Gauss-Jordan with partial pivoting; `None` if it is singular.
pub(crate) fn invert(a: &mut [Complex], n: usize) -> Option<()> {
    let mut swaps = Vec::with_capacity(n);
    for k in 0..n {
        let pivot_row =
            (k..n).max_by(|&i, &j| a[i * n + k].norm_sqr().total_cmp(&a[j * n + k].norm_sqr()))?;
        swaps.push(pivot_row);
        if pivot_row != k {
            for col in 0..n {
                a.swap(k * n + col, pivot_row * n + col);
            }
        }
        let pivot = a[k * n + k].recip();
        if !pivot.is_finite() {
            return None;
        }
        a[k * n + k] = Complex::ONE;
        for col in 0..n {
            a[k * n + col] = a[k * n + col] * pivot;
        }
        for row in (0..n).filter(|&row| row != k) {
            let factor = a[row * n + k];
            a[row * n + k] = Complex::ZERO;
            for col in 0..n {
                let product = factor * a[k * n + col];
                a[row * n + col] -= product;
            }
        }
    }
    for (k, &row) in swaps.iter().enumerate().rev() {
        if row != k {
            for i in 0..n {
                a.swap(i * n + k, i * n + row);
            }
        }
    }
    Some(())
}

/// Takes conductors out of an `n × n` admittance, `Y_ee - Y_ei Y_ii⁻¹ Y_ie`: their currents are zero and their voltages
/// follow the others. Their rows and columns become zero. Whether all of them had an admittance of their own; one that
/// has none, but for rounding, has nothing to take out.
pub(crate) fn eliminate(y: &mut [Complex], n: usize, gone: impl Iterator<Item = usize>) -> bool {
    let mut regular = true;
    let own: Vec<f64> = (0..n).map(|k| y[k * n + k].abs()).collect();
    for k in gone {
        let pivot = y[k * n + k];
        let counts = pivot.abs() > ROUNDING * own[k];
        regular &= counts;
        let inverse = if counts { pivot.recip() } else { Complex::ZERO };
        for row in (0..n).filter(|row| *row != k) {
            for col in (0..n).filter(|col| *col != k) {
                // In this order a symmetric matrix stays so to the last digit.
                let taken = (y[row * n + k] * y[k * n + col]) * inverse;
                y[row * n + col] -= taken;
            }
        }
        for other in 0..n {
            y[k * n + other] = Complex::ZERO;
            y[other * n + k] = Complex::ZERO;
        }
    }
    regular
}
