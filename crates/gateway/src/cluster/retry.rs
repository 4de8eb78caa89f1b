//! When a request is sent again: where it is safe, and within a budget (L24).
//!
//! Pure: [`retryable`] says whether it would be safe, [`Budget`] whether there is room. Attempts
//! for one request are bounded by `retries.attempts` besides, which the caller counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::soon::soon;

/// How much of the request left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of it.
    Never,
    /// Some bytes.
    Partly,
    /// All of it.
    Wholly,
}

/// Why a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or no TLS session, came about (time-outs of connecting included).
    Connect,
    /// The connection ended before the first byte of an answer.
    ClosedBeforeAnswer,
    /// HTTP/2: the server says it did not process the stream: `REFUSED_STREAM`, or a `GOAWAY`
    /// whose last stream is an earlier one (RFC 9113 §8.7).
    Unprocessed,
    /// It did not answer in time. It may be at work on it still.
    Timeout,
    /// Its answer broke off or made no sense.
    Answer,
    /// It answered, with this status.
    Status(u16),
}

/// Whether a request may be sent again after a try that failed.
///
/// | failure | sent again |
/// |---|---|
/// | no connection | always: nothing was sent |
/// | closed before the answer, nothing sent | always |
/// | closed before the answer, something sent | idempotent methods whose body is still there |
/// | refused unprocessed | whatever the method, if the body is still there |
/// | time-out | never: the work may be under way, and more load is what it least needs |
/// | answer begun, or broken | never: its bytes may have reached the caller |
/// | any status, 502, 503 and 504 too | never: an answer is an answer, and the caller gets it |
///
/// `has_replayable_body`: there is no body, or all that was taken of it is kept.
pub fn retryable(method: &str, sent: Sent, failure: Failure, has_replayable_body: bool) -> bool {
    match (failure, sent) {
        (Failure::Connect, _)
        | (Failure::ClosedBeforeAnswer | Failure::Unprocessed, Sent::Never) => {
            sent == Sent::Never || has_replayable_body
        }
        (Failure::ClosedBeforeAnswer, Sent::Partly | Sent::Wholly) => {
            is_idempotent(method) && has_replayable_body
        }
        (Failure::Unprocessed, Sent::Partly | Sent::Wholly) => has_replayable_body,
        (Failure::Timeout | Failure::Answer | Failure::Status(_), _) => false,
    }
}

/// Idempotent methods (RFC 9110 §9.2.2); methods are case-sensitive.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// Seconds the budget looks back over.
pub const WINDOW_SECONDS: u64 = 10;

/// Retries in a window that are always allowed, so that a quiet API may retry at all: 1 a second.
pub const FLOOR: u64 = WINDOW_SECONDS;

/// One more than the window, so that the second that is being overwritten is out of it.
const SLOTS: usize = WINDOW_SECONDS as usize + 1;

/// The retries an upstream may get: a share of its requests over the last ten seconds, or one a
/// second where that is more. Shared by all workers, and by its clones; kept across reloads.
#[derive(Debug, Clone)]
pub struct Budget {
    percent: u8,
    window: Arc<Window>,
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Window {
    /// Requests by second: the second in the upper half of the word, their number in the lower.
    requests: [AtomicU64; SLOTS],
    /// The same for retries; these are rare, and counting and taking must be one step.
    retries: Mutex<[u64; SLOTS]>,
}

impl Budget {
    /// A budget of so many percent of the requests; 0 allows no retry at all.
    pub fn new(percent: u8) -> Self {
        Self { percent, window: Arc::default() }
    }

    /// The same budget with another share: what was counted still counts.
    pub fn with_percent(&self, percent: u8) -> Self {
        Self { percent, window: Arc::clone(&self.window) }
    }

    /// A request will be counted soon.
    #[inline]
    pub(crate) fn soon(&self) {
        soon(&self.window.requests[0]);
        soon(&self.window.requests[SLOTS - 1]);
    }

