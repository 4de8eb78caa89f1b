//! Rate limits: the generic cell rate algorithm on one atomic word.
//!
//! This module decides; it reads no clock. `now_ns` is monotonic time in nanoseconds since any
//! fixed instant of the process (its epoch), the same for all workers. A [`Limiter`] is shared by
//! all workers through an `Arc`; a [`LimiterTable`] carries limiters across reloads.
//!
//! **Exact at odd rates.** Seven a minute is one every 60·10⁹/7 ns, which no whole number of
//! nanoseconds expresses. So the clock is not counted in nanoseconds but in *units* of which one
//! request costs a whole number: `cost = ⌈per ∕ count⌉` units a request and
//! `now · cost · count ∕ per` units since the epoch, rounded down. A unit is between half a
//! nanosecond and one. Because nested floors collapse, the number of requests admitted in a time
//! `t` after the epoch under constant demand is exactly `burst + ⌊t · count ∕ per⌋`, for ever.
//!
//! **Below a nanosecond.** For more than 10⁹ requests a second a request costs one unit, shorter
//! than a nanosecond. Units then reach the end of 64 bits sooner than nanoseconds do (10¹² a
//! second: after 213 days), and from there on everything passes, which is what such a rate means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pasarela_model::Rate;
use rustc_hash::FxHashMap;

use crate::soon::soon;

/// Largest integer of a structured field (RFC 9651 §3.3.1).
const FIELD_INTEGER_MAX: u64 = 999_999_999_999_999;

/// Largest value taken for a period, a count or a room, so that sums of two stay in 64 bits.
const BOUND: u64 = u64::MAX / 4;

const NANOS: u64 = 1_000_000_000;

/// What a limiter says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass. It has been counted if so, and only then.
    pub allowed: bool,
    /// Requests that may arrive at once when nothing was sent for a while: the burst.
    pub limit: u64,
    /// Requests that may still arrive now.
    pub remaining: u64,
    /// Nanoseconds until `remaining` is `limit` again if nothing more is sent.
    pub reset_ns: u64,
    /// Nanoseconds until a next request may pass; 0 while `remaining` is not.
    pub retry_after_ns: u64,
}

impl Decision {
    /// `Retry-After` (RFC 9110 §10.2.3): whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after_ns.div_ceil(NANOS).max(1)
    }

    /// Appends [`Self::retry_after_seconds`] in decimal.
    pub fn write_retry_after(&self, out: &mut Vec<u8>) {
        write_integer(self.retry_after_seconds(), out);
    }
}

/// One rate limit and how much of it is used. All methods take `&self`.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Limiter {
    /// When the bucket will be full again (the theoretical arrival time), in units since the epoch.
    full_at: AtomicU64,
    /// Units one request costs.
    cost: u64,
    /// Units the bucket holds: `burst · cost`.
    room: u64,
    /// Units = nanoseconds · `numerator` ∕ `denominator`.
    numerator: u64,
    denominator: u64,
    /// One second in units: by less than this, workers' clocks may disagree.
    second: u64,
    /// What it was made for; no request reads it.
    rate: Rate,
}

