//! Outages on one meshed island, each with a full AC power flow, in lanes.
//!
//! The steps are those of [`super::chord`]. The outage of a branch changes four rows and columns of the base Jacobian,
//! `J = J₀ + E M Eᵀ` with `E` the unit columns of both ends and `M` minus what the branch adds to the blocks of its ends
//! (Sherman, Morrison and Woodbury; Alsaç, Stott and Tinney, "Sparsity-oriented compensation methods for modified
//! network solutions", IEEE Trans. PAS-102(5), 1983). In the factors `J₀ = L U` the correction stands between the two
//! halves of the solve:
//!
//! ```text
//! G = L⁻¹ E,  H = U⁻ᵀ E,  C = Hᵀ G,  K = (I + M C)⁻¹ M,     z = L⁻¹ r,   z -= G K Hᵀ z,   step = U⁻¹ z
//! ```
//!
//! `G` and `H` live on the paths of the two ends up the elimination tree, so an outage costs a walk up two paths, once
//! and per step, and never a factorisation. What flows into the branch that is out is added to the injections of its
//! ends, which makes the mismatch that of the network without it.
//!
//! A chord's error falls by the same factor in every step. Where the Jacobian has changed most is around the outage, and
//! what a step reveals there is known without a further solve, since `Eᵀ step = Hᵀ z`: Broyden's method ("A class of
//! methods for solving nonlinear simultaneous equations", Math. Comp. 19, 1965) with both of its vectors cut down to the
//! ends updates `M` ([`Lane::learn`]) and keeps no vector of the network.
//!
//! Lost injections, of a machine or a load, change the right-hand side alone. When the last machine that holds a
//! magnitude is lost, the equation of the magnitude gives way to that of reactive power: one row changes, `V` is the
//! difference of both and stands where `Eᵀ` stood.
//!
//! An outage that parts the island makes `I + M C` singular; such a lane shows no number.
//!
//! A step walks the network twice: mismatch and forward half of the next solve up, backward half and new voltages down.
//! Lanes are independent: one that has arrived leaves its voltages in a bank and takes the next outage, both on the way
//! down; the bank is compared with the limits when it is full.

use sparse::block::{PathIndex, Seed};
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, registers, registers_mut, splat_pair, to_array};

use super::chord::{Chord, Exception, Turnover};
use super::compensation::{Change, Lane};
use super::cut::RANK;
use super::progress::{Limits, Progress};

/// A lane is given up when a step leaves more than this share of the mismatch,
const SLOWEST: f64 = 0.9;
/// after this many steps: the full method costs as much as hundreds of them.
const PATIENCE: u32 = 5;

/// The memory of the lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct OutageLanes {
    /// Voltages, mismatches and steps: two registers per bus.
    v: LaneVec,
    r: LaneVec,
    lanes: [Lane; MAX_LANES],
    index: PathIndex,
    seeds: Vec<Seed>,
    /// Buses at which a lane differs from the base case, ascending.
    exceptions: Vec<Exception>,
    /// By position, whether a fresh lane has a right-hand side there.
    kept: Vec<bool>,
    bank: LaneVec,
    entries: [Option<Entry>; MAX_LANES],
}

/// A solved outage in the bank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Which outage of the list.
    pub(super) outage: usize,
    pub(super) steps: u32,
    pub(super) mismatch_pu: f64,
}

/// Takes over what the lanes have solved.
pub(super) trait Collect {
    /// Voltages of the outages in the bank, one per lane.
    fn solved<S: Simd>(&mut self, simd: S, bank: &LaneVec, entries: &[Option<Entry>; MAX_LANES]);

    /// An outage that the lanes did not bring below the tolerance.
    fn open(&mut self, outage: usize);
}

/// Takes all of `changes` through the lanes, each from the base solution, and hands each to `collector` when its lane has
/// met the tolerance or does not get nearer.
#[inline(always)]
pub(super) fn solve<S: Simd>(
    simd: S,
    (chord, changes): (&Chord, &[Change]),
    (memory, limits): (&mut OutageLanes, Limits),
    collector: &mut impl Collect,
) {
    memory.begin(simd, chord);
    let mut progress = Progress::new(0).with_patience(SLOWEST, PATIENCE);
    let mut next = 0;
    loop {
        let turn = memory.turn_over(simd, (chord, changes), (&mut progress, limits, &mut next), collector);
        if memory.lanes[..S::F64_LANES].iter().all(|lane| lane.outage.is_none()) {
            memory.empty(simd, &turn, collector);
            return;
        }
        memory.correct::<S>(changes, &turn, &progress);
        if turn.any() {
            memory.list_exceptions::<S>(chord, changes);
        }
        memory.descend(simd, chord, &turn, progress.moving(simd));
        memory.add_missing_flows::<S>(chord, changes);
        let (v, r) = (registers::<2, S>(&memory.v), registers_mut::<2, S>(&mut memory.r));
        let worst_pu = to_array::<S>(chord.rise(simd, v, r, &mut memory.exceptions));
        progress.goes_on(worst_pu, limits);
    }
}

