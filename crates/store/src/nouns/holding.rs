//! All that the gateway can serve from, as it was read in one instant.
//!
//! One of it lives as long as the process and follows the store a change at a time ([`Holding::follow`], `delta`). With a million keys in it
//! nothing is kept twice: what belongs to an application lies with it, names that many share are shared. An application has its *place* for as
//! long as it is there, whatever comes and goes beside it: by that the gateway knows it.

use std::{collections::HashMap, sync::Arc};

use pasarela_model::{ApplicationId, KeyId, OrganisationId, StoredKey, SubscriptionId};

use super::{
    clients::HeldClient,
    places::{Placed, Places},
};
use crate::{
    Api, Application, Error, Organisation, Plan, PlanVersion, Subscription, SubscriptionState, Tx,
    column::Column as _,
};

/// What the gateway can serve from. There are no secrets in it: keys are digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// The state of the store that it is.
    pub mark: Mark,
    /// All APIs of the store, by id.
    pub apis: Vec<HeldApi>,
    /// Everybody.
    pub organisations: Places<Organisation>,
    /// All applications, with what belongs to them.
    pub applications: Places<HeldApplication>,
    /// All plans, by id.
    pub plans: Vec<Plan>,
    /// The terms that somebody is on, or was since the whole was read; by plan and number.
    pub versions: Vec<PlanVersion>,
}

/// A state of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// How many changes led to it.
    pub generation: i64,
    /// The last entry of the audit log; 0: none.
    pub audited: i64,
    /// That entry's seal: by it the log is known to be the same one.
    pub seal: [u8; 32],
}

/// An API with what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldApi {
    /// Itself.
    pub api: Api,
    /// The documents that are in force, as one text; empty where it is not served.
    pub documents: Arc<str>,
}

/// An application with all that is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldApplication {
    /// Itself.
    pub application: Application,
    /// Its keys that were not revoked, by digest.
    pub keys: Arc<[StoredKey]>,
    /// Its clients that were not revoked, by id.
    pub clients: Vec<HeldClient>,
    /// Its subscriptions that are in force, by id.
    pub subscriptions: Vec<HeldSubscription>,
}

/// A subscription in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSubscription {
    /// Its id.
    pub id: SubscriptionId,
    /// What is called: `name/v1`.
    pub api: Arc<str>,
    /// On which plan.
    pub terms: Terms,
}

/// The plan of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// One of the configuration file's, by name.
    OfFile(Arc<str>),
    /// One of the store's, by id, in these terms.
    OfStore(Arc<str>, i64),
}

impl Placed for Organisation {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl Placed for HeldApplication {
    fn id(&self) -> &str {
        self.application.id.as_str()
    }
}

/// Texts that many rows share.
#[derive(Default)]
pub(super) struct Shared(HashMap<String, Arc<str>>);

impl Shared {
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        match self.0.get(text) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = text.into();
                self.0.insert(text.to_owned(), Arc::clone(&new));
                new
            }
        }
    }
}

impl HeldApplication {
    /// One that has nothing yet.
    pub(super) fn new(application: Application) -> Self {
        let (clients, subscriptions) = (Vec::new(), Vec::new());
        Self { application, keys: Arc::default(), clients, subscriptions }
    }
}

impl HeldSubscription {
    /// `None`: it is not in force.
    pub(super) fn new(it: &Subscription, shared: &mut Shared) -> Option<Self> {
        if it.state != SubscriptionState::Approved {
            return None;
        }
        let terms = match (&it.file_plan, &it.plan, it.plan_version) {
            (Some(name), ..) => Terms::OfFile(shared.text(name)),
            (None, Some(plan), Some(number)) => Terms::OfStore(shared.text(plan.as_str()), number),
            (None, ..) => return None,
        };
        Some(Self { id: it.id.clone(), api: shared.text(&it.api), terms })
    }
}

/// Rows that are read at a time.
const PART: i64 = 10_000;

