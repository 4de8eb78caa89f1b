//! The load generator: HTTP/1.1, one request at a time on each of N connections.
//!
//! *Closed loop* (no `--rate`): the next request leaves when the answer is there; it measures
//! throughput. *Open loop* (`--rate R`): requests fall due at fixed times whether the proxy keeps up
//! or not, and latency counts from the due time, so that a stall is charged to every request it
//! delayed (no coordinated omission). *Handshakes* (`--fresh 1`): a new connection for each request.
//!
//! The proxy's CPU time is read in the same breath as the counters, at both ends of the window.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use serde_json::{Value, json};

use crate::options::Options;
use crate::response::Follower;
use crate::usage::Tree;
use crate::wire::{Target, Wire};

/// The event that is no connection: the clock of the open loop.
const TIMER: u64 = u64::MAX;
/// A proxy that fails this often is broken, not slow.
const FAILURES_MAX: u64 = 1_000;

/// Runs one measurement and returns its figures.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let address: SocketAddr = options.text("address")?.parse()?;
    let target = Target::new(address, options.optional("authority"))?;
    let tree = Tree::of(options.get("pid", std::process::id())?);
    let seconds = Duration::from_secs_f64(options.get("seconds", 3.0)?);
    let warm = Duration::from_secs_f64(options.get("warm", 0.5)?);
    let mut load = Load::new(options, target)?;
    load.start()?;
    load.until(Instant::now() + warm)?;

    load.reset();
    let (from, cpu) = (Instant::now(), tree.cpu());
    load.until(from + seconds)?;
    let (took, cpu) = (from.elapsed(), tree.cpu() - cpu);
    load.charge_overdue();
    if load.done == 0 {
        bail!("not one request was answered");
    }
    load.latencies.sort_unstable();
    Ok(json!({
        "requests": load.done,
        "failures": load.failures,
        "last_failure": load.last_failure,
        "seconds": took.as_secs_f64(),
        "cpu_seconds": cpu.as_secs_f64(),
        "cpu_us": cpu.as_secs_f64() * 1e6 / load.done as f64,
        "per_second": load.done as f64 / took.as_secs_f64(),
        "busy": cpu.as_secs_f64() / took.as_secs_f64(),
        "p50_us": load.percentile(0.50),
        "p99_us": load.percentile(0.99),
        "memory": tree.memory(),
    }))
}

struct Load {
    target: Target,
    requests: Vec<Vec<u8>>,
    next_request: u64,
    connections: Vec<Connection>,
    fresh: bool,
    schedule: Option<Schedule>,
    epoll: rustix::fd::OwnedFd,
    buffer: Vec<u8>,
    done: u64,
    failures: u64,
    last_failure: Option<String>,
    /// Microseconds.
    latencies: Vec<u32>,
}

struct Connection {
    wire: Option<Wire>,
    follower: Follower,
    /// When the request in flight was sent, or was due.
    since: Option<Instant>,
}

/// The open loop's timetable.
struct Schedule {
    timer: rustix::fd::OwnedFd,
    interval: Duration,
    due: Instant,
    idle: VecDeque<usize>,
}

