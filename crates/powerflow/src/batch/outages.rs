//! Outages from the base solution of a [`Batch`]'s grid: of branches, of power at a bus.

use sparse::lanes::{self, LaneVec, MAX_LANES, Simd, WithSimd, registers};
use topology::calc::{Branch, BranchIdx, BusIdx, BusKind, Grid, Voltages};

use super::chord::Chord;
use super::compensation::{Change, Shift};
use super::cut::Cut;
use super::engine::{Engine, Kind, LEAST_SQUARED_PU};
use super::outage::{self, Collect, Entry, OutageLanes};
use super::progress::Limits;
use super::watch::{self, Seen, Watch, WatchedBranch, WatchedBus, WatchedPart};
use super::{Batch, MOST_STEPS, complex};
use crate::{Options, Outcome, Reason, Solver, Start};

/// Series reactance of a branch that is out, in the full solver: nothing flows, and the pattern stays.
const OPEN_PU: f64 = 1e12;
/// Rounding that squares may have: what is that near to a limit is shown, and looked at again.
const ROUNDING: f64 = 1e-12;

/// What fails.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Loss {
    /// A branch, at both ends.
    Branch(BranchIdx),
    /// Power at a bus: a machine or a load. Nothing comes of it at a reference.
    Power {
        /// The bus.
        bus: BusIdx,
        /// Change of its net injection in p.u.; the reactive one counts where reactive power is held.
        s_pu: [f64; 2],
        /// Whether the magnitude is no longer held there, but the reactive power of [`topology::calc::Bus::q_pu`].
        released: bool,
    },
}

/// What all outages of a grid share.
#[derive(Clone, Debug)]
pub struct Outages<'a> {
    batch: &'a Batch,
    watch: &'a Watch,
    /// Island and position of every bus.
    position: Vec<(u32, u32)>,
    /// Admittances of every branch.
    y: Vec<[[f64; 2]; 4]>,
    parts: Vec<WatchedPart>,
    /// Place of a branch among those watched in its island.
    watched_at: Vec<Option<u32>>,
    base_voltages: Vec<[f64; 2]>,
}

/// The memory of one thread.
#[derive(Clone, Debug, Default)]
pub struct OutageWorker {
    lanes: OutageLanes,
    seen: [Seen; MAX_LANES],
    changes: Vec<Change>,
    indices: Vec<usize>,
    voltages_pu: Vec<[f64; 2]>,
    alone: Option<Box<(Grid, Solver)>>,
}

/// Result of one outage.
#[derive(Clone, Copy, Debug)]
pub struct AfterOutage<'a> {
    /// Which of the losses given.
    pub index: usize,
    /// What became of the island that it belongs to.
    pub outcome: Outcome,
    /// What was met in the comparison; nothing where not solved.
    pub seen: &'a Seen,
    /// The branch that is out, if it is one.
    pub out: Option<BranchIdx>,
    outages: &'a Outages<'a>,
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// One lane of one island; the others are as before.
    Lane { part: u32, lane: usize, v: &'a [f64] },
    /// By bus.
    Row(&'a [[f64; 2]]),
}

impl AfterOutage<'_> {
    /// Voltage `[e, f]` of a bus in p.u.; NaN where not solved.
    pub fn voltage_pu(&self, bus: BusIdx) -> [f64; 2] {
        match self.source {
            Source::Row(row) => row[bus.at()],
            Source::Lane { part, lane, v } => {
                let (of, at) = self.outages.position[bus.at()];
                let (at, width) = (2 * at as usize, lanes::width());
                if of == part {
                    [v[at * width + lane], v[(at + 1) * width + lane]]
                } else {
                    self.outages.base_voltages[bus.at()]
                }
            }
        }
    }

    /// The larger apparent power of both ends of a branch in p.u.: 0 if it is out, NaN where not solved.
    pub fn apparent_pu(&self, branch: BranchIdx) -> f64 {
        if self.out == Some(branch) {
            return 0.0;
        }
        let Branch { from, to, .. } = self.outages.batch.grid.branches[branch.at()];
        watch::apparent(&self.outages.y[branch.at()], [self.voltage_pu(from), self.voltage_pu(to)])
    }
}