/// Lanes that change what they work on: 1 where they do.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    done: [f64; MAX_LANES],
    fresh: [f64; MAX_LANES],
}

impl Turn {
    fn any(&self) -> bool {
        self.done.iter().chain(&self.fresh).any(|&flag| flag > 0.0)
    }
}

impl OutageLanes {
    /// Every lane idle at the base solution.
    #[inline(always)]
    fn begin<S: Simd>(&mut self, simd: S, chord: &Chord) {
        for vector in [&mut self.v, &mut self.r, &mut self.bank] {
            vector.resize(2 * chord.buses() * S::F64_LANES);
        }
        for (v, &base) in registers_mut::<2, S>(&mut self.v).iter_mut().zip(chord.base_voltages()) {
            *v = splat_pair(simd, base);
        }
        self.kept.clear();
        self.kept.resize(chord.buses(), false);
        self.exceptions.clear();
        self.entries = [None; MAX_LANES];
        for lane in &mut self.lanes {
            lane.outage = None;
        }
    }

    /// Takes lanes that have come to an end off their outages and gives them the next ones.
    #[inline(always)]
    fn turn_over<S: Simd>(
        &mut self,
        simd: S,
        (chord, changes): (&Chord, &[Change]),
        (progress, limits, next): (&mut Progress, Limits, &mut usize),
        collector: &mut impl Collect,
    ) -> Turn {
        let mut turn = Turn::default();
        for lane in 0..S::F64_LANES {
            if let Some(outage) = self.lanes[lane].outage {
                if progress.is_moving(lane) {
                    continue;
                }
                self.lanes[lane].outage = None;
                let (steps, mismatch_pu) = (progress.steps[lane], progress.worst_pu[lane]);
                if mismatch_pu <= limits.tolerance_pu {
                    if self.entries[lane].is_some() {
                        self.flush(simd, &turn, collector);
                    }
                    self.entries[lane] = Some(Entry { outage, steps, mismatch_pu });
                    turn.done[lane] = 1.0;
                } else {
                    collector.open(outage);
                }
            }
            if let Some(change) = changes.get(*next) {
                let Self { lanes, index, seeds, .. } = self;
                lanes[lane].outage = Some(*next);
                lanes[lane].take::<S>(chord, change, index, seeds);
                progress.restart(lane);
                turn.fresh[lane] = 1.0;
                *next += 1;
            }
        }
        turn
    }

    /// Hands the bank over, but for the lanes whose voltages are not in it yet.
    #[inline(always)]
    fn flush<S: Simd>(&mut self, simd: S, turn: &Turn, collector: &mut impl Collect) {
        let mut there = self.entries;
        for ((there, entry), &done) in there.iter_mut().zip(&mut self.entries).zip(&turn.done) {
            if done > 0.0 {
                *there = None;
            } else {
                *entry = None;
            }
        }
        collector.solved(simd, &self.bank, &there);
    }

    /// Hands over all that is left.
    #[inline(always)]
    fn empty<S: Simd>(&mut self, simd: S, turn: &Turn, collector: &mut impl Collect) {
        let done = simd.greater_than_f64s(from_array::<S>(&turn.done), simd.splat_f64s(0.0));
        let v = registers::<2, S>(&self.v);
        for (bank, v) in registers_mut::<2, S>(&mut self.bank).iter_mut().zip(v) {
            *bank = [simd.select_f64s(done, v[0], bank[0]), simd.select_f64s(done, v[1], bank[1])];
        }
        self.flush(simd, &Turn::default(), collector);
    }

