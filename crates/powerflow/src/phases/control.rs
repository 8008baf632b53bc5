//! Controls of taps and capacitors around the solver: a queue of actions in the order of their delays, as the static
//! mode of OpenDSS has it (Dugan and Montenegro, *OpenDSS Reference Guide*, control mode STATIC).
//!
//! ```text
//! repeat   solve
//!          every control samples: it pushes an action with its delay, or takes a pending one back
//!          the actions with the shortest delay are carried out; the others stay
//! until    no action is left
//! ```
//!
//! Time does not pass: delays only say who goes first. That makes the outcome that of the peer, tap for tap.
//!
//! Inverters follow their curves at once: every solution is one with their powers in balance with the voltages.

mod bank;
mod inverter;
mod tap;

use topology::phases::PhaseGrid;

use self::bank::Bank;
use self::inverter::Inverters;
use self::tap::Tap;
use super::solver::{PhaseOptions, PhaseSolution, PhaseSolver, PhaseStart};

/// What came of the controls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlOutcome {
    /// Nobody wants to move any more.
    Settled {
        /// Solutions that it took.
        rounds: u32,
    },
    /// The rounds were used up.
    Hunting {
        /// Solutions that it took.
        rounds: u32,
    },
    /// A round was not solved.
    Unsolved {
        /// Solutions that it took.
        rounds: u32,
    },
}

/// Solves a grid with its controls. Taps and steps of the grid are moved.
///
/// `max_rounds` bounds the solutions, the first one included.
pub fn solve_controlled(
    solver: &mut PhaseSolver,
    grid: &mut PhaseGrid,
    options: &PhaseOptions,
    start: PhaseStart,
    max_rounds: u32,
) -> (PhaseSolution, ControlOutcome) {
    let outcome = PhaseControls::new(grid).solve((solver, grid), options, start, max_rounds);
    (solver.solution(grid, options), outcome)
}

/// Controls over a series of solutions of one grid: which way power flows and what inverters delivered is kept from one
/// to the next.
pub struct PhaseControls {
    controls: Controls,
    inverters: Inverters,
}

impl PhaseControls {
    /// For a grid whose converters deliver what its network says.
    pub fn new(grid: &PhaseGrid) -> Self {
        Self { controls: Controls::new(grid), inverters: Inverters::new(grid) }
    }

    /// Solves a grid with its controls. Taps and steps of the grid are moved; powers of [`PhaseGrid::converters`] follow
    /// their settings, which may be others than before, those of all other branches are the caller's.
    ///
    /// `max_rounds` bounds the solutions, the first one included.
    pub fn solve(
        &mut self,
        (solver, grid): (&mut PhaseSolver, &mut PhaseGrid),
        options: &PhaseOptions,
        start: PhaseStart,
        max_rounds: u32,
    ) -> ControlOutcome {
        self.inverters.begin();
        let mut rounds = 0;
        let mut start = start;
        loop {
            rounds += 1;
            let solved = self.inverters.solve(solver, grid, options, start);
            start = PhaseStart::Last;
            if !solved {
                return ControlOutcome::Unsolved { rounds };
            } else if rounds >= max_rounds {
                return ControlOutcome::Hunting { rounds };
            } else if self.controls.round(solver, grid) {
                return ControlOutcome::Settled { rounds };
            }
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// Tap control of that position moves.
    Tap(usize),
    /// It turns to the other direction of power.
    Reverse(usize),
    /// Capacitor control of that position switches.
    Bank(usize),
}

/// Pending actions, the next one first.
#[derive(Clone, Debug, Default)]
struct Queue {
    pending: Vec<(f64, u64, Action)>,
    pushed: u64,
}

impl Queue {
    /// Pushes an action and returns its ticket. Among equal delays the last pushed goes first.
    fn push(&mut self, delay_s: f64, action: Action) -> u64 {
        self.pushed += 1;
        let at = self.pending.iter().position(|(other, ..)| delay_s <= *other);
        self.pending.insert(at.unwrap_or(self.pending.len()), (delay_s, self.pushed, action));
        self.pushed
    }

    fn take_back(&mut self, ticket: u64) {
        self.pending.retain(|(_, other, _)| *other != ticket);
    }

    /// The next action, if it is due by then.
    fn due(&mut self, by_s: f64) -> Option<Action> {
        let due = self.pending.first().is_some_and(|(delay, ..)| *delay <= by_s);
        due.then(|| self.pending.remove(0).2)
    }
}

struct Controls {
    taps: Vec<Tap>,
    banks: Vec<Bank>,
    queue: Queue,
}

impl Controls {
    fn new(grid: &PhaseGrid) -> Self {
        Self {
            taps: vec![Tap::default(); grid.tap_controls.len()],
            banks: vec![Bank::default(); grid.bank_controls.len()],
            queue: Queue::default(),
        }
    }

    /// Samples and acts; whether there was nothing to do.
    fn round(&mut self, solver: &mut PhaseSolver, grid: &mut PhaseGrid) -> bool {
        let v = |node| solver.voltage(node);
        for (at, tap) in self.taps.iter_mut().enumerate() {
            tap.sample(at, grid, &v, &mut self.queue);
        }
        for (at, bank) in self.banks.iter_mut().enumerate() {
            bank.sample(at, grid, &v, &mut self.queue);
        }
        let Some(&(by_s, ..)) = self.queue.pending.first() else { return true };
        let mut changed = false;
        while let Some(action) = self.queue.due(by_s) {
            changed |= match action {
                Action::Tap(at) => self.taps[at].act(at, grid),
                Action::Reverse(at) => self.taps[at].turn(),
                Action::Bank(at) => self.banks[at].act(at, grid),
            };
        }
        if changed {
            solver.update(grid);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_delay_goes_first_and_the_youngest_of_equals() {
        let mut queue = Queue::default();
        queue.push(15.0, Action::Tap(0));
        let ticket = queue.push(10.0, Action::Bank(1));
        queue.push(15.0, Action::Tap(2));
        queue.push(10.0, Action::Bank(3));
        queue.take_back(ticket);
        let mut order = Vec::new();
        while let Some(&(by_s, ..)) = queue.pending.first() {
            order.extend(queue.due(by_s));
        }
        assert_eq!(order, [Action::Bank(3), Action::Tap(2), Action::Tap(0)]);
    }
}
