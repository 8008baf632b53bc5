//! Remedial actions: what is done after an outage, and the state that it leads to.
//!
//! Actions change the system after the outage, at the same operating point; the power flow is solved again from the base
//! voltages. Switches are moved in the topology that the outage left, with its breakers open and its faulted nodes dead,
//! and the calculation model is built anew.

use model::{Network, SwitchIdx, TapChangerIdx};
use topology::calc::{BranchIdx, BusIdx, Voltages};
use topology::{Schedule, Topology};

use crate::ac::{AcState, AcSweep};
use crate::finding::Finding;
use crate::outage::{Contingency, Outage};
use crate::system::{NetworkSystem, System};

/// What can be done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Action {
    /// A branch is opened at both ends.
    OpenBranch(BranchIdx),
    /// A machine is set to a power.
    SetPower {
        /// Position in [`System::machines`].
        machine: u32,
        /// Active power, delivered.
        p_pu: f64,
    },
    /// A machine gives more or less than before.
    ChangePower {
        /// Position in [`System::machines`].
        machine: u32,
        /// Change of the active power; it stays within the limits of the machine.
        p_pu: f64,
    },
    /// A share of a load is cut.
    Shed {
        /// Position in [`System::loads`].
        load: u32,
        /// Share that goes, 0 to 1.
        share: f64,
    },
    /// The ratio of a transformer is set, bus-branch.
    SetRatio {
        /// The branch.
        branch: BranchIdx,
        /// Ratio at the *from* end.
        ratio: f64,
    },
    /// A tap changer is moved, node-breaker.
    SetTap {
        /// The tap changer.
        changer: TapChangerIdx,
        /// Its step.
        step: i16,
    },
    /// A switch is moved, node-breaker.
    Switch {
        /// The switch.
        switch: SwitchIdx,
        /// Whether it opens.
        open: bool,
    },
}

/// When to do what.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Name for people.
    pub name: String,
    /// Contingency after which it applies; `None` is any.
    pub after: Option<String>,
    /// Branch that has to be loaded above the percentage.
    pub branch: BranchIdx,
    /// That percentage, of the rating that is watched.
    pub above_percent: f64,
    /// What is done, in this order.
    pub actions: Vec<Action>,
}

/// What rules did about a contingency.
#[derive(Clone, PartialEq, Debug)]
pub struct Remedy {
    /// Positions of the rules that applied, in the order of use.
    pub rules: Vec<usize>,
    /// Finding without them.
    pub before: Finding,
    /// Finding with them.
    pub after: Finding,
}

/// The node-breaker network behind a system.
#[derive(Clone, Copy)]
pub struct Plant<'a> {
    /// The network.
    pub network: &'a Network,
    /// Positions of its switches in the base state.
    pub topology: &'a Topology,
    /// Set points in the base state.
    pub schedule: &'a Schedule,
    /// The system that was made of them.
    pub base: &'a NetworkSystem,
}

/// Why an action cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionFault {
    /// Switches and taps need a node-breaker network.
    NeedsNetwork,
    /// The switch would close onto what is faulted.
    OntoFault(SwitchIdx),
}

impl std::fmt::Display for ActionFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeedsNetwork => write!(f, "switches and taps need a node-breaker network"),
            Self::OntoFault(switch) => write!(f, "switch index {} would close onto the fault", switch.0),
        }
    }
}

impl std::error::Error for ActionFault {}

