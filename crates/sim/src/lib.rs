//! The simulated field: a network with its loads, machines, switches and measurements, driven second by second.
//!
//! - [`Twin`]: the whole field; time, commands and faults go in, samples come out.
//! - [`Fault`]: what can go wrong on request.
//! - [`Truth`]: what really is, without noise and delay.
//!
//! Inside: `profile` (customers and sun), `drive` (switches and taps that take their time), `physics` (topology,
//! dispatch, power flow), `noise` (instrument errors), `bindings` (which point reads what). Everything is a function
//! of the network, the seed and the times of the calls: the same gives the same history, bit by bit.

mod bindings;
mod drive;
mod fault;
mod noise;
mod physics;
mod profile;
mod random;
mod truth;
mod twin;

pub use drive::SwitchState;
pub use fault::{ActiveFault, Fault, FaultError, FaultId, GrossError, MAX_FAULTS};
pub use truth::{BranchTruth, InjectionKind, InjectionTruth, SubstationTruth, SwitchTruth, TapTruth, Truth};
pub use twin::{Report, StepOutcome, Twin, TwinError, TwinOptions};
