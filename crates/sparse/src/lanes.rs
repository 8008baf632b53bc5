//! Lanes: several scenarios side by side in SIMD registers, as many as the processor has room for.
//!
//! `pulp` finds the instruction set at run time (AVX-512: 8 lanes, AVX2 with FMA: 4, NEON: 2, else 1) and compiles the
//! kernels for each; there is no `unsafe` on our side. Kernels are generic over [`Simd`] and run inside [`dispatch`].

pub use pulp::{Simd, WithSimd};

/// Bytes of a cache line; a register that straddles two costs two accesses.
const LINE_BYTES: usize = 64;
const LINE: usize = LINE_BYTES / size_of::<f64>();

/// The most lanes there are: 512 bits of `f64`.
pub const MAX_LANES: usize = 8;

/// Runs a kernel compiled for the widest instruction set of this processor.
#[inline]
pub fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}

/// Number of lanes that kernels of [`dispatch`] work on.
pub fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F64_LANES
        }
    }
    dispatch(Width)
}

/// Whether scalar code of a kernel may call [`f64::mul_add`]: where the instruction set does not multiply and add in one,
/// the library's function for that would cost more than it saves.
#[inline(always)]
pub const fn fused<S: Simd>() -> bool {
    S::F64_LANES >= 4
}

/// Name of the instruction set that [`dispatch`] chose, for figures that depend on it.
pub fn instruction_set() -> &'static str {
    match (width(), cfg!(target_arch = "x86_64")) {
        (8, true) => "avx512",
        (4, true) => "avx2+fma",
        (2, false) => "128-bit simd",
        _ => "scalar",
    }
}

/// Numbers on a cache-line boundary, so that lanes load whole.
#[derive(Debug, Default)]
pub struct LaneVec {
    data: Vec<f64>,
    offset: usize,
    len: usize,
}

impl LaneVec {
    /// `len` zeros.
    pub fn new(len: usize) -> Self {
        let data = vec![0.0; len + LINE];
        let offset = data.as_ptr().align_offset(LINE_BYTES).min(LINE);
        Self { data, offset, len }
    }

    /// Makes it `len` numbers long; they are zero where it had to grow. Does not allocate where it is long enough.
    pub fn resize(&mut self, len: usize) {
        if len <= self.data.len().saturating_sub(self.offset) {
            self.len = len;
        } else {
            *self = Self::new(len);
        }
    }
}

impl Clone for LaneVec {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::ops::Deref for LaneVec {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        &self.data[self.offset..self.offset + self.len]
    }
}

impl std::ops::DerefMut for LaneVec {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.data[self.offset..self.offset + self.len]
    }
}

/// A buffer seen as `N` registers per node.
#[inline(always)]
pub fn registers<const N: usize, S: Simd>(buffer: &[f64]) -> &[[S::f64s; N]] {
    S::as_simd_f64s(buffer).0.as_chunks().0
}

/// A buffer seen as `N` registers per node, to be written.
#[inline(always)]
pub fn registers_mut<const N: usize, S: Simd>(buffer: &mut [f64]) -> &mut [[S::f64s; N]] {
    S::as_mut_simd_f64s(buffer).0.as_chunks_mut().0
}

/// The numbers of one register, in front of zeros.
#[inline(always)]
pub fn to_array<S: Simd>(register: S::f64s) -> [f64; MAX_LANES] {
    let mut numbers = [0.0; MAX_LANES];
    S::as_mut_simd_f64s(&mut numbers).0[0] = register;
    numbers
}

/// A register of the first numbers of an array.
#[inline(always)]
pub fn from_array<S: Simd>(numbers: &[f64; MAX_LANES]) -> S::f64s {
    S::as_simd_f64s(numbers).0[0]
}

/// `(a + jb)(c + jd) + sum`, with `a + jb` common to all lanes.
#[inline(always)]
pub fn add_shared_product<S: Simd>(simd: S, sum: [S::f64s; 2], a: [f64; 2], x: [S::f64s; 2]) -> [S::f64s; 2] {
    let (re, im) = (simd.splat_f64s(a[0]), simd.splat_f64s(a[1]));
    [
        simd.negate_mul_add_e_f64s(im, x[1], simd.mul_add_e_f64s(re, x[0], sum[0])),
        simd.mul_add_e_f64s(im, x[0], simd.mul_add_e_f64s(re, x[1], sum[1])),
    ]
}

/// The same pair in every lane.
#[inline(always)]
pub fn splat_pair<S: Simd>(simd: S, pair: [f64; 2]) -> [S::f64s; 2] {
    // Not through `map`: a closure is compiled without the instruction set of its surroundings.
    [simd.splat_f64s(pair[0]), simd.splat_f64s(pair[1])]
}

/// `a x + sum`, with the 2×2 block `a` common to all lanes.
#[inline(always)]
pub fn add_shared_applied<S: Simd>(
    simd: S,
    sum: [S::f64s; 2],
    a: &[f64; 4],
    x: [S::f64s; 2],
) -> [S::f64s; 2] {
    let first = simd.mul_add_e_f64s(simd.splat_f64s(a[0]), x[0], sum[0]);
    let second = simd.mul_add_e_f64s(simd.splat_f64s(a[2]), x[0], sum[1]);
    [
        simd.mul_add_e_f64s(simd.splat_f64s(a[1]), x[1], first),
        simd.mul_add_e_f64s(simd.splat_f64s(a[3]), x[1], second),
    ]
}
