//! A child process seen through `/proc`: memory, processor time, open files, signals.

use std::{
    process::{Child, ChildStderr, ChildStdout, ExitStatus},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A child that is killed, by its id, when it goes out of scope.
pub struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    pub(crate) fn take_pipes(&mut self) -> (ChildStdout, ChildStderr) {
        let stdout = self.child.stdout.take().expect("a piped standard output");
        let stderr = self.child.stderr.take().expect("a piped standard error");
        (stdout, stderr)
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).unwrap_or_default()
    }

    /// Anonymous resident memory in bytes: what the process allocated, without its program text.
    pub fn rss(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).unwrap_or("0");
        kib.trim().parse::<u64>().expect("a number of KiB") << 10
    }

    /// Processor time spent so far, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // Fields 14 and 15, counted after the parenthesised name; 100 ticks a second on Linux.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = rest.split_whitespace().skip(11).take(2).map(|t| t.parse().unwrap_or(0u64));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Processor time of the threads whose names begin so, to the nanosecond, as the scheduler counts it.
    pub fn cpu_of(&self, threads: &str) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("a live process");
        let spent = tasks.flatten().map(|task| {
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            match read("comm").starts_with(threads) {
                true => {
                    read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
                }
                false => 0,
            }
        });
        Duration::from_nanos(spent.sum())
    }

    /// Open file descriptors.
    pub fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let _ = kill_process(pid, signal);
    }

    /// Kills at once and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end; `None` when it does not come in time.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
