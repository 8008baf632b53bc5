//! What became of a step that could run or could not.

/// The end of a step that met no fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Everything ran and was good.
    Passed,
    /// What ran was good; these parts could not run on this machine.
    Skipped(Vec<Skip>),
}

/// One thing that could not run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Skip {
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Outcome {
    /// One thing could not run.
    pub(crate) fn skipped(what: &str, why: &str) -> Self {
        Self::Skipped(vec![Skip { what: what.to_owned(), why: why.to_owned() }])
    }

    /// Passed if nothing was skipped.
    pub(crate) fn from_skips(skips: Vec<Skip>) -> Self {
        if skips.is_empty() { Self::Passed } else { Self::Skipped(skips) }
    }

    /// What could not run.
    pub(crate) fn skips(&self) -> &[Skip] {
        match self {
            Self::Passed => &[],
            Self::Skipped(skips) => skips,
        }
    }
}
