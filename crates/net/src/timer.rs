//! Deadlines by the thousand, for one core: a coarse clock and a table that one task sweeps.
//!
//! A connection arms and disarms deadlines several times a request and hardly ever meets one, so
//! arming has to be a store, not an operation on a timer wheel. Each worker owns a table of
//! deadlines; every [`TICK`] its [`run`] task refreshes the clock and wakes what is due. A deadline
//! is met at most two ticks late and never early by more than one.
//!
//! Everything here belongs to the current thread: a worker is one thread.

use std::{
    cell::RefCell,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// How often deadlines are looked at, and so how exact they are.
pub const TICK: Duration = Duration::from_millis(50);

const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Table {
    now: u64,
    at: Vec<u64>,
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

/// Milliseconds since this worker started, as of the last tick.
#[inline]
pub fn now() -> u64 {
    TABLE.with_borrow(|table| table.now)
}

/// Keeps the clock and wakes what is due; one such task a worker, for as long as it lives.
pub async fn run() {
    let start = Instant::now();
    let before = now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        advance(before + u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}

/// Moves the clock and wakes what is due.
fn advance(now: u64) {
    let due: Vec<Waker> = TABLE.with_borrow_mut(|table| {
        table.now = now.max(table.now);
        let now = table.now;
        let Table { at, wakers, .. } = table;
        at.iter()
            .zip(wakers)
            .filter(|(at, _)| **at <= now)
            .filter_map(|(_, waker)| waker.take())
            .collect()
    });
    due.into_iter().for_each(Waker::wake);
}

/// Wakes every task that waits on a deadline, due or not: something has changed that they all
/// want to know of.
pub fn wake_all() {
    let all: Vec<Waker> =
        TABLE.with_borrow_mut(|table| table.wakers.iter_mut().filter_map(Option::take).collect());
    all.into_iter().for_each(Waker::wake);
}

/// One deadline of one task.
#[derive(Debug)]
pub struct Deadline(u32);

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadline {
    /// An unarmed deadline.
    pub fn new() -> Self {
        TABLE.with_borrow_mut(|table| {
            if let Some(slot) = table.free.pop() {
                return Self(slot);
            }
            table.at.push(NEVER);
            table.wakers.push(None);
            Self((table.at.len() - 1) as u32)
        })
    }

    /// Arms it so long from now, replacing what it was armed to.
    #[inline]
    pub fn arm(&self, after: Duration) {
        TABLE.with_borrow_mut(|table| {
            let after = u64::try_from(after.as_millis()).unwrap_or(NEVER);
            let at = table.now.saturating_add(after);
            if let Some(slot) = table.at.get_mut(self.0 as usize) {
                *slot = at;
            }
        });
    }

    /// Disarms it.
    #[inline]
    pub fn disarm(&self) {
        TABLE.with_borrow_mut(|table| {
            if let Some(slot) = table.at.get_mut(self.0 as usize) {
                *slot = NEVER;
            }
        });
    }

    /// Ready once the deadline has passed; until then the task is woken when it does.
    #[inline]
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        TABLE.with_borrow_mut(|table| {
            let index = self.0 as usize;
            let now = table.now;
            let (Some(at), Some(waker)) = (table.at.get(index), table.wakers.get_mut(index)) else {
                return Poll::Pending;
            };
            if *at <= now {
                return Poll::Ready(());
            }
            match waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                other => *other = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // The table may be gone already when the thread ends; nothing is left to free then.
        let waker = TABLE.try_with(|table| {
            let mut table = table.borrow_mut();
            let index = self.0 as usize;
            if let Some(at) = table.at.get_mut(index) {
                *at = NEVER;
            }
            table.free.push(self.0);
            table.wakers.get_mut(index).and_then(Option::take)
        });
        drop(waker);
    }
}

/// A deadline that counts only the time spent waiting: armed when a wait begins, disarmed when it
/// ends, so that a slow other side is never held against this one.
#[derive(Debug, Default)]
pub struct Wait {
    deadline: Deadline,
    since: Option<u64>,
}

impl Wait {
    /// Nothing was ready: begins a wait of at most `most`, or goes on with it. Ready when it has
    /// lasted too long.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>, most: Duration) -> Poll<()> {
        if self.since.is_none() {
            self.since = Some(now());
            self.deadline.arm(most);
        }
        self.deadline.poll(cx)
    }

    /// Something was ready: ends the wait and tells how long it was, in milliseconds.
    #[inline]
    pub fn end(&mut self) -> u64 {
        match self.since.take() {
            None => 0,
            Some(since) => {
                self.deadline.disarm();
                now() - since
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_wakes_its_task_once_when_it_is_due() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let deadline = Deadline::new();
        deadline.arm(Duration::from_millis(100));
        assert!(deadline.poll(&mut cx).is_pending());
        advance(99);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        advance(100);
        advance(150);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(deadline.poll(&mut cx).is_ready());
        deadline.arm(Duration::from_millis(1));
        assert!(deadline.poll(&mut cx).is_pending());
        deadline.disarm();
        advance(10_000);
        assert!(deadline.poll(&mut cx).is_pending());
    }

    #[test]
    fn a_wait_counts_only_its_own_time() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut wait = Wait::default();
        assert!(wait.poll(&mut cx, Duration::from_millis(50)).is_pending());
        advance(40);
        assert_eq!(wait.end(), 40);
        advance(500);
        assert!(wait.poll(&mut cx, Duration::from_millis(50)).is_pending());
        advance(550);
        assert!(wait.poll(&mut cx, Duration::from_millis(50)).is_ready());
    }

    #[test]
    fn slots_are_used_again() {
        let first = Deadline::new();
        let slot = first.0;
        first.arm(Duration::ZERO);
        drop(first);
        let second = Deadline::new();
        assert_eq!(second.0, slot);
        assert!(second.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