impl Limiter {
    /// A limiter that was never used. A count, burst or period of 0 is taken as 1 (1 ns): the
    /// configuration refuses them earlier.
    pub fn new(rate: Rate) -> Self {
        let per = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX).clamp(1, BOUND);
        let count = rate.count.clamp(1, BOUND);
        let divisor = gcd(per, count);
        let (per, count) = (per / divisor, count / divisor);
        let cost = per.div_ceil(count);
        // cost · count < per + count, both of them within BOUND.
        let divisor = gcd(cost * count, per);
        let (numerator, denominator) = (cost * count / divisor, per / divisor);
        let burst = rate.burst.clamp(1, BOUND / cost);
        let mut limiter = Self {
            full_at: AtomicU64::new(0),
            rate,
            cost,
            room: burst * cost,
            numerator,
            denominator,
            second: 0,
        };
        limiter.second = limiter.units(NANOS).min(BOUND);
        limiter
    }

    /// It will be asked soon.
    #[inline]
    pub(crate) fn soon(&self) {
        soon(&self.full_at);
    }

    /// The rate it was made for.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Asks for one request, and counts it if it may pass. Lock-free.
    ///
    /// A `now_ns` that lies before another worker's is safe: it never admits more. If it lies more
    /// than a second before (a clock that was set back), the bucket counts as empty at the new
    /// time and fills from there (T35); nobody is locked out for as long as the clock jumped.
    #[inline]
    pub fn check(&self, now_ns: u64) -> Decision {
        let now = self.units(now_ns);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let used = full_at.saturating_sub(now);
            let (allowed, next) = if used > self.room + self.second {
                (false, now.saturating_add(self.room))
            } else if used + self.cost > self.room {
                return self.decision(false, used);
            } else {
                (true, full_at.max(now).saturating_add(self.cost))
            };
            // Relaxed: the word is the whole of the state, nothing else is published with it.
            match self.full_at.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.decision(allowed, next.saturating_sub(now)),
                Err(changed) => full_at = changed,
            }
        }
    }

    /// What [`Self::check`] would say, without counting.
    pub fn peek(&self, now_ns: u64) -> Decision {
        let used = self.used(now_ns);
        self.decision(used + self.cost <= self.room, used)
    }

    /// A limiter for a rate, after the one that there was, if there was one: the same where the rate is, else one as full in
    /// proportion.
    pub(crate) fn following(before: Option<&Arc<Self>>, rate: Rate, now_ns: u64) -> Arc<Self> {
        match before {
            Some(same) if same.rate() == rate => Arc::clone(same),
            Some(changed) => Arc::new(changed.with_rate(rate, now_ns)),
            None => Arc::new(Self::new(rate)),
        }
    }

    /// A limiter for another rate that is as full, in proportion, as this one is now. The used
    /// part is rounded up, so that no number of reloads makes room.
    fn with_rate(&self, rate: Rate, now_ns: u64) -> Self {
        let changed = Self::new(rate);
        let used = self.used(now_ns);
        let scaled =
            (u128::from(used) * u128::from(changed.room)).div_ceil(u128::from(self.room)) as u64;
        changed.full_at.store(changed.units(now_ns).saturating_add(scaled), Ordering::Relaxed);
        changed
    }

    fn used(&self, now_ns: u64) -> u64 {
        self.full_at.load(Ordering::Relaxed).saturating_sub(self.units(now_ns)).min(self.room)
    }

    #[inline]
    fn decision(&self, allowed: bool, used: u64) -> Decision {
        let free = self.room.saturating_sub(used);
        let remaining = free / self.cost;
        let retry_after_ns = if remaining > 0 {
            0
        } else {
            self.nanos((used + self.cost).saturating_sub(self.room))
        };
        Decision {
            allowed,
            limit: self.room / self.cost,
            remaining,
            reset_ns: self.nanos(used),
            retry_after_ns,
        }
    }

    /// Nanoseconds to units, rounded down, saturating.
    #[inline]
    fn units(&self, nanos: u64) -> u64 {
        if self.numerator == self.denominator {
            return nanos;
        }
        let units = u128::from(nanos) * u128::from(self.numerator) / u128::from(self.denominator);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Units to nanoseconds, rounded up, saturating: who waits so long finds them passed.
    #[inline]
    fn nanos(&self, units: u64) -> u64 {
        if self.numerator == self.denominator {
            return units;
        }
        let nanos =
            (u128::from(units) * u128::from(self.denominator)).div_ceil(u128::from(self.numerator));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// The `RateLimit-Policy` and `RateLimit` field values of one plan, prepared once.
///
/// Follows draft-ietf-httpapi-ratelimit-headers-11 §3 and §4: a String naming the policy, with
/// `q` (quota), `w` (window, whole seconds), `r` (available) and `t` (effective window, seconds).
#[derive(Debug, Clone)]
pub struct RateFields {
    policy: Box<[u8]>,
    name: Box<[u8]>,
}

impl RateFields {
    /// Prepares the fields of a plan. A period that is no whole number of seconds is widened to
    /// the next one and the quota with it (5 in 250 ms becomes `q=20;w=1`), rounded down.
    pub fn new(plan: &str, rate: &Rate) -> Self {
        let mut name = Vec::with_capacity(plan.len() + 2);
        write_string(plan, &mut name);
        // Bounded to 136 years and the largest integer, so that the product fits.
        let per = rate.per.as_nanos().clamp(1, u128::from(u32::MAX) * u128::from(NANOS));
        let window = per.div_ceil(u128::from(NANOS));
        let count = u128::from(rate.count.min(FIELD_INTEGER_MAX));
        let quota = count * window * u128::from(NANOS) / per;
        let mut policy = name.clone();
        policy.extend_from_slice(b";q=");
        write_integer(u64::try_from(quota).unwrap_or(u64::MAX), &mut policy);
        policy.extend_from_slice(b";w=");
        write_integer(u64::try_from(window).unwrap_or(u64::MAX), &mut policy);
        Self { policy: policy.into(), name: name.into() }
    }

    /// Appends the value of `RateLimit-Policy`: `"free";q=5;w=1`.
    pub fn write_policy(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.policy);
    }

    /// Appends the value of `RateLimit`: `"free";r=4;t=1`. `t` is the time to a full allowance
    /// while something remains, else the time to the next request: so that `Retry-After` never
    /// points before the end of the effective window (§6 of the draft).
    pub fn write_limit(&self, decision: &Decision, out: &mut Vec<u8>) {
        let window = match decision.remaining {
            0 => decision.retry_after_seconds(),
            _ => decision.reset_ns.div_ceil(NANOS),
        };
        out.extend_from_slice(&self.name);
        out.extend_from_slice(b";r=");
        write_integer(decision.remaining, out);
        out.extend_from_slice(b";t=");
        write_integer(window, out);
    }
}

/// Whom a limiter counts, by names: indices change with a reload, names do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimiterKey {
    /// Name of the application.
    pub application: String,
    /// Name of the plan it subscribes under.
    pub plan: String,
    /// Name of the API.
    pub api: String,
    /// Major version of the API.
    pub version: u32,
}

