//! Connections are bounded, and whoever is slow makes room for others (scenario A-18: slow connection exhaustion).
//!
//! A head that is not complete in time ends its connection, and so does a request with a body that never comes. When all
//! slots are taken, the one that has waited longest for a request gives way, then one whose request takes long; live streams,
//! which only signed-in people have, stay, and a live socket gives its slot back when it has become one. One address beyond
//! loopback, where a proxy may stand for everybody, has [`MAX_OF_ONE`] slots and displaces its own connections.

use crate::core::CoreHandle;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use scada::alarm::AlarmKind;
use scada::event::Severity;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use transport::{PeerCertificate, Stream, TlsServer, accept};

/// Connections at the same time at most.
pub(crate) const MAX_CONNECTIONS: usize = 512;
/// Connections of one address beyond loopback at the same time at most.
const MAX_OF_ONE: usize = 64;
/// How long the head of a request, and before it the handshake of TLS, may take; an unused connection ends by it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take with its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that takes longer gives way when all slots are taken.
const LONG: Duration = Duration::from_secs(5);
/// Pause when the machine has no descriptor left.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);
/// How often the pressure is looked at, and how long it must be gone.
const BEAT: Duration = Duration::from_secs(1);
const CALM_BEATS: u32 = 60;
/// Source of the alarm.
const SOURCE: &str = "http";

/// What a connection does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Waiting,
    Working,
    /// Its answer is a stream without an end.
    Live,
}

struct Slot {
    doing: Doing,
    peer: IpAddr,
    since: Instant,
    gives_way: Arc<Notify>,
}

#[derive(Default)]
struct State {
    slots: BTreeMap<u64, Slot>,
    last: u64,
    /// Connections displaced, and new ones refused because nobody could give way.
    displaced: u64,
}

/// The slots of one listener.
#[derive(Clone, Default)]
struct Slots(Arc<Mutex<State>>);

impl Slots {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a new connection; somebody else may have to give way. `None` if nobody can.
    fn take(&self, peer: IpAddr, now: Instant) -> Option<(u64, Arc<Notify>)> {
        let mut state = self.state();
        let own = state.slots.values().filter(|slot| slot.peer == peer).count();
        let too_many = !peer.is_loopback() && own >= MAX_OF_ONE;
        if too_many || state.slots.len() >= MAX_CONNECTIONS {
            state.displaced += 1;
            let victim = victim(&state.slots, too_many.then_some(peer), now)?;
            if let Some(slot) = state.slots.remove(&victim) {
                slot.gives_way.notify_one();
            }
        }
        state.last += 1;
        let (id, gives_way) = (state.last, Arc::new(Notify::new()));
        state
            .slots
            .insert(id, Slot { doing: Doing::Waiting, peer, since: now, gives_way: Arc::clone(&gives_way) });
        Some((id, gives_way))
    }

    fn note(&self, id: u64, doing: Doing) {
        if let Some(slot) = self.state().slots.get_mut(&id)
            && slot.doing != Doing::Live
        {
            (slot.doing, slot.since) = (doing, Instant::now());
        }
    }

    fn free(&self, id: u64) {
        self.state().slots.remove(&id);
    }
}

/// Who gives way, of one peer or of all: the longest wait for a request, else the longest request that is long.
fn victim(slots: &BTreeMap<u64, Slot>, of: Option<IpAddr>, now: Instant) -> Option<u64> {
    let oldest = |wanted: Doing, least: Duration| {
        let fits =
            move |slot: &Slot| slot.doing == wanted && now.saturating_duration_since(slot.since) >= least;
        let asked = move |slot: &Slot| of.is_none_or(|peer| peer == slot.peer);
        slots
            .iter()
            .filter(|(_, slot)| fits(slot) && asked(slot))
            .min_by_key(|(_, slot)| slot.since)
            .map(|(id, _)| *id)
    };
    oldest(Doing::Waiting, Duration::ZERO).or_else(|| oldest(Doing::Working, LONG))
}

/// Serves until shutdown; open connections are cut with the process.
pub(crate) async fn serve(
    (listener, tls): (TcpListener, Option<TlsServer>),
    router: Router,
    core: CoreHandle,
    mut shutdown: watch::Receiver<bool>,
) {
    let slots = Slots::default();
    let mut beat = tokio::time::interval(BEAT);
    let mut pressure = Pressure::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some((id, gives_way)) = slots.take(peer.ip(), Instant::now()) {
                        let place = Place { slots: slots.clone(), id, gives_way };
                        tokio::spawn(connection((stream, peer), tls.clone(), router.clone(), place));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "No connection accepted");
                    tokio::time::sleep(NO_DESCRIPTOR).await;
                }
            },
            _ = beat.tick() => pressure.look(&slots, &core).await,
            _ = shutdown.changed() => return,
        }
    }
}

