//! Which applications may call an API, under which plan, and how much of its rate they have used.

use std::sync::Arc;

use pasarela_model::{Application, Holder, Pages, Rate, Snapshot, Subscription};
use rustc_hash::FxHashMap;

use super::{
    ApiPlane, Plane,
    terms::{Pace, Paces, Spending, Terms},
};
use crate::{
    cluster::Party,
    limiter::{Limiter, LimiterKey, LimiterTable},
    parties::share_out,
};

/// Who may call an API, by application. Most APIs that are one of many have one.
#[derive(Debug, Clone, Default)]
pub(crate) enum Subscribers {
    #[default]
    None,
    One(usize, Subscriber),
    /// Shared with the planes before and after, as far as it is the same.
    Many(Arc<Many>),
}

/// An application's right to call an API.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    /// Index into the snapshot's plans.
    pub(crate) plan: usize,
    /// Its rate limit, where the plan has one.
    pub(crate) rate: Option<Pace>,
    /// As whom it shares the API's servers with others, where they are shared out.
    pub(crate) party: Option<Arc<Party>>,
    /// Its quota, where the plan has one.
    pub(crate) quota: Option<Spending>,
    /// The rates of single operations, where the plan has some.
    pub(crate) operations: Option<Paces>,
}

impl Subscriber {
    pub(super) fn new(plan: usize) -> Self {
        Self { plan, rate: None, party: None, quota: None, operations: None }
    }
}

/// Subscribers in parts, of which one is copied when one of them changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Many {
    /// By the lowest bits of an application's index; their number is a power of two.
    parts: Vec<Arc<FxHashMap<usize, Subscriber>>>,
    len: usize,
}

/// Subscribers that a part has on average, at most.
const PART: usize = 128;

impl Subscribers {
    /// What an application may.
    #[inline]
    pub(crate) fn get(&self, application: usize) -> Option<&Subscriber> {
        match self {
            Self::One(only, subscriber) if *only == application => Some(subscriber),
            Self::None | Self::One(..) => None,
            Self::Many(many) => many.part(application)?.get(&application),
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Subscriber)> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(only, its) => (Some((*only, its)), None),
            Self::Many(many) => (None, Some(many)),
        };
        let many = many.into_iter().flat_map(|many| &many.parts).flat_map(|part| part.iter());
        one.into_iter().chain(many.map(|(application, its)| (*application, its)))
    }

    /// One of them, to be changed.
    pub(crate) fn get_mut(&mut self, application: usize) -> Option<&mut Subscriber> {
        match self {
            Self::One(only, subscriber) if *only == application => Some(subscriber),
            Self::None | Self::One(..) => None,
            Self::Many(many) => {
                let many = Arc::make_mut(many);
                let place = application & many.parts.len().wrapping_sub(1);
                Arc::make_mut(many.parts.get_mut(place)?).get_mut(&application)
            }
        }
    }

    /// For an application that is there already the last one counts.
    pub(super) fn insert(&mut self, application: usize, subscriber: Subscriber) {
        *self = match std::mem::take(self) {
            Self::One(other, its) if other != application => {
                let mut many = Many::default();
                many.insert(other, its);
                many.insert(application, subscriber);
                Self::Many(Arc::new(many))
            }
            Self::None | Self::One(..) => Self::One(application, subscriber),
            Self::Many(mut many) => {
                Arc::make_mut(&mut many).insert(application, subscriber);
                Self::Many(many)
            }
        };
    }

    pub(super) fn remove(&mut self, application: usize) {
        match self {
            Self::One(only, _) if *only == application => *self = Self::None,
            Self::None | Self::One(..) => {}
            Self::Many(many) => Arc::make_mut(many).remove(application),
        }
    }
}

impl Many {
    fn part(&self, application: usize) -> Option<&FxHashMap<usize, Subscriber>> {
        self.parts.get(application & self.parts.len().wrapping_sub(1)).map(|part| &**part)
    }

    fn insert(&mut self, application: usize, subscriber: Subscriber) {
        if self.len >= self.parts.len() * PART {
            self.widen();
        }
        let place = application & (self.parts.len() - 1);
        if let Some(part) = self.parts.get_mut(place) {
            let before = Arc::make_mut(part).insert(application, subscriber);
            self.len += usize::from(before.is_none());
        }
    }

    fn remove(&mut self, application: usize) {
        let place = application & self.parts.len().wrapping_sub(1);
        if let Some(part) = self.parts.get_mut(place)
            && part.contains_key(&application)
        {
            Arc::make_mut(part).remove(&application);
            self.len -= 1;
        }
    }

    /// Twice as many parts.
    fn widen(&mut self) {
        let count = (self.parts.len() * 2).max(1);
        let mut parts = vec![FxHashMap::default(); count];
        for (application, subscriber) in self.parts.iter().flat_map(|part| part.iter()) {
            if let Some(part) = parts.get_mut(application & (count - 1)) {
                part.insert(*application, subscriber.clone());
            }
        }
        self.parts = parts.into_iter().map(Arc::new).collect();
    }
}

/// The rate that a subscription has for itself.
fn own_rate(snapshot: &Snapshot, subscription: &Subscription) -> Option<Rate> {
    let plan = snapshot.plans.get(subscription.plan)?;
    plan.rate.filter(|_| plan.rate_per == Holder::Application)
}

