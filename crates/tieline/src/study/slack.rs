//! Who delivers what is missing beyond the schedule of a study.

use clap::ValueEnum;
use powerflow::control::{self, Note, Which};
use powerflow::{Options, Solution, Solver};
use topology::control::{Controls, Participant};

use super::network::StudyNetwork;

/// Who delivers what is missing beyond the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum SlackShare {
    /// The references alone.
    Reference,
    /// All generators in proportion to Pmax, within Pmin and Pmax.
    Capacity,
    /// All generators that deliver something, in proportion to Pg.
    Generation,
}

/// Solves a network with its slack shared; messages about generators without room.
pub(super) fn solve(network: &StudyNetwork, share: SlackShare, options: &Options) -> (Solution, Vec<String>) {
    if share == SlackShare::Reference {
        return (powerflow::solve(&network.grid, options), Vec::new());
    }
    let controls = Controls { participants: participants(network, share), ..Controls::default() };
    let done = control::solve(&mut Solver::new(), &network.grid, &controls, options);
    (done.solution, done.notes.into_iter().map(note_text).collect())
}

/// Weight of each generator in the balance, by row of its table.
pub(super) fn weights(network: &StudyNetwork, share: SlackShare) -> Vec<f64> {
    let machines = network.case.generators.iter();
    let weight = |mw: f64| if mw.is_finite() { mw.max(0.0) } else { 0.0 };
    match share {
        SlackShare::Reference => vec![0.0; machines.len()],
        SlackShare::Capacity => machines.map(|machine| weight(machine.pmax_mw)).collect(),
        SlackShare::Generation => machines.map(|machine| weight(machine.pg_mw)).collect(),
    }
}

fn participants(network: &StudyNetwork, share: SlackShare) -> Vec<Participant> {
    let base = network.grid.base_mva;
    let rows = network.map.generators.iter().zip(&network.case.generators).zip(weights(network, share));
    rows.filter_map(|((bus, machine), factor)| {
        let room_pu = match share {
            SlackShare::Capacity => {
                [machine.pmin_mw, machine.pmax_mw].map(|limit| (limit - machine.pg_mw) / base)
            }
            SlackShare::Reference | SlackShare::Generation => [f64::NEG_INFINITY, f64::INFINITY],
        };
        bus.map(|bus| Participant { bus, factor, room_pu: [room_pu[0].min(0.0), room_pu[1].max(0.0)] })
    })
    .collect()
}

fn note_text(note: Note) -> String {
    match note {
        Note::AtEnd(Which::Slack(island)) => {
            format!("island {}: no generator has room left; the reference delivers the rest", island + 1)
        }
        Note::AtEnd(which) => format!("{which:?}: at its end"),
        Note::Hunting(which) => format!("{which:?}: stopped because it kept turning round"),
        Note::StillMoving(which) => format!("{which:?}: still moving"),
    }
}
