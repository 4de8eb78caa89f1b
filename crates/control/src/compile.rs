//! What the store holds, added to what the configuration file declares: the snapshot that the gateway serves from.
//!
//! Pure. The file's part stays as it is, index for index; the store's applications, keys, plans and
//! subscriptions come after it. What is suspended, over or not granted is simply not there. What the
//! file no longer has (an API, a plan) or has itself (a key) is left out and told.

use std::collections::{HashMap, HashSet};

use pasarela_model::{
    Application, Credential, KeyDigest, Organisation, Plan, Rate, Snapshot, Subscription, Timestamp,
};
use pasarela_store::{HeldKey, Holding, PlanVersion, Standing, SubscriptionState};

use crate::offer::api_name;

/// A snapshot, and when it has to be made again even if nothing changes.
#[derive(Debug)]
pub struct Compiled {
    /// The file's and the store's.
    pub snapshot: Snapshot,
    /// When the next key runs out.
    pub until: Option<Timestamp>,
    /// What was left out, in words for an operator.
    pub left_out: Vec<String>,
}

/// Adds what is held to what the file declares, as of `now`.
pub fn compile(file: &Snapshot, held: &Holding, now: Timestamp) -> Compiled {
    let mut adding = Adding::new(file, held);
    for organisation in &held.organisations {
        if organisation.standing == Standing::Active {
            adding.organisation(organisation);
        }
    }
    for application in &held.applications {
        let served = match application.standing {
            Standing::Active => adding.application(application),
            Standing::Suspended => None,
        };
        adding.served.push(served);
    }
    held.keys.iter().for_each(|key| adding.key(key, now));
    for subscription in &held.subscriptions {
        if subscription.state == SubscriptionState::Approved {
            adding.subscription(subscription);
        }
    }
    adding.compiled
}

struct Adding<'h> {
    compiled: Compiled,
    /// Index of each API by the name that subscriptions use.
    apis: HashMap<String, usize>,
    file_plans: HashMap<String, usize>,
    versions: HashMap<(&'h str, i64), &'h PlanVersion>,
    plan_names: HashMap<&'h str, &'h str>,
    /// Index of each version of a plan that somebody is on.
    plans: HashMap<(&'h str, i64), usize>,
    organisations: HashMap<&'h str, usize>,
    applications: HashMap<&'h str, usize>,
    /// Index of each application that is held, where it is served; in their order.
    served: Vec<Option<usize>>,
    /// The file's keys. The store's are different from each other already.
    digests: HashSet<KeyDigest>,
}

impl<'h> Adding<'h> {
    fn new(file: &Snapshot, held: &'h Holding) -> Self {
        let apis = file.apis.iter().enumerate();
        let plans = file.plans.iter().enumerate();
        let keys = file.applications.iter().flat_map(|application| &application.credentials);
        Self {
            apis: apis.map(|(index, api)| (api_name(&api.name, api.version), index)).collect(),
            file_plans: plans.map(|(index, plan)| (plan.name.clone(), index)).collect(),
            versions: held
                .versions
                .iter()
                .map(|version| ((version.plan.as_str(), version.number), version))
                .collect(),
            plan_names: held
                .plans
                .iter()
                .map(|plan| (plan.id.as_str(), plan.name.as_str()))
                .collect(),
            plans: HashMap::new(),
            organisations: HashMap::new(),
            applications: HashMap::with_capacity(held.applications.len()),
            served: Vec::with_capacity(held.applications.len()),
            digests: keys
                .filter_map(|credential| match credential {
                    Credential::ApiKey(digest) => Some(*digest),
                    // Those are the file's alone; nothing that is held could be the same.
                    Credential::User { .. }
                    | Credential::Certificate(_)
                    | Credential::Subject(_)
                    | Credential::Token { .. } => None,
                })
                .collect(),
            compiled: Compiled { snapshot: file.clone(), until: None, left_out: Vec::new() },
        }
    }

    fn organisation(&mut self, it: &'h pasarela_store::Organisation) {
        let all = &mut self.compiled.snapshot.organisations;
        self.organisations.insert(it.id.as_str(), all.len());
        all.push(Organisation { name: it.name.clone(), kind: it.kind });
    }

    /// `organisation/name`: the file's names have no `/`, so neither can be taken for the other.
    fn application(&mut self, it: &'h pasarela_store::Application) -> Option<usize> {
        // Not there: its organisation is suspended.
        let organisation = self.organisations.get(it.organisation.as_str())?;
        let snapshot = &mut self.compiled.snapshot;
        let of = snapshot.organisations.get(*organisation)?;
        let name = format!("{}/{}", of.name, it.name);
        let index = snapshot.applications.len();
        self.applications.insert(it.id.as_str(), index);
        snapshot.applications.push(Application {
            name,
            organisation: Some(*organisation),
            subscriptions: Vec::new(),
            credentials: Vec::new(),
            networks: Vec::new(),
            keys: std::sync::Arc::default(),
        });
        Some(index)
    }

    fn key(&mut self, it: &HeldKey, now: Timestamp) {
        if it.expires.is_some_and(|end| end <= now) {
            return;
        }
        let Some(Some(application)) = self.served.get(it.application).copied() else { return };
        if self.digests.contains(&it.digest) {
            let name = self.compiled.snapshot.applications.get(application);
            let name = name.map_or("", |application| application.name.as_str());
            let why = format!("a key of {name}: the configuration file has the same one");
            self.compiled.left_out.push(why);
            return;
        }
        self.compiled.until = match (self.compiled.until, it.expires) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if let Some(application) = self.compiled.snapshot.applications.get_mut(application) {
            application.credentials.push(Credential::ApiKey(it.digest));
        }
    }

    fn subscription(&mut self, it: &'h pasarela_store::Subscription) {
        let Some(application) = self.applications.get(it.application.as_str()).copied() else {
            return;
        };
        let api = self.apis.get(&it.api).copied();
        let (Some(api), Some(plan)) = (api, self.plan(it)) else {
            let why = match api {
                None => format!("the configuration file has no API {} any more", it.api),
                Some(_) => "its plan is gone".to_owned(),
            };
            self.compiled.left_out.push(format!("subscription {}: {why}", it.id));
            return;
        };
        if let Some(application) = self.compiled.snapshot.applications.get_mut(application) {
            application.subscriptions.push(Subscription { api, plan });
        }
    }

    fn plan(&mut self, it: &'h pasarela_store::Subscription) -> Option<usize> {
        if let Some(name) = &it.file_plan {
            return self.file_plans.get(name).copied();
        }
        let key = (it.plan.as_ref()?.as_str(), it.plan_version?);
        if let Some(index) = self.plans.get(&key) {
            return Some(*index);
        }
        let terms = self.versions.get(&key)?;
        let all = &mut self.compiled.snapshot.plans;
        let index = all.len();
        let name = format!("{}/{}", self.plan_names.get(key.0)?, key.1);
        all.push(Plan { rate: rate(terms), ..Plan::new(name) });
        self.plans.insert(key, index);
        Some(index)
    }
}

fn rate(terms: &PlanVersion) -> Option<Rate> {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let count = positive(terms.rate_count?)?;
    Some(Rate {
        count,
        per: std::time::Duration::from_millis(positive(terms.rate_per_ms?)?),
        burst: terms.rate_burst.and_then(positive).unwrap_or(count),
    })
}
