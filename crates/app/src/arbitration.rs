//! Arbitration: proposals in order of priority, each bounded by all above it.

use signal::{PointId, Value};
use std::collections::HashMap;
use timebase::Mono;

/// Who comes first; declared from the strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Priority {
    /// Protection of people and equipment.
    Protection,
    /// Operating limits.
    SafetyLimit,
    /// A person in the control room.
    Operator,
    /// A contract with a customer or market.
    Contract,
    /// Cost.
    Economics,
}

impl Priority {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protection => "protection",
            Self::SafetyLimit => "safety_limit",
            Self::Operator => "operator",
            Self::Contract => "contract",
            Self::Economics => "economics",
        }
    }
}

/// What an application wants done.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    /// Who proposes.
    pub application: String,
    /// The point to operate.
    pub target: PointId,
    /// The wanted value, as the command gate takes it.
    pub value: Value,
    /// How strong.
    pub priority: Priority,
    /// Why, with the figures and the limit that binds.
    pub reason: String,
    /// What should be seen afterwards.
    pub expected: String,
    /// Until when it makes sense.
    pub expires: Mono,
}

/// What arbitration made of a proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It goes to the command gate.
    Accepted,
    /// Something stronger stands against it; the text says what.
    Rejected(String),
    /// It came too late.
    Expired,
}

/// A proposal with its decision.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The proposal.
    pub proposal: Proposal,
    /// The decision.
    pub decision: Decision,
}

/// Something that stands on a point already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Proposals of this priority and weaker ones lose.
    pub priority: Priority,
    /// What the losers are told.
    pub reason: String,
}

/// Decides over the proposals of one cycle. `held` names the points on which something stands: an open command, which
/// nothing overtakes, or an operator's wish. O(n log n); equal priorities keep the order in which they came.
pub fn arbitrate(mut proposals: Vec<Proposal>, held: &HashMap<PointId, Hold>, now: Mono) -> Vec<Verdict> {
    proposals.sort_by_key(|proposal| proposal.priority);
    let mut taken: HashMap<PointId, (Priority, String)> = HashMap::new();
    let mut decide = |proposal: &Proposal| {
        if proposal.expires <= now {
            return Decision::Expired;
        }
        if let Some(hold) = held.get(&proposal.target).filter(|hold| proposal.priority >= hold.priority) {
            return Decision::Rejected(hold.reason.clone());
        }
        if let Some((priority, winner)) = taken.get(&proposal.target) {
            return Decision::Rejected(format!("{winner} has the point at priority {}", priority.name()));
        }
        taken.insert(proposal.target, (proposal.priority, proposal.application.clone()));
        Decision::Accepted
    };
    proposals
        .into_iter()
        .map(|proposal| {
            let decision = decide(&proposal);
            Verdict { proposal, decision }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(application: &str, target: u32, priority: Priority) -> Proposal {
        Proposal {
            application: application.into(),
            target: PointId(target),
            value: Value::Step(1),
            priority,
            reason: String::new(),
            expected: String::new(),
            expires: Mono::from_nanos(100),
        }
    }

    fn check(proposals: Vec<Proposal>, held: &[(u32, Priority)], now: u64, expected: &[(&str, bool)]) {
        let hold = |priority| Hold { priority, reason: "an operator has it".to_owned() };
        let held = held.iter().map(|(id, priority)| (PointId(*id), hold(*priority))).collect();
        let verdicts = arbitrate(proposals, &held, Mono::from_nanos(now));
        let seen: Vec<(&str, bool)> = verdicts
            .iter()
            .map(|verdict| (verdict.proposal.application.as_str(), verdict.decision == Decision::Accepted))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_stronger_wins_and_the_loser_is_told() {
        let both =
            vec![proposal("cost", 1, Priority::Economics), proposal("limit", 1, Priority::SafetyLimit)];
        check(both, &[], 0, &[("limit", true), ("cost", false)]);
        let apart =
            vec![proposal("cost", 1, Priority::Economics), proposal("limit", 2, Priority::SafetyLimit)];
        check(apart, &[], 0, &[("limit", true), ("cost", true)]);
    }

    #[test]
    fn an_operator_stands_above_contract_and_cost_but_not_above_safety() {
        let both =
            vec![proposal("cost", 1, Priority::Economics), proposal("limit", 1, Priority::SafetyLimit)];
        let operator = [(1, Priority::Operator)];
        check(both, &operator, 0, &[("limit", true), ("cost", false)]);
        check(vec![proposal("cost", 1, Priority::Economics)], &operator, 0, &[("cost", false)]);
    }

    #[test]
    fn nothing_overtakes_an_open_command() {
        let busy = [(1, Priority::Protection)];
        check(vec![proposal("limit", 1, Priority::SafetyLimit)], &busy, 0, &[("limit", false)]);
    }

    #[test]
    fn what_comes_too_late_is_dropped() {
        check(vec![proposal("cost", 1, Priority::Economics)], &[], 100, &[("cost", false)]);
    }
}
