//! Many outages in the DC model: eight side by side through one backward solve, and every watched branch compared
//! on the way, so that nothing is stored per branch and outage.
//!
//! A block of eight outages is the unit of work. What a block computes depends on the list alone, so results are
//! bit-equal whatever the number of workers.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use sparse::lanes::{Simd, WithSimd, dispatch};
use sparse::ldl::lanes::{LANES, Lane, Lanes};
use sparse::pool::Pool;
use topology::calc::BusIdx;

use super::prepare::{Dead, Prepared, Preparer};
use super::{Balance, DcFault, DcNetwork};
use crate::finding::{Detail, Finding, Monitor, Status, Watch};
use crate::outage::{Contingency, Outage, Parts, remainder};
use crate::system::System;
use topology::calc::Voltages;

/// Watched branches that are compared before a lane is looked at in detail.
const CHUNK: usize = 32;
/// Most blocks of one job: a job makes its own work space, which costs about as much as a block.
const MOST_BLOCKS: usize = 32;
/// Jobs per worker between two reports to the caller.
const JOBS_PER_WAVE: usize = 4;

/// What is used per watched branch and lane, in the order of use.
#[derive(Clone, Copy, Debug)]
struct Row {
    from: u32,
    to: u32,
    b: f64,
    flow: f64,
    share_flow: f64,
    /// Percent of the rating per p.u.
    percent: f64,
}

/// The DC model of a system, ready for outages.
#[derive(Clone, Debug)]
pub struct DcSweep<'a> {
    network: &'a DcNetwork,
    system: &'a System,
    balance: Balance,
    parts: Parts,
    rows: Vec<Row>,
    watch: Watch,
    preparer: Preparer<'a>,
    /// Load and scheduled generation per bus, and their sums up to each number of the depth-first search.
    at_bus: Vec<[f64; 2]>,
    up_to: Vec<[f64; 2]>,
}

/// One worker: solves outages one block at a time.
#[derive(Clone, Debug)]
struct Sweeper<'a> {
    sweep: &'a DcSweep<'a>,
    preparer: Preparer<'a>,
    lanes: Lanes,
    prepared: Vec<Option<Prepared>>,
    /// Largest loading per chunk of watched branches.
    maxima: Vec<Lane>,
}

impl<'a> DcSweep<'a> {
    /// Prepares the comparison with the limits. `network` is the DC model of `system` with the same balance.
    pub fn new(network: &'a DcNetwork, system: &'a System, monitor: &Monitor, rules: Rules) -> Self {
        let base_mva = system.grid.base_mva;
        let watch = Watch::new(system, monitor, |branch| network.flow[branch.at()].abs() * base_mva);
        let row = |watched: &crate::finding::WatchedBranch| {
            let at = watched.branch.at();
            let [from, to] = network.ends[at].map(|bus| network.place[bus as usize]);
            Row {
                from,
                to,
                b: network.b[at],
                flow: network.flow[at],
                share_flow: network.share_flow[at],
                percent: 100.0 * base_mva / watched.rating_mva,
            }
        };
        let rows = watch.branches.iter().map(row).collect();
        let mut at_bus = vec![[0.0; 2]; system.grid.buses.len()];
        for load in &system.loads {
            at_bus[load.bus.at()][0] += load.p_pu;
        }
        for machine in &system.machines {
            at_bus[machine.bus.at()][1] += machine.p_pu;
        }
        let mut sum = [0.0; 2];
        let mut up_to = vec![sum];
        for bus in &network.bridges.order {
            sum = [0, 1].map(|part| sum[part] + at_bus[*bus as usize][part]);
            up_to.push(sum);
        }
        let preparer = Preparer::new(network, system, rules.parts);
        let Rules { balance, parts } = rules;
        Self { network, system, balance, parts, rows, watch, preparer, at_bus, up_to }
    }