impl<'a> Outages<'a> {
    /// O(buses + branches).
    ///
    /// # Panics
    /// When a watched branch or bus is not in the grid.
    pub fn new(batch: &'a Batch, watch: &'a Watch) -> Self {
        let grid = &batch.grid;
        let mut position = vec![(u32::MAX, 0); grid.buses.len()];
        for (part, engine) in (0u32..).zip(&batch.engines) {
            for (at, &bus) in (0u32..).zip(&engine.buses) {
                position[bus as usize] = (part, at);
            }
        }
        let y = grid.branches.iter().map(|branch| {
            let y = branch.admittance();
            [y.ff, y.ft, y.tf, y.tt]
        });
        let polar = batch.base.voltages.vm_pu.iter().zip(&batch.base.voltages.va_rad);
        let mut outages = Self {
            batch,
            watch,
            y: y.collect(),
            position,
            parts: Vec::new(),
            watched_at: vec![None; grid.branches.len()],
            base_voltages: polar.map(|(&vm, &va)| complex::from_polar(vm, va)).collect(),
        };
        outages.lay_out();
        outages
    }

    /// What is watched, by island.
    fn lay_out(&mut self) {
        let watch = self.watch;
        let most_squared = watch.most_loading * watch.most_loading * (1.0 - ROUNDING);
        let empty = |engine: &Engine| WatchedPart {
            buses: vec![WatchedBus::NONE; engine.buses()],
            most_squared,
            ..WatchedPart::default()
        };
        let mut parts: Vec<WatchedPart> = self.batch.engines.iter().map(empty).collect();
        for (place, &(branch, full)) in (0u32..).zip(&watch.branches) {
            let (part, cut) = self.cut(branch);
            let list = &mut parts[part as usize].branches;
            self.watched_at[branch.at()] = u32::try_from(list.len()).ok();
            list.push(WatchedBranch { branch: cut, scale: 1.0 / (full * full), place });
        }
        for (place, &(bus, [low, high])) in (0u32..).zip(&watch.buses) {
            let (part, at) = self.position[bus.at()];
            let within = [low * (1.0 + ROUNDING), high * (1.0 - ROUNDING)];
            parts[part as usize].buses[at as usize] = WatchedBus::new(place, within);
        }
        if parts.len() > 1 {
            for (at, part) in (0u32..).zip(&mut parts) {
                self.compare(&self.base_voltages, None, |of| of != at, &mut part.elsewhere);
            }
        }
        self.parts = parts;
    }

    /// Island and admittances of a branch.
    fn cut(&self, branch: BranchIdx) -> (u32, Cut) {
        let Branch { from, to, .. } = self.batch.grid.branches[branch.at()];
        let [(part, from), (_, to)] = [from, to].map(|bus| self.position[bus.at()]);
        (part, Cut { ends: [from, to], y: self.y[branch.at()] })
    }

    /// Compares voltages by bus, in the islands `of` interest.
    fn compare(&self, row: &[[f64; 2]], out: Option<BranchIdx>, of: impl Fn(u32) -> bool, seen: &mut Seen) {
        let counts = |bus: BusIdx| of(self.position[bus.at()].0);
        let flow = |branch: BranchIdx| {
            let Branch { from, to, .. } = self.batch.grid.branches[branch.at()];
            let ends = [from, to].map(|bus| row[bus.at()]);
            (counts(from) && out != Some(branch)).then(|| watch::apparent(&self.y[branch.at()], ends))
        };
        self.watch.compare(row, flow, counts, seen);
    }

    /// Memory for one thread.
    pub fn worker(&self) -> OutageWorker {
        OutageWorker::default()
    }

