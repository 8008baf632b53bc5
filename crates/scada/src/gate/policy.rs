//! What the gate asks for beside rights, as data: classes of points, rates, how stale a view may be.
//!
//! A point is in the first class that names it. What no class names is in the class of all others, which asks for
//! nothing but what holds for every command.

use super::rate::RateLimit;
use signal::{PointDef, PointKind, pattern_matches};
use std::time::Duration;
use timebase::Utc;

/// When a second person must approve (S-15).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TwoPersons {
    /// Never.
    #[default]
    Never,
    /// For every command.
    Always,
    /// Between two minutes of the day, UTC; the second may be before the first, then it goes over midnight.
    Between(u16, u16),
}

impl TwoPersons {
    /// Whether a second person is needed at this moment.
    pub fn needed(self, now: Utc) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Between(from, until) => {
                let minute = now.as_micros().div_euclid(60_000_000).rem_euclid(1_440);
                let minute = u16::try_from(minute).unwrap_or(0);
                if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until }
            }
        }
    }
}

/// What becomes of a command whose study shows new violations, or that could not be studied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum StudyRule {
    /// No study.
    Off,
    /// Violations are shown; the command goes on.
    #[default]
    Warn,
    /// Refused unless somebody with the right to override says why.
    Refuse,
}

/// Points that are treated alike.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PointClass {
    /// Name, for people and the audit.
    pub name: String,
    /// Names or mRIDs with `*` and `?`; any without.
    pub points: Vec<String>,
    /// Kinds; any without.
    pub kinds: Vec<PointKind>,
    /// Substations; any without.
    pub substations: Vec<String>,
    /// When a second person must approve.
    pub two_persons: TwoPersons,
    /// Whether the caller's second factor must be fresh.
    pub step_up: bool,
    /// What a study's violations do; `None` for what holds for all.
    pub study: Option<StudyRule>,
    /// Least time between a command and one that wants another value of the same point.
    pub opposite_after: Option<Duration>,
    /// Values that a set point may take.
    pub band: Option<(f64, f64)>,
}

impl PointClass {
    /// Whether a point is in it.
    pub fn covers(&self, def: &PointDef) -> bool {
        let named =
            |pattern: &String| pattern_matches(pattern, &def.name) || pattern_matches(pattern, &def.mrid);
        (self.points.is_empty() || self.points.iter().any(named))
            && (self.kinds.is_empty() || self.kinds.contains(&def.kind))
            && (self.substations.is_empty() || self.substations.contains(&def.substation))
    }
}

/// What a conduit lets through of commands to its links.
#[derive(Clone, PartialEq, Debug)]
pub struct Conduit {
    /// The conduit.
    pub name: String,
    /// Its links.
    pub links: Vec<String>,
    /// How many commands may leave; any number without.
    pub limit: Option<RateLimit>,
    /// Classes of points that may be commanded; any without.
    pub classes: Vec<String>,
    /// Whether commands may pass at all.
    pub commands: bool,
}

impl Conduit {
    /// Whether a point's link runs in it.
    pub fn carries(&self, def: &PointDef) -> bool {
        def.binding.as_ref().is_some_and(|binding| self.links.iter().any(|link| **link == *binding.link))
    }
}

/// The policy of the gate.
#[derive(Clone, PartialEq, Debug)]
pub struct GatePolicy {
    /// Classes, the first that covers a point counts.
    pub classes: Vec<PointClass>,
    /// What a study's violations do where the class does not say.
    pub study: StudyRule,
    /// What it does when no study could be made.
    pub unstudied: StudyRule,
    /// Whether an operator's command must name the state that was seen (S-17).
    pub seen_required: bool,
    /// How far an analogue value may be from the one that was seen, in parts of it.
    pub seen_tolerance: f64,
    /// Commands per substation (S-13).
    pub area: RateLimit,
    /// Conduits.
    pub conduits: Vec<Conduit>,
    /// This many points commanded by one actor within a minute are an alarm; 0 for never.
    pub velocity: usize,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            study: StudyRule::Off,
            unstudied: StudyRule::Refuse,
            seen_required: false,
            seen_tolerance: 0.05,
            area: RateLimit { per_minute: 60.0, burst: 20.0 },
            conduits: Vec::new(),
            velocity: 6,
        }
    }
}

impl GatePolicy {
    /// The class of a point.
    pub fn class(&self, def: &PointDef) -> Option<&PointClass> {
        self.classes.iter().find(|class| class.covers(def))
    }

    /// What a study's violations do to a command on a point.
    pub fn study(&self, def: &PointDef) -> StudyRule {
        self.class(def).and_then(|class| class.study).unwrap_or(self.study)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64, minute: i64) -> Utc {
        Utc::from_micros((86_400 * 20_000 + hour * 3_600 + minute * 60) * 1_000_000)
    }

    #[test]
    fn hours_go_over_midnight() {
        let night = TwoPersons::Between(22 * 60, 6 * 60);
        let day = TwoPersons::Between(8 * 60, 16 * 60);
        let cases =
            [(21, 59, false, false), (22, 0, true, false), (5, 59, true, false), (6, 0, false, false)];
        for (hour, minute, at_night, by_day) in
            cases.into_iter().chain([(8, 0, false, true), (16, 0, false, false)])
        {
            let now = at(hour, minute);
            assert_eq!((night.needed(now), day.needed(now)), (at_night, by_day), "{hour}:{minute}");
        }
        assert!(TwoPersons::Always.needed(at(0, 0)) && !TwoPersons::Never.needed(at(0, 0)));
    }

    #[test]
    fn the_first_class_that_covers_counts() {
        let class = |name: &str, points: &[&str], kinds: &[PointKind], substations: &[&str]| PointClass {
            name: name.into(),
            points: points.iter().map(|text| (*text).to_owned()).collect(),
            kinds: kinds.to_vec(),
            substations: substations.iter().map(|text| (*text).to_owned()).collect(),
            ..PointClass::default()
        };
        let policy = GatePolicy {
            classes: vec![
                class("one", &["S1/L*"], &[PointKind::Double], &[]),
                class("two", &[], &[PointKind::Double], &["S1"]),
            ],
            ..GatePolicy::default()
        };
        let of = |name: &str, kind, substation: &str| {
            let def =
                PointDef { name: name.into(), kind, substation: substation.into(), ..PointDef::default() };
            policy.class(&def).map(|class| class.name.clone())
        };
        assert_eq!(of("S1/L2/CB", PointKind::Double, "S1").as_deref(), Some("one"));
        assert_eq!(of("S1/T2/CB", PointKind::Double, "S1").as_deref(), Some("two"));
        assert_eq!(of("S1/L2/P", PointKind::Analog, "S1"), None);
        assert_eq!(of("S2/T2/CB", PointKind::Double, "S2"), None);
    }
}
