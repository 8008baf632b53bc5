//! Configuration of the command gate: times, rates, classes of points, interlocks, studies.

use crate::Mode;
use model::VoltageLevel;
use scada::gate::{Conduit, GateConfig, GatePolicy, PointClass, RateLimit, StudyRule, TwoPersons};
use serde::Deserialize;
use signal::{PointKind, PointList};
use std::time::Duration;

/// Classes of points at most.
const MAX_CLASSES: usize = 256;

/// The command gate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateTimes {
    /// How long a select stays armed.
    pub select_window_s: f64,
    /// How long a device may take to answer.
    pub answer_timeout_s: f64,
    /// How long the returned measurement may take.
    pub return_timeout_s: f64,
    /// How long a request may wait for its link before it is dropped; not above `answer_timeout_s`.
    pub deadline_s: f64,
    /// Whether a person's command must name the state that was seen.
    pub seen_required: bool,
    /// How far a measured value may have moved since it was seen, in percent of it.
    pub seen_tolerance_percent: f64,
    /// Commands to one substation per minute, in the long run.
    pub per_substation_per_minute: f64,
    /// Commands to one substation at once.
    pub per_substation_burst: f64,
    /// This many points commanded by one person or application within a minute are an alarm; 0 for never.
    pub velocity_points: usize,
    /// How long a second factor counts as fresh.
    pub step_up_s: f64,
    /// What interlocks do.
    pub interlock: InterlockConfig,
    /// Classes of points; a point is in the first that names it.
    pub class: Vec<ClassConfig>,
    /// Earth switches.
    pub earth_switch: Vec<EarthSwitchConfig>,
}

impl Default for GateTimes {
    fn default() -> Self {
        let policy = GatePolicy::default();
        Self {
            select_window_s: 30.0,
            answer_timeout_s: 5.0,
            return_timeout_s: 15.0,
            deadline_s: 3.0,
            seen_required: true,
            seen_tolerance_percent: 100.0 * policy.seen_tolerance,
            per_substation_per_minute: policy.area.per_minute,
            per_substation_burst: policy.area.burst,
            velocity_points: policy.velocity,
            step_up_s: 300.0,
            interlock: InterlockConfig::default(),
            class: Vec::new(),
            earth_switch: Vec::new(),
        }
    }
}

/// What becomes of a command that an interlock speaks against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Refused, unless somebody with the right to override says why.
    Refuse,
    /// Said, and let go.
    Warn,
    /// Not looked at.
    Off,
}

/// What interlocks do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InterlockConfig {
    /// Closing onto an earth, or earthing what is energised.
    pub earth: Rule,
    /// Moving a disconnector under load.
    pub load: Rule,
    /// Joining two energised islands: there is no synchrocheck that the centre could ask. Without it "warn" in the
    /// demonstration and "refuse" otherwise.
    pub parallel: Option<Rule>,
    /// Closing a loop.
    pub r#loop: Rule,
    /// Taking the supply from loads, or splitting an island.
    pub supply: Rule,
}

impl Default for InterlockConfig {
    fn default() -> Self {
        Self {
            earth: Rule::Refuse,
            load: Rule::Refuse,
            parallel: None,
            r#loop: Rule::Off,
            supply: Rule::Warn,
        }
    }
}

impl InterlockConfig {
    /// What joining islands does.
    pub(crate) fn parallel(&self, mode: Mode) -> Rule {
        self.parallel.unwrap_or(match mode {
            Mode::Demo => Rule::Warn,
            Mode::Run => Rule::Refuse,
        })
    }
}

/// An earth switch: the network model has none, its point and what it earths are named here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarthSwitchConfig {
    /// Name of its point.
    pub point: String,
    /// Name of the line, transformer, busbar or other equipment that it earths.
    pub earths: String,
}

/// A class of points.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Name, for people and the audit.
    pub name: String,
    /// Names or mRIDs with `*` and `?`; any without.
    #[serde(default)]
    pub points: Vec<String>,
    /// Kinds; any without.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Substations; any without.
    #[serde(default)]
    pub substations: Vec<String>,
    /// Whether a second person must approve: `true`, or hours of the day in UTC such as `"22:00-06:00"`.
    #[serde(default)]
    pub two_persons: TwoPersonsConfig,
    /// Whether the second factor of whoever commands must be fresh.
    #[serde(default)]
    pub step_up: bool,
    /// What a study's violations do, instead of what holds for all.
    pub study: Option<Rule>,
    /// Least seconds between a command and one that wants another value of the same point.
    pub opposite_after_s: Option<f64>,
    /// Least and greatest value of a set point.
    pub band: Option<[f64; 2]>,
}

/// When a second person must approve.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum TwoPersonsConfig {
    /// Always, or never.
    Flag(bool),
    /// Hours of the day.
    Hours(String),
}

impl Default for TwoPersonsConfig {
    fn default() -> Self {
        Self::Flag(false)
    }
}

