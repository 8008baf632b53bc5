//! One task owns the twin: it steps it once a second, ends movements when they are due, and passes values, commands
//! and requests between it, the stations and the API. Stations run in tasks of their own.

use super::config::TwinConfig;
use super::http;
use super::views::{FaultView, StationView, TruthView};
use anyhow::{Context, anyhow};
use catalog::LinkProtocol;
use model::{Network, SubstationIdx};
use signal::{Command, CommandAnswer, LinkState, PointList, Sample, StationEvent};
use sim::{Fault, FaultError, FaultId, Report, StepOutcome, Twin};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use timebase::Mono;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};
use transport::{
    Clock, LinkCounters, LinkTag, StationInput, StationLink, StationReport, TlsFiles, TlsServer,
    spawn_station,
};

/// The second hand.
const STEP: Duration = Duration::from_secs(1);
/// Reports of all stations on their way to the twin.
const REPORTS_MAX: usize = 4_096;
/// Requests of the API on their way to the twin.
const REQUESTS_MAX: usize = 64;
/// A station may be this many readings of all its points behind.
const BACKLOG_READINGS: usize = 16;
const BACKLOG_MIN: usize = 1_024;
/// Sleep while nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// A field that runs.
pub(crate) struct TwinHandle {
    /// Where the twin's own API listens.
    pub(crate) http: SocketAddr,
    /// Name and address of every station in the order of the substations; the n-th has the common address n.
    pub(crate) stations: Vec<(String, SocketAddr)>,
    tasks: JoinSet<()>,
}

impl TwinHandle {
    /// Waits until everything has stopped, after the shutdown was signalled.
    pub(crate) async fn stopped(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "A task of the twin ended badly");
            }
        }
    }
}

/// What the API asks of the twin.
pub(super) enum Ask {
    Truth(oneshot::Sender<TruthView>),
    Stations(oneshot::Sender<Vec<StationView>>),
    Faults(oneshot::Sender<Vec<FaultView>>),
    Inject(Fault, Option<Duration>, oneshot::Sender<Result<FaultView, FaultError>>),
    /// One fault, or all of them; answers with those that were removed.
    Clear(Option<FaultId>, oneshot::Sender<Vec<FaultView>>),
}

