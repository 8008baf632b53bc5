//! Inverters whose power follows the voltage (IEEE 1547-2018, clauses 5.3 and 5.4): a relaxed fixed point around the
//! solver,
//!
//! ```text
//! s⁺ = s + d·(curve(|v|) - s)        |v|: of the phases that count, per unit
//! ```
//!
//! Each inverter has its own `d`: halved when its error turns its sign, for then the curve is steeper than the grid is
//! stiff, and grown again slowly.

use model::distribution::ConverterVoltage;
use topology::phases::{GROUND, PhaseGrid, ShuntBranch};

use super::super::solver::{PhaseOptions, PhaseSolver, PhaseStart};

/// Solutions in which the inverters have to settle.
const MAX_ROUNDS: usize = 200;
/// Error of a power that counts as settled, by the rating.
const SETTLED: f64 = 1e-7;
/// Least and most of a step that is made, and how fast it grows.
const LEAST_DAMPING: f64 = 0.02;
const GROWTH: f64 = 1.1;

struct Inverter {
    power: [f64; 2],
    error: [f64; 2],
    damping: f64,
}

pub(super) struct Inverters(Vec<Inverter>);

impl Inverters {
    pub(super) fn new(grid: &PhaseGrid) -> Self {
        let start = |power| Inverter { power, error: [0.0; 2], damping: 1.0 };
        Self(
            grid.converters
                .iter()
                .map(|converter| {
                    let settings = &converter.settings;
                    start(settings.within_rating(settings.p_kw, settings.q_kvar))
                })
                .collect(),
        )
    }

    /// Forgets which way the errors of an earlier solution went.
    pub(super) fn begin(&mut self) {
        for inverter in &mut self.0 {
            (inverter.error, inverter.damping) = ([0.0; 2], 1.0);
        }
    }

    /// Solves until the powers of all inverters are those of their voltages.
    pub(super) fn solve(
        &mut self,
        solver: &mut PhaseSolver,
        grid: &mut PhaseGrid,
        options: &PhaseOptions,
        start: PhaseStart,
    ) -> bool {
        if !solver.run(grid, options, start) {
            return false;
        }
        for _ in 0..MAX_ROUNDS {
            if self.follow(solver, grid) {
                return true;
            }
            if !solver.run(grid, options, PhaseStart::Last) {
                return false;
            }
        }
        false
    }

    /// Moves every inverter; whether all were where they belong.
    fn follow(&mut self, solver: &PhaseSolver, grid: &mut PhaseGrid) -> bool {
        let mut settled = true;
        for (at, inverter) in self.0.iter_mut().enumerate() {
            let converter = &grid.converters[at];
            let wanted = converter.settings.at_voltage(voltage_pu(solver, grid, at));
            let error = [wanted[0] - inverter.power[0], wanted[1] - inverter.power[1]];
            let rating = converter.settings.rated_kva;
            if error.iter().all(|error| error.abs() <= SETTLED * rating) {
                continue;
            }
            settled = false;
            let turned = error[0] * inverter.error[0] + error[1] * inverter.error[1] < 0.0;
            let factor = if turned { 0.5 } else { GROWTH };
            inverter.damping = (inverter.damping * factor).clamp(LEAST_DAMPING, 1.0);
            inverter.error = error;
            for (power, error) in inverter.power.iter_mut().zip(error) {
                *power += inverter.damping * error;
            }
            grid.set_converter(at, inverter.power);
        }
        settled
    }
}

/// The voltage across the phases that counts, per unit.
fn voltage_pu(solver: &PhaseSolver, grid: &PhaseGrid, converter: usize) -> f64 {
    let converter = &grid.converters[converter];
    let at = |node: u32| if node == GROUND { Default::default() } else { solver.voltage(node) };
    let across = |branch: &ShuntBranch| (at(branch.from) - at(branch.to)).abs() / branch.nominal_v;
    let branches = &grid.branches[converter.branches.clone()];
    let all = branches.iter().map(across);
    match converter.settings.control.voltage {
        ConverterVoltage::Average => all.sum::<f64>() / branches.len() as f64,
        ConverterVoltage::Largest => all.fold(0.0, f64::max),
        ConverterVoltage::Smallest => all.fold(f64::INFINITY, f64::min),
        ConverterVoltage::Phase(phase) => {
            let last = branches.len().saturating_sub(1);
            branches.get((usize::from(phase).max(1) - 1).min(last)).map_or(f64::NAN, across)
        }
    }
}
