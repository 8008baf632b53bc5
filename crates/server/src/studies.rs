//! Studies and interlocks between the core, which decides, and the worker threads, which calculate.

use crate::config::{Config, StudyConfig};
use crate::core::Core;
use crate::interlock::NetworkInterlock;
use crate::study::{Action, StudyBase};
use crate::{Mode, conduits};
use anyhow::Result;
use model::Network;
use scada::centre::Centre;
use scada::gate::{CommandState, StudyReport};
use signal::{CommandId, PointList};
use std::sync::Arc;
use std::time::Duration;
use timebase::Now;
use tokio::sync::mpsc;

/// Studies whose result waits for the core.
pub(crate) const RESULTS: usize = 64;
/// Studies that are calculated at the same time; the others wait for their turn, or for their time to be over.
const MAX_RUNNING: usize = 2;

/// What came of a study.
pub(crate) type Outcome = (CommandId, StudyReport);

/// Everything that studies need.
pub(crate) struct Studies {
    network: Arc<Network>,
    limits: Arc<StudyConfig>,
    base: Option<Arc<StudyBase>>,
    waiting: std::collections::VecDeque<CommandId>,
    running: usize,
}

impl Studies {
    pub(crate) fn new(config: &Config, network: &Arc<Network>) -> Self {
        Self {
            network: Arc::clone(network),
            limits: Arc::new(config.study.clone()),
            base: None,
            waiting: std::collections::VecDeque::new(),
            running: 0,
        }
    }

    /// The state that the next studies begin with.
    pub(crate) fn set_base(&mut self, base: Option<Arc<StudyBase>>) {
        self.base = base;
    }
}

/// Gives the gate its policy and the rules of the network.
pub(crate) fn set_policy(
    centre: &mut Centre,
    config: &Config,
    mode: Mode,
    network: &Arc<Network>,
    points: &PointList,
) -> Result<()> {
    let earths = config.gate.earth_switches(network, points).map_err(anyhow::Error::msg)?;
    let mut rules = config.gate.interlock.clone();
    rules.parallel = Some(rules.parallel(mode));
    let interlock = NetworkInterlock::new(Arc::clone(network), rules, earths);
    let policy = config.gate.policy(&config.study, mode, conduits::to_gate(config));
    centre.set_gate_policy(policy, Arc::new(interlock));
    Ok(())
}

/// Begins the studies that the gate asks for; what cannot be studied is answered at once.
pub(crate) fn begin(core: &mut Core, results: &mpsc::Sender<Outcome>, now: Now) {
    let asked = core.centre.with_gate(now.utc, |gate, _, _| gate.take_studies());
    core.studies.waiting.extend(asked);
    while core.studies.running < MAX_RUNNING {
        let Some(id) = core.studies.waiting.pop_front() else { return };
        match prepare(core, id, now) {
            None => {}
            Some(Err(why)) => ended(core, (id, StudyReport::impossible(why)), now),
            Some(Ok((base, action))) => {
                core.studies.running += 1;
                let (limits, results) = (Arc::clone(&core.studies.limits), results.clone());
                tokio::task::spawn_blocking(move || {
                    let report = base.study(action, &limits);
                    // The core has ended if nobody listens.
                    drop(results.blocking_send((id, report)));
                });
            }
        }
    }
}

/// What to calculate; `None` when the command is not waited for any more.
fn prepare(core: &Core, id: CommandId, now: Now) -> Option<Result<(Arc<StudyBase>, Action), String>> {
    let command = core.centre.gate().get(id).filter(|command| command.state == CommandState::Studying)?;
    let def = &core.centre.table().points()[command.point];
    let action = Action::of(&core.studies.network, def, command.value)?;
    let Some(base) = &core.studies.base else {
        return Some(Err("there is no estimate of the present state".to_owned()));
    };
    let age = now.mono.since(base.at.mono);
    if age > Duration::from_secs_f64(core.studies.limits.max_age_s) {
        return Some(Err(format!("the last estimate is {:.0} s old", age.as_secs_f64())));
    }
    Some(Ok((Arc::clone(base), action)))
}

/// A worker has finished one; there is room for the next.
pub(crate) fn finished(core: &mut Core, result: Outcome, now: Now) {
    core.studies.running = core.studies.running.saturating_sub(1);
    ended(core, result, now);
}

fn ended(core: &mut Core, (id, report): Outcome, now: Now) {
    core.centre.with_gate(now.utc, |gate, table, _| gate.studied(now, id, report, table));
}
