//! Keeps the ledger of quotas: what the gateway has leased is written down before it is given (T32, L40).
//!
//! The ledger is the store where there is one; otherwise one of its own, in the data folder, which is opened when the first quota
//! is used. Leases are few: one for each hundredth of a quota. At a clean end ([`Keeper::end`]) what was not used goes back. Where
//! the ledger does not answer, calls have what was leased before, and then whatever their plan says.

use std::{path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use anyhow::Context as _;
use pasarela_gateway::quota::{Ask, Counter, Quotas, Returned, Window};
use pasarela_store::{Error, Place, Store};
use tokio::sync::OnceCell;

use crate::admin::{Desk, PepperFile};

/// The ledger's folder, in the data folder.
const FOLDER: &str = "quotas";
/// Before it is said that the ledger does not answer, so that it is not asked without a pause.
const PAUSE: Duration = Duration::from_millis(100);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever keeps the ledger. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Keeper(Rc<Inner>);

struct Inner {
    quotas: Arc<Quotas>,
    desk: Option<Desk>,
    folder: PathBuf,
    own: OnceCell<Store>,
}

impl Keeper {
    /// With the store that is administered, or a folder for one.
    pub(crate) fn new(quotas: Arc<Quotas>, desk: Option<Desk>, data: &std::path::Path) -> Self {
        let folder = data.join(FOLDER);
        Self(Rc::new(Inner { quotas, desk, folder, own: OnceCell::new() }))
    }

    /// Answers for as long as the process serves.
    pub(crate) async fn keep(self) {
        loop {
            // Each for itself: the store commits together what comes together.
            for ask in self.0.quotas.asks().await {
                let keeper = self.clone();
                tokio::task::spawn_local(async move { keeper.answer(ask).await });
            }
        }
    }

    async fn answer(&self, ask: Ask) {
        match ask {
            Ask::Return(returned) => self.give_back(returned).await,
            Ask::Lease { counter, window } => {
                let most = counter.calls();
                let leased = self.lease(&counter, window, most);
                let leased = tokio::time::timeout(PATIENCE, leased).await;
                match leased {
                    Ok(Ok((calls, spare))) => counter.lease(window, calls, spare, most),
                    Ok(Err(error)) => {
                        tracing::warn!(quota = counter.name(), error = %format!("{error:#}"), "the ledger of quotas fails");
                        tokio::time::sleep(PAUSE).await;
                        counter.failed();
                    }
                    // Should it be written down all the same, these calls are lost.
                    Err(_) => {
                        tracing::warn!(quota = counter.name(), "the ledger of quotas is silent");
                        counter.failed();
                    }
                }
            }
        }
    }

    async fn lease(
        &self,
        counter: &Counter,
        window: Window,
        most: u64,
    ) -> anyhow::Result<(u64, u64)> {
        let name = counter.name().to_owned();
        let (starts, most, wanted) = (hour(window), number(most), number(counter.chunk()));
        let store = self.store().await?;
        let leased: Result<_, Error> = store
            .write(move |tx| {
                Box::pin(async move { tx.lease_quota(&name, starts, most, wanted).await })
            })
            .await;
        let (given, spare) = leased?;
        Ok((given.unsigned_abs(), spare.unsigned_abs()))
    }

    /// Without an answer these calls are lost, which gives nobody too much.
    async fn give_back(&self, returned: Returned) {
        let Returned { name, window, calls } = returned;
        let Ok(store) = self.store().await else { return };
        let (starts, calls) = (hour(window), number(calls));
        let done: Result<(), Error> = store
            .write(move |tx| Box::pin(async move { tx.return_quota(&name, starts, calls).await }))
            .await;
        if let Err(error) = done {
            tracing::warn!(%error, "unused calls of a quota did not go back");
        }
    }

    /// Everybody has stopped calling: what is left goes back.
    pub(crate) async fn end(&self) {
        let back = self.0.quotas.withdraw();
        let all = back.into_iter().map(|returned| {
            let keeper = self.clone();
            tokio::task::spawn_local(async move { keeper.give_back(returned).await })
        });
        let all: Vec<_> = all.collect();
        let done = async {
            for one in all {
                let _ = one.await;
            }
        };
        if tokio::time::timeout(PATIENCE, done).await.is_err() {
            tracing::warn!("unused calls of quotas did not go back in time");
        }
    }

    async fn store(&self) -> anyhow::Result<Store> {
        if let Some(desk) = &self.0.desk {
            return Ok(desk.get().context("the store is not open")?.store().clone());
        }
        let open = async || {
            std::fs::create_dir_all(&self.0.folder)?;
            let pepper = PepperFile::of(&self.0.folder)?;
            let place = Place::Sqlite(self.0.folder.clone());
            pepper.open(&place).await.map_err(|error| pepper.explain(error))
        };
        self.0.own.get_or_try_init(open).await.cloned()
    }
}

fn hour(window: Window) -> i64 {
    number(window.start())
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