/// Applies rules to a contingency: the first that holds, then the next on the state that it led to, each at most
/// once. `None` if none holds.
///
/// # Errors
/// When a rule that holds cannot be carried out.
pub fn remedy(
    sweep: &AcSweep,
    plant: Option<Plant<'_>>,
    rules: &[Rule],
    (index, case): (usize, &Contingency),
) -> Result<Option<Remedy>, ActionFault> {
    let candidates = || {
        let after = |rule: &Rule| rule.after.as_ref().is_none_or(|name| *name == case.name);
        (0..rules.len()).filter(move |at| after(&rules[*at]))
    };
    if candidates().next().is_none() {
        return Ok(None);
    }
    let mut state = sweep.state(&case.outage);
    let before = sweep.judge(index, &state);
    let (mut used, mut actions) = (Vec::new(), Vec::new());
    for at in candidates() {
        let rule = &rules[at];
        if !sweep.loading_percent(&state, rule.branch).is_some_and(|percent| percent > rule.above_percent) {
            continue;
        }
        used.push(at);
        actions.extend(&rule.actions);
        state = after_actions(sweep, plant, &case.outage, &actions)?;
    }
    if used.is_empty() {
        return Ok(None);
    }
    Ok(Some(Remedy { rules: used, before, after: sweep.judge(index, &state) }))
}

/// The state after an outage and actions.
///
/// # Errors
/// When an action cannot be done.
pub fn after_actions(
    sweep: &AcSweep,
    plant: Option<Plant<'_>>,
    outage: &Outage,
    actions: &[Action],
) -> Result<AcState, ActionFault> {
    let of_network = |action: &Action| matches!(action, Action::Switch { .. } | Action::SetTap { .. });
    if actions.iter().any(of_network) {
        let plant = plant.ok_or(ActionFault::NeedsNetwork)?;
        return rebuilt(sweep, plant, outage, actions);
    }
    let mut outage = outage.clone();
    let system = changed(sweep.system(), actions, &mut outage);
    Ok(sweep.state_of(&system, &outage, &sweep.base().voltages))
}

/// The system with other set points; branches that open join the outage.
fn changed(system: &System, actions: &[Action], outage: &mut Outage) -> System {
    let mut system = system.clone();
    for action in actions {
        match *action {
            Action::OpenBranch(branch) => outage.join(&Outage::branch(branch)),
            Action::SetPower { machine, p_pu } => {
                let more = p_pu - system.machines[machine as usize].p_pu;
                redispatch(&mut system, machine, more);
            }
            Action::ChangePower { machine, p_pu } => {
                let data = &system.machines[machine as usize];
                let least = data.p_min_pu.min(data.p_pu);
                let wanted = (data.p_pu + p_pu).max(least).min(data.p_max_pu.max(data.p_pu));
                let more = wanted - data.p_pu;
                redispatch(&mut system, machine, more);
            }
            Action::Shed { load, share } => {
                let load = &mut system.loads[load as usize];
                let bus = &mut system.grid.buses[load.bus.at()];
                bus.p_pu += share * load.p_pu;
                bus.q_pu += share * load.q_pu;
                bus.q_load_pu -= share * load.q_pu;
                load.p_pu *= 1.0 - share;
                load.q_pu *= 1.0 - share;
            }
            Action::SetRatio { branch, ratio } => system.grid.branches[branch.at()].ratio = ratio,
            Action::Switch { .. } | Action::SetTap { .. } => {}
        }
    }
    system
}

fn redispatch(system: &mut System, machine: u32, more_pu: f64) {
    let machine = &mut system.machines[machine as usize];
    machine.p_pu += more_pu;
    system.grid.buses[machine.bus.at()].p_pu += more_pu;
}

/// Builds the calculation model of the moved switches and brings its solution back to the buses and branches of the
/// base.
fn rebuilt(
    sweep: &AcSweep,
    plant: Plant<'_>,
    outage: &Outage,
    actions: &[Action],
) -> Result<AcState, ActionFault> {
    let Plant { network, base, .. } = plant;
    let mut topology = plant.topology.clone();
    for switch in &outage.zone.opened {
        topology.set_switch(*switch, true);
    }
    let mut lost = Outage::default();
    let set_points = changed(sweep.system(), actions, &mut lost);
    let mut schedule = plant.schedule.clone();
    write_back(&set_points, base, &mut schedule);
    for action in actions {
        match *action {
            Action::Switch { switch, open } => {
                topology.set_switch(switch, open);
                let ends = network[switch].terminals.map(|end| network.node_of(end));
                if !open && ends.iter().any(|node| outage.zone.nodes.binary_search(node).is_ok()) {
                    return Err(ActionFault::OntoFault(switch));
                }
            }
            Action::SetTap { changer, step } => {
                if let Some(place) = schedule.tap_step.get_mut(changer.at()) {
                    *place = step;
                }
            }
            Action::OpenBranch(_)
            | Action::SetPower { .. }
            | Action::ChangePower { .. }
            | Action::Shed { .. }
            | Action::SetRatio { .. } => {}
        }
    }
    let built = System::from_network(network, &topology, &schedule);
    let mut after = Outage::default();
    after.buses.extend(outage.zone.nodes.iter().filter_map(|node| built.map.node[node.at()]));
    let opened = lost.branches.iter().filter_map(|branch| built.map.branch(base.map.equipment[branch.at()]));
    after.branches.extend(opened);
    after.tidy();
    let voltages = carried(sweep, base, &built);
    Ok(brought_back(sweep.state_of(&built.system, &after, &voltages), base, &built))
}

