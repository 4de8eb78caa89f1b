//! APIs of the store, as their verbs keep them: who may name what, what stays, what stands in the way.

use pasarela_control::{ApiTerms, Call, Compiler, Error, NewPlan, NewSubscription, ReadApi};
use pasarela_model::{ApiId, Snapshot};
use pasarela_store::{ApiState, Holding, REVISIONS_MAX, Role};

use crate::{
    on_both,
    world::{World, id_of, read_api, reader},
};

on_both! {
    an_api_goes_from_draft_to_retired_and_never_back,
    one_name_and_one_place_have_one_api,
    documents_have_revisions_and_the_last_hundred_stay,
    who_subscribes_keeps_an_api_from_being_removed,
    without_its_plans_an_api_is_served_to_nobody,
}

fn gate(world: &World) -> Call {
    world.by(&world.gate, Role::Admin)
}

fn to(state: ApiState) -> ApiTerms {
    ApiTerms { state: Some(state), source: None }
}

async fn change(world: &World, id: &ApiId, read: ReadApi, terms: ApiTerms) -> Result<i64, Error> {
    let now = world.control.read_api(gate(world), id.clone()).await?.version.unwrap();
    let call = World::at_version(gate(world), now);
    let done = world.control.change_api(call, id.clone(), read, terms, None).await?;
    Ok(done.body["revision"].as_i64().unwrap())
}

async fn an_api_goes_from_draft_to_retired_and_never_back(world: World) {
    let read = || read_api("orders");
    let retired = world.control.create_api(gate(&world), read(), to(ApiState::Retired)).await;
    assert!(matches!(retired, Err(Error::Invalid { field: "state", .. })), "{retired:?}");
    let made = world.control.create_api(gate(&world), read(), to(ApiState::Draft)).await.unwrap();
    let id: ApiId = id_of(&made);
    let app = world.application(&world.acme, "tracker").await;
    let subscribe = || {
        let new = NewSubscription { api: "orders/v1".to_owned(), plan: "free".to_owned() };
        world.control.subscribe(world.by(&world.acme, Role::Developer), id_of(&app), new)
    };
    // A draft is not there for others; what is deprecated takes nobody new.
    assert!(matches!(subscribe().await, Err(Error::NotFound { .. })));
    let with_plan = || ReadApi { plans: vec!["free".to_owned()], ..read() };
    change(&world, &id, with_plan(), to(ApiState::Published)).await.unwrap();
    let draft = change(&world, &id, with_plan(), to(ApiState::Draft)).await;
    assert!(matches!(draft, Err(Error::State { state: "published", .. })), "{draft:?}");
    change(&world, &id, with_plan(), to(ApiState::Deprecated)).await.unwrap();
    assert!(matches!(subscribe().await, Err(Error::State { state: "deprecated", .. })));
    change(&world, &id, with_plan(), to(ApiState::Published)).await.unwrap();
    subscribe().await.unwrap();
    change(&world, &id, with_plan(), to(ApiState::Retired)).await.unwrap();
    let renamed = change(&world, &id, read_api("other"), ApiTerms::default()).await;
    assert!(matches!(renamed, Err(Error::Invalid { field: "definition", .. })), "{renamed:?}");
}

async fn one_name_and_one_place_have_one_api(world: World) {
    let create = |read, terms| world.control.create_api(gate(&world), read, terms);
    let clash = |done: Result<_, Error>| matches!(done, Err(Error::Clash(_)));
    create(read_api("orders"), ApiTerms::default()).await.unwrap();
    assert!(clash(create(read_api("orders"), to(ApiState::Draft)).await));
    // The next version may be drafted at the place of this one, and published when that has gone.
    let next = || ReadApi { major: 2, ..read_api("orders") };
    assert!(clash(create(next(), ApiTerms::default()).await));
    let draft = create(next(), to(ApiState::Draft)).await.unwrap();
    assert!(clash(
        change(&world, &id_of(&draft), next(), to(ApiState::Published)).await.map(|_| draft)
    ));
    // What the file has is the file's.
    let filed = ReadApi { name: "rates".to_owned(), major: 2, ..read_api("x") };
    assert!(clash(create(filed, ApiTerms::default()).await));
    let at_the_files = ReadApi { route: "/rates/v2/".to_owned(), ..read_api("x") };
    assert!(clash(create(at_the_files, ApiTerms::default()).await));
    let plan = ReadApi { plans: vec!["nothing".to_owned()], ..read_api("x") };
    assert!(matches!(create(plan, ApiTerms::default()).await, Err(Error::Invalid { .. })));
}

