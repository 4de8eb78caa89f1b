//! The process's own figures: CPU, memory, file descriptors, read from `/proc` at a scrape.
//!
//! They bear the names that every Prometheus client library gives them, so that existing
//! dashboards find them. Where there is no `/proc` they are absent.

use std::{fmt::Write as _, fs};

use super::metrics::family;

/// Clock ticks in a second as `/proc` counts them (`USER_HZ`, 100 on every Linux).
const TICKS: f64 = 100.0;

/// Appends what can be read.
pub(super) fn render(out: &mut String) {
    let mut one = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            family(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    one(
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time of the process in seconds.",
        cpu_seconds(&stat),
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    one(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of the process in bytes.",
        kilobytes(&status, "VmRSS:"),
    );
    one(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory of the process in bytes.",
        kilobytes(&status, "VmSize:"),
    );
    one("process_open_fds", "gauge", "Open file descriptors.", open_descriptors());
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    one(
        "process_max_fds",
        "gauge",
        "File descriptors the process may have open.",
        most_descriptors(&limits),
    );
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    one(
        "process_start_time_seconds",
        "gauge",
        "When the process started, seconds since 1970.",
        start_seconds(&stat, &system),
    );
}

/// The numbered field of `/proc/self/stat` (proc_pid_stat(5)). The second is a name in
/// parentheses that may hold blanks and parentheses itself.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS)
}

fn start_seconds(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + stat_field(stat, 22)? / TICKS)
}

fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    // Since Linux 6.2 the folder's size is the number; before, it has to be walked.
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size as f64);
    }
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

fn most_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_hostile_name_is_read_right() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1000 9 9 9";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(start_seconds(stat, "cpu 1\nbtime 1770000000\n"), Some(1_770_000_010.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_descriptors() {
        let mut out = String::new();
        render(&mut out);
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "process_start_time_seconds ",
        ] {
            assert!(out.lines().any(|line| line.starts_with(name)), "{name} in {out}");
        }
    }
}
