//! The core: the one owner of the real-time database.
//!
//! One task takes everything in order from bounded queues: reports of the links, calls of the API, results of the
//! estimator, the beat of the cycle. After each it flushes: events, alarms and audit become durable first, then the
//! released requests leave for the links, then clients see what happened. A caller gets its answer after the flush,
//! so what was acknowledged is on the disk.

use crate::estimator::{Estimator, Snapshot};
use crate::lists::Lists;
use crate::live::{Delta, Hub};
use crate::overload::Overload;
use crate::persist;
use crate::proposals::ProposalLog;
use crate::recorder::Recorder;
use crate::time_keeper::TimeKeeper;
use crate::views;
use app::{
    Application, Decision, EstimateImage, EstimateState, Hold, PointImage, Priority, ProcessImage, Verdict,
    arbitrate,
};
use gateway::{Gateway, LinkIdx};
use scada::alarm::AlarmKind;
use scada::centre::{Centre, Changes};
use scada::event::{EventKind, Severity};
use scada::gate::{CommandRecord, Order, Origin, Outgoing};
use security::{Areas, Principal, PrincipalKind, Role};
use signal::{PointId, PointList, Refusal, Request, SessionEvent};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use store::{Record, Store};
use timebase::{Mono, Now, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use transport::{Clock, Intake, IntakeProbe, LinkReport, LinkTag};

/// How often changes are gathered for clients and timers are looked at.
const BEAT: Duration = Duration::from_millis(50);
/// Events of links taken before calls of the API and timers have their turn.
const MAX_BATCH: usize = 8_192;
/// Records that wait for a store that does not write; beyond that events are counted instead of kept.
const MAX_BACKLOG: usize = 200_000;
/// Records in one transaction.
const MAX_RECORDS: usize = 1_000;
/// A link that has not come up this long after the start is an alarm.
const FIRST_CONTACT: Duration = Duration::from_secs(10);
/// Consecutive cycles after which a bad measurement, or a missing estimate, is an alarm.
const BAD_CYCLES: u32 = 3;
/// Pause between tries of a store that does not write.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Source that the estimator's alarms are about.
const ESTIMATOR: &str = "state estimator";

/// Everything that the core owns or uses.
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) mode: &'static str,
    pub(crate) started: Now,
    pub(crate) clock: Clock,
    pub(crate) centre: Centre,
    pub(crate) gateway: Gateway,
    pub(crate) store: Arc<Store>,
    pub(crate) recorder: Recorder,
    pub(crate) applications: Vec<Box<dyn Application>>,
    pub(crate) proposals: ProposalLog,
    pub(crate) estimate: Arc<EstimateImage>,
    pub(crate) cycle: u64,
    pub(crate) links: Vec<LinkPort>,
    pub(crate) hub: Hub,
    pub(crate) estimator: Option<Estimator>,
    /// Takes the place of the one that is at work.
    pub(crate) next_estimator: Option<Estimator>,
    /// The points, for everybody outside.
    pub(crate) lists: watch::Sender<Arc<Lists>>,
    /// The points, for the links.
    pub(crate) point_feed: watch::Sender<Arc<PointList>>,
    pub(crate) holding: HashMap<String, String>,
    /// Consecutive cycles without an estimate.
    pub(crate) cycles_without: u32,
    /// Consecutive cycles in which a measurement was removed as bad.
    pub(crate) bad_cycles: HashMap<PointId, u32>,
    pub(crate) store_down: bool,
    /// The historian could not write when it was last asked.
    pub(crate) history_down: bool,
    /// The chain was found broken at the start: nothing is appended to it, and no command leaves (S-21).
    pub(crate) audit_broken: bool,
    pub(crate) backlog: VecDeque<Record>,
    pub(crate) retry_at: Mono,
    /// Keeps our time beside the machine's.
    pub(crate) time: TimeKeeper,
    /// The way from the links.
    pub(crate) intake: IntakeProbe,
    /// Whether more comes on it than can be taken.
    pub(crate) overload: Overload,
    /// Switching orders.
    pub(crate) switching: scada::switching::Switching,
    /// Studies of commands.
    pub(crate) studies: crate::studies::Studies,
    /// What waits for a second person.
    pub(crate) approvals: crate::approvals::TwoPersons,
    /// Backups by the clock; `None` without them.
    pub(crate) backup: Option<crate::backup::schedule::Schedule>,
}