/// The study before a command, and the limits that it holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// What new or worse violations do; without it "warn" in the demonstration and "refuse" otherwise.
    pub violations: Option<Rule>,
    /// What it does when there is no state to study from, or no end in time; the same without it.
    pub unstudied: Option<Rule>,
    /// How long a study may take.
    pub timeout_s: f64,
    /// How old the estimate may be.
    pub max_age_s: f64,
    /// Lowest voltage, where the voltage level has no limit of its own.
    pub low_pu: f64,
    /// Highest voltage.
    pub high_pu: f64,
    /// Highest loading of lines and transformers.
    pub loading_percent: f64,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self {
            violations: None,
            unstudied: None,
            timeout_s: 5.0,
            max_age_s: 30.0,
            low_pu: 0.9,
            high_pu: 1.1,
            loading_percent: 100.0,
        }
    }
}

impl StudyConfig {
    /// Lowest and highest voltage of a level, in p.u. of its nominal voltage.
    pub(crate) fn band(&self, level: &VoltageLevel) -> (f64, f64) {
        let own = |limit: Option<f64>, other: f64| limit.map_or(other, |kv| kv / level.nominal_kv);
        (own(level.low_voltage_limit_kv, self.low_pu), own(level.high_voltage_limit_kv, self.high_pu))
    }

    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("study.timeout_s", self.timeout_s, 60.0),
            ("study.max_age_s", self.max_age_s, 3_600.0),
            ("study.low_pu", self.low_pu, 2.0),
            ("study.high_pu", self.high_pu, 2.0),
            ("study.loading_percent", self.loading_percent, 1_000.0),
        ];
        for (key, value, most) in ranges {
            if !(value > 0.0 && value <= most) {
                return Err(format!("{key}: {value} is not above 0 and up to {most}"));
            }
        }
        if self.low_pu >= self.high_pu {
            return Err(format!("study.low_pu: {} is not below high_pu, {}", self.low_pu, self.high_pu));
        }
        Ok(())
    }
}

/// Checks what the types cannot say.
pub(crate) fn check(gate: &GateTimes, study: &StudyConfig) -> Result<(), String> {
    let seconds = [
        ("gate.select_window_s", gate.select_window_s),
        ("gate.answer_timeout_s", gate.answer_timeout_s),
        ("gate.return_timeout_s", gate.return_timeout_s),
        ("gate.deadline_s", gate.deadline_s),
        ("gate.step_up_s", gate.step_up_s),
        ("gate.per_substation_per_minute", gate.per_substation_per_minute),
    ];
    for (key, value) in seconds {
        if !(value > 0.0 && value <= 3_600.0) {
            return Err(format!("{key}: {value} is not between 0 and 3600"));
        }
    }
    if gate.deadline_s > gate.answer_timeout_s {
        return Err(format!(
            "gate.deadline_s: {} is above answer_timeout_s, {}: a request could leave after it was given up",
            gate.deadline_s, gate.answer_timeout_s
        ));
    }
    if !(1.0..=10_000.0).contains(&gate.per_substation_burst) {
        return Err(format!("gate.per_substation_burst: {} is not 1 to 10000", gate.per_substation_burst));
    }
    if !(0.0..=100.0).contains(&gate.seen_tolerance_percent) {
        return Err(format!("gate.seen_tolerance_percent: {} is not 0 to 100", gate.seen_tolerance_percent));
    }
    if gate.class.len() > MAX_CLASSES {
        return Err(format!("gate.class: {} classes, {MAX_CLASSES} at most", gate.class.len()));
    }
    study.check()?;
    let mut names = std::collections::HashSet::new();
    for class in &gate.class {
        if class.name.is_empty() || !names.insert(&class.name) {
            return Err(format!("gate.class: the name {:?} is empty or used twice", class.name));
        }
        class.to_gate().map_err(|reason| format!("gate.class {:?}: {reason}", class.name))?;
    }
    Ok(())
}

impl ClassConfig {
    fn to_gate(&self) -> Result<PointClass, String> {
        let kind = |name: &String| PointKind::named(name).ok_or_else(|| format!("there is no kind {name:?}"));
        let opposite_after = match self.opposite_after_s {
            None => None,
            Some(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Some(Duration::from_secs_f64(seconds)),
            Some(seconds) => {
                return Err(format!("opposite_after_s: {seconds} is not above 0 and up to a day"));
            }
        };
        let band = match self.band {
            None => None,
            Some([low, high]) if low.is_finite() && high.is_finite() && low <= high => Some((low, high)),
            Some([low, high]) => return Err(format!("band: {low} to {high} does not rise")),
        };
        Ok(PointClass {
            name: self.name.clone(),
            points: self.points.clone(),
            kinds: self.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            substations: self.substations.clone(),
            two_persons: self.two_persons.to_gate()?,
            step_up: self.step_up,
            study: self.study.map(study_rule),
            opposite_after,
            band,
        })
    }
}

impl TwoPersonsConfig {
    fn to_gate(&self) -> Result<TwoPersons, String> {
        let Self::Hours(text) = self else {
            let always = matches!(self, Self::Flag(true));
            return Ok(if always { TwoPersons::Always } else { TwoPersons::Never });
        };
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        text.split_once('-')
            .and_then(|(from, until)| Some(TwoPersons::Between(minute(from)?, minute(until)?)))
            .ok_or_else(|| format!("two_persons: {text:?} is neither true nor hours such as \"22:00-06:00\""))
    }
}

const fn study_rule(rule: Rule) -> StudyRule {
    match rule {
        Rule::Refuse => StudyRule::Refuse,
        Rule::Warn => StudyRule::Warn,
        Rule::Off => StudyRule::Off,
    }
}

impl GateTimes {
    /// How long a second factor counts as fresh.
    pub(crate) fn step_up(&self) -> Duration {
        Duration::from_secs_f64(self.step_up_s)
    }

