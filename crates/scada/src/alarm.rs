//! Alarm management after ISA-18.2 and IEC 62682, with the state model of OPC UA Part 9 (OPC 10000-9).
//!
//! | module | holds |
//! |---|---|
//! | [`state`] | one condition and its states |
//! | [`list`](AlarmList) | all conditions with their indices: raise, clear, acknowledge, reset |
//! | [`inhibit`] | shelving, out of service, suppression by design, and what a mass of them is |
//! | [`rule`] | what configuration says of conditions: delays, latching, groups, rationalisation |
//! | [`group`] | groups with first-out, at most ten lines of them |
//! | [`flood`] | when a flood is |
//! | [`figures`] | how well the alarm system does |
//!
//! A condition is listed from its first raise until it is cleared, acknowledged, reset and not inhibited. Raising it
//! again while it is listed counts up; raising it again after it cleared makes it unacknowledged again. Every transition
//! comes out of [`AlarmList::take_fresh`], whatever the rate.
//!
//! Cost: a transition is O(log n) in the number of listed conditions, whatever their number.

mod chatter;
mod delay;
pub mod figures;
pub mod flood;
pub mod group;
mod index;
pub mod inhibit;
mod list;
pub mod rule;
pub mod state;
#[cfg(test)]
mod tests;
mod window;

pub use list::AlarmList;
pub use state::{Alarm, AlarmId, AlarmKind, Inhibit, Place, Raise, Transition};