async fn documents_have_revisions_and_the_last_hundred_stay(world: World) {
    let id = world.api("orders").await;
    let documents =
        |number: i64| ReadApi { documents: format!("[{number}]"), ..read_api("orders") };
    assert_eq!(change(&world, &id, read_api("orders"), ApiTerms::default()).await.unwrap(), 1);
    for number in 2..=REVISIONS_MAX + 3 {
        let now = change(&world, &id, documents(number), ApiTerms::default()).await.unwrap();
        assert_eq!(now, number);
    }
    let all = world.control.list_revisions(gate(&world), id.clone()).await.unwrap().body;
    let numbers: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (4..=REVISIONS_MAX + 3).collect::<Vec<_>>());
    // An earlier one comes back without a new number.
    let kept = world.control.kept_api(gate(&world), id.clone(), Some(50)).await.unwrap();
    assert_eq!(&*kept.documents, "[50]");
    let call = World::at_version(gate(&world), kept.api.version);
    let back =
        world.control.change_api(call, id.clone(), documents(50), ApiTerms::default(), Some(50));
    assert_eq!(back.await.unwrap().body["revision"], 50);
    // Removed, it leaves nothing: its documents are nobody's any more.
    let version = kept.api.version + 1;
    let call = World::at_version(gate(&world), version);
    world.control.delete_api(call, id).await.unwrap();
    let gone = world.control.store().read(move |tx| {
        Box::pin(async move { tx.api_documents(&kept.api.digest).await.map(drop) })
    });
    gone.await.unwrap_err();
}

async fn who_subscribes_keeps_an_api_from_being_removed(world: World) {
    let read = ReadApi { plans: vec!["free".to_owned()], ..read_api("orders") };
    let made = world.control.create_api(gate(&world), read, ApiTerms::default()).await.unwrap();
    let app = world.application(&world.acme, "tracker").await;
    let new = NewSubscription { api: "orders/v1".to_owned(), plan: "free".to_owned() };
    let developer = world.by(&world.acme, Role::Developer);
    world.control.subscribe(developer, id_of(&app), new).await.unwrap();
    let call = || World::at_version(gate(&world), 1);
    let refused = world.control.delete_api(call(), id_of(&made)).await;
    assert!(matches!(&refused, Err(Error::Clash(why)) if why.contains("sub_")), "{refused:?}");
}

async fn without_its_plans_an_api_is_served_to_nobody(world: World) {
    let gold = NewPlan { name: "gold".to_owned(), rate: None, apis: vec![], scopes: vec![] };
    let gold = world.control.create_plan(gate(&world), gold).await.unwrap();
    let read = |plans: &[&str]| {
        let plans = plans.iter().map(|plan| (*plan).to_owned()).collect();
        ReadApi { plans, ..read_api("orders") }
    };
    let made = world.control.create_api(gate(&world), read(&["gold"]), ApiTerms::default()).await;
    let id: ApiId = id_of(&made.unwrap());
    let asked = world.control.store().read(|tx| Box::pin(async move { tx.holding().await }));
    let held: Result<Holding, pasarela_store::Error> = asked.await;
    let held = held.unwrap();
    let compiled = |plans: &str| {
        let mut held = held.clone();
        held.apis[0].api.plans = plans.to_owned();
        assert_eq!(held.apis[0].api.id, id);
        Compiler::new(Snapshot::default(), held, reader(), world.now()).compiled(world.now())
    };
    // Terms that nobody is on yet are there for an API that names them.
    let some = compiled("gold gone").snapshot;
    assert_eq!(some.apis[0].plans, [0]);
    assert_eq!(some.plans[0].name, format!("{}/1", gold.body["name"].as_str().unwrap()));
    let none = compiled("gone");
    assert!(none.snapshot.apis.is_empty() && none.left_out[0].contains("orders/v1"), "{none:?}");
    assert_eq!(compiled("").snapshot.apis.len(), 1);
}