/// The owner's end of a link.
pub struct LinkPort {
    /// Where its driver takes requests.
    pub requests: mpsc::Sender<Request>,
    /// What went through it.
    pub counters: Arc<transport::LinkCounters>,
}

type Reply = Box<dyn FnOnce() + Send>;
type Call = Box<dyn FnOnce(&mut Core, Now) -> Reply + Send>;

/// What comes back from the estimator's thread.
struct Estimated {
    estimator: Estimator,
    snapshot: Snapshot,
    image: EstimateImage,
}

/// The way to the core for everybody else.
#[derive(Clone)]
pub(crate) struct CoreHandle {
    calls: mpsc::Sender<Call>,
}

/// The core has ended: the process is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the centre is shutting down")]
pub(crate) struct Gone;

impl CoreHandle {
    /// Runs a piece of work on the core and returns its result once everything that it caused is durable.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core, Now) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (sender, receiver) = oneshot::channel();
        let call: Call = Box::new(move |core, now| {
            let result = work(core, now);
            // The asker may have gone away; its work was done all the same.
            Box::new(move || drop(sender.send(result)))
        });
        self.calls.send(call).await.map_err(|_| Gone)?;
        receiver.await.map_err(|_| Gone)
    }
}

/// Calls that wait for the core; callers wait when it is full.
pub(crate) const CALL_QUEUE: usize = 256;
/// Makes the handle and the queue behind it.
pub(crate) fn calls() -> (CoreHandle, mpsc::Receiver<Call>) {
    let (calls, queue) = mpsc::channel(CALL_QUEUE);
    (CoreHandle { calls }, queue)
}

impl Core {
    /// Works until shutdown, then flushes a last time.
    pub(crate) async fn run(
        mut self,
        mut calls: mpsc::Receiver<Call>,
        mut field: Intake,
        period: Duration,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let (results, mut estimates) = mpsc::channel::<Estimated>(1);
        let (studied, mut studies) = mpsc::channel(crate::studies::RESULTS);
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut cycle = tokio::time::interval(period);
        cycle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut batch = Vec::new();
        loop {
            let mut reply: Option<Reply> = None;
            tokio::select! {
                Ok(()) = shutdown.changed() => break,
                Some(call) = calls.recv() => {
                    let now = self.clock.now();
                    reply = Some(call(&mut self, now));
                }
                Some(done) = estimates.recv() => self.estimated(done),
                Some(done) = studies.recv() => {
                    let now = self.clock.now();
                    crate::studies::finished(&mut self, done, now);
                }
                _ = cycle.tick() => self.begin_cycle(&results),
                _ = beat.tick() => {
                    self.time.look(&self.clock, &mut self.centre);
                    self.centre.tick(self.clock.now());
                }
                // Without new reports the loop sleeps until the beat. An archive that is behind keeps them waiting where
                // newer values replace older ones, instead of leaving changes out.
                open = field.take(&mut batch, MAX_BATCH), if !self.recorder.is_behind() => {
                    if !open { break; }
                    self.take_reports(&mut batch);
                    // Changes of measurements wait for the beat: only what is urgent is flushed at once.
                    if !self.centre.has_urgent() { continue; }
                }
            }
            let now = self.clock.now();
            crate::studies::begin(&mut self, &studied, now);
            crate::approvals::follow_commands(&mut self, now);
            self.execute_ready(now);
            self.flush().await;
            if let Some(reply) = reply {
                reply();
            }
        }
        self.centre.record(
            self.clock.now().utc,
            EventKind::System,
            Severity::Info,
            "centre",
            "stopped".to_owned(),
        );
        self.flush().await;
    }

    /// The state of every point, frozen.
    pub(crate) fn frozen(&self) -> Arc<[PointImage]> {
        let freeze = |state: scada::table::PointState| PointImage {
            value: state.value,
            quality: state.quality,
            stale: state.stale,
        };
        self.centre.table().states().map(freeze).collect()
    }