/// Enters all subscriptions of a snapshot into APIs that know of none yet.
pub(super) fn enter_all(
    snapshot: &Snapshot,
    apis: &mut Pages<ApiPlane>,
    before: Option<&Plane>,
    terms: &Terms<'_>,
    now_ns: u64,
) {
    // Their names are put together only where there are some to be taken over.
    let old = before.map(limiters);
    for (index, application) in snapshot.applications.iter().enumerate() {
        for subscription in &application.subscriptions {
            let rate = terms.rate_fields(subscription.plan).and_then(|fields| {
                let rate = own_rate(snapshot, subscription)?;
                let its = old
                    .as_ref()
                    .and_then(|old| old.get(&limiter_key(snapshot, application, subscription)));
                Some((Limiter::following(its, rate, now_ns), fields))
            });
            if let Some(api) = apis.get_mut(subscription.api) {
                let subscriber = terms.subscriber(snapshot, index, subscription, rate);
                api.subscribers.insert(index, subscriber);
            }
        }
    }
    (0..snapshot.apis.len()).for_each(|api| share_out(snapshot, apis, api));
}

/// Enters what has changed since the plane before into its APIs, which are the same ones otherwise.
pub(super) fn enter_changes(
    snapshot: &Snapshot,
    apis: &mut Pages<ApiPlane>,
    before: &Plane,
    terms: &Terms<'_>,
    now_ns: u64,
) {
    let old = &before.snapshot;
    let mut touched = Vec::new();
    for index in snapshot.applications.unshared(&old.applications) {
        let (was, is) = (old.applications.get(index), snapshot.applications.get(index));
        let agreed = |one: Option<&Application>| {
            one.map(|one| (one.name.clone(), one.organisation, one.subscriptions.clone()))
        };
        if agreed(was) == agreed(is) {
            continue;
        }
        let subscriptions = [was, is].into_iter().flatten().flat_map(|one| &one.subscriptions);
        touched.extend(subscriptions.map(|subscription| subscription.api));
        for subscription in was.iter().flat_map(|was| &was.subscriptions) {
            if let Some(api) = apis.get_mut(subscription.api) {
                api.subscribers.remove(index);
            }
        }
        let Some(is) = is else { continue };
        for subscription in &is.subscriptions {
            let rate = own_rate(snapshot, subscription).zip(terms.rate_fields(subscription.plan));
            let rate = rate.map(|(rate, fields)| {
                let its = was.filter(|was| was.name == is.name);
                let its = its.and_then(|was| limiter_of(before, index, was, subscription));
                (Limiter::following(its, rate, now_ns), fields)
            });
            if let Some(api) = apis.get_mut(subscription.api) {
                let subscriber = terms.subscriber(snapshot, index, subscription, rate);
                api.subscribers.insert(index, subscriber);
            }
        }
    }
    touched.sort_unstable();
    touched.dedup();
    touched.into_iter().for_each(|api| share_out(snapshot, apis, api));
}

/// The limiter that counted for a subscription until now. The APIs and the plans are the same ones as before.
fn limiter_of<'p>(
    before: &'p Plane,
    index: usize,
    was: &Application,
    subscription: &Subscription,
) -> Option<&'p Arc<Limiter>> {
    was.subscriptions.iter().find(|its| *its == subscription)?;
    let subscriber = before.apis.get(subscription.api)?.subscribers.get(index)?;
    subscriber.rate.as_ref().map(|(limiter, _)| limiter)
}

/// All limiters of a plane, by name.
fn limiters(plane: &Plane) -> LimiterTable {
    let snapshot = &plane.snapshot;
    let applications = snapshot.applications.iter().enumerate();
    let all = applications.flat_map(|(index, application)| {
        application.subscriptions.iter().filter_map(move |subscription| {
            let subscriber = plane.apis.get(subscription.api)?.subscribers.get(index)?;
            own_rate(snapshot, subscription)?;
            let (limiter, _) = subscriber.rate.as_ref()?;
            Some((limiter_key(snapshot, application, subscription), Arc::clone(limiter)))
        })
    });
    all.collect()
}

fn limiter_key(
    snapshot: &Snapshot,
    application: &Application,
    subscription: &Subscription,
) -> LimiterKey {
    let api = &snapshot.apis[subscription.api];
    LimiterKey {
        application: application.name.clone(),
        plan: snapshot.plans[subscription.plan].name.clone(),
        api: api.name.clone(),
        version: api.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_knows_each_of_its_subscribers_however_many_there_are() {
        let mut subscribers = Subscribers::default();
        let plan = |all: &Subscribers, who| all.get(who).map(|subscriber| subscriber.plan);
        assert_eq!(plan(&subscribers, 7), None);
        subscribers.insert(7, Subscriber::new(1));
        subscribers.insert(7, Subscriber::new(2));
        assert_eq!((plan(&subscribers, 7), plan(&subscribers, 0)), (Some(2), None));
        for other in 8..2_000 {
            subscribers.insert(other, Subscriber::new(other));
        }
        assert_eq!((plan(&subscribers, 7), plan(&subscribers, 1_999)), (Some(2), Some(1_999)));
        assert_eq!(plan(&subscribers, 2_000), None);
        let before = subscribers.clone();
        for gone in 8..1_000 {
            subscribers.remove(gone);
            subscribers.remove(gone);
        }
        assert_eq!((plan(&subscribers, 7), plan(&subscribers, 999)), (Some(2), None));
        assert!((1_000..2_000).all(|who| plan(&subscribers, who) == Some(who)));
        assert_eq!(plan(&before, 999), Some(999));
        let Subscribers::Many(many) = &subscribers else { panic!("there are many") };
        assert_eq!(many.len, 1_001);
        let mut one = Subscribers::default();
        one.insert(3, Subscriber::new(1));
        one.remove(4);
        assert_eq!(plan(&one, 3), Some(1));
        one.remove(3);
        assert_eq!(plan(&one, 3), None);
    }
}
