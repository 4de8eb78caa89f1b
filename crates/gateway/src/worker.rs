//! A worker: one thread, one core, everything an exchange needs within reach and nothing shared
//! that has to be locked.

use std::{
    cell::{Cell, RefCell},
    net::TcpListener,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use pasarela_net::{
    http1::{Head, ResponseParser},
    listen::{Acceptor, ConnectionTable},
    pool::Pool,
    timer,
    tls::ServerTls,
};
use tokio::sync::{Notify, watch};

use crate::{
    accept,
    cluster::Cursor,
    inside::{self, Calls},
    observe::{Listener, Observability, Observer},
    overload::{Level, Overload},
    plane::Plane,
    soon::soon,
    tokens::Known,
};

/// What all workers of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Zero of the limiters' clock.
    pub epoch: Instant,
    /// Log, metrics, traces.
    pub observability: Arc<Observability>,
    /// Connections from everywhere.
    pub connections: Arc<ConnectionTable>,
    /// How full memory is.
    pub overload: Arc<Overload>,
}

/// A socket to accept from.
#[derive(Debug)]
pub struct Socket {
    /// What comes in by it.
    pub listener: Listener,
    /// The socket.
    pub socket: TcpListener,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<ServerTls>>,
}

/// Whether the process serves, or is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepting and serving.
    Serving,
    /// A successor accepts on the same sockets: what is connected here is served until it ends
    /// by itself, each answer the last on its connection.
    HandedOver {
        /// Listeners, by number, that the successor has given up.
        given_up: [bool; Listener::ALL.len()],
    },
    /// Nobody follows: what is in flight is finished, what is idle is closed.
    Draining,
}

/// The last moments of a worker, in milliseconds of its [`timer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// What would go on for ever is asked to end.
    pub(crate) last_call: u64,
    /// What still goes on ends itself, so that it is recorded; a moment later it is dropped.
    pub(crate) end: u64,
}

/// The end of a drain, in which what goes on ends itself.
const LAST_WORDS: Duration = Duration::from_millis(3 * timer::TICK.as_millis() as u64);

impl Leaving {
    /// Someone who may stay for `drain` from `now` on.
    pub(crate) fn after(now: u64, drain: Duration) -> Self {
        let drain = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
        let end = now.saturating_add(drain.saturating_sub(LAST_WORDS.as_millis() as u64));
        Self { last_call: now.saturating_add(drain - (drain / 3).min(1000)).min(end), end }
    }

    /// The same, ending now at the latest: the timer's clock may be a little behind.
    fn over(self, now: u64) -> Self {
        Self { last_call: self.last_call.min(now), end: self.end.min(now) }
    }
}

/// A worker's plane, with the worker's place in the rotation of each API's servers and the tokens that it knows.
#[derive(Debug)]
pub(crate) struct WorkerPlane {
    plane: Arc<Plane>,
    cursors: Rc<RefCell<Vec<Cursor>>>,
    /// Tokens that this worker has verified.
    pub(crate) known: Rc<RefCell<Known>>,
}

impl std::ops::Deref for WorkerPlane {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        &self.plane
    }
}

impl WorkerPlane {
    /// What the worker has learned under the plane before stays, as far as it is about the same APIs and issuers.
    fn new(plane: Arc<Plane>, before: Option<&Self>) -> Rc<Self> {
        let cursors = match before.filter(|old| plane.has_the_servers_of(old)) {
            Some(old) => Rc::clone(&old.cursors),
            None => Rc::new(RefCell::new(plane.apis.iter().map(|_| Cursor::new()).collect())),
        };
        let known = match before.filter(|old| plane.has_the_issuers_of(old)) {
            Some(old) => Rc::clone(&old.known),
            None => Rc::default(),
        };
        Rc::new(Self { plane, cursors, known })
    }

    /// Has memory bring what routing and [`Worker::soon`] read first of the API that a target, as
    /// it was sent, looks like being for. Called before anything else is done for a request.
    #[inline]
    pub(crate) fn soon(&self, target: &[u8]) {
        let Some(api) = self.plane.router.likely(target) else { return };
        self.plane.router.soon(api);
        if let (Some(runtime), Ok(cursors)) = (self.apis.get(api), self.cursors.try_borrow()) {
            runtime.soon();
            cursors.get(api).inspect(|cursor| soon(*cursor));
        }
    }

    /// Lends the cursor of an API.
    pub(crate) fn with_cursor<R>(&self, api: usize, use_it: impl FnOnce(&mut Cursor) -> R) -> R {
        let mut cursors = self.cursors.borrow_mut();
        use_it(&mut cursors[api])
    }
}

/// The wall clock as it was read last.
#[derive(Debug, Clone, Copy)]
struct WallClock {
    at: Instant,
    unix_ns: u64,
}

