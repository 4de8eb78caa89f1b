//! Counters of the data plane, and how Prometheus reads them.
//!
//! Each worker counts into memory of its own: a counter has one writer, so counting is a load, an
//! addition and a store, all relaxed, and no cache line travels between cores. A scrape adds the
//! workers up. An API's counters are made when it is first called and found by its [`Slot`], a
//! number that the API keeps over reloads as long as its name and version stay; so a request never
//! hashes a name, and ten thousand APIs of which ten are called are ten series.
//!
//! Labels hold names from the configuration and words from lists of ours, never anything a caller
//! sent (reliability reference, T55 and T56).

mod render;

use std::{
    collections::HashMap,
    marker::PhantomData,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use pasarela_model::{Code, Snapshot};

use super::fact::{Fact, Listener, Protocol};
pub(super) use render::family;

use crate::soon::soon;

/// Where an API's counters are. Stays with its name and version for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u32);

impl Slot {
    /// Requests that no API was found for.
    pub const NONE: Self = Self(0);
    /// APIs beyond the number of slots, all together.
    const OTHERS: Self = Self(1);
    const FIRST: u32 = 2;
}

/// Slots in a page, and pages: room for 65,536 names in the life of a process. A page is made when
/// the first of its APIs is called, so it is small; it holds its counters in place, so that finding
/// them takes no memory of an API's own.
const PAGE: usize = 16;
const PAGES: usize = 4096;

/// Upper bounds of the duration buckets, microseconds, with their labels in seconds.
const BUCKETS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Classes a status without a problem may have. Where one is counted, [`ApiCounters::class`] knows.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// The class of good answers.
const GOOD: usize = 2;
/// How a request may end: a class, or a problem.
const ENDS: usize = CLASSES.len() + Code::ALL.len();

/// Why a connection was refused before a request was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// L4: too many connections in all.
    TooMany,
    /// L4: too many from one address.
    TooManyFromAddress,
}

impl Refusal {
    const ALL: [(Self, &str); 2] =
        [(Self::TooMany, "too_many"), (Self::TooManyFromAddress, "too_many_from_address")];
}

/// Why a request was refused although nothing was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// L46: the process is short of memory.
    Memory,
    /// T45: as many wait for the upstream as it can answer.
    Concurrency,
}

impl Shed {
    const ALL: [(Self, &str); 2] = [(Self::Memory, "memory"), (Self::Concurrency, "concurrency")];
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the caller to the service.
    Request,
    /// From the service to the caller.
    Answer,
}

impl Direction {
    const ALL: [Self; 2] = [Self::Request, Self::Answer];

    /// As logs and metrics write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// How an attempt at an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// No connection: refused, unreachable, TLS, name not found.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer did.
    Closed,
    /// The answer was not well-formed.
    Invalid,
    /// The answer counts as a failure of the target by its status.
    Status,
}

impl UpstreamFailure {
    const ALL: [(Self, &str); 5] = [
        (Self::Connect, "connect"),
        (Self::Timeout, "timeout"),
        (Self::Closed, "closed"),
        (Self::Invalid, "invalid"),
        (Self::Status, "status"),
    ];
}

/// A number with one writer and any number of readers.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts for one API. What a good and quick request counts stands at the
/// beginning, in one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct ApiCounters {
    duration_us: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    /// Answers of class 2xx.
    good: Counter,
    buckets: [Counter; BUCKETS.len() + 1],
    /// By class, but for those that `good` counts.
    others: [Counter; CLASSES.len()],
    problems: [Counter; Code::ALL.len()],
    aborted: Counter,
    retries: Counter,
    ejections: Counter,
    beyond_quota: Counter,
    /// Beginnings and ends of waits for a place at the upstream.
    queued: Counter,
    unqueued: Counter,
    queued_us: Counter,
    invalid: [Counter; Direction::ALL.len()],
    failures: [Counter; UpstreamFailure::ALL.len()],
}

impl Default for ApiCounters {
    fn default() -> Self {
        Self {
            duration_us: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            good: Counter::default(),
            buckets: Default::default(),
            others: Default::default(),
            problems: std::array::from_fn(|_| Counter::default()),
            aborted: Counter::default(),
            retries: Counter::default(),
            ejections: Counter::default(),
            beyond_quota: Counter::default(),
            queued: Counter::default(),
            unqueued: Counter::default(),
            queued_us: Counter::default(),
            invalid: Default::default(),
            failures: Default::default(),
        }
    }
}

impl ApiCounters {
    /// Answers of a class, by its place in [`CLASSES`].
    fn class(&self, class: usize) -> Option<&Counter> {
        if class == GOOD { Some(&self.good) } else { self.others.get(class) }
    }

    /// Whether anything was counted: most APIs of a page may never have been called.
    fn is_used(&self) -> bool {
        let any = |counters: &[Counter]| counters.iter().any(|counter| counter.get() > 0);
        // Each request that ended is in a bucket; before that only its tries may have failed.
        any(&self.buckets)
            || any(&self.failures)
            || self.ejections.get() > 0
            || self.queued.get() > 0
    }
}

