//! The network as the page draws it: substations, branches, and the points of their elements.

use api::{BranchEndView, BranchView, EquipmentView, NetworkView, SubstationView, SwitchView};
use model::{
    Equipment, LineIdx, LoadIdx, MachineIdx, MeasurementRole, Network, ShuntIdx, SubstationIdx, SwitchIdx,
    SwitchKind, TapChangerIdx, TerminalIdx, TransformerIdx, VoltageLevel,
};
use signal::PointList;
use std::collections::HashMap;

/// Point ids by what they measure.
struct Points(HashMap<MeasurementRole, u32>);

impl Points {
    fn of(&self, role: MeasurementRole) -> Option<u32> {
        self.0.get(&role).copied()
    }
}

/// Builds the view once; it changes only with the network.
pub(crate) fn view(network: &Network, points: &PointList) -> NetworkView {
    let bound = network
        .measurements()
        .iter()
        .filter_map(|m| points.by_mrid(m.mrid.as_str()).map(|id| (m.role, id.0)));
    // Of several devices that read the same, the first one is drawn: it overwrites the others.
    let points = Points(bound.rev().collect());
    let lines = LineIdx::all(network.lines().len()).map(|index| line(network, &points, index));
    let transformers =
        TransformerIdx::all(network.transformers().len()).map(|index| transformer(network, &points, index));
    NetworkView {
        name: network.name().to_owned(),
        base_mva: network.base_mva(),
        frequency_hz: network.frequency_hz(),
        substations: SubstationIdx::all(network.substations().len())
            .map(|s| substation(network, &points, s))
            .collect(),
        branches: lines.chain(transformers).collect(),
    }
}

fn place(network: &Network, terminal: TerminalIdx) -> SubstationIdx {
    network.substation_of(network.node_of(terminal))
}

fn substation(network: &Network, points: &Points, index: SubstationIdx) -> SubstationView {
    let entry = &network[index];
    let busbar = network.busbars().iter().find(|busbar| place(network, busbar.terminal) == index);
    let node = busbar.map(|busbar| network.node_of(busbar.terminal));
    let level = node.map(|node| network.voltage_level_of(node));
    let limit_pu = |limit: fn(&VoltageLevel) -> Option<f64>| {
        level.and_then(|level| limit(level).map(|limit_kv| limit_kv / level.nominal_kv))
    };
    SubstationView {
        id: entry.mrid.to_string(),
        name: entry.name.clone(),
        x: entry.x,
        y: entry.y,
        base_kv: level.map_or(0.0, |level| level.nominal_kv),
        low_pu: limit_pu(|level| level.low_voltage_limit_kv),
        high_pu: limit_pu(|level| level.high_voltage_limit_kv),
        voltage_point: node.and_then(|node| points.of(MeasurementRole::BusbarVoltage(node))),
        switches: switches(network, points, index),
        equipment: equipment(network, points, index),
    }
}

fn switches(network: &Network, points: &Points, at: SubstationIdx) -> Vec<SwitchView> {
    SwitchIdx::all(network.switches().len())
        .filter(|switch| place(network, network[*switch].terminals[0]) == at)
        .map(|index| {
            let switch = &network[index];
            let served = switch.bay.map(|bay| network[network[bay].serves].equipment);
            SwitchView {
                name: switch.name.clone(),
                kind: match switch.kind {
                    SwitchKind::Breaker => "breaker".to_owned(),
                    SwitchKind::Disconnector => "disconnector".to_owned(),
                },
                point: points.of(MeasurementRole::SwitchPosition(index)),
                equipment: served.map_or_else(String::new, |equipment| network.name_of(equipment).to_owned()),
            }
        })
        .collect()
}

fn equipment(network: &Network, points: &Points, at: SubstationIdx) -> Vec<EquipmentView> {
    let entry = |name: &str, kind: &str, active, reactive| EquipmentView {
        name: name.to_owned(),
        kind: kind.to_owned(),
        p_point: active,
        q_point: reactive,
    };
    let machines = MachineIdx::all(network.machines().len())
        .filter(|i| place(network, network[*i].terminal) == at)
        .map(|i| {
            let active = points.of(MeasurementRole::MachineActiveInjection(i));
            entry(
                &network[i].name,
                "machine",
                active,
                points.of(MeasurementRole::MachineReactiveInjection(i)),
            )
        });
    let loads =
        LoadIdx::all(network.loads().len()).filter(|i| place(network, network[*i].terminal) == at).map(|i| {
            let active = points.of(MeasurementRole::LoadActive(i));
            entry(&network[i].name, "load", active, points.of(MeasurementRole::LoadReactive(i)))
        });
    let shunts =
        ShuntIdx::all(network.shunts().len()).filter(|i| place(network, network[*i].terminal) == at).map(
            |i| entry(&network[i].name, "shunt", None, points.of(MeasurementRole::ShuntReactiveInjection(i))),
        );
    machines.chain(loads).chain(shunts).collect()
}

fn line(network: &Network, points: &Points, index: LineIdx) -> BranchView {
    let entry = &network[index];
    let base = BranchView {
        id: entry.mrid.to_string(),
        name: entry.name.clone(),
        ..series(network, points, entry.terminals)
    };
    BranchView { kind: "line".to_owned(), rate_mva: entry.rating_mva.unwrap_or(0.0), ..base }
}

fn transformer(network: &Network, points: &Points, index: TransformerIdx) -> BranchView {
    let entry = &network[index];
    let ends = [entry.ends[0].terminal, entry.ends[1].terminal];
    let changer: Option<TapChangerIdx> = entry.ends.iter().find_map(|end| end.ratio_tap_changer);
    let base =
        BranchView { id: entry.mrid.to_string(), name: entry.name.clone(), ..series(network, points, ends) };
    BranchView {
        kind: "transformer".to_owned(),
        rate_mva: entry.rating_mva.unwrap_or(0.0),
        tap_point: changer.and_then(|changer| points.of(MeasurementRole::TapPosition(changer))),
        ..base
    }
}

/// What lines and transformers have in common.
fn series(network: &Network, points: &Points, ends: [TerminalIdx; 2]) -> BranchView {
    let at = |end: usize| place(network, ends[end]).at();
    BranchView {
        id: String::new(),
        name: String::new(),
        kind: String::new(),
        from: at(0),
        to: at(1),
        rate_mva: 0.0,
        base_kv: network.voltage_level_of(network.node_of(ends[0])).nominal_kv,
        from_end: branch_end(network, points, ends[0]),
        to_end: branch_end(network, points, ends[1]),
        tap_point: None,
    }
}

fn branch_end(network: &Network, points: &Points, terminal: TerminalIdx) -> BranchEndView {
    let switch = |kind: SwitchKind| {
        let found = network.switches_of(terminal).iter().find(|switch| network[**switch].kind == kind)?;
        points.of(MeasurementRole::SwitchPosition(*found))
    };
    debug_assert!(!matches!(network[terminal].equipment, Equipment::Switch(_)), "a branch end is no switch");
    BranchEndView {
        p_point: points.of(MeasurementRole::ActiveFlow(terminal)),
        q_point: points.of(MeasurementRole::ReactiveFlow(terminal)),
        breaker_point: switch(SwitchKind::Breaker),
        disconnector_point: switch(SwitchKind::Disconnector),
    }
}
