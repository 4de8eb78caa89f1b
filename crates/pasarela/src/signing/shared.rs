//! Our signing keys on several nodes: what one has, all have, by way of the store they share.
//!
//! The file in the data folder stays what is served from, so that a start with the store dead signs as before. Here it is made the same as
//! the store, now and then: keys of either are kept, and a new one is made where all nodes see it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use pasarela_model::{SigningKey, Timestamp};
use pasarela_store::Store;
use tokio::sync::watch;

use super::{grown, read, turned, write};
use crate::admin::{self, Desk};

/// Between two looks at the store. A key is published for a day before it signs.
const LOOK: Duration = Duration::from_secs(60);
/// For one look: a store that hangs holds nobody up.
const TIME: Duration = Duration::from_secs(5);

/// Makes the file and the store the same; whether the file was changed. What goes wrong is told, and goes better the next time.
pub(super) async fn look(folder: &Path, store: &Store) -> bool {
    match tokio::time::timeout(TIME, same(folder, store)).await {
        Ok(Ok(changed)) => changed,
        Ok(Err(error)) => {
            tracing::warn!(error = %format!("{error:#}"), "signing keys cannot be shared with other nodes");
            false
        }
        Err(_) => {
            tracing::warn!("the store takes too long to share signing keys");
            false
        }
    }
}

async fn same(folder: &Path, store: &Store) -> anyhow::Result<bool> {
    let own = read(folder)?;
    let at = admin::now();
    let theirs = store.read(|tx| Box::pin(async move { tx.signing_keys().await })).await?;
    let all = joined(&theirs, &own);
    let all = match all != theirs || turned(&all, seconds(at)).is_some() {
        true => put(store, own.clone(), at).await?,
        false => theirs,
    };
    let changed = all != own;
    if changed {
        write(folder, &all)?;
    }
    Ok(changed)
}

/// Puts what is missing into the store, in one transaction with what there is by then.
async fn put(
    store: &Store,
    own: Vec<SigningKey>,
    at: Timestamp,
) -> anyhow::Result<Vec<SigningKey>> {
    let work = store.write(move |tx| {
        Box::pin(async move {
            let theirs = tx.signing_keys().await?;
            let all = joined(&theirs, &own);
            let all = grown(&all, seconds(at))?.unwrap_or(all);
            if all != theirs {
                tx.keep_signing_keys(&all, at).await?;
            }
            Ok::<_, anyhow::Error>(all)
        })
    });
    work.await
}

/// The keys of both, each once, in the order in which they begin to sign.
fn joined(one: &[SigningKey], other: &[SigningKey]) -> Vec<SigningKey> {
    let mut all = [one, other].concat();
    all.sort_by(|a, b| (a.from, a.pkcs8.expose()).cmp(&(b.from, b.pkcs8.expose())));
    all.dedup_by(|a, b| a.pkcs8 == b.pkcs8);
    all
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.millis() / 1000).unwrap_or_default()
}

/// Looks again and again while tokens are issued.
pub(super) async fn share(
    folder: PathBuf,
    desk: Desk,
    mut issues: watch::Receiver<bool>,
    told: watch::Sender<()>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            changed = issues.changed() => if changed.is_err() { return },
        }
        let issued = *issues.borrow_and_update();
        if issued
            && let Some(control) = desk.get()
            && look(&folder, control.store()).await
        {
            told.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use pasarela_model::Secret;

    use super::*;

    #[test]
    fn keys_of_two_nodes_are_one_list_in_the_order_in_which_they_sign() {
        let key = |name: &str, from| SigningKey { pkcs8: Secret::new(name), from, until: from + 9 };
        let (one, two, three) = (key("b", 1), key("a", 2), key("b2", 2));
        let all = [one.clone(), two.clone(), three.clone()];
        let joined_up = joined(&[three.clone(), one.clone()], &[one, two]);
        assert_eq!(joined_up, all);
        assert_eq!(joined(&all, &[]), all);
    }
}
