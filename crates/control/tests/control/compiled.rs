//! What the gateway gets to serve from.

use pasarela_control::{
    Answer, Compiled, Compiler, NewKey, NewPlan, NewSubscription, OrganisationChange, PlanChange,
    RateTerms, digest,
};
use pasarela_model::{
    Api, Application, Credential, KeyDigest, Plan, Snapshot, Timestamp, Upstream, UpstreamTarget,
    Visibility,
};
use pasarela_store::{Holding, Role, Standing};

use crate::{
    on_both,
    world::{World, id_of, pepper, reader},
};

on_both! {
    a_key_works_from_its_issue_to_its_end,
    a_subscription_stays_on_the_terms_it_was_made_on,
    the_files_part_stays_as_it_is,
    what_is_suspended_is_not_there,
    a_key_that_the_file_has_too_is_the_files,
}

/// The file that `world::offer` stands for.
pub(crate) fn file() -> Snapshot {
    let api = |name: &str, version, visibility, plan| {
        let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 9)]);
        Api { visibility, plans: vec![plan], ..Api::new(name, version, upstream) }
    };
    let plan = |name: &str| Plan::new(name);
    Snapshot {
        apis: vec![
            api("rates", 2, Visibility::Public, 0),
            api("tracking", 1, Visibility::Partner, 1),
            api("ledger", 1, Visibility::Private, 2),
        ]
        .into(),
        pepper: Some(pepper()),
        plans: ["free", "carrier", "inside"].map(plan).to_vec(),
        applications: vec![Application {
            name: "filed".to_owned(),
            organisation: None,
            subscriptions: vec![],
            credentials: vec![Credential::ApiKey(KeyDigest([7; 32]))],
            ..Application::default()
        }]
        .into(),
        ..Snapshot::default()
    }
}

pub(crate) async fn compiled(world: &World, now: Timestamp) -> Compiled {
    let read = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Result<_, pasarela_store::Error> = read.await;
    compile(file(), held.unwrap(), now)
}

fn compile(file: Snapshot, held: Holding, now: Timestamp) -> Compiled {
    Compiler::new(file, held, reader(), now).compiled(now)
}

/// The applications that hold a key.
fn holders(snapshot: &Snapshot, key: &str) -> Vec<String> {
    let wanted = digest(key);
    let stored = snapshot.pepper.as_ref().unwrap().of(&wanted);
    let holds = |application: &&Application| {
        application.credentials.contains(&Credential::ApiKey(wanted))
            || application.keys.iter().any(|key| key.digest == stored)
    };
    snapshot.applications.iter().filter(holds).map(|one| one.name.clone()).collect()
}

async fn subscribe(world: &World, app: &Answer, plan: &str) -> Answer {
    let new = NewSubscription { api: "rates/v2".to_owned(), plan: plan.to_owned() };
    let call = world.by(&world.acme, Role::Developer);
    world.control.subscribe(call, id_of(app), new).await.unwrap()
}

async fn a_key_works_from_its_issue_to_its_end(world: World) {
    let app = world.application(&world.acme, "tracker").await;
    let developer = || world.by(&world.acme, Role::Developer);
    let issued =
        world.control.issue_key(developer(), id_of(&app), NewKey::default()).await.unwrap();
    let old = issued.secret.clone().unwrap();
    let now = world.now();
    let first = compiled(&world, now).await;
    assert_eq!(holders(&first.snapshot, &old), ["acme/tracker"]);
    assert_eq!(first.until, None);

    let rotated = world.control.rotate_key(developer(), id_of(&issued), 60).await.unwrap();
    let new = rotated.secret.clone().unwrap();
    let during = compiled(&world, now).await;
    assert_eq!(holders(&during.snapshot, &old), ["acme/tracker"]);
    assert_eq!(holders(&during.snapshot, &new), ["acme/tracker"]);
    let end = now.plus_millis(60_000);
    assert_eq!(during.until, Some(end));
    let after = compiled(&world, end).await;
    assert!(holders(&after.snapshot, &old).is_empty());
    assert_eq!(holders(&after.snapshot, &new), ["acme/tracker"]);

    world.control.revoke_key(developer(), id_of(&rotated)).await.unwrap();
    assert!(holders(&compiled(&world, now).await.snapshot, &new).is_empty());
}

