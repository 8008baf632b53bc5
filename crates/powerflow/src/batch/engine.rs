//! Which lane engine an island gets, and the way of numbers into lanes and back.

use sparse::lanes::{LaneVec, MAX_LANES, Simd, WithSimd};
use topology::calc::BusIdx;

use super::chord::{Chord, Lanes};
use super::newton::{self, NewtonMemory};
use super::progress::{Limits, Progress};
use super::radial::{Limb, Radial};
use crate::Outcome;
use crate::island::Held;
use crate::solver::Part;

/// Least square of a magnitude that counts as a result; below it a solution is no operating point.
pub(super) const LEAST_SQUARED_PU: f64 = 0.01;

/// One island with the engine that suits it.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    /// Buses of the grid in the order of the engine.
    pub(super) buses: Vec<u32>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Radial(Radial),
    Chord(Box<Chord>),
    /// Neither can: the full solver takes every scenario.
    None,
}

/// A block of scenarios.
pub(super) struct Block<'a> {
    pub(super) count: usize,
    /// Length of a row.
    pub(super) stride: usize,
    pub(super) p_pu: &'a [f64],
    pub(super) q_pu: &'a [f64],
    pub(super) voltages_pu: &'a mut [[f64; 2]],
    pub(super) lanes: &'a mut [LaneVec; 3],
    pub(super) newton: &'a mut NewtonMemory,
    pub(super) limits: Limits,
}

/// The Jacobian that a meshed island steps with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Factors {
    /// That of the base solution.
    Shared,
    /// That of each lane.
    Own,
}

/// An engine on a block, to be dispatched.
pub(super) struct Run<'a> {
    engine: &'a Engine,
    block: Block<'a>,
    factors: Factors,
    outcomes: &'a mut [Outcome; MAX_LANES],
}

impl Engine {
    pub(super) fn new(part: &Part) -> Self {
        if let Some((order, radial)) = radial_of(part) {
            let buses = order.iter().map(|&at| part.buses[at as usize] as u32).collect();
            return Self { buses, kind: Kind::Radial(radial) };
        }
        let buses = part.buses.iter().map(|&bus| bus as u32).collect();
        let chord = Chord::new(part, voltages(part));
        Self { buses, kind: chord.map_or(Kind::None, |chord| Kind::Chord(Box::new(chord))) }
    }

    pub(super) fn buses(&self) -> usize {
        self.buses.len()
    }

    pub(super) fn on<'a>(
        &'a self,
        block: Block<'a>,
        factors: Factors,
        outcomes: &'a mut [Outcome; MAX_LANES],
    ) -> Run<'a> {
        Run { engine: self, block, factors, outcomes }
    }
}

fn voltages(part: &Part) -> Vec<[f64; 2]> {
    let polar = part.island.vm_pu.iter().zip(&part.island.va_rad);
    polar.map(|(vm, va)| [vm * va.cos(), vm * va.sin()]).collect()
}

/// The island as a tree from its slack, with the order of its nodes; `None` if it is none or holds a voltage elsewhere.
fn radial_of(part: &Part) -> Option<(Vec<u32>, Radial)> {
    let (island, y) = (&part.island, part.island.admittances());
    let n = part.buses.len();
    let controlled = island.held.contains(&Held::PowerAndVoltage);
    if controlled || n < 2 || y.y.len() != 2 * (n - 1) {
        return None;
    }
    let slack = island.held.iter().position(|&held| held == Held::VoltageAndAngle)?;
    let v = voltages(part);
    let mut order = vec![slack as u32];
    let mut place = vec![u32::MAX; n];
    place[slack] = 0;
    let mut limbs = Vec::with_capacity(n - 1);
    let mut stack = vec![slack as u32];
    // Depth first: a node's parent is the one just before it, unless a branch ended, so it is still in the cache.
    while let Some(node) = stack.pop() {
        if node as usize != slack {
            place[node as usize] = order.len() as u32;
            order.push(node);
            limbs.push(limb(part, &v, &place, node)?);
        }
        for e in y.ptr[node as usize]..y.ptr[node as usize + 1] {
            let next = y.col[e as usize];
            if place[next as usize] == u32::MAX {
                stack.push(next);
            }
        }
    }
    Radial::new(&limbs, v[slack]).map(|radial| (order, radial))
}

