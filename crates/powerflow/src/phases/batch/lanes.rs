//! Many scenarios on one unbalanced grid: Newton's method on the balance of currents with the factors of the base
//! solution, in lanes.
//!
//! Kirchhoff's law `Y v + Σ i_b(v) = J`, with the currents `i_b` of loads and converters linearised at the base solution,
//! `di = a dv + b conj(dv) = D dv`, becomes (equations and symbols of [`super::super`])
//!
//! ```text
//! A v⁺ = J + Σ c_b(v),    c_b(v) = D_b v - i_b(v),    A = Y + Σ D_b
//! ```
//!
//! A node has two real unknowns, real and imaginary part of its voltage, and a pair of nodes a 2×2 block, because
//! `conj` is not linear over complex numbers. The conductors of a bus are eliminated together ([`sparse::group`]).
//!
//! There is no product with `Y` in the loop: `A v⁺ = …` holds exactly after a step, so Kirchhoff's law misses
//! `c_b(v) - c_b(v⁺)` at `v⁺`, which the change of voltage bounds. A step contracts by about the voltage drop times the
//! relative change of the loads, so that two or three are enough. A step is a walk through the elimination tree that opens
//! groups (voltages, from the sources outward) and closes them (currents, inward). The first step closes for the second
//! while it opens, when the voltage of a group is at hand anyway: lanes and factors are read once for both.

use sparse::block::LanePair;
use sparse::group::{GroupFactor, GroupLu};
use sparse::lanes::{
    LaneVec, MAX_LANES, Simd, add_shared_applied, registers, registers_mut, splat_pair, to_array,
};

use super::response::{Loads, Response, Shares};
use crate::batch::progress::{Limits, Progress};

/// Marks ground in a list of positions.
pub(super) const GROUND: u32 = u32::MAX;

/// What is left of a step is taken for at least this share of it, see [`Remaining`].
const LEAST_SHARE: f64 = 1.0 / 16.0;

/// A load or converter at the base solution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Position of the branch in the grid.
    pub(super) branch: u32,
    /// The end that is opened later.
    pub(super) own: u32,
    /// The other end; [`GROUND`] for ground.
    pub(super) other: u32,
    pub(super) response: Response,
    /// `i_b = conj(s) unit` at the base solution.
    pub(super) unit: [f64; 2],
    /// `D_b`, by rows.
    pub(super) slope: [f64; 4],
}

/// What all scenarios share.
#[derive(Clone, Debug)]
pub(super) struct PhaseLanes {
    /// Factors of `A`.
    pub(super) lu: GroupLu,
    pub(super) rows: Vec<Row>,
    /// Those of one position together.
    pub(super) taps: Vec<Tap>,
    /// What the taps refer to.
    pub(super) shares: Vec<Shares>,
}

/// What a position is beside its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Current of the sources.
    pub(super) injected: [f64; 2],
    /// `J + Σ D_b v` at the base solution.
    pub(super) linear: [f64; 2],
    /// Base solution, from which every scenario starts.
    pub(super) base: [f64; 2],
    /// One over the nominal voltage squared.
    pub(super) inverse_square: f64,
    /// Taps whose `own` it is: their end in the list.
    pub(super) tap_end: u32,
}

/// Lanes of a block: voltages, and currents that become `y` when their group is closed.
struct Lanes<'a, S: Simd> {
    v: &'a mut [LanePair<S>],
    b: &'a mut [LanePair<S>],
    moving: S::m64s,
    /// Largest and sum of `|v⁺ - v|²` per unit: a maximum forgets what is not a number.
    largest: S::f64s,
    total: S::f64s,
}

impl<S: Simd> Lanes<'_, S> {
    /// Largest `|v⁺ - v|` per unit in each lane; not finite where any was not.
    #[inline(always)]
    fn moved(&self, simd: S) -> [f64; MAX_LANES] {
        let mut moved = to_array::<S>(simd.sqrt_f64s(self.largest));
        for (moved, total) in moved.iter_mut().zip(to_array::<S>(self.total)) {
            if !total.is_finite() {
                *moved = f64::INFINITY;
            }
        }
        moved
    }
}

/// What a walk does in a group, in this order.
#[derive(Clone, Copy)]
struct Pass {
    open: Open,
    draw: Draw,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// The voltages are there, or nobody asks for them.
    No,
    /// From the base solution.
    First,
    Yes,
}

/// Currents at the voltages, with which the groups are closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Draw {
    No,
    AtBase,
    Yes,
}