/// Starts the field of a configuration.
pub(crate) async fn start(
    config: TwinConfig,
    clock: Clock,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<TwinHandle> {
    let network = config.read_network()?;
    start_with(network, config, clock, shutdown).await
}

/// Starts a field whose network is at hand already; `config.network` is not read.
pub(crate) async fn start_with(
    network: Network,
    config: TwinConfig,
    clock: Clock,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<TwinHandle> {
    let points = exchange::plan::plan(&network, exchange::plan::PlanOptions::default())
        .map_err(|error| anyhow!("the measurement plan of {}: {error}", network.name()))?;
    let points = Arc::new(points);
    let options = config.options(clock.now().utc)?;
    let twin = Twin::new(network, Arc::clone(&points), options).context("the twin cannot be made")?;

    let (reports_in, reports) = mpsc::channel(REPORTS_MAX);
    let mut tasks = JoinSet::new();
    let mut stations = Vec::new();
    for (index, place) in twin.network().substations().iter().enumerate() {
        let link = station_link(&config, index, &place.name, &points)?;
        let listen = link.listen;
        let counters = Arc::clone(&link.counters);
        let backlog = BACKLOG_MIN.max(BACKLOG_READINGS * points.of_link(&place.name).len());
        let (inputs, station_inputs) = mpsc::channel(backlog);
        let (address, task) = spawn_station(link, clock, station_inputs, reports_in.clone())
            .await
            .with_context(|| format!("station {} cannot listen on {listen}", place.name))?;
        tasks.spawn(async move {
            if let Err(error) = task.await {
                error!(%error, "A station ended badly");
            }
        });
        let state = LinkState::Down;
        stations.push(Station {
            name: place.name.clone(),
            address,
            inputs,
            counters,
            state,
            silent: false,
            lost: 0,
        });
    }
    let listed = stations.iter().map(|station| (station.name.clone(), station.address)).collect();

    let (asks, asked) = mpsc::channel(REQUESTS_MAX);
    let listener = tokio::net::TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("the twin's API cannot listen on {}", config.http.listen))?;
    let http = listener.local_addr().context("the twin's API has no address")?;
    tasks.spawn(http::serve(listener, asks, shutdown.clone()));
    let station_of_point = places_of(&points, &stations);
    let mut field = Field { twin, clock, stations, station_of_point };
    // Whoever connects at once finds values.
    field.step();
    tasks.spawn(field.run(reports, asked, shutdown));
    info!(%http, stations = config.stations.first_port, "Twin runs");
    Ok(TwinHandle { http, stations: listed, tasks })
}

fn station_link(
    config: &TwinConfig,
    index: usize,
    name: &str,
    points: &Arc<PointList>,
) -> anyhow::Result<StationLink> {
    let protocol = LinkProtocol::Iec104(config.station(index).map_err(anyhow::Error::msg)?);
    // The driver makes the station anew after a panic; here it is made once to know that it can be.
    protocol.station(name, points).map_err(anyhow::Error::msg)?;
    let tls = match protocol.tls() {
        None => None,
        Some(files) => {
            let files =
                TlsFiles { ca: files.ca, certificate: files.certificate, key: files.key, crl: files.crl };
            Some(TlsServer::load(&files).context("iec104.tls")?)
        }
    };
    let (link, points) = (name.to_owned(), Arc::clone(points));
    Ok(StationLink {
        tag: LinkTag(u32::try_from(index).context("too many stations")?),
        name: Arc::from(name),
        make: Box::new(move || {
            protocol
                .station(&link, &points)
                .unwrap_or_else(|reason| unreachable!("the same station was made before: {reason}"))
        }),
        listen: config.listen(index)?,
        tls,
        counters: Arc::new(LinkCounters::default()),
    })
}

/// The station of every point.
fn places_of(points: &PointList, stations: &[Station]) -> Vec<Option<usize>> {
    let mut places = vec![None; points.len()];
    for (at, station) in stations.iter().enumerate() {
        for point in points.of_link(&station.name) {
            places[point.at()] = Some(at);
        }
    }
    places
}

struct Station {
    name: String,
    address: SocketAddr,
    inputs: mpsc::Sender<StationInput>,
    counters: Arc<LinkCounters>,
    state: LinkState,
    silent: bool,
    /// Inputs that did not fit into the queue.
    lost: u64,
}

impl Station {
    /// A station that does not keep up loses values instead of holding up the others; it gets the next ones.
    fn tell(&mut self, input: StationInput) {
        if self.inputs.try_send(input).is_err() {
            if self.lost == 0 {
                warn!(station = %self.name, "Station does not take its values");
            }
            self.lost += 1;
        }
    }
}

struct Field {
    twin: Twin,
    clock: Clock,
    stations: Vec<Station>,
    station_of_point: Vec<Option<usize>>,
}

impl Field {
    async fn run(
        mut self,
        mut reports: mpsc::Receiver<(LinkTag, StationReport)>,
        mut asked: mpsc::Receiver<Ask>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut second = tokio::time::interval_at(Instant::now() + STEP, STEP);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let due = self.due();
            tokio::select! {
                // A shutdown whose sender is gone is a shutdown, too.
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = second.tick() => self.step(),
                () = tokio::time::sleep_until(due) => self.advance(),
                Some((tag, report)) = reports.recv() => self.report(tag, report),
                Some(ask) = asked.recv() => self.answer(ask),
            }
        }
    }

    fn due(&self) -> Instant {
        let wait = self.twin.poll_timeout().map(|due: Mono| due.since(self.clock.now().mono));
        Instant::now() + wait.unwrap_or(IDLE).min(IDLE)
    }

    fn step(&mut self) {
        let outcome = self.twin.step(self.clock.now());
        self.pass_on(outcome);
    }

    fn advance(&mut self) {
        let outcome = self.twin.advance(self.clock.now());
        self.pass_on(outcome);
    }

    fn pass_on(&mut self, outcome: StepOutcome) {
        for sample in outcome.samples {
            self.update(sample);
        }
        for command in outcome.terminated {
            self.answer_command(command, CommandAnswer::Terminate);
        }
        for report in outcome.reports {
            self.log(report);
        }
        self.keep_silence();
    }

    fn station_of(&mut self, point: signal::PointId) -> Option<&mut Station> {
        let at = self.station_of_point.get(point.at()).copied().flatten()?;
        self.stations.get_mut(at)
    }

    fn update(&mut self, sample: Sample) {
        if let Some(station) = self.station_of(sample.point) {
            station.tell(StationInput::Update(sample));
        }
    }

    fn answer_command(&mut self, command: Command, answer: CommandAnswer) {
        if let Some(station) = self.station_of(command.point) {
            station.tell(StationInput::Answer(command, answer));
        }
    }

    fn keep_silence(&mut self) {
        for (index, station) in (0_u32..).map(SubstationIdx).zip(&mut self.stations) {
            let silent = self.twin.is_silent(index);
            if silent != station.silent {
                station.silent = silent;
                station.tell(StationInput::Silent(silent));
            }
        }
    }

    fn report(&mut self, tag: LinkTag, report: StationReport) {
        let Some(station) = usize::try_from(tag.0).ok().and_then(|at| self.stations.get_mut(at)) else {
            return;
        };
        match report {
            StationReport::Event(_, StationEvent::Command(command, phase)) => {
                let answer = self.twin.command(self.clock.now(), command, phase);
                info!(station = %station.name, ?phase, value = %command.value, ?answer, "Command");
                station.tell(StationInput::Answer(command, answer));
                self.advance();
            }
            StationReport::Event(_, StationEvent::Link(state)) => station.state = state,
            // The twin's clock is the machine's own, and the driver counts faults and closes channels itself.
            StationReport::Event(
                _,
                StationEvent::ClockSet(_) | StationEvent::Fault(_) | StationEvent::Close(_),
            ) => {}
            StationReport::Panicked(message) => {
                error!(station = %station.name, message, "Station panicked and starts again");
                station.state = LinkState::Down;
            }
        }
    }

    fn log(&self, report: Report) {
        match report {
            Report::IslandCollapsed { substations, reason } => {
                warn!(substations = substations.join(" "), reason, "Island collapsed");
            }
            Report::Tripped { switch } => info!(switch, "Protection trips"),
            Report::CommandRefused { point, reason } => {
                let name = self.twin.points().get(point).map_or("", |point| &point.name);
                info!(point = name, reason, "Command refused");
            }
            Report::FaultEnded => info!("A fault has run out"),
        }
    }

    /// An asker that has gone does not want its answer any more, so a failed send is no fault.
    fn answer(&mut self, ask: Ask) {
        let now = self.clock.now();
        match ask {
            Ask::Truth(to) => drop(to.send(self.twin.truth().into())),
            Ask::Stations(to) => drop(to.send(self.station_views())),
            Ask::Faults(to) => drop(to.send(self.fault_views())),
            Ask::Inject(fault, lasts, to) => {
                let injected = self.twin.inject(now, fault, lasts);
                drop(to.send(injected.map(|id| self.injected(id))));
                self.advance();
            }
            Ask::Clear(id, to) => {
                let ids: Vec<FaultId> = match id {
                    Some(id) => vec![id],
                    None => self.twin.faults().map(|active| active.id).collect(),
                };
                let cleared = ids.into_iter().filter_map(|id| self.twin.clear(now, id));
                drop(to.send(cleared.map(|active| FaultView::of(&active, now)).collect()));
                self.advance();
            }
        }
    }

    fn injected(&self, id: FaultId) -> FaultView {
        let now = self.clock.now();
        let active = self.twin.faults().find(|active| active.id == id);
        let active = active.unwrap_or_else(|| unreachable!("fault {} was injected a moment ago", id.0));
        info!(fault = %active.fault, id = id.0, "Fault injected");
        FaultView::of(active, now)
    }

    fn fault_views(&self) -> Vec<FaultView> {
        let now = self.clock.now();
        self.twin.faults().map(|active| FaultView::of(active, now)).collect()
    }

    fn station_views(&self) -> Vec<StationView> {
        let view = |(common_address, station): (usize, &Station)| {
            let totals = station.counters.totals();
            StationView {
                name: station.name.clone(),
                address: station.address.to_string(),
                common_address,
                state: station.state.name(),
                silent: station.silent,
                rx_bytes: totals.rx_bytes,
                tx_bytes: totals.tx_bytes,
                faults: totals.faults,
                lost: station.lost,
            }
        };
        (1..).zip(&self.stations).map(view).collect()
    }
}
