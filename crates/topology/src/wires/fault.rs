//! Why line constants could not be calculated. Every fault is in the data that were given.

use super::MAX_WIRES;

/// What is wrong with the data of a line. Wires count from 1 in messages, as people do.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum WireFault {
    /// No wires, or more than [`MAX_WIRES`].
    #[error("{got} wires where 1 to {MAX_WIRES} can be")]
    Count {
        /// How many there are.
        got: usize,
    },
    /// A figure of a wire or of its position cannot be.
    #[error("wire {}: {what} is {value}", wire + 1)]
    Figure {
        /// Index of the wire.
        wire: usize,
        /// Which figure.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A condition cannot be.
    #[error("{what} is {value}")]
    Condition {
        /// Which condition.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Two wires overlap.
    #[error("wires {} and {} are in the same place", first + 1, second + 1)]
    SamePlace {
        /// Index of the one.
        first: usize,
        /// Index of the other.
        second: usize,
    },
    /// The number of phases is zero or above the number of wires.
    #[error("{got} phases where 1 to {most} can be")]
    Phases {
        /// How many were asked for.
        got: usize,
        /// How many wires there are.
        most: usize,
    },
    /// The result is beyond the range of numbers.
    #[error("the figures are so large or small that the constants are no numbers")]
    Range,
    /// A matrix could not be inverted or reduced.
    #[error("the matrix of the {what} is singular")]
    Singular {
        /// Of what.
        what: &'static str,
    },
}