    /// Counts a request; its retries are not counted here. Lock-free.
    #[inline]
    pub fn record_request(&self, now_ms: u64) {
        let (slot, second) = place(now_ms);
        let word = &self.window.requests[slot];
        let seen = word.load(Ordering::Relaxed);
        if seen >> 32 == second {
            word.fetch_add(1, Ordering::Relaxed);
        } else if word
            .compare_exchange(seen, second << 32 | 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            // Another worker began this second just now.
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for one retry, and takes it from the budget if there is room.
    pub fn may_retry(&self, now_ms: u64) -> bool {
        if self.percent == 0 {
            return false;
        }
        let (slot, second) = place(now_ms);
        let mut retries = self.window.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = sum(second, retries.iter().copied());
        if taken >= self.allowed(second) {
            return false;
        }
        if retries[slot] >> 32 != second {
            retries[slot] = second << 32;
        }
        retries[slot] += 1;
        true
    }

    /// Retries the window holds at this moment, taken or not.
    fn allowed(&self, second: u64) -> u64 {
        let words = self.window.requests.iter().map(|word| word.load(Ordering::Relaxed));
        (sum(second, words) * u64::from(self.percent) / 100).max(FLOOR)
    }
}

/// The slot of a moment, and its second as a slot holds it.
fn place(now_ms: u64) -> (usize, u64) {
    let second = (now_ms / 1_000) & u64::from(u32::MAX);
    ((second % SLOTS as u64) as usize, second)
}

/// The numbers of the seconds in the window that ends with `second`. Workers' clocks may be a
/// second apart at its edge, so the next second counts too.
fn sum(second: u64, words: impl Iterator<Item = u64>) -> u64 {
    words
        .filter(|word| (word >> 32) + WINDOW_SECONDS > second && word >> 32 <= second + 1)
        .map(|word| word & u64::from(u32::MAX))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn l24_only_the_safe_is_sent_again() {
        use Failure::{Answer, ClosedBeforeAnswer, Connect, Status, Timeout, Unprocessed};
        use Sent::{Never, Partly, Wholly};
        // What never left goes elsewhere, whatever it is.
        for method in ["GET", "POST", "PATCH", "BREW"] {
            for replayable in [true, false] {
                assert!(retryable(method, Never, Connect, replayable));
                assert!(retryable(method, Never, ClosedBeforeAnswer, replayable));
                assert!(retryable(method, Never, Unprocessed, replayable));
            }
            for sent in [Partly, Wholly] {
                assert!(retryable(method, sent, Unprocessed, true));
                assert!(!retryable(method, sent, Unprocessed, false));
            }
        }
        // What left goes again only if twice is as good as once.
        for sent in [Partly, Wholly] {
            for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
                assert!(retryable(method, sent, ClosedBeforeAnswer, true));
                assert!(!retryable(method, sent, ClosedBeforeAnswer, false));
            }
            for method in ["POST", "PATCH", "CONNECT", "get", ""] {
                assert!(!retryable(method, sent, ClosedBeforeAnswer, true));
            }
        }
        // Time-outs and answers never do.
        for sent in [Never, Partly, Wholly] {
            for failure in [Timeout, Answer, Status(500), Status(502), Status(503), Status(504)] {
                assert!(!retryable("GET", sent, failure, true));
            }
        }
    }

    #[test]
    fn l24_retries_are_a_tenth_of_the_traffic() {
        let budget = Budget::new(10);
        for i in 0..1_000 {
            budget.record_request(50_000 + i);
        }
        assert_eq!((0..1_000).filter(|_| budget.may_retry(51_000)).count(), 100);
        // Ten seconds on, all of it is forgotten but the floor.
        assert_eq!((0..1_000).filter(|_| budget.may_retry(61_999)).count(), 10);
    }

    #[test]
    fn l24_a_quiet_api_retries_once_a_second() {
        let budget = Budget::new(10);
        let granted = (0..600u64).filter(|second| budget.may_retry(second * 1_000)).count();
        assert_eq!(granted, 600);
        assert_eq!((0..100).filter(|_| budget.may_retry(700_000)).count(), 10);
        assert!(!budget.may_retry(709_999));
        assert!(budget.may_retry(710_000));
    }

    #[test]
    fn a_budget_of_nothing_is_no_retries() {
        let budget = Budget::new(0);
        budget.record_request(0);
        assert!(!budget.may_retry(0));
        let opened = budget.with_percent(100);
        assert!(opened.may_retry(0));
    }

    #[test]
    fn a_reload_is_no_fresh_budget() {
        let budget = Budget::new(10);
        while budget.may_retry(5_000) {}
        assert!(!budget.with_percent(20).may_retry(5_000));
    }

    #[test]
    fn l24_threads_together_take_no_more_than_the_budget() {
        let budget = Budget::new(20);
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..2_500).for_each(|_| budget.record_request(3_000));
                        (0..2_500).filter(|_| budget.may_retry(3_000)).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(granted <= 2_000, "{granted}");
        // What was refused while others still counted is there now, to the last one.
        let rest = (0..10_000).filter(|_| budget.may_retry(3_000)).count();
        assert_eq!(granted + rest, 2_000);
    }

    proptest! {
        #[test]
        fn l24_no_retry_is_granted_past_the_share_of_its_window(
            percent in 1u8..100,
            steps in prop::collection::vec((0u64..700, any::<bool>()), 1..400),
        ) {
            let budget = Budget::new(percent);
            let (mut now, mut requests, mut retries) = (1_000_000u64, Vec::new(), Vec::new());
            for (step, failed) in steps {
                now += step;
                budget.record_request(now);
                requests.push(now / 1_000);
                if failed && budget.may_retry(now) {
                    retries.push(now / 1_000);
                    // It holds whenever a retry is granted; later, requests grow old before
                    // the retries they made room for.
                    let window = now / 1_000 - 9..=now / 1_000;
                    let seen = requests.iter().filter(|second| window.contains(second)).count();
                    let taken = retries.iter().filter(|second| window.contains(second)).count();
                    prop_assert!(taken <= (seen * usize::from(percent) / 100).max(10));
                }
            }
        }
    }
}
