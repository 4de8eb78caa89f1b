//! What a process tree used: CPU time and memory, from `/proc`.

use std::fs;
use std::time::Duration;

/// A process, its children and theirs. The list is made once: none of the proxies forks while it
/// is measured.
pub(crate) struct Tree(Vec<u32>);

impl Tree {
    /// The tree below `root` as it stands now.
    pub(crate) fn of(root: u32) -> Self {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, stat_field(pid, 4)? as u32)))
            .collect();
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(&parent) = tree.get(next) {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Self(tree)
    }

    /// User plus system time of all threads, those that ended included (proc(5), fields 14 and 15).
    pub(crate) fn cpu(&self) -> Duration {
        let ticks: u64 = self
            .0
            .iter()
            .filter_map(|pid| Some(stat_field(*pid, 14)? + stat_field(*pid, 15)?))
            .sum();
        // USER_HZ is 100 on every Linux that matters here, whatever CONFIG_HZ is.
        Duration::from_millis(ticks * 10)
    }

    /// Bytes of memory, each shared page counted once in the whole (proportional set size); the
    /// resident set where the kernel does not tell.
    pub(crate) fn memory(&self) -> u64 {
        self.0.iter().map(|pid| proportional(*pid).unwrap_or_else(|| resident(*pid))).sum()
    }

    /// Resident bytes: quicker to read than [`Tree::memory`], for sampling during a transfer.
    pub(crate) fn resident(&self) -> u64 {
        self.0.iter().map(|pid| resident(*pid)).sum()
    }
}

/// A field of `/proc/PID/stat` by its number in proc(5). The name, field 2, may contain anything,
/// so counting starts behind its closing bracket.
fn stat_field(pid: u32, number: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn proportional(pid: u32) -> Option<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:")
}

fn resident(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|text| kilobytes(&text, "VmRSS:"))
        .unwrap_or(0)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_loop_shows_up_as_cpu_time_of_this_process() {
        let tree = Tree::of(std::process::id());
        let before = tree.cpu();
        let mut sum = 0_u64;
        while tree.cpu() - before < Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        // Proportional: what other test processes map as well counts for a part only.
        assert!(tree.memory() > 64 << 10);
    }
}
