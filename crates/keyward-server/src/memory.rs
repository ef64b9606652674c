//! Keeping the memory of this process from others: it holds admin keys and secrets for a moment.

/// Has the system write no dump of this process, whatever it dies of, and on Linux let nobody but
/// root look into it, as a debugger would.
///
/// If the system refuses, the program goes on: what there is to hide is wiped after its use, too.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _refused = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Has the system write no dump of this process, whatever it dies of.
///
/// If the system refuses, the program goes on: what there is to hide is wiped after its use, too.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _refused = setrlimit(Resource::Core, none);
}