impl WallClock {
    fn read() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), unix_ns: u64::try_from(unix.as_nanos()).unwrap_or(0) }
    }
}

/// What reading a head takes, a caller's over HTTP/2 or an upstream's; kept from one exchange to the next.
#[derive(Debug, Default)]
pub(crate) struct HeadSpace {
    pub(crate) parser: ResponseParser,
    pub(crate) head: Head,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) observer: Observer,
    pub(crate) pool: RefCell<Pool>,
    plane: RefCell<Rc<WorkerPlane>>,
    phase: Cell<Phase>,
    leaving: Cell<Option<Leaving>>,
    random: Cell<u64>,
    clock: Cell<WallClock>,
    date: RefCell<[u8; DATE_BYTES]>,
    small: RefCell<Vec<Vec<u8>>>,
    #[expect(clippy::vec_box, reason = "lent and given back by pointer, once a request")]
    heads: RefCell<Vec<Box<HeadSpace>>>,
    open: Cell<usize>,
    closed: Notify,
}

const DATE_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

impl Worker {
    /// Has memory bring what the steps to come read of an API, all at once. Met one by one, where
    /// each step needs it, twenty such reads are waited for one after another, and that was a
    /// quarter of a request.
    #[inline]
    pub(crate) fn soon(&self, plane: &WorkerPlane, api: usize) {
        let runtime = &plane.apis[api];
        runtime.parts_soon();
        plane.texts.soon(runtime.name);
        plane.with_cursor(api, |cursor| cursor.soon());
        self.observer.metrics.soon(runtime.slot);
    }

    /// The configuration in force. An exchange keeps the one it began with.
    #[inline]
    pub(crate) fn plane(&self) -> Rc<WorkerPlane> {
        Rc::clone(&self.plane.borrow())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether connections are better closed than kept: the process is on its way out, or short
    /// of memory.
    #[inline]
    pub(crate) fn closes_connections(&self) -> bool {
        self.phase.get() != Phase::Serving || self.shared.overload.level() >= Level::Lean
    }

    /// Whether whoever still waits for an upstream had better say so while there is time.
    #[inline]
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.leaving.get().is_some_and(|leaving| timer::now() >= leaving.end)
    }

    /// When it ends, once that is settled.
    pub(crate) fn leaving(&self) -> Option<Leaving> {
        self.leaving.get()
    }

    /// Now, by both clocks: the wall's in nanoseconds since 1970. One question to the system answers
    /// for both; a wall clock that was set is noticed within a tenth of a second.
    #[inline]
    pub(crate) fn clocks(&self) -> (Instant, u64) {
        let now = Instant::now();
        let WallClock { at, unix_ns } = self.clock.get();
        let since = u64::try_from(now.saturating_duration_since(at).as_nanos()).unwrap_or(u64::MAX);
        (now, unix_ns.saturating_add(since))
    }

    /// A random number; nothing that has to be secret comes from it.
    #[inline]
    pub(crate) fn draw(&self) -> u64 {
        // SplitMix64 (Steele, Lea and Flood 2014).
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `Date` (RFC 9110 §6.6.1), at most a second old.
    #[inline]
    pub(crate) fn with_date<R>(&self, use_it: impl FnOnce(&[u8]) -> R) -> R {
        use_it(&*self.date.borrow())
    }

    /// A small spare buffer.
    pub(crate) fn take_small(&self) -> Vec<u8> {
        self.small.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(96))
    }

    /// Takes a small buffer back.
    pub(crate) fn give_small(&self, mut buffer: Vec<u8>) {
        let mut small = self.small.borrow_mut();
        if small.len() < 64 && buffer.capacity() <= 1024 {
            buffer.clear();
            small.push(buffer);
        }
    }

    /// Room to read a message's head in.
    pub(crate) fn take_head(&self) -> Box<HeadSpace> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes it back, whatever state it was left in.
    pub(crate) fn give_head(&self, mut space: Box<HeadSpace>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < 64 {
            space.parser.reset();
            space.head.clear();
            heads.push(space);
        }
    }

    /// Counts a connection for as long as the guard lives.
    pub(crate) fn opened(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(self))
    }
}

/// A connection's place in its worker's count.
#[derive(Debug)]
pub(crate) struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0 {
            self.0.closed.notify_waiters();
        }
    }
}

