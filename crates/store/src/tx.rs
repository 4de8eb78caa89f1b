//! What a piece of work is given to read and write with, inside one transaction.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pasarela_model::{KeyDigest, Pepper};

use crate::{
    Error,
    engine::{Connection, Engine, Row, Value},
};

/// A future that a trait object can give.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What all transactions of a store have in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// What secrets are mixed with.
    pub(crate) pepper: Pepper,
    /// The engine found something in its file that it did not write.
    pub(crate) damaged: AtomicBool,
}

/// A transaction that is under way. The nouns' own questions stand in their files.
pub struct Tx {
    link: Box<dyn Connection>,
    /// `None` only while the form of the database is looked after.
    common: Option<Arc<Common>>,
    /// The connection is of no use any more, and with it all that was done on it.
    lost: bool,
    /// Something that the gateway serves from was changed.
    changed: bool,
}

impl Tx {
    pub(crate) fn new(link: Box<dyn Connection>) -> Self {
        Self { link, common: None, lost: false, changed: false }
    }

    pub(crate) fn of(self, store: &Arc<Common>) -> Self {
        Self { common: Some(Arc::clone(store)), ..self }
    }

    /// How a secret is known in the store, of its SHA-256 (L31).
    pub fn peppered(&self, digest: &KeyDigest) -> KeyDigest {
        self.common.as_ref().map_or(*digest, |common| common.pepper.of(digest))
    }

    pub(crate) async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, Error> {
        let rows = self.link.query(sql, values).await;
        rows.inspect_err(|error| self.failed(error))
    }

    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, Error> {
        let done = self.link.execute(sql, values).await;
        done.inspect_err(|error| self.failed(error))
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), Error> {
        let done = self.link.script(sql).await;
        done.inspect_err(|error| self.failed(error))
    }

    fn failed(&mut self, error: &Error) {
        self.lost |= error.loses_the_connection();
        if let (Error::Corrupt(_), Some(common)) = (error, &self.common) {
            common.damaged.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) async fn begin(&mut self, sql: &str) -> Result<(), Error> {
        self.link.begun(true);
        self.script(sql).await
    }

    /// Ends what was begun. When that fails, the connection goes, and the transaction with it.
    pub(crate) async fn end(&mut self, sql: &str) -> Result<(), Error> {
        self.script(sql).await?;
        self.link.begun(false);
        Ok(())
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Says that something was changed, so that the generation rises with the commit.
    pub(crate) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// How many changes the database has seen.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn generation(&mut self) -> Result<i64, Error> {
        let rows = self.query("SELECT number FROM counters WHERE name = 'generation'", vec![]);
        let row = rows.await?.into_iter().next();
        row.ok_or_else(|| Error::Corrupt("there is no generation".to_owned()))?.take()
    }
}

/// Reads in one instant. Nothing that `work` does outlives it.
pub(crate) async fn read<T, E, F>(
    engine: &dyn Engine,
    common: &Arc<Common>,
    work: F,
) -> Result<T, E>
where
    T: Send,
    E: From<Error> + Send,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send,
{
    let mut tx = Tx::new(engine.reader().await?).of(common);
    tx.begin(engine.dialect().begin_read).await?;
    let answer = work(&mut tx).await;
    // A connection that cannot even do this is closed; what was read was read.
    let _ = tx.end("ROLLBACK").await;
    answer
}