    /// Runs all contingencies and hands the findings over in the order of the list, until the caller breaks.
    /// The answer is how many were handed over.
    pub fn run(
        &self,
        list: &[Contingency],
        pool: &dyn Pool,
        sink: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> usize {
        let workers = pool.workers().max(1);
        let blocks = list.len().div_ceil(LANES * workers * JOBS_PER_WAVE).clamp(1, MOST_BLOCKS);
        let per_job = blocks * LANES;
        let mut done = 0;
        for (wave, part) in list.chunks(per_job * workers * JOBS_PER_WAVE).enumerate() {
            let first = wave * per_job * workers * JOBS_PER_WAVE;
            let jobs: Vec<(usize, &[Contingency])> =
                (first..).step_by(per_job).zip(part.chunks(per_job)).collect();
            let found: Vec<OnceLock<Vec<Finding>>> = jobs.iter().map(|_| OnceLock::new()).collect();
            pool.run(jobs.len(), &|_, job| {
                let (first, cases) = jobs[job];
                // Each job is called once, so its place is free.
                let _ = found[job].set(self.job(cases, first));
            });
            for finding in found.into_iter().filter_map(OnceLock::into_inner).flatten() {
                done += 1;
                if sink(finding).is_break() {
                    return done;
                }
            }
        }
        done
    }

    fn job(&self, cases: &[Contingency], first: usize) -> Vec<Finding> {
        let mut worker = Sweeper::new(self);
        let mut found = Vec::with_capacity(cases.len());
        for (block, cases) in cases.chunks(LANES).enumerate() {
            worker.block(cases, first + block * LANES, &mut found);
        }
        found
    }

    /// Flow per branch after an outage; zero on what is out or dead. The answer is what could not be solved.
    ///
    /// # Errors
    /// When the outage leaves no DC model.
    pub fn flows(&self, outage: &Outage, out: &mut [f64]) -> Result<(), DcFault> {
        let mut worker = Sweeper::new(self);
        let Ok(prepared) = worker.preparer.prepare(outage) else {
            return worker.flows_by_model(outage, out);
        };
        for (path, factor) in &prepared.paths {
            self.network.ldl.put(path, *factor, 0, &mut worker.lanes);
        }
        self.network.ldl.back_lanes(&mut worker.lanes);
        worker.lane_flows(0, &prepared, out);
        Ok(())
    }

    fn lost(&self, dead: &Dead, finding: &mut Finding) {
        let base = self.system.grid.base_mva;
        let order = &self.network.bridges.order;
        let (count, first, sums) = match dead {
            Dead::None => return,
            Dead::Cut(range) => {
                let (from, to) = (range.start as usize, range.end as usize);
                let first = order[from..to].iter().min().copied();
                (to - from, first, [0, 1].map(|part| self.up_to[to][part] - self.up_to[from][part]))
            }
            Dead::List(list) => {
                let mut sums = [0.0; 2];
                for bus in list {
                    sums = [0, 1].map(|part| sums[part] + self.at_bus[*bus as usize][part]);
                }
                (list.len(), list.first().copied(), sums)
            }
        };
        finding.lost_buses = (u32::try_from(count).unwrap_or(u32::MAX), first.map(BusIdx));
        [finding.lost_load_mw, finding.lost_generation_mw] = sums.map(|sum| sum * base);
    }
}

/// How islands are balanced and what becomes of their parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Who makes up for lost power.
    pub balance: Balance,
    /// What becomes of parts without the reference.
    pub parts: Parts,
}

impl<'a> Sweeper<'a> {
    /// A worker with its own work space.
    fn new(sweep: &'a DcSweep<'a>) -> Self {
        Self {
            sweep,
            preparer: sweep.preparer.clone(),
            maxima: vec![Lane::default(); sweep.rows.len().div_ceil(CHUNK)],
            lanes: Lanes::new(sweep.network.ldl.size()),
            prepared: Vec::with_capacity(LANES),
        }
    }

