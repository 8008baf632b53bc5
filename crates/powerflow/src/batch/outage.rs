//! Outages of branches on one meshed island, each with a full AC power flow, in lanes.
//!
//! The steps are those of [`super::chord`]. An outage changes four rows and columns of the base Jacobian,
//! `J = J₀ + E M Eᵀ` with `E` the unit columns of both ends and `M` minus what the branch adds to the blocks of its ends
//! (Sherman, Morrison and Woodbury; Alsaç, Stott and Tinney, "Sparsity-oriented compensation methods for modified
//! network solutions", IEEE Trans. PAS-102(5), 1983). In the factors `J₀ = L U` the correction stands between the two
//! halves of the solve:
//!
//! ```text
//! G = L⁻¹ E,  H = U⁻ᵀ E,  K = (I + M Hᵀ G)⁻¹ M,     z = L⁻¹ r,   z -= G K Hᵀ z,   step = U⁻¹ z
//! ```
//!
//! `G` and `H` live on the paths of the two ends up the elimination tree, so an outage costs a walk up two paths, once
//! and per step, and never a factorisation. The product with `Y` stays that of the whole network: what flows into the
//! branch that is out is added to the injections of its ends, which makes the mismatch that of the network without it.
//!
//! A branch whose outage parts the island makes `I + M Hᵀ G` singular; such a lane shows no number.
//!
//! Lanes are independent: one that has arrived hands its voltages over and takes the next outage.

use sparse::block::{EndColumns, PathIndex};
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, registers, registers_mut, splat_pair, to_array};

use super::chord::{Chord, Fixed, turned};
use super::cut::{Cut, RANK, Small, condensed};
use super::progress::{Limits, Progress};

/// The memory of the lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct OutageLanes {
    /// Injections, voltages, mismatches and steps: two registers per bus.
    pub(super) s: LaneVec,
    pub(super) v: LaneVec,
    pub(super) r: LaneVec,
    lanes: [Lane; MAX_LANES],
    index: PathIndex,
}

/// What one lane works on.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// Which outage of the list; `None` when idle.
    outage: Option<usize>,
    ends: [u32; 2],
    columns: EndColumns,
    k: Small,
}

/// Voltages of a lane that has come to an end.
pub(super) struct Finished<'a> {
    /// Which outage of the list.
    pub(super) outage: usize,
    pub(super) lane: usize,
    pub(super) steps: u32,
    pub(super) mismatch_pu: f64,
    pub(super) v: &'a LaneVec,
}

