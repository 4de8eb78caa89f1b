//! Behind the lock of [`Shares`]: who is there, what is guaranteed to whom, and who waits.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use rustc_hash::FxHashMap;

use super::{Party, Shares};
use crate::cluster::Left;

/// What a party has used is remembered less by this factor with each tick: by half in 1.4 s.
const FADING: f64 = 0.95;
/// Everything, in hundredths of a percent.
const WHOLE: u64 = 10_000;
/// Calls of one party beyond its guarantee that may wait: so many times its guarantee…
const QUEUE: usize = 2;
/// …and at least so many (T45: a queue that is long is late for everybody in it).
const QUEUE_LEAST: usize = 16;

/// What a plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// Part of what is not reserved, relative to the others'.
    pub(super) weight: u32,
    /// Hundredths of a percent of all places; 0: nothing is reserved.
    pub(super) reserved: u32,
}

#[derive(Debug)]
struct State {
    party: Arc<Party>,
    terms: Terms,
    /// Whether a subscription still says that it may call.
    named: bool,
    /// Whether it has a part in what is dealt out: it calls, or something is reserved for it.
    active: bool,
    guaranteed: u32,
    /// What it has used of late, at its fullest moments.
    recent: f64,
    waiting: VecDeque<Arc<Ticket>>,
}

impl State {
    fn of(party: Arc<Party>) -> Self {
        Self {
            party,
            terms: Terms::default(),
            named: false,
            active: false,
            guaranteed: 1,
            recent: 0.0,
            waiting: VecDeque::new(),
        }
    }

    fn flying(&self) -> u32 {
        self.party.read().0
    }

    /// Who is least is next: those below their guarantee first, by how much of it they have; then
    /// those who have least beyond it, for their weight.
    fn claim(&self) -> (bool, f64) {
        let (flying, guaranteed) = (f64::from(self.flying()), f64::from(self.guaranteed));
        match flying < guaranteed {
            true => (false, flying / guaranteed),
            false => (true, (flying - guaranteed + 1.0) / f64::from(self.terms.weight.max(1))),
        }
    }
}

/// Everybody.
#[derive(Debug, Default)]
pub(super) struct Queues {
    ids: FxHashMap<String, u64>,
    next: u64,
    states: FxHashMap<u64, State>,
    active: Vec<u64>,
}

impl Queues {
    pub(super) fn set_parties<'n>(
        &mut self,
        wanted: impl Iterator<Item = (&'n str, Terms)>,
    ) -> Vec<Arc<Party>> {
        let before = std::mem::take(&mut self.ids);
        for state in self.states.values_mut() {
            // Whoever is not named again has nothing reserved, and goes when its last call has.
            (state.terms, state.named) = (Terms::default(), false);
        }
        let mut parties = Vec::new();
        for (name, terms) in wanted {
            let id = *self.ids.entry(name.to_owned()).or_insert_with(|| {
                before.get(name).copied().unwrap_or_else(|| {
                    self.next += 1;
                    self.next
                })
            });
            let state =
                self.states.entry(id).or_insert_with(|| State::of(Arc::new(Party::new(id))));
            (state.terms, state.named) = (terms, true);
            parties.push(Arc::clone(&state.party));
        }
        self.states.retain(|_, state| state.active || state.named);
        for state in self.states.values_mut().filter(|state| state.terms.reserved > 0) {
            activate(state, &mut self.active);
        }
        parties
    }

    /// Notes that a party calls; whether that was known.
    pub(super) fn list(&mut self, shares: &Shares, party: &Arc<Party>) -> bool {
        let state = self.states.entry(party.id).or_insert_with(|| State::of(Arc::clone(party)));
        if state.active {
            return true;
        }
        activate(state, &mut self.active);
        self.deal(shares);
        false
    }

    /// Whether one more call of a party may wait.
    pub(super) fn may_wait(&self, party: &Party) -> bool {
        let Some(state) = self.states.get(&party.id) else { return false };
        let (waiting, guaranteed) = (state.waiting.len(), state.guaranteed as usize);
        let beyond = (state.flying() as usize + waiting).saturating_sub(guaranteed);
        beyond < QUEUE_LEAST.max(QUEUE * guaranteed)
    }

    /// Whether anybody else has calls here.
    pub(super) fn has_others(&self, party: &Party) -> bool {
        let others = self.active.iter().filter(|id| **id != party.id);
        others
            .filter_map(|id| self.states.get(id))
            .any(|state| state.flying() > 0 || !state.waiting.is_empty() || state.recent >= 1.0)
    }

    /// Whether a party has less than what is guaranteed to it.
    pub(super) fn is_below(&self, party: &Party) -> bool {
        self.states.get(&party.id).is_some_and(|state| state.flying() < state.guaranteed)
    }

    pub(super) fn push(&mut self, party: &Party, waiting: &Waiting<'_>) {
        if let Some(state) = self.states.get_mut(&party.id) {
            state.waiting.push_back(Arc::clone(&waiting.ticket));
        }
    }

    fn remove(&mut self, party: &Party, ticket: &Arc<Ticket>) -> bool {
        let Some(state) = self.states.get_mut(&party.id) else { return false };
        let place = state.waiting.iter().position(|other| Arc::ptr_eq(other, ticket));
        place.and_then(|place| state.waiting.remove(place)).is_some()
    }

