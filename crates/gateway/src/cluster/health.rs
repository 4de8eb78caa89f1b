//! One address of an upstream, and how it is doing.
//!
//! Two judges, independent of each other; an endpoint gets traffic while neither is against it.
//!
//! *Passive* (reliability reference, L25), by what requests report:
//!
//! ```text
//!            N failures in a row, and at most half of the pool is out with it
//!      In ────────────────────────────────────────────────────────────▶ Ejected(until)
//!       ▲                                                                │ until has come, and
//!       │ success           failure: ejected again, twice as long        │ a request takes it
//!       └──────────── Probing ──────────────────────────────────▶ …   ◀──┘
//! ```
//!
//! A probe that is never reported (its caller went away) is forgotten after as long as the
//! ejection lasted, and the next request becomes one. Reports of requests from before an ejection
//! change nothing while it lasts; one that comes in while a probe is out counts as the probe's.
//!
//! *Active*, by what [`Endpoint::probe_result`] is told: so many bad answers in a row and it is
//! down, so many good ones and it is up. Down is a fact somebody went to look at: there is no rule
//! that half must stay.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pasarela_model::PassiveHealth;

/// How a request went, as far as the endpoint is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, and not with 502, 503 or 504. Answers such as 404 or 500 are successes: the
    /// server is there.
    Success,
    /// It could not be reached, broke off, spoke nonsense, took too long, or answered 502 to 504.
    Failure,
}

/// What a report changed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It gets no more traffic for this many milliseconds.
    Ejected {
        /// Length of the ejection.
        for_ms: u64,
    },
    /// Its probe went well: it is back.
    Returned,
    /// Active health took it out.
    WentDown,
    /// Active health brought it back.
    CameUp,
}

/// How an endpoint is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It gets traffic.
    In,
    /// It gets none until then, milliseconds on the clock of the reports.
    Ejected {
        /// End of the ejection; if it is past, the next request will be the probe.
        until_ms: u64,
    },
    /// Its ejection is over and one request is out to see how it is.
    Probing,
    /// Active health found it down.
    Down,
}

/// One address of one target, for one generation of addresses and configuration. What each
/// request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Endpoint {
    pub(super) state: Arc<State>,
    /// Where it is.
    pub address: SocketAddr,
    /// Index of its target.
    pub target: usize,
    /// Its part of the traffic, relative to the other endpoints; 0: drained.
    pub share: u64,
    pub(super) passive: PassiveHealth,
    /// Good answers in a row that bring it up, bad ones that take it down.
    pub(super) thresholds: Option<(u32, u32)>,
    pub(super) pool: Arc<Pool>,
}

/// What outlives a generation: shared by the endpoints of one address in all of them.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct State {
    in_flight: AtomicU32,
    down: AtomicBool,
    /// Failures in a row.
    failures: AtomicU32,
    /// 0: in. Else when the ejection ends, in milliseconds, shifted by one; the low bit is set
    /// while a probe is out, and the time is then when to send another.
    ejection: AtomicU64,
    /// Ejections without a good while between them.
    streak: AtomicU32,
    /// When it came back last.
    returned_ms: AtomicU64,
    ejections: AtomicU64,
    good: AtomicU32,
    bad: AtomicU32,
}

