//! The end of a long study by Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Whether somebody pressed Ctrl-C since [`watch`].
pub(crate) fn cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// From now on the first Ctrl-C asks for an orderly end; a second ends the process.
pub(crate) fn watch() {
    // Without a runtime Ctrl-C ends the process at once, as it always did.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    std::thread::spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                CANCELLED.store(true, Ordering::Relaxed);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(1);
            }
        });
    });
}
