//! Positions of switches and taps, and the calculation model that belongs to each. Rows with the same positions share
//! one model, one factorisation and so one batch.

use std::collections::HashMap;
use std::sync::Arc;

use powerflow::Options;
use powerflow::batch::Batch;
use topology::calc::Grid;

use super::injections::Injections;
use super::profile::Chunk;
use super::targets::Target;
use crate::study::network::StudyNetwork;

/// Models that are kept; the one that was not used for the longest time is made again when needed.
const MOST_STATES: usize = 32;
/// Rows whose mean is the base case of a model.
const MEAN_ROWS: usize = 64;

/// One set of positions.
pub(super) struct State {
    pub(super) network: StudyNetwork,
    pub(super) injections: Injections,
    /// `None` where no base case is solved: then every row is solved by itself.
    pub(super) batch: Option<Batch>,
    pub(super) options: Options,
}

/// All sets of positions that were met.
pub(super) struct States<'a> {
    network: &'a StudyNetwork,
    targets: &'a [Target],
    /// Columns that set positions.
    columns: Vec<usize>,
    options: Options,
    kept: HashMap<Vec<u64>, (u64, Arc<State>)>,
    clock: u64,
}

impl<'a> States<'a> {
    pub(super) fn new(network: &'a StudyNetwork, targets: &'a [Target], options: Options) -> Self {
        let columns = (0..targets.len()).filter(|&at| targets[at].switches()).collect();
        Self { network, targets, columns, options, kept: HashMap::new(), clock: 0 }
    }

    /// What tells the positions of a row from those of others.
    pub(super) fn key(&self, figures: &[f64]) -> Vec<u64> {
        self.columns.iter().map(|&column| figures[column].to_bits()).collect()
    }

    /// The model of rows with the same positions; there is at least one.
    pub(super) fn state(&mut self, key: &[u64], chunk: &Chunk, rows: &[usize]) -> anyhow::Result<Arc<State>> {
        self.clock += 1;
        if let Some((used, state)) = self.kept.get_mut(key) {
            *used = self.clock;
            return Ok(Arc::clone(state));
        }
        if self.kept.len() >= MOST_STATES {
            let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.map(|key| self.kept.remove(&key));
        }
        let state = Arc::new(self.make(chunk, rows)?);
        self.kept.insert(key.to_vec(), (self.clock, Arc::clone(&state)));
        Ok(state)
    }

    fn make(&self, chunk: &Chunk, rows: &[usize]) -> anyhow::Result<State> {
        let figures = chunk.figures(rows[0]);
        let mut case = self.network.case.clone();
        for &column in &self.columns {
            let figure = figures[column];
            if figure.is_nan() {
                continue;
            }
            match self.targets[column] {
                Target::InService(row) => case.branches[row].in_service = figure != 0.0,
                Target::TapRatio(row) => case.branches[row].ratio = figure,
                Target::ShiftDegree(row) => case.branches[row].shift_degree = figure,
                Target::LoadP(_)
                | Target::LoadQ(_)
                | Target::LoadFactor(_)
                | Target::GeneratorP(_)
                | Target::GeneratorFactor(_) => {}
            }
        }
        let network = StudyNetwork::of(case)?;
        let injections = Injections::new(&network, self.targets);
        let batch = self.batch(&network, |grid| {
            let step = rows.len().div_ceil(MEAN_ROWS);
            injections.write_mean(rows.iter().step_by(step).map(|&row| chunk.figures(row)), grid);
        });
        // A mean that has no solution says nothing about the rows.
        let batch = batch.or_else(|| self.batch(&network, |_| {}));
        let batch = batch.or_else(|| self.batch(&network, |grid| injections.write_grid(figures, grid)));
        Ok(State { network, injections, batch, options: self.options })
    }

    fn batch(&self, network: &StudyNetwork, set: impl Fn(&mut Grid)) -> Option<Batch> {
        let mut grid = network.grid.clone();
        set(&mut grid);
        Batch::new(grid, self.options).ok()
    }
}
