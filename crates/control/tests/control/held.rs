//! What the gateway gets by way of what it had is what it would get by reading everything.

use pasarela_control::{
    ApplicationChange, Decision, NewKey, NewPlan, NewSubscription, OrganisationChange, PlanChange,
    RateTerms,
};
use pasarela_model::{ApplicationId, KeyId, OrganisationKind, PlanId, SubscriptionId};
use pasarela_store::{Error, HeldKey, Holding, Role, Standing};

use crate::{
    on_both,
    world::{World, id_of},
};

on_both! {
    a_change_at_a_time_leads_where_reading_everything_leads,
    what_was_had_of_another_log_is_not_built_upon,
}

async fn what_was_had_of_another_log_is_not_built_upon(world: World) {
    world.application(&world.acme, "one").await;
    let truly = read(&world).await;
    let since = |had: Holding| {
        let store = world.control.store().clone();
        async move {
            let read = store.read(move |tx| Box::pin(async move { tx.holding_since(&had).await }));
            let held: Result<Holding, Error> = read.await;
            held.unwrap()
        }
    };
    // Of the same log, what was had is believed; else what is there is read.
    let less = Holding { applications: Vec::new(), ..truly.clone() };
    assert!(since(less.clone()).await.applications.is_empty());
    assert_eq!(since(Holding { seal: [1; 32], ..less.clone() }).await, truly);
    assert_eq!(since(Holding { audited: truly.audited + 1, ..less }).await, truly);
}

/// Where the walk stands: what was made so far.
#[derive(Default)]
struct Made {
    applications: Vec<ApplicationId>,
    keys: Vec<KeyId>,
    plans: Vec<PlanId>,
    subscriptions: Vec<SubscriptionId>,
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
    let mut had = read(&world).await;
    let mut changes = 0;
    for step in 0..160 {
        step_once(&world, &mut walk, &mut made, step).await;
        // Sometimes several changes are read at once.
        if walk.below(3) == 0 {
            continue;
        }
        let before = had.clone();
        let now: Result<Holding, Error> = world
            .control
            .store()
            .read(move |tx| Box::pin(async move { tx.holding_since(&before).await }))
            .await;
        let now = now.unwrap();
        changes += usize::from(now != had);
        let all = read(&world).await;
        assert_eq!(sorted(&now), sorted(&all), "step {step}");
        had = now;
    }
    assert!(changes > 60, "hardly anything changed: {changes}");
    assert!(!had.keys.is_empty() && !had.subscriptions.is_empty() && !had.versions.is_empty());
}

async fn read(world: &World) -> Holding {
    let read = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Result<_, Error> = read.await;
    held.unwrap()
}

/// Among the keys of one application the order means nothing.
fn sorted(held: &Holding) -> Holding {
    let mut held = held.clone();
    assert!(held.keys.is_sorted_by_key(|key| key.application));
    held.keys.sort_by_key(|key: &HeldKey| (key.application, key.digest));
    held
}

/// Tries one verb; some are refused, which changes nothing and is fine.
async fn step_once(world: &World, walk: &mut Walk, made: &mut Made, step: usize) {
    let control = &world.control;
    let gate = || world.by(&world.gate, Role::Owner);
    let whose = if walk.below(2) == 0 { &world.acme } else { &world.bolt };
    let owner = || world.by(whose, Role::Owner);
    match walk.below(12) {
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
            let new = NewSubscription { api: "rates/v2".to_owned(), plan };
            let done = control.subscribe(owner(), app.clone(), new).await;
            made.subscriptions.extend(done.ok().map(|answer| id_of(&answer)));
        }
        8 => {
            let Some(subscription) = walk.one(&made.subscriptions) else { return };
            let decisions = [Decision::Suspend, Decision::Resume, Decision::End];
            let Some(decision) = walk.one(&decisions) else { return };
            let _ = control.decide(gate(), subscription.clone(), *decision).await;
        }
        9 => {
            let rate = Some(RateTerms { count: 5, per_ms: 1_000, burst: None });
            let Some(plan) = walk.one(&made.plans).filter(|_| step.is_multiple_of(2)) else {
                let apis = vec!["rates/v2".to_owned()];
                let new = NewPlan { name: format!("plan-{step}"), rate, apis };
                let done = control.create_plan(gate(), new).await;
                return made.plans.extend(done.ok().map(|answer| id_of(&answer)));
            };
            let read = control.read_plan(gate(), plan.clone()).await.unwrap();
            let call = World::at_version(gate(), read.version.unwrap());
            let change = PlanChange { rate: Some(rate), ..PlanChange::default() };
            control.change_plan(call, plan.clone(), change).await.unwrap();
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
