//! What holds for every noun, and the rules between them.

use pasarela_model::{KeyDigest, OrganisationKind, Secret, SigningKey, StoredKey};

use super::{Bed, PEPPER, add, at, entry, id, on_both, organisation};
use crate::{
    Admission, Answered, Application, ApplicationKey, AuditFilter, Client, Error, Member,
    Organisation, Plan, PlanState, PlanVersion, Role, Slice, Standing, Store, Subscription,
    SubscriptionState, Token,
};

on_both! {
    what_is_written_reads_back,
    a_stale_version_is_a_conflict_and_changes_nothing,
    names_are_unique_where_they_must_be,
    there_is_one_owner,
    lists_go_on_where_they_stopped_whatever_is_added,
    an_organisation_in_use_stays_and_says_by_what,
    an_application_has_one_live_subscription_to_an_api,
    terms_of_a_plan_never_change,
    t30_a_log_that_was_tampered_with_names_the_entry,
    l41_an_answer_is_kept_with_its_question_for_a_day,
    a_key_is_known_by_its_digest_and_does_not_print_it,
    signing_keys_are_kept_in_their_order_and_the_log_says_when_without_showing_them,
}

fn application(of: &Organisation, name: &str) -> Application {
    Application {
        id: id(),
        version: 1,
        organisation: of.id.clone(),
        name: name.to_owned(),
        standing: Standing::Active,
        created: at(2),
    }
}

fn subscription(of: &Application, api: &str) -> Subscription {
    Subscription {
        id: id(),
        version: 1,
        organisation: of.organisation.clone(),
        application: of.id.clone(),
        api: api.to_owned(),
        plan: None,
        plan_version: None,
        file_plan: Some("free".to_owned()),
        state: SubscriptionState::Approved,
        created: at(3),
        decided: Some(at(4)),
    }
}

async fn insert<N: crate::Noun + Clone + 'static>(store: &Store, new: &N) -> Result<(), Error> {
    let new = new.clone();
    store.write(move |tx| Box::pin(async move { tx.insert(&new, "it").await })).await
}

async fn get<N: crate::Noun + 'static>(store: &Store, id: &str) -> Result<N, Error> {
    let id = id.to_owned();
    store.read(move |tx| Box::pin(async move { tx.get(&id).await })).await
}

async fn what_is_written_reads_back(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let member = Member {
        id: id(),
        version: 1,
        organisation: acme.id.clone(),
        email: "ana@example.org".to_owned(),
        role: Role::Admin,
        created: at(5),
    };
    let token = Token {
        id: id(),
        version: 1,
        member: member.id.clone(),
        label: "läptop".to_owned(),
        digest: PEPPER.of(&KeyDigest([9; 32])),
        created: at(6),
        expires: None,
        revoked: Some(at(7)),
    };
    let app = application(&acme, "tracker");
    let wanted = subscription(&app, "rates/v2");
    add(&store, &acme).await.unwrap();
    insert(&store, &member).await.unwrap();
    insert(&store, &token).await.unwrap();
    insert(&store, &app).await.unwrap();
    insert(&store, &wanted).await.unwrap();
    drop(store);

    let store = bed.open().await;
    assert_eq!(get::<Organisation>(&store, acme.id.as_str()).await.unwrap(), acme);
    assert_eq!(get::<Application>(&store, app.id.as_str()).await.unwrap(), app);
    assert_eq!(get::<Subscription>(&store, wanted.id.as_str()).await.unwrap(), wanted);
    let found = store
        .read(move |tx| Box::pin(async move { tx.bearer(KeyDigest([9; 32])).await }))
        .await
        .unwrap();
    assert_eq!(found, Some((token, member, acme)));
    let none = store.read(|tx| Box::pin(async move { tx.bearer(KeyDigest([8; 32])).await })).await;
    assert_eq!(none.unwrap(), None);
    let missing = get::<Organisation>(&store, "org_nothing").await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { noun: "organisation", .. }), "{missing}");
}

