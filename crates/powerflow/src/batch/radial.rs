//! Many scenarios on a radial island without voltage-controlled buses: fixed-point iteration on the factorised bus
//! admittance matrix, in lanes.
//!
//! `Y` with the loads at constant power, `S(i)` the net injection, the slack's voltage given:
//!
//! ```text
//! Y V⁺ = I(V) - Y(:, slack) V(slack),     I(i) = conj(S(i) / V(i))
//! ```
//!
//! (Z-bus or Y-bus Gauss method; Stott, "Review of load-flow calculation methods", Proc. IEEE 62(7), 1974; Chen et
//! al., "Distribution system power flow analysis - a rigid approach", IEEE Trans. Power Delivery 6(3), 1991.) On a
//! tree, elimination from the leaves makes no fill, so with `p` the parent of `i`, `d(i) = Y(i,i) - Σ Y(i,c) Y(c,i) / d(c)`
//! over the children `c`:
//!
//! ```text
//! leaves to root:   b(p) += l(i) b(i),                l(i) = -Y(p,i) / d(i)
//! root to leaves:   V(i)  = b(i) / d(i) + h(i) V(p),  h(i) = -Y(i,p) / d(i)
//! ```
//!
//! `Y V⁺ = I(V)` holds exactly after a sweep, so the power mismatch is `|S| |V⁺ - V| / |V| = |I(V)| |V⁺ - V|`: the test
//! costs no pass of its own. Time O(buses · sweeps); the contraction per sweep is about the voltage drop in p.u.

use sparse::lanes::{
    LaneVec, MAX_LANES, Simd, add_shared_product, registers, registers_mut, splat_pair, to_array,
};

use super::complex;

/// One island as a tree. Index 0 is the slack; parents stand before their children.
#[derive(Clone, Debug)]
pub(super) struct Radial {
    /// Parent of every node from 1 on.
    parent: Vec<u32>,
    /// `l`, `1/d`, `h` of every node from 1 on; complex.
    factors: Vec<[[f64; 2]; 3]>,
    slack: [f64; 2],
    /// Voltages that every scenario starts from, of the nodes from 1 on.
    start: Vec<[f64; 2]>,
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
}

/// How far the sweeps of a block came, per lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    pub(super) sweeps: u32,
    /// Largest `max(|I|, 1) |V⁺ - V|`.
    pub(super) worst: [f64; MAX_LANES],
}

impl Radial {
    /// `None` where elimination meets a zero.
    pub(super) fn new(limbs: &[Limb], slack: [f64; 2], start: Vec<[f64; 2]>) -> Option<Self> {
        let mut d: Vec<[f64; 2]> = limbs.iter().map(|limb| limb.own).collect();
        let mut factors = vec![[[0.0; 2]; 3]; limbs.len()];
        for (i, limb) in limbs.iter().enumerate().rev() {
            let inverse = complex::reciprocal(d[i])?;
            let l = complex::multiply(limb.down, inverse).map(|x| -x);
            let h = complex::multiply(limb.up, inverse).map(|x| -x);
            factors[i] = [l, inverse, h];
            if limb.parent > 0 {
                let change = complex::multiply(l, limb.up);
                let above = &mut d[limb.parent as usize - 1];
                *above = [above[0] + change[0], above[1] + change[1]];
            }
        }
        let parent = limbs.iter().map(|limb| limb.parent).collect();
        Some(Self { parent, factors, slack, start })
    }

    /// Sweeps a block of scenarios until each lane meets `tolerance`, at most `most` times.
    ///
    /// `s` holds the net injections of the nodes from 1 on, two registers each; `v` gets the voltages of all nodes; `b`
    /// is work space as large as `v`.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(
        &self,
        simd: S,
        [s, v, b]: [&mut LaneVec; 3],
        (tolerance, most): (f64, u32),
    ) -> Swept {
        let (s, v, b) = (registers::<2, S>(s), registers_mut::<2, S>(v), registers_mut::<2, S>(b));
        // With |V| >= 0.1, which is asked for before a result counts, |I| <= 10 |S|.
        let weight = self.begin(simd, s, v, b);
        let mut sweeps = 0;
        loop {
            self.gather(simd, b);
            let moved = self.scatter(simd, s, v, b);
            sweeps += 1;
            let worst = to_array::<S>(simd.mul_f64s(simd.sqrt_f64s(moved), weight));
            // A lane that is not a number stays open and is found out at the end.
            let done = worst[..S::F64_LANES].iter().all(|&w| w <= tolerance || w.is_nan());
            if done || sweeps >= most {
                return Swept { sweeps, worst };
            }
        }
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
        for (((start, s), v), b) in self.start.iter().zip(s).zip(v).zip(b) {
            *v = splat_pair(simd, *start);
            *b = current(simd, *s, *v);
            let size = simd.mul_add_e_f64s(s[0], s[0], simd.mul_f64s(s[1], s[1]));
            largest = simd.max_f64s(largest, size);
        }
        simd.max_f64s(simd.splat_f64s(1.0), simd.mul_f64s(simd.splat_f64s(10.0), simd.sqrt_f64s(largest)))
    }

    /// Sums of currents, from the leaves to the root.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, b: &mut [[S::f64s; 2]]) {
        for (i, (&parent, factors)) in self.parent.iter().zip(&self.factors).enumerate().rev() {
            let own = b[i + 1];
            let above = &mut b[parent as usize];
            *above = add_shared_product(simd, *above, factors[0], own);
        }
    }

    /// Voltages from the root to the leaves and the currents that they make; returns the largest `|V⁺ - V|²`.
    #[inline(always)]
    fn scatter<S: Simd>(
        &self,
        simd: S,
        s: &[[S::f64s; 2]],
        v: &mut [[S::f64s; 2]],
        b: &mut [[S::f64s; 2]],
    ) -> S::f64s {
        let zero = simd.splat_f64s(0.0);
        let mut largest = zero;
        for (((i, &parent), factors), s) in (1..).zip(&self.parent).zip(&self.factors).zip(s) {
            let fallen = add_shared_product(simd, [zero; 2], factors[2], v[parent as usize]);
            let new = add_shared_product(simd, fallen, factors[1], b[i]);
            let change = [simd.sub_f64s(new[0], v[i][0]), simd.sub_f64s(new[1], v[i][1])];
            let size = simd.mul_add_e_f64s(change[0], change[0], simd.mul_f64s(change[1], change[1]));
            largest = simd.max_f64s(largest, size);
            v[i] = new;
            b[i] = current(simd, *s, new);
        }
        largest
    }
}

/// `conj(S / V) = (P - jQ)(e + jf) / |V|²`
#[inline(always)]
fn current<S: Simd>(simd: S, [p, q]: [S::f64s; 2], [e, f]: [S::f64s; 2]) -> [S::f64s; 2] {
    let squared = simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f));
    let scale = simd.div_f64s(simd.splat_f64s(1.0), squared);
    let re = simd.mul_add_e_f64s(p, e, simd.mul_f64s(q, f));
    let im = simd.negate_mul_add_e_f64s(q, e, simd.mul_f64s(p, f));
    [simd.mul_f64s(re, scale), simd.mul_f64s(im, scale)]
}
