//! What the store holds, added to what the configuration file declares: the snapshot that the gateway serves from.
//!
//! Pure. The file's part stays as it is, index for index; the store's organisations, applications and plans come after it, each at its
//! place ([`pasarela_store::Places`]) for as long as it is there, and its APIs in the order in which they came on the air. What is suspended, over or not granted leaves its place empty. What the
//! file no longer has (an API, a plan) or has itself (a key) is left out and told.
//!
//! A [`Compiler`] lives as long as the process and follows the store: a change costs the applications that it touches. What it gives is what
//! compiling everything anew would ([`Compiler::new`]): a test compares them. To add a noun: compile it in `Adding::everything`, and again in
//! [`Compiler::follow`] where its change is told ([`pasarela_store::Touched`]).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use pasarela_model::{
    Api, ApiId, Application, Credential, KeyDigest, Organisation, Pages, Plan, Rate, Scopes,
    Snapshot, StoredKey, Subscription, Timestamp,
};
use pasarela_store::{
    Delta, HeldApi, HeldApplication, HeldClient, HeldSubscription, Holding, PlanVersion, Standing,
    Terms,
};

use crate::offer::{api_name, route_of};

/// A snapshot, and when it has to be made again even if nothing changes.
#[derive(Debug)]
pub struct Compiled {
    /// The file's and the store's. It shares with those before it what is the same.
    pub snapshot: Snapshot,
    /// When the next key runs out.
    pub until: Option<Timestamp>,
    /// What was left out since the last one was made, in words for an operator.
    pub left_out: Vec<String>,
}

/// An API of the store, as its definition was read.
#[derive(Debug, Clone)]
pub struct ReadyApi {
    /// It; without plans, which are [`Self::plans`] until it is known which index each has.
    pub api: Api,
    /// Names of its plans.
    pub plans: Vec<String>,
}

/// Reads the definition of an API that is on the air, or says in words why it cannot be read; it is to
/// know what it has read before.
pub type Reader = Arc<dyn Fn(&HeldApi) -> Result<Arc<ReadyApi>, String> + Send + Sync>;

/// Makes the snapshots of a process, one after the other.
pub struct Compiler {
    held: Holding,
    reader: Reader,
    adding: Adding,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("mark", &self.held.mark).finish_non_exhaustive()
    }
}

/// What is made of the two, as far as it was made.
#[derive(Debug, Default)]
struct Adding {
    file: Snapshot,
    declared: Declared,
    made: Snapshot,
    /// Index of each API of the store that is served, by id and by name. They come in the order in which they were
    /// first served.
    stored: HashMap<ApiId, usize>,
    stored_names: HashMap<String, usize>,
    /// Index of each version of a plan that somebody is on, or was since everything was compiled.
    plans: HashMap<(Arc<str>, i64), usize>,
    /// When the keys of applications run out: each application's next, by time and by place.
    ends: BTreeSet<(Timestamp, usize)>,
    ends_of: HashMap<usize, Timestamp>,
    left_out: Vec<String>,
}

/// What the file declares, by the names that the store uses.
#[derive(Debug, Default)]
struct Declared {
    apis: HashMap<String, usize>,
    /// Where they answer.
    routes: HashSet<String>,
    plans: HashMap<String, usize>,
    /// The file's keys. The store's are different from each other already.
    keys: HashSet<KeyDigest>,
}

impl Declared {
    fn of(file: &Snapshot) -> Self {
        let apis = file.apis.iter().enumerate();
        let plans = file.plans.iter().enumerate();
        let keys = file.applications.iter().flat_map(|application| &application.credentials);
        Self {
            apis: apis.map(|(index, api)| (api_name(&api.name, api.version), index)).collect(),
            routes: file.apis.iter().map(route_of).collect(),
            plans: plans.map(|(index, plan)| (plan.name.clone(), index)).collect(),
            keys: keys
                .filter_map(|credential| match credential {
                    Credential::ApiKey(digest) => Some(mixed(file, digest)),
                    // Those are the file's alone; nothing that is held could be the same.
                    Credential::User { .. }
                    | Credential::Certificate(_)
                    | Credential::Subject(_)
                    | Credential::TlsCertificate(_)
                    | Credential::Signature { .. }
                    | Credential::Mailbox(_)
                    | Credential::Token { .. }
                    | Credential::Client { .. } => None,
                })
                .collect(),
        }
    }
}

