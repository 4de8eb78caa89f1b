//! Group commit: many changes that wait share one transaction, and one `fsync`.
//!
//! One task writes. It takes what waits (nobody waits for others to come), runs each change between
//! savepoints so that one that fails takes nothing with it, commits once, and only then answers.
//! While it commits the next ones gather. A change that is slow holds up those behind it, which is
//! why changes only touch the database. On PostgreSQL the same task runs on every node, and the
//! engine's lock lets one of them write at a time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{Boxed, Error, Tx, engine::Engine, tx::Common};

/// Changes in one commit (L42: a commit takes milliseconds, not seconds).
const BATCH: usize = 256;
/// Changes that wait (L44); one that finds no place for [`WAIT`] is told that the store is busy.
pub(crate) const QUEUE: usize = 512;
const WAIT: Duration = Duration::from_secs(1);

/// The way to the task that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Change>,
    commits: Arc<AtomicU64>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    closing: Arc<tokio::sync::Notify>,
}

impl Writer {
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        common: Arc<Common>,
        told: watch::Sender<i64>,
    ) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let closing = Arc::new(tokio::sync::Notify::new());
        let work = work((engine, common), inbox, Arc::clone(&commits), told, Arc::clone(&closing));
        let task = Arc::new(Mutex::new(Some(tokio::spawn(work))));
        Self { queue, commits, task, closing }
    }

    pub(crate) async fn send(&self, change: Change) -> Result<(), Error> {
        match self.queue.send_timeout(change, WAIT).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::unavailable("waiting for other changes", None)),
        }
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) async fn close(&self) {
        self.closing.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

async fn work(
    (engine, common): (Arc<dyn Engine>, Arc<Common>),
    mut inbox: mpsc::Receiver<Change>,
    commits: Arc<AtomicU64>,
    told: watch::Sender<i64>,
    closing: Arc<tokio::sync::Notify>,
) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            taken = inbox.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = closing.notified() => {
                // What is in the queue is still done; what comes later finds it closed.
                inbox.close();
                continue;
            }
        }
        let changes = std::mem::take(&mut batch);
        let (engine, common) = (Arc::clone(&engine), Arc::clone(&common));
        let (commits, told) = (Arc::clone(&commits), told.clone());
        // A task of its own: a change that panics costs its batch, not the writer (P11).
        let committed = tokio::spawn(async move {
            if let Some(generation) = commit(&*engine, &common, changes, &commits).await {
                told.send_replace(generation);
            }
        });
        if committed.await.is_err() {
            tracing::error!("a change to the store panicked");
        }
    }
}

/// Runs a batch; the generation it led to, where it changed something.
async fn commit(
    engine: &dyn Engine,
    common: &Arc<Common>,
    changes: Vec<Change>,
    commits: &AtomicU64,
) -> Option<i64> {
    let mut tx = match begin(engine, common).await {
        Ok(tx) => tx,
        Err(error) => {
            changes.into_iter().for_each(|change| change.fail(error.clone()));
            return None;
        }
    };
    let (mut kept, mut undone) = (Vec::new(), Vec::new());
    let mut changes = changes.into_iter();
    for change in changes.by_ref() {
        let (finish, keep) = change.run(&mut tx).await;
        match keep {
            true => kept.push(finish),
            false => undone.push(finish),
        }
        if tx.is_lost() {
            break;
        }
    }
    let ended = match tx.is_lost() {
        true => Err(Error::unavailable("the connection was lost before the commit", None)),
        false => end(&mut tx, kept.is_empty()).await,
    };
    drop(tx);
    if ended.is_ok() && !kept.is_empty() {
        commits.fetch_add(1, Ordering::Relaxed);
    }
    let verdict = ended.as_ref().map(|_| ()).map_err(Clone::clone);
    kept.into_iter().for_each(|finish| finish(verdict.clone()));
    // These have their own answer, whatever became of the others.
    undone.into_iter().for_each(|finish| finish(Ok(())));
    let left = Error::unavailable("the connection was lost before the commit", None);
    changes.for_each(|change| change.fail(left.clone()));
    ended.ok().flatten()
}

async fn begin(engine: &dyn Engine, common: &Arc<Common>) -> Result<Tx, Error> {
    let mut tx = Tx::new(engine.writer().await?).of(common);
    tx.begin(engine.dialect().begin_write).await?;
    Ok(tx)
}

/// Commits, with the generation one higher where something was changed.
async fn end(tx: &mut Tx, nothing: bool) -> Result<Option<i64>, Error> {
    if nothing {
        tx.end("ROLLBACK").await?;
        return Ok(None);
    }
    let mut generation = None;
    if tx.has_changed() {
        let raise = "UPDATE counters SET number = number + 1 WHERE name = 'generation'";
        tx.execute(raise, Vec::new()).await?;
        generation = Some(tx.generation().await?);
    }
    tx.end("COMMIT").await.map_err(Error::after_commit)?;
    Ok(generation)
}

/// Called when it is known what became of the transaction.
type Finish = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// One change that waits, whatever its answer's type.
pub(crate) struct Change(Box<dyn Work>);

impl Change {
    pub(crate) fn new<T, E, F>(work: F) -> (Self, oneshot::Receiver<Result<T, E>>)
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        (Self(Box::new(Typed { work, answer })), receiver)
    }

    /// Does it between savepoints; whether it is to be kept.
    async fn run(self, tx: &mut Tx) -> (Finish, bool) {
        self.0.run(tx).await
    }

    fn fail(self, error: Error) {
        self.0.fail(error);
    }
}

trait Work: Send {
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> Boxed<'t, (Finish, bool)>;
    fn fail(self: Box<Self>, error: Error);
}

struct Typed<T, E, F> {
    work: F,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work for Typed<T, E, F>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send + 'static,
{
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> Boxed<'t, (Finish, bool)> {
        Box::pin(async move {
            let Self { work, answer } = *self;
            let done = between_savepoints(tx, work).await;
            let keep = done.is_ok();
            let finish: Finish = Box::new(move |ended| {
                // Whoever asked may have gone; the change stands all the same.
                let _ = answer.send(match ended {
                    Ok(()) => done,
                    Err(error) => Err(error.into()),
                });
            });
            (finish, keep)
        })
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.answer.send(Err(error.into()));
    }
}

async fn between_savepoints<T, E, F>(tx: &mut Tx, work: F) -> Result<T, E>
where
    T: Send,
    E: From<Error> + Send,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, E>> + Send,
{
    tx.script("SAVEPOINT change").await?;
    let done = work(tx).await;
    if !tx.is_lost() {
        let end = match &done {
            Ok(_) => "RELEASE SAVEPOINT change",
            Err(_) => "ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change",
        };
        tx.script(end).await?;
    }
    done
}