async fn a_subscription_stays_on_the_terms_it_was_made_on(world: World) {
    let admin = || world.by(&world.gate, Role::Admin);
    let rate = |count| Some(RateTerms { count, per_ms: 1_000, burst: None });
    let apis = vec!["rates/v2".to_owned()];
    let plan = NewPlan {
        name: "pro".to_owned(),
        rate: rate(10),
        apis,
        scopes: vec!["write".to_owned(), "read".to_owned(), "read".to_owned()],
    };
    let plan = world.control.create_plan(admin(), plan).await.unwrap();
    let plan_id = plan.body["id"].as_str().unwrap();
    let (early, late) = (
        world.application(&world.acme, "early").await,
        world.application(&world.acme, "late").await,
    );
    subscribe(&world, &early, plan_id).await;
    let change = PlanChange { rate: Some(rate(99)), ..PlanChange::default() };
    let call = World::at_version(admin(), 1);
    world.control.change_plan(call, id_of(&plan), change).await.unwrap();
    subscribe(&world, &late, plan_id).await;

    let snapshot = compiled(&world, world.now()).await.snapshot;
    let terms = |name: &str| {
        let found = snapshot.applications.iter().find(|one| one.name == name).unwrap();
        let plan = &snapshot.plans[found.subscriptions[0].plan];
        let rate = plan.rate.unwrap();
        (plan.name.clone(), rate.count, rate.burst, plan.scopes.to_string())
    };
    let text = str::to_owned;
    assert_eq!(terms("acme/early"), (text("pro/1"), 10, 10, text("read write")));
    assert_eq!(terms("acme/late"), (text("pro/2"), 99, 99, text("read write")));
    let fewer = PlanChange { scopes: Some(vec!["read".to_owned()]), ..PlanChange::default() };
    let changed = world.control.change_plan(World::at_version(admin(), 2), id_of(&plan), fewer);
    let body = changed.await.unwrap().body;
    assert_eq!((&body["latest"], &body["rate"]["count"]), (&3.into(), &99.into()));
    assert_eq!(body["scopes"], serde_json::json!(["read"]));
    let wrong = PlanChange { scopes: Some(vec!["a b".to_owned()]), ..PlanChange::default() };
    let refused = world.control.change_plan(World::at_version(admin(), 3), id_of(&plan), wrong);
    assert!(refused.await.is_err(), "a space stands between two");
}

async fn the_files_part_stays_as_it_is(world: World) {
    let app = world.application(&world.acme, "tracker").await;
    subscribe(&world, &app, "free").await;
    let all = compiled(&world, world.now()).await;
    let file = file();
    assert_eq!(all.snapshot.plans.len(), 3);
    assert_eq!(all.snapshot.applications[0].credentials, file.applications[0].credentials);
    let mine = all.snapshot.applications.iter().find(|one| one.name == "acme/tracker").unwrap();
    assert_eq!((mine.subscriptions[0].api, mine.subscriptions[0].plan), (0, 0));
    assert!(all.left_out.is_empty(), "{:?}", all.left_out);

    // The file loses the API: its subscription is told of, and everything else goes on.
    let held = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Holding = held.await.map_err(|e: pasarela_store::Error| e).unwrap();
    let shrunk = Snapshot { apis: file.apis.iter().skip(1).cloned().collect(), ..file };
    let fewer = compile(shrunk, held, world.now());
    assert_eq!(fewer.left_out.len(), 1);
    assert!(fewer.left_out[0].contains("no API rates/v2 any more"), "{:?}", fewer.left_out);
}

async fn a_key_that_the_file_has_too_is_the_files(world: World) {
    let app = world.application(&world.acme, "tracker").await;
    let call = world.by(&world.acme, Role::Developer);
    let key = world.control.issue_key(call, id_of(&app), NewKey::default()).await.unwrap();
    let key = key.secret.unwrap();
    let mut file = file();
    file.applications.get_mut(0).unwrap().credentials.push(Credential::ApiKey(digest(&key)));
    let read = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Result<_, pasarela_store::Error> = read.await;
    let both = compile(file, held.unwrap(), world.now());
    assert_eq!(holders(&both.snapshot, &key), ["filed"]);
    assert!(both.left_out[0].contains("acme/tracker"), "{:?}", both.left_out);
}

async fn what_is_suspended_is_not_there(world: World) {
    let app = world.application(&world.acme, "tracker").await;
    let call = world.by(&world.acme, Role::Developer);
    let key = world.control.issue_key(call, id_of(&app), NewKey::default()).await.unwrap();
    let key = key.secret.unwrap();
    let call = World::at_version(world.by(&world.gate, Role::Admin), 1);
    let change = OrganisationChange { name: None, standing: Some(Standing::Suspended) };
    world.control.change_organisation(call, world.acme.id.clone(), change).await.unwrap();
    let snapshot = compiled(&world, world.now()).await.snapshot;
    assert!(holders(&snapshot, &key).is_empty());
    assert!(!snapshot.organisations.iter().any(|one| one.name == "acme"));
}
