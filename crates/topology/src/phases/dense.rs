//! Small dense complex matrices, row by row.

use sparse::complex::Complex;

/// Inverts an `n × n` matrix in place by Gauss-Jordan with partial pivoting; `None` if it is singular.
pub(super) fn invert(a: &mut [Complex], n: usize) -> Option<()> {
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

/// The impedance of the first `keep` conductors when the others are held at ground: Kron reduction,
/// `Z_aa - Z_ab Z_bb⁻¹ Z_ba`. `None` if the part that goes is singular.
#[cfg(test)]
pub(super) fn kron(z: &[Complex], n: usize, keep: usize) -> Option<Vec<Complex>> {
    let rest = n - keep;
    let mut inner: Vec<Complex> =
        (0..rest * rest).map(|at| z[(keep + at / rest) * n + keep + at % rest]).collect();
    invert(&mut inner, rest)?;
    let mut reduced = Vec::with_capacity(keep * keep);
    for row in 0..keep {
        for col in 0..keep {
            let mut value = z[row * n + col];
            for i in 0..rest {
                for j in 0..rest {
                    value -= z[row * n + keep + i] * inner[i * rest + j] * z[(keep + j) * n + col];
                }
            }
            reduced.push(value);
        }
    }
    Some(reduced)
}
