//! Who shares an API's servers with whom: a party is an organisation, or an application without one.
//!
//! An API's servers are shared out where its callers are not to be able to slow each other: where it
//! is for partners, or where one of its plans says who comes first. How that is done: `cluster/shares.rs`.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc, sync::Arc};

use pasarela_model::{Api, Concurrency, Pages, Snapshot, Visibility};

use crate::{
    cluster::{Left, Party, Shares},
    plane::ApiPlane,
    worker::WorkerPlane,
};

/// Settles who the parties of an API are, once its subscribers are known.
pub(crate) fn share_out(snapshot: &Snapshot, apis: &mut Pages<ApiPlane>, index: usize) {
    let (Some(api), Some(plane)) = (snapshot.apis.get(index), apis.get(index)) else { return };
    if !is_shared_out(snapshot, api) {
        return;
    }
    // One that has several applications, or several plans, has the best of them.
    let mut terms: BTreeMap<Cow<'_, str>, (u32, u32)> = BTreeMap::new();
    for (application, its) in plane.subscribers.iter() {
        let plan = snapshot.plans.get(its.plan);
        let Some((name, plan)) = payer(snapshot, application).zip(plan) else { continue };
        let best = terms.entry(name).or_default();
        *best = (best.0.max(plan.priority), best.1.max(plan.reserve));
    }
    if terms.len() < 2 {
        if plane.shares.is_none() {
            return;
        }
        // Nobody is left to share with.
        terms.clear();
    }
    let shares = Arc::clone(plane.cluster.shares());
    let wanted = terms.iter().map(|(name, (weight, reserved))| (&**name, *weight, *reserved));
    let parties = shares.set_parties(wanted);
    let parties: BTreeMap<_, Arc<Party>> = terms.into_keys().zip(parties).collect();
    let mut changed = Vec::new();
    for (application, its) in plane.subscribers.iter() {
        let party = payer(snapshot, application).and_then(|name| parties.get(&name));
        let same = its.party.as_ref().map(Arc::as_ptr) == party.map(Arc::as_ptr);
        if !same {
            changed.push((application, party.cloned()));
        }
    }
    let Some(plane) = apis.get_mut(index) else { return };
    plane.shares = Some(shares).filter(|_| !parties.is_empty());
    for (application, party) in changed {
        if let Some(subscriber) = plane.subscribers.get_mut(application) {
            subscriber.party = party;
        }
    }
}

/// Whether one caller of an API must not be able to slow another.
fn is_shared_out(snapshot: &Snapshot, api: &Api) -> bool {
    let mut plans = api.plans.iter().filter_map(|plan| snapshot.plans.get(*plan));
    let ranked = plans.any(|plan| plan.priority != 1 || plan.reserve > 0);
    api.upstream.concurrency != Concurrency::Off
        && (ranked || api.visibility == Visibility::Partner)
}

/// By what name an application counts together with others. One without an organisation counts alone; it may be
/// called what an organisation is called, but no name has a space.
pub(crate) fn payer(snapshot: &Snapshot, application: usize) -> Option<Cow<'_, str>> {
    let application = snapshot.applications.get(application)?;
    match application.organisation {
        Some(organisation) => {
            Some(Cow::Borrowed(snapshot.organisations.get(organisation)?.name.as_str()))
        }
        None => Some(Cow::Owned(format!("application {}", application.name))),
    }
}

/// An application's part in an API's servers, where they are shared out.
pub(crate) fn party_of(
    plane: &ApiPlane,
    application: Option<usize>,
) -> Option<(&Shares, &Arc<Party>)> {
    let shares = plane.shares.as_deref()?;
    let subscriber = plane.subscribers.get(application?)?;
    Some((shares, subscriber.party.as_ref()?))
}

/// A place that a call has, from its admission until its first try; given back if none is made.
#[derive(Debug)]
pub(crate) struct Held {
    plane: Rc<WorkerPlane>,
    api: usize,
    application: usize,
    held: bool,
}

impl Held {
    /// One that was just taken.
    pub(crate) fn taken(plane: &Rc<WorkerPlane>, api: usize, application: usize) -> Self {
        Self { plane: Rc::clone(plane), api, application, held: true }
    }

    /// Whoever calls this gives it back from here on.
    pub(crate) fn hand_over(mut self) {
        self.held = false;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let party = self.plane.apis.get(self.api).filter(|_| self.held);
        let party = party.and_then(|api| party_of(api, Some(self.application)));
        if let Some((shares, party)) = party {
            // It has not been at the upstream, so there is nothing to learn from when it leaves.
            shares.leave(party, 0, Left::Otherwise);
        }
    }
}
