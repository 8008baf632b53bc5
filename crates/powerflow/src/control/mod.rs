//! Controls as outer loops around the power flow.
//!
//! ```text
//! repeat   solve                                   warm, on the same topology
//!          continuous controls move their setting  until all of them are within `SETTLED` of their target
//! then     discrete controls move by one step      until none wants to
//! ```
//!
//! Continuous settings follow the secant (`secant`) through their last two solutions; discrete ones move a step at a time
//! while their quantity is outside of its band, as real tap changers do, and stop for good when they hunt. Every control has
//! its file. What is set in the end stands in the grid that comes back.

mod dc_line;
mod load;
mod remote;
mod secant;
mod shift;
mod shunt;
mod slack;
mod tap;

use topology::calc::Grid;
use topology::control::Controls;

use crate::{Options, Solution, Solver, Start};

/// A continuous setting is settled when what it controls is this near to its target.
pub const SETTLED: f64 = 1e-9;
/// Most solutions.
const MOST_ROUNDS: u32 = 400;
/// Beyond a band by less than this is inside.
const BAND_MARGIN: f64 = 1e-9;
/// How often a discrete control may turn round before it stops.
const MOST_TURNS: u32 = 2;

/// One of the lists of [`Controls`], with the place in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Participants of an island, by its index.
    Slack(usize),
    /// A voltage-dependent load.
    Load(usize),
    /// Machines for a remote voltage.
    RemoteVoltage(usize),
    /// A tap changer.
    Tap(usize),
    /// A phase shifter.
    PhaseShifter(usize),
    /// A switched shunt.
    Shunt(usize),
    /// A DC line.
    DcLine(usize),
}

/// What is to be known of a control besides its setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// Its setting is at its end and the target is not met.
    AtEnd(Which),
    /// It stopped because it kept turning round.
    Hunting(Which),
    /// It was still moving when the rounds were used up.
    StillMoving(Which),
}

/// A solution with all controls followed.
#[derive(Clone, PartialEq, Debug)]
pub struct Controlled {
    /// The last solution.
    pub solution: Solution,
    /// The grid that it is of: ratios, shifts, shunts and injections as the controls set them.
    pub grid: Grid,
    /// How often was solved.
    pub rounds: u32,
    /// What did not reach its target.
    pub notes: Vec<Note>,
}

/// What a control did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Settled,
    Moved,
    AtEnd,
    Hunting,
}

/// Looks at a solution and moves its setting in the grid.
trait Control {
    fn which(&self) -> Which;
    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act;
}

/// Solves `grid` and follows its controls. Without convergence the solution is that of the round that failed.
pub fn solve(solver: &mut Solver, grid: &Grid, controls: &Controls, options: &Options) -> Controlled {
    let mut grid = grid.clone();
    let (mut continuous, mut discrete) = build(&mut grid, controls);
    let mut options = *options;
    let mut rounds = 0;
    loop {
        let solution = solver.solve(&grid, &options);
        rounds += 1;
        options.start = Start::Warm;
        if !solution.converged() {
            return Controlled { solution, grid, rounds, notes: Vec::new() };
        }
        let solved = grid.clone();
        let mut acts = every(&mut continuous, &mut grid, &solution);
        if !acts.iter().any(|(_, act)| *act == Act::Moved) {
            acts.extend(every(&mut discrete, &mut grid, &solution));
        }
        let moving = acts.iter().any(|(_, act)| *act == Act::Moved);
        if !moving || rounds >= MOST_ROUNDS {
            let note = |(which, act): &(Which, Act)| match act {
                Act::Settled => None,
                Act::Moved => Some(Note::StillMoving(*which)),
                Act::AtEnd => Some(Note::AtEnd(*which)),
                Act::Hunting => Some(Note::Hunting(*which)),
            };
            let notes = acts.iter().filter_map(note).collect();
            // What moved in the last round is not solved: the grid of the solution goes with it.
            let grid = if moving { solved } else { grid };
            return Controlled { solution, grid, rounds, notes };
        }
    }
}

type Boxed = Vec<Box<dyn Control>>;

fn every(controls: &mut Boxed, grid: &mut Grid, solution: &Solution) -> Vec<(Which, Act)> {
    controls.iter_mut().map(|control| (control.which(), control.act(grid, solution))).collect()
}

/// The continuous and the discrete controls; their first settings go into the grid.
fn build(grid: &mut Grid, controls: &Controls) -> (Boxed, Boxed) {
    let (mut continuous, mut discrete): (Boxed, Boxed) = (Vec::new(), Vec::new());
    for (at, load) in controls.loads.iter().enumerate() {
        continuous.push(Box::new(load::Load::new(at, *load, grid)));
    }
    for (at, line) in controls.dc_lines.iter().enumerate() {
        continuous.push(Box::new(dc_line::DcLine::new(at, line.clone(), grid)));
    }
    for (at, remote) in controls.remote_voltages.iter().enumerate() {
        continuous.push(Box::new(remote::Remote::new(at, remote.clone())));
    }
    for (at, tap) in controls.taps.iter().enumerate() {
        let list = if tap.step.is_some() { &mut discrete } else { &mut continuous };
        list.push(Box::new(tap::Tap::new(at, tap.clone())));
    }
    for (at, shifter) in controls.phase_shifters.iter().enumerate() {
        let list = if shifter.step_rad.is_some() { &mut discrete } else { &mut continuous };
        list.push(Box::new(shift::Shift::new(at, shifter.clone())));
    }
    for (at, shunt) in controls.shunts.iter().enumerate() {
        discrete.push(Box::new(shunt::Shunt::new(at, shunt.clone(), grid)));
    }
    for island in 0..grid.islands as usize {
        continuous.extend(
            slack::Slack::new(island, &controls.participants, grid).map(|slack| Box::new(slack) as _),
        );
    }
    (continuous, discrete)
}

/// Direction in which something has to change to come into its band.
fn direction(value: f64, band: [f64; 2]) -> Option<f64> {
    if value < band[0] - BAND_MARGIN {
        Some(1.0)
    } else if value > band[1] + BAND_MARGIN {
        Some(-1.0)
    } else {
        None
    }
}

/// Counts how often a discrete control turns round.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    last: f64,
    turns: u32,
}

impl Turns {
    /// Whether it hunts, after a move in this direction.
    fn hunting(&mut self, direction: f64) -> bool {
        if self.last * direction < 0.0 {
            self.turns += 1;
        }
        self.last = direction;
        self.turns > MOST_TURNS
    }
}