impl PhaseLanes {
    /// Steps a block of scenarios until each lane meets the tolerance or stops falling.
    ///
    /// `loads` says what is drawn in each lane; `v` gets the voltages by position, `b` is work space as large.
    /// `expected` steps are closed for the next while they open; no result depends on it.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(
        &self,
        simd: S,
        (loads, v, b): (&Loads<'_>, &mut LaneVec, &mut LaneVec),
        (expected, limits): (u32, Limits),
    ) -> Progress {
        let zero = simd.splat_f64s(0.0);
        let mut lanes = Lanes {
            v: registers_mut::<2, S>(v),
            b: registers_mut::<2, S>(b),
            moving: simd.equal_f64s(zero, zero),
            largest: zero,
            total: zero,
        };
        let mut progress = Progress::new(S::F64_LANES);
        let mut remaining = Remaining::new();
        self.walk(simd, loads, &mut lanes, Pass { open: Open::No, draw: Draw::AtBase });
        let (mut is_closed, mut steps) = (true, 0);
        // Nothing is known before the first step; infinity would be a failure.
        let mut worst_pu = [f64::MAX; MAX_LANES];
        while progress.goes_on(worst_pu, limits) {
            lanes.moving = progress.moving(simd);
            if !is_closed {
                self.walk(simd, loads, &mut lanes, Pass { open: Open::No, draw: Draw::Yes });
            }
            steps += 1;
            is_closed = steps < expected;
            let open = if steps == 1 { Open::First } else { Open::Yes };
            let draw = if is_closed { Draw::Yes } else { Draw::No };
            self.walk(simd, loads, &mut lanes, Pass { open, draw });
            worst_pu = remaining.after(lanes.moved(simd));
        }
        progress
    }

    #[inline(always)]
    fn walk<S: Simd>(&self, simd: S, loads: &Loads<'_>, lanes: &mut Lanes<'_, S>, pass: Pass) {
        (lanes.largest, lanes.total) = (simd.splat_f64s(0.0), simd.splat_f64s(0.0));
        let factor = GroupFactor::new(&self.lu);
        let pattern = factor.pattern();
        let closes = pass.draw != Draw::No;
        let mut closed = 0;
        for g in 0..pattern.groups() {
            match pattern.range(g).len() {
                1 => self.visit::<1, S>(simd, (factor, loads), lanes, (pass, g)),
                2 => self.visit::<2, S>(simd, (factor, loads), lanes, (pass, g)),
                _ => self.visit::<3, S>(simd, (factor, loads), lanes, (pass, g)),
            }
            if !closes {
                continue;
            }
            for &g in &pattern.closing()[closed..pattern.closed_after(g)] {
                match pattern.range(g as usize).len() {
                    1 => factor.close::<1, S>(simd, g as usize, lanes.b),
                    2 => factor.close::<2, S>(simd, g as usize, lanes.b),
                    _ => factor.close::<3, S>(simd, g as usize, lanes.b),
                }
            }
            closed = pattern.closed_after(g);
        }
    }

    #[inline(always)]
    fn visit<const R: usize, S: Simd>(
        &self,
        simd: S,
        (factor, loads): (GroupFactor<'_>, &Loads<'_>),
        lanes: &mut Lanes<'_, S>,
        (pass, g): (Pass, usize),
    ) {
        let start = factor.pattern().range(g).start;
        let rows = &self.rows[start..start + R];
        let mut v = [[simd.splat_f64s(0.0); 2]; R];
        if pass.open == Open::No {
            v.copy_from_slice(&lanes.v[start..start + R]);
        } else {
            v = factor.open(simd, g, lanes.b, lanes.v);
            for ((row, v), held) in rows.iter().zip(&mut v).zip(&mut lanes.v[start..start + R]) {
                let old = if pass.open == Open::First { splat_pair(simd, row.base) } else { *held };
                let change = [simd.sub_f64s(v[0], old[0]), simd.sub_f64s(v[1], old[1])];
                let size = simd.mul_add_e_f64s(change[0], change[0], simd.mul_f64s(change[1], change[1]));
                let size = simd.mul_f64s(size, simd.splat_f64s(row.inverse_square));
                lanes.largest = simd.max_f64s(lanes.largest, size);
                lanes.total = simd.add_f64s(lanes.total, size);
                let moving = lanes.moving;
                *v = [simd.select_f64s(moving, v[0], old[0]), simd.select_f64s(moving, v[1], old[1])];
                *held = *v;
            }
        }
        if pass.draw == Draw::No {
            return;
        }
        let mut first = start.checked_sub(1).map_or(0, |before| self.rows[before].tap_end as usize);
        for ((at, row), &v) in (start..).zip(rows).zip(&v) {
            let taps = first..row.tap_end as usize;
            first = taps.end;
            lanes.b[at] = match pass.draw {
                Draw::AtBase => self.balance_at_base(simd, loads, lanes, (row, taps)),
                _ => self.balance(simd, loads, lanes, (row, taps), v),
            };
        }
    }

