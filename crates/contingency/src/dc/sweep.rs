//! Many outages in the DC model: eight side by side through one backward solve, and every watched branch compared
//! on the way, so that nothing is stored per branch and outage.
//!
//! A block of eight outages is the unit of work. What a block computes depends on the list alone, so results are
//! bit-equal whatever the number of workers.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use topology::calc::BusIdx;

use super::ldl::{LANES, Lane, Lanes};
use super::prepare::{Dead, Prepared, Preparer};
use super::{Balance, DcFault, DcNetwork};
use crate::finding::{Finding, Monitor, Status, Watch};
use crate::outage::{Contingency, Outage, Parts, remainder};
use crate::pool::{Job, Pool};
use crate::system::System;
use topology::calc::Voltages;

/// Watched branches that are compared before a lane is looked at in detail.
const CHUNK: usize = 32;
/// Blocks per worker between two reports to the caller.
const BLOCKS_PER_WAVE: usize = 32;

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
        Self { network, system, balance: rules.balance, parts: rules.parts, rows, watch, at_bus, up_to }
    }

    /// Runs all contingencies and hands the findings over in the order of the list, until the caller breaks.
    /// The answer is how many were handed over.
    pub fn run(
        &self,
        list: &[Contingency],
        pool: &dyn Pool,
        sink: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> usize {
        let width = pool.width().max(1);
        let mut workers: Vec<Sweeper<'_>> = (0..width).map(|_| Sweeper::new(self)).collect();
        let mut done = 0;
        for (wave, part) in list.chunks(LANES * BLOCKS_PER_WAVE * width).enumerate() {
            let first = wave * LANES * BLOCKS_PER_WAVE * width;
            for finding in self.wave(part, first, (&mut workers, pool)) {
                done += 1;
                if sink(finding).is_break() {
                    return done;
                }
            }
        }
        done
    }

    fn wave(
        &self,
        part: &[Contingency],
        first: usize,
        (workers, pool): (&mut [Sweeper<'_>], &dyn Pool),
    ) -> Vec<Finding> {
        let next = AtomicUsize::new(0);
        let mut found: Vec<Vec<Finding>> = workers.iter().map(|_| Vec::new()).collect();
        let jobs = workers.iter_mut().zip(&mut found).map(|(worker, found)| {
            let next = &next;
            let job: Job<'_> = Box::new(move || {
                loop {
                    let block = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cases) = part.chunks(LANES).nth(block) else { break };
                    worker.block(cases, first + block * LANES, found);
                }
            });
            job
        });
        pool.run(jobs.collect());
        let mut found: Vec<Finding> = found.into_iter().flatten().collect();
        found.sort_unstable_by_key(|finding| finding.index);
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
        let network = self.network;
        for (at, flow) in out.iter_mut().enumerate() {
            let ends = network.ends[at];
            let x = ends.map(|bus| worker.lanes.x[network.place[bus as usize] as usize][0]);
            let dead = ends.iter().any(|bus| worker.preparer.contains(&prepared.dead, *bus));
            let is_out = u32::try_from(at).is_ok_and(|at| prepared.out.binary_search(&at).is_ok());
            *flow = if dead || is_out {
                0.0
            } else {
                network.flow[at] + network.b[at] * (x[0] - x[1]) + prepared.by_shares * network.share_flow[at]
            };
        }
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
            preparer: Preparer::new(sweep.network, sweep.system, sweep.parts),
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
        finding
    }

    /// Compares all watched branches in all lanes; a chunk is looked at in detail where it might change a finding.
    fn compare(&self, block: &mut [Finding]) {
        let sweep = self.sweep;
        let mut by_shares = [0.0; LANES];
        for (c, prepared) in by_shares.iter_mut().zip(&self.prepared) {
            *c = prepared.as_ref().map_or(0.0, |prepared| prepared.by_shares);
        }
        let threshold = sweep.watch.threshold_percent;
        let mut bar = [f64::INFINITY; LANES];
        for (bar, prepared) in bar.iter_mut().zip(&self.prepared) {
            *bar = if prepared.is_some() { -1.0 } else { f64::INFINITY };
        }
        for (chunk, rows) in sweep.rows.chunks(CHUNK).enumerate() {
            let heaviest = chunk_maximum(rows, &self.lanes.x, &by_shares);
            for lane in 0..block.len() {
                // A figure that is not finite must not pass as small.
                if heaviest[lane] <= bar[lane] {
                    continue;
                }
                let Some(prepared) = &self.prepared[lane] else { continue };
                for (at, row) in (chunk * CHUNK..).zip(rows) {
                    let percent = row.loading(&self.lanes.x, by_shares[lane], lane);
                    if !(percent <= bar[lane]) && self.alive(prepared, at) {
                        sweep.watch.loading(at, percent, &mut block[lane]);
                    }
                }
                let known = block[lane].heaviest.map_or(-1.0, |heaviest| heaviest.percent);
                bar[lane] = known.min(threshold);
            }
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
        let across = x[self.from as usize][lane] - x[self.to as usize][lane];
        (self.flow + self.b * across + by_shares * self.share_flow).abs() * self.percent
    }
}

/// Largest loading of a chunk per lane.
fn chunk_maximum(rows: &[Row], x: &[Lane], by_shares: &Lane) -> Lane {
    let mut heaviest = [0.0; LANES];
    for row in rows {
        let (from, to) = (&x[row.from as usize], &x[row.to as usize]);
        for lane in 0..LANES {
            let across = from[lane] - to[lane];
            let flow = row.flow + row.b * across + by_shares[lane] * row.share_flow;
            let percent = flow.abs() * row.percent;
            heaviest[lane] = if percent <= heaviest[lane] { heaviest[lane] } else { percent };
        }
    }
    heaviest
}
