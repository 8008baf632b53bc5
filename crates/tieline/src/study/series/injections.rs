//! A row of a profile → net injections of every bus.

use std::collections::BTreeMap;

use powerflow::batch::Scenarios;
use topology::calc::Grid;

use super::profile::Chunk;
use super::targets::Target;
use crate::study::network::StudyNetwork;

/// How the columns of a profile change the injections of one calculation model. Powers are in p.u., buses are those
/// of the grid, columns are those of the profile.
pub(super) struct Injections {
    base: Vec<Base>,
    /// Buses with factors on their load, and the columns of these.
    factors: Vec<(usize, Vec<usize>)>,
    load_p: Vec<(usize, usize)>,
    load_q: Vec<(usize, usize)>,
    /// Bus, column and scheduled output.
    generator_p: Vec<(usize, usize, f64)>,
    generator_factor: Vec<(usize, usize, f64)>,
    base_mva: f64,
}

/// A bus as the case has it.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    injection: [f64; 2],
    load: [f64; 2],
}

impl Injections {
    pub(super) fn new(network: &StudyNetwork, targets: &[Target]) -> Self {
        let base = base(network);
        let base_mva = network.grid.base_mva;
        let bus = |row: usize| network.map.buses[row].map(|bus| bus.at());
        let machine = |row: usize| {
            let output = network.case.generators[row].pg_mw / base_mva;
            network.map.generators[row].map(|bus| (bus.at(), output))
        };
        let mut factors: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let (mut load_p, mut load_q) = (Vec::new(), Vec::new());
        let (mut generator_p, mut generator_factor) = (Vec::new(), Vec::new());
        for (column, target) in targets.iter().enumerate() {
            match target {
                Target::LoadP(row) => load_p.extend(bus(*row).map(|bus| (bus, column))),
                Target::LoadQ(row) => load_q.extend(bus(*row).map(|bus| (bus, column))),
                Target::LoadFactor(rows) => {
                    for bus in rows.iter().filter_map(|row| bus(*row)) {
                        if base[bus].load != [0.0; 2] {
                            factors.entry(bus).or_default().push(column);
                        }
                    }
                }
                Target::GeneratorP(row) => {
                    generator_p.extend(machine(*row).map(|(bus, output)| (bus, column, output)));
                }
                Target::GeneratorFactor(row) => {
                    generator_factor.extend(machine(*row).map(|(bus, output)| (bus, column, output)));
                }
                Target::InService(_) | Target::TapRatio(_) | Target::ShiftDegree(_) => {}
            }
        }
        let factors = factors.into_iter().collect();
        Self { base, factors, load_p, load_q, generator_p, generator_factor, base_mva }
    }

    /// Net injections for the figures of one row; NaN is what the case has.
    pub(super) fn write(&self, figures: &[f64], p_pu: &mut [f64], q_pu: &mut [f64]) {
        for ((base, p), q) in self.base.iter().zip(p_pu.iter_mut()).zip(q_pu.iter_mut()) {
            [*p, *q] = base.injection;
        }
        for (bus, columns) in &self.factors {
            let given = columns.iter().map(|&column| figures[column]).filter(|factor| !factor.is_nan());
            let change = 1.0 - given.product::<f64>();
            let [p, q] = self.base[*bus].load;
            p_pu[*bus] += change * p;
            q_pu[*bus] += change * q;
        }
        let given = |column: usize| Some(figures[column]).filter(|figure| !figure.is_nan());
        for &(bus, column) in &self.load_p {
            if let Some(p_mw) = given(column) {
                let Base { injection, load } = self.base[bus];
                p_pu[bus] = injection[0] + load[0] - p_mw / self.base_mva;
            }
        }
        for &(bus, column) in &self.load_q {
            if let Some(q_mvar) = given(column) {
                let Base { injection, load } = self.base[bus];
                q_pu[bus] = injection[1] + load[1] - q_mvar / self.base_mva;
            }
        }
        for &(bus, column, output) in &self.generator_p {
            if let Some(p_mw) = given(column) {
                p_pu[bus] += p_mw / self.base_mva - output;
            }
        }
        for &(bus, column, output) in &self.generator_factor {
            if let Some(factor) = given(column) {
                p_pu[bus] += (factor - 1.0) * output;
            }
        }
    }

    /// The grid with the mean injections of some rows: what is solved from there has the shortest way.
    pub(super) fn write_mean<'a>(&self, rows: impl Iterator<Item = &'a [f64]>, grid: &mut Grid) {
        let n = grid.buses.len();
        let (mut p_pu, mut q_pu, mut sums) = (vec![0.0; n], vec![0.0; n], vec![[0.0; 2]; n]);
        let mut count = 0.0;
        for figures in rows {
            self.write(figures, &mut p_pu, &mut q_pu);
            for ((sum, p), q) in sums.iter_mut().zip(&p_pu).zip(&q_pu) {
                *sum = [sum[0] + p, sum[1] + q];
            }
            count += 1.0;
        }
        for (bus, [p, q]) in grid.buses.iter_mut().zip(sums) {
            (bus.p_pu, bus.q_pu) = (p / count, q / count);
        }
    }

    /// The grid of a row, for a solver of its own.
    pub(super) fn write_grid(&self, figures: &[f64], grid: &mut Grid) {
        let (mut p_pu, mut q_pu) = (vec![0.0; grid.buses.len()], vec![0.0; grid.buses.len()]);
        self.write(figures, &mut p_pu, &mut q_pu);
        for ((bus, p), q) in grid.buses.iter_mut().zip(p_pu).zip(q_pu) {
            (bus.p_pu, bus.q_pu) = (p, q);
        }
    }
}

fn base(network: &StudyNetwork) -> Vec<Base> {
    let grid = &network.grid;
    let mut base: Vec<Base> =
        grid.buses.iter().map(|bus| Base { injection: [bus.p_pu, bus.q_pu], load: [0.0; 2] }).collect();
    for (bus, mapped) in network.case.buses.iter().zip(&network.map.buses) {
        if let Some(at) = mapped {
            base[at.at()].load = [bus.pd_mw / grid.base_mva, bus.qd_mvar / grid.base_mva];
        }
    }
    base
}

/// Some rows of a chunk as the scenarios of a batch.
pub(super) struct Rows<'a> {
    pub(super) injections: &'a Injections,
    pub(super) chunk: &'a Chunk,
    /// Row of the chunk by scenario.
    pub(super) rows: &'a [usize],
}

impl Scenarios for Rows<'_> {
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        self.injections.write(self.chunk.figures(self.rows[scenario]), p_pu, q_pu);
    }

    fn writes_all(&self) -> bool {
        true
    }
}