    /// Which buses differ from the base case in which lane.
    #[inline(always)]
    fn list_exceptions<S: Simd>(&mut self, chord: &Chord, changes: &[Change]) {
        let Self { lanes, exceptions, .. } = self;
        // Bus, lane and end in one number, so that one sort brings together what belongs to a bus.
        let (mut keys, mut count) = ([u64::MAX; 2 * MAX_LANES], 0);
        for (index, lane) in (0u64..).zip(&lanes[..S::F64_LANES]).filter(|(_, lane)| lane.outage.is_some()) {
            for (end, &at) in (0u64..).zip(&lane.ends) {
                keys[count] = u64::from(at) << u32::BITS | index << 1 | end;
                count += 1;
            }
        }
        keys[..count].sort_unstable();
        exceptions.clear();
        for key in &keys[..count] {
            let at = (key >> u32::BITS) as u32;
            if exceptions.last().is_none_or(|last| last.at != at) {
                exceptions.push(Exception::new(at, chord.injection(at)));
            }
            let index = (*key as u32 >> 1) as usize;
            let lane = &mut lanes[index];
            lane.places[(key & 1) as usize] = exceptions.len() - 1;
            let released = lane.outage.is_some_and(|outage| changes[outage].released());
            if let Some(last) = exceptions.last_mut().filter(|_| released) {
                last.released[index] = 1.0;
                last.any_released = true;
            }
        }
    }

    /// Corrects the first half of the solve in every lane that goes on.
    #[inline(always)]
    fn correct<S: Simd>(&mut self, changes: &[Change], turn: &Turn, progress: &Progress) {
        let Self { r, lanes, exceptions, .. } = self;
        for (index, lane) in lanes[..S::F64_LANES].iter_mut().enumerate() {
            let Some(outage) = lane.outage else { continue };
            if turn.fresh[index] > 0.0 || !progress.is_moving(index) {
                continue;
            }
            if let Change::Branch(_) = changes[outage] {
                lane.learn(ends_of(exceptions, lane.places, index));
            }
            lane.correct::<S>(r, index);
        }
    }

    /// The second half of the solve and the step of every lane that moves.
    #[inline(always)]
    fn descend<S: Simd>(&mut self, simd: S, chord: &Chord, turn: &Turn, moving: S::m64s) {
        let zero = simd.splat_f64s(0.0);
        if !turn.any() {
            let (v, r) = (registers_mut::<2, S>(&mut self.v), registers_mut::<2, S>(&mut self.r));
            return chord.descend(simd, (v, r), moving);
        }
        let done = simd.greater_than_f64s(from_array::<S>(&turn.done), zero);
        let fresh = simd.greater_than_f64s(from_array::<S>(&turn.fresh), zero);
        let Self { v, r, lanes, kept, bank, .. } = self;
        let of_turn = |(index, _): &(usize, &mut Lane)| turn.fresh[*index] > 0.0;
        for (index, lane) in lanes.iter_mut().enumerate().filter(of_turn) {
            let pairs = registers_mut::<2, S>(r);
            for &node in &lane.columns.nodes {
                let node = node as usize;
                if !kept[node] {
                    kept[node] = true;
                    let [p, q] = pairs[node];
                    pairs[node] = [simd.select_f64s(fresh, zero, p), simd.select_f64s(fresh, zero, q)];
                }
            }
            lane.first::<S>(r, index);
        }
        let (v, r) = (registers_mut::<2, S>(v), registers_mut::<2, S>(r));
        let turnover = Turnover { done, fresh, kept, bank: registers_mut::<2, S>(bank) };
        chord.descend_anew(simd, (v, r), moving, turnover);
        for (_, lane) in lanes.iter_mut().enumerate().filter(of_turn) {
            lane.columns.nodes.iter().for_each(|&node| kept[node as usize] = false);
        }
    }

    /// Sets the injections of the ends to those of the base case plus what flows into the branch that is out, or less
    /// what is lost.
    #[inline(always)]
    fn add_missing_flows<S: Simd>(&mut self, chord: &Chord, changes: &[Change]) {
        let width = S::F64_LANES;
        let Self { v, lanes, exceptions, .. } = self;
        for (index, lane) in lanes[..width].iter().enumerate() {
            let Some(outage) = lane.outage else { continue };
            let more = match &changes[outage] {
                Change::Branch(cut) => {
                    let at = lane.ends.map(|end| 2 * end as usize * width + index);
                    cut.flow(at.map(|at| [v[at], v[at + width]]))
                }
                Change::Power(shift) => [shift.s; 2],
            };
            for ((&place, end), more) in lane.places.iter().zip(lane.ends).zip(more) {
                let base = chord.injection(end);
                exceptions[place].s[0][index] = base[0] + more[0];
                exceptions[place].s[1][index] = base[1] + more[1];
            }
        }
    }
}

/// Mismatch at both ends of a lane's outage.
fn ends_of(exceptions: &[Exception], places: [usize; 2], lane: usize) -> [f64; RANK] {
    let [from, to] = places.map(|place| exceptions[place].mismatch);
    [from[0][lane], from[1][lane], to[0][lane], to[1][lane]]
}
