//! What the gateway can serve from, one change later: what the audit log says was touched is read again.
//!
//! With a million keys, reading all of them for one that was revoked would take longer than a
//! revocation may (L36). Whatever this leads to is what reading everything would: a test compares them.
//!
//! To add a noun: a [`Changed`] of its own, read in [`Tx::news`], entered in [`Holding::follow`], kept in `bytes`.

use std::collections::BTreeSet;

use pasarela_model::{
    ApiId, ApplicationId, ClientId, Id as _, KeyId, OrganisationId, PlanId, StoredKey,
    SubscriptionId,
};

use super::clients::HeldClient;
use super::holding::{HeldApi, HeldApplication, HeldSubscription, Holding, Mark, Shared};
use crate::{
    Application, ApplicationKey, Client, Error, Noun, Organisation, Plan, PlanVersion,
    Subscription, Tx, column::Column as _,
};

/// Changes after which everything is read anew.
const CHANGES_MAX: i64 = 1_000;

/// What there is to know since some state of the store.
#[derive(Debug)]
pub enum News {
    /// Nothing.
    Nothing,
    /// What was touched.
    Delta(Delta),
    /// Too much, or it was another store: all there is.
    Whole(Box<Holding>),
}

/// The way from one state of the store to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The state that it leads to.
    pub mark: Mark,
    /// What is otherwise there: applications before their keys and subscriptions.
    pub changes: Vec<Changed>,
}

/// Something as it is now; by its id alone where it is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// An API, with its documents.
    Api(HeldApi),
    /// It is gone.
    NoApi(ApiId),
    /// An organisation.
    Organisation(Organisation),
    /// It is gone, with all that was its own.
    NoOrganisation(OrganisationId),
    /// An application.
    Application(Application),
    /// It is gone, with all that was its own.
    NoApplication(ApplicationId),
    /// A key, which may have been revoked.
    Key(ApplicationKey),
    /// A client, which may have been revoked.
    Client(Client),
    /// A plan.
    Plan(Plan),
    /// It is gone.
    NoPlan(PlanId),
    /// Terms of a plan.
    Version(PlanVersion),
    /// A subscription, in whatever state.
    Subscription(Subscription),
}

/// Where a [`Delta`] has changed a [`Holding`], by place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// APIs, by id.
    pub apis: BTreeSet<ApiId>,
    /// Organisations.
    pub organisations: BTreeSet<usize>,
    /// Applications, because of themselves or of what they own.
    pub applications: BTreeSet<usize>,
    /// Some plan.
    pub plans: bool,
}