    /// Everything that a client needs to begin with.
    pub(crate) fn snapshot(&self, now: Now) -> Delta {
        let points = self.centre.table().points();
        Delta {
            points: points
                .iter()
                .zip(self.centre.table().states())
                .filter(|((_, def), _)| !def.retired)
                .map(|((id, def), state)| views::live_point(id, def, &state))
                .collect(),
            alarms: self.centre.alarms().iter().map(|alarm| views::alarm(alarm, points)).collect(),
            commands: self.centre.gate().iter().rev().take(50).map(views::command).collect(),
            events: self.recent_events(200),
            proposals: self.proposals.latest().take(50).map(|entry| views::proposal(entry, points)).collect(),
            estimate: Some(Arc::new(views::estimate(&self.estimate, points))),
            status: Some(Arc::new(crate::status::view(self, now))),
        }
    }

    fn recent_events(&self, count: usize) -> Vec<api::EventView> {
        let mut events: Vec<_> = self.centre.events().recent().rev().take(count).map(views::event).collect();
        events.reverse();
        events
    }

    fn take_reports(&mut self, batch: &mut Vec<(LinkTag, LinkReport)>) {
        let now = self.clock.now();
        for (LinkTag(link), report) in batch.drain(..) {
            let link = LinkIdx(link);
            match report {
                LinkReport::Events { at: _, events } => {
                    self.gateway.take_all(&mut self.centre, link, events, now);
                }
                LinkReport::Refused { request, refusal } => self.link_refused(&request, &refusal, now),
                LinkReport::Panicked(what) => self.session_panicked(link, &what, now),
            }
        }
        self.execute_ready(now);
    }

    fn link_refused(&mut self, request: &Request, refusal: &Refusal, now: Now) {
        if let Request::Select(command) | Request::Execute(command) | Request::Deselect(command) = request {
            let (id, why) = (command.id, refusal.to_string());
            self.centre.with_gate(now.utc, |gate, table, _| gate.not_sent(now, id, &why, table));
        }
    }

    /// A fault of ours in one session: that one starts anew, its points are old meanwhile, everybody learns of it.
    fn session_panicked(&mut self, link: LinkIdx, what: &str, now: Now) {
        let down = SessionEvent::Link(signal::LinkState::Down);
        self.gateway.take(&mut self.centre, link, down, now);
        if let Some(link) = self.gateway.links().get(link.at()) {
            let text = format!("the session of link {} failed and starts anew: {what}", link.name);
            let name = Arc::clone(&link.name);
            // It has no end of its own: it stays listed until somebody has seen it.
            self.centre.raise_about(AlarmKind::System, &name, Severity::High, &text, now.utc);
            self.centre.clear_about(AlarmKind::System, &name, now.utc);
        }
    }

    fn begin_cycle(&mut self, results: &mpsc::Sender<Estimated>) {
        let now = self.clock.now();
        self.cycle += 1;
        self.centre.tick(now);
        self.check_first_contact(now);
        crate::approvals::expire(self, now);
        self.note_history_state(now.utc);
        self.time.ask_source(&mut self.centre, now.utc);
        self.overload.note(&mut self.centre, self.intake.counts().coalesced, now.utc);
        self.hub.publish_status(crate::status::view(self, now));
        let Some(mut estimator) = self.estimator.take() else {
            tracing::warn!(cycle = self.cycle, "Estimation takes longer than a cycle");
            return;
        };
        let snapshot = Snapshot { now, values: self.frozen() };
        let results = results.clone();
        tokio::task::spawn_blocking(move || {
            let image = estimator.run(&snapshot);
            // The core has ended if nobody listens.
            drop(results.blocking_send(Estimated { estimator, snapshot, image }));
        });
    }

    fn estimated(&mut self, done: Estimated) {
        let Estimated { estimator, snapshot, image } = done;
        self.studies.set_base(estimator.base());
        self.estimator = self.next_estimator.take().or(Some(estimator));
        let image = Arc::new(image);
        let before = std::mem::replace(&mut self.estimate, Arc::clone(&image));
        self.judge_estimate(&before, &image, snapshot.now.utc);
        self.hub.publish_estimate(views::estimate(&image, self.centre.table().points()));
        self.run_applications(snapshot, image);
    }

    /// Goes on with another estimator, as soon as the present one is back from its work.
    pub(crate) fn renew_estimator(&mut self, estimator: Estimator) {
        match &mut self.estimator {
            Some(idle) => *idle = estimator,
            None => self.next_estimator = Some(estimator),
        }
    }