    /// Solves each of `losses`, each by itself, and hands each that the lanes can solve to `sink` once, in an order that
    /// depends on `losses` alone. The answer is what they cannot solve, for [`Self::solve_alone`].
    ///
    /// O(buses + branches + fill) per step and outage; a list longer than a block keeps the lanes filled. Allocates when
    /// first used.
    ///
    /// # Panics
    /// When a branch or a bus is not in the grid.
    pub fn solve(
        &self,
        worker: &mut OutageWorker,
        losses: &[Loss],
        sink: &mut dyn FnMut(AfterOutage<'_>),
    ) -> Vec<usize> {
        let mut rest: Vec<usize> = Vec::new();
        let limits = Limits { tolerance_pu: self.batch.options.tolerance_pu, most_steps: MOST_STEPS };
        for (part, engine) in (0u32..).zip(&self.batch.engines) {
            let (mut changes, mut indices) =
                (std::mem::take(&mut worker.changes), std::mem::take(&mut worker.indices));
            changes.clear();
            indices.clear();
            for (index, loss) in losses.iter().enumerate() {
                let (of, change) = self.change(*loss);
                if of == part {
                    changes.push(change);
                    indices.push(index);
                }
            }
            if let Kind::Chord(chord) = &engine.kind {
                let OutageWorker { lanes, seen, .. } = worker;
                let list = (losses, &indices[..], &changes[..]);
                let rest = &mut rest;
                lanes::dispatch(Run {
                    outages: self,
                    chord,
                    part,
                    list,
                    limits,
                    memory: (lanes, seen),
                    rest,
                    sink,
                });
            } else {
                rest.extend(&indices);
            }
            (worker.changes, worker.indices) = (changes, indices);
        }
        rest
    }

    /// Island of a loss, and what it changes there.
    fn change(&self, loss: Loss) -> (u32, Change) {
        match loss {
            Loss::Branch(branch) => {
                let (part, cut) = self.cut(branch);
                (part, Change::Branch(cut))
            }
            Loss::Power { bus, s_pu, released } => {
                let (part, at) = self.position[bus.at()];
                let released = released && self.batch.grid.buses[bus.at()].kind == BusKind::Pv;
                (part, Change::Power(Shift { at, s: s_pu, released }))
            }
        }
    }

    /// One outage by the full solver, from the base solution. One that parts the island is [`Reason::Singular`].
    ///
    /// # Panics
    /// When the branch or the bus is not in the grid.
    pub fn solve_alone(
        &self,
        worker: &mut OutageWorker,
        (index, loss): (usize, Loss),
        sink: &mut dyn FnMut(AfterOutage<'_>),
    ) {
        let OutageWorker { voltages_pu, alone, seen: [seen, ..], .. } = worker;
        let outcome = self.full(alone, loss, voltages_pu);
        let out = if let Loss::Branch(branch) = loss { Some(branch) } else { None };
        seen.clear();
        self.compare(voltages_pu, out, |_| true, seen);
        let source = Source::Row(voltages_pu);
        sink(AfterOutage { index, outcome, seen, outages: self, out, source });
    }

    fn full(
        &self,
        alone: &mut Option<Box<(Grid, Solver)>>,
        loss: Loss,
        voltages_pu: &mut Vec<[f64; 2]>,
    ) -> Outcome {
        voltages_pu.clear();
        if let Loss::Branch(branch) = loss
            && let Some(end) = self.parted(branch)
        {
            voltages_pu.resize(self.base_voltages.len(), [f64::NAN; 2]);
            return Outcome::NotSolvable { reason: Reason::Singular(end) };
        }
        let (grid, solver) =
            &mut **alone.get_or_insert_with(|| Box::new((self.batch.at_base(), Solver::new())));
        let of = match loss {
            Loss::Branch(branch) => {
                let open = &mut grid.branches[branch.at()];
                (open.r_pu, open.x_pu, open.g_pu, open.b_pu) = (0.0, OPEN_PU, 0.0, 0.0);
                open.from
            }
            Loss::Power { bus, s_pu, released } => {
                let at = &mut grid.buses[bus.at()];
                (at.p_pu, at.q_pu) = (at.p_pu + s_pu[0], at.q_pu + s_pu[1]);
                if released && at.kind == BusKind::Pv {
                    at.kind = BusKind::Pq;
                }
                bus
            }
        };
        // An outage that Newton does not reach from the base solution is a finding, not a hard start.
        let options =
            Options { start: Start::FromGrid, enforce_q_limits: false, rescue: false, ..self.batch.options };
        let solution = solver.solve(grid, &options);
        let outcome = solution.islands[grid.buses[of.at()].island.at()];
        match loss {
            Loss::Branch(branch) => {
                grid.branches[branch.at()] = self.batch.grid.branches[branch.at()].clone()
            }
            Loss::Power { bus, .. } => self.batch.restore(grid, bus),
        }
        let polar = solution.voltages.vm_pu.iter().zip(&solution.voltages.va_rad);
        voltages_pu.extend(polar.map(|(&vm, &va)| complex::from_polar(vm, va)));
        outcome
    }

    /// The end of a branch that only this branch joins to the other end.
    fn parted(&self, branch: BranchIdx) -> Option<BusIdx> {
        let grid = &self.batch.grid;
        let mut sets: Vec<u32> = (0u32..).take(grid.buses.len()).collect();
        let root = |sets: &mut Vec<u32>, bus: BusIdx| {
            let mut at = bus.0;
            while sets[at as usize] != at {
                sets[at as usize] = sets[sets[at as usize] as usize];
                at = sets[at as usize];
            }
            at
        };
        for (_, other) in grid.branches.iter().enumerate().filter(|(at, _)| *at != branch.at()) {
            let (a, b) = (root(&mut sets, other.from), root(&mut sets, other.to));
            sets[a.max(b) as usize] = a.min(b);
        }
        let Branch { from, to, .. } = grid.branches[branch.at()];
        (root(&mut sets, from) != root(&mut sets, to)).then_some(to)
    }
}

impl Batch {
    /// The grid with the base solution as its starting voltages.
    pub(super) fn at_base(&self) -> Grid {
        let mut grid = self.grid.clone();
        for bus in (0u32..).map(BusIdx).take(grid.buses.len()) {
            self.restore(&mut grid, bus);
        }
        grid
    }

    /// A bus as it was, with the base solution as its starting voltage.
    fn restore(&self, grid: &mut Grid, bus: BusIdx) {
        let Voltages { vm_pu, va_rad } = &self.base.voltages;
        let at = &mut grid.buses[bus.at()];
        at.clone_from(&self.grid.buses[bus.at()]);
        if at.kind == BusKind::Pq {
            at.vm_pu = vm_pu[bus.at()];
        }
        if at.kind != BusKind::Slack {
            at.va_rad = va_rad[bus.at()];
        }
    }
}

/// The outages of one island, to be dispatched.
struct Run<'a, 'b> {
    outages: &'a Outages<'b>,
    chord: &'a Chord,
    part: u32,
    /// All losses, which of them belong to the island, and what each changes.
    list: (&'a [Loss], &'a [usize], &'a [Change]),
    limits: Limits,
    memory: (&'a mut OutageLanes, &'a mut [Seen; MAX_LANES]),
    /// What the lanes could not solve.
    rest: &'a mut Vec<usize>,
    sink: &'a mut dyn FnMut(AfterOutage<'_>),
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Run { outages, chord, part, list: (losses, indices, changes), limits, memory, rest, sink } = self;
        let (lanes, seen) = memory;
        let mut writer = Writer { outages, part, losses, indices, seen, rest, sink };
        outage::solve(simd, (chord, changes), (lanes, limits), &mut writer);
    }
}

/// Compares solved outages and hands them on.
struct Writer<'a, 'b> {
    outages: &'a Outages<'b>,
    part: u32,
    losses: &'a [Loss],
    indices: &'a [usize],
    seen: &'a mut [Seen; MAX_LANES],
    rest: &'a mut Vec<usize>,
    sink: &'a mut dyn FnMut(AfterOutage<'_>),
}

