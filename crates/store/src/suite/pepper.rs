//! What secrets are known by is mixed with the pepper of the store, and with no other.

use pasarela_model::{KeyDigest, Pepper};

use super::{Bed, PEPPER, add, at, id, on_both, organisation};
use crate::{Error, Invitation, Role, Store};

on_both! {
    t15_a_store_that_had_no_pepper_is_mixed_once,
    another_pepper_is_refused_and_changes_nothing,
}

const DIGEST: KeyDigest = KeyDigest([9; 32]);

/// A store with an invitation that is known by this.
async fn with_invitation(bed: &Bed, digest: KeyDigest) -> Store {
    let store = bed.open().await;
    let acme = organisation("acme");
    add(&store, &acme).await.unwrap();
    let invitation = Invitation {
        id: id(),
        version: 1,
        organisation: acme.id.clone(),
        email: "ana@example.org".to_owned(),
        role: Role::Viewer,
        digest,
        created: at(1),
        expires: at(9),
    };
    let insert = store.write(move |tx| Box::pin(async move { tx.insert(&invitation, "").await }));
    let done: Result<(), Error> = insert.await;
    done.unwrap();
    store
}

/// By what the invitation of this SHA-256 is known, where there is one.
async fn known(store: &Store) -> Option<KeyDigest> {
    let read = store.read(|tx| Box::pin(async move { tx.invited(DIGEST).await }));
    let found: Result<_, Error> = read.await;
    found.unwrap().map(|invitation| invitation.digest)
}

async fn t15_a_store_that_had_no_pepper_is_mixed_once(bed: Bed) {
    // As an older version left it.
    let store = with_invitation(&bed, DIGEST).await;
    assert_eq!(known(&store).await, None);
    let forget = store.write(|tx| {
        Box::pin(async move {
            tx.execute("DELETE FROM counters WHERE name = 'pepper'", Vec::new()).await
        })
    });
    let done: Result<u64, Error> = forget.await;
    assert_eq!(done.unwrap(), 1);
    store.close().await;
    for _ in 0..2 {
        let store = bed.open().await;
        assert_eq!(known(&store).await, Some(PEPPER.of(&DIGEST)));
        store.close().await;
    }
}

async fn another_pepper_is_refused_and_changes_nothing(bed: Bed) {
    let store = with_invitation(&bed, PEPPER.of(&DIGEST)).await;
    store.close().await;
    let other = Pepper::new(&[8; 32]);
    let refused = Store::open(&bed.place, &other).await.unwrap_err();
    assert!(matches!(refused, Error::OtherPepper), "{refused}");
    assert!(known(&bed.open().await).await.is_some());
}
