//! The interlocks of the network (`topology::interlock`) at the command gate, in words for people.

use crate::gate_config::{InterlockConfig, Rule};
use crate::study::Action;
use model::{MeasurementIdx, MeasurementRole, Network, NodeIdx, SwitchIdx};
use scada::gate::{Bar, Interlock};
use scada::table::Table;
use signal::{DoublePoint, PointId, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use topology::Topology;
use topology::interlock::{Earth, Hindrance, Switchgear};

/// Names that a text lists at most.
const NAMED: usize = 5;

/// An earth switch of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct EarthSwitch {
    /// Name of its point.
    pub(crate) point: String,
    /// What it earths.
    pub(crate) nodes: Vec<NodeIdx>,
}

/// The rules of the network.
#[derive(Debug)]
pub(crate) struct NetworkInterlock {
    network: Arc<Network>,
    gear: Switchgear,
    normal: Topology,
    config: InterlockConfig,
    earths: Vec<EarthSwitch>,
}

/// Nodes of the equipment with that name.
pub(crate) fn nodes_named(network: &Network, name: &str) -> Vec<NodeIdx> {
    let named = |terminal: &&model::Terminal| network.name_of(terminal.equipment) == name;
    network.terminals().iter().filter(named).map(|terminal| terminal.node).collect()
}

impl NetworkInterlock {
    /// The rules of a network.
    pub(crate) fn new(network: Arc<Network>, config: InterlockConfig, earths: Vec<EarthSwitch>) -> Self {
        Self { gear: Switchgear::new(&network), normal: Topology::new(&network), network, config, earths }
    }

    /// The topology that the table shows. A position that is not known counts as closed: that is the dangerous side.
    fn topology(&self, table: &Table, positions: &BTreeMap<PointId, Value>) -> Topology {
        let mut topology = self.normal.clone();
        for at in MeasurementIdx::all(self.network.measurements().len()) {
            let measurement = &self.network[at];
            let MeasurementRole::SwitchPosition(switch) = measurement.role else { continue };
            let Some(point) = table.points().by_mrid(measurement.mrid.as_str()) else { continue };
            let value = value_among(point, positions, table);
            let open = value.and_then(Value::is_on).is_some_and(|closed| !closed);
            topology.set_switch(switch, open);
        }
        topology
    }

    fn earths(&self, table: &Table, positions: &BTreeMap<PointId, Value>) -> Vec<Earth> {
        let earth = |earth: &EarthSwitch| {
            let point = table.points().named(&earth.point);
            let value = point.and_then(|point| value_among(point, positions, table));
            let closed = value.and_then(Value::is_on) != Some(false);
            Earth { name: earth.point.clone(), nodes: earth.nodes.clone(), closed }
        };
        self.earths.iter().map(earth).collect()
    }

