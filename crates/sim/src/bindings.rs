//! Which point reads what: the points of the list tied to the measurements of the network by their mRID.

use crate::TwinError;
use model::{MeasurementIdx, MeasurementRole, Network, SwitchIdx, TapChangerIdx};
use signal::{PointId, PointKind, PointList};

/// The electrical meaning of every point, both ways for what can be operated.
#[derive(Clone, Debug)]
pub(crate) struct Bindings {
    roles: Vec<Option<MeasurementRole>>,
    switches: Vec<Option<PointId>>,
    taps: Vec<Option<PointId>>,
}

impl Bindings {
    /// Ties every point that has a binding. A point without one is entered or calculated: not of the field.
    pub(crate) fn new(network: &Network, points: &PointList) -> Result<Self, TwinError> {
        let mut bindings = Self {
            roles: Vec::with_capacity(points.len()),
            switches: vec![None; network.switches().len()],
            taps: vec![None; network.tap_changers().len()],
        };
        for (id, point) in points.iter() {
            if point.binding.is_none() {
                bindings.roles.push(None);
                continue;
            }
            let measurement: MeasurementIdx = network.measurement_by_mrid(&point.mrid).ok_or_else(|| {
                TwinError::UnknownMeasurement { point: point.name.clone(), mrid: point.mrid.clone() }
            })?;
            let role = network[measurement].role;
            if !fits(role, point.kind) {
                return Err(TwinError::WrongKind { point: point.name.clone(), kind: point.kind.name() });
            }
            bindings.tie(role, id);
            bindings.roles.push(Some(role));
        }
        Ok(bindings)
    }

    fn tie(&mut self, role: MeasurementRole, id: PointId) {
        let place = match role {
            MeasurementRole::SwitchPosition(switch) => self.switches.get_mut(switch.at()),
            MeasurementRole::TapPosition(changer) => self.taps.get_mut(changer.at()),
            MeasurementRole::BusbarVoltage(_)
            | MeasurementRole::BayVoltage(_)
            | MeasurementRole::ActiveFlow(_)
            | MeasurementRole::ReactiveFlow(_)
            | MeasurementRole::MachineActiveInjection(_)
            | MeasurementRole::MachineReactiveInjection(_)
            | MeasurementRole::LoadActive(_)
            | MeasurementRole::LoadReactive(_)
            | MeasurementRole::LoadEnergy(_)
            | MeasurementRole::ShuntReactiveInjection(_) => None,
        };
        if let Some(place) = place {
            *place = Some(id);
        }
    }

    /// What a point reads; `None` for a point that is not of the field.
    pub(crate) fn role(&self, point: PointId) -> Option<MeasurementRole> {
        self.roles.get(point.at()).copied().flatten()
    }

    /// All points of the field.
    pub(crate) fn all(&self) -> impl Iterator<Item = (PointId, MeasurementRole)> {
        (0_u32..).map(PointId).zip(&self.roles).filter_map(|(id, role)| role.map(|role| (id, role)))
    }

    pub(crate) fn of_switch(&self, switch: SwitchIdx) -> Option<PointId> {
        self.switches.get(switch.at()).copied().flatten()
    }

    pub(crate) fn of_tap(&self, changer: TapChangerIdx) -> Option<PointId> {
        self.taps.get(changer.at()).copied().flatten()
    }
}

/// Whether an instrument transformer stands between the process and the reading.
pub(crate) fn is_measured(role: MeasurementRole) -> bool {
    kind_of(role) == PointKind::Analog
}

/// The kind of point that carries a role.
fn kind_of(role: MeasurementRole) -> PointKind {
    match role {
        MeasurementRole::BusbarVoltage(_)
        | MeasurementRole::BayVoltage(_)
        | MeasurementRole::ActiveFlow(_)
        | MeasurementRole::ReactiveFlow(_)
        | MeasurementRole::MachineActiveInjection(_)
        | MeasurementRole::MachineReactiveInjection(_)
        | MeasurementRole::LoadActive(_)
        | MeasurementRole::LoadReactive(_)
        | MeasurementRole::ShuntReactiveInjection(_) => PointKind::Analog,
        MeasurementRole::LoadEnergy(_) => PointKind::Counter,
        MeasurementRole::SwitchPosition(_) => PointKind::Double,
        MeasurementRole::TapPosition(_) => PointKind::Step,
    }
}

fn fits(role: MeasurementRole, kind: PointKind) -> bool {
    // A switch may also be wired with a single contact.
    kind == kind_of(role) || (kind == PointKind::Single && kind_of(role) == PointKind::Double)
}