    /// `J + Σ c_b` of a position at the base solution.
    #[inline(always)]
    fn balance_at_base<S: Simd>(
        &self,
        simd: S,
        loads: &Loads<'_>,
        lanes: &mut Lanes<'_, S>,
        (row, taps): (&Row, std::ops::Range<usize>),
    ) -> LanePair<S> {
        let mut sum = splat_pair(simd, row.linear);
        for (tap, &power) in self.taps[taps.clone()].iter().zip(&registers::<2, S>(loads.power)[taps]) {
            let drawn = self.drawn_at_base(simd, (loads, tap), power);
            sum = [simd.sub_f64s(sum[0], drawn[0]), simd.sub_f64s(sum[1], drawn[1])];
            if tap.other != GROUND {
                let other = &mut lanes.b[tap.other as usize];
                *other = [simd.add_f64s(other[0], drawn[0]), simd.add_f64s(other[1], drawn[1])];
            }
        }
        sum
    }

    /// `J + Σ c_b(v)` of a position; the other ends of its taps, which were opened before, get their part.
    #[inline(always)]
    fn balance<S: Simd>(
        &self,
        simd: S,
        loads: &Loads<'_>,
        lanes: &mut Lanes<'_, S>,
        (row, taps): (&Row, std::ops::Range<usize>),
        v: LanePair<S>,
    ) -> LanePair<S> {
        let mut sum = splat_pair(simd, row.injected);
        for (tap, &power) in self.taps[taps.clone()].iter().zip(&registers::<2, S>(loads.power)[taps]) {
            if tap.other == GROUND {
                sum = self.left_to_draw(simd, (loads, tap), power, v, sum);
                continue;
            }
            let other = lanes.v[tap.other as usize];
            let across = [simd.sub_f64s(v[0], other[0]), simd.sub_f64s(v[1], other[1])];
            let left = self.left_to_draw(simd, (loads, tap), power, across, [simd.splat_f64s(0.0); 2]);
            sum = [simd.add_f64s(sum[0], left[0]), simd.add_f64s(sum[1], left[1])];
            let other = &mut lanes.b[tap.other as usize];
            *other = [simd.sub_f64s(other[0], left[0]), simd.sub_f64s(other[1], left[1])];
        }
        sum
    }

    /// `i_b` of a tap at the base solution.
    #[inline(always)]
    fn drawn_at_base<S: Simd>(
        &self,
        simd: S,
        (loads, tap): (&Loads<'_>, &Tap),
        [p, q]: LanePair<S>,
    ) -> LanePair<S> {
        if tap.response == Response::Other {
            let own = self.rows[tap.own as usize].base;
            let other = if tap.other == GROUND { [0.0; 2] } else { self.rows[tap.other as usize].base };
            let across = splat_pair(simd, [own[0] - other[0], own[1] - other[1]]);
            return loads.one_by_one(simd, tap.branch, [p, q], across);
        }
        let [re, im] = splat_pair(simd, tap.unit);
        [
            simd.mul_add_e_f64s(p, re, simd.mul_f64s(q, im)),
            simd.negate_mul_add_e_f64s(q, re, simd.mul_f64s(p, im)),
        ]
    }

    /// `sum + c_b` of a tap at a voltage across.
    #[inline(always)]
    fn left_to_draw<S: Simd>(
        &self,
        simd: S,
        (loads, tap): (&Loads<'_>, &Tap),
        power: LanePair<S>,
        across: LanePair<S>,
        sum: LanePair<S>,
    ) -> LanePair<S> {
        let linear = add_shared_applied(simd, sum, &tap.slope, across);
        match tap.response {
            Response::Shares(at) => self.shares[at as usize].subtract(simd, linear, power, across),
            Response::Other => {
                let drawn = loads.one_by_one(simd, tap.branch, power, across);
                [simd.sub_f64s(linear[0], drawn[0]), simd.sub_f64s(linear[1], drawn[1])]
            }
        }
    }
}

/// How far each lane is from its solution, from the last two steps: they shrink by about the same share each time.
///
/// A step that was `m` long after one of `m'` leaves about `m·(m/m')`. Twice that is taken, and never less than
/// [`LEAST_SHARE`] of `m`, because a part of the error that shrinks slower than the rest shows late.
struct Remaining {
    before: [f64; MAX_LANES],
}

impl Remaining {
    const fn new() -> Self {
        Self { before: [0.0; MAX_LANES] }
    }

    /// What is left after steps of these lengths.
    fn after(&mut self, moved: [f64; MAX_LANES]) -> [f64; MAX_LANES] {
        let mut left = moved;
        for (left, before) in left.iter_mut().zip(&mut self.before) {
            let moved = *left;
            // Nothing is known at the first step, and a step that is not finite stays so.
            if *before > 0.0 {
                *left = moved * (2.0 * moved / *before).clamp(LEAST_SHARE, 1.0);
            }
            *before = moved;
        }
        left
    }
}
