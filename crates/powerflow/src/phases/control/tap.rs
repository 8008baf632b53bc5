//! A tap control with line-drop compensation:
//!
//! ```text
//! V  = | V_winding/PT + (R + jX) I/CT |          I into the winding
//! V  = | V_winding/PT | - Z |I/CT|               instead, with a magnitude
//! outside of V_target ± band/2:   steps = round((V_target - V)·PT/V_rated / step),   of which 70 % are made, at least 1
//! ```

use model::distribution::{MonitoredPhase, ReverseSetting, TapChangerControl};
use sparse::complex::Complex;
use topology::phases::{GROUND, PhaseGrid, TapControl, Winding};

use super::{Action, Queue};

/// Share of the steps wanted that one action makes.
const EAGERNESS: f64 = 0.7;

/// What a tap control remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tap {
    /// Change of the tap that is wanted, per unit.
    wanted_pu: f64,
    ticket: Option<u64>,
    reversed: bool,
    turning: Option<u64>,
}

impl Tap {
    pub(super) fn sample(
        &mut self,
        at: usize,
        grid: &PhaseGrid,
        v: &dyn Fn(u32) -> Complex,
        queue: &mut Queue,
    ) {
        let control = &grid.tap_controls[at];
        let settings = &control.settings;
        if settings.max_steps == 0 {
            self.wanted_pu = 0.0;
            return;
        }
        self.watch_direction(at, grid, v, queue);
        let measured = Measured::of(control, grid, v);
        let (mut target, mut band) = (settings.target_v, settings.band_v);
        let transformer = &grid.transformers[settings.transformer as usize];
        let tap = transformer.windings[usize::from(settings.tap_end)];
        let actual = self.compensated(control, &measured, tap.tap_pu);
        if let Some(reverse) = self.backward(settings) {
            if reverse.to_neutral {
                self.wanted_pu = ((1.0 - tap.tap_pu) / tap.step_pu).round_ties_even() * tap.step_pu;
                // This does not wait.
                self.ask(at, (&tap, 0.0), queue);
                return;
            }
            (target, band) = (reverse.target_v, reverse.band_v);
        }
        let too_high = settings.limit_v.filter(|limit| measured.local_v > *limit);
        if (target - actual).abs() <= band / 2.0 && too_high.is_none() {
            self.wanted_pu = 0.0;
            if let Some(ticket) = self.ticket.take() {
                queue.take_back(ticket);
            }
            return;
        }
        let boost_v = too_high.map_or(target - actual, |limit| limit - measured.local_v);
        let rated = transformer.windings[usize::from(settings.end)].volts;
        let boost_pu = boost_v * settings.pt_ratio / rated;
        self.wanted_pu = (boost_pu / tap.step_pu).round_ties_even() * tap.step_pu;
        let looks_back = self.backward(settings).is_some_and(|reverse| !reverse.cogeneration);
        if settings.tap_end != settings.end || looks_back {
            self.wanted_pu = -self.wanted_pu;
        }
        self.ask(at, (&tap, delay_s(settings, actual)), queue);
    }

    /// Asks for the move that is wanted, if the tap can make it.
    fn ask(&mut self, at: usize, (tap, delay_s): (&Winding, f64), queue: &mut Queue) {
        let possible = if self.wanted_pu > 0.0 {
            tap.tap_pu < tap.max_tap_pu
        } else {
            self.wanted_pu < 0.0 && tap.tap_pu > tap.min_tap_pu
        };
        if possible && self.ticket.is_none() {
            self.ticket = Some(queue.push(delay_s, Action::Tap(at)));
        }
    }

    /// Moves the tap; whether it moved.
    pub(super) fn act(&mut self, at: usize, grid: &mut PhaseGrid) -> bool {
        self.ticket = None;
        let settings = &grid.tap_controls[at].settings;
        let (transformer, winding) = (settings.transformer as usize, usize::from(settings.tap_end));
        let tap = grid.transformers[transformer].windings[winding];
        if self.wanted_pu == 0.0 {
            return false;
        }
        let steps = (EAGERNESS * self.wanted_pu.abs() / tap.step_pu).trunc().max(1.0);
        let steps = steps.min(f64::from(settings.max_steps));
        let change = (steps * tap.step_pu).copysign(self.wanted_pu);
        self.wanted_pu = 0.0;
        grid.set_tap(transformer, winding, tap.tap_pu + change)
    }

    /// Turns to the other direction of power, if that is still wanted.
    pub(super) fn turn(&mut self) -> bool {
        if self.turning.take().is_some() {
            self.reversed = !self.reversed;
        }
        false
    }

    /// The setting for power that flows backward, while it does.
    fn backward(&self, settings: &TapChangerControl) -> Option<ReverseSetting> {
        settings.reverse.filter(|_| self.reversed)
    }

