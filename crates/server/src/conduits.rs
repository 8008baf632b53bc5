//! Zones and conduits (IEC 62443-3-2, 62443-3-3 SR 5.1 and 5.2): which messages may pass between the centre and the field.
//!
//! Without any conduit every link carries what its points need. With one, every link is in a conduit, and what that does not
//! list is denied, in both directions.

use crate::config::{Config, ConfigError};
use scada::gate::{Conduit, RateLimit};
use serde::Deserialize;
use signal::{CodeSet, FunctionPolicy};
use std::collections::HashSet;
use toml::Spanned;

/// A zone: things that are protected alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneConfig {
    /// Name, for people and in conduits.
    pub name: Spanned<String>,
}

/// A conduit: the one way between two zones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConduitConfig {
    /// Name, for people.
    pub name: Spanned<String>,
    /// Zone of the centre's end.
    pub from: Spanned<String>,
    /// Zone of the field's end.
    pub to: Spanned<String>,
    /// Protocol that is spoken in it.
    pub protocol: Spanned<String>,
    /// Links that run in it.
    pub links: Vec<Spanned<String>>,
    /// Whether commands may pass: "both", or "monitor" for readings only.
    #[serde(default)]
    pub direction: Direction,
    /// Function codes or type identifications from the centre to the field; without it what the points need.
    pub to_field: Option<Vec<Spanned<String>>>,
    /// The same from the field to the centre.
    pub from_field: Option<Vec<Spanned<String>>>,
    /// Classes of points that may be commanded; all without.
    #[serde(default)]
    pub classes: Vec<Spanned<String>>,
    /// Commands per minute, in the long run; no limit without.
    pub per_minute: Option<f64>,
    /// Commands at once.
    pub burst: Option<f64>,
}

/// Which way commands may pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Commands to the field, readings from it.
    #[default]
    Both,
    /// Readings from the field.
    Monitor,
}

/// What is wrong, and where in the file.
struct Fault {
    offset: usize,
    reason: String,
}

type Verdict = Result<(), Fault>;

fn fault(place: &Spanned<String>, reason: impl FnOnce(&str) -> String) -> Verdict {
    Err(Fault { offset: place.span().start, reason: reason(place.get_ref()) })
}

/// Checks zones and conduits; a mistake names its line.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    let all = zones(config)
        .and_then(|zones| config.conduit.iter().try_for_each(|one| conduit(config, one, &zones)));
    all.and_then(|()| links(config)).map_err(|Fault { offset, reason }| ConfigError {
        file: config.file.clone(),
        line: config.text.get(..offset).map(|before| before.matches('\n').count() + 1),
        reason,
    })
}

fn zones(config: &Config) -> Result<HashSet<&str>, Fault> {
    let mut names = HashSet::new();
    for zone in &config.zone {
        if zone.name.get_ref().is_empty() || !names.insert(zone.name.get_ref().as_str()) {
            fault(&zone.name, |name| format!("zone {name:?}: the name is empty or used twice"))?;
        }
    }
    Ok(names)
}

fn conduit(config: &Config, conduit: &ConduitConfig, zones: &HashSet<&str>) -> Verdict {
    let name = conduit.name.get_ref();
    if name.is_empty() || config.conduit.iter().filter(|other| other.name.get_ref() == name).count() > 1 {
        fault(&conduit.name, |name| format!("conduit {name:?}: the name is empty or used twice"))?;
    }
    for end in [&conduit.from, &conduit.to] {
        if !zones.contains(end.get_ref().as_str()) {
            fault(end, |zone| format!("conduit {name:?}: there is no zone {zone:?}"))?;
        }
    }
    if conduit.from.get_ref() == conduit.to.get_ref() {
        fault(&conduit.to, |_| format!("conduit {name:?}: it joins a zone with itself"))?;
    }
    for link in &conduit.links {
        let Some(known) = config.link.iter().find(|known| known.name == *link.get_ref()) else {
            return fault(link, |link| format!("conduit {name:?}: there is no link {link:?}"));
        };
        if known.protocol.name() != conduit.protocol.get_ref() {
            fault(link, |link| {
                format!(
                    "conduit {name:?}: link {link:?} speaks {}, not {}",
                    known.protocol.name(),
                    conduit.protocol.get_ref()
                )
            })?;
        }
        for function in [&conduit.to_field, &conduit.from_field].into_iter().flatten().flatten() {
            if known.protocol.function_named(function.get_ref()).is_none() {
                fault(function, |text| {
                    format!("conduit {name:?}: {} has no function {text:?}", known.protocol.name())
                })?;
            }
        }
    }
    for class in &conduit.classes {
        if !config.gate.class.iter().any(|known| known.name == *class.get_ref()) {
            fault(class, |class| format!("conduit {name:?}: there is no class {class:?}"))?;
        }
    }
    let rate = (conduit.per_minute.unwrap_or(1.0), conduit.burst.unwrap_or(1.0));
    if !(rate.0 > 0.0 && rate.0 <= 60_000.0 && rate.1 >= 1.0 && rate.1 <= 10_000.0) {
        fault(&conduit.name, |_| {
            format!("conduit {name:?}: per_minute must be above 0 and up to 60000, burst 1 to 10000")
        })?;
    }
    Ok(())
}