impl Endpoint {
    /// Requests that hold an [`InFlight`] of it.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.state.in_flight()
    }

    /// How often it was ejected (a probe that fails counts again).
    pub fn ejections(&self) -> u64 {
        self.state.ejections.load(Ordering::Relaxed)
    }

    /// How it is.
    pub fn status(&self) -> Status {
        match self.state.ejection.load(Ordering::Acquire) {
            _ if self.is_down() => Status::Down,
            0 => Status::In,
            word if word & 1 == 1 => Status::Probing,
            word => Status::Ejected { until_ms: word >> 1 },
        }
    }

    /// Tells how a request went. What changed comes back, for the log.
    #[inline]
    pub fn report(&self, now_ms: u64, outcome: Outcome) -> Option<Change> {
        match outcome {
            Outcome::Success => {
                // Reading first keeps the word in every worker's cache.
                if self.state.failures.load(Ordering::Relaxed) != 0 {
                    self.state.failures.store(0, Ordering::Relaxed);
                }
                match self.state.ejection.load(Ordering::Acquire) {
                    0 => None,
                    word => self.return_from(word, now_ms),
                }
            }
            Outcome::Failure => self.failed(now_ms),
        }
    }

    /// Takes the answer to an active question; ignored if none is configured.
    pub fn probe_result(&self, ok: bool) -> Option<Change> {
        let (healthy_after, unhealthy_after) = self.thresholds?;
        let (counted, cleared) = match ok {
            true => (&self.state.good, &self.state.bad),
            false => (&self.state.bad, &self.state.good),
        };
        cleared.store(0, Ordering::Relaxed);
        let count = counted.load(Ordering::Relaxed).saturating_add(1);
        counted.store(count, Ordering::Relaxed);
        let down = self.is_down();
        match ok {
            true if down && count >= healthy_after => {
                self.state.down.store(false, Ordering::Release);
                Some(Change::CameUp)
            }
            false if !down && count >= unhealthy_after => {
                self.state.down.store(true, Ordering::Release);
                Some(Change::WentDown)
            }
            _ => None,
        }
    }

    /// Whether active health found it down.
    #[inline]
    pub(super) fn is_down(&self) -> bool {
        self.state.down.load(Ordering::Acquire)
    }

    /// Whether it may be chosen: neither down, nor ejected, nor waiting for a probe's end.
    #[inline]
    pub(super) fn is_open(&self, now_ms: u64) -> bool {
        let word = self.state.ejection.load(Ordering::Acquire);
        (word == 0 || now_ms >= word >> 1) && !self.is_down()
    }

    /// Takes a place at an endpoint that is open. At the end of an ejection there is one place,
    /// its probe's, and of several who come only one gets it.
    #[inline]
    pub(super) fn admit(&self, now_ms: u64) -> bool {
        match self.state.ejection.load(Ordering::Acquire) {
            0 => true,
            word => self.admit_probe(word, now_ms),
        }
    }

    #[cold]
    fn admit_probe(&self, word: u64, now_ms: u64) -> bool {
        let streak = self.state.streak.load(Ordering::Relaxed);
        let patience = now_ms.saturating_add(self.ejection_ms(streak));
        now_ms >= word >> 1 && self.state.exchange(word, probing(patience))
    }

    #[cold]
    fn return_from(&self, word: u64, now_ms: u64) -> Option<Change> {
        if word & 1 == 0 {
            return None;
        }
        self.state.returned_ms.store(now_ms, Ordering::Relaxed);
        self.state.exchange(word, 0).then_some(Change::Returned)
    }

    #[cold]
    fn failed(&self, now_ms: u64) -> Option<Change> {
        if self.passive.failures == 0 {
            return None;
        }
        match self.state.ejection.load(Ordering::Acquire) {
            0 => {
                let failures = self.state.failures.load(Ordering::Relaxed).saturating_add(1);
                // Two workers that count at once may lose one of the two; under a storm of
                // failures the next one makes up for it.
                self.state.failures.store(failures, Ordering::Relaxed);
                (failures >= self.passive.failures).then(|| self.eject(now_ms)).flatten()
            }
            word if word & 1 == 1 => {
                let streak = self.state.streak.load(Ordering::Relaxed).saturating_add(1);
                self.eject_from(word, now_ms, streak)
            }
            _ => None,
        }
    }

    fn eject(&self, now_ms: u64) -> Option<Change> {
        // The lock makes counting who is out and going out one step.
        let members = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        let out = members.iter().filter(|member| member.is_out()).count();
        let is_member = members.iter().any(|member| Arc::ptr_eq(member, &self.state));
        if !is_member || self.is_down() || 2 * (out + 1) > members.len() {
            return None;
        }
        let calm = now_ms.saturating_sub(self.state.returned_ms.load(Ordering::Relaxed));
        let streak = match self.state.streak.load(Ordering::Relaxed) {
            _ if calm > millis(self.passive.eject_max) => 1,
            streak => streak.saturating_add(1),
        };
        self.eject_from(0, now_ms, streak)
    }

    fn eject_from(&self, word: u64, now_ms: u64, streak: u32) -> Option<Change> {
        let for_ms = self.ejection_ms(streak);
        if !self.state.exchange(word, ejected(now_ms.saturating_add(for_ms))) {
            return None;
        }
        self.state.streak.store(streak, Ordering::Relaxed);
        self.state.failures.store(0, Ordering::Relaxed);
        self.state.ejections.fetch_add(1, Ordering::Relaxed);
        Some(Change::Ejected { for_ms })
    }

    /// Length of the ejection that is the `streak`th in a row.
    fn ejection_ms(&self, streak: u32) -> u64 {
        let first = millis(self.passive.eject).max(1);
        let most = millis(self.passive.eject_max).max(first);
        let doublings = streak.saturating_sub(1).min(63);
        first.saturating_mul(1 << doublings).min(most)
    }
}

impl State {
    #[inline]
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Fits what was learned under another configuration to this one.
    pub(super) fn adapt(&self, passive: &PassiveHealth, active: bool) {
        if passive.failures == 0 {
            self.ejection.store(0, Ordering::Release);
            self.failures.store(0, Ordering::Relaxed);
        }
        if !active {
            self.down.store(false, Ordering::Release);
            self.good.store(0, Ordering::Relaxed);
            self.bad.store(0, Ordering::Relaxed);
        }
    }

    fn is_out(&self) -> bool {
        self.ejection.load(Ordering::Acquire) != 0 || self.down.load(Ordering::Acquire)
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.ejection.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// The states that share the rule that half must stay.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Arc<State>>>);

impl Pool {
    /// Changes who belongs. If the pool shrinks around its ejected members, those whose ejection
    /// would end first come back until half is in.
    pub(super) fn set_members(&self, states: Vec<Arc<State>>) {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected = |state: &&Arc<State>| state.ejection.load(Ordering::Acquire) != 0;
        while 2 * states.iter().filter(|state| state.is_out()).count() > states.len() {
            let soonest = |state: &&Arc<State>| state.ejection.load(Ordering::Acquire) >> 1;
            let Some(released) = states.iter().filter(ejected).min_by_key(soonest) else {
                break;
            };
            released.failures.store(0, Ordering::Relaxed);
            released.ejection.store(0, Ordering::Release);
        }
        *members = states;
    }
}

/// One request at an endpoint, from the moment it is sent until its answer has passed.
#[derive(Debug)]
pub struct InFlight(Arc<Endpoint>);

impl InFlight {
    /// Counts it.
    #[inline]
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }

    /// The endpoint it is at.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Deref for InFlight {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn ejected(until_ms: u64) -> u64 {
    until_ms.clamp(1, u64::MAX >> 1) << 1
}

fn probing(until_ms: u64) -> u64 {
    ejected(until_ms) | 1
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
