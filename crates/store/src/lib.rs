//! What must last: APIs, organisations, members, applications, keys, plans, subscriptions, the audit log.
//!
//! One [`Store`], two engines (SQLite in a file, PostgreSQL for several nodes), one set of SQL that
//! both understand, one suite of tests that both pass. This room keeps rules that data alone can
//! break (a name that is taken, a version that is stale, a row that something leans on). Who may do
//! what, and what a state may become, is decided in `control`. Time and chance are arguments.
//!
//! A change is written inside [`Store::write`]: whatever it did, its audit entry and the rise of
//! the generation are committed together or not at all. Many that wait are committed with one
//! `fsync` (see `commit`). Reading is [`Store::read`]: it sees one instant.

mod column;
mod commit;
mod engine;
mod error;
mod migrate;
mod noun;
mod nouns;
mod pepper;
mod tx;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pasarela_model::{Pepper, Secret};
use tokio::sync::watch;

pub use column::{ApiState, PlanState, Role, Standing, SubscriptionState};
pub use error::{Error, Outcome};
pub use migrate::Fault as MigrationFault;
pub use noun::{Noun, PAGE_MAX, Page, Slice};
pub use nouns::{
    Admission, Answered, Api, ApiRevision, Application, ApplicationKey, AuditEntry, AuditFilter,
    AuditRow, Changed, Client, Delta, HeldApi, HeldApplication, HeldClient, HeldSubscription,
    Holding, Invitation, Letter, LetterAnswer, LetterCall, LetterQueue, Mark, Member, News,
    Organisation, Placed, Places, Plan, PlanVersion, REVISIONS_MAX, Subscription, TakenAnswer,
    TakenCall, Terms, Token, Touched, Verified,
};
pub use tx::{Boxed, Tx};

use commit::{Change, Writer};
use engine::{Engine, Postgres, Sqlite, Value};
use tx::Common;

/// How many ids an error shows of what leans on something.
pub const IN_USE_SHOWN: i64 = 10;

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `store.db` in this folder.
    Sqlite(std::path::PathBuf),
    /// A server: `postgres://user@host/database`.
    Postgres(Secret),
}

/// The open store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    common: Arc<Common>,
    writer: Writer,
    generation: watch::Receiver<i64>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("generation", &*self.generation.borrow()).finish()
    }
}

/// What opening found of the database's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The last migration that the database has.
    pub has: i64,
    /// The last one this binary knows.
    pub knows: i64,
}

impl Store {
    /// Opens the store, makes it where it is not there yet, and brings it up to date. What it knows secrets by is mixed with `pepper`, from
    /// the first time on that it is opened with one.
    ///
    /// # Errors
    /// When the engine cannot be had, or holds something that this binary or this pepper does not fit.
    pub async fn open(place: &Place, pepper: &Pepper) -> Result<Self, Error> {
        let engine = engine(place).await?;
        migrate::run(&*engine, migrate::OURS).await?;
        pepper::fit(&*engine, pepper).await?;
        let common = Common { pepper: pepper.clone(), damaged: AtomicBool::new(false) };
        let common = Arc::new(common);
        let generation =
            tx::read(&*engine, &common, |tx| Box::pin(async move { tx.generation().await }));
        let (told, generation) = watch::channel(generation.await?);
        let writer = Writer::start(Arc::clone(&engine), Arc::clone(&common), told);
        Ok(Self { writer, engine, common, generation })
    }

    /// How old a database is, without changing anything in it.
    ///
    /// # Errors
    /// When it is not there, or holds something that this binary does not fit.
    pub async fn schema(place: &Place) -> Result<Schema, Error> {
        if let Place::Sqlite(folder) = place
            && !Self::file(folder).exists()
        {
            return Err(Error::not_found("store", folder.display()));
        }
        let engine = engine(place).await?;
        let has = migrate::state(&*engine, migrate::OURS).await;
        engine.close().await;
        let knows = migrate::OURS.last().map_or(0, |last| last.number);
        Ok(Schema { has: has?, knows })
    }

    /// The file of the embedded store in a folder.
    pub fn file(folder: &Path) -> std::path::PathBuf {
        folder.join("store.db")
    }

    /// Reads, in one instant of the database.
    ///
    /// # Errors
    /// Whatever `work` says, and [`Error::Unavailable`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send,
        E: From<Error> + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send,
    {
        tx::read(&*self.engine, &self.common, work).await
    }

    /// Changes something: all that `work` does, or nothing. It returns when that will outlive a loss
    /// of power (P1). Other changes wait meanwhile, so `work` should not.
    ///
    /// # Errors
    /// Whatever `work` says, and [`Error::Unavailable`], which tells whether the change may have
    /// been made (P8).
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send + 'static,
    {
        let (change, answer) = Change::new(work);
        self.writer.send(change).await?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::lost("the change ended without an answer").into()),
        }
    }

    /// Rises with each change that this process makes.
    pub fn generation(&self) -> watch::Receiver<i64> {
        self.generation.clone()
    }

    /// How often this process has committed: fewer times than it has changed something.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Copies a store that is in use, as it is at one instant, into a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the engine has tools of its own for that.
    pub async fn copy_into(&self, file: &Path) -> Result<(), Error> {
        let Some(sql) = self.engine.dialect().copy_into else {
            return Err(Error::Invalid("this engine is copied with pg_dump".to_owned()));
        };
        let Some(file) = file.to_str() else {
            return Err(Error::Invalid("the file's name is not UTF-8".to_owned()));
        };
        let mut link = self.engine.reader().await?;
        // It is closed afterwards: this one may write, though only into the copy.
        link.begun(true);
        link.script("PRAGMA query_only = OFF").await?;
        link.execute(sql, vec![Value::Text(Some(file.to_owned()))]).await.map(drop)
    }

    /// Whether it is of no use any more and has to be opened anew: its file is not the one that was opened, or the engine has found damage in
    /// it.
    pub fn is_lost(&self) -> bool {
        self.engine.has_moved() || self.common.damaged.load(Ordering::Relaxed)
    }

    /// Whether the engine finds its own file in order.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first thing that is wrong.
    pub async fn self_check(&self) -> Result<(), Error> {
        let Some(sql) = self.engine.dialect().self_check else { return Ok(()) };
        let mut link = self.engine.reader().await?;
        let rows = link.query(sql, Vec::new()).await?;
        match rows.into_iter().next().map(|mut row| row.take::<String>()).transpose()? {
            Some(said) if said != "ok" => Err(Error::Corrupt(said)),
            _ => Ok(()),
        }
    }

    /// Waits for the changes under way, and ends all connections.
    pub async fn close(&self) {
        self.writer.close().await;
        self.engine.close().await;
    }
}

async fn engine(place: &Place) -> Result<Arc<dyn Engine>, Error> {
    Ok(match place {
        Place::Sqlite(folder) => Arc::new(Sqlite::open(folder).await?),
        Place::Postgres(url) => Arc::new(Postgres::open(url).await?),
    })
}

#[cfg(test)]
mod suite;
