//! Quotas: so many calls in a calendar window, counted down here, and handed out elsewhere.
//!
//! What was handed out has to be known after a crash, and this room has no memory of that kind. So it
//! *leases*: somebody outside ([`Quotas::asks`] is asked by them) writes down that a chunk of a quota
//! is given away, and then gives it ([`Counter::lease`]). Workers count the chunk down in one atomic
//! word, and ask for the next one before it is gone. What is left at a clean end is given back
//! ([`Quotas::withdraw`]); a crash loses it. So never more calls pass than the quota has, whatever
//! dies when (T32, L40).
//!
//! A call waits only where the chunk is used up and the next one is on its way.
//!
//! This module decides; it reads no clock. Time is the server's UTC in whole seconds (T35).

mod window;

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::Waker,
};

use pasarela_model::QuotaWindow;
use tokio::sync::Notify;

pub use window::Window;
use window::Word;

use crate::limiter::write_integer;

/// Largest chunk; it is what a crash may lose of a quota that is huge (1 % of it, L40, below that).
const CHUNK_MOST: u64 = 1_000_000;
/// Before it is believed again that a used-up quota is used up, seconds: another process may have
/// given something back.
const RECHECK_S: u64 = 1;
/// Quotas that a scrape shows.
const SHOWN: usize = 1_000;

/// What is asked of whoever keeps the ledger.
#[derive(Debug)]
pub enum Ask {
    /// A chunk, for [`Counter::lease`] or [`Counter::failed`].
    Lease {
        /// Whose.
        counter: Arc<Counter>,
        /// Of which window.
        window: Window,
    },
    /// So many calls were not used.
    Return(Returned),
}

/// Calls that were leased and not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Whose quota's.
    pub name: String,
    /// Of which window.
    pub window: Window,
    /// How many.
    pub calls: u64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is within the quota, and counted.
    Within,
    /// The quota is used up.
    Beyond,
    /// Whether it is, is being asked.
    Unknown,
}

/// One quota of one holder.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Counter {
    /// Which window, and what is left of its chunk: see [`Word`].
    word: AtomicU64,
    /// What the ledger still had when it was asked last.
    spare: AtomicU64,
    /// Calls of a window.
    calls: AtomicU64,
    /// Somebody has asked, and nobody has answered.
    asking: AtomicBool,
    /// Second from which on the ledger is asked again, although it had nothing.
    recheck: AtomicU64,
    /// Answers that did not come, so that whoever waits for one knows.
    failures: AtomicU64,
    every: QuotaWindow,
    name: String,
    /// Calls that wait for an answer.
    waiting: Mutex<Vec<Waker>>,
    quotas: Arc<Asks>,
}

/// What waits to be asked.
#[derive(Debug, Default)]
struct Asks {
    list: Mutex<Vec<Ask>>,
    more: Notify,
}

impl Asks {
    fn push(&self, ask: Ask) {
        lock(&self.list).push(ask);
        self.more.notify_one();
    }
}

impl Counter {
    /// By which name the ledger knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls of a window.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// How many calls are leased at a time (L40): 1 % of the quota and at least 10; of one that is not
    /// ten times that, a tenth.
    pub fn chunk(&self) -> u64 {
        let calls = self.calls();
        (calls / 100).clamp(calls.div_ceil(10).min(10), CHUNK_MOST)
    }

    /// The window that a second is in.
    pub fn window(&self, now: u64) -> Window {
        Window::of(self.every, now)
    }

    /// Counts a call.
    #[inline]
    pub fn take(self: &Arc<Self>, now: u64) -> Taken {
        let mut word = self.word.load(Relaxed);
        loop {
            let read = Word(word);
            if !read.window().contains(now) {
                self.ask(now);
                return Taken::Unknown;
            }
            if read.left() == 0 {
                return self.take_none(now);
            }
            match self.word.compare_exchange_weak(word, word - 1, Relaxed, Relaxed) {
                Ok(_) => {
                    // Half a chunk is left: time for the next one.
                    if 2 * (read.left() - 1) <= self.chunk() && self.spare.load(Relaxed) > 0 {
                        self.ask(now);
                    }
                    return Taken::Within;
                }
                Err(changed) => word = changed,
            }
        }
    }

    /// Nothing of the chunk is left.
    #[cold]
    fn take_none(self: &Arc<Self>, now: u64) -> Taken {
        if self.spare.load(Relaxed) > 0 {
            self.ask(now);
            return Taken::Unknown;
        }
        if now >= self.recheck.load(Relaxed) {
            self.recheck.store(now + RECHECK_S, Relaxed);
            self.ask(now);
        }
        Taken::Beyond
    }

    #[cold]
    fn ask(self: &Arc<Self>, now: u64) {
        if !self.asking.swap(true, SeqCst) {
            let window = self.window(now);
            self.quotas.push(Ask::Lease { counter: Arc::clone(self), window });
        }
    }

    /// Calls left in this window, as far as is known here.
    pub fn left(&self, now: u64) -> u64 {
        let word = Word(self.word.load(Relaxed));
        match word.window().contains(now) {
            true => word.left() + self.spare.load(Relaxed),
            false => self.calls(),
        }
    }

    /// The answer to an ask: so many calls, after which the ledger has `spare` left of the quota of `most`.
    pub fn lease(&self, window: Window, calls: u64, spare: u64, most: u64) {
        self.spare.store(spare, SeqCst);
        let mut word = self.word.load(Relaxed);
        loop {
            let read = Word(word);
            let left = if read.window() == window { read.left() } else { 0 };
            let next = Word::new(window, left + calls);
            match self.word.compare_exchange_weak(word, next.0, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(changed) => word = changed,
            }
        }
        if self.calls.load(SeqCst) != most {
            self.ask_anew();
        }
        self.answered();
    }