    /// Magnitude of the voltage that is to be held, on the secondary side.
    fn compensated(&self, control: &TapControl, measured: &Measured, tap_pu: f64) -> f64 {
        let settings = &control.settings;
        let backward = self.backward(settings);
        let (mut drop_v, mut magnitude_v) = (settings.line_drop_v, settings.line_drop_magnitude_v);
        let by_magnitude = magnitude_v > 0.0;
        // Without a compensation forward there is none backward.
        if let Some(reverse) = backward.filter(|_| by_magnitude || drop_v != [0.0; 2]) {
            (drop_v, magnitude_v) = (reverse.line_drop_v, reverse.line_drop_magnitude_v);
        }
        // Behind the transformer, seen from where power comes now, is the voltage without the tap.
        let looks_back = backward.is_some_and(|reverse| !reverse.cogeneration);
        let turns = if looks_back { tap_pu } else { 1.0 };
        let load = measured.current * (1.0 / settings.ct_rating_a);
        if control.remote.is_some() {
            measured.voltage.abs() / turns
        } else if by_magnitude {
            measured.voltage.abs() / turns - magnitude_v * load.abs()
        } else {
            (measured.voltage + Complex::new(drop_v[0], drop_v[1]) * load).abs() / turns
        }
    }

    /// Wants to turn when power has flowed against the present direction beyond the threshold.
    fn watch_direction(
        &mut self,
        at: usize,
        grid: &PhaseGrid,
        v: &dyn Fn(u32) -> Complex,
        queue: &mut Queue,
    ) {
        let control = &grid.tap_controls[at];
        let (Some(reverse), None) = (control.settings.reverse, control.remote) else { return };
        let forward = -end_power(grid, &control.settings, v);
        let against =
            if self.reversed { forward > reverse.threshold_w } else { forward < -reverse.threshold_w };
        match self.turning {
            None if against => self.turning = Some(queue.push(reverse.delay_s, Action::Reverse(at))),
            Some(ticket) if !against => {
                queue.take_back(ticket);
                self.turning = None;
            }
            None | Some(_) => {}
        }
    }
}

fn delay_s(settings: &TapChangerControl, actual: f64) -> f64 {
    if settings.inverse_time {
        settings.delay_s / (2.0 * (settings.target_v - actual).abs() / settings.band_v).min(10.0)
    } else {
        settings.delay_s
    }
}

/// What the instruments show.
struct Measured {
    /// Voltage of the phase that counts, on the secondary side.
    voltage: Complex,
    /// Current into the winding of that phase, on the primary side.
    current: Complex,
    /// Voltage at the transformer, on the secondary side.
    local_v: f64,
}

impl Measured {
    fn of(control: &TapControl, grid: &PhaseGrid, v: &dyn Fn(u32) -> Complex) -> Self {
        let settings = &control.settings;
        let transformer = &grid.transformers[settings.transformer as usize];
        let element = &grid.elements[transformer.element as usize];
        let nodes = grid.nodes_of(element);
        let at = |position: usize| match nodes[position] {
            GROUND => Complex::ZERO,
            node => v(node),
        };
        let winding = usize::from(settings.end);
        let across = |phase: usize| {
            let [from, to] = transformer.winding_ends(winding, phase);
            at(from) - at(to)
        };
        let phase = chosen(settings.phase, transformer.phases(), |phase| across(phase).abs());
        let local = across(phase) * (1.0 / settings.pt_ratio);
        let voltage = match control.remote {
            Some((node, ratio)) => v(node) * (1.0 / ratio),
            None => local,
        };
        let [row, _] = transformer.winding_ends(winding, phase);
        let y = &grid.values_of(element)[row * nodes.len()..(row + 1) * nodes.len()];
        let current = y.iter().enumerate().map(|(k, &y)| y * at(k)).sum();
        Self { voltage, current, local_v: local.abs() }
    }
}

/// The phase that counts. A mean has no phase: the first one stands for it.
fn chosen(phase: MonitoredPhase, phases: usize, magnitude: impl Fn(usize) -> f64) -> usize {
    let all = 0..phases;
    let order = |a: &usize, b: &usize| magnitude(*a).total_cmp(&magnitude(*b));
    match phase {
        MonitoredPhase::Phase(phase) if usize::from(phase) <= phases => usize::from(phase).max(1) - 1,
        MonitoredPhase::Phase(_) | MonitoredPhase::Average => 0,
        MonitoredPhase::Largest => all.rev().max_by(order).unwrap_or(0),
        MonitoredPhase::Smallest => all.min_by(order).unwrap_or(0),
    }
}

/// Active power into the end that is measured.
fn end_power(grid: &PhaseGrid, settings: &TapChangerControl, v: &dyn Fn(u32) -> Complex) -> f64 {
    let transformer = &grid.transformers[settings.transformer as usize];
    super::bank::power_into(grid, transformer.element, u32::from(settings.end), v).re
}
