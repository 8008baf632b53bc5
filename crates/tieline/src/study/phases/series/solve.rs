//! A chunk of powers → voltages of every node and step.

use exchange::opendss::DssStudy;
use model::distribution::CapacitorControlMode;
use powerflow::phases::batch::{PhaseBatch, PhaseScenarios, PhaseWorker};
use powerflow::phases::{ControlOutcome, PhaseControls, PhaseOptions, PhaseSolver, PhaseStart};
use sparse::complex::Complex;
use topology::phases::{Owner, PhaseGrid};

use super::Series;
use super::powers::{Chunk, Power};
use crate::pool;
use crate::study::series::profile::Labels;

/// What the steps of a chunk came to.
pub(super) struct Solutions {
    pub(super) labels: Labels,
    pub(super) rows: usize,
    nodes: usize,
    /// Volts to ground, real and imaginary part, by row and node; NaN where not solved or not fed.
    voltages_v: Vec<[f64; 2]>,
    pub(super) solved: Vec<bool>,
    /// Steps in which the controls did not come to rest.
    pub(super) hunting: usize,
}

impl Solutions {
    /// Voltages of a row, by node.
    pub(super) fn voltages_v(&self, row: usize) -> &[[f64; 2]] {
        &self.voltages_v[row * self.nodes..(row + 1) * self.nodes]
    }
}

/// What all steps share.
pub(super) struct Model<'a> {
    pub(super) study: &'a DssStudy,
    pub(super) grid: PhaseGrid,
    options: PhaseOptions,
    rounds: u32,
    /// Whether each row stands for itself.
    by_scenario: bool,
    /// Where nothing is controlled and the base case is solved.
    batch: Option<PhaseBatch>,
    /// Controlled converter by converter of the network.
    controlled: Vec<Option<usize>>,
}

/// Memory of one thread.
pub(super) enum Memory {
    Lanes(Box<PhaseWorker>),
    Alone(Box<Alone>),
}

/// A grid that is solved step by step.
pub(super) struct Alone {
    grid: PhaseGrid,
    solver: PhaseSolver,
    controls: PhaseControls,
}

/// Where the results of a row go.
struct Place<'a> {
    voltages_v: &'a mut [[f64; 2]],
    solved: &'a mut bool,
    hunting: &'a mut bool,
}

impl<'a> Model<'a> {
    pub(super) fn new(series: Series<'a>, by_scenario: bool) -> Self {
        let Series { study, grid, options, rounds } = series;
        let converters = !grid.converters.is_empty();
        let rules = converters || !grid.tap_controls.is_empty() || !grid.bank_controls.is_empty();
        let batch = if rounds > 0 && rules { None } else { PhaseBatch::new(grid.clone(), options).ok() };
        let mut controlled = vec![None; study.network.converters.len()];
        for (at, converter) in grid.converters.iter().enumerate() {
            if let Some(Owner::Converter(of)) = grid.branches.get(converter.branches.start).map(|b| b.owner) {
                controlled[of as usize] = Some(at);
            }
        }
        Self { study, grid, options, rounds, by_scenario, batch, controlled }
    }

    pub(super) const fn nodes(&self) -> usize {
        self.grid.nodes.len()
    }

    /// Whether steps are solved side by side.
    pub(super) const fn in_lanes(&self) -> bool {
        self.batch.is_some()
    }

    /// What to say of banks that go by the hour, which a profile does not have.
    pub(super) fn by_the_hour(&self) -> Option<String> {
        let timed =
            |control: &topology::phases::BankControl| control.settings.mode == CapacitorControlMode::Time;
        let hour = self.grid.hour;
        (self.rounds > 0 && self.grid.bank_controls.iter().any(timed))
            .then(|| format!("banks that go by the hour keep that of the script, {hour}"))
    }

    /// Memory for so many threads. Steps that come after each other have but one.
    pub(super) fn memories(&self, threads: usize) -> Vec<Memory> {
        let one_by_one = !self.in_lanes() && !self.by_scenario;
        let make = || match &self.batch {
            Some(batch) => Memory::Lanes(Box::new(batch.worker())),
            None => Memory::Alone(Box::new(Alone {
                grid: self.grid.clone(),
                solver: PhaseSolver::new(&self.grid),
                controls: PhaseControls::new(&self.grid),
            })),
        };
        (0..if one_by_one { 1 } else { threads }).map(|_| make()).collect()
    }

