//! What applications proposed lately and what became of it.

use app::{Decision, Proposal, Verdict};
use scada::gate::{CommandRecord, CommandState};
use signal::CommandId;
use std::collections::VecDeque;
use timebase::Utc;

/// How far a proposal has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProposalState {
    Accepted,
    Rejected,
    Expired,
    Done,
    Failed,
}

impl ProposalState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One proposal in the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) at: Utc,
    pub(crate) proposal: Proposal,
    pub(crate) state: ProposalState,
    pub(crate) decision: String,
    pub(crate) command: Option<CommandId>,
}

/// The latest proposals. INVARIANT: at most [`ProposalLog::KEPT`] entries, ids rise.
#[derive(Debug, Default)]
pub(crate) struct ProposalLog {
    entries: VecDeque<Entry>,
    last_id: u64,
    fresh: Vec<u64>,
}

impl ProposalLog {
    /// Proposals kept for the screens; events and audit keep all.
    pub(crate) const KEPT: usize = 500;

    pub(crate) fn add(&mut self, verdict: Verdict, at: Utc, command: Option<CommandId>) {
        let (state, decision) = match verdict.decision {
            Decision::Accepted => (ProposalState::Accepted, "nothing stronger stands against it".to_owned()),
            Decision::Rejected(why) => (ProposalState::Rejected, why),
            Decision::Expired => (ProposalState::Expired, "came too late".to_owned()),
        };
        self.last_id += 1;
        if self.entries.len() == Self::KEPT {
            self.entries.pop_front();
        }
        self.fresh.push(self.last_id);
        let proposal = verdict.proposal;
        self.entries.push_back(Entry { id: self.last_id, at, proposal, state, decision, command });
    }

    /// A command of an application went a step.
    pub(crate) fn follow(&mut self, command: &CommandRecord) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.command == Some(command.id))
        else {
            return;
        };
        let text = command.stages.last().map_or_else(String::new, |stage| stage.text.clone());
        entry.state = match command.state {
            CommandState::Studying
            | CommandState::WaitingApproval
            | CommandState::Selecting
            | CommandState::Selected
            | CommandState::Executing
            | CommandState::AwaitingReturn => ProposalState::Accepted,
            CommandState::Confirmed => ProposalState::Done,
            CommandState::Refused
            | CommandState::Failed
            | CommandState::TimedOut
            | CommandState::Cancelled
            | CommandState::Expired => ProposalState::Failed,
        };
        entry.decision = text;
        self.fresh.push(entry.id);
    }

    pub(crate) fn latest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    pub(crate) fn take_fresh(&mut self) -> Vec<Entry> {
        let mut ids = std::mem::take(&mut self.fresh);
        ids.dedup();
        ids.iter().filter_map(|id| self.entries.iter().rev().find(|entry| entry.id == *id)).cloned().collect()
    }
}