    /// Solves up to eight contingencies; `first` is the position of the first of them in the list.
    fn block(&mut self, cases: &[Contingency], first: usize, found: &mut Vec<Finding>) {
        let sweep = self.sweep;
        self.prepared.clear();
        for (lane, case) in cases.iter().enumerate() {
            let prepared = self.preparer.prepare(&case.outage).ok();
            for (path, factor) in prepared.iter().flat_map(|prepared| &prepared.paths) {
                sweep.network.ldl.put(path, *factor, lane, &mut self.lanes);
            }
            self.prepared.push(prepared);
        }
        sweep.network.ldl.back_lanes(&mut self.lanes);
        let mut block: Vec<Finding> = (first..)
            .zip(&self.prepared)
            .map(|(index, _)| Finding::new(index, Status::Solved { iterations: 0 }))
            .collect();
        self.compare(&mut block);
        for (lane, mut finding) in block.into_iter().enumerate() {
            match &self.prepared[lane] {
                Some(prepared) => {
                    sweep.lost(&prepared.dead, &mut finding);
                    sweep.watch.close(&mut finding);
                    if sweep.watch.detail {
                        let mut p_from_pu = vec![0.0; sweep.network.b.len()];
                        self.lane_flows(lane, prepared, &mut p_from_pu);
                        finding.detail = Some(Box::new(Detail { voltages_pu: Vec::new(), p_from_pu }));
                    }
                    found.push(finding);
                }
                None => found.push(self.find_by_model(first + lane, &cases[lane].outage)),
            }
        }
    }

    /// The same by a model of what is left, for outages that move the reference.
    fn flows_by_model(&self, outage: &Outage, out: &mut [f64]) -> Result<(), DcFault> {
        let sweep = self.sweep;
        let mut left = remainder(sweep.system, outage, &Voltages::default(), sweep.parts);
        let share: &[f64] = match sweep.balance {
            Balance::Reference => &[],
            Balance::Participation => &left.participation,
        };
        // The base state was in balance by its shares; only what is missing now is up to those that are left.
        let base = sweep.network;
        for (bus, at) in left.grid.buses.iter_mut().zip(&left.buses) {
            bus.p_pu -= base.share[at.at()] * base.surplus[base.island[at.at()] as usize];
        }
        for machine in outage.machines.iter().map(|at| &sweep.system.machines[*at as usize]) {
            if let Some(bus) = left.bus[machine.bus.at()] {
                left.grid.buses[bus.at()].p_pu += self.preparer.surplus_of(machine);
            }
        }
        let network = DcNetwork::new(&left.grid, share)?;
        out.fill(0.0);
        for (branch, flow) in left.branches.iter().zip(&network.flow) {
            out[branch.at()] = *flow;
        }
        Ok(())
    }

    /// The finding of an outage that has a model of its own.
    fn find_by_model(&self, index: usize, outage: &Outage) -> Finding {
        let mut flows = vec![0.0; self.sweep.network.b.len()];
        let solved = self.flows_by_model(outage, &mut flows);
        let status = match solved {
            Ok(()) => Status::Solved { iterations: 0 },
            Err(fault) => Status::NotSolvable { reason: fault.to_string() },
        };
        let mut finding = Finding::new(index, status);
        let lost = remainder(self.sweep.system, outage, &Voltages::default(), self.sweep.parts).lost;
        finding.lost_buses =
            (u32::try_from(lost.buses.len()).unwrap_or(u32::MAX), lost.buses.first().copied());
        finding.lost_load_mw = lost.load_pu * self.sweep.system.grid.base_mva;
        finding.lost_generation_mw = lost.generation_pu * self.sweep.system.grid.base_mva;
        if finding.solved() {
            for (at, (watched, row)) in self.sweep.watch.branches.iter().zip(&self.sweep.rows).enumerate() {
                self.sweep.watch.loading(at, flows[watched.branch.at()].abs() * row.percent, &mut finding);
            }
        }
        self.sweep.watch.close(&mut finding);
        if finding.solved() && self.sweep.watch.detail {
            finding.detail = Some(Box::new(Detail { voltages_pu: Vec::new(), p_from_pu: flows }));
        }
        finding
    }

