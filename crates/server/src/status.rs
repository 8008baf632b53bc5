//! State of the platform as clients see it.

use crate::core::Core;
use crate::views::stamp;
use api::{AlarmCounts, Counters, EstimationView, LinkView, PointCounts, StatusView};
use scada::alarm::AlarmList;
use timebase::Now;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The status at this moment. O(points + links).
pub(crate) fn view(core: &Core, now: Now) -> StatusView {
    let points = core.centre.table().count();
    let counters = core.centre.counters();
    // The sockets count on while this reads: first what was taken, so that nothing was taken before it was received.
    let (taken, coalesced) = (core.gateway.taken(), core.intake.counts().coalesced);
    let received: u64 = core.links.iter().map(|link| link.counters.totals().samples).sum();
    StatusView {
        name: core.name.clone(),
        version: VERSION.to_owned(),
        mode: core.mode.to_owned(),
        started_at: stamp(core.started.utc),
        now: stamp(now.utc),
        cycle: core.cycle,
        points: PointCounts {
            revision: core.lists.borrow().revision,
            total: points.total,
            good: points.good,
            stale: points.stale,
            invalid: points.invalid,
        },
        counters: Counters {
            received,
            waiting: received.saturating_sub(taken + coalesced),
            coalesced,
            processed: counters.processed,
            held: counters.held,
            calculated: counters.calculated,
            within_deadband: counters.within_deadband,
            changed: core.recorder.recorded(),
            stored: core.recorder.stored(),
            served: core.hub.served(),
            shed: counters.unknown + core.gateway.foreign(),
            changes_shed: core.recorder.shed().analogs,
            states_shed: core.recorder.shed().states,
        },
        sessions: sessions(core),
        estimation: EstimationView {
            state: core.estimate.state.name().to_owned(),
            iterations: core.estimate.iterations,
            objective: core.estimate.objective,
            redundancy: core.estimate.redundancy,
            bad_data: core.estimate.bad_data.len(),
            age_s: core.estimate.at.map(|at| now.mono.since(at.mono).as_secs_f64()),
        },
        clock: core.time.view(),
        alarms: AlarmCounts {
            approvals: core.approvals.list.iter().len(),
            ..alarm_counts(core.centre.alarms())
        },
        backup: core.backup.as_ref().map(|schedule| schedule.view(now.utc)),
    }
}

/// Alarms in short. O(1).
pub(crate) fn alarm_counts(alarms: &AlarmList) -> AlarmCounts {
    let (tally, (rate, flood)) = (alarms.tally(), alarms.flood());
    AlarmCounts {
        active: tally.active,
        unacknowledged: tally.unacknowledged(),
        shelved: tally.shelved,
        suppressed: tally.suppressed,
        out_of_service: tally.out_of_service,
        rate,
        flood_since: flood.map(|flood| stamp(flood.began)),
        flood_alarms: flood.map(|flood| flood.alarms),
        approvals: 0,
    }
}

fn sessions(core: &Core) -> Vec<LinkView> {
    let ports = core.links.iter();
    core.gateway
        .links()
        .iter()
        .zip(ports)
        .map(|(link, port)| (link, port.counters.totals()))
        .map(|(link, totals)| LinkView {
            name: link.name.to_string(),
            protocol: link.protocol.to_owned(),
            state: link.state.name().to_owned(),
            endpoint: link.endpoint.clone(),
            since: stamp(link.since),
            rx_bytes: totals.rx_bytes,
            tx_bytes: totals.tx_bytes,
            faults: link.faults,
        })
        .collect()
}
