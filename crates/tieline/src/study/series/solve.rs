//! A chunk of rows → voltages of every bus and row.

use std::sync::Arc;

use powerflow::batch::{Solved, Worker};
use powerflow::{Outcome, Solver};
use topology::calc::Grid;

use super::injections::Rows;
use super::profile::{Chunk, Labels};
use super::states::{State, States};
use crate::pool;

/// What the rows of a chunk came to.
pub(super) struct Solutions {
    pub(super) labels: Labels,
    pub(super) rows: usize,
    buses: usize,
    /// `[e, f]` in p.u. by row and bus of the case; NaN where not solved or not energised.
    voltages_pu: Vec<[f64; 2]>,
    /// Whether each row was solved.
    pub(super) solved: Vec<bool>,
    /// Positions of each row.
    pub(super) states: Vec<Arc<State>>,
}

impl Solutions {
    /// Voltages of a row, by bus of the case.
    pub(super) fn voltages_pu(&self, row: usize) -> &[[f64; 2]] {
        &self.voltages_pu[row * self.buses..(row + 1) * self.buses]
    }
}

/// Memory of one thread, for the state that it worked on last.
#[derive(Default)]
pub(super) struct Memory(Option<(Arc<State>, Kept)>);

enum Kept {
    Batch(Box<Worker>),
    Alone(Box<(Grid, Solver)>),
}

/// Where the voltages of a row go, and whether it was solved.
type Place<'a> = (&'a mut [[f64; 2]], &'a mut bool);

/// Up to a block of rows with the same positions.
struct Job<'a> {
    state: &'a Arc<State>,
    rows: Vec<usize>,
    places: Vec<Place<'a>>,
}

/// Solves all rows of a chunk.
pub(super) fn solve(
    states: &mut States<'_>,
    chunk: Chunk,
    buses: usize,
    threads: &mut [Memory],
) -> anyhow::Result<Solutions> {
    // Groups in the order of their first rows, so that nothing depends on a hash.
    let mut grouped: Vec<(Vec<u64>, Vec<usize>)> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for row in 0..chunk.rows {
        let key = states.key(chunk.figures(row));
        let group = *known.entry(key).or_insert_with_key(|key| {
            grouped.push((key.clone(), Vec::new()));
            grouped.len() - 1
        });
        grouped[group].1.push(row);
    }
    let mut groups = Vec::with_capacity(grouped.len());
    for (key, rows) in grouped {
        groups.push((states.state(&key, &chunk, &rows)?, rows));
    }
    let mut of_row: Vec<Option<Arc<State>>> = vec![None; chunk.rows];
    for (state, rows) in &groups {
        rows.iter().for_each(|&row| of_row[row] = Some(Arc::clone(state)));
    }
    let mut voltages_pu = vec![[f64::NAN; 2]; chunk.rows * buses];
    let mut solved = vec![false; chunk.rows];
    let jobs = jobs(&groups, (voltages_pu.chunks_mut(buses.max(1)), solved.iter_mut()));
    pool::run(threads, jobs.into_iter(), |memory, job| memory.work(&chunk, job));
    let (labels, rows) = (chunk.labels, chunk.rows);
    // Every row is in a group.
    let states = of_row.into_iter().flatten().collect();
    Ok(Solutions { labels, rows, buses, voltages_pu, solved, states })
}

fn jobs<'a>(
    groups: &'a [(Arc<State>, Vec<usize>)],
    (voltages, solved): (std::slice::ChunksMut<'a, [f64; 2]>, std::slice::IterMut<'a, bool>),
) -> Vec<Job<'a>> {
    let mut places: Vec<Option<Place<'_>>> = voltages.zip(solved).map(Some).collect();
    let mut jobs = Vec::new();
    for (state, rows) in groups {
        let block = state.batch.as_ref().map_or(1, powerflow::batch::Batch::chunk);
        for rows in rows.chunks(block) {
            let places = rows.iter().filter_map(|&row| places[row].take()).collect();
            jobs.push(Job { state, rows: rows.to_vec(), places });
        }
    }
    jobs
}

impl Memory {
    fn work(&mut self, chunk: &Chunk, mut job: Job<'_>) {
        let state = job.state;
        if self.0.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, state)) {
            let kept = match &state.batch {
                Some(batch) => Kept::Batch(Box::new(batch.worker())),
                None => Kept::Alone(Box::new((state.network.grid.clone(), Solver::new()))),
            };
            self.0 = Some((Arc::clone(state), kept));
        }
        match (&mut self.0, &state.batch) {
            (Some((_, Kept::Batch(worker))), Some(batch)) => {
                let source = Rows { injections: &state.injections, chunk, rows: &job.rows };
                batch.solve(worker, 0..job.rows.len(), &source, &mut |result: Solved<'_>| {
                    let (voltages, solved) = &mut job.places[result.scenario];
                    **solved = matches!(result.outcome, Outcome::Converged { .. });
                    keep(state, voltages, |bus| result.voltages_pu[bus]);
                });
            }
            (Some((_, Kept::Alone(memory))), None) => {
                let (grid, solver) = &mut **memory;
                for (&row, (voltages, solved)) in job.rows.iter().zip(&mut job.places) {
                    state.injections.write_grid(chunk.figures(row), grid);
                    let solution = solver.solve(grid, &state.options);
                    **solved = !solution.islands.is_empty() && solution.converged();
                    let polar = &solution.voltages;
                    keep(state, voltages, |bus| {
                        let (sin, cos) = polar.va_rad[bus].sin_cos();
                        [polar.vm_pu[bus] * cos, polar.vm_pu[bus] * sin]
                    });
                }
            }
            (Some((_, Kept::Batch(_))), None) | (Some((_, Kept::Alone(_))), Some(_)) | (None, _) => {}
        }
    }
}

/// Voltages by bus of the grid → by bus of the case.
fn keep(state: &State, voltages: &mut [[f64; 2]], of: impl Fn(usize) -> [f64; 2]) {
    for (voltage, bus) in voltages.iter_mut().zip(&state.network.map.buses) {
        *voltage = bus.map_or([f64::NAN; 2], |bus| of(bus.at()));
    }
}
