//! Live data: one publisher, many clients, each at its own speed with bounded memory.
//!
//! Telemetry is coalesced per client, newest wins, ten frames a second at most. Alarms, commands and events are
//! never left out: a client that falls behind the common ring gets a new snapshot instead of a gap.

use crate::core::CoreHandle;
use crate::views::stamp;
use api::{AlarmView, CommandView, EstimateView, EventView, LiveFrame, LivePoint, ProposalView, StatusView};
use axum::extract::ws::{Message, WebSocket};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;
use transport::Clock;

/// Deltas that a client may fall behind.
const RING: usize = 256;
/// Shortest time between two frames of a client.
const FRAME_PERIOD: Duration = Duration::from_millis(100);
/// A client that takes no frame for this long is cut off.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What changed in one flush of the core.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    pub(crate) points: Vec<LivePoint>,
    pub(crate) alarms: Vec<AlarmView>,
    pub(crate) commands: Vec<CommandView>,
    pub(crate) events: Vec<EventView>,
    pub(crate) proposals: Vec<ProposalView>,
    pub(crate) estimate: Option<Arc<EstimateView>>,
    pub(crate) status: Option<Arc<StatusView>>,
}

/// The publisher.
#[derive(Clone)]
pub(crate) struct Hub {
    ring: broadcast::Sender<Arc<Delta>>,
    served: Arc<AtomicU64>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self { ring: broadcast::Sender::new(RING), served: Arc::default() }
    }

    /// Point values handed to clients so far.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Notes that point values were handed to a client.
    pub(crate) fn count_served(&self, values: usize) {
        self.served.fetch_add(u64::try_from(values).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, delta: Delta) {
        // Nobody listening is no fault.
        drop(self.ring.send(Arc::new(delta)));
    }

    pub(crate) fn publish_status(&self, status: StatusView) {
        self.publish(Delta { status: Some(Arc::new(status)), ..Delta::default() });
    }

    pub(crate) fn publish_estimate(&self, estimate: EstimateView) {
        self.publish(Delta { estimate: Some(Arc::new(estimate)), ..Delta::default() });
    }
}

/// What a client may see.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// By point id; `None` for every point.
    pub(crate) points: Option<Arc<[bool]>>,
}

impl Scope {
    fn shows(&self, point: u32) -> bool {
        let index = usize::try_from(point).unwrap_or(usize::MAX);
        self.points.as_ref().is_none_or(|points| points.get(index).copied().unwrap_or(false))
    }

    fn shows_maybe(&self, point: Option<u32>) -> bool {
        point.is_none_or(|point| self.shows(point))
    }
}

/// What has gathered for the next frame of one client.
#[derive(Default)]
struct Gathered {
    points: BTreeMap<u32, LivePoint>,
    rest: Delta,
}

impl Gathered {
    fn add(&mut self, delta: &Delta, scope: &Scope) {
        for point in delta.points.iter().filter(|point| scope.shows(point.0)) {
            self.points.insert(point.0, point.clone());
        }
        self.rest.alarms.extend(delta.alarms.iter().filter(|alarm| scope.shows_maybe(alarm.point)).cloned());
        self.rest
            .commands
            .extend(delta.commands.iter().filter(|command| scope.shows(command.point)).cloned());
        self.rest.events.extend(delta.events.iter().filter(|event| scope.shows_maybe(event.point)).cloned());
        self.rest.proposals.extend(delta.proposals.iter().filter(|p| scope.shows(p.target)).cloned());
        self.rest.estimate = delta.estimate.clone().or(self.rest.estimate.take());
        self.rest.status = delta.status.clone().or(self.rest.status.take());
    }

    fn is_empty(&self) -> bool {
        let rest = &self.rest;
        self.points.is_empty()
            && rest.alarms.is_empty()
            && rest.commands.is_empty()
            && rest.events.is_empty()
            && rest.proposals.is_empty()
            && rest.estimate.is_none()
            && rest.status.is_none()
    }

