//! What people do with it, from the first start on.

use pasarela_control::{
    Answer, Decision, Error, Idempotency, MemberChange, NewClient, NewInvitation, NewKey,
    NewSubscription, OrganisationChange, SecretKind, question, well_formed,
};
use pasarela_model::{ApplicationId, ClientId, KeyId, MemberId, OrganisationId, SubscriptionId};
use pasarela_store::{Place, Role, Slice, Standing};

use crate::{
    on_both,
    world::{World, id_of, seed, text},
};

on_both! {
    an_invitation_makes_a_member_once,
    the_first_owner_comes_by_an_invitation_and_then_there_is_none,
    l41_asking_twice_under_one_key_changes_one_thing,
    a_change_names_the_version_that_was_read,
    nobody_gives_more_than_they_have_and_one_owner_stays,
    a_partner_api_is_missing_until_the_partner_is_admitted,
    a_public_api_needs_nobody,
    a_suspended_organisation_looks_and_changes_nothing,
    a_token_that_ended_is_none,
    every_change_is_in_the_log_with_before_and_after,
    t15_no_issued_secret_is_anywhere_in_the_database,
}

async fn invite(world: &World, role: Role) -> Answer {
    let call = world.by(&world.acme, Role::Owner);
    let new = NewInvitation { email: "ana@acme.example".to_owned(), role };
    world.control.invite(call, world.acme.id.clone(), new).await.unwrap()
}

async fn accept(world: &World, secret: &str) -> Result<Answer, Error> {
    world.control.accept_invitation(world.with(secret)).await
}

async fn an_invitation_makes_a_member_once(world: World) {
    let secret = invite(&world, Role::Developer).await.secret.unwrap();
    assert!(well_formed(SecretKind::Invitation, &secret));
    let welcome = accept(&world, &secret).await.unwrap();
    let token = welcome.secret.unwrap();
    assert!(well_formed(SecretKind::Token, &token));
    let me = world.control.who_am_i(world.with(&token)).await.unwrap();
    assert_eq!(me.body["member"]["role"], "developer");
    assert_eq!(me.body["organisation"]["name"], "acme");
    assert!(matches!(accept(&world, &secret).await, Err(Error::Unauthenticated)));

    let late = invite(&world, Role::Viewer).await.secret.unwrap();
    world.later(8 * 24 * 60 * 60 * 1000);
    assert!(matches!(accept(&world, &late).await, Err(Error::Unauthenticated)));
}

async fn the_first_owner_comes_by_an_invitation_and_then_there_is_none(world: World) {
    // This world has an owner; what is asked for again is for whoever holds the store itself.
    let control = &world.control;
    let first = |again| control.first_invitation(world.now(), seed(), again);
    assert_eq!(first(false).await.unwrap(), None);
    let again = first(true).await.unwrap().unwrap();
    let welcome = accept(&world, &again).await.unwrap();
    assert_eq!(welcome.body["member"]["role"], "owner");
    let twice = first(true).await.unwrap().unwrap();
    accept(&world, &twice).await.unwrap();
}

async fn l41_asking_twice_under_one_key_changes_one_thing(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let ask = |asked: &[u8]| {
        let mut call = world.by(&world.acme, Role::Developer);
        let key = "once".to_owned();
        call.idempotency = Some(Idempotency { key, question: question(&[asked]) });
        world.control.issue_key(call, app.clone(), NewKey::default())
    };
    let first = ask(b"one").await.unwrap();
    let again = ask(b"one").await.unwrap();
    assert_eq!(again.body, first.body);
    assert!(again.replayed && again.created && !first.replayed);
    // What is shown once is shown once.
    assert!(first.secret.is_some() && again.secret.is_none());
    assert!(matches!(ask(b"another").await, Err(Error::KeyReused)));
    let call = world.by(&world.acme, Role::Viewer);
    let keys = world.control.list_keys(call, app.clone(), Slice::default()).await.unwrap();
    assert_eq!(keys.body["items"].as_array().unwrap().len(), 1);
    // The key is its owner's: to somebody else it is new.
    let mut call = world.by(&world.acme, Role::Admin);
    call.idempotency =
        Some(Idempotency { key: "once".to_owned(), question: question(&[b"another"]) });
    world.control.issue_key(call, app.clone(), NewKey::default()).await.unwrap();
}

async fn a_change_names_the_version_that_was_read(world: World) {
    let rename = |version: Option<i64>, name: &str| {
        let mut call = world.by(&world.acme, Role::Admin);
        call.version = version;
        let change = OrganisationChange { name: Some(name.to_owned()), standing: None };
        world.control.change_organisation(call, world.acme.id.clone(), change)
    };
    assert!(matches!(rename(None, "one").await, Err(Error::VersionNeeded)));
    assert_eq!(rename(Some(1), "one").await.unwrap().version, Some(2));
    assert!(matches!(rename(Some(1), "two").await, Err(Error::Stale)));
    assert!(matches!(rename(Some(2), "bolt").await, Err(Error::Clash(_))));
    assert!(matches!(rename(Some(2), "filed").await, Err(Error::Invalid { .. })));
    assert!(matches!(rename(Some(2), "Not A Name").await, Err(Error::Invalid { .. })));
}