/// With conduits, every link is in one and no more.
fn links(config: &Config) -> Verdict {
    let Some(first) = config.conduit.first() else { return Ok(()) };
    let mut used = HashSet::new();
    for link in config.conduit.iter().flat_map(|conduit| &conduit.links) {
        if !used.insert(link.get_ref().as_str()) {
            fault(link, |link| format!("link {link:?} is in two conduits"))?;
        }
    }
    match config.link.iter().find(|link| !used.contains(link.name.as_str())) {
        None => Ok(()),
        Some(link) => fault(&first.name, |_| {
            format!("link {:?} is in no conduit: with one conduit, every link needs one", link.name)
        }),
    }
}

/// Gives every link what its conduit lists. The configuration was checked.
pub(crate) fn apply(config: &mut Config) {
    for conduit in &config.conduit {
        for link in &mut config.link {
            if !conduit.links.iter().any(|name| *name.get_ref() == link.name) {
                continue;
            }
            let codes = |list: &Option<Vec<Spanned<String>>>| {
                let list = list.as_ref()?;
                let code = |text: &Spanned<String>| link.protocol.function_named(text.get_ref());
                Some(list.iter().filter_map(code).collect::<CodeSet>())
            };
            link.policy =
                FunctionPolicy { to_field: codes(&conduit.to_field), from_field: codes(&conduit.from_field) };
        }
    }
}

/// The conduits as the gate takes them.
pub(crate) fn to_gate(config: &Config) -> Vec<Conduit> {
    config.conduit.iter().map(one).collect()
}

/// One of them.
pub(crate) fn one(conduit: &ConduitConfig) -> Conduit {
    let texts = |list: &[Spanned<String>]| list.iter().map(|text| text.get_ref().clone()).collect();
    Conduit {
        name: conduit.name.get_ref().clone(),
        links: texts(&conduit.links),
        limit: conduit
            .per_minute
            .map(|per_minute| RateLimit { per_minute, burst: conduit.burst.unwrap_or(per_minute.max(1.0)) }),
        classes: texts(&conduit.classes),
        commands: conduit.direction == Direction::Both,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::parse_toml;
    use std::path::Path;

    const HEAD: &str = r#"network.file = "n.m"
data.directory = "d"
[[link]]
name = "S1"
protocol.iec104 = { endpoints = ["127.0.0.1:1"] }
[[link]]
name = "S2"
protocol.iec104 = { endpoints = ["127.0.0.1:2"] }
[[zone]]
name = "centre"
[[zone]]
name = "field"
"#;

    fn read(conduits: &str) -> Result<Config, String> {
        let text = format!("{HEAD}{conduits}");
        let mut config: Config = parse_toml(Path::new("c.toml"), &text).map_err(|error| error.to_string())?;
        config.text = text;
        config.file = "c.toml".into();
        check(&config).map_err(|error| error.to_string())?;
        apply(&mut config);
        Ok(config)
    }

    fn conduit(changes: &[(&str, &str)]) -> String {
        let mut lines = vec![
            ("name", "\"scada\""),
            ("from", "\"centre\""),
            ("to", "\"field\""),
            ("protocol", "\"iec104\""),
            ("links", "[\"S1\", \"S2\"]"),
        ];
        for (key, value) in changes {
            lines.retain(|(known, _)| known != key);
            lines.push((key, value));
        }
        let lines = lines.iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("[[conduit]]\n{}", lines.collect::<String>())
    }

    #[test]
    fn a_mistake_names_its_line() {
        let refuse = |changes: &[(&str, &str)], wanted: &str| {
            let error = read(&conduit(changes)).unwrap_err();
            assert!(error.starts_with(wanted), "{error} instead of {wanted}");
        };
        refuse(&[("to", "\"filed\"")], "c.toml:18: conduit \"scada\": there is no zone \"filed\"");
        refuse(&[("links", "[\"S1\", \"S3\"]")], "c.toml:18: conduit \"scada\": there is no link \"S3\"");
        refuse(
            &[("protocol", "\"dnp3\"")],
            "c.toml:17: conduit \"scada\": link \"S1\" speaks iec104, not dnp3",
        );
        refuse(&[("to_field", "[\"C_XX_NA_1\"]")], "c.toml:19: conduit \"scada\": iec104 has no function");
        refuse(&[("classes", "[\"x\"]")], "c.toml:19: conduit \"scada\": there is no class \"x\"");
        refuse(&[("links", "[\"S1\"]")], "c.toml:14: link \"S2\" is in no conduit");
        refuse(&[("burst", "0.5")], "c.toml:14: conduit \"scada\": per_minute");
        refuse(&[("to", "\"centre\"")], "c.toml:18: conduit \"scada\": it joins a zone with itself");
        refuse(&[("direction", "\"up\"")], "c.toml:19: ");
    }

    #[test]
    fn links_get_what_their_conduit_lists() {
        let config = read("").unwrap();
        assert_eq!(config.link[0].policy, FunctionPolicy::default());
        let listed = conduit(&[("to_field", "[\"C_DC_NA_1\", \"100\"]"), ("per_minute", "6")]);
        let config = read(&listed).unwrap();
        let policy = config.link[1].policy;
        assert_eq!(policy.to_field.unwrap().iter().collect::<Vec<u8>>(), [46, 100]);
        assert_eq!(policy.from_field, None);
        assert_eq!(to_gate(&config)[0].limit, Some(RateLimit { per_minute: 6.0, burst: 6.0 }));
    }
}