    fn into_frame(self, seq: u64, t: String, snapshot: bool) -> LiveFrame {
        let rest = self.rest;
        LiveFrame {
            seq,
            t,
            snapshot,
            points: self.points.into_values().collect(),
            alarms: rest.alarms,
            commands: rest.commands,
            events: rest.events,
            proposals: rest.proposals,
            estimate: rest.estimate.map(|view| EstimateView::clone(&view)),
            status: rest.status.map(|view| StatusView::clone(&view)),
        }
    }
}

/// One connected client.
pub(crate) struct Client {
    pub(crate) core: CoreHandle,
    pub(crate) hub: Hub,
    pub(crate) clock: Clock,
    pub(crate) scope: Scope,
    /// Becomes true when the session of the client has ended.
    pub(crate) revoked: tokio::sync::watch::Receiver<bool>,
    /// When the session ends by its age.
    pub(crate) expires: timebase::Utc,
}

impl Client {
    /// Serves the socket until it closes, the session ends or the centre stops.
    pub(crate) async fn serve(mut self, mut socket: WebSocket) {
        let mut seq = 0;
        loop {
            let mut ring = self.hub.ring.subscribe();
            let Ok(delta) = self.core.ask(|core, now| core.snapshot(now)).await else { return };
            let mut snapshot = Gathered::default();
            snapshot.add(&delta, &self.scope);
            seq += 1;
            if self.send(&mut socket, snapshot, seq, true).await.is_err() {
                return;
            }
            // Ends with Ok when the client fell behind: then it starts over with a snapshot.
            if self.follow(&mut socket, &mut ring, &mut seq).await.is_err() {
                return;
            }
        }
    }

    async fn follow(
        &mut self,
        socket: &mut WebSocket,
        ring: &mut broadcast::Receiver<Arc<Delta>>,
        seq: &mut u64,
    ) -> Result<(), axum::Error> {
        let mut gathered = Gathered::default();
        let end = tokio::time::sleep(self.expires.since(self.clock.now().utc));
        tokio::pin!(end);
        let mut tick = tokio::time::interval(FRAME_PERIOD);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                delta = ring.recv() => match delta {
                    Ok(delta) => gathered.add(&delta, &self.scope),
                    Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
                    Err(broadcast::error::RecvError::Closed) => return Err(axum::Error::new(crate::core::Gone)),
                },
                _ = tick.tick(), if !gathered.is_empty() => {
                    *seq += 1;
                    self.send(socket, std::mem::take(&mut gathered), *seq, false).await?;
                }
                message = socket.recv() => match message {
                    None => return Err(axum::Error::new(crate::core::Gone)),
                    Some(message) => answer(socket, message?).await?,
                },
                () = &mut end => return Err(axum::Error::new(crate::core::Gone)),
                Ok(()) = self.revoked.changed() => return Err(axum::Error::new(crate::core::Gone)),
            }
        }
    }

    async fn send(
        &self,
        socket: &mut WebSocket,
        gathered: Gathered,
        seq: u64,
        snapshot: bool,
    ) -> Result<(), axum::Error> {
        let frame = gathered.into_frame(seq, stamp(self.clock.now().utc), snapshot);
        let text = serde_json::to_string(&frame).map_err(axum::Error::new)?;
        self.hub.count_served(frame.points.len());
        tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::text(text)))
            .await
            .map_err(axum::Error::new)?
    }
}

/// Clients only ever ask whether the connection lives.
async fn answer(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    match message {
        Message::Text(text) => {
            #[derive(serde::Deserialize)]
            struct Ping {
                ping: u64,
            }
            match serde_json::from_str::<Ping>(&text) {
                Ok(Ping { ping }) => socket.send(Message::text(format!("{{\"pong\":{ping}}}"))).await,
                Err(_) => Err(axum::Error::new(crate::core::Gone)),
            }
        }
        Message::Binary(_) => Err(axum::Error::new(crate::core::Gone)),
        Message::Ping(_) | Message::Pong(_) => Ok(()),
        Message::Close(_) => Err(axum::Error::new(crate::core::Gone)),
    }
}
