//! Watches the store, and takes up whatever has changed in it.
//!
//! Our own changes are known at once; those of other nodes and of the command line are found by asking
//! for a number twice a second.

use std::{cell::RefCell, future::pending, rc::Rc, time::Duration};

use pasarela_control::Compiler;
use pasarela_store::{Changed, Error, Mark, News, Place, Store};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    Desk, Library, PepperFile, chain,
    kept::{Kept, Page},
    now,
};

/// How often the store is asked whether somebody else has changed it.
const POLL: Duration = Duration::from_millis(500);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a store that was lost may take to end.
const CLOSE: Duration = Duration::from_secs(5);
/// How long after a failure to keep what there is.
const KEEP_AGAIN: Duration = Duration::from_secs(5);
/// Changes that wait to be kept; with more the whole is kept.
const WAITING_MAX: usize = 1_000;

/// What there is to know since a state of the store.
pub(super) async fn news(store: &Store, seen: Mark) -> Result<News, Error> {
    store.read(move |tx| Box::pin(async move { tx.news(&seen).await })).await
}

/// Opens the store. One in which nothing is, where something was before, is not taken for it: everybody would be locked out.
pub(super) async fn open(
    place: &Place,
    pepper: &PepperFile,
    before: Option<Mark>,
) -> Result<Store, Error> {
    if before.is_some_and(|before| before.generation > 0) {
        let is_empty = match Store::schema(place).await {
            Ok(schema) => schema.has == 0,
            Err(Error::NotFound { .. }) => true,
            Err(other) => return Err(other),
        };
        if is_empty {
            let why = "it is empty, and was not before: put it back; or, to begin anew, remove held.1 and held.2 \
                       from the data folder, and start again";
            return Err(Error::Corrupt(why.to_owned()));
        }
    }
    pepper.open(place).await
}

/// Runs as long as the process.
pub(super) async fn feed(
    (place, pepper): (Place, PepperFile),
    store: Option<Store>,
    desk: Desk,
    mut keeper: Keeper,
    (compiler, library): (Rc<RefCell<Compiler>>, Library),
    told: watch::Sender<()>,
) {
    let mut current = store;
    loop {
        let store = match current.take() {
            Some(store) => store,
            None => {
                let before = compiler.borrow().held().mark;
                let store = opened(&place, &pepper, before).await;
                tracing::info!("the store is there again");
                store
            }
        };
        desk.open(store.clone());
        follow(&store, &desk, &mut keeper, (&compiler, &library), &told).await;
        // Whoever asks is told that there is none, until it was opened anew.
        desk.close();
        desk.well(false);
        let _ = tokio::time::timeout(CLOSE, store.close()).await;
    }
}

/// Takes up what changes, until the store is lost.
async fn follow(
    store: &Store,
    desk: &Desk,
    keeper: &mut Keeper,
    (compiler, library): (&RefCell<Compiler>, &Library),
    told: &watch::Sender<()>,
) {
    let mut ours = store.generation();
    let mut well = true;
    loop {
        let seen = compiler.borrow().held().mark;
        let news = news(store, seen).await;
        if store.is_lost() {
            let error = news.err().map(|error| chain(&error)).unwrap_or_default();
            tracing::error!(%error, "the store was lost: its file is another one, or damaged; what it held is served on");
            return;
        }
        match news {
            Ok(news) => {
                let Some(news) = prepared(library, news).await else {
                    sleep(AGAIN).await;
                    continue;
                };
                desk.well(true);
                if !std::mem::replace(&mut well, true) {
                    tracing::info!("the store answers again");
                }
                if take_up(compiler, keeper, news) {
                    told.send_replace(());
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
        keeper.keep(&compiler.borrow());
        tokio::select! {
            changed = ours.changed() => if changed.is_err() { sleep(POLL).await },
            () = keeper.kept() => {}
            () = sleep(POLL) => {}
        }
    }
}

/// Contracts are read aside, before anybody waits for them. `None`: that came to nothing.
async fn prepared(library: &Library, news: News) -> Option<News> {
    let brings_apis = match &news {
        News::Nothing => false,
        News::Whole(_) => true,
        News::Delta(delta) => {
            delta.changes.iter().any(|it| matches!(it, Changed::Api(_) | Changed::NoApi(_)))
        }
    };
    if !brings_apis {
        return Some(news);
    }
    let library = library.clone();
    let done = tokio::task::spawn_blocking(move || {
        library.prepare(&news);
        news
    });
    done.await.inspect_err(|error| tracing::error!(%error, "reading the store's APIs failed")).ok()
}

/// Whether there was something new.
fn take_up(compiler: &RefCell<Compiler>, keeper: &mut Keeper, news: News) -> bool {
    match news {
        News::Nothing => return false,
        News::Delta(delta) => {
            keeper.changed(delta.to_bytes());
            compiler.borrow_mut().follow(&delta, now());
        }
        News::Whole(held) => {
            keeper.replaced();
            compiler.borrow_mut().hold(*held, now());
        }
    }
    true
}

async fn opened(place: &Place, pepper: &PepperFile, before: Mark) -> Store {
    let mut told = String::new();
    loop {
        sleep(AGAIN).await;
        let error = match open(place, pepper, Some(before)).await {
            // What was damaged once is looked at as a whole before it is believed.
            Ok(store) => match store.self_check().await {
                Ok(()) => return store,
                Err(error) => {
                    let _ = tokio::time::timeout(CLOSE, store.close()).await;
                    error
                }
            },
            Err(error) => error,
        };
        let error = format!("{:#}", pepper.explain(error));
        if told != error {
            tracing::error!(%error, "the store is still away");
            told = error;
        }
    }
}

/// Has what there is kept, beside everything else: a disk that is slow holds up nobody.
#[derive(Debug)]
pub(super) struct Keeper {
    kept: Option<Kept>,
    /// What is being written.
    job: Option<JoinHandle<(Kept, bool)>>,
    /// Changes that are not kept yet, in order.
    waiting: Vec<Vec<u8>>,
    /// Changes alone will not do.
    whole: bool,
    not_before: Option<Instant>,
}

impl Keeper {
    pub(super) const fn new(kept: Kept) -> Self {
        Self { kept: Some(kept), job: None, waiting: Vec::new(), whole: false, not_before: None }
    }

    pub(super) fn changed(&mut self, change: Vec<u8>) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(change);
        } else {
            self.replaced();
        }
    }

    pub(super) fn replaced(&mut self) {
        self.whole = true;
        self.waiting.clear();
    }

    /// Begins to write what is not kept yet, unless something is being written still.
    fn keep(&mut self, compiler: &Compiler) {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return;
        }
        let Some(mut kept) = self.kept.take() else { return };
        let page = match self.whole || kept.wants_all() {
            true => Page::Whole(compiler.held().to_bytes()),
            false if self.waiting.is_empty() => return self.kept = Some(kept),
            false => Page::Changes(std::mem::take(&mut self.waiting)),
        };
        if matches!(page, Page::Whole(_)) {
            (self.whole, self.waiting) = (false, Vec::new());
        }
        self.job = Some(tokio::task::spawn_blocking(move || {
            let done = kept.keep(page);
            (kept, done)
        }));
    }

    /// Waits until what is being written is.
    async fn kept(&mut self) {
        let Some(job) = &mut self.job else { return pending().await };
        // Where the job was lost, so is the file; the process goes on without.
        if let Ok((kept, done)) = job.await {
            self.kept = Some(kept);
            self.not_before = (!done).then(|| Instant::now() + KEEP_AGAIN);
        }
        self.job = None;
    }
}