    /// Lets in whoever is next, as long as there is a place for them.
    pub(super) fn grant(&mut self, shares: &Shares) {
        loop {
            let waiting = self.active.iter().filter_map(|id| self.states.get(id));
            let waiting = waiting.filter(|state| !state.waiting.is_empty());
            let next = waiting
                .map(|state| (state.claim(), state.party.id))
                .min_by(|one, other| one.0.0.cmp(&other.0.0).then(one.0.1.total_cmp(&other.0.1)));
            let Some(((beyond, _), id)) = next else { return };
            let places = shares.limiter.places();
            let free = match beyond {
                false => shares.limiter.has_place(),
                true => shares.taken.load(SeqCst) < places,
            };
            let Some(state) = self.states.get_mut(&id).filter(|_| free) else { return };
            let Some(ticket) = state.waiting.pop_front() else { return };
            shares.queued.fetch_sub(1, SeqCst);
            shares.take(&state.party);
            ticket.grant();
        }
    }

    /// Some ticks have passed: what was used in them is taken in, and fades.
    pub(super) fn age(&mut self, shares: &Shares, ticks: u64) {
        let faded = FADING.powf(ticks as f64);
        for id in &self.active {
            let Some(state) = self.states.get_mut(id) else { continue };
            let flying = state.flying();
            let peak = state.party.peak.swap(flying, SeqCst);
            state.recent = (state.recent * faded).max(f64::from(peak));
            state.active = state.terms.reserved > 0
                || flying > 0
                || state.recent >= 0.5
                || !state.waiting.is_empty();
            if !state.active {
                // Its next call says that it is back.
                state.party.listed.store(false, SeqCst);
                shares.keep(&state.party, 0);
            }
        }
        let states = &mut self.states;
        self.active.retain(|id| {
            let active = states.get(id).is_some_and(|state| state.active);
            if states.get(id).is_some_and(|state| !state.active && !state.named) {
                states.remove(id);
            }
            active
        });
    }

    /// Settles what is guaranteed to whom and kept for whom, with as many places as there are now.
    pub(super) fn deal(&mut self, shares: &Shares) {
        let limit = shares.limiter.places();
        let (mut reserved, mut reservers, mut weights) = (0, 0, 0);
        let active = || self.active.iter().filter_map(|id| self.states.get(id));
        for state in active() {
            match state.terms.reserved {
                0 => weights += u64::from(state.terms.weight.max(1)),
                part => (reserved, reservers) = (reserved + u64::from(part), reservers + 1),
            }
        }
        // More than everything cannot be reserved: each then has its part of everything.
        let whole = reserved.max(WHOLE);
        let rest = u64::from(limit) * (whole - reserved) / whole;
        let one_each = reservers <= u64::from(limit) / 2;
        for id in &self.active {
            let Some(state) = self.states.get_mut(id) else { continue };
            let part = match state.terms.reserved {
                0 => rest * u64::from(state.terms.weight.max(1)) / weights.max(1),
                part => u64::from(limit) * u64::from(part) / whole,
            };
            state.guaranteed = u32::try_from(part).unwrap_or(u32::MAX).max(1);
            let always = u32::from(state.terms.reserved > 0 && one_each);
            let kept = match limit {
                u32::MAX => 0,
                _ => (state.recent.ceil() as u32).clamp(always, state.guaranteed.max(always)),
            };
            shares.keep(&state.party, kept);
            state.party.listed.store(true, SeqCst);
        }
    }
}

fn activate(state: &mut State, active: &mut Vec<u64>) {
    if !state.active {
        state.active = true;
        active.push(state.party.id);
    }
}

/// What a ticket becomes that is no longer 0, waiting: granted, and taken notice of.
const GRANTED: u8 = 1;
const OVER: u8 = 2;

/// What a waiting call and whoever lets it in know of each other.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Ticket {
    /// The place is counted already.
    fn grant(&self) {
        self.state.store(GRANTED, SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A call that waits for its place; the worker that lets it in may be another one. Dropped, it
/// waits no longer, and gives back what it was granted meanwhile.
#[derive(Debug)]
pub struct Waiting<'s> {
    shares: &'s Shares,
    party: &'s Arc<Party>,
    ticket: Arc<Ticket>,
}

impl<'s> Waiting<'s> {
    pub(super) fn new(shares: &'s Shares, party: &'s Arc<Party>) -> Self {
        Self { shares, party, ticket: Arc::default() }
    }

    /// Ready when the call has its place.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut waker = self.ticket.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        // Looked at after the waker is there, so that no grant falls between.
        match self.ticket.state.load(SeqCst) {
            GRANTED => {
                self.ticket.state.store(OVER, SeqCst);
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }

    /// Whether its party has less than what is guaranteed to it, so that its time is not up yet;
    /// and lets others in, should nobody have left lately who would have.
    pub fn is_below(&self, now_ns: u64) -> bool {
        self.shares.move_on(now_ns);
        self.shares.lock().is_below(self.party)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ticket.state.load(SeqCst) == OVER {
            return;
        }
        let removed = self.shares.lock().remove(self.party, &self.ticket);
        if removed {
            self.shares.queued.fetch_sub(1, SeqCst);
        } else if self.ticket.state.load(SeqCst) == GRANTED {
            // Granted, and nobody will use it. Nothing was seen of the upstream.
            self.shares.leave(self.party, 0, Left::Otherwise);
        }
    }
}