/// As the store knows the same key.
fn mixed(file: &Snapshot, digest: &KeyDigest) -> KeyDigest {
    file.pepper.as_ref().map_or(*digest, |pepper| pepper.of(digest))
}

impl Compiler {
    /// Of what a file declares and a store holds, as of `now`.
    pub fn new(file: Snapshot, held: Holding, reader: Reader, now: Timestamp) -> Self {
        let adding = Adding::everything(file, &held, &reader, now);
        Self { held, reader, adding }
    }

    /// The snapshot as it is now.
    pub fn compiled(&mut self, now: Timestamp) -> Compiled {
        while let Some((end, place)) = self.adding.ends.first().copied()
            && end <= now
        {
            self.adding.again(&self.held, place, now);
        }
        Compiled {
            snapshot: self.adding.made.clone(),
            until: self.adding.ends.first().map(|(end, _)| *end),
            left_out: std::mem::take(&mut self.adding.left_out),
        }
    }

    /// What the store holds.
    pub const fn held(&self) -> &Holding {
        &self.held
    }

    /// What the file declares.
    pub const fn file(&self) -> &Snapshot {
        &self.adding.file
    }

    /// The file declares something else now.
    pub fn declare(&mut self, file: Snapshot, now: Timestamp) {
        self.adding = Adding::everything(file, &self.held, &self.reader, now);
    }

    /// The store holds something else now.
    pub fn hold(&mut self, held: Holding, now: Timestamp) {
        self.held = held;
        let file = std::mem::take(&mut self.adding.file);
        self.declare(file, now);
    }

    /// The store has changed.
    pub fn follow(&mut self, delta: &Delta, now: Timestamp) {
        let mut touched = self.held.follow(delta);
        if touched.plans {
            // One that names a plan is offered in its newest terms, or was not there for want of it.
            let named = self.held.apis.iter().filter(|one| !one.api.plans.is_empty());
            touched.apis.extend(named.map(|one| one.api.id.clone()));
        }
        let gone = |id: &&ApiId| self.adding.stored.contains_key(*id) && self.ready(id).is_none();
        if touched.apis.iter().any(|id| gone(&id)) {
            // The places of those behind it change. That is rare, and costs what a change of the file costs.
            let file = std::mem::take(&mut self.adding.file);
            return self.declare(file, now);
        }
        for id in &touched.apis {
            if let Some(name) = self.adding.api(&self.held, &self.reader, id) {
                touched.applications.extend(self.subscribers(&name));
            }
        }
        let (adding, held) = (&mut self.adding, &self.held);
        for place in touched.organisations {
            let index = adding.file.organisations.len() + place;
            put(&mut adding.made.organisations, index, organisation(held, place));
        }
        if touched.plans {
            adding.rename_plans(held);
        }
        touched.applications.into_iter().for_each(|place| adding.again(held, place, now));
    }
}

impl Compiler {
    /// An API that is on the air, and can be read.
    fn ready(&self, id: &ApiId) -> Option<Arc<ReadyApi>> {
        (self.reader)(api_of(&self.held, id)?).ok()
    }

    /// Places of the applications that subscribe to an API.
    fn subscribers(&self, name: &str) -> Vec<usize> {
        let all = self.held.applications.iter();
        let subscribes =
            |one: &HeldApplication| one.subscriptions.iter().any(|it| *it.api == *name);
        all.filter(|(_, one)| subscribes(one)).map(|(place, _)| place).collect()
    }
}

/// An API of the store that is on the air.
fn api_of<'h>(held: &'h Holding, id: &ApiId) -> Option<&'h HeldApi> {
    let at = held.apis.binary_search_by(|one| one.api.id.cmp(id)).ok()?;
    held.apis.get(at).filter(|one| one.api.state.is_served())
}

fn put<T: Clone>(all: &mut Pages<T>, index: usize, now: T) {
    match all.get_mut(index) {
        Some(there) => *there = now,
        // Places are taken one after the other.
        None => all.push(now),
    }
}