fn limb(part: &Part, v: &[[f64; 2]], place: &[u32], node: u32) -> Option<Limb> {
    let (at, y) = (node as usize, part.island.admittances());
    let mut above = (y.ptr[at]..y.ptr[at + 1]).filter(|&e| {
        let next = place[y.col[e as usize] as usize];
        next != u32::MAX && next < place[at]
    });
    let up = above.next()?;
    let parent = y.col[up as usize];
    let back = (y.ptr[parent as usize]..y.ptr[parent as usize + 1]).find(|&e| y.col[e as usize] == node)?;
    Some(Limb {
        parent: place[parent as usize],
        down: y.y[back as usize],
        up: y.y[up as usize],
        own: y.diagonal[at],
        v: v[at],
        s: [part.island.p_set_pu[at], part.island.q_set_pu[at]],
    })
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Run { engine, mut block, factors, outcomes } = self;
        let progress = match &engine.kind {
            Kind::Radial(radial) => {
                block.load::<S>(&engine.buses[1..]);
                radial.solve(simd, block.lanes.each_mut(), block.limits)
            }
            Kind::Chord(chord) => {
                block.load::<S>(&engine.buses);
                let [s, v, r] = block.lanes.each_mut();
                let lanes = Lanes { s, v, r };
                match factors {
                    Factors::Shared => chord.solve(simd, lanes, block.limits),
                    Factors::Own => {
                        newton::solve(simd, (chord, block.count), (lanes, block.newton), block.limits)
                    }
                }
            }
            Kind::None => Progress::new(S::F64_LANES),
        };
        let sound = block.store::<S>(&engine.buses);
        for lane in 0..block.count {
            let (worst_pu, steps) = (progress.worst_pu[lane], progress.steps[lane]);
            let solved = worst_pu <= block.limits.tolerance_pu && sound[lane];
            // An island that failed before this one keeps its word.
            if let Outcome::Converged { iterations, mismatch_pu } = outcomes[lane] {
                outcomes[lane] = if solved {
                    let mismatch_pu = mismatch_pu.max(worst_pu);
                    Outcome::Converged { iterations: iterations.max(steps), mismatch_pu }
                } else {
                    let worst = BusIdx(engine.buses.first().copied().unwrap_or(0));
                    Outcome::Stopped { worst, mismatch_pu: worst_pu, iterations: steps }
                };
            }
        }
    }
}

impl Block<'_> {
    /// Injections into lanes, two registers per bus; lanes without a scenario repeat the first.
    #[inline(always)]
    fn load<S: Simd>(&mut self, buses: &[u32]) {
        let width = S::F64_LANES;
        let mut row = [0; MAX_LANES];
        for (lane, row) in row.iter_mut().enumerate() {
            *row = if lane < self.count { lane * self.stride } else { 0 };
        }
        for (pair, &bus) in self.lanes[0].chunks_exact_mut(2 * width).zip(buses) {
            let (p, q) = pair.split_at_mut(width);
            for ((p, q), row) in p.iter_mut().zip(q).zip(row) {
                *p = self.p_pu[row + bus as usize];
                *q = self.q_pu[row + bus as usize];
            }
        }
    }

    /// Voltages out of the lanes; returns which lanes hold an operating point at every bus.
    #[inline(always)]
    fn store<S: Simd>(&mut self, buses: &[u32]) -> [bool; MAX_LANES] {
        let width = S::F64_LANES;
        let mut sound = [true; MAX_LANES];
        for (pair, &bus) in self.lanes[1].chunks_exact(2 * width).zip(buses) {
            let (e, f) = pair.split_at(width);
            for lane in 0..self.count {
                let v = [e[lane], f[lane]];
                sound[lane] &= v[0] * v[0] + v[1] * v[1] >= LEAST_SQUARED_PU;
                self.voltages_pu[lane * self.stride + bus as usize] = v;
            }
        }
        sound
    }
}