async fn a_stale_version_is_a_conflict_and_changes_nothing(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    add(&store, &acme).await.unwrap();
    let rename = |name: &str| {
        let mut changed = Organisation { name: name.to_owned(), ..acme.clone() };
        store.write(move |tx| {
            Box::pin(async move {
                tx.update(&mut changed, "it").await?;
                tx.audit(&entry("organisation.change", changed.id.as_str())).await?;
                Ok::<_, Error>(changed)
            })
        })
    };
    assert_eq!(rename("first").await.unwrap().version, 2);
    let generation = *store.generation().borrow();
    let stale = rename("second").await.unwrap_err();
    assert!(matches!(stale, Error::Conflict { version: 1, .. }), "{stale}");
    assert_eq!(get::<Organisation>(&store, acme.id.as_str()).await.unwrap().name, "first");
    assert_eq!(*store.generation().borrow(), generation);
}

async fn names_are_unique_where_they_must_be(bed: Bed) {
    let store = bed.open().await;
    let (acme, other) = (organisation("acme"), organisation("other"));
    add(&store, &acme).await.unwrap();
    add(&store, &other).await.unwrap();
    let twin = add(&store, &organisation("acme")).await.unwrap_err();
    assert!(matches!(&twin, Error::Exists { noun: "organisation", name } if name == "acme"));
    insert(&store, &application(&acme, "tracker")).await.unwrap();
    insert(&store, &application(&acme, "tracker")).await.unwrap_err();
    insert(&store, &application(&other, "tracker")).await.unwrap();
    let nobody = organisation("nobody");
    let orphan = insert(&store, &application(&nobody, "orphan")).await.unwrap_err();
    assert!(matches!(orphan, Error::Invalid(_)), "{orphan}");
}

async fn there_is_one_owner(bed: Bed) {
    let store = bed.open().await;
    let owner = |name| Organisation { kind: OrganisationKind::Owner, ..organisation(name) };
    let first = owner("first");
    add(&store, &first).await.unwrap();
    add(&store, &owner("second")).await.unwrap_err();
    let found = store.read(|tx| Box::pin(async move { tx.owner().await })).await;
    let found: Result<_, Error> = found;
    assert_eq!(found.unwrap(), Some(first));
}

async fn lists_go_on_where_they_stopped_whatever_is_added(bed: Bed) {
    let store = bed.open().await;
    let mut made: Vec<Organisation> = (0..7).map(|n| organisation(&format!("o{n}"))).collect();
    made.sort_by(|one, other| one.id.cmp(&other.id));
    for organisation in &made {
        add(&store, organisation).await.unwrap();
    }
    let page = |after: Option<String>| {
        let slice = Slice { after, limit: Some(3) };
        store.read(move |tx| Box::pin(async move { tx.page::<Organisation>(&slice).await }))
    };
    let first = page(None).await.unwrap();
    assert_eq!(first.items, made[..3]);
    add(&store, &organisation("late")).await.unwrap();
    let second = page(first.next).await.unwrap();
    assert_eq!(second.items, made[3..6]);
    let third = page(second.next).await.unwrap();
    assert_eq!(third.items.len(), 2);
    assert_eq!(third.next, None);
}

async fn an_organisation_in_use_stays_and_says_by_what(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let app = application(&acme, "tracker");
    let mut wanted = subscription(&app, "rates/v2");
    add(&store, &acme).await.unwrap();
    insert(&store, &app).await.unwrap();
    insert(&store, &wanted).await.unwrap();
    let remove = || {
        let gone = acme.clone();
        store.write(move |tx| Box::pin(async move { tx.remove_organisation(&gone).await }))
    };
    let used = remove().await.unwrap_err();
    assert!(matches!(&used, Error::InUse { by, .. } if *by == [wanted.id.to_string()]), "{used}");
    let app_used = {
        let gone = app.clone();
        store.write(move |tx| Box::pin(async move { tx.remove_application(&gone).await })).await
    };
    assert!(matches!(app_used, Err(Error::InUse { .. })));

    wanted.state = SubscriptionState::Ended;
    store.write(move |tx| Box::pin(async move { tx.update(&mut wanted, "").await })).await.unwrap();
    remove().await.unwrap();
    get::<Application>(&store, app.id.as_str()).await.unwrap_err();
}

