//! Who may see that an API is there, and from where calls are taken.
//!
//! Asked by *route*, which passes over what a caller may not see, and once more by *authorize*. Whoever may not see an API is
//! answered, byte for byte, what an address that nobody has answers. The rules in words: the guide's page on access, and ADR 0018.

use std::net::IpAddr;

use pasarela_model::{Application, Code, IpNet, OrganisationKind, Pages, Snapshot, Visibility};
use rustc_hash::FxHashMap;

use crate::{plane::Plane, respond::Refusal};

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// On the internal listener.
    pub(crate) internal: bool,
    /// The caller's address, as far as trusted proxies tell it.
    pub(crate) client: IpAddr,
}

impl Place {
    /// Whether it lies in one of these; nowhere lies in none.
    pub(crate) fn is_in(self, networks: &[IpNet]) -> bool {
        networks.iter().any(|network| network.contains(self.client))
    }
}

/// Refuses where an API that may be seen does not answer. A private one that is seen does.
pub(crate) fn answers(plane: &Plane, api: usize, place: Place) -> Result<(), Refusal> {
    let api = &plane.apis[api];
    match !api.limited || place.internal || place.is_in(&api.networks) {
        true => Ok(()),
        false => Err(Refusal::new(Code::NetworkRefused, "the API does not answer this address")),
    }
}

/// Whether a caller may see an API. `application`: whose the call is; asked only where that decides.
pub(crate) fn sees(
    plane: &Plane,
    api: usize,
    place: Place,
    application: impl FnOnce() -> Option<usize>,
) -> bool {
    let api = &plane.apis[api];
    match api.visibility {
        Visibility::Public => true,
        Visibility::Partner => {
            application().is_some_and(|caller| api.subscribers.get(caller).is_some())
        }
        // Who it is comes last, but is found out all the same: a private API must not be told by the time its refusal takes.
        Visibility::Private => {
            place.internal
                || place.is_in(&api.networks)
                || application().is_some_and(|caller| is_owner_s(&plane.snapshot, caller))
        }
    }
}

/// Whether an application belongs to the organisation that runs the gateway.
fn is_owner_s(snapshot: &Snapshot, application: usize) -> bool {
    let application = snapshot.applications.get(application);
    let organisation = application.and_then(|one| snapshot.organisations.get(one.organisation?));
    organisation.is_some_and(|organisation| organisation.kind == OrganisationKind::Owner)
}

/// From where the calls of applications may come, of those that may not from everywhere.
#[derive(Debug, Default)]
pub(crate) struct Sources(FxHashMap<usize, Box<[IpNet]>>);

impl Sources {
    pub(crate) fn new(applications: &Pages<Application>) -> Self {
        let some = applications.iter().enumerate().filter(|(_, one)| !one.networks.is_empty());
        Self(some.map(|(index, one)| (index, one.networks.as_slice().into())).collect())
    }

    /// Whether an application may call from here.
    pub(crate) fn allow(&self, application: usize, place: Place) -> bool {
        self.0.is_empty() || self.0.get(&application).is_none_or(|nets| place.is_in(nets))
    }
}
