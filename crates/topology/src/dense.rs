//! The inverse of a small dense complex matrix, row by row.

use sparse::complex::Complex;

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