async fn an_application_has_one_live_subscription_to_an_api(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let app = application(&acme, "tracker");
    add(&store, &acme).await.unwrap();
    insert(&store, &app).await.unwrap();
    let first = subscription(&app, "rates/v2");
    insert(&store, &first).await.unwrap();
    let twin = insert(&store, &subscription(&app, "rates/v2")).await.unwrap_err();
    assert!(matches!(twin, Error::Exists { .. }), "{twin}");
    insert(&store, &subscription(&app, "rates/v3")).await.unwrap();
    let neither = Subscription { file_plan: None, ..subscription(&app, "rates/v4") };
    insert(&store, &neither).await.unwrap_err();

    let admission =
        Admission { organisation: acme.id.clone(), api: "rates/v2".to_owned(), created: at(1) };
    let twice = admission.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.admit(&twice).await?;
                tx.admit(&twice).await
            })
        })
        .await
        .unwrap();
    let who = acme.id.clone();
    let admitted = store.read(move |tx| Box::pin(async move { tx.admissions(&who).await })).await;
    assert_eq!(admitted.unwrap(), [admission]);
}

async fn terms_of_a_plan_never_change(bed: Bed) {
    let store = bed.open().await;
    let plan = Plan {
        id: id(),
        version: 1,
        name: "pro".to_owned(),
        state: PlanState::Offered,
        apis: "rates/v2".to_owned(),
        latest: 1,
        created: at(1),
    };
    let terms = |number| PlanVersion {
        plan: plan.id.clone(),
        number,
        rate_count: Some(10 * number),
        rate_per_ms: Some(1_000),
        rate_burst: None,
        scopes: format!("read:{number} write"),
        created: at(1),
    };
    let (first, second, again) = (terms(1), terms(2), terms(2));
    let made = plan.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert(&made, "pro").await?;
                tx.add_plan_version(&first).await?;
                tx.add_plan_version(&second).await
            })
        })
        .await
        .unwrap();
    store
        .write(move |tx| Box::pin(async move { tx.add_plan_version(&again).await }))
        .await
        .unwrap_err();
    for sql in ["UPDATE plan_versions SET rate_count = 1", "DELETE FROM plan_versions"] {
        let done = store.write(move |tx| Box::pin(async move { tx.execute(sql, vec![]).await }));
        done.await.unwrap_err();
    }
    let of = plan.id.clone();
    let all = store.read(move |tx| Box::pin(async move { tx.plan_versions(&of).await })).await;
    assert_eq!(all.unwrap(), [terms(1), terms(2)]);
}

async fn t30_a_log_that_was_tampered_with_names_the_entry(bed: Bed) {
    let store = bed.open().await;
    for number in 0..5 {
        add(&store, &organisation(&format!("o{number}"))).await.unwrap();
    }
    let verify = || store.read(|tx| Box::pin(async move { tx.verify_audit().await }));
    let whole = verify().await.unwrap();
    assert_eq!((whole.entries, whole.broken), (5, None));

    // The tables' own guard stands in the way first.
    let forge = "UPDATE audit SET actor = 'mem_y' WHERE number = 3";
    let forged = store.write(move |tx| Box::pin(async move { tx.execute(forge, vec![]).await }));
    forged.await.unwrap_err();
    let unlock = match bed.is_sqlite() {
        true => "DROP TRIGGER audit_no_UPDATE",
        false => "DROP TRIGGER audit_no_change ON audit",
    };
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.execute(unlock, vec![]).await?;
                tx.execute(forge, vec![]).await
            })
        })
        .await
        .unwrap();
    assert_eq!(verify().await.unwrap().broken, Some(3));

    let filter = AuditFilter::default();
    let slice = Slice { after: None, limit: Some(2) };
    let newest = store
        .read(move |tx| Box::pin(async move { tx.audit_page(&filter, &slice).await }))
        .await
        .unwrap();
    assert_eq!(newest.items.iter().map(|row| row.number).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(newest.next.as_deref(), Some("4"));
}

async fn l41_an_answer_is_kept_with_its_question_for_a_day(bed: Bed) {
    let store = bed.open().await;
    let given = Answered { question: [1; 32], answer: "{}".to_owned() };
    let keep = |member: &'static str, now: i64, oldest: i64| {
        let given = given.clone();
        store.write(move |tx| {
            Box::pin(async move {
                tx.keep_answer(member, "k1", &given, at(now), at(oldest)).await?;
                tx.answered(member, "k1").await
            })
        })
    };
    assert_eq!(keep("mem_a", 100, 0).await.unwrap(), Some(given.clone()));
    assert!(matches!(keep("mem_a", 150, 0).await.unwrap_err(), Error::Exists { .. }));
    assert_eq!(keep("mem_b", 200, 0).await.unwrap(), Some(given.clone()));
    // By now those of instants 100 and 200 are old.
    assert_eq!(keep("mem_a", 300, 250).await.unwrap(), Some(given.clone()));
    let b = store.read(|tx| Box::pin(async move { tx.answered("mem_b", "k1").await })).await;
    assert_eq!(b.unwrap(), None);
}