    /// The ledger does not answer.
    pub fn failed(&self) {
        self.failures.fetch_add(1, SeqCst);
        self.answered();
    }

    fn answered(&self) {
        self.asking.store(false, SeqCst);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How often the ledger did not answer so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(SeqCst)
    }

    /// Wakes a task with the next answer. Look again after this: it may have come already.
    pub fn wake(&self, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    /// Another number of calls from now on.
    fn set_calls(&self, calls: u64) {
        if self.calls.swap(calls, SeqCst) == calls {
            return;
        }
        self.ask_anew();
    }

    /// What is known is of a quota that is another one now: it goes back, and whoever is next asks.
    fn ask_anew(&self) {
        if let Some(returned) = self.withdraw() {
            self.quotas.push(Ask::Return(returned));
        }
        self.spare.store(1, SeqCst);
    }

    /// Takes back what is left of the chunk.
    fn withdraw(&self) -> Option<Returned> {
        let mut word = self.word.load(Relaxed);
        loop {
            let read = Word(word);
            if read.left() == 0 {
                return None;
            }
            let empty = Word::new(read.window(), 0);
            match self.word.compare_exchange_weak(word, empty.0, Relaxed, Relaxed) {
                Ok(_) => {
                    let name = self.name.clone();
                    return Some(Returned { name, window: read.window(), calls: read.left() });
                }
                Err(changed) => word = changed,
            }
        }
    }
}

/// All quotas of a process, by name. They outlive planes: a reload is no new beginning.
#[derive(Debug, Default)]
pub struct Quotas {
    counters: Mutex<HashMap<String, Arc<Counter>>>,
    asks: Arc<Asks>,
}

impl Quotas {
    /// The quota of this name.
    pub fn counter(&self, name: &str, calls: u64, every: QuotaWindow) -> Arc<Counter> {
        let mut counters = lock(&self.counters);
        if let Some(known) = counters.get(name) {
            known.set_calls(calls);
            return Arc::clone(known);
        }
        let counter = Arc::new(Counter {
            word: AtomicU64::new(0),
            spare: AtomicU64::new(0),
            calls: AtomicU64::new(calls),
            asking: AtomicBool::new(false),
            recheck: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            every,
            name: name.to_owned(),
            waiting: Mutex::default(),
            quotas: Arc::clone(&self.asks),
        });
        counters.insert(name.to_owned(), Arc::clone(&counter));
        counter
    }

    /// What is asked of the ledger, once there is something. There is at most one ask a quota.
    pub async fn asks(&self) -> Vec<Ask> {
        loop {
            let asks = std::mem::take(&mut *lock(&self.asks.list));
            if !asks.is_empty() {
                return asks;
            }
            self.asks.more.notified().await;
        }
    }

    /// Forgets the quotas that nobody is on any more; what they had leased goes back.
    pub(crate) fn sweep(&self) {
        let mut counters = lock(&self.counters);
        counters.retain(|_, counter| {
            let used = Arc::strong_count(counter) > 1;
            if !used && let Some(returned) = counter.withdraw() {
                self.asks.push(Ask::Return(returned));
            }
            used
        });
    }

    /// Takes back all that was leased, for the end of a process.
    pub fn withdraw(&self) -> Vec<Returned> {
        let counters = lock(&self.counters);
        counters.values().filter_map(|counter| counter.withdraw()).collect()
    }

    /// How much is left of those that were used, for a scrape.
    pub fn render(&self, now: u64) -> String {
        const NAME: &str = "pasarela_quota_left_calls";
        let mut left: Vec<_> = lock(&self.counters)
            .values()
            .filter(|counter| Word(counter.word.load(Relaxed)).window().contains(now))
            .take(SHOWN)
            .map(|counter| (counter.name.clone(), counter.left(now)))
            .collect();
        left.sort();
        let mut out = format!(
            "# HELP {NAME} Calls left of a quota in its window, of those that were used in it.\n\
             # TYPE {NAME} gauge\n"
        );
        for (name, left) in left {
            // Names are of the configuration, and have no characters to be escaped.
            let _ = writeln!(out, "{NAME}{{quota=\"{name}\"}} {left}");
        }
        out
    }
}

/// The members of the `RateLimit-Policy` and `RateLimit` fields that tell of a quota: what
/// [`RateFields`](crate::limiter::RateFields) are for a rate.
#[derive(Debug, Clone)]
pub struct QuotaFields {
    name: Box<[u8]>,
}

impl QuotaFields {
    /// Those of a plan: `"free-month"`.
    pub fn new(plan: &str, every: QuotaWindow) -> Self {
        let mut name = Vec::with_capacity(plan.len() + 8);
        crate::limiter::write_string(&format!("{plan}-{}", window::word(every)), &mut name);
        Self { name: name.into() }
    }

    /// Appends `"free-month";q=1000;w=2592000`.
    pub fn write_policy(&self, calls: u64, window: Window, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        out.extend_from_slice(b";q=");
        write_integer(calls, out);
        out.extend_from_slice(b";w=");
        write_integer(window.seconds(), out);
    }

    /// Appends `"free-month";r=12;t=86400`.
    pub fn write_limit(&self, left: u64, window: Window, now: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        out.extend_from_slice(b";r=");
        write_integer(left, out);
        out.extend_from_slice(b";t=");
        write_integer(window.end().saturating_sub(now), out);
    }
}

/// What a plan's quota is called in the ledger, for one holder.
pub(crate) fn ledger_name(plan: &str, every: QuotaWindow, holder: &str) -> String {
    format!("{plan} {} {holder}", window::word(every))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