/// A slot that is taken.
struct Place {
    slots: Slots,
    id: u64,
    gives_way: Arc<Notify>,
}

async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    tls: Option<TlsServer>,
    router: Router,
    place: Place,
) {
    // A peer that breaks off or has no good certificate is counted by nobody; the log tells of it.
    match tokio::time::timeout(HEAD_TIMEOUT, accept(stream, tls.as_ref())).await {
        Ok(Ok(secured)) => requests(secured, peer, router, &place).await,
        Ok(Err(error)) => tracing::info!(%peer, %error, "No handshake"),
        Err(_) => tracing::info!(%peer, "Handshake takes too long"),
    }
    place.slots.free(place.id);
}

async fn requests(
    (stream, certificate): (Box<dyn Stream>, Option<PeerCertificate>),
    peer: SocketAddr,
    router: Router,
    Place { slots, id, gives_way }: &Place,
) {
    let id = *id;
    let app = TowerToHyperService::new(router);
    let noted = slots.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        noted.note(id, Doing::Working);
        let (answer, noted) = (app.call(request), noted.clone());
        async move {
            let answer = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
                Ok(Ok(answer)) => answer,
                Err(_) => too_slow(),
            };
            let kind = answer.headers().get(header::CONTENT_TYPE);
            let live = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
            noted.note(id, if live { Doing::Live } else { Doing::Waiting });
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        // A peer that breaks its connection off is no news.
        result = served => drop(result),
        () = gives_way.notified() => {}
    }
}

fn too_slow() -> Response<Body> {
    let mut answer = Response::new(Body::from("the request took too long\n"));
    *answer.status_mut() = StatusCode::REQUEST_TIMEOUT;
    answer
}

/// Whether slots are fought for, as an alarm.
#[derive(Default)]
struct Pressure {
    seen: u64,
    calm: u32,
    raised: bool,
}

impl Pressure {
    async fn look(&mut self, slots: &Slots, core: &CoreHandle) {
        let (displaced, taken) = {
            let state = slots.state();
            (state.displaced, state.slots.len())
        };
        let fresh = displaced - self.seen;
        self.seen = displaced;
        self.calm = if fresh > 0 { 0 } else { self.calm.saturating_add(1) };
        let wanted = if fresh > 0 && !self.raised {
            let text = format!(
                "all {MAX_CONNECTIONS} connections were taken, {fresh} of them displaced within a second: \
                 look for a program that opens connections and does not use them"
            );
            Some(Some(text))
        } else {
            (self.raised && self.calm >= CALM_BEATS && taken < MAX_CONNECTIONS).then_some(None)
        };
        let Some(text) = wanted else { return };
        self.raised = text.is_some();
        let told = core.ask(move |core, now| match text {
            Some(text) => core.centre.raise_about(AlarmKind::System, SOURCE, Severity::High, &text, now.utc),
            None => core.centre.clear_about(AlarmKind::System, SOURCE, now.utc),
        });
        // The centre may be ending.
        drop(told.await);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_longest_wait_gives_way_and_live_sockets_never() {
        let slots = Slots::default();
        let begin = Instant::now();
        let home = IpAddr::from([127, 0, 0, 1]);
        let ids: Vec<u64> = (0..MAX_CONNECTIONS).map(|_| slots.take(home, begin).unwrap().0).collect();
        ids.iter().skip(1).for_each(|id| slots.note(*id, Doing::Live));
        assert!(slots.take(home, begin).is_some(), "the one that waits gives way");
        assert!(!slots.state().slots.contains_key(&ids[0]));
        let newest = *slots.state().slots.last_key_value().unwrap().0;
        slots.note(newest, Doing::Working);
        assert!(slots.take(home, Instant::now()).is_none(), "a short request does not");
        assert!(slots.take(home, Instant::now() + LONG).is_some(), "a long one does");
        let state = slots.state();
        assert_eq!((state.slots.len(), state.displaced), (MAX_CONNECTIONS, 3));
        assert!(ids.iter().skip(1).all(|id| state.slots.contains_key(id)));
    }

    #[test]
    fn one_address_displaces_its_own() {
        let slots = Slots::default();
        let now = Instant::now();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = slots.take(other, now).unwrap().0;
        let own: Vec<u64> = (0..=MAX_OF_ONE).map(|_| slots.take(one, now + LONG).unwrap().0).collect();
        let state = slots.state();
        assert!(state.slots.contains_key(&first), "the other one, who has waited longest, stays");
        assert_eq!((state.slots.len(), state.slots.contains_key(&own[0])), (MAX_OF_ONE + 1, false));
    }
}
