//! Clients: secrets that are shown once, replaced without a gap, and of no use when they end.

use pasarela_control::{Answer, Error, NewClient, SecretKind, digest, well_formed};
use pasarela_model::{ApplicationId, ClientId, Credential, KeyDigest, StoredKey};
use pasarela_store::Role;

use crate::{
    compiled::compiled,
    on_both,
    world::{World, id_of},
};

on_both! {
    a_secret_is_replaced_without_a_gap,
    l36_a_client_that_ended_is_not_served,
    whoever_runs_the_gateway_ends_a_partners_client_and_never_gets_its_secret,
    an_application_has_twenty_clients_at_a_time,
}

async fn made(world: &World, app: &ApplicationId, new: NewClient) -> Answer {
    let developer = world.by(&world.acme, Role::Developer);
    let made = world.control.create_client(developer, app.clone(), new).await.unwrap();
    assert!(well_formed(SecretKind::ClientSecret, made.secret.as_deref().unwrap()));
    made
}

/// What the gateway is given of the one application: its clients and their secrets.
async fn served(world: &World) -> Vec<(String, Vec<StoredKey>)> {
    let snapshot = compiled(world, world.now()).await.snapshot;
    let all = snapshot.applications.iter().flat_map(|one| one.credentials.clone());
    all.filter_map(|one| match one {
        Credential::Client { id, secrets } => Some((id, secrets)),
        _ => None,
    })
    .collect()
}

fn secret_of(answer: &Answer) -> KeyDigest {
    digest(answer.secret.as_deref().unwrap())
}

async fn a_secret_is_replaced_without_a_gap(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let first = made(&world, &app, NewClient::default()).await;
    let id: ClientId = id_of(&first);
    let developer = || world.by(&world.acme, Role::Developer);
    let alone = StoredKey::new(secret_of(&first), None);
    assert_eq!(served(&world).await, [(id.to_string(), vec![alone])]);

    let second = world.control.rotate_client(developer(), id.clone(), 60).await.unwrap();
    let both = served(&world).await.remove(0).1;
    assert_eq!(both[0], StoredKey::new(secret_of(&second), None));
    assert_eq!(both[1].digest, secret_of(&first));
    let left = both[1].expires.millis() - world.now().millis();
    assert!((1..=60_000).contains(&left), "{left}");

    // Of two that live on only the newer one does; without an overlap none.
    let third = world.control.rotate_client(developer(), id.clone(), 60).await.unwrap();
    let digests = |secrets: &[StoredKey]| secrets.iter().map(|one| one.digest).collect::<Vec<_>>();
    let now = served(&world).await.remove(0).1;
    assert_eq!(digests(&now), [secret_of(&third), secret_of(&second)]);
    let fourth = world.control.rotate_client(developer(), id.clone(), 0).await.unwrap();
    assert_eq!(digests(&served(&world).await.remove(0).1), [secret_of(&fourth)]);

    let listed = world.control.list_clients(developer(), app, Default::default()).await.unwrap();
    let shown = &listed.body["items"][0];
    assert_eq!(shown["hint"], fourth.secret.as_deref().unwrap()[..8]);
    assert!(!listed.body.to_string().contains(fourth.secret.as_deref().unwrap()));
    for wrong in [-1, 7_776_001] {
        let refused = world.control.rotate_client(developer(), id.clone(), wrong).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
}

async fn l36_a_client_that_ended_is_not_served(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let developer = || world.by(&world.acme, Role::Developer);
    let end = world.now().plus_millis(90_000);
    let short = NewClient { label: "short".to_owned(), expires: Some(end) };
    let short: ClientId = id_of(&made(&world, &app, short).await);
    let long: ClientId = id_of(&made(&world, &app, NewClient::default()).await);
    assert_eq!(served(&world).await.len(), 2);
    // The compiler says when to look again, without anybody changing anything.
    assert_eq!(compiled(&world, world.now()).await.until, Some(end));
    world.later(90_000);
    let left = served(&world).await;
    assert_eq!(left.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [long.as_str()]);
    let late = world.control.rotate_client(developer(), short, 0).await;
    assert!(matches!(late, Err(Error::State { .. })), "{late:?}");
    world.control.revoke_client(developer(), long.clone()).await.unwrap();
    assert!(served(&world).await.is_empty());
    let late = world.control.rotate_client(developer(), long, 0).await;
    assert!(matches!(late, Err(Error::State { .. })), "{late:?}");
}

async fn whoever_runs_the_gateway_ends_a_partners_client_and_never_gets_its_secret(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let id: ClientId = id_of(&made(&world, &app, NewClient::default()).await);
    let gate = || world.by(&world.gate, Role::Owner);
    let other = world.control.create_client(gate(), app, NewClient::default()).await;
    assert!(matches!(other, Err(Error::Forbidden)), "{other:?}");
    let rotated = world.control.rotate_client(gate(), id.clone(), 0).await;
    assert!(matches!(rotated, Err(Error::Forbidden)), "{rotated:?}");
    let bolt = world.by(&world.bolt, Role::Owner);
    let hidden = world.control.revoke_client(bolt, id.clone()).await;
    assert!(matches!(hidden, Err(Error::NotFound { .. })), "{hidden:?}");
    world.control.revoke_client(gate(), id).await.unwrap();
    assert!(served(&world).await.is_empty());
}

async fn an_application_has_twenty_clients_at_a_time(world: World) {
    let app: ApplicationId = id_of(&world.application(&world.acme, "tracker").await);
    let mut last = None;
    for _ in 0..20 {
        last = Some(id_of::<ClientId>(&made(&world, &app, NewClient::default()).await));
    }
    let developer = || world.by(&world.acme, Role::Developer);
    let more = world.control.create_client(developer(), app.clone(), NewClient::default()).await;
    assert!(matches!(more, Err(Error::State { .. })), "{more:?}");
    world.control.revoke_client(developer(), last.unwrap()).await.unwrap();
    made(&world, &app, NewClient::default()).await;
}
