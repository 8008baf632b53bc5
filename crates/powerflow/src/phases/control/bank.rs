//! A capacitor control: on and off at two settings of what it measures, and at two voltages whatever that is.

use model::distribution::{CapacitorControlMode, MonitoredPhase, ShuntConnection};
use sparse::complex::Complex;
use topology::phases::{BankControl, GROUND, PhaseGrid};

use super::{Action, Queue};

/// What a capacitor control remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bank {
    wanted: Wanted,
    ticket: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Wanted {
    #[default]
    Nothing,
    On,
    Off,
}

impl Bank {
    pub(super) fn sample(
        &mut self,
        at: usize,
        grid: &PhaseGrid,
        v: &dyn Fn(u32) -> Complex,
        queue: &mut Queue,
    ) {
        let control = &grid.bank_controls[at];
        let state = State::of(control, grid);
        let forced = overriding(control, grid, v, state.on);
        let decided = forced.unwrap_or_else(|| decide(control, grid, v, &state, self.wanted));
        let switches = forced.is_some() || decided.1;
        self.wanted = decided.0;
        if switches && self.ticket.is_none() {
            let settings = &control.settings;
            let delay = if self.wanted == Wanted::On { settings.delay_on_s } else { settings.delay_off_s };
            self.ticket = Some(queue.push(delay, Action::Bank(at)));
        }
        if self.wanted == Wanted::Nothing
            && let Some(ticket) = self.ticket.take()
        {
            queue.take_back(ticket);
        }
    }

    /// Switches one step; whether anything changed.
    pub(super) fn act(&mut self, at: usize, grid: &mut PhaseGrid) -> bool {
        self.ticket = None;
        let capacitor = grid.bank_controls[at].settings.capacitor as usize;
        let steps = grid.capacitors[capacitor].steps_on;
        match self.wanted {
            Wanted::Nothing => false,
            Wanted::On => grid.set_steps(capacitor, steps.saturating_add(1)),
            Wanted::Off => grid.set_steps(capacitor, steps.saturating_sub(1)),
        }
    }
}

struct State {
    on: bool,
    /// Whether steps are left to switch on.
    more: bool,
    /// Reactive power of all steps at the voltage that the settings mean, in var.
    steps: usize,
}

impl State {
    fn of(control: &BankControl, grid: &PhaseGrid) -> Self {
        let capacitor = &grid.capacitors[control.settings.capacitor as usize];
        let steps = capacitor.admittance_s.len() - 1;
        Self { on: capacitor.steps_on > 0, more: usize::from(capacitor.steps_on) < steps, steps }
    }
}

/// What the voltage demands, if the control has limits of voltage besides its mode.
fn overriding(
    control: &BankControl,
    grid: &PhaseGrid,
    v: &dyn Fn(u32) -> Complex,
    on: bool,
) -> Option<(Wanted, bool)> {
    let settings = &control.settings;
    let [low, high] = settings.override_v.filter(|_| settings.mode != CapacitorControlMode::Voltage)?;
    let measured = voltage(control, grid, v, !control.override_nodes.is_empty());
    match on {
        false if measured < low => Some((Wanted::On, true)),
        true if measured > high => Some((Wanted::Off, true)),
        false | true => None,
    }
}

/// What the mode demands, and whether it switches now.
fn decide(
    control: &BankControl,
    grid: &PhaseGrid,
    v: &dyn Fn(u32) -> Complex,
    state: &State,
    before: Wanted,
) -> (Wanted, bool) {
    let settings = &control.settings;
    let (rises, falls) = match settings.mode {
        CapacitorControlMode::Current => {
            let current = current(control, grid, v);
            (current > settings.on_setting, current < settings.off_setting)
        }
        CapacitorControlMode::Voltage => {
            let voltage = voltage(control, grid, v, false);
            (voltage < settings.on_setting, voltage > settings.off_setting)
        }
        CapacitorControlMode::ReactivePower => {
            let kvar = power_into(grid, control.element, control.end, v).im / 1000.0;
            (kvar > settings.on_setting, kvar < settings.off_setting)
        }
        CapacitorControlMode::PowerFactor => {
            let power = power_into(grid, control.element, control.end, v);
            let least = settings.least_share * rated_var(control, grid)
                / if state.on { state.steps as f64 } else { 1.0 };
            let factor = factor_to_two(power);
            (factor < settings.on_setting && power.im > least, factor > settings.off_setting)
        }
        CapacitorControlMode::Time => {
            let after = |setting: f64| grid.hour >= setting;
            let (on, off) = (settings.on_setting, settings.off_setting);
            // Over midnight what is off waits for the hour at which it goes on.
            let rises = after(on) && (off <= on || !after(off));
            (rises, if off > on { after(off) || !after(on) } else { after(off) && !after(on) })
        }
    };
    match (state.on, rises, falls) {
        (false, true, _) => (Wanted::On, true),
        (false, false, _) => (Wanted::Nothing, false),
        (true, _, true) => (Wanted::Off, true),
        (true, true, false) if state.more => (Wanted::On, true),
        // With steps left a pending action stays, but for voltage control.
        (true, _, false) if state.more && settings.mode != CapacitorControlMode::Voltage => (before, false),
        (true, _, false) => (Wanted::Nothing, false),
    }
}

