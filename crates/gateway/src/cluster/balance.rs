//! How one endpoint is chosen among those that fit: three rules over one list.
//!
//! Pure arithmetic on a `View`, one list of endpoints; which of them fit (health, already tried)
//! is asked of the caller, and random numbers and hashes come from there too.

use std::net::SocketAddr;
use std::sync::Arc;

use pasarela_model::UpstreamTarget;
use smallvec::SmallVec;

use super::health::{Endpoint, State};
use crate::soon::soon;

/// A target's weight is split among its addresses in this many parts of 1.
const SHARE_UNIT: u64 = 1 << 16;

/// Tries to draw an endpoint that fits before the list is gone through.
const DRAWS: usize = 8;

/// Share of one address of a target with `addresses` of them; 0 only for weight 0.
pub(super) fn share(weight: u16, addresses: usize) -> u64 {
    if weight == 0 {
        return 0;
    }
    (u64::from(weight) * SHARE_UNIT / addresses.max(1) as u64).max(1)
}

/// How choosy a round of [`super::Cluster::pick`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Healthy, and this request has not failed there.
    Untried,
    /// Healthy.
    Healthy,
    /// Not found down by active health; ejections are overlooked (the panic rule).
    NotDown,
}

impl Round {
    #[inline]
    pub(super) fn admits(self, endpoint: &Endpoint, now_ms: u64, tried: &[SocketAddr]) -> bool {
        match self {
            Self::Untried => endpoint.is_open(now_ms) && !tried.contains(&endpoint.address),
            Self::Healthy => endpoint.is_open(now_ms),
            Self::NotDown => !endpoint.is_down(),
        }
    }
}

/// An endpoint that gets traffic.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) endpoint: Arc<Endpoint>,
    /// Sum of the shares of the slots before this one.
    before: u64,
    /// Where it stands for a consistent hash: the same on every node and after a restart.
    seed: u64,
}

/// One list of endpoints, never changed. What each request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct View {
    /// All shares are the same.
    equal: bool,
    /// Those with a share.
    pub(super) slots: SmallVec<[Slot; 1]>,
    /// Every endpoint.
    pub(super) all: Arc<[Arc<Endpoint>]>,
    /// Sum of the shares.
    total: u64,
    pub(super) generation: u64,
}

impl View {
    pub(super) fn empty() -> Self {
        Self::new(0, Arc::default(), &[])
    }

    pub(super) fn new(
        generation: u64,
        all: Arc<[Arc<Endpoint>]>,
        targets: &[UpstreamTarget],
    ) -> Self {
        let mut total = 0;
        let slots: SmallVec<[Slot; 1]> = all
            .iter()
            .filter(|endpoint| endpoint.share > 0)
            .map(|endpoint| {
                let before = total;
                total += endpoint.share;
                let seed = seed(endpoint.address, targets.get(endpoint.target));
                Slot { endpoint: Arc::clone(endpoint), before, seed }
            })
            .collect();
        let equal = slots.windows(2).all(|w| w[0].endpoint.share == w[1].endpoint.share);
        Self { generation, all, slots, total, equal }
    }

    /// Smooth weighted round robin: in each turn everybody who fits earns their share, and the
    /// richest is chosen and pays for all. Among equals this is plain rotation, done as such.
    #[inline]
    pub(super) fn round_robin(
        &self,
        turn: &mut Turn,
        fits: impl Fn(&Slot) -> bool,
    ) -> Option<&Slot> {
        if self.equal {
            let (before, after) = self.slots.split_at_checked(turn.next)?;
            let ahead = after.iter().chain(before).position(fits)?;
            // Neither term passes the length: one subtraction is cheaper than a division.
            let wrapped = |place: usize| place.checked_sub(self.slots.len()).unwrap_or(place);
            let chosen = wrapped(turn.next + ahead);
            turn.next = wrapped(chosen + 1);
            return self.slots.get(chosen);
        }
        let (mut best, mut most, mut paid) = (None, i64::MIN, 0);
        for (index, (slot, wealth)) in self.slots.iter().zip(&mut turn.wealth).enumerate() {
            if fits(slot) {
                let share = slot.endpoint.share as i64;
                *wealth += share;
                paid += share;
                if *wealth > most {
                    (best, most) = (Some(index), *wealth);
                }
            }
        }
        let best = best?;
        *turn.wealth.get_mut(best)? -= paid;
        self.slots.get(best)
    }

    /// Power of two choices: two different ones drawn by share, of which the one with fewer
    /// requests in flight for its share is chosen; the first, if they are even.
    #[inline]
    pub(super) fn least_requests(&self, draw: u64, fits: impl Fn(&Slot) -> bool) -> Option<&Slot> {
        let mut draws = Draws(draw);
        let fits_at = |index: &usize| self.slots.get(*index).is_some_and(&fits);
        let drawn = (0..DRAWS).map(|_| self.drawn(draws.next())).find(fits_at);
        let one = match drawn {
            Some(one) => one,
            None => self.slots.iter().position(&fits)?,
        };
        let first = self.slots.get(one)?;
        let other = (0..DRAWS)
            .filter_map(|_| self.slots.get(self.drawn_but(draws.next(), one)))
            .find(|slot| fits(slot));
        let Some(second) = other else {
            return Some(first);
        };
        let load = |of: &Slot, against: &Slot| {
            u64::from(of.endpoint.in_flight()).saturating_mul(against.endpoint.share)
        };
        Some(if load(second, first) < load(first, second) { second } else { first })
    }

