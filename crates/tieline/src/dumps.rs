//! No image of the memory leaves the process (S-24): keys and tokens are in it.

use anyhow::{Context as _, Result};

/// Forbids core dumps, and other processes of the same user to read this one's memory.
pub(crate) fn forbid() -> Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none).context("core dumps could not be forbidden")?;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).context("the process stays dumpable")?;
    }
    Ok(())
}
