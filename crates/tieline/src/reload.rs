//! `tieline reload`: compares a point list with that of a running centre, and puts it into force.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `tieline reload`.
#[derive(Args)]
pub(crate) struct ReloadArgs {
    /// Address of the centre, e.g. http://127.0.0.1:8080.
    url: String,
    /// File with a bearer token of a user with the right `configure` (`tieline token create`).
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The list as CSV; without it the centre reads the file of its configuration anew.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Put the list into force, for this reason; without it the differences are only told.
    #[arg(long, value_name = "REASON")]
    apply: Option<String>,
}

/// Runs `tieline reload`: differences to stdout, one per line, counts to stderr.
pub(crate) fn command(args: &ReloadArgs) -> Result<ExitCode> {
    let token = std::fs::read_to_string(&args.token_file)
        .with_context(|| format!("{}: the token cannot be read", args.token_file.display()))?;
    let csv = match &args.list {
        None => None,
        Some(file) => Some(
            std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?,
        ),
    };
    let centre = Centre { url: args.url.trim_end_matches('/'), token: token.trim() };
    let found = centre.post("point-list/compare", &json!({ "csv": csv }))?;
    tell(&found);
    let Some(reason) = &args.apply else { return Ok(ExitCode::SUCCESS) };
    let body = json!({ "csv": csv, "revision": found["revision"], "reason": reason });
    let done = centre.post("point-list/apply", &body)?;
    eprintln!("in force as revision {}", done["revision"]);
    Ok(ExitCode::SUCCESS)
}

struct Centre<'a> {
    url: &'a str,
    token: &'a str,
}

impl Centre<'_> {
    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent
            .post(format!("{}/api/v1/{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .with_context(|| {
                format!("{} does not answer (hint: the address that `tieline run` prints)", self.url)
            })?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string()?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let part = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
        bail!("{} (hint: {})", part("message"), part("hint"))
    }
}

fn tell(found: &Value) {
    let names = |key: &str| found[key].as_array().cloned().unwrap_or_default();
    for (sign, key) in [("-", "removed"), ("+", "added")] {
        for name in names(key) {
            println!("{sign} {}", name.as_str().unwrap_or_default());
        }
    }
    for change in names("changed") {
        for cell in change["cells"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            println!(
                "~ {} {}: {:?} -> {:?}",
                text(&change["name"]),
                text(&cell["column"]),
                text(&cell["old"]),
                text(&cell["new"])
            );
        }
    }
    for why in names("in_use") {
        eprintln!("not to be applied now: {}", why.as_str().unwrap_or_default());
    }
    eprintln!(
        "{} added, {} removed, {} changed",
        found["added_count"], found["removed_count"], found["changed_count"]
    );
}
