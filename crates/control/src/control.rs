//! The store under the verbs: who asks, may they, do it, write it down, answer; in one transaction.

use std::sync::{Arc, PoisonError, RwLock};

use pasarela_model::{OrganisationId, Timestamp};
use pasarela_store::{Answered, AuditEntry, Boxed, Role, Store, Tx};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Actor, Answer, Call, Error, Object, Offer, Permit, Verb, call::Desk, may, offer};

/// L41: how long an answer is kept for whoever asks again.
const ANSWERS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// The verbs. Clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) store: Store,
    offer: Arc<RwLock<Arc<Offer>>>,
}

impl Control {
    /// Over an open store.
    pub fn new(store: Store, offer: Offer) -> Self {
        Self { store, offer: Arc::new(RwLock::new(Arc::new(offer))) }
    }

    /// The store beneath.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What the file offers from now on.
    pub fn set_offer(&self, offer: Offer) {
        *self.offer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offer);
    }

    pub(crate) fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads as whoever calls.
    pub(crate) async fn look<T, F>(&self, call: Call, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx, &'t Desk) -> Boxed<'t, Result<T, Error>> + Send + 'static,
    {
        let done = self.store.read(move |tx| {
            Box::pin(async move {
                let desk = Desk { actor: actor(tx, &call).await?, call };
                work(tx, &desk).await
            })
        });
        done.await
    }

    /// Changes something as whoever calls, once: a call that repeats another gets its answer.
    pub(crate) async fn change<F>(&self, call: Call, work: F) -> Result<Answer, Error>
    where
        F: for<'t> FnOnce(&'t mut Tx, &'t Desk) -> Boxed<'t, Result<Answer, Error>>
            + Send
            + 'static,
    {
        let done = self.store.write(move |tx| {
            Box::pin(async move {
                let desk = Desk { actor: actor(tx, &call).await?, call };
                if let Some(answer) = answered(tx, &desk).await? {
                    return Ok(answer);
                }
                let answer = work(tx, &desk).await?;
                keep(tx, &desk, &answer).await?;
                Ok(answer)
            })
        });
        done.await
    }
}

/// Who holds the token that was shown.
async fn actor(tx: &mut Tx, call: &Call) -> Result<Actor, Error> {
    let Some((token, member, organisation)) = tx.bearer(call.bearer).await? else {
        return Err(Error::Unauthenticated);
    };
    let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= call.at);
    if over(token.expires) || over(token.revoked) {
        return Err(Error::Unauthenticated);
    }
    Ok(Actor { token, member, organisation })
}

async fn answered(tx: &mut Tx, desk: &Desk) -> Result<Option<Answer>, Error> {
    let Some(idempotency) = &desk.call.idempotency else { return Ok(None) };
    let member = desk.actor.member.id.as_str();
    let Some(given) = tx.answered(member, &idempotency.key).await? else { return Ok(None) };
    if given.question != idempotency.question {
        return Err(Error::KeyReused);
    }
    let read = Answer::from_text(&given.answer);
    let damaged = || pasarela_store::Error::Corrupt("an answer that was kept".to_owned());
    Ok(Some(read.ok_or_else(damaged)?))
}

async fn keep(tx: &mut Tx, desk: &Desk, answer: &Answer) -> Result<(), Error> {
    let Some(idempotency) = &desk.call.idempotency else { return Ok(()) };
    let given = Answered { question: idempotency.question, answer: answer.to_text() };
    let at = desk.call.at;
    let oldest = at.plus_millis(-ANSWERS_KEPT_MS);
    let member = desk.actor.member.id.as_str();
    Ok(tx.keep_answer(member, &idempotency.key, &given, at, oldest).await?)
}

impl Desk {
    /// Whether they may; what is hidden from them is missing.
    pub(crate) fn may(
        &self,
        verb: Verb,
        object: Object<'_>,
        noun: &'static str,
        id: &str,
    ) -> Result<Permit, Error> {
        may(&self.actor, verb, object).map_err(|denied| Error::from(denied).hiding(noun, id))
    }

    /// Whether they may give this role, or take it.
    pub(crate) fn may_give(&self, role: Role) -> Result<(), Error> {
        Ok(crate::may::may_give(&self.actor, role)?)
    }

    /// The version they have read has to be the one that is there.
    pub(crate) fn fresh(&self, version: i64) -> Result<(), Error> {
        match self.call.version {
            None => Err(Error::VersionNeeded),
            Some(read) if read == version => Ok(()),
            Some(_) => Err(Error::Stale),
        }
    }

    /// Writes down what was done.
    pub(crate) async fn record(
        &self,
        tx: &mut Tx,
        verb: &str,
        whose: Option<&OrganisationId>,
        object: &str,
        (before, after): (Option<Value>, Option<Value>),
    ) -> Result<(), Error> {
        let entry = AuditEntry {
            at: self.call.at,
            actor: self.actor.member.id.to_string(),
            organisation: whose.cloned(),
            verb: verb.to_owned(),
            object: object.to_owned(),
            before: before.map(|value| value.to_string()),
            after: after.map(|value| value.to_string()),
            request: self.call.request.clone(),
        };
        Ok(tx.audit(&entry).await?)
    }

    /// Whether they may see an API. One that is not on the air is seen by whoever runs the gateway.
    pub(crate) async fn sees(
        &self,
        tx: &mut Tx,
        api: &offer::OfferedApi,
        whose: &OrganisationId,
    ) -> Result<bool, Error> {
        use pasarela_model::Visibility;
        Ok(match api.visibility {
            _ if self.actor.is_gate() => true,
            _ if !api.state.is_served() => false,
            Visibility::Public => true,
            Visibility::Private => false,
            Visibility::Partner => {
                tx.admissions(whose).await?.iter().any(|admission| admission.api == api.name)
            }
        })
    }
}

/// A digest of the parts of a question, each with its length.
pub fn question(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