/// Takes over what the lanes have solved.
pub(super) trait Collect {
    /// A lane has come to an end, one way or the other.
    fn collect<S: Simd>(&mut self, simd: S, finished: Finished<'_>);
}

impl OutageLanes {
    /// Makes room for `buses` buses.
    pub(super) fn resize(&mut self, buses: usize, width: usize) {
        for vector in [&mut self.s, &mut self.v, &mut self.r] {
            vector.resize(2 * buses * width);
        }
    }
}

/// Takes all of `cuts` through the lanes, each from the base solution, and hands each to `collector` when its lane has met
/// the tolerance or does not get nearer.
#[inline(always)]
pub(super) fn solve<S: Simd>(
    simd: S,
    (chord, cuts): (&Chord, &[Cut]),
    (memory, limits): (&mut OutageLanes, Limits),
    collector: &mut impl Collect,
) {
    memory.resize(chord.buses(), S::F64_LANES);
    chord.begin(simd, registers_mut::<2, S>(&mut memory.s), registers_mut::<2, S>(&mut memory.v));
    let mut progress = Progress::new(0);
    let mut next = 0;
    loop {
        let mut refilled = [0.0; MAX_LANES];
        for (lane, refilled) in refilled[..S::F64_LANES].iter_mut().enumerate() {
            if let Some(outage) = memory.lanes[lane].outage {
                if progress.is_moving(lane) {
                    continue;
                }
                let (steps, mismatch_pu) = (progress.steps[lane], progress.worst_pu[lane]);
                collector.collect(simd, Finished { outage, lane, steps, mismatch_pu, v: &memory.v });
                give_back::<S>(chord, memory, lane);
            }
            if next < cuts.len() {
                take((chord, cuts), memory, (lane, next));
                progress.restart(lane);
                *refilled = 1.0;
                next += 1;
            }
        }
        if memory.lanes[..S::F64_LANES].iter().all(|lane| lane.outage.is_none()) {
            return;
        }
        if refilled.iter().any(|&flag| flag > 0.0) {
            refill(simd, (chord, cuts), memory, &refilled);
        }
        step(simd, chord, memory, progress.moving(simd));
        add_missing_flows::<S>((chord, cuts), memory);
        let (s, v) = (registers::<2, S>(&memory.s), registers::<2, S>(&memory.v));
        let worst_pu = to_array::<S>(chord.mismatch(simd, s, v, registers_mut::<2, S>(&mut memory.r)));
        progress.goes_on(worst_pu, limits);
    }
}

/// Prepares a lane for an outage.
#[inline(always)]
fn take((chord, cuts): (&Chord, &[Cut]), memory: &mut OutageLanes, (lane, outage): (usize, usize)) {
    let cut = &cuts[outage];
    let lane = &mut memory.lanes[lane];
    lane.outage = Some(outage);
    lane.ends = cut.ends;
    chord.end_columns(cut.ends, &mut memory.index, &mut lane.columns);
    let mut c = [[0.0; RANK]; RANK];
    for (h, g) in lane.columns.upper.iter().zip(&lane.columns.lower) {
        for (row, line) in c.iter_mut().enumerate() {
            for (col, value) in line.iter_mut().enumerate() {
                *value += h[0][row] * g[0][col] + h[1][row] * g[1][col];
            }
        }
    }
    lane.k = condensed(&cut.change(chord), &c);
}

/// The injections of a lane's ends are those of the base case again, and the lane is idle.
#[inline(always)]
fn give_back<S: Simd>(chord: &Chord, memory: &mut OutageLanes, lane: usize) {
    for end in memory.lanes[lane].ends {
        let at = 2 * end as usize * S::F64_LANES + lane;
        let [p, q] = chord.injection(end);
        memory.s[at] = p;
        memory.s[at + S::F64_LANES] = q;
    }
    memory.lanes[lane].outage = None;
}

/// Base voltages into the lanes flagged, and the mismatch there: only what flowed into the branch that is out.
#[inline(always)]
fn refill<S: Simd>(
    simd: S,
    (chord, cuts): (&Chord, &[Cut]),
    memory: &mut OutageLanes,
    flags: &[f64; MAX_LANES],
) {
    let zero = simd.splat_f64s(0.0);
    let chosen = simd.greater_than_f64s(from_array::<S>(flags), zero);
    let (v, r) = (registers_mut::<2, S>(&mut memory.v), registers_mut::<2, S>(&mut memory.r));
    for ((v, r), &base) in v.iter_mut().zip(r).zip(chord.base_voltages()) {
        let base = splat_pair(simd, base);
        *v = [simd.select_f64s(chosen, base[0], v[0]), simd.select_f64s(chosen, base[1], v[1])];
        *r = [simd.select_f64s(chosen, zero, r[0]), simd.select_f64s(chosen, zero, r[1])];
    }
    let width = S::F64_LANES;
    for (index, lane) in memory.lanes[..width].iter().enumerate().filter(|(index, _)| flags[*index] > 0.0) {
        let Some(outage) = lane.outage else { continue };
        let flow = cuts[outage].flow(lane.ends.map(|end| chord.base(end)));
        for (end, [p, q]) in lane.ends.into_iter().zip(flow) {
            let at = 2 * end as usize * width + index;
            let held = chord.fixed(end);
            memory.r[at] = if held == Fixed::Voltage { 0.0 } else { p };
            memory.r[at + width] = if held == Fixed::Power { q } else { 0.0 };
        }
    }
}

/// Sets the injections of the ends to those of the base case plus what flows into the branch that is out.
#[inline(always)]
fn add_missing_flows<S: Simd>((chord, cuts): (&Chord, &[Cut]), memory: &mut OutageLanes) {
    let width = S::F64_LANES;
    for (index, lane) in memory.lanes[..width].iter().enumerate() {
        let Some(outage) = lane.outage else { continue };
        let at = |end: u32| 2 * end as usize * width + index;
        let flow = cuts[outage].flow(lane.ends.map(|end| [memory.v[at(end)], memory.v[at(end) + width]]));
        for (end, flow) in lane.ends.into_iter().zip(flow) {
            let base = chord.injection(end);
            memory.s[at(end)] = base[0] + flow[0];
            memory.s[at(end) + width] = base[1] + flow[1];
        }
    }
}

/// One step of every lane that moves.
#[inline(always)]
fn step<S: Simd>(simd: S, chord: &Chord, memory: &mut OutageLanes, moving: S::m64s) {
    let width = S::F64_LANES;
    chord.factor().forward(simd, registers_mut::<2, S>(&mut memory.r));
    let r = &mut *memory.r;
    for (index, lane) in memory.lanes[..width].iter().enumerate().filter(|(_, lane)| lane.outage.is_some()) {
        let columns = &lane.columns;
        let at = |node: u32| 2 * node as usize * width + index;
        let mut y = [0.0; RANK];
        for (&node, h) in columns.nodes.iter().zip(&columns.upper) {
            let (first, second) = (r[at(node)], r[at(node) + width]);
            for (k, y) in y.iter_mut().enumerate() {
                *y += h[0][k] * first + h[1][k] * second;
            }
        }
        let mut w = [0.0; RANK];
        for (w, row) in w.iter_mut().zip(&lane.k) {
            *w = row.iter().zip(&y).map(|(k, y)| k * y).sum();
        }
        for (&node, g) in columns.nodes.iter().zip(&columns.lower) {
            let dot = |row: &[f64; RANK]| row.iter().zip(&w).map(|(g, w)| g * w).sum::<f64>();
            r[at(node)] -= dot(&g[0]);
            r[at(node) + width] -= dot(&g[1]);
        }
    }
    chord.factor().backward(simd, registers_mut::<2, S>(&mut memory.r));
    let (v, r) = (registers_mut::<2, S>(&mut memory.v), registers::<2, S>(&memory.r));
    for (v, r) in v.iter_mut().zip(r) {
        let next = turned(simd, *v, *r);
        *v = [simd.select_f64s(moving, next[0], v[0]), simd.select_f64s(moving, next[1], v[1])];
    }
}
