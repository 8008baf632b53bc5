//! Rules of remedial actions, as TOML.
//!
//! ```toml
//! [[rule]]
//! name = "relieve 1-5"
//! after = "branch 1-2"        # contingency after which it applies; without, after any
//! overloaded = "1-5"          # branch that has to be loaded
//! above_percent = 110.0       # above this; without, above 100
//! open_branch = ["2-4"]
//! set_power = [{ generator = "2", p_mw = 80.0 }]
//! change_power = [{ generator = "1", p_mw = -40.0 }]
//! shed = [{ load = "3", share = 0.25 }]
//! set_ratio = [{ branch = "4-7", ratio = 0.96 }]      # bus-branch
//! set_tap = [{ transformer = "T4-7", step = 3 }]      # node-breaker
//! open_switch = ["S2/L2-4/CB"]
//! close_switch = ["S4/Coupler"]
//! ```

use serde::Deserialize;

use crate::list::{ListError, line_at};
use crate::names::Names;
use crate::remedy::{Action, Rule};

/// Most rules of a file.
const MAX_RULES: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rule: Vec<toml::Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    after: Option<String>,
    overloaded: String,
    above_percent: Option<f64>,
    #[serde(default)]
    open_branch: Vec<String>,
    #[serde(default)]
    set_power: Vec<Power>,
    #[serde(default)]
    change_power: Vec<Power>,
    #[serde(default)]
    shed: Vec<Shed>,
    #[serde(default)]
    set_ratio: Vec<Ratio>,
    #[serde(default)]
    set_tap: Vec<Tap>,
    #[serde(default)]
    open_switch: Vec<String>,
    #[serde(default)]
    close_switch: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Power {
    generator: String,
    p_mw: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shed {
    load: String,
    share: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratio {
    branch: String,
    ratio: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tap {
    transformer: String,
    step: i16,
}

/// Reads rules; figures in MW become per unit on `base_mva`.
///
/// # Errors
/// The first rule that cannot be used.
pub fn read_rules(text: &str, names: &dyn Names, base_mva: f64) -> Result<Vec<Rule>, ListError> {
    let document: Document = toml::from_str(text).map_err(|error| ListError::of_toml(text, &error))?;
    if document.rule.len() > MAX_RULES {
        return Err(ListError::new(0, format!("more than {MAX_RULES} rules"), "split the file"));
    }
    let read = |entry: toml::Spanned<Entry>| {
        let line = line_at(text, entry.span().start);
        Reader { names, base_mva, line }.rule(entry.into_inner())
    };
    document.rule.into_iter().map(read).collect()
}

struct Reader<'a> {
    names: &'a dyn Names,
    base_mva: f64,
    line: u32,
}

impl Reader<'_> {
    fn rule(&self, entry: Entry) -> Result<Rule, ListError> {
        let branch = self.live("branch", &entry.overloaded, self.names.branch(&entry.overloaded))?;
        let above_percent = entry.above_percent.unwrap_or(100.0);
        if !(above_percent > 0.0 && above_percent.is_finite()) {
            return Err(self.fault(format!("above_percent is {above_percent}"), "give a percentage above 0"));
        }
        let actions = self.actions(&entry)?;
        if actions.is_empty() {
            let reason = format!("rule {:?} does nothing", entry.name);
            return Err(self.fault(reason, "name at least one action, such as open_branch"));
        }
        Ok(Rule { name: entry.name, after: entry.after, branch, above_percent, actions })
    }

    fn actions(&self, entry: &Entry) -> Result<Vec<Action>, ListError> {
        let mut actions = Vec::new();
        for name in &entry.open_branch {
            actions.push(Action::OpenBranch(self.live("branch", name, self.names.branch(name))?));
        }
        for (list, sets) in [(&entry.set_power, true), (&entry.change_power, false)] {
            for Power { generator, p_mw } in list {
                let machine = self.live("generator", generator, self.names.machine(generator))?;
                let p_pu = self.finite("p_mw", *p_mw)? / self.base_mva;
                actions.push(if sets {
                    Action::SetPower { machine, p_pu }
                } else {
                    Action::ChangePower { machine, p_pu }
                });
            }
        }
        for Shed { load, share } in &entry.shed {
            let load = self.live("load", load, self.names.load(load))?;
            if !(0.0..=1.0).contains(share) {
                return Err(self.fault(format!("share is {share}"), "give a share from 0 to 1"));
            }
            actions.push(Action::Shed { load, share: *share });
        }
        for Ratio { branch, ratio } in &entry.set_ratio {
            let branch = self.live("branch", branch, self.names.branch(branch))?;
            if !(*ratio > 0.0 && ratio.is_finite()) {
                return Err(self.fault(format!("ratio is {ratio}"), "give a ratio above 0"));
            }
            actions.push(Action::SetRatio { branch, ratio: *ratio });
        }
        for Tap { transformer, step } in &entry.set_tap {
            let changer = self.names.tap_changer(transformer).ok_or_else(|| {
                let hint = "taps belong to transformers of a node-breaker network; use set_ratio for a case";
                self.fault(format!("there is no tap changer at {transformer:?}"), hint)
            })?;
            actions.push(Action::SetTap { changer, step: *step });
        }
        for (list, open) in [(&entry.open_switch, true), (&entry.close_switch, false)] {
            for name in list {
                let switch = self.names.switch(name).ok_or_else(|| {
                    let hint = "switches belong to a node-breaker network and have names like S2/L2-4/CB";
                    self.fault(format!("there is no switch {name:?}"), hint)
                })?;
                actions.push(Action::Switch { switch, open });
            }
        }
        Ok(actions)
    }

    fn live<T>(&self, kind: &str, name: &str, found: Option<Option<T>>) -> Result<T, ListError> {
        match found {
            Some(Some(found)) => Ok(found),
            Some(None) => {
                let reason = format!("{kind} {name:?} is out of service");
                Err(self.fault(reason, "name something that is in service in the base state"))
            }
            None => {
                let reason = format!("there is no {kind} {name:?}");
                Err(self.fault(reason, "names are those of the results"))
            }
        }
    }

    fn finite(&self, what: &str, value: f64) -> Result<f64, ListError> {
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.fault(format!("{what} is {value}"), "give a number"))
        }
    }

    fn fault(&self, reason: String, hint: &str) -> ListError {
        ListError::new(self.line, reason, hint)
    }
}
