//! The certificates that a centre uses: when they expire, and their renewal where the authority is on this machine (S-10).

use super::authority::{Authority, Usage, Wish};
use super::desk::Desk;
use super::files::{write, write_secret};
use crate::audit::keeper::Parts;
use crate::config::Config;
use crate::core::{Core, CoreHandle};
use anyhow::{Context as _, Result};
use scada::alarm::AlarmKind;
use scada::event::{EventKind, Severity};
use security::{AuditEntry, Outcome};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Record, Store};
use timebase::{Now, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::{CertificateFacts, Clock};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Revocation lists are written anew this often: they count for [`super::authority::CRL_DAYS`].
const LISTS_ANEW: Duration = Duration::from_secs(86_400);

/// A certificate that the configuration names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Used {
    /// For what: `http`, `uplink`, `link S1`, `audit copy`.
    pub(crate) by: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// One of them as it was last seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) used: Used,
    pub(crate) facts: Result<CertificateFacts, String>,
}

/// How urgent the end of a certificate is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Urgency {
    Good,
    /// Within 30, 7 and 1 days, or over.
    Month,
    Week,
    Day,
    Over,
    /// It cannot be read.
    Unknown,
}

impl Urgency {
    fn of(seen: &Seen, now: Utc) -> Self {
        let Ok(facts) = &seen.facts else { return Self::Unknown };
        let left = facts.until.since(now);
        match left {
            Duration::ZERO => Self::Over,
            left if left <= DAY => Self::Day,
            left if left <= DAY * 7 => Self::Week,
            left if left <= DAY * 30 => Self::Month,
            _ => Self::Good,
        }
    }

    fn severity(self) -> Option<Severity> {
        match self {
            Self::Good => None,
            Self::Month => Some(Severity::Medium),
            Self::Week | Self::Unknown => Some(Severity::High),
            Self::Day | Self::Over => Some(Severity::Critical),
        }
    }
}

/// The certificates that the configuration names.
pub(crate) fn used(config: &Config) -> Vec<Used> {
    let mut all = Vec::new();
    let mut add = |by: String, certificate: &PathBuf, key: &PathBuf| {
        all.push(Used { by, certificate: certificate.clone(), key: key.clone() });
    };
    if let Some(tls) = &config.http.tls {
        add("http".to_owned(), &tls.certificate, &tls.key);
    }
    if let Some(tls) = config.uplink.as_ref().and_then(|uplink| uplink.tls.as_ref()) {
        add("uplink".to_owned(), &tls.certificate, &tls.key);
    }
    if let Some(tls) = config.audit.forward.as_ref().and_then(|forward| forward.tls.as_ref()) {
        add("audit copy".to_owned(), &tls.certificate, &tls.key);
    }
    for link in &config.link {
        if let Some(tls) = link.protocol.tls() {
            add(format!("link {}", link.name), &tls.certificate, &tls.key);
        }
    }
    all
}

/// Starts the task; returns it and the desk for handlers.
pub(crate) fn start(
    Parts { config, store, clock, core }: &Parts<'_>,
    shutdown: &watch::Sender<bool>,
) -> Result<(Desk, JoinHandle<()>)> {
    let authority = super::desk::open(config.certificates.authority.as_deref())?;
    let (seen, sight) = watch::channel(Vec::new());
    let watch = Watch {
        used: used(config),
        authority: authority.clone(),
        clock: *clock,
        core: CoreHandle::clone(core),
        store: Arc::clone(store),
        seen,
    };
    Ok((Desk::new(sight, authority), tokio::spawn(watch.run(shutdown.subscribe()))))
}

/// The task.
pub(crate) struct Watch {
    pub(crate) used: Vec<Used>,
    pub(crate) authority: Option<Arc<Mutex<Authority>>>,
    pub(crate) clock: Clock,
    pub(crate) core: CoreHandle,
    pub(crate) store: Arc<Store>,
    pub(crate) seen: watch::Sender<Vec<Seen>>,
}