    /// Weighted rendezvous: each slot draws a lot from its seed and the hash, and the best lot
    /// wins. Without one slot its keys go to the others by share, and no other key moves.
    #[inline]
    pub(super) fn hashed(&self, hash: u64, fits: impl Fn(&Slot) -> bool) -> Option<&Slot> {
        let fitting = self.slots.iter().filter(|slot| fits(slot));
        if self.equal {
            return fitting.max_by_key(|slot| mix(slot.seed ^ hash));
        }
        // With u uniform in (0, 1), -ln(u)/share is exponential with that rate, and the least of
        // several exponentials is each one's in proportion to its rate.
        let lot = |slot: &Slot| {
            let uniform = ((mix(slot.seed ^ hash) >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
            uniform.ln() / slot.endpoint.share as f64
        };
        fitting.map(|slot| (lot(slot), slot)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|best| best.1)
    }

    /// Index drawn by share. 0 in an empty list.
    fn drawn(&self, draw: u64) -> usize {
        if self.equal {
            return scale(draw, self.slots.len() as u64) as usize;
        }
        self.at(scale(draw, self.total))
    }

    /// Index drawn by share among the others.
    fn drawn_but(&self, draw: u64, but: usize) -> usize {
        if self.equal {
            let drawn = scale(draw, self.slots.len().saturating_sub(1) as u64) as usize;
            // A lone slot has no others: one past the end is nobody.
            return if drawn >= but { drawn + 1 } else { drawn };
        }
        let (share, before) = (self.slots[but].endpoint.share, self.slots[but].before);
        let point = scale(draw, self.total - share);
        self.at(if point >= before { point + share } else { point })
    }

    fn at(&self, point: u64) -> usize {
        self.slots.partition_point(|slot| slot.before <= point).saturating_sub(1)
    }
}

/// A worker's place in a cluster: the list it saw last, and whose turn it is there.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The list's; 0 before there is one.
    pub(super) generation: u64,
    /// The only server that gets traffic, where there is one only, and its state: found without
    /// the list, and neither waited for to find the other.
    pub(super) lone: Option<(Arc<Endpoint>, Arc<State>)>,
    pub(super) view: Option<Arc<View>>,
    pub(super) turn: Turn,
}

/// Whose turn it is in a [`View`].
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Next slot of a plain rotation.
    next: usize,
    /// What each slot has earned and not spent, for rotation with weights.
    wealth: Vec<i64>,
}

impl Cursor {
    /// A cursor that saw nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server will be chosen soon.
    #[inline]
    pub(crate) fn soon(&self) {
        if let Some((endpoint, state)) = &self.lone {
            soon(&**endpoint);
            soon(&endpoint.target);
            soon(&**state);
        }
    }

    /// Takes up a new list, at a place drawn at random: workers that all began at the first slot
    /// would send it their first requests together.
    #[cold]
    pub(super) fn renew(&mut self, view: Arc<View>, draw: u64) {
        let length = view.slots.len();
        self.turn.next = scale(mix(draw), length as u64) as usize;
        self.turn.wealth.clear();
        self.turn.wealth.resize(length, 0);
        if !view.equal {
            for _ in 0..self.turn.next.min(64) {
                view.round_robin(&mut self.turn, |_| true);
            }
        }
        self.lone = match view.slots.as_slice() {
            [slot] => Some((Arc::clone(&slot.endpoint), Arc::clone(&slot.endpoint.state))),
            _ => None,
        };
        self.generation = view.generation;
        self.view = Some(view);
    }
}

/// Turns bytes into the hash [`super::Cluster::pick`] takes: the same on every node, processor
/// and version. It spreads; it does not resist somebody who looks for collisions, who by choosing
/// what is hashed may choose the endpoint anyway.
pub fn hash_key(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = bytes.len() as u64;
    for chunk in &mut chunks {
        hash = mix(hash ^ chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    mix(hash ^ chunks.remainder().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

/// Two targets may lead to one address (two names for one machine): both count.
fn seed(address: SocketAddr, target: Option<&UpstreamTarget>) -> u64 {
    let mut seed = hash_key(address.to_string().as_bytes());
    if let Some(target) = target {
        seed = mix(seed ^ hash_key(target.host.as_bytes()));
        seed = mix(seed ^ hash_key(target.path.as_bytes()) ^ u64::from(target.tls));
    }
    seed
}

/// `draw` of 2⁶⁴ to `0..range`; 0 for an empty range.
fn scale(draw: u64, range: u64) -> u64 {
    ((u128::from(draw) * u128::from(range)) >> 64) as u64
}

/// Random numbers from one: a Weyl sequence, mixed (Steele, Lea and Flood 2014, SplitMix).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

/// A bijection of 64 bits in which each bit of the answer depends on each bit of the question.
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
