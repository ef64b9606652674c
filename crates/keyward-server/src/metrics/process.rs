//! What the operating system says about this process, under the names that all clients of
//! Prometheus use. Linux tells it in files; elsewhere there are no samples.

use std::fmt;
use std::fs;

use super::Source;
use super::page::{ALONE, Page};

/// The process, asked anew for each page.
#[derive(Debug)]
pub(super) struct Process;

impl Source for Process {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let stat = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse);
        let System { ticks_per_second, page_bytes, descriptors_max } = System::ask();
        let ticks = |ticks: u64| as_f64(ticks) / as_f64(ticks_per_second);
        page.counter(
            ("process_cpu_seconds", "Time of processors that the process took."),
            stat.iter().map(|stat| (ALONE, ticks(stat.cpu_ticks))),
        )?;
        page.gauge(
            ("process_resident_memory_bytes", "Memory of the machine that the process takes."),
            stat.iter().map(|stat| (ALONE, as_f64(stat.resident_pages.saturating_mul(page_bytes)))),
        )?;
        page.gauge(
            ("process_virtual_memory_bytes", "Addresses of memory that the process reserved."),
            stat.iter().map(|stat| (ALONE, as_f64(stat.virtual_bytes))),
        )?;
        page.gauge(
            ("process_start_time_seconds", "When the process started, as Unix time."),
            stat.iter()
                .zip(boot_time())
                .map(|(stat, booted)| (ALONE, as_f64(booted) + ticks(stat.started_ticks))),
        )?;
        page.gauge(
            ("process_threads", "Threads of the process."),
            stat.iter().map(|stat| (ALONE, as_f64(stat.threads))),
        )?;
        page.gauge(
            ("process_open_fds", "File descriptors that are open, connections among them."),
            open_descriptors().map(|open| (ALONE, as_f64(open))),
        )?;
        page.gauge(
            ("process_max_fds", "File descriptors that may be open at the same time."),
            descriptors_max.map(|most| (ALONE, as_f64(most))),
        )
    }
}

/// The units and the bounds of the system.
struct System {
    ticks_per_second: u64,
    page_bytes: u64,
    descriptors_max: Option<u64>,
}

impl System {
    #[cfg(target_os = "linux")]
    fn ask() -> Self {
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or_default(),
            descriptors_max: descriptors.current,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn ask() -> Self {
        Self { ticks_per_second: 1, page_bytes: 1, descriptors_max: None }
    }
}

/// A number for a gauge. Above 2^53, which is 8 PiB, it is rounded.
#[expect(clippy::cast_precision_loss, reason = "gauges are rounded numbers")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Fields of `/proc/self/stat` (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// In user mode and in kernel mode together.
    cpu_ticks: u64,
    threads: u64,
    /// Since the machine was started.
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the name of the program, in parentheses and with any characters.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        // The first of them is the third of all.
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine was started, in seconds of Unix time.
fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// How many descriptors are open, without the one that looks.
fn open_descriptors() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_no_field() {
        let text =
            "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 9 0 4711 8192 3 18";
        let expected = Stat {
            cpu_ticks: 400,
            threads: 9,
            started_ticks: 4_711,
            virtual_bytes: 8_192,
            resident_pages: 3,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_it() {
        let stat = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse);
        let stat = stat.unwrap();
        assert!(0 < stat.threads && 0 < stat.resident_pages);
        assert!(boot_time().is_some() && open_descriptors().is_some());
    }
}