    fn judge_estimate(&mut self, before: &EstimateImage, image: &EstimateImage, at: Utc) {
        if before.state != image.state {
            let text = image.state.name().to_owned();
            self.centre.record(at, EventKind::Estimator, Severity::Info, ESTIMATOR, text);
        }
        match image.state {
            EstimateState::Converged | EstimateState::Waiting => {
                self.cycles_without = 0;
                self.note_dead_groups(image, at);
                self.centre.clear_about(AlarmKind::Estimator, ESTIMATOR, at);
            }
            EstimateState::Stopped | EstimateState::Unobservable => {
                self.cycles_without += 1;
                if self.cycles_without == BAD_CYCLES {
                    let text = format!("state estimation {}", image.state.name());
                    self.centre.raise_about(AlarmKind::Estimator, ESTIMATOR, Severity::High, &text, at);
                }
            }
        }
        self.judge_measurements(image, at);
    }

    /// Where no bus of a substation is energised, low values are a consequence: alarms about them are hidden by design.
    fn note_dead_groups(&mut self, image: &EstimateImage, at: Utc) {
        if image.state != EstimateState::Converged {
            return;
        }
        let mut dead: BTreeSet<String> = image.buses.iter().map(|bus| bus.substation.clone()).collect();
        for bus in image.buses.iter().filter(|bus| bus.energised) {
            dead.remove(&bus.substation);
        }
        self.centre.alarms_mut().set_dead_groups(dead, at);
    }

    /// A measurement that stays bad is an alarm; one that is bad for a moment was only caught between two readings.
    fn judge_measurements(&mut self, image: &EstimateImage, at: Utc) {
        let points = Arc::clone(self.centre.table().points());
        let now_bad: HashMap<PointId, f64> = image.bad_data.iter().copied().collect();
        for point in self.bad_cycles.keys().filter(|point| !now_bad.contains_key(point)) {
            self.centre.clear_about(AlarmKind::Estimator, &points[*point].name, at);
        }
        self.bad_cycles.retain(|point, _| now_bad.contains_key(point));
        for (point, residual) in now_bad {
            let cycles = self.bad_cycles.entry(point).or_default();
            *cycles += 1;
            if *cycles == BAD_CYCLES {
                let text = format!(
                    "measurement contradicts the others (normalised residual {residual:.1}), not used"
                );
                self.centre.raise_about(
                    AlarmKind::Estimator,
                    &points[point].name,
                    Severity::Medium,
                    &text,
                    at,
                );
            }
        }
    }

    fn run_applications(&mut self, snapshot: Snapshot, estimate: Arc<EstimateImage>) {
        let image = ProcessImage {
            cycle: self.cycle,
            now: snapshot.now,
            points: Arc::clone(self.centre.table().points()),
            values: snapshot.values,
            estimate,
        };
        let mut proposals = Vec::new();
        for application in &mut self.applications {
            let outlook = application.decide(&image);
            let name = application.name().to_owned();
            if self.holding.get(&name) != outlook.holding.as_ref() {
                let text = outlook
                    .holding
                    .as_ref()
                    .map_or_else(|| "acts again".to_owned(), |why| format!("holds: {why}"));
                self.centre.record(snapshot.now.utc, EventKind::Proposal, Severity::Info, &name, text);
                match outlook.holding {
                    Some(why) => self.holding.insert(name, why),
                    None => self.holding.remove(&name),
                };
            }
            proposals.extend(outlook.proposals);
        }
        if proposals.is_empty() {
            return;
        }
        let now = self.clock.now();
        for verdict in arbitrate(proposals, &self.held_points(), now.mono) {
            self.act_on(verdict, now);
        }
    }

    /// Points on which a command is open: one device does one thing at a time.
    fn held_points(&self) -> HashMap<PointId, Hold> {
        let open = self.centre.gate().iter().filter(|command| command.state.is_open());
        let hold = |command: &CommandRecord| Hold {
            priority: Priority::Protection,
            reason: format!("command {} of {} is open on it", command.id.0, command.actor),
        };
        open.map(|command| (command.point, hold(command))).collect()
    }

