//! How alarms are managed: the table `[alarms]` of the configuration and the CSV file that it names.

use crate::load;
use anyhow::Result;
use exchange::ReadError;
use exchange::alarms_csv::{self, AlarmRow};
use scada::alarm::rule::{AlarmSettings, Rule, Suppression};
use scada::alarm::{AlarmId, AlarmKind};
use scada::event::Severity;
use scada::incident::SEVERAL_LINKS;
use serde::Deserialize;
use signal::PointList;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Suppressions at most: each is looked at when its cause comes or goes.
const MAX_SUPPRESSIONS: usize = 10_000;

/// How alarms are managed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {
    /// Decisions by condition as CSV: priority, delays, latching, group, cause, consequence, response.
    pub rules: Option<PathBuf>,
    /// How long a value must be beyond a limit before it is an alarm.
    pub limit_on_delay_s: f64,
    /// How long it must be back before the alarm clears.
    pub limit_off_delay_s: f64,
    /// Longest shelving.
    pub max_shelved_h: f64,
    /// Longest time out of service.
    pub max_out_of_service_days: f64,
    /// More conditions than this, inhibited within ten minutes, are an alarm.
    pub mass_change: u64,
    /// This many links lost within five minutes are one alarm instead of as many; 0 for never.
    pub link_incident: usize,
    /// More conditions and points than this, set aside within ten minutes, need a second person; without it nobody is asked.
    pub two_person_above: Option<u64>,
    /// An alarm that holds for longer is stale.
    pub stale_after_h: f64,
    /// Suppression by design.
    pub suppress: Vec<SuppressConfig>,
}

/// While a condition holds, others are hidden as its consequence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressConfig {
    /// The condition, e.g. `state:S4/CB1/Pos`.
    pub when: String,
    /// Conditions that it hides.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// Groups of which it hides conditions
    #[serde(default)]
    pub groups: Vec<String>,
    /// of these kinds.
    #[serde(default = "limits_only")]
    pub kinds: Vec<String>,
}

fn limits_only() -> Vec<String> {
    vec![AlarmKind::Limit.name().to_owned()]
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            rules: None,
            limit_on_delay_s: 5.0,
            limit_off_delay_s: 5.0,
            max_shelved_h: 8.0,
            max_out_of_service_days: 90.0,
            mass_change: 10,
            link_incident: 5,
            two_person_above: None,
            stale_after_h: 24.0,
            suppress: Vec::new(),
        }
    }
}

/// While many links are lost together, the alarms about single ones say nothing new.
fn one_for_many_links(links: &[String]) -> Suppression {
    Suppression {
        when: AlarmId::new(AlarmKind::Link, SEVERAL_LINKS),
        conditions: links.iter().map(|link| AlarmId::new(AlarmKind::Link, link)).collect(),
        groups: Vec::new(),
        kinds: Vec::new(),
    }
}

impl AlarmConfig {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        let ranges = [
            ("limit_on_delay_s", self.limit_on_delay_s, 0.0, 3_600.0),
            ("limit_off_delay_s", self.limit_off_delay_s, 0.0, 3_600.0),
            ("max_shelved_h", self.max_shelved_h, 0.1, 168.0),
            ("max_out_of_service_days", self.max_out_of_service_days, 0.1, 366.0),
            ("stale_after_h", self.stale_after_h, 0.1, 8_784.0),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(format!("alarms.{key}: {value} is not between {low} and {high}"));
            }
        }
        if self.suppress.len() > MAX_SUPPRESSIONS {
            return Err(format!("alarms.suppress: more than {MAX_SUPPRESSIONS} entries"));
        }
        Ok(())
    }

    /// Makes the settings; a fault names its file and place.
    pub fn settings(&self, links: &[String], points: &PointList) -> Result<AlarmSettings> {
        let hours = |hours: f64| Duration::from_secs_f64(hours * 3_600.0);
        let mut settings = AlarmSettings {
            limit_on_delay: Duration::from_secs_f64(self.limit_on_delay_s),
            limit_off_delay: Duration::from_secs_f64(self.limit_off_delay_s),
            max_shelved: hours(self.max_shelved_h),
            max_out_of_service: hours(self.max_out_of_service_days * 24.0),
            mass_change: self.mass_change,
            stale_after: hours(self.stale_after_h),
            ..AlarmSettings::default()
        }
        .grouped_by_substation(points);
        if let Some(file) = &self.rules {
            settings.rules = rules(file, links, points)?;
        }
        if self.link_incident > 0 {
            settings.suppressions.push(one_for_many_links(links));
        }
        for (at, entry) in self.suppress.iter().enumerate() {
            let suppression = entry.read(links, points);
            settings
                .suppressions
                .push(suppression.map_err(|why| anyhow::anyhow!("alarms.suppress {}: {why}", at + 1))?);
        }
        Ok(settings)
    }
}

