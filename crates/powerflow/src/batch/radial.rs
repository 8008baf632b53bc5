//! Many scenarios on a radial island without voltage-controlled buses: Newton's method on the balance of currents with
//! the factors of the base solution, in lanes.
//!
//! `Y V = I(V)` with loads at constant power, `I(i) = conj(S(i) / V(i))`, `S` the net injection, the slack's voltage
//! given. Linearised at the base solution `(V₀, S₀)`, with `m = conj(S₀) / conj(V₀)²`, so that `dI = -m conj(dV)`:
//!
//! ```text
//! J V⁺ = c(V),    c(V) = I(V) + m conj(V),    J = Y + m conj(·)
//! ```
//!
//! (`m = 0` is the Y-bus Gauss method; Stott, "Review of load-flow calculation methods", Proc. IEEE 62(7), 1974; da Costa
//! et al., "Developments in the Newton Raphson power flow formulation based on current injections", IEEE Trans. Power
//! Systems 14(4), 1999.) In `(e, f)` a node has 2×2 blocks, `Y → [g -b; b g]`, `m conj(·) → [m' m''; m'' -m']`. On a tree
//! elimination from the leaves makes no fill; `p` is the parent of `i`, `D` the diagonal after elimination of the
//! children:
//!
//! ```text
//! leaves to root:   b(p) += L(i) b(i),                L(i) = -Y(p,i) D(i)⁻¹
//! root to leaves:   V(i)  = D(i)⁻¹ b(i) + H(i) V(p),  H(i) = -D(i)⁻¹ Y(i,p)
//! ```
//!
//! There is no product with `Y` in the loop: `J V⁺ = c(V)` holds exactly after a sweep, so what is left of the balance
//! at `V⁺` is `c(V) - c(V⁺)`, at most `(|S| + |S₀|) |V⁺ - V| / |V|²`, and the test costs no pass of its own. Time
//! O(buses · sweeps). A sweep contracts by about the voltage drop times the relative change of the loads.

use sparse::block::{Block, LanePair};
use sparse::lanes::{
    LaneVec, MAX_LANES, Simd, add_shared_applied, registers, registers_mut, splat_pair, to_array,
};

use super::progress::{Limits, Progress};
use super::{block, complex};

/// One island as a tree. Index 0 is the slack; parents stand before their children.
#[derive(Clone, Debug)]
pub(super) struct Radial {
    /// Parent of every node from 1 on.
    parent: Vec<u32>,
    /// Of every node from 1 on.
    nodes: Vec<Node>,
    slack: [f64; 2],
    /// Largest base injection.
    largest_pu: f64,
}

/// What a node is beside its neighbours; blocks by rows.
#[derive(Clone, Copy, Debug)]
struct Node {
    lift: Block,
    inverse: Block,
    drop: Block,
    m: [f64; 2],
    /// Base voltage, from which every scenario starts.
    v: [f64; 2],
}

/// A branch of the tree: admittances as seen from the parent and the child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limb {
    pub(super) parent: u32,
    /// `Y(p,i)` and `Y(i,p)`.
    pub(super) down: [f64; 2],
    pub(super) up: [f64; 2],
    /// `Y(i,i)` with everything that is connected to the child.
    pub(super) own: [f64; 2],
    /// Base voltage and net injection of the child.
    pub(super) v: [f64; 2],
    pub(super) s: [f64; 2],
}

impl Radial {
    /// `None` where elimination meets a zero.
    pub(super) fn new(limbs: &[Limb], slack: [f64; 2]) -> Option<Self> {
        let m: Vec<[f64; 2]> = limbs.iter().map(Limb::linearised).collect::<Option<_>>()?;
        let mut d: Vec<Block> = limbs
            .iter()
            .zip(&m)
            .map(|(limb, m)| {
                let [g, b] = limb.own;
                [g + m[0], m[1] - b, b + m[1], g - m[0]]
            })
            .collect();
        let mut nodes = Vec::with_capacity(limbs.len());
        for ((i, limb), &m) in limbs.iter().enumerate().zip(&m).rev() {
            let inverse = block::inverse(&d[i])?;
            let lift = block::product(&block::of(limb.down), &inverse).map(|x| -x);
            let drop = block::product(&inverse, &block::of(limb.up)).map(|x| -x);
            if limb.parent > 0 {
                let change = block::product(&lift, &block::of(limb.up));
                let above = &mut d[limb.parent as usize - 1];
                above.iter_mut().zip(change).for_each(|(d, change)| *d += change);
            }
            nodes.push(Node { lift, inverse, drop, m, v: limb.v });
        }
        nodes.reverse();
        let largest_pu = limbs.iter().map(|limb| limb.s[0].hypot(limb.s[1])).fold(0.0, f64::max);
        let parent = limbs.iter().map(|limb| limb.parent).collect();
        Some(Self { parent, nodes, slack, largest_pu })
    }

