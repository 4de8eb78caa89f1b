//! What the gateway gets by way of what it had is what it would get by reading everything.

use pasarela_control::{
    ApiTerms, ApplicationChange, Compiled, Compiler, Decision, NewClient, NewKey, NewPlan,
    NewSubscription, OrganisationChange, PlanChange, RateTerms, ReadApi,
};
use pasarela_model::{
    Api, ApiId, Application, ApplicationId, ClientId, Credential, KeyDigest, KeyId,
    OrganisationKind, PlanId, SubscriptionId,
};
use pasarela_store::{
    ApiState, Delta, Error, Holding, Mark, News, PlanVersion, Role, Standing, Terms,
};

use crate::{
    compiled::file,
    on_both,
    world::{World, id_of, read_api, reader},
};

on_both! {
    a_change_at_a_time_leads_where_reading_everything_leads,
    what_was_had_of_another_log_is_not_built_upon,
}

async fn what_was_had_of_another_log_is_not_built_upon(world: World) {
    world.application(&world.acme, "one").await;
    let now = read(&world).await.mark;
    // Of the same log, what was had is believed; else what is there is read.
    assert!(matches!(news(&world, now).await, News::Nothing));
    let whole = |news: News| matches!(news, News::Whole(all) if all.mark == now);
    assert!(whole(news(&world, Mark { seal: [1; 32], ..now }).await));
    assert!(whole(news(&world, Mark { audited: now.audited + 1, ..now }).await));
    assert!(whole(news(&world, Mark::default()).await));
}

async fn news(world: &World, seen: Mark) -> News {
    let store = world.control.store();
    let read = store.read(move |tx| Box::pin(async move { tx.news(&seen).await }));
    let news: Result<_, Error> = read.await;
    news.unwrap()
}

/// Where the walk stands: what was made so far.
#[derive(Default)]
struct Made {
    applications: Vec<ApplicationId>,
    keys: Vec<KeyId>,
    clients: Vec<ClientId>,
    plans: Vec<PlanId>,
    subscriptions: Vec<SubscriptionId>,
    apis: Vec<ApiId>,
}

/// Numbers that look like chance and are the same in every run.
struct Walk(u64);

