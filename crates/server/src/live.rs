//! Live data: one publisher, many clients, each at its own speed with bounded memory.
//!
//! Telemetry is coalesced per client, newest wins, ten frames a second at most. Alarms, commands and events are
//! never left out: a client that falls behind the common ring gets a new snapshot instead of a gap.

use crate::core::CoreHandle;
use crate::http::guard::Need;
use crate::lists::Lists;
use crate::territory::Territory;
use crate::views::stamp;
use api::{AlarmView, CommandView, EstimateView, EventView, LiveFrame, LivePoint, ProposalView, StatusView};
use axum::extract::ws::{Message, WebSocket};
use axum::response::sse::Event;
use futures_util::{Stream, stream};
use governor::{Quota, RateLimiter};
use security::{Areas, Principal, Right};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;
use transport::Clock;

/// Deltas that a client may fall behind.
const RING: usize = 256;
/// Shortest time between two frames of a client.
const FRAME_PERIOD: Duration = Duration::from_millis(100);
/// Messages of one client a second, and at once.
const CLIENT_RATE: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");
const CLIENT_BURST: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
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

    /// Whether anybody waits for deltas.
    pub(crate) fn is_watched(&self) -> bool {
        self.ring.receiver_count() > 0
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

/// A part of the frames, with its own declaration of who may see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    /// Values of points.
    Points,
    /// Alarms.
    Alarms,
    /// Commands.
    Commands,
    /// Events.
    Events,
    /// Proposals of applications.
    Proposals,
    /// The state estimate.
    Estimate,
    /// The state of the platform.
    Status,
}

impl Topic {
    /// Every topic, by its name in a frame.
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Points, "points"),
        (Self::Alarms, "alarms"),
        (Self::Commands, "commands"),
        (Self::Events, "events"),
        (Self::Proposals, "proposals"),
        (Self::Estimate, "estimate"),
        (Self::Status, "status"),
    ];

    /// Who may see it; within their areas, where it is about points.
    pub(crate) const fn need(self) -> Need {
        match self {
            Self::Points
            | Self::Alarms
            | Self::Commands
            | Self::Events
            | Self::Proposals
            | Self::Estimate
            | Self::Status => Need::Right(Right::View),
        }
    }
}

/// What a client may see.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    topics: Vec<Topic>,
    territory: Option<Territory>,
    /// By point id; `None` for every point.
    pub(crate) points: Option<Arc<[bool]>>,
}

impl Scope {
    /// The topics and the points of somebody. O(points) unless it is all.
    fn of(who: &Principal, lists: &Lists) -> Self {
        let (areas, points) = (&who.areas, &lists.points);
        let covered = |(_, def): (signal::PointId, &signal::PointDef)| areas.cover(&def.substation);
        let points = match areas {
            Areas::All => None,
            Areas::Only(_) => Some(points.iter().map(covered).collect()),
        };
        let topics = Topic::ALL.map(|(topic, _)| topic).into_iter();
        let topics = topics.filter(|topic| topic.need().is_met_by(who)).collect();
        Self { topics, territory: Territory::of(areas, lists), points }
    }

    fn has(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }

    fn estimate(&self, view: &Arc<EstimateView>) -> Arc<EstimateView> {
        match &self.territory {
            None => Arc::clone(view),
            Some(territory) => Arc::new(territory.estimate(view, |point| self.shows(point))),
        }
    }

    fn status(&self, view: &Arc<StatusView>) -> Arc<StatusView> {
        match &self.territory {
            None => Arc::clone(view),
            Some(territory) => Arc::new(territory.status(StatusView::clone(view))),
        }
    }

