//! The truth of a twin, put together from its parts.

use super::Twin;
use crate::physics::Power;
use crate::truth::{
    BranchTruth, InjectionKind, InjectionTruth, SubstationTruth, SwitchTruth, TapTruth, Truth,
};
use model::{
    Equipment, LineIdx, NodeIdx, SubstationIdx, SwitchIdx, TapChangerIdx, TerminalIdx, TransformerIdx,
};
use timebase::Utc;

impl Twin {
    /// What really is, as of the last call.
    pub fn truth(&self) -> Truth {
        Truth {
            time: self.last.map_or(Utc::default(), |now| now.utc),
            substations: self.substations(),
            branches: self.branches(),
            switches: SwitchIdx::all(self.network.switches().len())
                .map(|switch| SwitchTruth {
                    name: self.network[switch].name.clone(),
                    state: self.drives.state(switch),
                })
                .collect(),
            taps: TapChangerIdx::all(self.network.tap_changers().len())
                .map(|changer| TapTruth {
                    name: self.network[changer].name.clone(),
                    step: self.drives.step(changer),
                })
                .collect(),
            injections: self.injections(),
        }
    }

    fn substations(&self) -> Vec<SubstationTruth> {
        let mut busbars: Vec<Option<NodeIdx>> = vec![None; self.network.substations().len()];
        for busbar in self.network.busbars() {
            let node = self.network.node_of(busbar.terminal);
            busbars[self.network.substation_of(node).at()].get_or_insert(node);
        }
        let truth = |(place, node): (SubstationIdx, &Option<NodeIdx>)| {
            let voltage = node.and_then(|node| self.physics.voltage(node));
            let nominal_kv = node.map(|node| self.network.voltage_level_of(node).nominal_kv);
            SubstationTruth {
                name: self.network[place].name.clone(),
                vm_pu: voltage.map(|voltage| voltage.vm_pu),
                va_degree: voltage.map(|voltage| voltage.va_degree),
                vm_kv: voltage.zip(nominal_kv).map(|(voltage, kv)| voltage.vm_pu * kv),
            }
        };
        SubstationIdx::all(busbars.len()).zip(&busbars).map(truth).collect()
    }

    fn branches(&self) -> Vec<BranchTruth> {
        let lines = LineIdx::all(self.network.lines().len()).map(Equipment::Line);
        let transformers = TransformerIdx::all(self.network.transformers().len()).map(Equipment::Transformer);
        let truth = |branch: Equipment| {
            let ends = self.network.terminals_of(branch);
            let [from, to] = ends.as_slice() else { return None };
            let (at_from, at_to) = (self.physics.power(*from), self.physics.power(*to));
            Some(BranchTruth {
                name: self.network.name_of(branch).to_owned(),
                from: self.place_of(*from),
                to: self.place_of(*to),
                p_from_mw: at_from.p_mw,
                q_from_mvar: at_from.q_mvar,
                p_to_mw: at_to.p_mw,
                q_to_mvar: at_to.q_mvar,
            })
        };
        lines.chain(transformers).filter_map(truth).collect()
    }

    fn place_of(&self, terminal: TerminalIdx) -> String {
        self.network[self.network.substation_of(self.network.node_of(terminal))].name.clone()
    }

    fn injections(&self) -> Vec<InjectionTruth> {
        let truth = |name: &str, kind: InjectionKind, terminal: TerminalIdx| {
            let drawn = self.physics.power(terminal);
            let power = match kind {
                InjectionKind::Machine => Power { p_mw: 0.0 - drawn.p_mw, q_mvar: 0.0 - drawn.q_mvar },
                InjectionKind::Load | InjectionKind::Shunt => drawn,
            };
            InjectionTruth { name: name.to_owned(), kind, p_mw: power.p_mw, q_mvar: power.q_mvar }
        };
        let machines =
            self.network.machines().iter().map(|m| truth(&m.name, InjectionKind::Machine, m.terminal));
        let loads = self.network.loads().iter().map(|l| truth(&l.name, InjectionKind::Load, l.terminal));
        let shunts = self.network.shunts().iter().map(|s| truth(&s.name, InjectionKind::Shunt, s.terminal));
        machines.chain(loads).chain(shunts).collect()
    }
}
