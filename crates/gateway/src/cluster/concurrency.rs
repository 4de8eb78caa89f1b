//! How many requests may wait for an upstream's answer at a time, learned from its answers (T45).
//!
//! One [`Limiter`] a cluster, not one an endpoint: an endpoint that is slow alone is the business
//! of balancing and ejection, and a request refused at one endpoint would only go to the next.
//!
//! A request waits from its last byte to the head of its answer. Streams, tunnels and uploads are
//! therefore never "in flight" for as long as they flow, and a slow caller is nobody's overload.
//!
//! The limit is a fuse, not a quota: it is open (none) until there is evidence, and opens again
//! when there is none. Evidence takes both of
//! - *slow*: the window's latency is 1.5 times the learned one, and 20 ms more. The latency of a
//!   window is a geometric mean: a queue moves it, because a queue delays everybody; the few
//!   giants of a heavy-tailed service do not;
//! - *pressed*: clearly more comes than is answered, for longer than a service that merely became
//!   slow would need to catch up; or requests are refused already; or very many wait.
//!
//! Under evidence the limit takes Gradient2's step, `0.8·limit + 0.2·g·limit` with
//! `g = clamp(0.5, 1, tolerated/measured)`, as long as at least half of it is used; without, it
//! grows. Nothing is ever probed by holding traffic back. What holding back does is looked at
//! instead ([`Trial`]): with a queue, half the concurrency is answered as fast as all of it, and
//! the limit goes on down towards rate × latency; without one half as much is answered, the
//! service simply is that slow now, and the limit opens with its latency as the learned one.
//!
//! What it does not see: an overload of less than a fifth, until 2,000 wait; a queue that only a
//! small part of the requests stand in. `concurrency: N` is for those.
//!
//! No clock, no lock a request could wait for: counting is one atomic addition at the beginning
//! and two at the end; whoever ends first after a window is over does the sums, once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use pasarela_model::Concurrency;

/// A window lasts at least this long…
const WINDOW_NS: u64 = 100_000_000;
/// …and until it has seen so many answers…
const ENOUGH: u64 = 32;
/// …or, if they come slowly, for this long…
const LONG_WINDOW_NS: u64 = 1_000_000_000;
/// …and so many.
const FEW: u64 = 8;
/// Least limit: an upstream that gets nothing cannot show that it has recovered.
const LEAST: f64 = 4.0;
/// From this many on, being slow is evidence by itself. A limit that grows past it is open.
const MANY: f64 = 2_000.0;
/// Windows in a row that have to give evidence: fewer may be chance.
const CHANCE: u32 = 3;
/// Latency may be this much above the learned one: as a factor, with few answers, and in ns.
const TOLERANCE: f64 = 1.5;
const TOLERANCE_FEW: f64 = 2.0;
const SLACK_NS: f64 = 20e6;
/// Mean latency, as a factor of the geometric mean (exponential latencies have 1.8).
const SPREAD: f64 = 1.5;
/// A service that became slow has this long to answer as much as before, seconds.
const WAKING_S: f64 = 3.0;
/// Part of the answered by which the arrived must exceed them to count as pressing.
const PRESSING: f64 = 0.2;
/// The learned latency follows the measured one with these time constants, seconds.
const LEARN_UP_S: f64 = 60.0;
const LEARN_DOWN_S: f64 = 20.0;
/// Windows in which it is learned as a plain mean, at the beginning.
const LEARN_FAST: u32 = 20;
/// Answers a second at half the concurrency, relative to all of it, from which on it was a queue:
/// with one there are as many, without one there are half as many.
const WAS_QUEUE: f64 = 0.6;
/// While it is held back, that is looked at again this often, seconds.
const RETRIAL_S: f64 = 3.0;
/// Answers it takes to tell.
const TELLING: f64 = 100.0;

/// One answer in the word of a window: the number above, the sum of logarithms below.
const ONE: u64 = 1 << 40;
/// Parts of an octave in that sum.
const PARTS: u64 = 256;

/// How a request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The head of its answer came after so many nanoseconds.
    Answered(u64),
    /// Nobody waits any more, after so many nanoseconds without an answer.
    GivenUp(u64),
    /// Its end says nothing about how busy the upstream is.
    Otherwise,
}

/// The limit of one upstream. Shared by all workers. What each request reads comes first.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Limiter {
    mode: Concurrency,
    in_flight: AtomicU32,
    /// `u32::MAX`: open.
    limit: AtomicU32,
    /// Most in flight in this window.
    peak: AtomicU32,
    /// Answers of this window: see [`ONE`].
    answers: AtomicU64,
    /// When this window may end, nanoseconds.
    due_ns: AtomicU64,
    /// Refused in this window, or held back for others' sake.
    refused: AtomicU32,
    /// Given up in this window after longer than usual.
    given_up: AtomicU32,
    /// Latency from which on a request that was given up counts, nanoseconds.
    slow_ns: AtomicU64,
    /// Only ever tried, never waited for.
    control: Mutex<Control>,
}