async fn a_key_is_known_by_its_digest_and_does_not_print_it(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let app = application(&acme, "tracker");
    add(&store, &acme).await.unwrap();
    insert(&store, &app).await.unwrap();
    let key = ApplicationKey {
        id: id(),
        version: 1,
        application: app.id.clone(),
        label: "first".to_owned(),
        hint: "psk_abcd".to_owned(),
        digest: KeyDigest([5; 32]),
        created: at(1),
        expires: Some(at(9)),
        revoked: None,
    };
    insert(&store, &key).await.unwrap();
    let client = Client {
        id: id(),
        version: 1,
        application: app.id.clone(),
        label: "nightly".to_owned(),
        hint: "pss_abcd".to_owned(),
        digest: KeyDigest([6; 32]),
        retiring: Some(KeyDigest([7; 32])),
        retires: Some(at(20)),
        created: at(1),
        expires: Some(at(10)),
        revoked: None,
    };
    insert(&store, &client).await.unwrap();
    let (gone, plain) = (
        Client { id: id(), digest: KeyDigest([3; 32]), revoked: Some(at(2)), ..client.clone() },
        Client {
            id: id(),
            digest: KeyDigest([4; 32]),
            retiring: None,
            retires: None,
            expires: None,
            ..client.clone()
        },
    );
    insert(&store, &gone).await.unwrap();
    insert(&store, &plain).await.unwrap();
    let held = store.read(|tx| Box::pin(async move { tx.holding().await })).await.unwrap();
    let lean = StoredKey::new(key.digest, key.expires);
    assert_eq!(*held.applications.at(0).unwrap().keys, [lean]);
    let clients = &held.applications.at(0).unwrap().clients;
    // The old secret lives no longer than the client; one that was revoked is not there.
    let secrets = [[6; 32], [7; 32]].map(|bytes| StoredKey::new(KeyDigest(bytes), Some(at(10))));
    assert_eq!(clients.len(), 2);
    assert_eq!((&clients[0].id, &*clients[0].secrets), (&client.id, &secrets[..]));
    assert_eq!(*clients[1].secrets, [StoredKey::new(plain.digest, None)]);
    let bytes = held.to_bytes();
    assert_eq!(crate::Holding::from_bytes(&bytes).unwrap(), held);
    // Wherever it is cut (F23), and whichever bit flips, it is not taken for whole.
    for cut in 0..bytes.len() {
        crate::Holding::from_bytes(&bytes[..cut]).unwrap_err();
        let mut flipped = bytes.clone();
        flipped[cut] ^= 1;
        crate::Holding::from_bytes(&flipped).unwrap_err();
    }
    // A digest prints as four of its bytes, wherever the row is shown.
    for bytes in ["0505050505", "0606060606", "0707070707"] {
        assert!(!format!("{held:?} {client:?}").contains(bytes), "{held:?}");
    }
}

async fn signing_keys_are_kept_in_their_order_and_the_log_says_when_without_showing_them(bed: Bed) {
    let store = bed.open().await;
    let key = |name: &str, from| SigningKey { pkcs8: Secret::new(name), from, until: from + 10 };
    let (one, two) = (key("CANARY one", 1), key("CANARY two", 5));
    let keep = |keys: Vec<SigningKey>| {
        let store = &store;
        async move {
            let work = store
                .write(move |tx| Box::pin(async move { tx.keep_signing_keys(&keys, at(1)).await }));
            work.await.unwrap();
            store.read(|tx| Box::pin(async move { tx.signing_keys().await })).await.unwrap()
        }
    };
    assert_eq!(keep(vec![two.clone(), one.clone()]).await, [one, two.clone()]);
    assert_eq!(keep(vec![two.clone()]).await, [two]);
    let slice = Slice::default();
    let log = store.read(move |tx| {
        Box::pin(async move { tx.audit_page(&AuditFilter::default(), &slice).await })
    });
    let log = log.await.unwrap();
    assert_eq!(log.items.len(), 2);
    assert_eq!(log.items[0].entry.after.as_deref(), Some("[[5,15]]"));
    assert!(!format!("{log:?}").contains("CANARY"));
    store.close().await;
}
