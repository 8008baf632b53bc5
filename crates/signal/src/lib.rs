//! The only currency between a protocol and the rest of the system.
//!
//! - [`Sample`]: one reading of one point with value, quality and stamps.
//! - [`Quality`]: IEC 61850-7-3 quality; protocols translate theirs into it and back.
//! - [`PointDef`], [`PointList`]: what points exist and where a protocol finds them.
//! - [`FunctionPolicy`]: which messages of its protocol a link may carry.
//! - [`formula`]: points that are calculated from others.
//! - [`PointSession`], [`PointStation`]: what a protocol crate implements, one per role, both sans-I/O.
//!
//! Protocol words stay in the protocol crates; an address is opaque text here.

pub mod formula;
mod function;
mod pattern;
mod point;
mod quality;
mod session;
mod station;
mod value;

pub use function::{CodeSet, Direction, FunctionCode, FunctionPolicy, FunctionSets};
pub use pattern::pattern_matches;
pub use point::{
    Binding, Calculation, ControlMode, Limits, PointDef, PointId, PointKind, PointList, PointListError, Unit,
};
pub use quality::{Detail, Quality, Source, Validity};
pub use session::{
    Channel, Command, CommandId, CommandStage, Fault, FaultKind, LinkState, PointSession, Refusal, Request,
    SessionEvent, Transmit,
};
pub use station::{CommandAnswer, CommandPhase, PointStation, StationEvent};
pub use value::{DoublePoint, Sample, Value};