impl Walk {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn one<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

async fn a_change_at_a_time_leads_where_reading_everything_leads(world: World) {
    let (mut walk, mut made) = (Walk(4), Made::default());
    let mut compiler = Compiler::new(file(), read(&world).await, reader(), world.now());
    let (mut changes, mut subscribed) = (0, 0);
    for step in 0..200 {
        step_once(&world, &mut walk, &mut made, step).await;
        // Sometimes several changes are read at once.
        if walk.below(3) == 0 {
            continue;
        }
        let now = world.now();
        match news(&world, compiler.held().mark).await {
            News::Nothing => {}
            News::Whole(all) => {
                let seen = compiler.held().mark.audited;
                assert_eq!(seen, 0, "one change is no reason to read everything");
                compiler.hold(*all, now);
            }
            News::Delta(delta) => {
                // As it would be read from the disk.
                let delta = Delta::from_bytes(&delta.to_bytes()).unwrap();
                compiler.follow(&delta, now);
                changes += 1;
            }
        }
        let all = read(&world).await;
        let said = |held: &Holding| Holding { versions: in_use(held), ..held.clone() }.to_bytes();
        assert!(said(compiler.held()) == said(&all), "step {step}");
        let whole = Compiler::new(file(), all, reader(), now).compiled(now);
        let compiled = compiler.compiled(now);
        assert_eq!(served(&compiled), served(&whole), "step {step}");
        assert_eq!(compiled.until, whole.until, "step {step}");
        let ours = |one: &Served| one.subscriptions.iter().any(|(api, ..)| api.starts_with("api-"));
        subscribed += usize::from(served(&compiled).iter().any(ours));
        assert_eq!(on_the_air(&compiled), on_the_air(&whole), "step {step}");
    }
    assert!(changes > 60, "hardly anything changed: {changes}");
    let last = served(&compiler.compiled(world.now()));
    let some = |wanted: fn(&Served) -> bool| last.iter().any(wanted);
    assert!(some(|one| !one.keys.is_empty()) && some(|one| !one.subscriptions.is_empty()));
    assert!(subscribed > 5, "hardly anybody subscribed to an API of the store: {subscribed}");
    assert!(on_the_air(&compiler.compiled(world.now())).len() > 3);
    assert!(some(|one| !one.clients.is_empty()));
    let bytes = compiler.held().to_bytes();
    assert!(Holding::from_bytes(&bytes).unwrap().to_bytes() == bytes);
}

/// Terms of which somebody is on are all that reading everything reads.
fn in_use(held: &Holding) -> Vec<PlanVersion> {
    let on = |terms: &Terms, version: &PlanVersion| matches!(terms, Terms::OfStore(plan, number) if **plan == *version.plan.as_str() && *number == version.number);
    let used = |version: &&PlanVersion| {
        held.applications
            .iter()
            .any(|(_, one)| one.subscriptions.iter().any(|it| on(&it.terms, version)))
    };
    held.versions.iter().filter(used).cloned().collect()
}

/// The APIs with the names of their plans, in no order.
fn on_the_air(compiled: &Compiled) -> Vec<(String, Vec<String>)> {
    let plans = &compiled.snapshot.plans;
    let named = |api: &Api| api.plans.iter().map(|plan| plans[*plan].name.clone()).collect();
    let all = compiled.snapshot.apis.iter().map(|api| (api.name.clone(), named(api)));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

/// An application as the gateway gets it, without the numbers that differ from one compiler to another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Served {
    name: String,
    organisation: Option<String>,
    keys: Vec<KeyDigest>,
    clients: Vec<(String, Vec<KeyDigest>)>,
    subscriptions: Vec<(String, String, Option<u64>)>,
}

fn served(compiled: &Compiled) -> Vec<Served> {
    let snapshot = &compiled.snapshot;
    let one = |application: &Application| Served {
        name: application.name.clone(),
        organisation: application.organisation.map(|one| snapshot.organisations[one].name.clone()),
        keys: application.keys.iter().map(|key| key.digest).collect(),
        clients: application
            .credentials
            .iter()
            .filter_map(|credential| match credential {
                Credential::Client { id, secrets } => {
                    Some((id.clone(), secrets.iter().map(|secret| secret.digest).collect()))
                }
                _ => None,
            })
            .collect(),
        subscriptions: application
            .subscriptions
            .iter()
            .map(|it| {
                let plan = &snapshot.plans[it.plan];
                (
                    snapshot.apis[it.api].name.clone(),
                    plan.name.clone(),
                    plan.rate.map(|rate| rate.count),
                )
            })
            .collect(),
    };
    let mut all: Vec<_> = snapshot.applications.iter().map(one).collect();
    // Who left leaves a place behind.
    all.retain(|one| !one.name.is_empty());
    all.sort();
    all
}

async fn read(world: &World) -> Holding {
    let read = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Result<_, Error> = read.await;
    held.unwrap()
}

/// Most of them ask for a key.
fn api_plans(step: usize) -> Vec<String> {
    if step.is_multiple_of(5) { Vec::new() } else { vec!["free".to_owned()] }
}

/// Tries one verb; some are refused, which changes nothing and is fine.
async fn step_once(world: &World, walk: &mut Walk, made: &mut Made, step: usize) {
    let control = &world.control;
    let gate = || world.by(&world.gate, Role::Owner);
    let whose = if walk.below(2) == 0 { &world.acme } else { &world.bolt };
    let owner = || world.by(whose, Role::Owner);
    match walk.below(16) {
        0 | 1 => {
            let name = format!("app-{step}");
            let done = control.create_application(owner(), whose.id.clone(), name).await;
            made.applications.extend(done.ok().map(|answer| id_of(&answer)));
        }
        2 | 3 => {
            let Some(app) = walk.one(&made.applications) else { return };
            let done = control.issue_key(owner(), app.clone(), NewKey::default()).await;
            made.keys.extend(done.ok().map(|answer| id_of(&answer)));
        }
        4 => {
            let Some(key) = walk.one(&made.keys) else { return };
            let done = control.rotate_key(owner(), key.clone(), 60).await;
            made.keys.extend(done.ok().map(|answer| id_of(&answer)));
        }
        5 => {
            let Some(key) = walk.one(&made.keys) else { return };
            let _ = control.revoke_key(owner(), key.clone()).await;
        }
        6 | 7 => {
            let Some(app) = walk.one(&made.applications) else { return };
            let plan = walk.one(&made.plans).map_or("free", PlanId::as_str).to_owned();
            let plan = if walk.below(2) == 0 { "free".to_owned() } else { plan };
            let (mut api, mut plan) = ("rates/v2".to_owned(), plan);
            if let Some(id) = walk.one(&made.apis)
                && let Ok(read) = control.read_api(gate(), id.clone()).await
            {
                api = read.body["api"].as_str().unwrap().to_owned();
                plan = "free".to_owned();
            }
            let new = NewSubscription { api, plan };
            let done = control.subscribe(gate(), app.clone(), new).await;
            made.subscriptions.extend(done.ok().map(|answer| id_of(&answer)));
        }
        8 => {
            let Some(subscription) = walk.one(&made.subscriptions) else { return };
            let decisions = [Decision::Suspend, Decision::Resume, Decision::End];
            let Some(decision) = walk.one(&decisions) else { return };
            let _ = control.decide(gate(), subscription.clone(), *decision).await;
        }
        12 => {
            let Some(app) = walk.one(&made.applications) else { return };
            let expires = step.is_multiple_of(3).then(|| world.now().plus_millis(40));
            let new = NewClient { label: String::new(), expires };
            let done = control.create_client(owner(), app.clone(), new).await;
            made.clients.extend(done.ok().map(|answer| id_of(&answer)));
        }
        13 => {
            let Some(client) = walk.one(&made.clients) else { return };
            let _ = control.rotate_client(owner(), client.clone(), walk.below(2) as i64).await;
        }
        14 if step.is_multiple_of(2) => {
            let Some(client) = walk.one(&made.clients) else { return };
            let _ = control.revoke_client(owner(), client.clone()).await;
        }
        9 => {
            let rate = Some(RateTerms { count: 5, per_ms: 1_000, burst: None });
            let Some(plan) = walk.one(&made.plans).filter(|_| step.is_multiple_of(2)) else {
                let apis = vec!["rates/v2".to_owned()];
                let new = NewPlan { name: format!("plan-{step}"), rate, apis, scopes: vec![] };
                let done = control.create_plan(gate(), new).await;
                return made.plans.extend(done.ok().map(|answer| id_of(&answer)));
            };
            let read = control.read_plan(gate(), plan.clone()).await.unwrap();
            let call = World::at_version(gate(), read.version.unwrap());
            let change = PlanChange { rate: Some(rate), ..PlanChange::default() };
            control.change_plan(call, plan.clone(), change).await.unwrap();
        }
        11 => {
            // An API comes, changes or goes, with its documents.
            let Some(api) = walk.one(&made.apis).filter(|_| walk.below(2) == 0) else {
                let read = ReadApi { plans: api_plans(step), ..read_api(&format!("api-{step}")) };
                let done = control.create_api(gate(), read, ApiTerms::default());
                return made.apis.extend(done.await.ok().map(|answer| id_of(&answer)));
            };
            let Ok(read) = control.read_api(gate(), api.clone()).await else { return };
            let call = World::at_version(gate(), read.version.unwrap());
            if step.is_multiple_of(4) {
                let _ = control.delete_api(call, api.clone()).await;
                return;
            }
            let (name, _) = read.body["api"].as_str().unwrap().split_once('/').unwrap();
            let plans = api_plans(step);
            let changed = ReadApi { documents: format!("[{step}]"), plans, ..read_api(name) };
            use ApiState::{Deprecated, Published, Retired};
            let states = [Published, Published, Published, Deprecated, Retired];
            let terms = ApiTerms { state: walk.one(&states).copied(), source: None };
            control.change_api(call, api.clone(), changed, terms, None).await.unwrap();
        }
        10 => {
            let Some(app) = walk.one(&made.applications) else { return };
            let Ok(read) = control.read_application(owner(), app.clone()).await else { return };
            let call = |call| World::at_version(call, read.version.unwrap());
            let standing =
                if step.is_multiple_of(2) { Standing::Suspended } else { Standing::Active };
            let change = ApplicationChange { name: None, standing: Some(standing) };
            if control.delete_application(call(owner()), app.clone()).await.is_err() {
                let _ = control.change_application(call(gate()), app.clone(), change).await;
            }
        }
        _ => {
            // A customer comes with an application and a key, and another one goes.
            let name = format!("org-{step}");
            let made = control.create_organisation(gate(), name, OrganisationKind::Customer).await;
            let id = made.as_ref().map(id_of).unwrap();
            let suspend = OrganisationChange { name: None, standing: Some(Standing::Suspended) };
            let call = World::at_version(gate(), 1);
            control.change_organisation(call, id, suspend).await.unwrap();
            let name = format!("app-of-{step}");
            let id = made.as_ref().map(id_of).unwrap();
            control.create_application(gate(), id, name).await.unwrap();
            if step.is_multiple_of(3) {
                let id = made.map(|answer| id_of(&answer)).unwrap();
                control.delete_organisation(World::at_version(gate(), 2), id).await.unwrap();
            }
        }
    }
}
