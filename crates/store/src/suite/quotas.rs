//! Leases of quotas: never more than there is, whoever asks at the same time.

use super::{Bed, on_both};
use crate::{Error, Store};

on_both!(
    no_more_is_handed_out_than_there_is,
    what_comes_back_is_handed_out_again,
    t32_of_many_that_ask_at_once_the_sum_is_exact,
    a_lease_outlives_the_process,
);

async fn lease(
    store: &Store,
    name: &'static str,
    starts: i64,
    most: i64,
    wanted: i64,
) -> (i64, i64) {
    let leased = store
        .write(move |tx| Box::pin(async move { tx.lease_quota(name, starts, most, wanted).await }));
    leased.await.unwrap()
}

async fn no_more_is_handed_out_than_there_is(bed: Bed) {
    let store = bed.open().await;
    assert_eq!(lease(&store, "a", 10, 25, 10).await, (10, 15));
    assert_eq!(lease(&store, "a", 10, 25, 10).await, (10, 5));
    assert_eq!(lease(&store, "a", 10, 25, 10).await, (5, 0));
    assert_eq!(lease(&store, "a", 10, 25, 10).await, (0, 0));
    // Another window, another name, and a quota that was made smaller.
    assert_eq!(lease(&store, "a", 11, 25, 10).await, (10, 15));
    assert_eq!(lease(&store, "b", 10, 25, 10).await, (10, 15));
    assert_eq!(lease(&store, "a", 10, 5, 10).await, (0, 0));
    assert_eq!(lease(&store, "a", 10, 27, 10).await, (2, 0));
}

async fn what_comes_back_is_handed_out_again(bed: Bed) {
    let store = bed.open().await;
    let generation = *store.generation().borrow();
    assert_eq!(lease(&store, "a", 10, 10, 10).await, (10, 0));
    let back = |calls| {
        store.write(move |tx| Box::pin(async move { tx.return_quota("a", 10, calls).await }))
    };
    let done: Result<(), Error> = back(4).await;
    done.unwrap();
    assert_eq!(lease(&store, "a", 10, 10, 10).await, (4, 0));
    // More than was given cannot come back.
    let done: Result<(), Error> = back(11).await;
    done.unwrap();
    assert_eq!(lease(&store, "a", 10, 10, 10).await, (0, 0));
    assert_eq!(*store.generation().borrow(), generation, "nothing is served from this");
}

async fn t32_of_many_that_ask_at_once_the_sum_is_exact(bed: Bed) {
    // Two stores are two processes.
    let (one, other) = (bed.open().await, bed.open().await);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = if number % 2 == 0 { one.clone() } else { other.clone() };
        asking.spawn(async move { lease(&store, "a", 10, 100, 7).await.0 });
    }
    let mut sum = 0;
    while let Some(given) = asking.join_next().await {
        sum += given.unwrap();
    }
    assert_eq!(sum, 100);
}

async fn a_lease_outlives_the_process(bed: Bed) {
    let store = bed.open().await;
    lease(&store, "a", 10, 10, 9).await;
    drop(store);
    assert_eq!(lease(&bed.open().await, "a", 10, 10, 9).await, (1, 0));
}
