//! How much memory this process uses and may use, from what Linux tells in files.

use std::{fs, path::Path};

/// Resident bytes of this process (`proc_pid_status(5)`); `None` where there is no `/proc`.
pub fn used() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Bytes this process may use: what the configuration says, or the least that its cgroups and the
/// machine have. 0 where nobody knows.
pub fn limit(configured: u64) -> u64 {
    if configured > 0 {
        return configured;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| kibibytes(&text, "MemTotal:"));
    of_groups(&groups, Path::new("/sys/fs/cgroup")).into_iter().chain(machine).min().unwrap_or(0)
}

/// A line of `/proc/self/status` or `/proc/meminfo`; both count in KiB and write `kB`.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of the process's cgroup and all above it (version 2: `0::/path`; version 1: the
/// `memory` controller). In a container the path may be that of the host, and the root is ours.
fn of_groups(groups: &str, root: &Path) -> Option<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next()?, parts.next()?);
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = folder.join(path.trim_start_matches('/'));
        let above = group.ancestors().take_while(|group| group.starts_with(&folder));
        // `max` is no number, and no limit.
        limits.extend(
            above
                .filter_map(|group| fs::read_to_string(group.join(file)).ok())
                .filter_map(|text| text.trim().parse::<u64>().ok()),
        );
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l46_the_tightest_group_holds() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/memory.max", "1000\n");
        write("a/b/memory.max", "max\n");
        write("a/b/c/memory.max", "2000\n");
        write("memory/d/memory.limit_in_bytes", "700\n");
        assert_eq!(of_groups("0::/a/b/c\n", root.path()), Some(1000));
        assert_eq!(of_groups("0::/elsewhere\n", root.path()), None);
        assert_eq!(of_groups("4:cpu,memory:/d\n0::/a/b/c\n", root.path()), Some(700));
        assert_eq!(of_groups("nonsense", root.path()), None);
    }

    #[test]
    fn l46_what_linux_writes_is_read() {
        let meminfo = "MemTotal:       16308452 kB\nMemFree: 1 kB\n";
        assert_eq!(kibibytes(meminfo, "MemTotal:"), Some(16_308_452 * 1024));
        assert_eq!(kibibytes("VmRSS:\t    512 kB\n", "VmRSS:"), Some(512 << 10));
        assert_eq!(kibibytes("VmRSS: many kB\n", "VmRSS:"), None);
        assert_eq!(limit(5), 5);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn l46_this_process_uses_less_than_it_may() {
        let (used, limit) = (used().unwrap(), limit(0));
        assert!(used > 100_000 && used < limit, "{used} of {limit}");
    }
}