impl Tx {
    /// All that the gateway can serve from.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn holding(&mut self) -> Result<Holding, Error> {
        let applications: Vec<Application> = self.every().await?;
        let mut all: Vec<_> = applications.into_iter().map(HeldApplication::new).collect();
        self.give_keys(&mut all).await?;
        self.give_clients(&mut all).await?;
        self.give_subscriptions(&mut all).await?;
        let mut apis = Vec::new();
        for api in self.every().await? {
            apis.push(self.held_api(api).await?);
        }
        Ok(Holding {
            mark: self.mark().await?,
            apis,
            organisations: Places::of_sorted(self.every().await?),
            applications: Places::of_sorted(all),
            plans: self.every().await?,
            versions: self.plan_versions_in_use().await?,
        })
    }

    /// An API with its documents.
    pub(super) async fn held_api(&mut self, api: Api) -> Result<HeldApi, Error> {
        let documents = match api.state.is_served() {
            true => self.api_documents(&api.digest).await?,
            false => Arc::default(),
        };
        Ok(HeldApi { api, documents })
    }

    /// The state that the store is in.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn mark(&mut self) -> Result<Mark, Error> {
        let (audited, seal) = self.audit_head().await?;
        Ok(Mark { generation: self.generation().await?, audited, seal })
    }

    /// Both lists are in the order of the application's id, so that one walk finds each one's place.
    async fn give_keys(&mut self, applications: &mut [HeldApplication]) -> Result<(), Error> {
        let sql = "SELECT application, id, digest, expires FROM api_keys WHERE revoked IS NULL \
                   AND (application, id) > ($1, $2) ORDER BY application, id LIMIT $3";
        let (mut place, mut keys) = (0, Vec::new());
        let mut last = (String::new(), String::new());
        loop {
            let values = vec![last.0.to_value(), last.1.to_value(), PART.to_value()];
            let rows = self.query(sql, values).await?;
            let whole = rows.len() as i64 == PART;
            for mut row in rows {
                let (whose, id): (ApplicationId, KeyId) = (row.take()?, row.take()?);
                while applications.get(place).is_some_and(|one| one.application.id < whose) {
                    give(applications, place, &mut keys);
                    place += 1;
                }
                if applications.get(place).is_none_or(|one| one.application.id != whose) {
                    return Err(Error::Corrupt(format!("the key {id} belongs to nobody")));
                }
                keys.push(StoredKey::new(row.take()?, row.take()?));
                last = (whose.as_str().to_owned(), id.as_str().to_owned());
            }
            if !whole {
                give(applications, place, &mut keys);
                return Ok(());
            }
        }
    }

    async fn give_subscriptions(
        &mut self,
        applications: &mut [HeldApplication],
    ) -> Result<(), Error> {
        let mut shared = Shared::default();
        let mut slice = crate::Slice { after: None, limit: Some(crate::PAGE_MAX) };
        loop {
            let state = SubscriptionState::Approved.as_str();
            let page = self.page_by::<Subscription>("state", state, &slice).await?;
            for it in &page.items {
                let place =
                    applications.binary_search_by(|one| one.application.id.cmp(&it.application));
                let whose = place.ok().and_then(|place| applications.get_mut(place));
                if let (Some(whose), Some(held)) = (whose, HeldSubscription::new(it, &mut shared)) {
                    whose.subscriptions.push(held);
                }
            }
            match page.next {
                None => return Ok(()),
                next => slice.after = next,
            }
        }
    }
}

fn give(applications: &mut [HeldApplication], place: usize, keys: &mut Vec<StoredKey>) {
    keys.sort_unstable_by_key(|key| key.digest);
    if let Some(whose) = applications.get_mut(place).filter(|_| !keys.is_empty()) {
        whose.keys = keys.as_slice().into();
        keys.clear();
    }
}

impl Holding {
    /// Which applications an organisation has, by place.
    pub(super) fn applications_of(&self, organisation: &OrganisationId) -> Vec<usize> {
        let all = self.applications.iter();
        let its = all.filter(|(_, one)| one.application.organisation == *organisation);
        its.map(|(place, _)| place).collect()
    }
}