    /// Solves all rows of a chunk.
    pub(super) fn solve(&self, chunk: Chunk, threads: &mut [Memory]) -> Solutions {
        let (rows, nodes) = (chunk.rows, self.nodes());
        let mut voltages_v = vec![[f64::NAN; 2]; rows * nodes];
        let (mut solved, mut hunting) = (vec![false; rows], vec![false; rows]);
        let block = self.batch.as_ref().map_or(1, PhaseBatch::block);
        let flags = solved.chunks_mut(block).zip(hunting.chunks_mut(block));
        let jobs = (0..rows).step_by(block).zip(voltages_v.chunks_mut((block * nodes).max(1)).zip(flags));
        pool::run(threads, jobs, |memory, (first, (voltages_v, (solved, hunting)))| {
            match (memory, &self.batch) {
                (Memory::Lanes(worker), Some(batch)) => {
                    let source = Rows { model: self, chunk: &chunk };
                    let found = batch.solve(worker, first..first + solved.len(), &source, voltages_v);
                    solved.iter_mut().zip(found).for_each(|(to, found)| *to = found.solved);
                    self.unfed(batch, voltages_v);
                }
                (Memory::Alone(alone), None) => {
                    let flags = solved.iter_mut().zip(hunting);
                    let places = voltages_v.chunks_mut(nodes.max(1)).zip(flags);
                    for (row, (voltages_v, (solved, hunting))) in (first..).zip(places) {
                        let place = Place { voltages_v, solved, hunting };
                        alone.step(self, (chunk.powers(row), chunk.hours[row]), place);
                    }
                }
                (Memory::Lanes(_), None) | (Memory::Alone(_), Some(_)) => {}
            }
        });
        let hunting = hunting.iter().filter(|hunting| **hunting).count();
        Solutions { labels: chunk.labels, rows, nodes, voltages_v, solved, hunting }
    }

    /// What no source feeds has no voltage, not one of zero.
    fn unfed(&self, batch: &PhaseBatch, voltages_v: &mut [[f64; 2]]) {
        for row in voltages_v.chunks_mut(self.nodes().max(1)) {
            for (v, island) in row.iter_mut().zip(&batch.base().island) {
                if island.is_none() {
                    *v = [f64::NAN; 2];
                }
            }
        }
    }

    /// Hands on what each branch draws, in volt-amperes.
    fn each_branch(&self, powers: &[Power], mut take: impl FnMut(usize, Complex)) {
        let network = &self.study.network;
        for (at, branch) in self.grid.branches.iter().enumerate() {
            let (drawn, phases) = match branch.owner {
                Owner::Load(of) => {
                    let [p, q, _] = powers[of as usize];
                    ([p, q], network.loads[of as usize].phases)
                }
                Owner::Converter(of) => {
                    let converter = &network.converters[of as usize];
                    let [p, q, _] = powers[network.loads.len() + of as usize];
                    (converter.within_rating(p, q).map(|power| -power), converter.phases)
                }
            };
            take(at, Complex::new(drawn[0], drawn[1]) * (1000.0 / f64::from(phases)));
        }
    }
}

impl Alone {
    fn step(&mut self, model: &Model<'_>, (powers, hour): (&[Power], Option<f64>), place: Place<'_>) {
        let controls = model.rounds > 0;
        if model.by_scenario && controls {
            self.grid.clone_from(&model.grid);
            self.controls = PhaseControls::new(&self.grid);
        }
        self.set(model, powers, controls);
        self.grid.hour = hour.unwrap_or(self.grid.hour);
        // Linear loads are part of the matrix.
        self.solver.update(&self.grid);
        let start = if model.by_scenario { PhaseStart::NoLoad } else { PhaseStart::Last };
        if controls {
            let pair = (&mut self.solver, &mut self.grid);
            let outcome = self.controls.solve(pair, &model.options, start, model.rounds);
            *place.hunting = matches!(outcome, ControlOutcome::Hunting { .. });
        } else {
            self.solver.run(&self.grid, &model.options, start);
        }
        let solution = self.solver.solution(&self.grid, &model.options);
        *place.solved = !solution.outcomes.is_empty() && solution.solved();
        for (to, v) in place.voltages_v.iter_mut().zip(&solution.v) {
            *to = [v.re, v.im];
        }
    }

    fn set(&mut self, model: &Model<'_>, powers: &[Power], controls: bool) {
        let grid = &mut self.grid;
        model.each_branch(powers, |at, power| {
            let follows = match grid.branches[at].owner {
                Owner::Load(_) => false,
                Owner::Converter(of) => controls && model.controlled[of as usize].is_some(),
            };
            if !follows {
                grid.branches[at].set_power(power);
            }
        });
        let loads = model.study.network.loads.len();
        for (of, at) in model.controlled.iter().enumerate() {
            if let Some(at) = at {
                let settings = &mut grid.converters[*at].settings;
                [settings.p_kw, settings.q_kvar, settings.control.behind_kw] = powers[loads + of];
            }
        }
    }
}

/// Rows of a chunk as the scenarios of a batch.
struct Rows<'a> {
    model: &'a Model<'a>,
    chunk: &'a Chunk,
}

impl PhaseScenarios for Rows<'_> {
    fn powers<'a>(&'a self, scenario: usize, [p_w, q_var]: [&'a mut [f64]; 2]) -> [&'a [f64]; 2] {
        self.model.each_branch(self.chunk.powers(scenario), |at, power| {
            (p_w[at], q_var[at]) = (power.re, power.im);
        });
        [p_w, q_var]
    }
}