/// Set points of the system into the schedule of the network.
fn write_back(system: &System, base: &NetworkSystem, schedule: &mut Schedule) {
    let mva = system.grid.base_mva;
    for (place, machine) in schedule.machine_p_mw.iter_mut().zip(&base.machines) {
        if let Some(machine) = machine {
            *place = system.machines[*machine as usize].p_pu * mva;
        }
    }
    let loads = schedule.load_p_mw.iter_mut().zip(&mut schedule.load_q_mvar).zip(&base.loads);
    for ((p, q), load) in loads {
        if let Some(load) = load {
            let load = &system.loads[*load as usize];
            (*p, *q) = (load.p_pu * mva, load.q_pu * mva);
        }
    }
}

/// Voltages of the base state at the buses of another model of the same network.
fn carried(sweep: &AcSweep, base: &NetworkSystem, built: &NetworkSystem) -> Voltages {
    let from = |nodes: &Vec<model::NodeIdx>| nodes.iter().find_map(|node| base.map.node[node.at()]);
    let known = &sweep.base().voltages;
    let figure = |values: &[f64]| -> Vec<f64> {
        built.map.nodes.iter().map(|nodes| from(nodes).map_or(f64::NAN, |bus| values[bus.at()])).collect()
    };
    Voltages { vm_pu: figure(&known.vm_pu), va_rad: figure(&known.va_rad) }
}

/// The state in the buses and branches of the base; what the base does not have gets an index that nothing has.
fn brought_back(mut state: AcState, base: &NetworkSystem, built: &NetworkSystem) -> AcState {
    let bus_of = |bus: &BusIdx| built.map.nodes[bus.at()].iter().find_map(|node| base.map.node[node.at()]);
    let branch_of = |branch: &BranchIdx| base.map.branch(built.map.equipment[branch.at()]);
    let left = &mut state.left;
    let mut bus = vec![None; base.system.grid.buses.len()];
    for (at, built) in (0_u32..).zip(&left.buses) {
        if let Some(place) = bus_of(built).and_then(|known| bus.get_mut(known.at())) {
            let _known: &mut BusIdx = place.get_or_insert(BusIdx(at));
        }
    }
    for branch in &mut left.branches {
        *branch = branch_of(branch).unwrap_or(BranchIdx(u32::MAX));
    }
    for bus in &mut left.buses {
        *bus = bus_of(bus).unwrap_or(BusIdx(u32::MAX));
    }
    left.lost.buses = (0_u32..).zip(&bus).filter(|(_, at)| at.is_none()).map(|(at, _)| BusIdx(at)).collect();
    left.lost.load_pu = lost_at(&bus, base.system.loads.iter().map(|load| (load.bus, load.p_pu)));
    left.lost.generation_pu =
        lost_at(&bus, base.system.machines.iter().map(|machine| (machine.bus, machine.p_pu)));
    left.bus = bus;
    state
}

fn lost_at(bus: &[Option<BusIdx>], parts: impl Iterator<Item = (BusIdx, f64)>) -> f64 {
    parts.filter(|(at, _)| bus[at.at()].is_none()).map(|(_, p_pu)| p_pu).sum()
}
