//! What points exist: definitions, bindings to protocol addresses, the list with its dense ids.

use crate::formula::Formula;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Dense index of a point in the [`PointList`] and in every array beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PointId(pub u32);

impl PointId {
    /// The id as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// What a point carries. Indications and measurements come in, commands and set points go out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PointKind {
    /// Measured value (CIM `Analog`).
    #[default]
    Analog,
    /// Single indication (CIM `Discrete`).
    Single,
    /// Double indication (CIM `Discrete`).
    Double,
    /// Step position (CIM `Discrete`).
    Step,
    /// Counter reading (CIM `Accumulator`).
    Counter,
    /// 32 independent bits.
    Bits,
}

impl PointKind {
    /// Every kind with its name in point lists and in the API.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Analog, "analog"),
        (Self::Single, "single"),
        (Self::Double, "double"),
        (Self::Step, "step"),
        (Self::Counter, "counter"),
        (Self::Bits, "bits"),
    ];

    /// The name in point lists and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("analog", |(_, name)| name)
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Unit of an analogue point as shown to people, e.g. `MW`, `Mvar`, `kV`, `A`, `Hz`, `°C`; empty for none.
pub type Unit = String;

/// How a point is operated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ControlMode {
    /// One step: execute.
    Direct,
    /// Two steps: select, then execute.
    SelectBeforeOperate,
}

/// Alarm limits of an analogue point in its unit. INVARIANT (checked by [`PointList::new`]): rising order.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Limits {
    /// Below: high-priority alarm.
    pub low_low: Option<f64>,
    /// Below: medium-priority alarm.
    pub low: Option<f64>,
    /// Above: medium-priority alarm.
    pub high: Option<f64>,
    /// Above: high-priority alarm.
    pub high_high: Option<f64>,
    /// How far a value must come back before the alarm clears.
    pub hysteresis: f64,
}

/// Where a protocol finds a point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Name of the link of the configuration.
    pub link: Arc<str>,
    /// Address of the monitored value in the protocol's own words, e.g. `M_ME_TF_1@1001`.
    pub address: String,
    /// Address and mode of the command that operates it, if it can be operated, e.g. `C_DC_NA_1@5001`.
    pub control: Option<(String, ControlMode)>,
}

/// One point: the name it has for people and in the model, and where it comes from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PointDef {
    /// Unique name for people, e.g. `S4/Load1/P`.
    pub name: String,
    /// mRID of the CIM measurement that it is a value of; unique.
    pub mrid: String,
    /// mRID of the equipment measured, empty for none.
    pub equipment: String,
    /// Name of the substation or other container, empty for none.
    pub substation: String,
    /// What it carries.
    pub kind: PointKind,
    /// Unit as shown to people.
    pub unit: Unit,
    /// Where it comes from; `None` for a point that is entered or calculated.
    pub binding: Option<Binding>,
    /// How it is calculated from other points.
    pub formula: Option<Formula>,
    /// Alarm limits.
    pub limits: Limits,
    /// Fastest change that is not an alarm, in the unit per second.
    pub rate_limit: Option<f64>,
    /// Normal state of an indication; any other raises a change-of-state alarm.
    pub normal: Option<bool>,
    /// Age after which the value counts as stale.
    pub stale_after: Option<Duration>,
    /// Changes of an analogue value within this band, in its unit, are not reported by a simulated station.
    pub deadband: f64,
    /// Changes of an analogue value within this band around the last one that counted, in its unit, are shown but neither
    /// archived nor handed on. Quality always counts.
    pub archive_deadband: f64,
    /// Readings of a device's counter before it begins at zero again, e.g. 2³²; the point then counts on.
    pub counter_range: Option<u64>,
    /// Left the list while the process ran: it keeps its id, so that nobody who still holds it means another point, and
    /// is nothing else any more.
    pub retired: bool,
}

