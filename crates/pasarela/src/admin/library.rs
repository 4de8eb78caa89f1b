//! The APIs of the store that are on the air, each read once: what changes beside it does not read it again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use pasarela_control::{Reader, ReadyApi};
use pasarela_model::ApiId;
use pasarela_store::{Changed, HeldApi, News};
use serde_json::{Map, Value};

use super::documents;
use crate::config::sent::{self, Around};

/// What was read. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Library(Arc<Mutex<HashMap<ApiId, Book>>>);

/// By what it was read from.
#[derive(Debug, Clone)]
struct Book {
    definition: String,
    digest: [u8; 32],
    /// Or why not, in words.
    read: Result<Arc<ReadyApi>, String>,
}

impl Library {
    /// For whoever compiles.
    pub(crate) fn reader(&self) -> Reader {
        let library = self.clone();
        Arc::new(move |held| library.ready(held))
    }

    /// Reads what is new in some news, so that whoever takes it up need not wait.
    pub(crate) fn prepare(&self, news: &News) {
        match news {
            News::Nothing => {}
            News::Delta(delta) => delta.changes.iter().for_each(|change| match change {
                Changed::Api(held) if held.api.state.is_served() => drop(self.ready(held)),
                Changed::Api(held) => self.forget(&held.api.id),
                Changed::NoApi(gone) => self.forget(gone),
                _ => {}
            }),
            News::Whole(all) => {
                let served = all.apis.iter().filter(|held| held.api.state.is_served());
                served.for_each(|held| drop(self.ready(held)));
                let known = |id: &ApiId| all.apis.iter().any(|held| held.api.id == *id);
                self.books().retain(|id, _| known(id));
            }
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, HashMap<ApiId, Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, id: &ApiId) {
        self.books().remove(id);
    }

    fn ready(&self, held: &HeldApi) -> Result<Arc<ReadyApi>, String> {
        let api = &held.api;
        let same = |book: &&Book| book.digest == api.digest && book.definition == api.definition;
        if let Some(book) = self.books().get(&api.id).filter(same) {
            return book.read.clone();
        }
        let read = read(held).map(Arc::new);
        let definition = api.definition.clone();
        let book = Book { definition, digest: api.digest, read: read.clone() };
        self.books().insert(api.id.clone(), book);
        read
    }
}

/// It was found good when it was written; another version of this binary may find otherwise.
fn read(held: &HeldApi) -> Result<ReadyApi, String> {
    let documents =
        documents::read(&held.documents).ok_or("its documents are not what was written")?;
    let definition: Map<String, Value> =
        serde_json::from_str(&held.api.definition).map_err(|error| error.to_string())?;
    // Which of its plans there are is seen when all is put together.
    let plans = held.api.plans.split_whitespace().map(str::to_owned).collect();
    let read = sent::read(&definition, &documents, &Around { plans, internal: true });
    read.map(|read| ReadyApi { api: read.api, plans: read.plans }).map_err(|remarks| {
        let first = remarks.iter().find(|remark| remark.error);
        first.map_or_else(String::new, |first| format!("[{}] {}", first.code, first.message))
    })
}
