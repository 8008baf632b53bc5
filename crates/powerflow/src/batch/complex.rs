//! Complex numbers as pairs, as the lane kernels keep them.

/// `a b`.
#[inline(always)]
pub(super) fn multiply(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// `1 / a`; `None` where that is no number.
pub(super) fn reciprocal(a: [f64; 2]) -> Option<[f64; 2]> {
    let squared = a[0] * a[0] + a[1] * a[1];
    (squared.is_normal()).then(|| [a[0] / squared, -a[1] / squared])
}

/// `a conj(b)`.
#[inline(always)]
pub(super) fn times_conjugate(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] + a[1] * b[1], a[1] * b[0] - a[0] * b[1]]
}

/// `m e^(jφ)`.
pub(super) fn from_polar(magnitude: f64, angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [magnitude * cos, magnitude * sin]
}