    /// Sweeps a block of scenarios until each lane meets the tolerance or stops falling.
    ///
    /// `s` holds the net injections of the nodes from 1 on, two registers each; `v` gets the voltages of all nodes; `b`
    /// is work space as large as `v`.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(&self, simd: S, [s, v, b]: [&mut LaneVec; 3], limits: Limits) -> Progress {
        let (s, v, b) = (registers::<2, S>(s), registers_mut::<2, S>(v), registers_mut::<2, S>(b));
        // With |V| >= 0.1, which is asked for before a result counts, a change weighs at most this in the mismatch.
        let weight = self.begin(simd, s, v, b);
        let mut progress = Progress::new(S::F64_LANES);
        // Nothing is known before the first sweep; infinity would be a failure.
        let mut worst_pu = [f64::MAX; MAX_LANES];
        while progress.goes_on(worst_pu, limits) {
            self.gather(simd, b);
            let moved = self.scatter(simd, Lanes { s, v: &mut *v, b: &mut *b }, progress.moving(simd));
            worst_pu = to_array::<S>(simd.mul_f64s(simd.sqrt_f64s(moved), weight));
        }
        progress
    }

    /// Starting voltages and their currents; returns the weight of a change of voltage in the mismatch.
    #[inline(always)]
    fn begin<S: Simd>(
        &self,
        simd: S,
        s: &[[S::f64s; 2]],
        v: &mut [[S::f64s; 2]],
        b: &mut [[S::f64s; 2]],
    ) -> S::f64s {
        v[0] = splat_pair(simd, self.slack);
        let mut largest = simd.splat_f64s(0.0);
        let (v, b) = (&mut v[1..], &mut b[1..]);
        for (((node, s), v), b) in self.nodes.iter().zip(s).zip(v).zip(b) {
            *v = splat_pair(simd, node.v);
            *b = modified_current(simd, *s, *v, node.m);
            let size = simd.mul_add_e_f64s(s[0], s[0], simd.mul_f64s(s[1], s[1]));
            largest = simd.max_f64s(largest, size);
        }
        let both = simd.add_f64s(simd.sqrt_f64s(largest), simd.splat_f64s(self.largest_pu));
        simd.max_f64s(simd.splat_f64s(1.0), simd.mul_f64s(simd.splat_f64s(10.0), both))
    }

    /// Sums of currents, from the leaves to the root.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, b: &mut [[S::f64s; 2]]) {
        for (i, (&parent, node)) in self.parent.iter().zip(&self.nodes).enumerate().rev() {
            let own = b[i + 1];
            let above = &mut b[parent as usize];
            *above = add_shared_applied(simd, *above, &node.lift, own);
        }
    }

    /// Voltages from the root to the leaves and the currents that they make; returns the largest `|V⁺ - V|²`.
    #[inline(always)]
    fn scatter<S: Simd>(&self, simd: S, Lanes { s, v, b }: Lanes<'_, S>, moving: S::m64s) -> S::f64s {
        let zero = simd.splat_f64s(0.0);
        let mut largest = zero;
        for (((i, &parent), node), s) in (1..).zip(&self.parent).zip(&self.nodes).zip(s) {
            let fallen = add_shared_applied(simd, [zero; 2], &node.drop, v[parent as usize]);
            let new = add_shared_applied(simd, fallen, &node.inverse, b[i]);
            let change = [simd.sub_f64s(new[0], v[i][0]), simd.sub_f64s(new[1], v[i][1])];
            let size = simd.mul_add_e_f64s(change[0], change[0], simd.mul_f64s(change[1], change[1]));
            largest = simd.max_f64s(largest, size);
            v[i] = [simd.select_f64s(moving, new[0], v[i][0]), simd.select_f64s(moving, new[1], v[i][1])];
            b[i] = modified_current(simd, *s, v[i], node.m);
        }
        largest
    }
}

/// Injections, voltages and modified currents of a block.
struct Lanes<'a, S: Simd> {
    s: &'a [LanePair<S>],
    v: &'a mut [LanePair<S>],
    b: &'a mut [LanePair<S>],
}

impl Limb {
    /// `m = conj(S₀) / conj(V₀)²`
    fn linearised(&self) -> Option<[f64; 2]> {
        let inverse = complex::reciprocal(complex::multiply(self.v, self.v))?;
        let m = complex::multiply(self.s, inverse);
        Some([m[0], -m[1]])
    }
}

/// `conj(S / V) + m conj(V)`, `conj(S / V) = (P - jQ)(e + jf) / |V|²`
#[inline(always)]
fn modified_current<S: Simd>(
    simd: S,
    [p, q]: [S::f64s; 2],
    [e, f]: [S::f64s; 2],
    m: [f64; 2],
) -> [S::f64s; 2] {
    let squared = simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f));
    let scale = simd.div_f64s(simd.splat_f64s(1.0), squared);
    let re = simd.mul_add_e_f64s(p, e, simd.mul_f64s(q, f));
    let im = simd.negate_mul_add_e_f64s(q, e, simd.mul_f64s(p, f));
    let (m_re, m_im) = (simd.splat_f64s(m[0]), simd.splat_f64s(m[1]));
    let linear_re = simd.mul_add_e_f64s(m_re, e, simd.mul_f64s(m_im, f));
    let linear_im = simd.negate_mul_add_e_f64s(m_re, f, simd.mul_f64s(m_im, e));
    [simd.mul_add_e_f64s(re, scale, linear_re), simd.mul_add_e_f64s(im, scale, linear_im)]
}