    fn bar(&self, switch: &str, hindrance: &Hindrance) -> Option<Bar> {
        let names = |list: Vec<&str>| {
            let shown = list.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            if list.len() > NAMED { format!("{shown} and {} more", list.len() - NAMED) } else { shown }
        };
        let config = &self.config;
        let (rule, code, text, hint) = match hindrance {
            Hindrance::Earthed { earth } => {
                let text = format!("{switch} would close onto an earth: {earth} is closed");
                (config.earth, "earthed", text, "open the earth switch first")
            }
            Hindrance::Energised { section } => {
                let text = format!("{switch} would earth an energised section at {section}");
                (config.earth, "energised", text, "isolate the section first")
            }
            Hindrance::UnderLoad { breakers } => {
                let list =
                    names(breakers.iter().map(|breaker| self.network[*breaker].name.as_str()).collect());
                let first = if list.is_empty() { "a breaker".to_owned() } else { list };
                let text = format!("{switch} is a disconnector and would carry load: {first} is not open");
                (config.load, "under_load", text, "open the breaker first")
            }
            Hindrance::Parallels => {
                let text = format!("{switch} would join two energised islands without a synchrocheck");
                (config.parallel.unwrap_or(Rule::Refuse), "parallel", text, "synchronise on the spot")
            }
            Hindrance::ClosesLoop => {
                let text = format!("{switch} would close a loop");
                (config.r#loop, "loop", text, "look at the flows of the study")
            }
            Hindrance::DeEnergises { loads } => {
                let list = names(loads.iter().map(|load| self.network[*load].name.as_str()).collect());
                let mw: f64 = loads.iter().map(|load| self.network[*load].p_mw).sum();
                let text = format!("{switch} would take the supply from {list} ({mw:.1} MW by the model)");
                (config.supply, "supply", text, "supply them another way first")
            }
            Hindrance::Splits => {
                let text = format!("{switch} would split the grid into two islands");
                (config.supply, "split", text, "see that both have generation")
            }
        };
        match rule {
            Rule::Off => None,
            Rule::Refuse | Rule::Warn => Some(Bar { code, text, hint, refuses: rule == Rule::Refuse }),
        }
    }

    /// What stands against a value on the positions of the table and those that differ from it.
    fn look(
        &self,
        point: PointId,
        value: Value,
        (table, positions): (&Table, &BTreeMap<PointId, Value>),
    ) -> Vec<Bar> {
        let Some(closed) = value.is_on() else { return Vec::new() };
        let name = table.points().get(point).map_or("", |def| def.name.as_str());
        let topology = || self.topology(table, positions);
        let hindrances = if let Some(switch) = self.switch_of(point, table) {
            self.gear.hindrances(&topology(), (switch, !closed), &self.earths(table, positions))
        } else if let Some(earth) = self.earths.iter().find(|earth| earth.point == name).filter(|_| closed) {
            self.gear.earthing(&topology(), &earth.nodes, &self.network).into_iter().collect()
        } else {
            Vec::new()
        };
        hindrances.iter().filter_map(|hindrance| self.bar(name, hindrance)).collect()
    }

    fn switch_of(&self, point: PointId, table: &Table) -> Option<SwitchIdx> {
        let def = table.points().get(point)?;
        match self.network[self.network.measurement_by_mrid(&def.mrid)?].role {
            MeasurementRole::SwitchPosition(switch) => Some(switch),
            _ => None,
        }
    }
}

fn value_among(point: PointId, positions: &BTreeMap<PointId, Value>, table: &Table) -> Option<Value> {
    positions.get(&point).copied().or_else(|| table.get(point).and_then(|state| state.value))
}

const fn opposite(value: Value) -> Option<Value> {
    match value {
        Value::Single(on) => Some(Value::Single(!on)),
        Value::Double(DoublePoint::On) => Some(Value::Double(DoublePoint::Off)),
        Value::Double(DoublePoint::Off) => Some(Value::Double(DoublePoint::On)),
        Value::Double(DoublePoint::Intermediate | DoublePoint::Bad)
        | Value::Analog(_)
        | Value::Step(_)
        | Value::Counter(_)
        | Value::Bits(_) => None,
    }
}

impl Interlock for NetworkInterlock {
    fn bars(&self, point: PointId, value: Value, table: &Table) -> Vec<Bar> {
        self.look(point, value, (table, &BTreeMap::new()))
    }

    fn bars_among(&self, point: PointId, positions: &BTreeMap<PointId, Value>, table: &Table) -> Vec<Bar> {
        let Some(value) = positions.get(&point).copied() else { return Vec::new() };
        let mut before = positions.clone();
        if let Some(opposite) = opposite(value) {
            before.insert(point, opposite);
        }
        self.look(point, value, (table, &before))
    }

    fn has_effect(&self, point: PointId, value: Value, table: &Table) -> bool {
        table.points().get(point).is_some_and(|def| Action::of(&self.network, def, value).is_some())
    }
}

#[cfg(test)]
mod tests;
