//! What a long-running process gives up before it opens its first socket (S-36): new privileges, starting other programs,
//! debugging others, mounting, loading code into the kernel, and writing outside its own folders.
//!
//! Linux only: `no_new_privs`, a seccomp filter for all threads, and Landlock where the kernel has it. A kernel that has
//! neither is said on stderr; nothing is silently weaker than asked for. Must run before threads are started, since
//! Landlock holds for the calling thread and those that it starts.

use anyhow::Result;
use std::path::Path;

/// Confines this process to reading, and to writing below `writable` (made if need be) and in the temporary folder.
pub(crate) fn confine(writable: &[&Path]) -> Result<()> {
    crate::dumps::forbid()?;
    #[cfg(target_os = "linux")]
    linux::confine(writable)?;
    #[cfg(not(target_os = "linux"))]
    eprintln!("note: this system has no confinement; {} folders could be named", writable.len());
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use anyhow::{Context as _, Result};
    use landlock::{
        ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
        RulesetStatus,
    };
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};
    use std::collections::BTreeMap;
    use std::path::Path;

    /// Calls that this program never makes and an intruder in it would want. They fail with EPERM.
    const REFUSED: &[i64] = &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
    ];
    /// Files outside the folders that are written to without harm.
    const DEVICES: &[&str] = &["/dev/null", "/dev/tty"];

    pub(super) fn confine(writable: &[&Path]) -> Result<()> {
        if rustix::process::geteuid().is_root() {
            eprintln!("note: running as root; a user of its own is enough (see config/tieline.service)");
        }
        files(writable).context("the file system could not be confined")?;
        // Also sets no_new_privs, without which an unprivileged process may not install a filter.
        match std::env::consts::ARCH.try_into() {
            Ok(arch) => calls(arch).context("system calls could not be confined"),
            Err(_) => {
                eprintln!("note: system calls are not confined on this architecture");
                Ok(())
            }
        }
    }

    fn files(writable: &[&Path]) -> Result<()> {
        let abi = ABI::V3;
        let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        rules = rules.add_rule(PathBeneath::new(PathFd::new("/")?, read))?;
        let temporary = std::env::temp_dir();
        let folders = writable.iter().copied().chain([temporary.as_path()]);
        for folder in folders {
            let all = AccessFs::from_all(abi) & !AccessFs::Execute;
            rules = rules.add_rule(PathBeneath::new(PathFd::new(existing(folder)?)?, all))?;
        }
        for device in DEVICES.iter().filter(|device| Path::new(device).exists()) {
            let write = AccessFs::WriteFile | AccessFs::ReadFile;
            rules = rules.add_rule(PathBeneath::new(PathFd::new(device)?, write))?;
        }
        if rules.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
            eprintln!("note: this kernel cannot confine files (Landlock is missing)");
        }
        Ok(())
    }

    /// The folder, made if it is not there yet; the one that a bare file name lies in is the present one.
    fn existing(folder: &Path) -> Result<&Path> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    fn calls(arch: TargetArch) -> Result<()> {
        let rules: BTreeMap<i64, _> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(apply_filter_all_threads(&program)?)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::confine;
    use std::process::Command;

    /// Set in the process that confines itself: what it gives up is given up for good, so that it is not this one.
    const CHILD: &str = "TIELINE_TEST_CONFINED";

    #[test]
    fn a_confined_process_reads_writes_at_home_and_starts_nothing() {
        if let Some(home) = std::env::var_os(CHILD) {
            return child(home.as_ref());
        }
        let (home, elsewhere) = (tempfile::tempdir_in(".").unwrap(), tempfile::tempdir_in(".").unwrap());
        std::fs::write(elsewhere.path().join("old"), "old").unwrap();
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "confine::tests::a_confined_process_reads_writes_at_home_and_starts_nothing"])
            .env(CHILD, home.path())
            .env("TIELINE_TEST_ELSEWHERE", elsewhere.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        assert_eq!(std::fs::read_to_string(home.path().join("new")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(elsewhere.path().join("old")).unwrap(), "old");
        assert!(!elsewhere.path().join("new").exists());
    }

    fn child(home: &std::path::Path) {
        let elsewhere = std::path::PathBuf::from(std::env::var_os("TIELINE_TEST_ELSEWHERE").unwrap());
        confine(&[home]).unwrap();
        let thread = std::thread::spawn(move || {
            assert_eq!(std::fs::read_to_string(elsewhere.join("old")).unwrap(), "old");
            for file in ["old", "new"] {
                let refused = std::fs::write(elsewhere.join(file), "x").unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
            }
            assert!(std::fs::remove_file(elsewhere.join("old")).is_err());
        });
        thread.join().unwrap();
        std::fs::write(home.join("new"), "new").unwrap();
        let refused = Command::new("/bin/true").spawn().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    }
}