impl Limiter {
    /// A limiter that knows nothing yet.
    pub fn new(mode: Concurrency) -> Self {
        let limit = match mode {
            Concurrency::Adaptive | Concurrency::Off => u32::MAX,
            Concurrency::Fixed(most) => most.max(1),
        };
        Self {
            mode,
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(limit),
            peak: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            answers: AtomicU64::new(0),
            due_ns: AtomicU64::new(0),
            slow_ns: AtomicU64::new(u64::MAX),
            control: Mutex::default(),
        }
    }

    /// What it was made for.
    pub fn mode(&self) -> Concurrency {
        self.mode
    }

    /// Whether there is room for one more. A `false` counts as refused. Workers that ask at the
    /// same moment may all get the last place.
    #[inline]
    pub fn admits(&self) -> bool {
        let admits = self.has_place();
        if !admits {
            self.held_back();
        }
        admits
    }

    /// Whether there is room for one more; nothing is counted.
    #[inline]
    pub fn has_place(&self) -> bool {
        self.in_flight.load(Relaxed) < self.limit.load(Relaxed)
    }

    /// How many may wait, `u32::MAX` for any number.
    #[inline]
    pub fn places(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// One came and could not begin to wait at once; it was refused, or waits before us.
    pub fn held_back(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A request begins to wait. Each is followed by one [`leave`](Self::leave).
    #[inline]
    pub fn enter(&self) {
        let waiting = self.in_flight.fetch_add(1, Relaxed) + 1;
        if waiting > self.peak.load(Relaxed) {
            self.peak.store(waiting, Relaxed);
        }
    }

    /// A request waits no longer. `now_ns` is a monotonic clock's, the same for all workers.
    #[inline]
    pub fn leave(&self, now_ns: u64, how: Left) {
        self.in_flight.fetch_sub(1, Relaxed);
        if self.mode != Concurrency::Adaptive {
            return;
        }
        let latency = match how {
            Left::Answered(latency) => latency,
            // Patience that ends early says nothing; one that outlasts what is usual does.
            Left::GivenUp(latency) if latency > self.slow_ns.load(Relaxed) => {
                self.given_up.fetch_add(1, Relaxed);
                latency
            }
            Left::GivenUp(_) | Left::Otherwise => return,
        };
        let answers = self.answers.fetch_add(ONE | log2(latency), Relaxed) / ONE + 1;
        // Where few come every window is overdue; what else it takes to end one is not touched
        // before there are enough. Only the very first has no end yet.
        let due_ns = self.due_ns.load(Relaxed);
        if now_ns >= due_ns && (answers >= FEW || due_ns == 0) {
            self.end_window(now_ns);
        }
    }

    /// Requests that wait now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// How many may; `None`: any number.
    pub fn limit(&self) -> Option<u32> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit != u32::MAX)
    }

    #[cold]
    fn end_window(&self, now_ns: u64) {
        // Somebody who is at it already will do.
        let Ok(mut control) = self.control.try_lock() else { return };
        if now_ns < self.due_ns.load(Relaxed) {
            return;
        }
        if control.began_ns == 0 {
            control.began_ns = now_ns.max(1);
            self.due_ns.store(now_ns + WINDOW_NS, Relaxed);
            return;
        }
        let took_ns = now_ns.saturating_sub(control.began_ns);
        let count = self.answers.load(Relaxed) / ONE;
        if count < FEW || (count < ENOUGH && took_ns < LONG_WINDOW_NS) {
            return;
        }
        let answers = self.answers.swap(0, Relaxed);
        let in_flight = self.in_flight.load(Relaxed);
        let count = (answers / ONE) as f64;
        let limit = control.window(&Window {
            now_s: now_ns as f64 / 1e9,
            took_s: took_ns as f64 / 1e9,
            answers: count,
            latency: (answers % ONE) as f64 / (count * PARTS as f64),
            in_flight: f64::from(in_flight),
            peak: f64::from(self.peak.swap(in_flight, Relaxed)),
            refused: f64::from(self.refused.swap(0, Relaxed)),
            given_up: f64::from(self.given_up.swap(0, Relaxed)),
        });
        control.began_ns = now_ns;
        self.limit.store(limit, Relaxed);
        self.slow_ns.store(control.tolerated_ns(TOLERANCE) as u64, Relaxed);
        self.due_ns.store(now_ns + WINDOW_NS, Relaxed);
    }
}

/// A limit that leaves those who are here some room.
fn first_limit(peak: f64) -> f64 {
    1.25 * peak + 2.0 * LEAST
}