/// Power into one end of an element.
pub(super) fn power_into(grid: &PhaseGrid, element: u32, end: u32, v: &dyn Fn(u32) -> Complex) -> Complex {
    let element = &grid.elements[element as usize];
    let nodes = grid.nodes_of(element);
    let first = (end * element.per_end) as usize;
    (first..(first + element.per_end as usize).min(nodes.len()))
        .map(|row| at(nodes, row, v) * current_into(grid, element, row, v).conj())
        .sum()
}

fn at(nodes: &[u32], position: usize, v: &dyn Fn(u32) -> Complex) -> Complex {
    match nodes[position] {
        GROUND => Complex::ZERO,
        node => v(node),
    }
}

fn current_into(
    grid: &PhaseGrid,
    element: &topology::phases::Element,
    row: usize,
    v: &dyn Fn(u32) -> Complex,
) -> Complex {
    let nodes = grid.nodes_of(element);
    let y = &grid.values_of(element)[row * nodes.len()..(row + 1) * nodes.len()];
    y.iter().enumerate().map(|(k, &y)| y * at(nodes, k, v)).sum()
}

/// Magnitude of current, on the secondary side.
fn current(control: &BankControl, grid: &PhaseGrid, v: &dyn Fn(u32) -> Complex) -> f64 {
    let element = &grid.elements[control.element as usize];
    let first = (control.end * element.per_end) as usize;
    let phases = element.per_end as usize;
    let magnitude = |phase: usize| current_into(grid, element, first + phase, v).abs();
    of_phases(control.settings.ct_phase, phases, magnitude) / control.settings.ct_ratio
}

/// Magnitude of voltage to ground, between two phases for a delta, on the secondary side.
fn voltage(control: &BankControl, grid: &PhaseGrid, v: &dyn Fn(u32) -> Complex, remote: bool) -> f64 {
    let element = &grid.elements[control.element as usize];
    let first = (control.end * element.per_end) as usize;
    let nodes: &[u32] = if remote {
        &control.override_nodes
    } else {
        &grid.nodes_of(element)[first..first + element.per_end as usize]
    };
    let capacitor = grid.elements[grid.capacitors[control.settings.capacitor as usize].element as usize];
    let delta = connection(&capacitor) == ShuntConnection::Delta;
    let magnitude = |phase: usize| {
        let own = at(nodes, phase, v);
        match (delta, control.settings.pt_phase) {
            (true, MonitoredPhase::Phase(_)) => (own - at(nodes, (phase + 1) % nodes.len(), v)).abs(),
            _ => own.abs(),
        }
    };
    of_phases(control.settings.pt_phase, nodes.len(), magnitude) / control.settings.pt_ratio
}

/// A wye has two ends, a delta has one.
fn connection(element: &topology::phases::Element) -> ShuntConnection {
    if element.size > element.per_end { ShuntConnection::Wye } else { ShuntConnection::Delta }
}

fn of_phases(phase: MonitoredPhase, phases: usize, magnitude: impl Fn(usize) -> f64) -> f64 {
    let all = (0..phases).map(&magnitude);
    match phase {
        MonitoredPhase::Phase(phase) => magnitude((usize::from(phase).max(1) - 1).min(phases.max(1) - 1)),
        MonitoredPhase::Average => all.sum::<f64>() / phases as f64,
        MonitoredPhase::Largest => all.fold(0.0, f64::max),
        MonitoredPhase::Smallest => all.fold(f64::INFINITY, f64::min),
    }
}

/// Power factor, leading ones as 2 minus their magnitude.
fn factor_to_two(power: Complex) -> f64 {
    let apparent = power.abs();
    let factor = if apparent == 0.0 { 1.0 } else { power.re.abs() / apparent };
    if power.im < 0.0 { 2.0 - factor } else { factor }
}

/// Reactive power of the whole bank at nominal voltage.
fn rated_var(control: &BankControl, grid: &PhaseGrid) -> f64 {
    let capacitor = &grid.capacitors[control.settings.capacitor as usize];
    let element = &grid.elements[capacitor.element as usize];
    let all = capacitor.admittance_s.last().map_or(&[][..], Vec::as_slice);
    let base =
        grid.nodes_of(element).iter().find(|node| **node != GROUND).map_or(0.0, |&node| grid.base_v(node));
    let size = element.size as usize;
    (0..element.per_end as usize).map(|k| all[k * size + k].im * base * base).sum()
}