/// What one worker counts for one listener. The last place of each pair is for connections whose
/// protocol is not known yet.
#[derive(Debug, Default)]
struct ListenerCounters {
    accepted: Counter,
    refused: [Counter; Refusal::ALL.len()],
    opened: [Counter; PROTOCOLS.len()],
    closed: [Counter; PROTOCOLS.len()],
}

const PROTOCOLS: [&str; 4] = ["h1", "h2", "smtp", "unknown"];
const UNKNOWN: usize = 3;

fn place(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Http1 => 0,
        Protocol::Http2 => 1,
        Protocol::Smtp => 2,
    }
}

type Page = Box<[ApiCounters]>;

/// Everything one worker counts.
#[derive(Debug)]
struct Shard {
    apis: Box<[OnceLock<Page>]>,
    listeners: [ListenerCounters; Listener::ALL.len()],
    started: Counter,
    finished: Counter,
    handshakes_ok: Counter,
    handshakes_failed: Counter,
    upstream_connections: Counter,
    shed: [Counter; Shed::ALL.len()],
}

impl Shard {
    fn new() -> Self {
        Self {
            apis: (0..PAGES).map(|_| OnceLock::new()).collect(),
            listeners: Default::default(),
            started: Counter::default(),
            finished: Counter::default(),
            handshakes_ok: Counter::default(),
            handshakes_failed: Counter::default(),
            upstream_connections: Counter::default(),
            shed: Default::default(),
        }
    }

    /// An API's counters, made at the first call. `None` only for a slot nobody gave out.
    fn api(&self, slot: Slot) -> Option<&ApiCounters> {
        let slot = slot.0 as usize;
        let page = self.apis.get(slot / PAGE)?;
        let page = page.get_or_init(|| (0..PAGE).map(|_| ApiCounters::default()).collect());
        page.get(slot % PAGE)
    }

    /// The same for a reader, which makes nothing.
    fn seen(&self, slot: usize) -> Option<&ApiCounters> {
        self.apis.get(slot / PAGE)?.get()?.get(slot % PAGE)
    }
}

/// One worker's counters. Stays on the thread that made it: each counter has one writer.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    shard: Arc<Shard>,
    stays_here: PhantomData<Rc<()>>,
}

impl WorkerMetrics {
    /// A request began to be served. Each is followed by one [`record`](Self::record).
    pub fn started(&self) {
        self.shard.started.add(1);
    }

    /// A request will be recorded soon.
    #[inline]
    pub(crate) fn soon(&self, slot: Slot) {
        if let Some(api) = self.shard.seen(slot.0 as usize) {
            soon(api);
        }
    }

    /// A request ended.
    pub fn record(&self, fact: &Fact<'_>) {
        self.shard.finished.add(1);
        let slot = fact.api.map_or(Slot::NONE, |api| api.slot);
        let Some(api) = self.shard.api(slot) else { return };
        let end = match fact.problem {
            Some(problem) => api.problems.get(problem as usize),
            None => api.class(class(fact.status)),
        };
        if let Some(counter) = end {
            counter.add(1);
        }
        let within = BUCKETS.iter().position(|&(most, _)| fact.duration_us <= most);
        if let Some(bucket) = api.buckets.get(within.unwrap_or(BUCKETS.len())) {
            bucket.add(1);
        }
        api.duration_us.add(fact.duration_us);
        api.bytes_in.add(fact.bytes_in);
        api.bytes_out.add(fact.bytes_out);
        if fact.aborted {
            api.aborted.add(1);
        }
        if fact.retries > 0 {
            api.retries.add(u64::from(fact.retries));
        }
    }

    /// An attempt at an upstream failed, whether or not another followed.
    pub fn upstream_failed(&self, slot: Slot, failure: UpstreamFailure) {
        if let Some(counter) =
            self.shard.api(slot).and_then(|api| api.failures.get(failure as usize))
        {
            counter.add(1);
        }
    }

    /// A target was taken out of the rotation for its answers.
    pub fn upstream_ejected(&self, slot: Slot) {
        if let Some(api) = self.shard.api(slot) {
            api.ejections.add(1);
        }
    }

    /// A request was more than its quota has, and was served.
    pub fn beyond_quota(&self, slot: Slot) {
        if let Some(api) = self.shard.api(slot) {
            api.beyond_quota.add(1);
        }
    }

    /// A request begins to wait for a place at an upstream; it does until the gauge is dropped.
    pub fn queued(&self, slot: Slot) -> QueueGauge {
        if let Some(api) = self.shard.api(slot) {
            api.queued.add(1);
        }
        QueueGauge { metrics: self.clone(), slot, began: Instant::now() }
    }

    /// A message was not what the contract says, whatever became of it.
    pub fn message_invalid(&self, slot: Slot, direction: Direction) {
        let api = self.shard.api(slot);
        if let Some(counter) = api.and_then(|api| api.invalid.get(direction as usize)) {
            counter.add(1);
        }
    }

