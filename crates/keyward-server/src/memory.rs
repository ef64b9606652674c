//! Keeping the memory of this process from others: it holds admin keys and secrets for a moment.

/// Has the system write no core dump of this process, and on Linux let only root inspect it, as a
/// debugger would.
///
/// If the system call fails, the program goes on: secrets are wiped after their use, too.
#[cfg(target_os = "linux")]
pub(crate) fn forbid_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _denied = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Has the system write no core dump of this process.
///
/// If the system call fails, the program goes on: secrets are wiped after their use, too.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn forbid_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _denied = setrlimit(Resource::Core, none);
}

/// Does nothing: Windows writes a dump of a process only if its operator has set that up.
#[cfg(windows)]
pub(crate) fn forbid_dumps() {}