/// Every limiter of a snapshot by name. Built and asked when a data plane is compiled whole, and then let go: requests hold the
/// `Arc<Limiter>`.
#[derive(Debug, Default)]
pub struct LimiterTable {
    limiters: FxHashMap<LimiterKey, Arc<Limiter>>,
}

impl LimiterTable {
    /// The limiter of a key.
    pub fn get(&self, key: &LimiterKey) -> Option<&Arc<Limiter>> {
        self.limiters.get(key)
    }

    /// Number of limiters.
    pub fn len(&self) -> usize {
        self.limiters.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.limiters.is_empty()
    }
}

impl FromIterator<(LimiterKey, Arc<Limiter>)> for LimiterTable {
    fn from_iter<I: IntoIterator<Item = (LimiterKey, Arc<Limiter>)>>(all: I) -> Self {
        Self { limiters: all.into_iter().collect() }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// An sf-string (RFC 9651 §3.3.3): only printable ASCII may stand in it.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            ' '..='~' => out.push(character as u8),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

pub(crate) fn write_integer(value: u64, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(value.min(FIELD_INTEGER_MAX)).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn rate(count: u64, per: Duration, burst: u64) -> Rate {
        Rate { count, per, burst }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn t31_many_threads_and_a_burst_admit_exactly_the_burst() {
        for burst in [1, 7, 1_000] {
            let limiter = Limiter::new(rate(3, secs(60), burst));
            let allowed: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| (0..1_000).filter(|_| limiter.check(5).allowed).count())
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(allowed as u64, burst);
        }
    }

    #[test]
    fn t31_many_threads_on_a_moving_clock_admit_exactly_the_rate() {
        // Each thread runs through the same second on its own; whoever is first, the sum is
        // what one caller would have got: a burst of 10 and 7,000 a second.
        let limiter = Limiter::new(rate(7_000, secs(1), 10));
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..=100_000u64).filter(|step| limiter.check(step * 10_000).allowed).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Slow threads lag behind and find the bucket empty; nobody ever gets more.
        assert!((6_000..=7_010).contains(&allowed), "{allowed}");
    }

    #[test]
    fn t32_of_a_thousand_racers_for_the_last_one_exactly_one_wins() {
        let limiter = Limiter::new(rate(1, secs(3600), 5));
        (0..4).for_each(|_| assert!(limiter.check(0).allowed));
        assert_eq!(limiter.peek(0).remaining, 1);
        let winners: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..10)
                .map(|_| scope.spawn(|| (0..100).filter(|_| limiter.check(0).allowed).count()))
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn t33_a_million_checks_at_odd_rates_do_not_drift() {
        for (count, per) in [(7, secs(60)), (3, secs(1)), (999_983, secs(1)), (1, secs(7))] {
            let limiter = Limiter::new(rate(count, per, 4));
            // Constant demand, twice the rate, for as long as a million checks last.
            let step = per.as_nanos() as u64 / count / 2;
            let allowed = (0..=1_000_000u64).filter(|i| limiter.check(i * step).allowed).count();
            let elapsed = u128::from(1_000_000 * step);
            let exact = 4 + elapsed * u128::from(count) / per.as_nanos();
            assert_eq!(allowed as u128, exact, "{count} in {per:?}");
        }
    }

    #[test]
    fn t35_a_clock_set_back_neither_opens_nor_locks() {
        let hour = 3_600 * NANOS;
        let limiter = Limiter::new(rate(10, secs(1), 10));
        while limiter.check(10 * hour).allowed {}
        // Nothing is won by going back…
        assert!(!limiter.check(9 * hour).allowed);
        assert!(!limiter.check(0).allowed);
        // …and after the time of one request there is one request.
        assert!(limiter.check(NANOS / 10).allowed);
        assert!(!limiter.check(NANOS / 10).allowed);
        // A clock that leaps forward gives one burst.
        let allowed = (0..100).filter(|_| limiter.check(100_000 * hour).allowed).count();
        assert_eq!(allowed, 10);
    }

    #[test]
    fn t35_workers_whose_clocks_differ_by_less_than_a_second_win_nothing() {
        let limiter = Limiter::new(rate(100, secs(1), 100));
        let mut allowed = 0;
        for step in 0..100_000u64 {
            let now = 10 * NANOS + step * 10_000;
            let skewed = if step % 2 == 0 { now } else { now - NANOS / 2 };
            allowed += u64::from(limiter.check(skewed).allowed);
        }
        assert_eq!(allowed, 100 + 99); // the last step lies 10 µs before the full second
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        for (count, per, burst) in [(1, 1, 1), (u64::MAX, 1, u64::MAX), (1, u64::MAX, u64::MAX)] {
            let limiter = Limiter::new(rate(count, Duration::from_nanos(per), burst));
            for now in [u64::MAX, 0, u64::MAX / 2, 1, u64::MAX] {
                limiter.check(now);
                limiter.peek(now);
            }
        }
        let odd = Limiter::new(rate(0, Duration::MAX, 0));
        assert!(odd.check(5).allowed);
        assert!(!odd.check(5).allowed);
    }

    #[test]
    fn more_than_one_request_a_nanosecond_is_a_rate_too() {
        let limiter = Limiter::new(rate(5_000_000_000, secs(1), 10));
        assert_eq!((0..100).filter(|_| limiter.check(1_000).allowed).count(), 10);
        assert_eq!((0..100).filter(|_| limiter.check(1_001).allowed).count(), 5);
        let absurd = Limiter::new(rate(u64::MAX, secs(1), u64::MAX));
        assert!((0..1_000).all(|_| absurd.check(3_600 * NANOS).allowed));
    }

    #[test]
    fn fields_read_as_the_draft_writes_them() {
        let show = |plan: &str, rate: &Rate, decision: Option<&Decision>| {
            let mut out = Vec::new();
            let fields = RateFields::new(plan, rate);
            match decision {
                Some(decision) => fields.write_limit(decision, &mut out),
                None => fields.write_policy(&mut out),
            }
            String::from_utf8(out).unwrap()
        };
        let pro = rate(100, secs(1), 200);
        assert_eq!(show("pro", &pro, None), r#""pro";q=100;w=1"#);
        assert_eq!(show("slow", &rate(7, secs(60), 7), None), r#""slow";q=7;w=60"#);
        assert_eq!(show("q", &rate(5, Duration::from_millis(250), 5), None), r#""q";q=20;w=1"#);
        assert_eq!(show("q", &rate(3, Duration::from_millis(1500), 5), None), r#""q";q=4;w=2"#);
        assert_eq!(show("a\"\\ñ", &rate(1, secs(1), 1), None), r#""a\"\\?";q=1;w=1"#);
        let most = rate(u64::MAX, Duration::MAX, 1);
        assert_eq!(show("x", &most, None), r#""x";q=999999999999999;w=4294967295"#);

        let slow = rate(7, secs(60), 2);
        let limiter = Limiter::new(slow);
        assert_eq!(show("slow", &slow, Some(&limiter.check(0))), r#""slow";r=1;t=9"#);
        assert_eq!(show("slow", &slow, Some(&limiter.check(0))), r#""slow";r=0;t=9"#);
        let refused = limiter.check(NANOS);
        assert!(!refused.allowed);
        assert_eq!(show("slow", &slow, Some(&refused)), r#""slow";r=0;t=8"#);
        let mut out = Vec::new();
        refused.write_retry_after(&mut out);
        assert_eq!(out, b"8");
        let soon = Limiter::new(rate(1_000_000, secs(1), 1));
        soon.check(0);
        assert_eq!(soon.check(0).retry_after_seconds(), 1);
    }

    /// The limiters that are wanted, after those that there were.
    fn reconcile(
        old: Option<&LimiterTable>,
        wanted: &[(LimiterKey, Rate)],
        now_ns: u64,
    ) -> LimiterTable {
        let following = |(key, rate): &(LimiterKey, Rate)| {
            let its = old.and_then(|old| old.get(key));
            (key.clone(), Limiter::following(its, *rate, now_ns))
        };
        wanted.iter().map(following).collect()
    }

    fn key(application: &str, plan: &str) -> LimiterKey {
        let (application, plan) = (application.to_owned(), plan.to_owned());
        LimiterKey { application, plan, api: "rates".to_owned(), version: 2 }
    }

    #[test]
    fn t31_a_reload_is_no_way_to_a_fresh_burst() {
        let ten = rate(10, secs(60), 10);
        let first = reconcile(None, &[(key("a", "free"), ten)], 0);
        (0..10).for_each(|_| assert!(first.get(&key("a", "free")).unwrap().check(0).allowed));

        let wanted = [(key("a", "free"), ten), (key("b", "free"), ten)];
        let second = reconcile(Some(&first), &wanted, 0);
        assert_eq!(second.len(), 2);
        let kept = second.get(&key("a", "free")).unwrap();
        assert!(Arc::ptr_eq(first.get(&key("a", "free")).unwrap(), kept));
        assert!(!kept.check(0).allowed);
        assert!(second.get(&key("b", "free")).unwrap().check(0).allowed);

        let third = reconcile(Some(&second), &[], 0);
        assert!(third.is_empty() && third.get(&key("a", "free")).is_none());
    }

    #[test]
    fn a_changed_rate_keeps_the_proportion() {
        let table = reconcile(None, &[(key("a", "p"), rate(10, secs(1), 10))], 0);
        let limiter = table.get(&key("a", "p")).unwrap();
        (0..5).for_each(|_| assert!(limiter.check(50).allowed));
        let wider = [(key("a", "p"), rate(300, secs(60), 100))];
        let table = reconcile(Some(&table), &wider, 50);
        assert_eq!(table.get(&key("a", "p")).unwrap().peek(50).remaining, 50);
        let narrow = [(key("a", "p"), rate(7, secs(3), 3))];
        let table = reconcile(Some(&table), &narrow, 50);
        assert_eq!(table.get(&key("a", "p")).unwrap().peek(50).remaining, 1);
    }

    #[test]
    fn reloads_back_and_forth_make_no_room() {
        let (one, other) = (rate(7, secs(60), 7), rate(1_000, secs(1), 333));
        let mut table = reconcile(None, &[(key("a", "p"), one)], 0);
        while table.get(&key("a", "p")).unwrap().check(0).allowed {}
        for turn in 0..1_000 {
            let rate = if turn % 2 == 0 { other } else { one };
            table = reconcile(Some(&table), &[(key("a", "p"), rate)], 0);
            assert!(!table.get(&key("a", "p")).unwrap().check(0).allowed);
        }
    }

    /// The rule in its slowest form: exact fractions, one caller, no cleverness.
    struct Model {
        count: u128,
        per: u128,
        burst: u128,
        /// Theoretical arrival time times `count`.
        full_at: u128,
    }

    impl Model {
        fn check(&mut self, now: u128) -> bool {
            let next = self.full_at.max(now * self.count) + self.per;
            let fits = next <= now * self.count + self.burst * self.per;
            if fits {
                self.full_at = next;
            }
            fits
        }
    }

    proptest! {
        #[test]
        fn t31_whole_intervals_agree_with_the_rule_to_the_nanosecond(
            interval in 1u64..10_000, burst in 1u64..20,
            steps in prop::collection::vec(0u64..20_000, 1..200),
        ) {
            let limiter = Limiter::new(rate(1, Duration::from_nanos(interval), burst));
            let mut model = Model {
                count: 1, per: interval.into(), burst: burst.into(), full_at: 0,
            };
            let mut now = 0;
            for step in steps {
                now += step;
                prop_assert_eq!(limiter.check(now).allowed, model.check(now.into()));
            }
        }

        #[test]
        fn t31_no_window_ever_holds_more_than_burst_and_rate(
            count in 1u64..1_000, per_ms in 1u64..5_000, burst in 1u64..50,
            steps in prop::collection::vec(0u64..50_000_000, 1..300),
        ) {
            let per = Duration::from_millis(per_ms);
            let limiter = Limiter::new(rate(count, per, burst));
            let (mut now, mut passed) = (0u64, Vec::new());
            for step in steps {
                now += step;
                if limiter.check(now).allowed {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    // A unit is at most a nanosecond, so that is all the rounding can give.
                    let time = u128::from(to - from + 1);
                    let most = u128::from(burst) + time * u128::from(count) / per.as_nanos();
                    prop_assert!((last - first + 1) as u128 <= most);
                }
            }
        }

        #[test]
        fn a_caller_who_waits_as_told_is_served_and_not_much_earlier(
            count in 1u64..5_000, per_ms in 1u64..100_000, burst in 1u64..50, start in 0u64..u64::MAX / 8,
        ) {
            let limiter = Limiter::new(rate(count, Duration::from_millis(per_ms), burst));
            let mut last = limiter.check(start);
            prop_assert_eq!((last.allowed, last.limit, last.remaining), (true, burst, burst - 1));
            while last.remaining > 0 {
                prop_assert_eq!(last.retry_after_ns, 0);
                last = limiter.check(start);
            }
            let refused = limiter.check(start);
            prop_assert!(!refused.allowed && refused.remaining == 0);
            prop_assert_eq!(refused.retry_after_ns, last.retry_after_ns);
            prop_assert!(refused.reset_ns >= refused.retry_after_ns);
            let early = start + refused.retry_after_ns.saturating_sub(2);
            prop_assert!(early == start || !limiter.peek(early).allowed);
            prop_assert_eq!(limiter.peek(start + refused.reset_ns).remaining, burst);
            prop_assert!(limiter.check(start + refused.retry_after_ns).allowed);
        }
    }

    /// `cargo test --release -- --ignored --nocapture cost` prints what a check costs.
    #[test]
    #[ignore = "a measurement, not a test"]
    #[allow(clippy::print_stdout)]
    fn cost_of_a_check() {
        for (count, per) in [(1_000_000, secs(1)), (7, secs(60)), (300_000_007, secs(1))] {
            let limiter = Limiter::new(rate(count, per, 1_000));
            let batch = |batch: u64| {
                let start = Instant::now();
                for now in 0..10_000u64 {
                    let now = (batch * 10_000 + now) * 1_000;
                    std::hint::black_box(limiter.check(std::hint::black_box(now)));
                }
                start.elapsed() / 10_000
            };
            println!("{count} in {per:?}: {:?} a check", (0..1_000).map(batch).min());
        }
    }
}