impl Writer<'_, '_> {
    fn branch(&self, entry: &Entry) -> Option<BranchIdx> {
        match self.losses[self.indices[entry.outage]] {
            Loss::Branch(branch) => Some(branch),
            Loss::Power { .. } => None,
        }
    }

    /// Places of the branches that are out among those watched, ascending, with their lanes.
    fn outs(&self, entries: &[Option<Entry>; MAX_LANES]) -> ([(u32, usize); MAX_LANES], usize) {
        let (mut outs, mut count) = ([(u32::MAX, 0); MAX_LANES], 0);
        for (lane, entry) in entries.iter().enumerate() {
            let branch = entry.as_ref().and_then(|entry| self.branch(entry));
            if let Some(place) = branch.and_then(|branch| self.outages.watched_at[branch.at()]) {
                outs[count] = (place, lane);
                count += 1;
            }
        }
        outs[..count].sort_unstable();
        (outs, count)
    }
}

impl Collect for Writer<'_, '_> {
    #[inline(always)]
    fn solved<S: Simd>(&mut self, simd: S, bank: &LaneVec, entries: &[Option<Entry>; MAX_LANES]) {
        let (outs, count) = self.outs(entries);
        let watched = &self.outages.parts[self.part as usize];
        let v = registers::<2, S>(bank);
        let least = watch::compare(simd, (watched, v), (entries, &outs[..count]), self.seen);
        for (lane, entry) in entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let index = self.indices[entry.outage];
            if least[lane] < LEAST_SQUARED_PU {
                self.rest.push(index);
                continue;
            }
            let outcome = Outcome::Converged { iterations: entry.steps, mismatch_pu: entry.mismatch_pu };
            let (outages, out, seen) = (self.outages, self.branch(entry), &self.seen[lane]);
            let source = Source::Lane { part: self.part, lane, v: bank };
            (self.sink)(AfterOutage { index, outcome, seen, outages, out, source });
        }
    }

    fn open(&mut self, outage: usize) {
        self.rest.push(self.indices[outage]);
    }
}