impl Tx {
    /// What there is to know since a state that was seen.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn news(&mut self, seen: &Mark) -> Result<News, Error> {
        let generation = self.generation().await?;
        let Some((audited, seal, objects)) = self.touched(seen).await? else {
            return self.holding().await.map(|all| News::Whole(Box::new(all)));
        };
        let mark = Mark { generation, audited, seal };
        if mark == *seen {
            return Ok(News::Nothing);
        }
        let (mut changes, mut owned) = (Vec::new(), Vec::new());
        for object in &objects {
            match object.split_once('_').map_or("", |(prefix, _)| prefix) {
                ApiId::PREFIX => changes.push(match self.maybe(object).await? {
                    Some(now) => Changed::Api(self.held_api(now).await?),
                    None => Changed::NoApi(id(object)?),
                }),
                OrganisationId::PREFIX => changes.push(match self.maybe(object).await? {
                    Some(now) => Changed::Organisation(now),
                    None => Changed::NoOrganisation(id(object)?),
                }),
                ApplicationId::PREFIX => changes.push(match self.maybe(object).await? {
                    Some(now) => Changed::Application(now),
                    None => Changed::NoApplication(id(object)?),
                }),
                PlanId::PREFIX => match self.maybe::<Plan>(object).await? {
                    Some(now) => {
                        // An API that names it is offered in its newest terms.
                        let newest = self.plan_version(&now.id, now.latest).await?;
                        changes.extend([Changed::Plan(now), Changed::Version(newest)]);
                    }
                    None => changes.push(Changed::NoPlan(id(object)?)),
                },
                // Keys, clients and subscriptions are gone where their application is.
                ClientId::PREFIX => owned.extend(self.maybe(object).await?.map(Changed::Client)),
                KeyId::PREFIX => owned.extend(self.maybe(object).await?.map(Changed::Key)),
                SubscriptionId::PREFIX => {
                    let Some(now) = self.maybe::<Subscription>(object).await? else { continue };
                    if let (Some(plan), Some(number)) = (&now.plan, now.plan_version) {
                        owned.push(Changed::Version(self.plan_version(plan, number).await?));
                    }
                    owned.push(Changed::Subscription(now));
                }
                _ => {}
            }
        }
        changes.append(&mut owned);
        Ok(News::Delta(Delta { mark, changes }))
    }

    /// What the log says was touched since, and its last entry with its seal; `None` where that is too
    /// much, or where the log is not the one that was read before (a copy was put in its place).
    async fn touched(
        &mut self,
        before: &Mark,
    ) -> Result<Option<(i64, [u8; 32], BTreeSet<String>)>, Error> {
        let sql =
            "SELECT number, object, hash FROM audit WHERE number >= $1 ORDER BY number LIMIT $2";
        let values = vec![before.audited.to_value(), (CHANGES_MAX + 2).to_value()];
        let rows = self.query(sql, values).await?;
        if rows.len() as i64 > CHANGES_MAX + 1 {
            return Ok(None);
        }
        let (mut last, mut objects) = (None, BTreeSet::new());
        for mut row in rows {
            let (number, object): (i64, String) = (row.take()?, row.take()?);
            let seal: [u8; 32] = row.take()?;
            // The entry that was the last one has to be there still.
            if last.is_none() && (number, seal) != (before.audited, before.seal) {
                return Ok(None);
            }
            if number > before.audited {
                objects.insert(object);
            }
            last = Some((number, seal));
        }
        Ok(last.map(|(number, seal)| (number, seal, objects)))
    }

    async fn maybe<N: Noun>(&mut self, id: &str) -> Result<Option<N>, Error> {
        match self.get(id).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

fn id<I: std::str::FromStr>(text: &str) -> Result<I, Error> {
    text.parse().map_err(|_| Error::Corrupt(format!("the log names {text:?}")))
}

impl Holding {
    /// Goes to a later state of the store; where that makes a difference.
    pub fn follow(&mut self, delta: &Delta) -> Touched {
        let (mut touched, mut shared) = (Touched::default(), Shared::default());
        for change in &delta.changes {
            match change {
                Changed::Api(now) => {
                    touched.apis.insert(now.api.id.clone());
                    match self.apis.binary_search_by(|one| one.api.id.cmp(&now.api.id)) {
                        Ok(place) => self.apis.splice(place..=place, [now.clone()]).for_each(drop),
                        Err(place) => self.apis.insert(place, now.clone()),
                    }
                }
                Changed::NoApi(gone) => {
                    touched.apis.insert(gone.clone());
                    self.apis.retain(|one| one.api.id != *gone);
                }
                Changed::Organisation(now) => {
                    touched.organisations.insert(self.organisations.put(now.clone()));
                    touched.applications.extend(self.applications_of(&now.id));
                }
                Changed::NoOrganisation(gone) => {
                    touched.organisations.extend(self.organisations.remove(gone.as_str()));
                    for place in self.applications_of(gone) {
                        let id = self.applications.at(place).map(|one| one.application.id.clone());
                        touched
                            .applications
                            .extend(id.and_then(|id| self.applications.remove(id.as_str())));
                    }
                }
                Changed::Application(now) => {
                    touched.applications.insert(self.put_application(now.clone()));
                }
                Changed::NoApplication(gone) => {
                    touched.applications.extend(self.applications.remove(gone.as_str()));
                }
                Changed::Key(key) => touched.applications.extend(self.put_key(key)),
                Changed::Client(it) => touched.applications.extend(self.put_client(it)),
                Changed::Subscription(it) => {
                    touched.applications.extend(self.put_subscription(it, &mut shared));
                }
                Changed::Plan(now) => {
                    touched.plans = true;
                    match self.plans.binary_search_by(|one| one.id.cmp(&now.id)) {
                        Ok(place) => self.plans.splice(place..=place, [now.clone()]).for_each(drop),
                        Err(place) => self.plans.insert(place, now.clone()),
                    }
                }
                Changed::NoPlan(gone) => {
                    touched.plans = true;
                    self.plans.retain(|one| one.id != *gone);
                }
                Changed::Version(terms) => self.put_version(terms),
            }
        }
        self.mark = delta.mark;
        touched
    }

    fn put_application(&mut self, now: Application) -> usize {
        match self.applications.find(now.id.as_str()) {
            Some(place) => {
                if let Some(held) = self.applications.at_mut(place) {
                    held.application = now;
                }
                place
            }
            None => self.applications.put(HeldApplication::new(now)),
        }
    }

    fn put_key(&mut self, key: &ApplicationKey) -> Option<usize> {
        let place = self.applications.find(key.application.as_str())?;
        let held = self.applications.at_mut(place)?;
        let mut keys = held.keys.to_vec();
        let new = StoredKey::new(key.digest, key.expires);
        match (keys.binary_search_by_key(&key.digest, |one| one.digest), key.revoked) {
            (Ok(at), Some(_)) => drop(keys.remove(at)),
            (Ok(at), None) => keys.splice(at..=at, [new]).for_each(drop),
            (Err(at), None) => keys.insert(at, new),
            (Err(_), Some(_)) => return None,
        }
        held.keys = keys.into();
        Some(place)
    }

    fn put_client(&mut self, it: &Client) -> Option<usize> {
        let place = self.applications.find(it.application.as_str())?;
        let all = &mut self.applications.at_mut(place)?.clients;
        match (all.binary_search_by(|one| one.id.cmp(&it.id)), HeldClient::new(it)) {
            (Ok(at), Some(now)) => all.splice(at..=at, [now]).for_each(drop),
            (Ok(at), None) => drop(all.remove(at)),
            (Err(at), Some(now)) => all.insert(at, now),
            (Err(_), None) => return None,
        }
        Some(place)
    }

    fn put_subscription(&mut self, it: &Subscription, shared: &mut Shared) -> Option<usize> {
        let place = self.applications.find(it.application.as_str())?;
        let all = &mut self.applications.at_mut(place)?.subscriptions;
        let at = all.binary_search_by(|one| one.id.cmp(&it.id));
        match (at, HeldSubscription::new(it, shared)) {
            (Ok(at), Some(now)) => all.splice(at..=at, [now]).for_each(drop),
            (Ok(at), None) => drop(all.remove(at)),
            (Err(at), Some(now)) => all.insert(at, now),
            (Err(_), None) => return None,
        }
        Some(place)
    }

    fn put_version(&mut self, terms: &PlanVersion) {
        let wanted = (&terms.plan, terms.number);
        let at = self.versions.binary_search_by(|one| (&one.plan, one.number).cmp(&wanted));
        if let Err(at) = at {
            self.versions.insert(at, terms.clone());
        }
    }
}