    fn act_on(&mut self, verdict: Verdict, now: Now) {
        let proposal = verdict.proposal.clone();
        let points = Arc::clone(self.centre.table().points());
        let name = &points[proposal.target].name;
        let wish = scada::wording::command_text(&points[proposal.target], proposal.value);
        let decision = match &verdict.decision {
            Decision::Accepted => "accepted".to_owned(),
            Decision::Rejected(why) => format!("rejected: {why}"),
            Decision::Expired => "expired".to_owned(),
        };
        let text =
            format!("{} proposes to {wish} {name}: {}; {decision}", proposal.application, proposal.reason);
        self.centre.record(now.utc, EventKind::Proposal, Severity::Info, name, text);
        let command = (verdict.decision == Decision::Accepted).then(|| {
            let who = application_principal(&proposal.application);
            let order = Order {
                point: proposal.target,
                value: proposal.value,
                reason: proposal.reason,
                origin: Origin::Application(proposal.application.clone()),
                session: format!("application {}", proposal.application),
                seen: None,
                override_reason: String::new(),
                stepped_up: false,
            };
            self.centre.with_gate(now.utc, |gate, table, tags| gate.select(now, &who, order, table, tags))
        });
        self.proposals.add(verdict, now.utc, command);
        if let Some(record) = command.and_then(|id| self.centre.gate().get(id)) {
            self.proposals.follow(record);
        }
    }

    /// Executes applications' commands whose select stands; operators execute their own.
    fn execute_ready(&mut self, now: Now) {
        for (id, session) in self.centre.gate().ready_applications() {
            let Some(actor) = self.centre.gate().get(id).map(|command| command.actor.clone()) else {
                continue;
            };
            let who = application_principal(&actor);
            let result = self.centre.with_gate(now.utc, |gate, table, tags| {
                gate.execute(now, &who, (id, &session), (table, tags))
            });
            if let Err(refusal) = result {
                tracing::warn!(command = id.0, %refusal, "Application's command refused at execution");
            }
        }
    }

    fn check_first_contact(&mut self, now: Now) {
        let waited = now.mono.since(self.started.mono);
        if waited < FIRST_CONTACT || waited > FIRST_CONTACT + Duration::from_secs(5) {
            return;
        }
        let down: Vec<Arc<str>> = self
            .gateway
            .links()
            .iter()
            .filter(|link| link.state == signal::LinkState::Down)
            .map(|link| Arc::clone(&link.name))
            .collect();
        for link in down {
            self.centre.link_lost(&link, "link has not come up", now);
        }
    }

    /// Makes durable what must be, lets go what may go, shows what happened.
    async fn flush(&mut self) {
        // A send that a link refuses is a change of its own; one more round writes that down.
        for _ in 0..3 {
            self.centre.calculate(self.clock.now());
            let changes = self.centre.take_changes();
            if changes.is_empty() && self.backlog.is_empty() {
                break;
            }
            crate::switching::follow(self, &changes);
            let durable = self.persist(&changes).await;
            self.recorder.record(&changes.history, self.clock.now(), self.time.is_trusted());
            self.release(&changes, durable);
            self.show(&changes);
        }
        self.recorder.push();
    }