    /// Compares all watched branches in all lanes; a chunk is looked at in detail where it might change a finding.
    fn compare(&mut self, block: &mut [Finding]) {
        let sweep = self.sweep;
        let mut by_shares = Lane::default();
        for (c, prepared) in by_shares.0.iter_mut().zip(&self.prepared) {
            *c = prepared.as_ref().map_or(0.0, |prepared| prepared.by_shares);
        }
        let threshold = sweep.watch.threshold_percent;
        let mut bar = [f64::INFINITY; LANES];
        for (bar, prepared) in bar.iter_mut().zip(&self.prepared) {
            *bar = if prepared.is_some() { -1.0 } else { f64::INFINITY };
        }
        let (rows, x) = (&sweep.rows[..], &self.lanes.x[..]);
        dispatch(Maxima { rows, x, by_shares, shared: sweep.network.shared, out: &mut self.maxima });
        for ((chunk, rows), heaviest) in sweep.rows.chunks(CHUNK).enumerate().zip(&self.maxima) {
            for lane in 0..block.len() {
                if heaviest.0[lane] <= bar[lane] {
                    continue;
                }
                let Some(prepared) = &self.prepared[lane] else { continue };
                for (at, row) in (chunk * CHUNK..).zip(rows) {
                    let percent = row.loading(&self.lanes.x, by_shares.0[lane], lane);
                    if percent > bar[lane] && self.alive(prepared, at) {
                        sweep.watch.loading(at, percent, &mut block[lane]);
                    }
                }
                let known = block[lane].heaviest.map_or(-1.0, |heaviest| heaviest.percent);
                bar[lane] = known.min(threshold);
            }
        }
    }

    /// Flow per branch of a lane that is solved.
    fn lane_flows(&self, lane: usize, prepared: &Prepared, out: &mut [f64]) {
        let network = self.sweep.network;
        for (at, flow) in out.iter_mut().enumerate() {
            let ends = network.ends[at];
            let x = ends.map(|bus| self.lanes.x[network.place[bus as usize] as usize].0[lane]);
            let dead = ends.iter().any(|bus| self.preparer.contains(&prepared.dead, *bus));
            let is_out = u32::try_from(at).is_ok_and(|at| prepared.out.binary_search(&at).is_ok());
            let by_shares = prepared.by_shares * network.share_flow[at];
            let after = network.flow[at] + network.b[at] * (x[0] - x[1]) + by_shares;
            *flow = if dead || is_out { 0.0 } else { after };
        }
    }

    fn alive(&self, prepared: &Prepared, at: usize) -> bool {
        let branch = self.sweep.watch.branches[at].branch;
        let [from, to] = self.sweep.network.ends[branch.at()];
        prepared.out.binary_search(&branch.0).is_err()
            && !self.preparer.contains(&prepared.dead, from)
            && !self.preparer.contains(&prepared.dead, to)
    }
}

impl Row {
    #[inline]
    fn loading(&self, x: &[Lane], by_shares: f64, lane: usize) -> f64 {
        let across = x[self.from as usize].0[lane] - x[self.to as usize].0[lane];
        (self.flow + self.b * across + by_shares * self.share_flow).abs() * self.percent
    }
}

/// Largest loading of every chunk per lane, compiled for the widest instruction set.
struct Maxima<'a> {
    rows: &'a [Row],
    x: &'a [Lane],
    by_shares: Lane,
    shared: bool,
    out: &'a mut [Lane],
}

impl WithSimd for Maxima<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let by_shares = self.by_shares.0;
        for (rows, out) in self.rows.chunks(CHUNK).zip(self.out) {
            let mut heaviest = [0.0; LANES];
            for row in rows {
                let (from, to) = (&self.x[row.from as usize].0, &self.x[row.to as usize].0);
                let mut flow = [row.flow; LANES];
                for lane in 0..LANES {
                    flow[lane] += row.b * (from[lane] - to[lane]);
                }
                if self.shared {
                    for lane in 0..LANES {
                        flow[lane] += by_shares[lane] * row.share_flow;
                    }
                }
                for lane in 0..LANES {
                    let percent = flow[lane].abs() * row.percent;
                    heaviest[lane] = if percent <= heaviest[lane] { heaviest[lane] } else { percent };
                }
            }
            out.0 = heaviest;
        }
    }
}