fn organisation(held: &Holding, place: usize) -> Organisation {
    let active = |it: &&pasarela_store::Organisation| it.standing == Standing::Active;
    let it = held.organisations.at(place).filter(active);
    it.map_or_else(Organisation::default, |it| Organisation {
        name: it.name.clone(),
        kind: it.kind,
    })
}

/// The clients that are of use.
fn clients(it: &HeldApplication, now: Timestamp) -> Vec<Credential> {
    let of_use = it.clients.iter().filter(|client| client.expires > now);
    let client = |client: &HeldClient| Credential::Client {
        id: client.id.as_str().to_owned(),
        secrets: client.secrets.clone(),
    };
    of_use.map(client).collect()
}

impl Adding {
    fn everything(file: Snapshot, held: &Holding, reader: &Reader, now: Timestamp) -> Self {
        let (declared, made) = (Declared::of(&file), file.clone());
        let mut new = Self { file, declared, made, ..Self::default() };
        for one in &held.apis {
            new.api(held, reader, &one.api.id);
        }
        let organisations = (0..held.organisations.places()).map(|place| organisation(held, place));
        new.made.organisations.extend(organisations);
        let places = 0..held.applications.places();
        let applications: Vec<_> = places.map(|place| new.application(held, place, now)).collect();
        new.made.applications.extend(applications);
        new
    }

    /// Compiles an API; its name, where it was not served before.
    fn api(&mut self, held: &Holding, reader: &Reader, id: &ApiId) -> Option<String> {
        let one = api_of(held, id)?;
        let name = api_name(&one.api.name, u32::try_from(one.api.major).unwrap_or(0));
        let ready = match reader(one) {
            Ok(ready) => ready,
            Err(why) => {
                self.left_out.push(format!("API {name}: {why}"));
                return None;
            }
        };
        let plans: Vec<_> =
            ready.plans.iter().filter_map(|name| self.plan_called(held, name)).collect();
        // What the file has is the file's; and without one of the plans that it names an API would be open to everybody.
        let why = if self.declared.apis.contains_key(&name) {
            "the configuration file has one of this name"
        } else if self.declared.routes.contains(&route_of(&ready.api)) {
            "the configuration file has one that answers at the same host, path and headers"
        } else if plans.is_empty() && !ready.plans.is_empty() {
            "none of its plans is there any more"
        } else {
            let api = Api { plans, ..ready.api.clone() };
            let known = self.stored.get(id).copied();
            let index = known.unwrap_or(self.made.apis.len());
            put(&mut self.made.apis, index, api);
            self.stored.insert(id.clone(), index);
            self.stored_names.insert(name.clone(), index);
            return known.is_none().then_some(name);
        };
        self.left_out.push(format!("API {name}: {why}"));
        None
    }

    /// One of the file's plans, or the newest terms of one of the store's.
    fn plan_called(&mut self, held: &Holding, name: &str) -> Option<usize> {
        if let Some(index) = self.declared.plans.get(name) {
            return Some(*index);
        }
        let plan = held.plans.iter().find(|plan| plan.name == name)?;
        self.plan(held, &Terms::OfStore(plan.id.as_str().into(), plan.latest))
    }

    /// Compiles the application at a place again.
    fn again(&mut self, held: &Holding, place: usize, now: Timestamp) {
        if let Some(end) = self.ends_of.remove(&place) {
            self.ends.remove(&(end, place));
        }
        let application = self.application(held, place, now);
        put(&mut self.made.applications, self.file.applications.len() + place, application);
    }

    fn application(&mut self, held: &Holding, place: usize, now: Timestamp) -> Application {
        self.active_application(held, place, now).unwrap_or_default()
    }