impl SuppressConfig {
    fn read(&self, links: &[String], points: &PointList) -> Result<Suppression, String> {
        if self.conditions.is_empty() && self.groups.is_empty() {
            return Err("it hides nothing: name conditions or groups".to_owned());
        }
        let kind = |name: &String| {
            AlarmKind::named(name).ok_or_else(|| format!("{name:?} is no kind ({})", kinds()))
        };
        let conditions = self.conditions.iter().map(|text| condition(text, links, points));
        Ok(Suppression {
            when: condition(&self.when, links, points)?,
            conditions: conditions.collect::<Result<_, _>>()?,
            groups: self.groups.clone(),
            kinds: self.kinds.iter().map(kind).collect::<Result<_, _>>()?,
        })
    }
}

fn rules(
    file: &Path,
    links: &[String],
    points: &PointList,
) -> Result<std::collections::HashMap<AlarmId, Rule>> {
    let rows = alarms_csv::read(&load::bytes(file)?).map_err(|error| load::at(file, &error))?;
    let read = |row: AlarmRow| {
        let line = row.line;
        rule(row, links, points).map_err(|why| {
            load::at(
                file,
                &ReadError::new(line, why, "conditions are KIND:SOURCE, as GET /api/v1/alarms lists them"),
            )
        })
    };
    rows.into_iter().map(read).collect()
}

fn rule(row: AlarmRow, links: &[String], points: &PointList) -> Result<(AlarmId, Rule), String> {
    let id = condition(&row.condition, links, points)?;
    let priority = row.priority.map(|name| {
        let known = scada::alarm::group::PRIORITIES.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| format!("priority: {name:?} is none of critical, high, medium, low"))
    });
    let priority: Option<Severity> = priority.transpose()?;
    let AlarmRow { on_delay, off_delay, latching, group, cause, consequence, response, .. } = row;
    Ok((id, Rule { priority, on_delay, off_delay, latching, group, cause, consequence, response }))
}

fn kinds() -> String {
    AlarmKind::ALL.map(|(_, name)| name).join(", ")
}

/// A condition that can exist: a misspelt point would silently decide nothing.
pub(crate) fn condition(text: &str, links: &[String], points: &PointList) -> Result<AlarmId, String> {
    let id = AlarmId::from(text.to_owned());
    let Some((kind, source)) = id.parts() else {
        return Err(format!("{text:?} is not KIND:SOURCE with a kind of {}", kinds()));
    };
    let known = match kind {
        AlarmKind::Limit
        | AlarmKind::Rate
        | AlarmKind::State
        | AlarmKind::Uncommanded
        | AlarmKind::Command => points.named(source).is_some(),
        AlarmKind::Link => links.iter().any(|link| link == source),
        AlarmKind::Estimator | AlarmKind::System => true,
    };
    if known { Ok(id) } else { Err(format!("{text:?}: nothing is called {source:?}")) }
}
