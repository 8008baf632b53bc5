//! What a study beside the live system says about a command before it is let go: the gate asks, others calculate.

use super::StudyRule;

/// One limit that the action breaks, or breaks further.
#[derive(Clone, PartialEq, Debug)]
pub struct StudyViolation {
    /// `voltage_low`, `voltage_high` or `loading`.
    pub kind: &'static str,
    /// Bus or branch.
    pub name: String,
    /// Value before the action in `unit`, where there is one.
    pub before: Option<f64>,
    /// Value after it.
    pub after: f64,
    /// The limit.
    pub limit: f64,
    /// `p.u.` or `%`.
    pub unit: &'static str,
}

/// What came of a study.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StudyOutcome {
    /// The power flow after the action was solved.
    Solved,
    /// It has no solution that was found.
    NotConverged,
    /// There was no state to begin with, or the study did not end in time.
    NotPossible,
}

impl StudyOutcome {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Solved => "solved",
            Self::NotConverged => "not_converged",
            Self::NotPossible => "not_possible",
        }
    }
}

/// The study of a command.
#[derive(Clone, PartialEq, Debug)]
pub struct StudyReport {
    /// Whether there is a result.
    pub outcome: StudyOutcome,
    /// Why there is none, or what the base was; for people.
    pub text: String,
    /// New or worsened violations, worst first.
    pub violations: Vec<StudyViolation>,
    /// Load that loses its supply, in MW.
    pub de_energised_mw: f64,
    /// Names of the loads and busbars that lose it.
    pub de_energised: Vec<String>,
    /// Energised islands before and after.
    pub islands: (u32, u32),
    /// Buses looked at after the action.
    pub buses: u32,
    /// Largest loading after the action with its branch, where there is a rating.
    pub heaviest: Option<(String, f64)>,
    /// Lowest and highest voltage after the action, in p.u.
    pub voltages: Option<(f64, f64)>,
}

impl StudyReport {
    /// A study that could not be made.
    pub fn impossible(why: impl Into<String>) -> Self {
        Self {
            outcome: StudyOutcome::NotPossible,
            text: why.into(),
            violations: Vec::new(),
            de_energised_mw: 0.0,
            de_energised: Vec::new(),
            islands: (0, 0),
            buses: 0,
            heaviest: None,
            voltages: None,
        }
    }

    /// What speaks against the action, in one sentence; `None` if nothing does.
    pub fn objection(&self) -> Option<String> {
        match self.outcome {
            StudyOutcome::NotConverged => return Some("the power flow after it has no solution".to_owned()),
            StudyOutcome::NotPossible => return Some(format!("it could not be studied: {}", self.text)),
            StudyOutcome::Solved => {}
        }
        let mut parts = Vec::new();
        if let Some(worst) = self.violations.first() {
            let more = self.violations.len() - 1;
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            let StudyViolation { name, after, limit, unit, .. } = worst;
            parts
                .push(format!("{name} would be at {after:.3} {unit} with a limit of {limit} {unit}{others}"));
        }
        if !self.de_energised.is_empty() {
            let named: Vec<&str> = self.de_energised.iter().take(5).map(String::as_str).collect();
            parts.push(format!("{:.1} MW would lose supply ({})", self.de_energised_mw, named.join(", ")));
        }
        if self.islands.1 > self.islands.0 {
            parts.push(format!("{} energised islands instead of {}", self.islands.1, self.islands.0));
        }
        if parts.is_empty() { None } else { Some(parts.join("; ")) }
    }

    /// Whether a rule stops the command.
    pub fn stops(&self, rule: StudyRule) -> bool {
        rule == StudyRule::Refuse && self.objection().is_some()
    }
}