    /// `None`: there is nobody, or it is suspended, or its organisation is. It is called
    /// `organisation/name`: the file's names have no `/`, so neither can be taken for the other.
    fn active_application(
        &mut self,
        held: &Holding,
        place: usize,
        now: Timestamp,
    ) -> Option<Application> {
        let it = held.applications.at(place)?;
        let organisation = held.organisations.find(it.application.organisation.as_str())?;
        let of = held.organisations.at(organisation)?;
        if it.application.standing != Standing::Active || of.standing != Standing::Active {
            return None;
        }
        let name = format!("{}/{}", of.name, it.application.name);
        let subscriptions = it.subscriptions.iter();
        let subscriptions = subscriptions.filter_map(|one| self.subscription(held, one)).collect();
        Some(Application {
            keys: self.keys(it, place, &name, now),
            name,
            organisation: Some(self.file.organisations.len() + organisation),
            subscriptions,
            credentials: clients(it, now),
            ..Application::default()
        })
    }

    /// Those that are of use; mostly all.
    fn keys(
        &mut self,
        it: &HeldApplication,
        place: usize,
        name: &str,
        now: Timestamp,
    ) -> Arc<[StoredKey]> {
        // An old secret of a client is looked at when it is shown, and needs no other snapshot when it ends.
        let ends = it.keys.iter().map(|key| key.expires);
        let ends = ends.chain(it.clients.iter().map(|client| client.expires));
        let next = ends.filter(|end| *end > now).min();
        if let Some(end) = next.filter(|end| *end != StoredKey::FOR_EVER) {
            self.ends.insert((end, place));
            self.ends_of.insert(place, end);
        }
        let declared = |key: &&StoredKey| self.declared.keys.contains(&key.digest);
        for _ in it.keys.iter().filter(declared) {
            let why = format!("a key of {name}: the configuration file has the same one");
            self.left_out.push(why);
        }
        let of_use = |key: &&StoredKey| key.expires > now && !declared(key);
        match it.keys.iter().all(|key| of_use(&key)) {
            true => Arc::clone(&it.keys),
            false => it.keys.iter().filter(of_use).copied().collect(),
        }
    }

    fn subscription(&mut self, held: &Holding, it: &HeldSubscription) -> Option<Subscription> {
        let api = self.declared.apis.get(&*it.api).or_else(|| self.stored_names.get(&*it.api));
        let api = api.copied();
        let (Some(api), Some(plan)) = (api, self.plan(held, &it.terms)) else {
            let why = match api {
                // The store's say themselves why they are off the air.
                None if named(held, &it.api) => return None,
                None => format!("there is no API {} any more", it.api),
                Some(_) => "its plan is gone".to_owned(),
            };
            self.left_out.push(format!("subscription {}: {why}", it.id));
            return None;
        };
        Some(Subscription { api, plan })
    }

    fn plan(&mut self, held: &Holding, terms: &Terms) -> Option<usize> {
        let (plan, number) = match terms {
            Terms::OfFile(name) => return self.declared.plans.get(&**name).copied(),
            Terms::OfStore(plan, number) => (plan, *number),
        };
        let key = (Arc::clone(plan), number);
        if let Some(index) = self.plans.get(&key) {
            return Some(*index);
        }
        let new = plan_of(held, plan, number)?;
        let all = &mut self.made.plans;
        let index = all.len();
        all.push(new);
        self.plans.insert(key, index);
        Some(index)
    }

    /// A plan that changes its name keeps its index.
    fn rename_plans(&mut self, held: &Holding) {
        for ((plan, number), index) in &self.plans {
            let new = plan_of(held, plan, *number);
            if let (Some(new), Some(there)) = (new, self.made.plans.get_mut(*index)) {
                *there = new;
            }
        }
    }
}

/// Whether the store has an API of this name, on the air or not.
fn named(held: &Holding, name: &str) -> bool {
    held.apis.iter().any(|one| format!("{}/v{}", one.api.name, one.api.major) == name)
}

fn plan_of(held: &Holding, plan: &str, number: i64) -> Option<Plan> {
    let versions = &held.versions;
    let at = versions.binary_search_by(|one| (one.plan.as_str(), one.number).cmp(&(plan, number)));
    let terms = versions.get(at.ok()?)?;
    let at = held.plans.binary_search_by(|one| one.id.as_str().cmp(plan)).ok()?;
    let name = format!("{}/{number}", held.plans.get(at)?.name);
    let scopes = Scopes::of_text(&terms.scopes);
    Some(Plan { rate: rate(terms), scopes, ..Plan::new(name) })
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