/// One calculated point with what it is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Calculation {
    /// The calculated point.
    pub point: PointId,
    /// Points of its formula, in the order of [`Formula::names`].
    pub inputs: Vec<PointId>,
}

/// All points, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct PointList {
    points: Vec<PointDef>,
    by_name: HashMap<String, PointId>,
    by_mrid: HashMap<String, PointId>,
    by_link: HashMap<Arc<str>, Vec<PointId>>,
    calculations: Vec<Calculation>,
    /// Positions of the calculations that ask for a point.
    asked_by: HashMap<PointId, Vec<u32>>,
}

/// Why a list of points was refused; `line` counts entries from 0.
#[derive(Clone, PartialEq, Debug)]
pub struct PointListError {
    /// Position of the faulty entry.
    pub entry: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for PointListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "point {}: {}", self.entry, self.reason)
    }
}

impl std::error::Error for PointListError {}

impl PointList {
    /// Most points of one process.
    pub const MAX_POINTS: usize = 4_000_000;

    /// Checks the definitions and gives each the id of its position.
    pub fn new(points: Vec<PointDef>) -> Result<Self, PointListError> {
        let refuse = |entry: usize, reason: String| Err(PointListError { entry, reason });
        if points.len() > Self::MAX_POINTS {
            return refuse(Self::MAX_POINTS, format!("more than {} points", Self::MAX_POINTS));
        }
        let mut by_name = HashMap::with_capacity(points.len());
        let mut by_mrid = HashMap::with_capacity(points.len());
        let mut by_link = HashMap::<Arc<str>, Vec<PointId>>::new();
        for (entry, point) in points.iter().enumerate() {
            let Ok(id) = u32::try_from(entry).map(PointId) else {
                return refuse(entry, "too many points".into());
            };
            if point.retired {
                by_mrid.insert(point.mrid.clone(), id);
                continue;
            }
            if point.name.is_empty() || point.mrid.is_empty() {
                return refuse(entry, "name and mrid must not be empty".into());
            }
            if by_name.insert(point.name.clone(), id).is_some() {
                return refuse(entry, format!("name {:?} is used twice", point.name));
            }
            if by_mrid.insert(point.mrid.clone(), id).is_some() {
                return refuse(entry, format!("mrid {:?} is used twice", point.mrid));
            }
            if let Err(reason) = point.limits.check().and_then(|()| point.check()) {
                return refuse(entry, reason);
            }
            if let Some(binding) = &point.binding {
                by_link.entry(Arc::clone(&binding.link)).or_default().push(id);
            }
        }
        let calculations = calculations(&points, &by_name)?;
        let mut asked_by = HashMap::<PointId, Vec<u32>>::new();
        for (position, calculation) in (0_u32..).zip(&calculations) {
            for &input in &calculation.inputs {
                asked_by.entry(input).or_default().push(position);
            }
        }
        Ok(Self { points, by_name, by_mrid, by_link, calculations, asked_by })
    }

    /// This list with the definitions of another: points of the same mRID keep their ids, new ones get ids behind them,
    /// and those that are not in `next` retire.
    pub fn revised(&self, next: &Self) -> Result<Self, PointListError> {
        let keep = |known: &PointDef| match next.by_mrid(&known.mrid) {
            Some(id) => next[id].clone(),
            None => PointDef {
                name: known.name.clone(),
                mrid: known.mrid.clone(),
                substation: known.substation.clone(),
                kind: known.kind,
                unit: known.unit.clone(),
                retired: true,
                ..PointDef::default()
            },
        };
        let mut points: Vec<PointDef> = self.points.iter().map(keep).collect();
        let is_new = |def: &&PointDef| !def.retired && !self.by_mrid.contains_key(&def.mrid);
        points.extend(next.points.iter().filter(is_new).cloned());
        Self::new(points)
    }

