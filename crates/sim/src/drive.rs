//! Drives of switches and tap changers: a command starts a movement that takes its time and ends at a position.

use crate::random::{Random, Stream};
use model::{Network, SwitchIdx, SwitchKind, TapChangerIdx};
use signal::Command;
use std::ops::RangeInclusive;
use std::time::Duration;
use timebase::Mono;

const BREAKER_OPENS_MS: RangeInclusive<u64> = 80..=150;
const BREAKER_CLOSES_MS: RangeInclusive<u64> = 200..=400;
const DISCONNECTOR_MOVES_MS: RangeInclusive<u64> = 1_000..=3_000;
const TAP_MOVES_MS: RangeInclusive<u64> = 1_000..=3_000;
/// Relay and breaker time from the fault to the open contacts.
pub(crate) const PROTECTION_TRIPS: Duration = Duration::from_millis(100);

/// A device that moves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Device {
    /// A breaker or disconnector.
    Switch(SwitchIdx),
    /// A tap changer.
    Tap(TapChangerIdx),
}

/// What a switch is seen to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SwitchState {
    /// The contacts are apart.
    Open,
    /// The contacts touch.
    Closed,
    /// On the way; electrically still where it came from.
    Travelling,
}

/// A device and where it moves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Switch { switch: SwitchIdx, close: bool },
    Tap { changer: TapChangerIdx, step: i16 },
}

impl Move {
    fn device(self) -> Device {
        match self {
            Self::Switch { switch, .. } => Device::Switch(switch),
            Self::Tap { changer, .. } => Device::Tap(changer),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Movement {
    what: Move,
    ends: Mono,
    command: Option<Command>,
}

/// A movement that has ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Finished {
    pub(crate) device: Device,
    /// The command that started it; `None` for protection.
    pub(crate) command: Option<Command>,
}

/// Positions of all drives and the movements under way. INVARIANT: at most one movement per device, so their
/// number is bounded by the devices.
#[derive(Clone, Debug)]
pub(crate) struct Drives {
    random: Random,
    closed: Vec<bool>,
    steps: Vec<i16>,
    moving: Vec<Movement>,
}

impl Drives {
    /// All drives in their normal positions.
    pub(crate) fn new(network: &Network, seed: u64) -> Self {
        Self {
            random: Random::new(seed, Stream::Drives),
            closed: network.switches().iter().map(|switch| !switch.normal_open).collect(),
            steps: network.tap_changers().iter().map(|changer| changer.normal_step).collect(),
            moving: Vec::new(),
        }
    }

    pub(crate) fn is_moving(&self, device: Device) -> bool {
        self.moving.iter().any(|movement| movement.what.device() == device)
    }

    /// Whether current can flow.
    pub(crate) fn is_closed(&self, switch: SwitchIdx) -> bool {
        self.closed.get(switch.at()).copied().unwrap_or(false)
    }

    pub(crate) fn state(&self, switch: SwitchIdx) -> SwitchState {
        match (self.is_moving(Device::Switch(switch)), self.is_closed(switch)) {
            (true, _) => SwitchState::Travelling,
            (false, true) => SwitchState::Closed,
            (false, false) => SwitchState::Open,
        }
    }

    pub(crate) fn step(&self, changer: TapChangerIdx) -> i16 {
        self.steps.get(changer.at()).copied().unwrap_or(0)
    }

    pub(crate) fn steps(&self) -> &[i16] {
        &self.steps
    }

    /// Starts a commanded movement of a switch that stands still at the other position.
    pub(crate) fn operate(
        &mut self,
        now: Mono,
        switch: (SwitchIdx, SwitchKind),
        close: bool,
        command: Command,
    ) {
        let (switch, kind) = switch;
        let range = match (kind, close) {
            (SwitchKind::Breaker, false) => BREAKER_OPENS_MS,
            (SwitchKind::Breaker, true) => BREAKER_CLOSES_MS,
            (SwitchKind::Disconnector, _) => DISCONNECTOR_MOVES_MS,
        };
        let ends = now + self.random.duration_ms(range);
        self.start(Movement { what: Move::Switch { switch, close }, ends, command: Some(command) });
    }

    /// Starts a commanded movement of a tap changer that stands still.
    pub(crate) fn move_tap(&mut self, now: Mono, changer: TapChangerIdx, step: i16, command: Command) {
        let ends = now + self.random.duration_ms(TAP_MOVES_MS);
        self.start(Movement { what: Move::Tap { changer, step }, ends, command: Some(command) });
    }

    /// Protection opens a closed switch that stands still.
    pub(crate) fn trip(&mut self, now: Mono, switch: SwitchIdx) {
        let what = Move::Switch { switch, close: false };
        self.start(Movement { what, ends: now + PROTECTION_TRIPS, command: None });
    }

    fn start(&mut self, movement: Movement) {
        assert!(!self.is_moving(movement.what.device()), "a device makes one movement at a time");
        self.moving.push(movement);
    }

    /// Ends the movements that are due, the earliest first.
    pub(crate) fn finish(&mut self, now: Mono) -> Vec<Finished> {
        let (mut due, moving): (Vec<_>, Vec<_>) =
            self.moving.drain(..).partition(|movement| movement.ends <= now);
        self.moving = moving;
        due.sort_by_key(|movement| (movement.ends, movement.what.device()));
        due.into_iter().map(|movement| self.end(movement)).collect()
    }

    fn end(&mut self, movement: Movement) -> Finished {
        match movement.what {
            Move::Switch { switch, close } => {
                if let Some(closed) = self.closed.get_mut(switch.at()) {
                    *closed = close;
                }
            }
            Move::Tap { changer, step } => {
                if let Some(position) = self.steps.get_mut(changer.at()) {
                    *position = step;
                }
            }
        }
        Finished { device: movement.what.device(), command: movement.command }
    }

    /// When the next movement ends.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        self.moving.iter().map(|movement| movement.ends).min()
    }
}