    fn shows(&self, point: u32) -> bool {
        let index = usize::try_from(point).unwrap_or(usize::MAX);
        self.points.as_ref().is_none_or(|points| points.get(index).copied().unwrap_or(false))
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
        let shown = |point: Option<u32>| point.is_none_or(|point| scope.shows(point));
        for (topic, _) in Topic::ALL.into_iter().filter(|(topic, _)| scope.has(*topic)) {
            let rest = &mut self.rest;
            match topic {
                Topic::Points => {
                    let points = delta.points.iter().filter(|point| scope.shows(point.0));
                    self.points.extend(points.map(|point| (point.0, point.clone())));
                }
                Topic::Alarms => {
                    rest.alarms.extend(delta.alarms.iter().filter(|alarm| shown(alarm.point)).cloned());
                }
                Topic::Commands => {
                    rest.commands.extend(delta.commands.iter().filter(|c| scope.shows(c.point)).cloned());
                }
                Topic::Events => {
                    rest.events.extend(delta.events.iter().filter(|event| shown(event.point)).cloned());
                }
                Topic::Proposals => {
                    rest.proposals.extend(delta.proposals.iter().filter(|p| scope.shows(p.target)).cloned());
                }
                Topic::Estimate => {
                    let fresh = delta.estimate.as_ref().map(|view| scope.estimate(view));
                    rest.estimate = fresh.or(rest.estimate.take());
                }
                Topic::Status => {
                    let fresh = delta.status.as_ref().map(|view| scope.status(view));
                    rest.status = fresh.or(rest.status.take());
                }
            }
        }
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
    /// Who it is: what they may see.
    pub(crate) who: Principal,
    /// The points; when they change, the client begins anew with a snapshot.
    pub(crate) lists: tokio::sync::watch::Receiver<Arc<Lists>>,
    /// Becomes true when the session of the client has ended.
    pub(crate) revoked: tokio::sync::watch::Receiver<bool>,
    /// When the session ends by its age.
    pub(crate) expires: timebase::Utc,
}

/// The frames of one client, one after the other. Dropping a waiting [`Frames::next`] loses nothing.
struct Frames {
    client: Client,
    scope: Scope,
    /// `None` until the snapshot is made, and again after falling behind.
    ring: Option<broadcast::Receiver<Arc<Delta>>>,
    gathered: Gathered,
    tick: tokio::time::Interval,
    end: Pin<Box<tokio::time::Sleep>>,
    seq: u64,
}

impl Frames {
    fn new(mut client: Client) -> Self {
        let scope = Scope::of(&client.who, &client.lists.borrow_and_update());
        let mut tick = tokio::time::interval(FRAME_PERIOD);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let left = client.expires.since(client.clock.now().utc);
        let end = Box::pin(tokio::time::sleep(left));
        Self { client, scope, ring: None, gathered: Gathered::default(), tick, end, seq: 0 }
    }

    /// The next frame as JSON; `None` when the session has ended or the centre stops.
    async fn next(&mut self) -> Option<String> {
        loop {
            let Some(ring) = &mut self.ring else {
                let ring = self.client.hub.ring.subscribe();
                let delta = self.client.core.ask(|core, now| core.snapshot(now)).await.ok()?;
                self.gathered = Gathered::default();
                self.gathered.add(&delta, &self.scope);
                self.ring = Some(ring);
                return self.frame(true);
            };
            tokio::select! {
                delta = ring.recv() => match delta {
                    Ok(delta) => self.gathered.add(&delta, &self.scope),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.ring = None,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                _ = self.tick.tick(), if !self.gathered.is_empty() => return self.frame(false),
                Ok(()) = self.client.lists.changed() => {
                    self.scope = Scope::of(&self.client.who, &self.client.lists.borrow_and_update());
                    self.ring = None;
                }
                Ok(()) = self.client.revoked.changed() => return None,
                () = &mut self.end => return None,
            }
        }
    }

    fn frame(&mut self, snapshot: bool) -> Option<String> {
        self.seq += 1;
        let now = stamp(self.client.clock.now().utc);
        let frame = std::mem::take(&mut self.gathered).into_frame(self.seq, now, snapshot);
        self.client.hub.count_served(frame.points.len());
        serde_json::to_string(&frame).ok()
    }
}

impl Client {
    /// Serves a WebSocket until it closes, the session ends or the centre stops.
    pub(crate) async fn serve(self, mut socket: WebSocket) {
        let mut frames = Frames::new(self);
        // A client asks about once a second whether the connection lives; one that floods is cut off.
        let pace = RateLimiter::direct(Quota::per_second(CLIENT_RATE).allow_burst(CLIENT_BURST));
        loop {
            let went_well = tokio::select! {
                frame = frames.next() => match frame {
                    Some(text) => {
                        let sent = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::text(text))).await;
                        matches!(sent, Ok(Ok(())))
                    }
                    None => false,
                },
                message = socket.recv() => match message {
                    Some(Ok(message)) => pace.check().is_ok() && answer(&mut socket, message).await.is_ok(),
                    Some(Err(_)) | None => false,
                },
            };
            if !went_well {
                return;
            }
        }
    }

    /// The same frames as server-sent events.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(Frames::new(self), |mut frames| async move {
            let text = frames.next().await?;
            Some((Ok(Event::default().data(text)), frames))
        })
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
