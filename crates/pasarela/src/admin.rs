//! Administration: the store beside the gateway, and its HTTP API at `/admin/v1` on the console's listener.
//!
//! [`open`] opens the store and starts what watches it: whenever it changes, the change is compiled with what the
//! file declares ([`Administration::compiled`]), and `serve` makes the next plane of that. The gateway never waits for any of it. Where the store cannot be had, what was kept on this disk
//! (`kept`) is served from, administration answers 503, and the store is tried again.
//!
//! The API is one table (`table`): routes, their documents and their checks come from the same lines.

mod answer;
mod apis;
mod ask;
mod documents;
mod feed;
mod fields;
mod kept;
mod library;
mod nouns;
mod openapi;
mod operations;
mod pepper;
pub mod problem;
mod strict;
mod table;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use pasarela_control::{Compiled, Compiler, Control, Offer};
use pasarela_model::{Snapshot, Timestamp};
use pasarela_store::{Error, News, Place, Store};
use tokio::sync::watch;

pub(crate) use ask::router;
pub(crate) use documents::written;
use library::Library;
pub use operations::Operations;
pub(crate) use pepper::PepperFile;

/// The store beside the gateway.
#[derive(Debug)]
pub(crate) struct Administration {
    /// What the store holds and the file declares. Whatever uses it runs on the main thread, and never across a wait.
    compiler: Rc<RefCell<Compiler>>,
    /// Says when the store has changed.
    changed: watch::Receiver<()>,
    /// The verbs, once the store is open.
    pub(crate) control: Desk,
}

impl Administration {
    /// What there is to serve from now.
    pub(crate) fn compiled(&self) -> Compiled {
        let compiled = self.compiler.borrow_mut().compiled(now());
        for what in &compiled.left_out {
            tracing::warn!(%what, "left out of what is served");
        }
        compiled
    }

    /// The file declares something else; what it declared before.
    pub(crate) fn declare(&self, file: Snapshot) -> Snapshot {
        let mut compiler = self.compiler.borrow_mut();
        let before = compiler.file().clone();
        compiler.declare(Snapshot { pepper: before.pepper.clone(), ..file }, now());
        before
    }

    /// Has administration offer what the file declares now.
    pub(crate) fn offer(&self) {
        self.control.offer(self.compiler.borrow().file());
    }

    /// Waits until the store has changed.
    pub(crate) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Where the verbs are, once they are there; and what the file offers until then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    control: RwLock<Option<Control>>,
    /// It answered when it was asked last.
    well: AtomicBool,
    /// There is a listener for callers inside.
    internal: AtomicBool,
    offer: std::sync::Mutex<Offer>,
}

impl Desk {
    pub(crate) fn get(&self) -> Option<Control> {
        self.0.control.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the file offers from now on.
    pub(crate) fn offer(&self, file: &Snapshot) {
        let internal = self.0.internal.load(Ordering::Relaxed);
        let offer = Offer { internal, ..Offer::of(file) };
        if let Some(control) = self.get() {
            control.set_offer(offer.clone());
        }
        *self.0.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// What `/metrics` says about the store.
    pub(crate) fn metrics(&self) -> String {
        let well = u8::from(self.0.well.load(Ordering::Relaxed));
        let (mut commits, mut generation) = (0, 0);
        if let Some(control) = self.get() {
            commits = control.store().commits();
            generation = *control.store().generation().borrow();
        }
        format!(
            "# HELP pasarela_store_up 1 while the store answers.\n\
             # TYPE pasarela_store_up gauge\npasarela_store_up {well}\n\
             # HELP pasarela_store_commits_total Commits of this process; many changes may share one.\n\
             # TYPE pasarela_store_commits_total counter\npasarela_store_commits_total {commits}\n\
             # HELP pasarela_store_generation The last change that this process made.\n\
             # TYPE pasarela_store_generation gauge\npasarela_store_generation {generation}\n"
        )
    }

    fn well(&self, well: bool) {
        self.0.well.store(well, Ordering::Relaxed);
    }

    fn open(&self, store: Store) {
        let offer = self.0.offer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.set(Some(Control::new(store, offer)));
    }

    /// There is no store for the moment.
    fn close(&self) {
        self.set(None);
    }

    fn set(&self, control: Option<Control>) {
        *self.0.control.write().unwrap_or_else(PoisonError::into_inner) = control;
    }
}

/// Opens the store; whoever runs the gateway gets their first invitation through `invite`.
///
/// # Errors
/// When the store and this binary do not fit, or it cannot be had and nothing of it was kept here.
pub(crate) async fn open(
    place: Place,
    data: &std::path::Path,
    file: Snapshot,
    internal: bool,
    invite: impl FnOnce(&str),
) -> anyhow::Result<Administration> {
    let desk = Desk::default();
    desk.0.internal.store(internal, Ordering::Relaxed);
    desk.offer(&file);
    let pepper = PepperFile::of(data)?;
    let file = Snapshot { pepper: Some(pepper.pepper().clone()), ..file };
    let mut kept = kept::Kept::in_folder(data, pepper.pepper());
    // What was kept is the quicker way to what there is, where it is of this store; and the only one, where that is dead.
    let had = kept.read();
    let mut keeper = feed::Keeper::new(kept);
    let (store, held) = match feed::open(&place, &pepper, had.as_ref().map(|held| held.mark)).await
    {
        Ok(store) => {
            desk.open(store.clone());
            if let Some(control) = desk.get()
                && let Some(invitation) = control.first_invitation(now(), seed()?, false).await?
            {
                invite(&invitation);
            }
            let mut held = had.unwrap_or_default();
            match feed::news(&store, held.mark).await? {
                News::Nothing => {}
                News::Delta(delta) => {
                    keeper.changed(delta.to_bytes());
                    held.follow(&delta);
                }
                News::Whole(all) => {
                    keeper.replaced();
                    held = *all;
                }
            }
            (Some(store), held)
        }
        Err(error @ (Error::Unavailable { .. } | Error::Corrupt(_))) => match had {
            Some(held) => {
                tracing::error!(
                    error = %chain(&error), generation = held.mark.generation,
                    "the store cannot be had; serving from what was kept of it"
                );
                (None, held)
            }
            None => return Err(pepper.explain(error)),
        },
        Err(error) => return Err(pepper.explain(error)),
    };
    let library = Library::default();
    let compiler = Compiler::new(file, held, library.reader(), now());
    let compiler = Rc::new(RefCell::new(compiler));
    let (told, changed) = watch::channel(());
    let shared = (Rc::clone(&compiler), library);
    let feed = feed::feed((place, pepper), store, desk.clone(), keeper, shared, told);
    tokio::task::spawn_local(feed);
    Ok(Administration { compiler, changed, control: desk })
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The system's randomness for one call.
pub(crate) fn seed() -> anyhow::Result<pasarela_control::Seed> {
    let mut seed = [0; 32];
    let drawn = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    match drawn {
        Ok(32) => Ok(seed),
        _ => anyhow::bail!("the system gives no random numbers"),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}
