//! Whose turn it is where an upstream has no place left: each party's share of it, and queues.
//!
//! A *party* is an organisation, or an application without one. Each may hold a part of the places
//! that the [`Limiter`] has, its *guarantee*: what its plan reserves, or else its part, by the
//! plans' priorities, of what nobody has reserved. What a party does not use the others may.
//!
//! - Below its guarantee a call gets the next place at once, before everybody who is beyond theirs.
//!   It waits if it has to, as long as its API's `first_byte`, and is not refused before.
//! - Beyond it a call takes what is free; it waits in its party's own queue, which is short and
//!   moves by priority, or is refused.
//! - Places that a party has used of late are *kept* for it, as far as its guarantee goes: a flood
//!   of the others does not find them free, so the party does not even wait. What was not used
//!   for some seconds is anybody's; of a reserved share one place always stays.
//!
//! Where a place is free, a call costs two atomic additions at its beginning and two at its end,
//! and no lock. The queues stand behind one lock, taken where the limit is reached, and every
//! [`TICK_NS`] by one of those who leave.
//!
//! This module decides and wakes; it reads no clock. `now_ns` is the limiter's.

mod queue;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
};

use super::{Left, Limiter};
pub use queue::Waiting;
use queue::{Queues, Terms};

/// How often it is looked at who used how much.
const TICK_NS: u64 = 100_000_000;

/// What a party has in flight is the lower half of its word, what is kept for it the upper.
const FLYING: u64 = u32::MAX as u64;

/// What one party has of an upstream. Shared by all workers.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Party {
    word: AtomicU64,
    /// Most in flight since the last look.
    peak: AtomicU32,
    /// Whether it is known that it calls.
    listed: AtomicBool,
    id: u64,
}

impl Party {
    fn new(id: u64) -> Self {
        Self {
            word: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            listed: AtomicBool::new(false),
            id,
        }
    }

    /// Calls in flight, and places kept.
    fn read(&self) -> (u32, u32) {
        split(self.word.load(SeqCst))
    }
}

fn split(word: u64) -> (u32, u32) {
    ((word & FLYING) as u32, (word >> 32) as u32)
}

/// What became of a call that found no place.
#[derive(Debug)]
pub enum Joined<'s> {
    /// There was one after all.
    In,
    /// It waits.
    Queued(Waiting<'s>),
    /// It may not even wait.
    Full {
        /// Others of the upstream's callers use it too: it is the party's own part that is full.
        shared: bool,
    },
}

/// The parties of one upstream.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Shares {
    /// Places that are taken or kept: the sum over all parties of the larger of both.
    taken: AtomicU32,
    /// Calls that wait.
    queued: AtomicU32,
    /// When it has to be looked at again who used how much.
    due_ns: AtomicU64,
    limiter: Arc<Limiter>,
    queues: Mutex<Queues>,
}

impl Shares {
    /// Nobody's yet.
    pub fn new(limiter: Arc<Limiter>) -> Self {
        Self {
            taken: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            due_ns: AtomicU64::new(0),
            limiter,
            queues: Mutex::default(),
        }
    }

    /// Whether these are the shares of this limiter's places.
    pub fn are_of(&self, limiter: &Arc<Limiter>) -> bool {
        Arc::ptr_eq(&self.limiter, limiter)
    }

    /// The parties that there are from now on, each by its name, with the weight of its calls and
    /// what it has reserved, in hundredths of a percent. Who was there already stays the same.
    pub fn set_parties<'n>(
        &self,
        wanted: impl Iterator<Item = (&'n str, u32, u32)>,
    ) -> Vec<Arc<Party>> {
        let mut queues = self.lock();
        let wanted = wanted.map(|(name, weight, reserved)| (name, Terms { weight, reserved }));
        let parties = queues.set_parties(wanted);
        queues.deal(self);
        parties
    }

    /// Takes a place if there is one. Each that was taken is followed by one [`leave`](Self::leave).
    #[inline]
    pub fn enter(&self, party: &Party) -> bool {
        let (flying, kept) = party.read();
        let free = match flying < kept {
            true => self.limiter.has_place(),
            false => {
                self.taken.load(SeqCst) < self.limiter.places() && self.queued.load(SeqCst) == 0
            }
        };
        if !free || !party.listed.load(Relaxed) {
            return false;
        }
        self.take(party);
        true
    }

    /// Takes a place whether there is one or not: for a call that was let in before.
    #[inline]
    pub fn take(&self, party: &Party) {
        let (flying, kept) = split(party.word.fetch_add(1, SeqCst));
        if flying >= kept {
            self.taken.fetch_add(1, SeqCst);
        }
        if flying + 1 > party.peak.load(Relaxed) {
            party.peak.store(flying + 1, Relaxed);
        }
        self.limiter.enter();
    }

    /// Gives a place back.
    #[inline]
    pub fn leave(&self, party: &Party, now_ns: u64, how: Left) {
        self.limiter.leave(now_ns, how);
        let (flying, kept) = split(party.word.fetch_sub(1, SeqCst));
        if flying > kept {
            self.taken.fetch_sub(1, SeqCst);
        }
        // Whoever queues says so before it looks for a place a last time, and here it is the other
        // way round: one of both sees the other.
        if self.queued.load(SeqCst) > 0 || now_ns >= self.due_ns.load(Relaxed) {
            self.move_on(now_ns);
        }
    }

    /// For a call that [`enter`](Self::enter) found no place for.
    pub fn join<'s>(&'s self, party: &'s Arc<Party>, now_ns: u64) -> Joined<'s> {
        let mut queues = self.lock();
        let known = queues.list(self, party);
        if !known && self.enter(party) {
            return Joined::In;
        }
        // What comes and is held back is what the limiter wants to know about.
        self.limiter.held_back();
        self.look(&mut queues, now_ns);
        if !queues.may_wait(party) {
            return Joined::Full { shared: queues.has_others(party) };
        }
        self.queued.fetch_add(1, SeqCst);
        let waiting = Waiting::new(self, party);
        queues.push(party, &waiting);
        queues.grant(self);
        Joined::Queued(waiting)
    }

    /// Calls that wait now.
    pub fn queued(&self) -> u32 {
        self.queued.load(Relaxed)
    }

    /// Deals out what is free, to those who wait.
    #[cold]
    fn move_on(&self, now_ns: u64) {
        let mut queues = self.lock();
        self.look(&mut queues, now_ns);
        queues.grant(self);
    }

    /// Looks at who used how much, if it is time.
    fn look(&self, queues: &mut Queues, now_ns: u64) {
        let due_ns = self.due_ns.load(Relaxed);
        if now_ns < due_ns {
            return;
        }
        let ticks = match due_ns {
            0 => 1,
            _ => 1 + (now_ns - due_ns) / TICK_NS,
        };
        queues.age(self, ticks);
        queues.deal(self);
        self.due_ns.store(now_ns + TICK_NS, Relaxed);
    }

    /// Keeps so many places for a party, those in flight included.
    fn keep(&self, party: &Party, wanted: u32) {
        let mut word = party.word.load(SeqCst);
        loop {
            let (flying, kept) = split(word);
            if kept == wanted {
                return;
            }
            let next = u64::from(wanted) << 32 | u64::from(flying);
            match party.word.compare_exchange_weak(word, next, SeqCst, SeqCst) {
                Ok(_) => {
                    // Wraps where it becomes less, as atomics do.
                    let change = flying.max(wanted).wrapping_sub(flying.max(kept));
                    self.taken.fetch_add(change, SeqCst);
                    return;
                }
                Err(changed) => word = changed,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
