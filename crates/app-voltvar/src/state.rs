//! What a regulator remembers between cycles. Losing it in a restart costs one delay, nothing else.

use timebase::Mono;

/// Memory of one regulator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RegulatorState {
    /// Since when the voltage has been on this side outside the band.
    pub(crate) outside: Option<(Side, Mono)>,
    /// When the last step was proposed.
    pub(crate) stepped: Option<Mono>,
}

/// Which side of the band.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Below.
    Low,
    /// Above.
    High,
}