    async fn persist(&mut self, changes: &Changes) -> bool {
        let now = self.clock.now().utc;
        let points = Arc::clone(self.centre.table().points());
        let mut records = match persist::records(changes, &points) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "Events could not be written down");
                return false;
            }
        };
        let drafts = changes.outgoing.iter().filter_map(|outgoing| match outgoing {
            Outgoing::Audit(draft) => Some(draft),
            Outgoing::Send(_) => None,
        });
        for draft in drafts {
            if self.audit_broken {
                tracing::error!(
                    actor = draft.actor,
                    action = draft.action,
                    "Not audited: the chain is broken"
                );
            } else {
                records.push(persist::audit_record(draft, now));
            }
        }
        let commands = changes.commands.iter().filter_map(|id| self.centre.gate().get(*id));
        records.extend(commands.map(|command| persist::command_record(command, &points, now)));
        self.backlog.extend(records);
        let durable = self.write_backlog().await;
        self.note_store_state(durable, now);
        self.centre.pause_events(self.backlog.len() > MAX_BACKLOG, now);
        durable
    }

    /// Writes what waits, in order. What the store refuses waits on: a full disk loses nothing that fits in memory.
    async fn write_backlog(&mut self) -> bool {
        if self.store_down && self.clock.now().mono < self.retry_at {
            return self.backlog.is_empty();
        }
        self.retry_at = self.clock.now().mono + STORE_RETRY;
        while !self.backlog.is_empty() {
            let batch: Vec<Record> = self.backlog.iter().take(MAX_RECORDS).cloned().collect();
            let (count, store) = (batch.len(), Arc::clone(&self.store));
            match tokio::task::spawn_blocking(move || store.append(batch)).await {
                Ok(Ok(_)) => drop(self.backlog.drain(..count)),
                Ok(Err(error)) => {
                    tracing::error!(%error, waiting = self.backlog.len(), "Store did not write");
                    return false;
                }
                Err(error) => {
                    tracing::error!(%error, "Store's caller panicked");
                    return false;
                }
            }
        }
        true
    }

    fn note_store_state(&mut self, durable: bool, now: Utc) {
        if durable == self.store_down {
            self.store_down = !durable;
            if durable {
                self.centre.clear_about(AlarmKind::System, "store", now);
            } else {
                let text = "events and audit cannot be written: commands are stopped";
                self.centre.raise_about(AlarmKind::System, "store", Severity::Critical, text, now);
            }
        }
    }

    /// History that cannot be written is an alarm within a cycle; it waits in memory meanwhile.
    fn note_history_state(&mut self, now: Utc) {
        let fault = self.recorder.fault();
        if fault.is_some() == self.history_down {
            return;
        }
        self.history_down = fault.is_some();
        match fault {
            Some(why) => {
                let text = format!("changes cannot be written to the history: {why}");
                self.centre.raise_about(AlarmKind::System, "history", Severity::High, &text, now);
            }
            None => self.centre.clear_about(AlarmKind::System, "history", now),
        }
    }

    /// Sends what the gate released. Without a durable audit nothing leaves (S-21).
    fn release(&mut self, changes: &Changes, durable: bool) {
        let now = self.clock.now();
        for outgoing in &changes.outgoing {
            let Outgoing::Send(request) = outgoing else { continue };
            let (Request::Select(command) | Request::Execute(command) | Request::Deselect(command)) = request
            else {
                continue;
            };
            let port = self.gateway.route(request).and_then(|link| self.links.get(link.at()));
            let sent = match port {
                None => Err(Refusal::NotControllable.to_string()),
                Some(_) if !durable || self.audit_broken => Err("the audit cannot be written".to_owned()),
                Some(port) => port.requests.try_send(*request).map_err(|_| Refusal::Busy.to_string()),
            };
            if let Err(why) = sent {
                let id = command.id;
                self.centre.with_gate(now.utc, |gate, table, _| gate.not_sent(now, id, &why, table));
            }
        }
    }

    fn show(&mut self, changes: &Changes) {
        let points = Arc::clone(self.centre.table().points());
        for id in &changes.commands {
            if let Some(command) =
                self.centre.gate().get(*id).filter(|c| matches!(c.origin, Origin::Application(_)))
            {
                self.proposals.follow(command);
            }
        }
        // A client subscribes before it asks for its snapshot, so nobody misses what nobody waits for.
        let is_watched = self.hub.is_watched();
        let state = |id: &PointId| {
            self.centre.table().get(*id).map(|state| views::live_point(*id, &points[*id], &state))
        };
        let delta = Delta {
            points: changes.points.iter().filter(|_| is_watched).filter_map(state).collect(),
            alarms: changes.alarms.iter().map(|(_, alarm)| views::alarm(alarm, &points)).collect(),
            commands: changes
                .commands
                .iter()
                .filter_map(|id| self.centre.gate().get(*id))
                .map(views::command)
                .collect(),
            events: changes.events.iter().map(views::event).collect(),
            proposals: self
                .proposals
                .take_fresh()
                .iter()
                .map(|entry| views::proposal(entry, &points))
                .collect(),
            estimate: None,
            status: None,
        };
        self.hub.publish(delta);
    }
}

/// Commands that a crash left open: reported, never sent again.
pub(crate) fn report_lost_commands(core: &mut Core, lost: &[store::CommandRecord], now: Now) {
    for command in lost {
        let text = format!(
            "command {} was {} when the centre stopped: its outcome is unknown",
            command.id, command.state
        );
        let points = Arc::clone(core.centre.table().points());
        let source = points
            .by_mrid(&command.point)
            .map_or_else(|| command.point.clone(), |id| points[id].name.clone());
        core.centre.record(now.utc, EventKind::Command, Severity::High, &source, text.clone());
        core.centre.raise_about(AlarmKind::Command, &source, Severity::High, &text, now.utc);
    }
}

/// Applications command with the right of an operator for every area and nothing else.
fn application_principal(name: &str) -> Principal {
    Principal::new(name, PrincipalKind::Application, BTreeSet::from([Role::Operator]), Areas::All)
}
