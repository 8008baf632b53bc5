//! What an application sees and says: the frozen process image, proposals, arbitration.
//!
//! Each cycle freezes points and estimated state into one [`ProcessImage`]. An application looks at nothing else,
//! keeps nothing that a restart may not lose, and never writes: it returns [`Proposal`]s. [`arbitrate`] takes them in
//! the order of their [`Priority`] and tells the losers why. What wins goes to the command gate like an operator's
//! command.

mod arbitration;
mod image;

pub use arbitration::{Decision, Hold, Priority, Proposal, Verdict, arbitrate};
pub use image::{BranchImage, BusImage, EstimateImage, EstimateState, PointImage, ProcessImage};

/// An application: pure, deterministic, one call per cycle.
pub trait Application: Send {
    /// Name in proposals, events and audit.
    fn name(&self) -> &str;
    /// Looks at the image and proposes. An application that cannot decide says why by [`Outlook::holding`].
    fn decide(&mut self, image: &ProcessImage) -> Outlook;
}

/// What an application made of a cycle.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outlook {
    /// What it wants done now.
    pub proposals: Vec<Proposal>,
    /// Why it holds where it would otherwise act: bad data, no estimate.
    pub holding: Option<String>,
}