impl Watch {
    /// Looks until shutdown.
    pub(crate) async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(LOOK);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = HashMap::new();
        let mut lists_at: Option<Utc> = None;
        loop {
            tokio::select! {
                () = crate::audit::stopped(&mut shutdown) => return,
                _ = beat.tick() => {}
            }
            let now = self.clock.now().utc;
            let anew = lists_at.is_none_or(|at| now.since(at) >= LISTS_ANEW);
            lists_at = if anew { Some(now) } else { lists_at };
            let (used, authority) = (self.used.clone(), self.authority.clone());
            let look = move || {
                let authority =
                    authority.as_ref().map(|one| one.lock().unwrap_or_else(PoisonError::into_inner));
                look(&used, authority.as_deref(), anew, now)
            };
            let Ok((seen, renewed)) = tokio::task::spawn_blocking(look).await else { continue };
            for deed in renewed {
                self.note_renewal(deed, now).await;
            }
            self.tell(&mut told, &seen, now).await;
            self.seen.send_replace(seen);
        }
    }

    async fn note_renewal(&self, (by, result): (String, Result<(), String>), now: Utc) {
        let (outcome, text) = match &result {
            Ok(()) => (Outcome::Done, "renewed at two thirds of its life".to_owned()),
            Err(why) => (Outcome::Failed, why.clone()),
        };
        let entry = AuditEntry {
            time: now,
            actor: "centre".to_owned(),
            source: "certificates".to_owned(),
            action: "certificate.renew".to_owned(),
            target: by.clone(),
            old: None,
            new: None,
            outcome,
            reason: text.clone(),
        };
        let store = Arc::clone(&self.store);
        let written = tokio::task::spawn_blocking(move || store.append(vec![Record::Audit(entry)])).await;
        if !matches!(written, Ok(Ok(_))) {
            tracing::error!(by, "Renewal of a certificate not audited");
        }
        let event = move |core: &mut Core, now: Now| {
            let text = format!("certificate of {by}: {text}");
            core.centre.record(now.utc, EventKind::System, Severity::Info, "certificates", text);
        };
        // The centre may be ending.
        drop(self.core.ask(event).await);
    }

    async fn tell(&self, told: &mut HashMap<String, Urgency>, seen: &[Seen], now: Utc) {
        for one in seen {
            let urgency = Urgency::of(one, now);
            if told.insert(one.used.by.clone(), urgency).unwrap_or(Urgency::Good) == urgency {
                continue;
            }
            let source = format!("certificate {}", one.used.by);
            let text = match &one.facts {
                Ok(facts) => format!("the certificate of {} ends on {}", facts.subject, facts.until),
                Err(why) => why.clone(),
            };
            let raise = move |core: &mut Core, now: Now| {
                core.centre.clear_about(AlarmKind::System, &source, now.utc);
                if let Some(severity) = urgency.severity() {
                    core.centre.raise_about(AlarmKind::System, &source, severity, &text, now.utc);
                }
            };
            drop(self.core.ask(raise).await);
        }
    }
}

type Renewed = Vec<(String, Result<(), String>)>;

fn look(used: &[Used], authority: Option<&Authority>, lists: bool, now: Utc) -> (Vec<Seen>, Renewed) {
    let read = |used: &Used| Seen {
        used: used.clone(),
        facts: CertificateFacts::read(&used.certificate).map_err(|error| error.to_string()),
    };
    let mut seen: Vec<Seen> = used.iter().map(read).collect();
    let Some(authority) = authority else { return (seen, Vec::new()) };
    let mut renewed = Vec::new();
    if lists && let Err(error) = authority.publish(now) {
        renewed.push(("revocation lists".to_owned(), Err(format!("{error:#}"))));
    }
    for one in &mut seen {
        let Ok(facts) = &one.facts else { continue };
        if is_due(facts, now) && authority.has_issued(&facts.serial) {
            let result = renew(authority, &one.used, facts, now).map_err(|error| format!("{error:#}"));
            renewed.push((one.used.by.clone(), result));
            *one = read(&one.used);
        }
    }
    (seen, renewed)
}

