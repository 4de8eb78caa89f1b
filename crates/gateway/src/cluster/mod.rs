//! The servers behind an API: which there are, how they are, and which is next.
//!
//! This module decides; it opens no connection, reads no clock and draws no random number. Time
//! is `now_ms`, monotonic milliseconds since any fixed instant, the same for all workers.
//!
//! A [`Cluster`] is shared by all workers. Its targets come from the configuration; each target
//! resolves to addresses ([`Cluster::set_addresses`]), and each address is an [`Endpoint`] with
//! health and counters of its own. Addresses are swapped as a whole list with a generation number
//! that no other list of the process has; each worker keeps a [`Cursor`] with the list it saw
//! last, so that a choice takes no lock. Endpoints that stay keep their state, across new
//! addresses and across a new configuration.
//!
//! **Who is left out.** Endpoints that failed too often are ejected for a while ([`health`]), but
//! never more than half of them; those that answer active questions badly are down, be it all.
//! [`Cluster::pick`] looks in three rounds: healthy and not tried yet; healthy; not down. So a
//! lone endpoint is always tried, and [`Pick::Unhealthy`] means that active checks found every
//! one down (or that all weights are 0).

pub mod balance;
pub mod concurrency;
pub mod health;
pub mod retry;
pub mod shares;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use pasarela_model::{ActiveHealth, Balance, PassiveHealth, Upstream, UpstreamTarget};

use crate::soon::soon;
pub use balance::{Cursor, hash_key};
use balance::{Round, View};
pub use concurrency::{Left, Limiter};
pub use health::{Change, Endpoint, InFlight, Outcome, Status};
use health::{Pool, State};
pub use retry::{Budget, Failure, Sent, retryable};
pub use shares::{Party, Shares};

/// Most addresses of one target that are used; the rest, in order of address, are left out.
pub const ADDRESSES_MAX: usize = 256;

/// The next list generation of the process; 0 is no list's.
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// What [`Cluster::pick`] found.
#[derive(Debug, Clone)]
pub enum Pick {
    /// Send it here. Whoever takes it must [`Endpoint::report`] how it went; an endpoint that
    /// comes back from an ejection waits for that.
    Endpoint(Arc<Endpoint>),
    /// There are endpoints, and every one is down or drained.
    Unhealthy,
    /// No target has an address (yet).
    Unresolved,
}

/// The servers behind one API. What each request reads comes first.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Cluster {
    /// Generation of `view`.
    generation: AtomicU64,
    balance: Balance,
    limiter: Arc<Limiter>,
    budget: Budget,
    targets: Vec<UpstreamTarget>,
    passive: PassiveHealth,
    active: Option<ActiveHealth>,
    pool: Arc<Pool>,
    /// Addresses by target; the lock also keeps writers of `view` apart.
    addresses: Mutex<Vec<Vec<SocketAddr>>>,
    view: RwLock<Arc<View>>,
    /// Whose the places are that the limiter has, where they are somebody's.
    shares: OnceLock<Arc<Shares>>,
}

impl Cluster {
    /// The servers of a configuration. A target whose host is an address needs no resolving. From
    /// the previous configuration of the same API, targets with the same scheme, host and port
    /// bring their addresses, health and counters along, whatever their weight or path.
    pub fn new(upstream: &Upstream, previous: Option<&Self>) -> Self {
        let before = previous.map(|cluster| (cluster, cluster.view()));
        let (mut addresses, mut states) = (Vec::new(), Vec::new());
        for (index, target) in upstream.targets.iter().enumerate() {
            let known = before.as_ref().and_then(|(cluster, view)| {
                let same = cluster.targets.iter().position(|old| same_server(old, target))?;
                Some((view, same))
            });
            if let Some((view, same)) = known {
                let kept = view.all.iter().filter(|endpoint| endpoint.target == same);
                addresses.push(kept.clone().map(|endpoint| endpoint.address).collect());
                states.extend(kept.map(|e| ((index, e.address), Arc::clone(&e.state))));
            } else {
                let literal = target.host.parse::<IpAddr>().ok();
                addresses
                    .push(literal.map(|ip| SocketAddr::new(ip, target.port)).into_iter().collect());
            }
        }
        for (_, state) in &states {
            state.adapt(&upstream.passive, upstream.active.is_some());
        }
        let budget = match previous {
            Some(cluster) => cluster.budget.with_percent(upstream.retries.budget_percent),
            None => Budget::new(upstream.retries.budget_percent),
        };
        let limiter = match previous.map(|cluster| &cluster.limiter) {
            Some(limiter) if limiter.mode() == upstream.concurrency => Arc::clone(limiter),
            _ => Arc::new(Limiter::new(upstream.concurrency)),
        };
        let shares = previous.and_then(|cluster| cluster.shares.get());
        let shares = shares.filter(|shares| shares.are_of(&limiter)).cloned();
        let cluster = Self {
            shares: shares.map_or_else(OnceLock::new, OnceLock::from),
            targets: upstream.targets.clone(),
            balance: upstream.balance.clone(),
            passive: upstream.passive,
            active: upstream.active.clone(),
            budget,
            limiter,
            pool: Arc::default(),
            addresses: Mutex::default(),
            view: RwLock::new(Arc::new(View::empty())),
            generation: AtomicU64::new(0),
        };
        let state_of = |target, address| {
            let known = states.iter().find(|(key, _)| *key == (target, address));
            known.map(|(_, state)| Arc::clone(state))
        };
        cluster.publish(&addresses, state_of);
        *cluster.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
        cluster
    }