    /// The definitions that have not retired, with their ids.
    pub fn in_use(&self) -> impl Iterator<Item = (PointId, &PointDef)> {
        self.iter().filter(|(_, def)| !def.retired)
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The definition of a point of this list.
    pub fn get(&self, id: PointId) -> Option<&PointDef> {
        self.points.get(id.at())
    }

    /// All definitions with their ids, retired ones among them: beside an array by id, nothing may be left out.
    pub fn iter(&self) -> impl Iterator<Item = (PointId, &PointDef)> {
        (0_u32..).map(PointId).zip(&self.points)
    }

    /// The point with that name.
    pub fn named(&self, name: &str) -> Option<PointId> {
        self.by_name.get(name).copied()
    }

    /// The point with that measurement mRID.
    pub fn by_mrid(&self, mrid: &str) -> Option<PointId> {
        self.by_mrid.get(mrid).copied().filter(|id| !self.points[id.at()].retired)
    }

    /// Calculated points, each after all that it asks for.
    pub fn calculations(&self) -> &[Calculation] {
        &self.calculations
    }

    /// Positions in [`Self::calculations`] of those that ask for a point, ascending.
    pub fn asked_by(&self, id: PointId) -> &[u32] {
        self.asked_by.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Ids of the points bound to a link, ascending.
    pub fn of_link(&self, link: &str) -> &[PointId] {
        self.by_link.get(link).map_or(&[], Vec::as_slice)
    }
}

impl std::ops::Index<PointId> for PointList {
    type Output = PointDef;
    fn index(&self, id: PointId) -> &PointDef {
        &self.points[id.at()]
    }
}

impl PointDef {
    fn check(&self) -> Result<(), String> {
        let positive = |name: &str, number: Option<f64>| match number {
            Some(number) if !(number.is_finite() && number > 0.0) => {
                Err(format!("{name} must be above zero"))
            }
            Some(_) | None => Ok(()),
        };
        positive("rate limit", self.rate_limit)?;
        if !(self.archive_deadband.is_finite() && self.archive_deadband >= 0.0) {
            return Err("archive deadband must not be below zero".into());
        }
        if self.counter_range.is_some() && self.kind != PointKind::Counter {
            return Err("only a counter has a range".into());
        }
        let analogue = self.rate_limit.is_none() && self.archive_deadband == 0.0 && self.formula.is_none();
        if !analogue && self.kind != PointKind::Analog {
            return Err("rate limit, archive deadband and formula are for analogue points".into());
        }
        if self.formula.is_some() && self.binding.is_some() {
            return Err("a point is calculated or comes from a link, not both".into());
        }
        Ok(())
    }
}

/// The calculated points in an order in which each stands after all that it asks for (Kahn, "Topological sorting of large
/// networks", CACM 5(11), 1962).
fn calculations(
    points: &[PointDef],
    by_name: &HashMap<String, PointId>,
) -> Result<Vec<Calculation>, PointListError> {
    let mut waiting = Vec::new();
    for (entry, point) in points.iter().enumerate() {
        let Some(formula) = &point.formula else { continue };
        let find = |name: &String| {
            let reason = || format!("formula: there is no point {name:?}");
            by_name.get(name).copied().ok_or_else(|| PointListError { entry, reason: reason() })
        };
        let inputs = formula.names().iter().map(find).collect::<Result<Vec<_>, _>>()?;
        waiting.push(Calculation { point: PointId(entry as u32), inputs });
    }
    let position: HashMap<PointId, usize> =
        waiting.iter().enumerate().map(|(at, calculation)| (calculation.point, at)).collect();
    let mut missing: Vec<usize> = Vec::with_capacity(waiting.len());
    let mut followers = vec![Vec::new(); waiting.len()];
    for (at, calculation) in waiting.iter().enumerate() {
        let before = calculation.inputs.iter().filter_map(|input| position.get(input));
        missing.push(before.clone().count());
        before.for_each(|&before| followers[before].push(at));
    }
    let mut ready: Vec<usize> = (0..waiting.len()).filter(|&at| missing[at] == 0).collect();
    let mut done = 0;
    while let Some(&at) = ready.get(done) {
        done += 1;
        for &follower in &followers[at] {
            missing[follower] -= 1;
            if missing[follower] == 0 {
                ready.push(follower);
            }
        }
    }
    if let Some(at) = (0..waiting.len()).find(|&at| missing[at] > 0) {
        let entry = waiting[at].point.at();
        return Err(PointListError { entry, reason: "formula: it asks for itself, in the end".into() });
    }
    Ok(ready.into_iter().map(|at| waiting[at].clone()).collect())
}

impl Limits {
    fn check(&self) -> Result<(), String> {
        let given: Vec<f64> =
            [self.low_low, self.low, self.high, self.high_high].into_iter().flatten().collect();
        let rising = given.windows(2).all(|pair| pair[0] < pair[1]);
        let finite = given.iter().all(|limit| limit.is_finite()) && self.hysteresis >= 0.0;
        if rising && finite {
            Ok(())
        } else {
            Err("limits must be finite and rise from low-low to high-high".into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn def(name: &str, mrid: &str) -> PointDef {
        PointDef {
            name: name.into(),
            mrid: mrid.into(),
            equipment: String::new(),
            substation: String::new(),
            kind: PointKind::Analog,
            unit: "MW".into(),
            binding: Some(Binding { link: "S1".into(), address: "M_ME_TF_1@1".into(), control: None }),
            limits: Limits::default(),
            normal: None,
            stale_after: None,
            deadband: 0.0,
            ..PointDef::default()
        }
    }

    #[test]
    fn ids_are_positions_and_names_are_unique() {
        let list = PointList::new(vec![def("a", "1"), def("b", "2")]).unwrap();
        assert_eq!(list.named("b"), Some(PointId(1)));
        assert_eq!(list.of_link("S1").len(), 2);
        assert_eq!(PointList::new(vec![def("a", "1"), def("a", "2")]).unwrap_err().entry, 1);
        assert_eq!(PointList::new(vec![def("a", "1"), def("b", "1")]).unwrap_err().entry, 1);
        let mut falling = def("a", "1");
        falling.limits = Limits { low: Some(5.0), high: Some(1.0), ..Limits::default() };
        assert!(PointList::new(vec![falling]).is_err());
    }

    fn calculated(name: &str, formula: &str) -> PointDef {
        let formula = Some(Formula::parse(formula).unwrap());
        PointDef { formula, binding: None, ..def(name, &format!("_{name}")) }
    }

    #[test]
    fn a_calculated_point_stands_after_what_it_asks_for() {
        let list = PointList::new(vec![
            calculated("total", "{half} * 2"),
            calculated("half", "({a} + {b}) / 2"),
            def("a", "1"),
            def("b", "2"),
        ]);
        let list = list.unwrap();
        let order: Vec<PointId> = list.calculations().iter().map(|calculation| calculation.point).collect();
        assert_eq!(order, [PointId(1), PointId(0)]);
        assert_eq!((list.asked_by(PointId(2)), list.asked_by(PointId(1))), (&[0][..], &[1][..]));
        assert!(list.asked_by(PointId(0)).is_empty());
    }

    #[test]
    fn formulas_that_cannot_be_are_refused_with_their_entry() {
        let check = |points: Vec<PointDef>, entry: usize, part: &str| {
            let error = PointList::new(points).unwrap_err();
            assert!(error.entry == entry && error.reason.contains(part), "{error}");
        };
        check(vec![def("a", "1"), calculated("b", "{c}")], 1, "no point \"c\"");
        check(vec![calculated("a", "{b}"), calculated("b", "{a}")], 0, "itself");
        check(vec![calculated("a", "1 + {a}")], 0, "itself");
        let bound = PointDef { binding: def("x", "x").binding, ..calculated("a", "1") };
        check(vec![bound], 0, "not both");
    }
}