/// The logarithm of a latency, in [`PARTS`] of an octave. Straight lines between powers of two
/// are at most a sixteenth of an octave off, and always in the same way.
#[inline]
fn log2(latency_ns: u64) -> u64 {
    let latency = latency_ns.max(PARTS);
    let octave = u64::from(latency.ilog2());
    octave * PARTS + ((latency >> (octave - u64::from(PARTS.ilog2()))) & (PARTS - 1))
}

/// What was seen in a window.
#[derive(Debug, Clone, Copy)]
struct Window {
    now_s: f64,
    took_s: f64,
    answers: f64,
    /// Mean logarithm (to base 2) of the latencies in nanoseconds.
    latency: f64,
    /// At the window's end.
    in_flight: f64,
    /// At its fullest moment.
    peak: f64,
    refused: f64,
    /// Of `answers`: those whose true latency nobody waited for.
    given_up: f64,
}

impl Window {
    /// Arrivals beyond what was answered.
    fn surplus(&self, in_flight_before: f64) -> f64 {
        self.in_flight - in_flight_before + self.refused
    }
}

/// Of one window or two.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    surplus: f64,
    answers: f64,
    seconds: f64,
}

impl Sums {
    fn and(self, other: Self) -> Self {
        Self {
            surplus: self.surplus + other.surplus,
            answers: self.answers + other.answers,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// What is remembered from window to window. Latencies are logarithms to base 2 of nanoseconds.
#[derive(Debug)]
struct Control {
    began_ns: u64,
    windows: u32,
    /// The latency of this upstream when it is not overloaded, as far as is known.
    learned: f64,
    /// The measured one, smoothed a little.
    measured: f64,
    in_flight: f64,
    /// Answers a second, over about a second.
    answered: f64,
    /// The last window's.
    last: Sums,
    /// The end of the last window that was not slow, seconds, and the answers a second by then.
    slow_since: f64,
    usual_rate: f64,
    /// A moment since when it is slow, and how many waited then.
    stable_since: (f64, f64),
    /// Windows in a row that gave evidence.
    evidence: u32,
    /// Infinite: open.
    limit: f64,
    trial: Option<Trial>,
}

/// Seeing what holding back does.
#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    /// Most that waited since it began, and most that were answered, a second.
    peak: f64,
    fastest: f64,
    /// Waits ended with somebody's patience, so what was answered tells nothing.
    cut_short: bool,
    /// The limit is at half of that peak, and stays there until what that does is known.
    judging: bool,
    /// Answers since, and the seconds they took.
    answers: f64,
    seconds: f64,
    /// It was a queue.
    proven: bool,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            began_ns: 0,
            windows: 0,
            learned: 0.0,
            measured: 0.0,
            in_flight: 0.0,
            answered: 0.0,
            last: Sums::default(),
            slow_since: 0.0,
            usual_rate: 0.0,
            stable_since: (0.0, 0.0),
            evidence: 0,
            limit: f64::INFINITY,
            trial: None,
        }
    }
}

impl Control {
    /// Takes a window in; the limit from now on.
    fn window(&mut self, window: &Window) -> u32 {
        self.windows = self.windows.saturating_add(1);
        if self.windows == 1 {
            (self.learned, self.measured) = (window.latency, window.latency);
        }
        self.measured += 0.5 * (window.latency - self.measured);
        let fresh = 1.0 - (-window.took_s).exp();
        self.answered += fresh * (window.answers / window.took_s - self.answered);

        let many = window.answers >= ENOUGH as f64;
        let tolerated = self.tolerated_ns(if many { TOLERANCE } else { TOLERANCE_FEW });
        let gradient = tolerated / window.latency.exp2();
        let this = Sums {
            surplus: window.surplus(self.in_flight),
            answers: window.answers,
            seconds: window.took_s,
        };
        let recent = this.and(self.last);
        self.last = this;
        self.in_flight = window.in_flight;
        if gradient >= 1.0 {
            (self.slow_since, self.usual_rate) = (window.now_s, self.answered);
            self.stable_since = (window.now_s, window.in_flight);
        }
        // A service that merely became slow answers less than comes too, until its first answers
        // are due: what is missing then decays exponentially, with the latency as its constant.
        // A queue's latency only grows as fast as what is missing adds up.
        let slow_s = window.now_s - self.slow_since;
        let usual = SPREAD * window.latency.exp2() / 1e9;
        let due = 2.0 / (slow_s / usual).exp_m1();
        if window.now_s - self.stable_since.0 > WAKING_S + 3.0 * usual {
            // With an overload more of them would wait by now.
            if window.in_flight <= 1.15 * self.stable_since.1 && window.refused == 0.0 {
                self.acquit();
            }
            self.stable_since = (window.now_s, window.in_flight);
        }
        // Too many requests do not make the answers fewer at first; slowness does.
        let waking = recent.answers < 0.85 * self.usual_rate * recent.seconds && slow_s < WAKING_S;
        let pressed = window.refused > 0.0
            || window.peak >= MANY
            || (!waking && recent.surplus > due.max(PRESSING) * recent.answers);
        let evident = gradient < 1.0 && pressed;
        self.evidence = if evident { self.evidence + 1 } else { 0 };
        if evident {
            if self.limit.is_finite() || self.evidence >= CHANCE {
                self.hold_back(window, gradient);
            }
        } else if window.refused > 0.0 {
            self.limit += match window.latency < self.learned + 1.1_f64.log2() {
                true => 0.1 * self.limit + 1.0,
                false => 0.2 * self.limit.sqrt().max(4.0),
            };
        } else if gradient >= 1.0 {
            self.limit = 1.25 * self.limit + 4.0;
            if self.limit > MANY.max(4.0 * window.peak) {
                (self.limit, self.trial) = (f64::INFINITY, None);
            }
        } else {
            // Slow, and nobody presses: whoever is here has room, and some more.
            self.limit = self.limit.max(first_limit(window.peak));
        }
        if !evident && window.refused == 0.0 || window.latency < self.learned {
            self.learn(window, gradient < 1.0);
        }
        // `as` saturates: infinity is the open limit.
        self.limit as u32
    }

