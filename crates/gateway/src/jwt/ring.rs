//! The keys of one issuer as they are now: put there by whoever fetches them, used by whoever verifies.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::{KeySet, Refused, jws::Parts};

/// The keys, and the wish for newer ones. It outlives a reload.
#[derive(Debug, Default)]
pub struct Ring {
    /// None before the first were fetched. A token that was seen before does not come here.
    keys: RwLock<Option<Arc<KeySet>>>,
    wanted: Notify,
}

impl Ring {
    /// Keys that are there.
    pub fn new(keys: KeySet) -> Self {
        Self { keys: RwLock::new(Some(Arc::new(keys))), wanted: Notify::new() }
    }

    /// From now on these are the keys; `None`: those that were are too old to be believed.
    pub fn set(&self, keys: Option<KeySet>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.map(Arc::new);
    }

    /// Waits until a token came that is signed with a key that is not here. What it says is a stranger's word: whoever
    /// fetches keys because of it does so seldom (L33).
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub(super) fn verify(&self, parts: &Parts<'_>) -> Result<(), Refused> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let verified = keys.ok_or(Refused::Key).and_then(|keys| keys.verify(parts));
        if verified == Err(Refused::Key) {
            self.wanted.notify_one();
        }
        verified
    }
}