/// Runs a worker on the current thread's runtime until it has served everything after the phase
/// changed, or until `drain` has passed since then. `planes` brings each new configuration.
pub async fn run(
    index: usize,
    shared: Arc<Shared>,
    mut planes: watch::Receiver<Arc<Plane>>,
    sockets: Vec<Socket>,
    calls: Option<Calls>,
    mut phases: watch::Receiver<Phase>,
) {
    let plane = planes.borrow_and_update().clone();
    let limits = plane.snapshot.limits.clone();
    let observer = shared.observability.worker(index);
    let metrics = observer.metrics.clone();
    let worker = Rc::new(Worker {
        observer,
        pool: RefCell::new(Pool::new(
            limits.upstream_idle,
            limits.upstream_idle_connections as usize,
            move || metrics.upstream_connected(),
        )),
        plane: RefCell::new(WorkerPlane::new(plane, None)),
        phase: Cell::new(Phase::Serving),
        leaving: Cell::new(None),
        random: Cell::new(seed(index)),
        clock: Cell::new(WallClock::read()),
        date: RefCell::new([b' '; DATE_BYTES]),
        small: RefCell::default(),
        heads: RefCell::default(),
        open: Cell::new(0),
        closed: Notify::new(),
        shared,
    });
    refresh_date(&worker);
    tokio::task::spawn_local(timer::run());
    tokio::task::spawn_local(housekeeping(Rc::clone(&worker)));
    let follow = Rc::clone(&worker);
    tokio::task::spawn_local(async move {
        while planes.changed().await.is_ok() {
            let plane = planes.borrow_and_update().clone();
            let limits = &plane.snapshot.limits;
            follow
                .pool
                .borrow_mut()
                .set_limits(limits.upstream_idle, limits.upstream_idle_connections as usize);
            let next = WorkerPlane::new(plane, Some(&follow.plane()));
            follow.plane.replace(next);
        }
    });
    let mut accepting = Vec::new();
    for socket in sockets {
        match Acceptor::new(socket.socket, Arc::clone(&worker.shared.connections)) {
            Ok(acceptor) => accepting.push(tokio::task::spawn_local(accept::run(
                Rc::clone(&worker),
                acceptor,
                socket.listener,
                socket.tls,
                phases.clone(),
            ))),
            Err(error) => tracing::error!(%error, "a socket cannot be accepted from"),
        }
    }
    if let Some(calls) = calls {
        let serving = inside::run(Rc::clone(&worker), calls, phases.clone());
        accepting.push(tokio::task::spawn_local(serving));
    }
    let phase = loop {
        let phase = *phases.borrow_and_update();
        if phase != Phase::Serving || phases.changed().await.is_err() {
            break phase;
        }
    };
    let drain = worker.plane().snapshot.limits.drain;
    worker.leaving.set(Some(Leaving::after(timer::now(), drain)));
    worker.phase.set(if phase == Phase::Serving { Phase::Draining } else { phase });
    for task in accepting {
        let _ = task.await;
    }
    // Every connection has a deadline somewhere: waking them all lets each see the new phase.
    timer::wake_all();
    let before = drain.saturating_sub(LAST_WORDS);
    if tokio::time::timeout(before, drained(&worker)).await.is_err() {
        // What still goes on ends itself, so that its caller is told and it is recorded.
        worker.leaving.set(worker.leaving.get().map(|leaving| leaving.over(timer::now())));
        timer::wake_all();
        if tokio::time::timeout(drain - before, drained(&worker)).await.is_err() {
            tracing::warn!(connections = worker.open.get(), "closed what did not end in time");
        }
    }
    worker.pool.borrow_mut().clear();
    worker.observer.tick();
}

/// Waits until the last connection has ended.
async fn drained(worker: &Worker) {
    while worker.open.get() > 0 {
        worker.closed.notified().await;
    }
}

fn seed(index: usize) -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (time.as_nanos() as u64) ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What has to be done now and then.
async fn housekeeping(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let (mut count, mut before) = (0u32, Level::Calm);
    loop {
        ticks.tick().await;
        worker.clock.set(WallClock::read());
        worker.observer.tick();
        let level = worker.shared.overload.level();
        if level > Level::Calm && before == Level::Calm {
            // Whoever idles is to notice that it may not idle for long.
            timer::wake_all();
        }
        before = level;
        count = count.wrapping_add(1);
        if count % 5 == 0 {
            refresh_date(&worker);
        }
        if count % 10 == 0 {
            worker.pool.borrow_mut().sweep();
        }
    }
}

fn refresh_date(worker: &Worker) {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let text = http_date(time.as_secs());
    if let Ok(bytes) = text.as_bytes().try_into() {
        worker.date.replace(bytes);
    }
}

/// IMF-fixdate (RFC 9110 §5.6.7) of seconds since 1970.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    // Days since 1 March 0000 in the proleptic Gregorian calendar, cut into eras of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS[month as usize];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(4_102_444_799), "Thu, 31 Dec 2099 23:59:59 GMT");
    }
}