/// Two thirds of its life are over.
fn is_due(facts: &CertificateFacts, now: Utc) -> bool {
    now.since(facts.from) >= facts.until.since(facts.from) * 2 / 3
}

/// Replaces a certificate file and its key file by one of the same names, usage and length of life.
///
/// # Errors
/// A certificate that cannot be read; those of the authority and of files.
pub fn renew_files(authority: &Authority, certificate: &Path, key: &Path, now: Utc) -> Result<()> {
    let facts = CertificateFacts::read(certificate)?;
    let used = Used { by: String::new(), certificate: certificate.to_owned(), key: key.to_owned() };
    renew(authority, &used, &facts, now)
}

/// Replaces a certificate and its key by one of the same names and the same length of life.
fn renew(authority: &Authority, used: &Used, facts: &CertificateFacts, now: Utc) -> Result<()> {
    let days = facts.until.since(facts.from).as_secs() / DAY.as_secs();
    let (name, names) = facts.names.split_first().context("it carries no name")?;
    let wish = Wish {
        name: name.clone(),
        names: names.to_vec(),
        usage: match (facts.server, facts.client) {
            (true, false) => Usage::Server,
            (false, _) => Usage::Client,
            (true, true) => Usage::Both,
        },
        days: u32::try_from(days.max(1)).unwrap_or(u32::MAX),
    };
    let made = authority.issue(&wish, now)?;
    // Between the two files they do not fit each other: readers then stay with what they have.
    write_secret(&used.key, made.key.as_deref().context("no key")?)?;
    write(&used.certificate, &made.certificate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BEGIN: i64 = 1_790_000_000;

    fn at(days: f64) -> Utc {
        Utc::from_micros(((BEGIN as f64 + days * 86_400.0) * 1e6) as i64)
    }

    #[test]
    fn alarms_come_thirty_seven_and_one_day_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Authority::create(folder.path(), "Test", 3_650, false, at(0.0)).unwrap();
        let wish = Wish { name: "centre".to_owned(), names: Vec::new(), usage: Usage::Server, days: 90 };
        let used = Used {
            by: "http".to_owned(),
            certificate: folder.path().join("c.pem"),
            key: folder.path().join("c.key"),
        };
        let urgency =
            |days: f64| Urgency::of(&look(std::slice::from_ref(&used), None, false, at(days)).0[0], at(days));
        assert_eq!(urgency(0.0), Urgency::Unknown, "no file");
        let made = pki.issue(&wish, at(0.0)).unwrap();
        std::fs::write(&used.certificate, &made.certificate).unwrap();
        for (days, wanted) in [
            (1.0, Urgency::Good),
            (59.0, Urgency::Good),
            (60.1, Urgency::Month),
            (82.9, Urgency::Month),
            (83.1, Urgency::Week),
            (89.1, Urgency::Day),
            (90.1, Urgency::Over),
        ] {
            assert_eq!(urgency(days), wanted, "after {days} days");
        }
        let facts = CertificateFacts::read(&used.certificate).unwrap();
        assert!(!is_due(&facts, at(59.0)) && is_due(&facts, at(60.1)));
        assert_eq!((facts.server, facts.client), (true, false));
        let (seen, renewed) = look(std::slice::from_ref(&used), Some(&pki), true, at(60.1));
        assert_eq!(renewed, [("http".to_owned(), Ok(()))]);
        let fresh = seen[0].facts.clone().unwrap();
        assert_eq!((&fresh.names, fresh.server, fresh.client), (&facts.names, true, false));
        assert!(fresh.until > facts.until);
        assert!(look(std::slice::from_ref(&used), Some(&pki), false, at(61.0)).1.is_empty(), "once");
        let other = tempfile::tempdir().unwrap();
        let stranger = Authority::create(other.path(), "Other", 3_650, false, at(0.0)).unwrap();
        let (_, renewed) = look(std::slice::from_ref(&used), Some(&stranger), false, at(140.0));
        assert!(renewed.is_empty(), "what another authority has issued is not ours");
    }
}
