//! 2×2 blocks by rows, for what is done once per topology.

use sparse::block::Block;

/// The block that multiplies `(e, f)` as the complex number `y` multiplies `e + jf`.
pub(super) fn of([g, b]: [f64; 2]) -> Block {
    [g, -b, b, g]
}

/// `a b`.
pub(super) fn product(a: &Block, b: &Block) -> Block {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    ]
}

/// `a⁻¹`; `None` where that is no number.
pub(super) fn inverse(a: &Block) -> Option<Block> {
    let determinant = a[0] * a[3] - a[1] * a[2];
    let inverse = [a[3], -a[1], -a[2], a[0]].map(|x| x / determinant);
    inverse.iter().all(|x| x.is_finite()).then_some(inverse)
}
