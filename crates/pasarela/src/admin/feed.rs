//! Watches the store, and says what it holds whenever that has changed.
//!
//! Our own changes are known at once; those of other nodes and of the command line are found by asking
//! for one number twice a second.

use std::{sync::Arc, time::Duration};

use pasarela_store::{Error, Holding, Place, Store};
use tokio::{sync::watch, time::sleep};

use super::{Desk, chain, kept::Kept};

/// How often the store is asked whether somebody else has changed it.
const POLL: Duration = Duration::from_millis(500);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the store holds, by way of what it held some time ago.
pub(super) async fn read(store: &Store, had: Holding) -> Result<Holding, Error> {
    store.read(|tx| Box::pin(async move { tx.holding_since(&had).await })).await
}

/// Runs as long as the process.
pub(super) async fn feed(
    place: Place,
    store: Option<Store>,
    desk: Desk,
    kept: Kept,
    told: watch::Sender<Arc<Holding>>,
) {
    let was_open = store.is_some();
    let store = match store {
        Some(store) => store,
        None => opened(&place).await,
    };
    desk.open(store.clone());
    if !was_open {
        tracing::info!("the store is there again");
    }
    let mut ours = store.generation();
    let mut well = true;
    loop {
        // The borrow may not live on into the match: what is borrowed cannot be replaced.
        let seen = Arc::clone(&told.borrow());
        match news(&store, seen).await {
            Ok(held) => {
                desk.well(true);
                if !std::mem::replace(&mut well, true) {
                    tracing::info!("the store answers again");
                }
                if let Some(held) = held {
                    let held = Arc::new(held);
                    told.send_replace(Arc::clone(&held));
                    let kept = kept.clone();
                    let _ = tokio::task::spawn_blocking(move || kept.write(&held)).await;
                }
            }
            Err(error) => {
                desk.well(false);
                if std::mem::replace(&mut well, false) {
                    tracing::error!(error = %chain(&error), "the store does not answer; what it held is served on");
                }
                sleep(AGAIN).await;
                continue;
            }
        }
        tokio::select! {
            changed = ours.changed() => if changed.is_err() { return },
            () = sleep(POLL) => {}
        }
    }
}

/// What there is now, where it is not what was seen.
async fn news(store: &Store, seen: Arc<Holding>) -> Result<Option<Holding>, Error> {
    let news = store.read(|tx| {
        Box::pin(async move {
            match tx.generation().await? == seen.generation {
                true => Ok(None),
                false => tx.holding_since(&seen).await.map(Some),
            }
        })
    });
    news.await
}

async fn opened(place: &Place) -> Store {
    loop {
        sleep(AGAIN).await;
        match Store::open(place).await {
            Ok(store) => return store,
            Err(error) => tracing::debug!(error = %chain(&error), "the store is still away"),
        }
    }
}
