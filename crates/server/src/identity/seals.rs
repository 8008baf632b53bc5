//! Keeps the alarms about sealed accounts: each is critical as long as its account is open.

use super::Identity;
use crate::core::CoreHandle;
use scada::alarm::AlarmKind;
use scada::event::Severity;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use transport::Clock;

/// How often open accounts are looked for.
const PERIOD: Duration = Duration::from_secs(1);

/// Works until shutdown.
pub(crate) async fn run(
    identity: Arc<Identity>,
    core: CoreHandle,
    clock: Clock,
    mut shutdown: tokio::sync::watch::Receiver<bool>,
) {
    let mut beat = tokio::time::interval(PERIOD);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = shutdown.changed() => return,
        }
        let (people, now) = (Arc::clone(&identity), clock.now());
        let Ok(open) = tokio::task::spawn_blocking(move || people.open_seals(now)).await else { continue };
        let open: BTreeMap<String, String> = open
            .into_iter()
            .map(|seal| {
                let text = format!(
                    "sealed account {} is open (session {}) until {}",
                    seal.user, seal.session, seal.until
                );
                (format!("break-glass {}", seal.user), text)
            })
            .collect();
        if open == known {
            continue;
        }
        let gone: Vec<String> = known.keys().filter(|source| !open.contains_key(*source)).cloned().collect();
        let raised = open.clone();
        let told = core.ask(move |core, now| {
            for (source, text) in raised {
                core.centre.raise_about(AlarmKind::System, &source, Severity::Critical, &text, now.utc);
            }
            for source in gone {
                core.centre.clear_about(AlarmKind::System, &source, now.utc);
            }
        });
        if told.await.is_err() {
            return;
        }
        known = open;
    }
}