    /// A connection to an upstream was made (not taken from the pool).
    pub fn upstream_connected(&self) {
        self.shard.upstream_connections.add(1);
    }

    /// A request was refused to protect us or an upstream.
    pub fn shed(&self, why: Shed) {
        if let Some(counter) = self.shard.shed.get(why as usize) {
            counter.add(1);
        }
    }

    /// A connection was accepted; it counts as open until the gauge is dropped.
    pub fn connection(&self, listener: Listener) -> ConnectionGauge {
        let counters = self.listener(listener);
        if let Some(counters) = counters {
            counters.accepted.add(1);
            counters.opened[UNKNOWN].add(1);
        }
        ConnectionGauge { metrics: self.clone(), listener, protocol: UNKNOWN }
    }

    /// A connection was closed before anything was read from it.
    pub fn connection_refused(&self, listener: Listener, refusal: Refusal) {
        let counters = self.listener(listener);
        if let Some(counter) = counters.and_then(|all| all.refused.get(refusal as usize)) {
            counter.add(1);
        }
    }

    /// A TLS handshake with a caller ended.
    pub fn tls_handshake(&self, ok: bool) {
        let shard = &self.shard;
        if ok { &shard.handshakes_ok } else { &shard.handshakes_failed }.add(1);
    }

    fn listener(&self, listener: Listener) -> Option<&ListenerCounters> {
        self.shard.listeners.get(listener as usize)
    }
}

/// An open connection from a caller, counted until it is dropped.
#[derive(Debug)]
pub struct ConnectionGauge {
    metrics: WorkerMetrics,
    listener: Listener,
    protocol: usize,
}

impl ConnectionGauge {
    /// What the caller speaks has become known.
    pub fn speaks(&mut self, protocol: Protocol) {
        self.leave();
        self.protocol = place(protocol);
        if let Some(counter) = self.metrics.listener(self.listener).map(|all| &all.opened) {
            counter[self.protocol].add(1);
        }
    }

    fn leave(&self) {
        if let Some(all) = self.metrics.listener(self.listener) {
            all.closed[self.protocol].add(1);
        }
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request that waits for a place at an upstream, counted until it is dropped.
#[derive(Debug)]
pub struct QueueGauge {
    metrics: WorkerMetrics,
    slot: Slot,
    began: Instant,
}

impl Drop for QueueGauge {
    fn drop(&mut self) {
        if let Some(api) = self.metrics.shard.api(self.slot) {
            api.unqueued.add(1);
            api.queued_us.add(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
}

fn class(status: u16) -> usize {
    match status / 100 {
        class @ 1..=5 => usize::from(class),
        _ => 0,
    }
}

/// All counters of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    shards: Mutex<Vec<Arc<Shard>>>,
    names: Mutex<Names>,
    reloads_ok: AtomicU64,
    reloads_failed: AtomicU64,
    generation: AtomicU64,
    overload: AtomicU64,
}

#[derive(Debug, Default)]
struct Names {
    slots: HashMap<(String, u32), Slot>,
    /// The same, by slot; the first is [`Slot::FIRST`].
    in_order: Vec<(String, u32)>,
}

impl Metrics {
    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// A worker's counters; call it on the worker's own thread.
    pub fn worker(&self) -> WorkerMetrics {
        let shard = Arc::new(Shard::new());
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.push(Arc::clone(&shard));
        WorkerMetrics { shard, stays_here: PhantomData }
    }

    /// The slots of a snapshot's APIs, in its order. For whoever compiles a new generation.
    pub fn slots(&self, snapshot: &Snapshot) -> Vec<Slot> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        snapshot.apis.iter().map(|api| names.slot(&api.name, api.version)).collect()
    }

    /// A configuration was accepted and is live.
    pub fn reloaded(&self, generation: u64) {
        self.reloads_ok.fetch_add(1, Relaxed);
        self.generation.store(generation, Relaxed);
    }

    /// The first configuration is live; not a reload.
    pub fn loaded(&self, generation: u64) {
        self.generation.store(generation, Relaxed);
    }

    /// How short of memory the process is, from 0 to 3.
    pub fn overload_level(&self, level: u8) {
        self.overload.store(u64::from(level), Relaxed);
    }

    /// A configuration was refused and the old one serves on.
    pub fn reload_refused(&self) {
        self.reloads_failed.fetch_add(1, Relaxed);
    }
}

impl Names {
    fn slot(&mut self, name: &str, version: u32) -> Slot {
        let key = (name.to_owned(), version);
        if let Some(&slot) = self.slots.get(&key) {
            return slot;
        }
        if self.in_order.len() >= PAGE * PAGES - Slot::FIRST as usize {
            return Slot::OTHERS;
        }
        let slot = Slot(Slot::FIRST + self.in_order.len() as u32);
        self.in_order.push(key.clone());
        self.slots.insert(key, slot);
        slot
    }
}

#[cfg(test)]
mod tests;