async fn nobody_gives_more_than_they_have_and_one_owner_stays(world: World) {
    let new = NewInvitation { email: "n@acme.example".to_owned(), role: Role::Owner };
    let admin = world.by(&world.acme, Role::Admin);
    let more = world.control.invite(admin, world.acme.id.clone(), new).await;
    assert!(matches!(more, Err(Error::Forbidden)), "{more:?}");

    let owner = world.by(&world.acme, Role::Owner);
    let me = world.control.who_am_i(owner).await.unwrap();
    let me: MemberId = me.body["member"]["id"].as_str().unwrap().parse().unwrap();
    let change = |role| {
        let call = World::at_version(world.by(&world.acme, role), 1);
        world.control.change_member(call, me.clone(), MemberChange { role: Role::Viewer })
    };
    // An admin does not unmake an owner, and the last one not even themselves.
    assert!(matches!(change(Role::Admin).await, Err(Error::Forbidden)));
    assert!(matches!(change(Role::Owner).await, Err(Error::State { .. })));
    let call = World::at_version(world.by(&world.acme, Role::Owner), 1);
    assert!(matches!(world.control.remove_member(call, me).await, Err(Error::State { .. })));
}

async fn subscribe(
    world: &World,
    role: Role,
    app: &Answer,
    api: &str,
    plan: &str,
) -> Result<Answer, Error> {
    let new = NewSubscription { api: api.to_owned(), plan: plan.to_owned() };
    world.control.subscribe(world.by(&world.acme, role), id_of(app), new).await
}

