//! All or nothing, many at once, and what becomes of it when something breaks.

use super::{Bed, add, entry, on_both, organisation};
use crate::{Error, Organisation, Outcome, Slice, Store};

on_both! {
    a_change_and_its_audit_entry_are_both_there_or_neither,
    many_that_wait_share_a_commit_and_one_that_fails_takes_nobody_along,
    a_change_that_panics_costs_itself_only,
    the_generation_rises_with_what_is_audited,
    reading_sees_one_instant,
    a_closed_store_is_unavailable,
    l44_a_change_that_finds_no_place_is_told_so_and_was_not_made,
}

async fn count(store: &Store) -> usize {
    let slice = Slice { after: None, limit: Some(200) };
    let page =
        store.read(move |tx| Box::pin(async move { tx.page::<Organisation>(&slice).await })).await;
    page.unwrap().items.len()
}

async fn a_change_and_its_audit_entry_are_both_there_or_neither(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let failed = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert(&acme, "acme").await?;
                tx.audit(&entry("organisation.create", "x")).await?;
                Err::<(), _>(Error::Invalid("on second thoughts".to_owned()))
            })
        })
        .await;
    assert!(matches!(failed, Err(Error::Invalid(_))));
    assert_eq!(count(&store).await, 0);
    let log = store.read(|tx| Box::pin(async move { tx.verify_audit().await })).await.unwrap();
    assert_eq!(log.entries, 0);
    assert_eq!(*store.generation().borrow(), 0);
}

async fn many_that_wait_share_a_commit_and_one_that_fails_takes_nobody_along(bed: Bed) {
    let store = bed.open().await;
    let mut tasks = Vec::new();
    for number in 0..120 {
        // Every fourth asks for a name that is taken.
        let name = if number % 4 == 3 { "taken".to_owned() } else { format!("o{number}") };
        let store = store.clone();
        tasks.push(tokio::spawn(async move { add(&store, &organisation(&name)).await.is_ok() }));
    }
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!(done, 91);
    assert_eq!(count(&store).await, 91);
    assert!(store.commits() < 91, "{} commits for 91 changes", store.commits());
    let log = store.read(|tx| Box::pin(async move { tx.verify_audit().await })).await.unwrap();
    assert_eq!((log.entries, log.broken), (91, None));
}

async fn a_change_that_panics_costs_itself_only(bed: Bed) {
    let store = bed.open().await;
    let acme = organisation("acme");
    let broken = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert(&acme, "acme").await?;
                assert!(acme.name.is_empty(), "a bug of ours");
                Ok::<_, Error>(())
            })
        })
        .await;
    assert!(matches!(broken, Err(Error::Unavailable { .. })), "{broken:?}");
    assert_eq!(count(&store).await, 0);
    add(&store, &organisation("acme")).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

async fn the_generation_rises_with_what_is_audited(bed: Bed) {
    let store = bed.open().await;
    let mut seen = store.generation();
    assert_eq!(*seen.borrow_and_update(), 0);
    add(&store, &organisation("acme")).await.unwrap();
    assert!(seen.has_changed().unwrap());
    assert_eq!(*seen.borrow_and_update(), 1);
    store.close().await;
    assert_eq!(*bed.open().await.generation().borrow(), 1);
}

async fn reading_sees_one_instant(bed: Bed) {
    let store = bed.open().await;
    add(&store, &organisation("before")).await.unwrap();
    let (begun, began) = tokio::sync::oneshot::channel();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .read(move |tx| {
                    Box::pin(async move {
                        let slice = Slice::default();
                        let first = tx.page::<Organisation>(&slice).await?.items.len();
                        let _ = begun.send(());
                        let _ = gone.await;
                        let then = tx.page::<Organisation>(&slice).await?.items.len();
                        Ok::<_, Error>((first, then))
                    })
                })
                .await
        })
    };
    began.await.unwrap();
    add(&store, &organisation("meanwhile")).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), (1, 1));
    assert_eq!(count(&store).await, 2);
}

async fn l44_a_change_that_finds_no_place_is_told_so_and_was_not_made(bed: Bed) {
    let store = bed.open().await;
    let (begun, began) = tokio::sync::oneshot::channel();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let slow = {
        let store = store.clone();
        tokio::spawn(async move {
            let change = store.write(move |tx| {
                Box::pin(async move {
                    let _ = begun.send(());
                    let _ = gone.await;
                    tx.audit(&entry("slow", "x")).await
                })
            });
            let done: Result<(), Error> = change.await;
            done
        })
    };
    began.await.unwrap();
    // The queue, and some more.
    let waiting: Vec<_> = (0..crate::commit::QUEUE + 20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { add(&store, &named(number)).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(1_300)).await;
    go.send(()).unwrap();
    slow.await.unwrap().unwrap();
    let (mut done, mut refused) = (0, 0);
    for one in waiting {
        match one.await.unwrap() {
            Ok(()) => done += 1,
            Err(Error::Unavailable { outcome: Outcome::NotDone, .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((done, refused), (crate::commit::QUEUE, 20));
    let log = store.read(|tx| Box::pin(async move { tx.verify_audit().await })).await.unwrap();
    assert_eq!(log.entries as usize, crate::commit::QUEUE + 1);
}

/// An organisation with an id of its own, however many there are.
fn named(number: usize) -> Organisation {
    let mut chance = [0; 10];
    chance[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let id = pasarela_model::Id::new(super::at(2), chance);
    Organisation { id, ..organisation(&format!("o{number}")) }
}

async fn a_closed_store_is_unavailable(bed: Bed) {
    let store = bed.open().await;
    let late = store.clone();
    store.close().await;
    let answer = add(&late, &organisation("late")).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
}
