//! The audit of a running centre: signed, watched, shown, and copied to another machine.
//!
//! - [`config`]: the table `[audit]`.
//! - [`key`]: the key that signs checkpoints.
//! - `keeper`: the task that signs and looks whether what was written still stands.
//! - [`find`]: records by filter, for the API and the command line.
//! - [`export`]: records as CSV, JSON and CEF.

pub mod config;
pub mod export;
pub mod find;
pub(crate) mod keeper;
pub mod key;

/// Source of the alarms about the chain itself.
pub(crate) const SOURCE: &str = "audit";
/// Source of the alarms about the copy on another machine.
pub(crate) const COPY_SOURCE: &str = "audit copy";

/// Waits until the centre is told to end.
pub(crate) async fn stopped(shutdown: &mut tokio::sync::watch::Receiver<bool>) {
    // A shutdown whose sender is gone is a shutdown, too.
    drop(shutdown.wait_for(|stop| *stop).await);
}