async fn a_partner_api_is_missing_until_the_partner_is_admitted(world: World) {
    let control = &world.control;
    let app = world.application(&world.acme, "tracker").await;
    let seen = |whose| control.list_apis(world.by(whose, Role::Viewer));
    let names = |answer: Answer| -> Vec<String> {
        let items = answer.body["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["api"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(seen(&world.acme).await.unwrap()), ["rates/v2"]);
    assert_eq!(names(seen(&world.gate).await.unwrap()).len(), 3);
    let missing = subscribe(&world, Role::Owner, &app, "tracking/v1", "carrier").await.unwrap_err();
    let nothing = subscribe(&world, Role::Owner, &app, "nothing/v9", "carrier").await.unwrap_err();
    assert_eq!(missing.to_string().replace("tracking/v1", "nothing/v9"), nothing.to_string());

    let admin = || world.by(&world.gate, Role::Admin);
    let api = "tracking/v1".to_owned();
    control.admit(admin(), world.acme.id.clone(), api.clone()).await.unwrap();
    assert_eq!(names(seen(&world.acme).await.unwrap()), ["rates/v2", "tracking/v1"]);
    assert_eq!(names(seen(&world.bolt).await.unwrap()), ["rates/v2"]);
    let asked = subscribe(&world, Role::Developer, &app, &api, "carrier").await.unwrap();
    assert_eq!(text(&asked, "state"), "pending");
    let id: SubscriptionId = id_of(&asked);
    let decide = |call, decision| control.decide(call, id.clone(), decision);
    let own = decide(world.by(&world.acme, Role::Owner), Decision::Approve).await;
    assert!(matches!(own, Err(Error::Forbidden)), "{own:?}");
    let granted = decide(admin(), Decision::Approve).await.unwrap();
    assert_eq!(text(&granted, "state"), "approved");
    assert!(matches!(decide(admin(), Decision::Approve).await, Err(Error::State { .. })));
    assert_eq!(text(&decide(admin(), Decision::Suspend).await.unwrap(), "state"), "suspended");
    let ended = decide(world.by(&world.acme, Role::Developer), Decision::End).await.unwrap();
    assert_eq!(text(&ended, "state"), "ended");

    control.dismiss(admin(), world.acme.id.clone(), api.clone()).await.unwrap();
    assert!(matches!(
        subscribe(&world, Role::Owner, &app, &api, "carrier").await,
        Err(Error::NotFound { .. })
    ));
}

async fn a_public_api_needs_nobody(world: World) {
    let app = world.application(&world.acme, "tracker").await;
    let granted = subscribe(&world, Role::Developer, &app, "rates/v2", "free").await.unwrap();
    assert_eq!(text(&granted, "state"), "approved");
    let twin = subscribe(&world, Role::Developer, &app, "rates/v2", "free").await;
    assert!(matches!(twin, Err(Error::Clash(_))), "{twin:?}");
    // A plan that the API does not have is no way in.
    let other = world.application(&world.acme, "other").await;
    for plan in ["carrier", "plan_00000000000000000000000000", ""] {
        let wrong = subscribe(&world, Role::Owner, &other, "rates/v2", plan).await;
        assert!(matches!(wrong, Err(Error::Invalid { field: "plan", .. })), "{wrong:?}");
    }
}

async fn a_suspended_organisation_looks_and_changes_nothing(world: World) {
    let stand = |version, standing| {
        let call = World::at_version(world.by(&world.gate, Role::Admin), version);
        let change = OrganisationChange { name: None, standing: Some(standing) };
        world.control.change_organisation(call, world.acme.id.clone(), change)
    };
    stand(1, Standing::Suspended).await.unwrap();
    let own: OrganisationId = world.acme.id.clone();
    let owner = || world.by(&world.acme, Role::Owner);
    world.control.read_organisation(owner(), own.clone()).await.unwrap();
    let change = world.control.create_application(owner(), own.clone(), "app".to_owned()).await;
    assert!(matches!(change, Err(Error::Suspended)), "{change:?}");
    stand(2, Standing::Active).await.unwrap();
    world.control.create_application(owner(), own, "app".to_owned()).await.unwrap();
}

async fn a_token_that_ended_is_none(world: World) {
    let control = &world.control;
    let end = world.now().plus_millis(1_000);
    let viewer = world.by(&world.acme, Role::Viewer);
    let made = control.create_token(viewer, "laptop".to_owned(), Some(end)).await.unwrap();
    let token = made.secret.clone().unwrap();
    control.who_am_i(world.with(&token)).await.unwrap();
    world.later(1_000);
    assert!(matches!(control.who_am_i(world.with(&token)).await, Err(Error::Unauthenticated)));

    let made = control.create_token(world.by(&world.acme, Role::Viewer), "b".to_owned(), None);
    let made = made.await.unwrap();
    let token = made.secret.clone().unwrap();
    // Somebody else's token is not there.
    let admin = world.by(&world.acme, Role::Admin);
    let other = control.revoke_token(admin, id_of(&made)).await;
    assert!(matches!(other, Err(Error::NotFound { .. })), "{other:?}");
    control.revoke_token(world.with(&token), id_of(&made)).await.unwrap();
    assert!(matches!(control.who_am_i(world.with(&token)).await, Err(Error::Unauthenticated)));
    assert!(matches!(control.who_am_i(world.with("pst_x")).await, Err(Error::Unauthenticated)));
}

async fn every_change_is_in_the_log_with_before_and_after(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let call = World::at_version(world.by(&world.acme, Role::Developer), 1);
    let change =
        pasarela_control::ApplicationChange { name: Some("other".to_owned()), standing: None };
    world.control.change_application(call, app.clone(), change).await.unwrap();
    // One that fails leaves nothing.
    let call = World::at_version(world.by(&world.acme, Role::Viewer), 2);
    world.control.delete_application(call, app.clone()).await.unwrap_err();

    let read = |whose| world.control.read_audit(world.by(whose, Role::Admin), Slice::default());
    let log = read(&world.acme).await.unwrap().body["items"].as_array().unwrap().clone();
    let verbs: Vec<_> = log.iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["application.change", "application.create"]);
    assert_eq!(log[0]["before"]["name"], "tracker");
    assert_eq!(log[0]["after"]["name"], "other");
    assert_eq!(log[0]["object"], app.as_str());
    // Another organisation's log has none of it, the gate's has all.
    assert_eq!(read(&world.bolt).await.unwrap().body["items"].as_array().unwrap().len(), 0);
    assert_eq!(read(&world.gate).await.unwrap().body["items"].as_array().unwrap().len(), 2);
}

async fn t15_no_issued_secret_is_anywhere_in_the_database(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let developer = || world.by(&world.acme, Role::Developer);
    let mut call = developer();
    call.idempotency = Some(Idempotency { key: "k".to_owned(), question: question(&[b"q"]) });
    let issued = world.control.issue_key(call, app.clone(), NewKey::default()).await.unwrap();
    let rotated = world.control.rotate_key(developer(), id_of::<KeyId>(&issued), 60).await.unwrap();
    let client = world.control.create_client(developer(), app.clone(), NewClient::default());
    let client = client.await.unwrap();
    let fresh = world.control.rotate_client(developer(), id_of::<ClientId>(&client), 60);
    let fresh = fresh.await.unwrap();
    let token = world.control.create_token(developer(), "t".to_owned(), None).await.unwrap();
    let invited = invite(&world, Role::Viewer).await;
    let secrets =
        [issued, rotated, client, fresh, token, invited].map(|answer| answer.secret.unwrap());
    world.control.store().close().await;

    let dump = dump(&world.place);
    assert!(dump.windows(7).any(|part| part == b"tracker"), "the dump has what is no secret");
    for secret in &secrets {
        // Not even the part that is random.
        let random = &secret.as_bytes()[8..];
        assert!(!dump.windows(random.len()).any(|part| part == random), "{secret} is stored");
    }
}

/// Every byte that the database keeps.
fn dump(place: &Place) -> Vec<u8> {
    match place {
        Place::Sqlite(folder) => std::fs::read_dir(folder)
            .unwrap()
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect(),
        Place::Postgres(url) => {
            let programs = std::env::var_os("PASARELA_POSTGRES_BIN").unwrap();
            let dump = std::path::Path::new(&programs).join("pg_dump");
            std::process::Command::new(dump)
                .arg(String::from_utf8(url.expose().to_vec()).unwrap())
                .output()
                .unwrap()
                .stdout
        }
    }
}