impl Load {
    fn new(options: &Options, target: Target) -> Result<Self> {
        let count: usize = options.get("connections", 64)?;
        let connections = (0..count)
            .map(|_| Connection { wire: None, follower: Follower::default(), since: None })
            .collect();
        let rate: f64 = options.get("rate", 0.0)?;
        let schedule = if rate > 0.0 { Some(Schedule::new(rate, count)?) } else { None };
        Ok(Self {
            target,
            requests: requests(options)?,
            next_request: 0x9E37_79B9_7F4A_7C15,
            connections,
            fresh: options.get("fresh", 0_u8)? == 1,
            schedule,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; 64 << 10],
            done: 0,
            failures: 0,
            last_failure: None,
            latencies: Vec::with_capacity(1 << 20),
        })
    }

    fn start(&mut self) -> Result<()> {
        for index in 0..self.connections.len() {
            self.open(index)?;
        }
        match &self.schedule {
            Some(schedule) => schedule.arm(&self.epoll)?,
            None => (0..self.connections.len()).for_each(|index| self.ask(index, Instant::now())),
        }
        Ok(())
    }

    fn open(&mut self, index: usize) -> Result<()> {
        let wire = Wire::open(&self.target).context("connecting to the proxy")?;
        epoll::add(
            &self.epoll,
            &wire.stream,
            epoll::EventData::new_u64(index as u64),
            epoll::EventFlags::IN,
        )?;
        let connection = &mut self.connections[index];
        connection.follower = Follower::default();
        connection.wire = Some(wire);
        Ok(())
    }

    /// Drives everything until a point in time.
    fn until(&mut self, end: Instant) -> Result<()> {
        let mut events = Vec::with_capacity(1024);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: left.as_nanos().clamp(1_000_000, 50_000_000) as i64,
            };
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timeout),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => (),
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match event.data.u64() {
                    TIMER => self.tick(),
                    index => self.readable(index as usize)?,
                }
            }
            self.send_due();
            if self.failures > FAILURES_MAX {
                bail!("{} requests failed, the last one: {:?}", self.failures, self.last_failure);
            }
        }
        Ok(())
    }

    fn readable(&mut self, index: usize) -> Result<()> {
        loop {
            let connection = &mut self.connections[index];
            let Some(wire) = &mut connection.wire else { return Ok(()) };
            let outcome = match wire.receive(&mut self.buffer) {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => Err(anyhow::anyhow!("the proxy closed the connection")),
                Ok(Some(length)) => connection.follower.take(&self.buffer[..length]),
                Err(error) => Err(error.into()),
            };
            let again = wire.holds_back();
            match outcome {
                Ok(None) if again => (),
                Ok(None) => return Ok(()),
                Ok(Some(status)) => return self.answered(index, status),
                Err(error) => return self.failed(index, &error),
            }
        }
    }

    fn answered(&mut self, index: usize, status: u16) -> Result<()> {
        let now = Instant::now();
        if let Some(since) = self.connections[index].since.take() {
            self.latencies.push(microseconds(now - since));
        }
        if status == 200 {
            self.done += 1;
        } else {
            self.fail(format!("status {status}"));
        }
        if self.fresh {
            self.close(index);
            self.open(index)?;
        }
        self.free(index, now);
        Ok(())
    }

    /// A request that was cut; an idle connection that was closed is only opened again.
    fn failed(&mut self, index: usize, error: &anyhow::Error) -> Result<()> {
        let cut = self.connections[index].since.take().is_some();
        if cut {
            self.fail(error.to_string());
        }
        self.close(index);
        self.open(index)?;
        if cut {
            self.free(index, Instant::now());
        }
        Ok(())
    }

    fn close(&mut self, index: usize) {
        if let Some(wire) = self.connections[index].wire.take() {
            // Closing would take it out too; being explicit keeps the set exact if the close is late.
            let _ = epoll::delete(&self.epoll, &wire.stream);
            wire.abandon();
        }
    }

    fn free(&mut self, index: usize, now: Instant) {
        match &mut self.schedule {
            None => self.ask(index, now),
            Some(schedule) => schedule.idle.push_back(index),
        }
    }

    fn tick(&mut self) {
        if let Some(schedule) = &self.schedule {
            // Only the wake-up matters; how often the timer fired follows from the clock.
            let _ = rustix::io::read(&schedule.timer, &mut [0_u8; 8]);
        }
    }

    /// Sends every request that has fallen due while connections are free.
    fn send_due(&mut self) {
        while let Some(schedule) = &mut self.schedule {
            if schedule.due > Instant::now() {
                return;
            }
            let Some(index) = schedule.idle.pop_front() else { return };
            let due = schedule.due;
            schedule.due += schedule.interval;
            self.ask(index, due);
        }
    }

    fn ask(&mut self, index: usize, since: Instant) {
        let request = match self.requests.len() {
            1 => 0,
            count => {
                // xorshift64: which API is asked next has to be unpredictable, not random.
                self.next_request ^= self.next_request << 13;
                self.next_request ^= self.next_request >> 7;
                self.next_request ^= self.next_request << 17;
                (self.next_request % count as u64) as usize
            }
        };
        let connection = &mut self.connections[index];
        connection.since = Some(since);
        let sent = match &mut connection.wire {
            Some(wire) => wire.send(&self.requests[request]),
            None => Err(std::io::Error::other("the connection is closed")),
        };
        if let Err(error) = sent {
            self.fail(error.to_string());
        }
    }

    fn fail(&mut self, why: String) {
        self.failures += 1;
        self.last_failure = Some(why);
    }

    /// The warm-up is over: counters start again, and the timetable forgets what it owes.
    fn reset(&mut self) {
        self.done = 0;
        self.failures = 0;
        self.latencies.clear();
        if let Some(schedule) = &mut self.schedule {
            schedule.due = Instant::now();
        }
    }

    /// Requests that were due and never left count with the time they have waited so far.
    fn charge_overdue(&mut self) {
        let now = Instant::now();
        let Some(schedule) = &self.schedule else { return };
        let mut due = schedule.due;
        while due < now {
            self.latencies.push(microseconds(now - due));
            due += schedule.interval;
        }
        self.latencies.extend(
            self.connections.iter().filter_map(|c| c.since).map(|since| microseconds(now - since)),
        );
    }

    fn percentile(&self, share: f64) -> u32 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or(0)
    }
}

impl Schedule {
    fn new(rate: f64, connections: usize) -> Result<Self> {
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let interval = Duration::from_secs_f64(1.0 / rate);
        Ok(Self { timer, interval, due: Instant::now(), idle: (0..connections).collect() })
    }

    fn arm(&self, epoll: &rustix::fd::OwnedFd) -> Result<()> {
        let every = Timespec {
            tv_sec: self.interval.as_secs() as i64,
            tv_nsec: self.interval.subsec_nanos().into(),
        };
        let times = Itimerspec { it_interval: every, it_value: every };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times)?;
        epoll::add(epoll, &self.timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        Ok(())
    }
}

/// The request to send; with `--apis N`, one for each API, `{n}` in the path being its number.
fn requests(options: &Options) -> Result<Vec<Vec<u8>>> {
    let path = options.text("path")?;
    let key =
        options.optional("key").map(|key| format!("X-API-Key: {key}\r\n")).unwrap_or_default();
    let close = if options.get("fresh", 0_u8)? == 1 { "Connection: close\r\n" } else { "" };
    let request = |n: usize| {
        let path = path.replace("{n}", &n.to_string());
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        );
        format!("{head}{key}{close}\r\n").into_bytes()
    };
    Ok((0..options.get("apis", 1)?).map(request).collect())
}

fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