    /// As the gate takes them.
    pub fn to_gate(&self, study: &StudyConfig) -> GateConfig {
        GateConfig {
            select_window: Duration::from_secs_f64(self.select_window_s),
            answer_timeout: Duration::from_secs_f64(self.answer_timeout_s),
            return_timeout: Duration::from_secs_f64(self.return_timeout_s),
            deadline: Duration::from_secs_f64(self.deadline_s),
            study_timeout: Duration::from_secs_f64(study.timeout_s),
            ..GateConfig::default()
        }
    }

    /// What the gate asks for; the configuration was checked.
    pub(crate) fn policy(&self, study: &StudyConfig, mode: Mode, conduits: Vec<Conduit>) -> GatePolicy {
        // A demonstration shows what it would stop; where a grid hangs on it, it stops.
        let usual = match mode {
            Mode::Demo => StudyRule::Warn,
            Mode::Run => StudyRule::Refuse,
        };
        GatePolicy {
            classes: self.class.iter().filter_map(|class| class.to_gate().ok()).collect(),
            study: study.violations.map_or(usual, study_rule),
            unstudied: study.unstudied.map_or(usual, study_rule),
            seen_required: self.seen_required,
            seen_tolerance: self.seen_tolerance_percent / 100.0,
            area: RateLimit { per_minute: self.per_substation_per_minute, burst: self.per_substation_burst },
            conduits,
            velocity: self.velocity_points,
        }
    }

    /// Finds the points and equipment that earth switches name.
    pub(crate) fn earth_switches(
        &self,
        network: &model::Network,
        points: &PointList,
    ) -> Result<Vec<crate::interlock::EarthSwitch>, String> {
        let find = |earth: &EarthSwitchConfig| {
            let fault = |what: String| format!("gate.earth_switch {:?}: {what}", earth.point);
            points.named(&earth.point).ok_or_else(|| fault("there is no such point".to_owned()))?;
            let nodes = crate::interlock::nodes_named(network, &earth.earths);
            if nodes.is_empty() {
                return Err(fault(format!("there is no equipment {:?}", earth.earths)));
            }
            Ok(crate::interlock::EarthSwitch { point: earth.point.clone(), nodes })
        };
        self.earth_switch.iter().map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            gate: GateTimes,
            #[serde(default)]
            study: StudyConfig,
        }
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        check(&file.gate, &file.study)
    }

    #[test]
    fn what_the_file_may_say() {
        let check = |text: &str, wanted: Result<(), &str>| match (read(text), wanted) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (found, wanted) => panic!("{text}: {found:?} instead of {wanted:?}"),
        };
        check("", Ok(()));
        check("[[gate.class]]\nname='a'\ntwo_persons=true\nband=[0,1]\nkinds=['double']", Ok(()));
        check("[[gate.class]]\nname='a'\ntwo_persons='22:00-06:00'\nstudy='off'", Ok(()));
        check("[gate.interlock]\nloop='warn'", Ok(()));
        check("[gate]\ndeadline_s=6", Err("above answer_timeout_s"));
        check("[gate]\nper_substation_burst=0.5", Err("per_substation_burst"));
        check("[[gate.class]]\nname='a'\ntwo_persons='25:00-06:00'", Err("hours such as"));
        check("[[gate.class]]\nname='a'\nkinds=['trible']", Err("no kind"));
        check("[[gate.class]]\nname='a'\nband=[2,1]", Err("does not rise"));
        check("[[gate.class]]\nname='a'\n[[gate.class]]\nname='a'", Err("used twice"));
        check("[[gate.class]]\nname='a'\ntwo_person=true", Err("unknown field"));
        check("[study]\nlow_pu=1.2", Err("not below"));
        check("[study]\nviolations='maybe'", Err("unknown variant"));
    }

    #[test]
    fn a_demonstration_warns_and_a_centre_refuses() {
        let policy = |study: &StudyConfig, mode| {
            let policy = GateTimes::default().policy(study, mode, Vec::new());
            (policy.study, policy.unstudied)
        };
        let usual = StudyConfig::default();
        assert_eq!(policy(&usual, Mode::Demo), (StudyRule::Warn, StudyRule::Warn));
        assert_eq!(policy(&usual, Mode::Run), (StudyRule::Refuse, StudyRule::Refuse));
        let own = StudyConfig { violations: Some(Rule::Off), unstudied: Some(Rule::Warn), ..usual };
        assert_eq!(policy(&own, Mode::Run), (StudyRule::Off, StudyRule::Warn));
    }
}