    /// A server will be chosen soon.
    #[inline]
    pub(crate) fn soon(&self) {
        soon(&self.generation);
    }

    /// The targets, as configured; an endpoint's `target` is an index into this list.
    pub fn targets(&self) -> &[UpstreamTarget] {
        &self.targets
    }

    /// How to ask endpoints how they are, if at all; answers go to [`Endpoint::probe_result`].
    pub fn active_health(&self) -> Option<&ActiveHealth> {
        self.active.as_ref()
    }

    /// The retry budget, shared by all workers.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How many requests may wait for answers, shared by all workers.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The same, to be kept.
    pub(crate) fn shared_limiter(&self) -> Arc<Limiter> {
        Arc::clone(&self.limiter)
    }

    /// Whose the places are that the limiter has.
    pub fn shares(&self) -> &Arc<Shares> {
        self.shares.get_or_init(|| Arc::new(Shares::new(Arc::clone(&self.limiter))))
    }

    /// Whether [`Self::pick`] wants a hash of something of the request ([`hash_key`]).
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// Gives a target its addresses, all that it has now. Endpoints of addresses that stay keep
    /// their state; the order means nothing; nothing changes if the set is the same. Empty: the
    /// target has none. An index that is no target's is ignored.
    pub fn set_addresses(&self, target: usize, found: &[SocketAddr]) {
        let mut found = found.to_vec();
        found.sort_unstable();
        found.dedup();
        found.truncate(ADDRESSES_MAX);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = addresses.get_mut(target) else {
            return;
        };
        if *current == found {
            return;
        }
        *current = found;
        let before = self.view();
        self.publish(&addresses, |target, address| {
            let same = |e: &&Arc<Endpoint>| e.target == target && e.address == address;
            before.all.iter().find(same).map(|endpoint| Arc::clone(&endpoint.state))
        });
    }

    /// Indices of the targets that have no address.
    pub fn unresolved(&self) -> Vec<usize> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        (0..addresses.len()).filter(|target| addresses[*target].is_empty()).collect()
    }

    /// Every endpoint there is now, drained ones too: for active health, metrics and warm-up.
    pub fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.view().all)
    }

    /// Changes whenever [`Self::endpoints`] does, and is no other cluster's.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Chooses the endpoint for one try of a request.
    ///
    /// `cursor` is this worker's for this cluster; `draw` is a fresh random number; `hash` is what
    /// a consistent hash goes by ([`hash_key`]; without it `draw` is used); `tried` are addresses
    /// this request already failed at, taken again only if nothing else is healthy.
    ///
    /// Costs no lock and no allocation (but for the first call after a change). Round robin among
    /// equals and least requests cost the same for any number of endpoints; round robin with
    /// weights and consistent hash look at each.
    pub fn pick(
        &self,
        cursor: &mut Cursor,
        now_ms: u64,
        draw: u64,
        hash: Option<u64>,
        tried: &[SocketAddr],
    ) -> Pick {
        if cursor.generation != self.generation() {
            cursor.renew(self.view(), draw);
        }
        if let Some((lone, _)) = &cursor.lone
            && Round::Untried.admits(lone, now_ms, tried)
            && lone.admit(now_ms)
        {
            return Pick::Endpoint(Arc::clone(lone));
        }
        let Cursor { view: Some(view), turn, .. } = cursor else { return Pick::Unresolved };
        if view.all.is_empty() {
            return Pick::Unresolved;
        }
        for round in [Round::Untried, Round::Healthy, Round::NotDown] {
            if round == Round::Healthy && tried.is_empty() {
                continue;
            }
            // An endpoint at the end of its ejection lets one request through: should another
            // worker's be first, the choice is made again without it.
            for _ in 0..=view.slots.len() {
                let fits = |slot: &balance::Slot| round.admits(&slot.endpoint, now_ms, tried);
                let chosen = match &self.balance {
                    Balance::RoundRobin => view.round_robin(turn, fits),
                    Balance::LeastRequests => view.least_requests(draw, fits),
                    Balance::ConsistentHash(_) => view.hashed(hash.unwrap_or(draw), fits),
                };
                let Some(slot) = chosen else { break };
                if round == Round::NotDown || slot.endpoint.admit(now_ms) {
                    return Pick::Endpoint(Arc::clone(&slot.endpoint));
                }
            }
        }
        Pick::Unhealthy
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes and swaps in the list of endpoints for these addresses.
    fn publish(
        &self,
        addresses: &[Vec<SocketAddr>],
        state_of: impl Fn(usize, SocketAddr) -> Option<Arc<State>>,
    ) {
        let mut all = Vec::new();
        for (index, (target, addresses)) in self.targets.iter().zip(addresses).enumerate() {
            for address in addresses {
                all.push(Arc::new(Endpoint {
                    address: *address,
                    target: index,
                    share: balance::share(target.weight, addresses.len()),
                    passive: self.passive,
                    thresholds: self.active.as_ref().map(|a| (a.healthy_after, a.unhealthy_after)),
                    state: state_of(index, *address).unwrap_or_default(),
                    pool: Arc::clone(&self.pool),
                }));
            }
        }
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let view = View::new(generation, all.into(), &self.targets);
        self.pool.set_members(view.slots.iter().map(|s| Arc::clone(&s.endpoint.state)).collect());
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        self.generation.store(generation, Ordering::Release);
    }
}

fn same_server(one: &UpstreamTarget, other: &UpstreamTarget) -> bool {
    (one.tls, &one.host, one.port) == (other.tls, &other.host, other.port)
}

#[cfg(test)]
mod tests;