    fn hold_back(&mut self, window: &Window, gradient: f64) {
        if !self.limit.is_finite() {
            self.limit = first_limit(window.peak);
            self.trial = None;
        }
        let tolerated_s = self.tolerated_ns(TOLERANCE) / 1e9;
        let trial = self.trial.get_or_insert_default();
        if trial.judging && self.limit > 0.6 * trial.peak {
            // It grew meanwhile, so nothing can be seen any more.
            *trial = Trial::default();
        }
        trial.fastest = trial.fastest.max(self.answered);
        // Little's law: so many keep the upstream as busy as it can be.
        let useful = trial.fastest * tolerated_s;
        if window.given_up > 0.1 * window.answers {
            // Nobody has anything of what is answered too late.
            self.limit = self.limit.min(useful).max(LEAST);
            trial.cut_short = true;
            return;
        }
        if trial.judging {
            // What still waits from before has to leave first.
            if window.peak <= 0.6 * trial.peak {
                trial.answers += window.answers;
                trial.seconds += window.took_s;
            }
            if trial.answers < TELLING {
                return;
            }
            if trial.answers / trial.seconds < WAS_QUEUE * trial.fastest && !trial.cut_short {
                return self.acquit();
            }
            (trial.judging, trial.proven) = (false, true);
            (trial.answers, trial.seconds) = (0.0, 0.0);
            self.limit = self.limit.min(useful.max(self.limit / 4.0)).max(LEAST);
            return;
        }
        if trial.proven && window.peak <= self.limit.max(LEAST) + 1.0 {
            // The proof is looked at again: it may have been chance, or be out of date.
            trial.answers += window.answers;
            trial.seconds += window.took_s;
            if trial.seconds >= RETRIAL_S {
                let rate = trial.answers / trial.seconds;
                if rate < 0.5 * trial.fastest && !trial.cut_short {
                    return self.acquit();
                }
                *trial = Trial { fastest: rate, proven: true, ..Trial::default() };
            }
        }
        trial.peak = trial.peak.max(window.peak);
        if window.peak >= self.limit / 2.0 {
            let step = 0.8 * self.limit + 0.2 * gradient.clamp(0.5, 1.0) * self.limit;
            self.limit = step.max(LEAST);
        }
        trial.judging = !trial.proven && self.limit <= trial.peak / 2.0;
    }

    /// There was no queue: the service is that slow now.
    fn acquit(&mut self) {
        self.learned = self.measured;
        (self.limit, self.trial, self.evidence) = (f64::INFINITY, None, 0);
    }

    fn learn(&mut self, window: &Window, slow: bool) {
        let distance = window.latency - self.learned;
        // After a long silence one window must not be all there is.
        let time = window.took_s.min(1.0);
        let constant = if distance < 0.0 { LEARN_DOWN_S } else { LEARN_UP_S };
        let mut part = 1.0 - (-time / constant).exp();
        if self.windows <= LEARN_FAST && !slow {
            part = part.max(1.0 / f64::from(self.windows));
        }
        self.learned += part * distance;
        if distance < -1.0 {
            self.learned += 0.95_f64.log2();
        }
    }

    /// The latency that is not slow yet, nanoseconds.
    fn tolerated_ns(&self, factor: f64) -> f64 {
        let learned = self.learned.exp2();
        (factor * learned).max(learned + SLACK_NS)
    }
}

#[cfg(test)]
mod tests;
