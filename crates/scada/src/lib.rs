//! The real-time database of the control centre: points, alarms, events, tags and the command gate.
//!
//! | module | holds |
//! |---|---|
//! | [`centre`] | the whole as one value with one owner |
//! | [`table`] | present value, quality and stamps of every point |
//! | [`limit`] | limit zones with hysteresis |
//! | [`alarm`] | conditions: raise, acknowledge, clear |
//! | [`approval`] | acts that need a second person |
//! | [`event`] | the ordered log without gaps |
//! | [`tag`] | marks that stop or accompany commands |
//! | [`incident`] | many links lost together |
//! | [`gate`] | the only way out to the field |
//! | [`wording`] | how values read for people |
//!
//! Pure: time is an argument, what must be stored or sent is returned.

pub mod alarm;
pub mod approval;
pub mod centre;
pub mod event;
pub mod gate;
pub mod incident;
pub mod limit;
pub mod mode;
pub mod switching;
pub mod table;
pub mod tag;
pub mod wording;

#[cfg(test)]
mod tests;
