//! Whose token is this: the issuers of a snapshot made ready to be asked, and what was verified already.

use std::{cell::RefCell, sync::Arc};

use pasarela_model::{Credential, Scopes, Snapshot, TokenKeys};
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest as _, Sha256};

use crate::{
    jwt::{BadKeys, Issuer, Issuers, KeySet, Refused, Ring},
    oauth::Office,
};

/// Tokens that a worker remembers to be good, some 60 bytes each.
const KNOWN_MAX: usize = 8 << 10;

/// The issuers, and what they call the applications.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issuers: Issuers,
    holders: FxHashMap<(usize, String), usize>,
    /// Scopes that some operation asks for. Others are not remembered of a token.
    asked: FxHashSet<Box<str>>,
    fetched: Vec<Elsewhere>,
    /// Where we issue tokens ourselves, and our number among the issuers then.
    office: Option<Office>,
    ours: Option<usize>,
}

/// Whose a token is, and what it reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Index into the snapshot's applications.
    pub(crate) application: usize,
    /// Of its scopes those that something here asks for.
    pub(crate) scopes: Scopes,
    /// We issued it.
    pub(crate) ours: bool,
}

/// Keys of an issuer that have to be fetched, and the ring that they belong on.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) url: String,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) ring: Arc<Ring>,
}

impl Tokens {
    /// The issuers of a snapshot. Keys that were fetched are taken over from `previous`.
    ///
    /// # Errors
    /// An issuer's keys that cannot be used, with its name.
    pub(crate) fn build(
        snapshot: &Snapshot,
        previous: Option<&Self>,
    ) -> Result<Self, (String, BadKeys)> {
        let mut fetched = Vec::new();
        let mut all = Vec::with_capacity(snapshot.issuers.len());
        for issuer in &snapshot.issuers {
            let keys = match &issuer.keys {
                TokenKeys::Set(json) => {
                    let set = KeySet::read(json).map_err(|bad| (issuer.name.clone(), bad))?;
                    Arc::new(Ring::new(set))
                }
                TokenKeys::At { url, ca_pem } => {
                    let mut before = previous.into_iter().flat_map(|previous| &previous.fetched);
                    let same = before.find(|one| (&one.url, &one.ca_pem) == (url, ca_pem));
                    let ring = same.map_or_else(Arc::default, |one| Arc::clone(&one.ring));
                    fetched.push(Elsewhere {
                        url: url.clone(),
                        ca_pem: ca_pem.clone(),
                        ring: Arc::clone(&ring),
                    });
                    ring
                }
            };
            all.push(Issuer {
                issuer: issuer.issuer.clone(),
                audiences: issuer.audiences.clone(),
                algorithms: issuer.algorithms.clone(),
                client_claims: issuer.client_claims.clone(),
                keys,
            });
        }
        let mut holders = FxHashMap::default();
        for (index, application) in snapshot.applications.iter().enumerate() {
            for credential in &application.credentials {
                if let Credential::Token { issuer, client } = credential {
                    holders.insert((*issuer, client.clone()), index);
                }
            }
        }
        let asked = snapshot.apis.iter().filter_map(|api| api.scopes.as_ref());
        let asked = asked.flat_map(|scopes| scopes.all()).map(Box::from).collect();
        let ours = |bad| ("oauth".to_owned(), bad);
        let office = snapshot.issuing.as_ref().map(|issuing| Office::new(issuing, snapshot));
        let office = office.transpose().map_err(ours)?;
        let number = office.as_ref().map(|_| all.len());
        if let Some((office, number)) = office.as_ref().zip(number) {
            all.push(office.as_issuer().map_err(ours)?);
            holders.extend(office.holders().map(|(id, index)| ((number, id.to_owned()), index)));
        }
        Ok(Self { issuers: Issuers::new(all), holders, asked, fetched, office, ours: number })
    }

    /// Where we issue tokens ourselves.
    pub(crate) fn office(&self) -> Option<&Office> {
        self.office.as_ref()
    }

    /// Whether no tokens are taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// The application that an issuer calls so.
    pub(crate) fn holder(&self, issuer: usize, client: String) -> Option<usize> {
        self.holders.get(&(issuer, client)).copied()
    }

    /// Keys that have to be fetched, and where they belong.
    pub(crate) fn fetched(&self) -> &[Elsewhere] {
        &self.fetched
    }

    /// The application that a token speaks of; `None`: it is good, and speaks of nobody here. `now`: seconds since 1970.
    pub(crate) fn find(
        &self,
        token: &[u8],
        known: &RefCell<Known>,
        now: u64,
    ) -> Result<Option<Holder>, Refused> {
        let digest = Sha256::digest(token).into();
        let before = known.borrow().get(&digest, now);
        if before.is_some() {
            return Ok(before);
        }
        let good = self.issuers.verify(token, now)?;
        let ours = self.ours == Some(good.issuer);
        let application = self.holder(good.issuer, good.client);
        let scopes = good.scopes.iter().map(String::as_str);
        let scopes = scopes.filter(|scope| self.asked.contains(*scope)).collect();
        let holder = application.map(|application| Holder { application, scopes, ours });
        if let Some(holder) = &holder {
            known.borrow_mut().put(digest, holder.clone(), good.until);
        }
        Ok(holder)
    }
}

/// Tokens that are known to be good under one configuration, and to whom they belong. Only what was verified gets in, so nobody
/// else fills it.
#[derive(Debug, Default)]
pub(crate) struct Known(FxHashMap<[u8; 32], (Holder, u64)>);

impl Known {
    fn get(&self, digest: &[u8; 32], now: u64) -> Option<Holder> {
        self.0.get(digest).filter(|(_, until)| now < *until).map(|(holder, _)| holder.clone())
    }

    fn put(&mut self, digest: [u8; 32], holder: Holder, until: u64) {
        if self.0.len() >= KNOWN_MAX {
            // All of them are verified anew then, which costs a signature each.
            self.0.clear();
        }
        self.0.insert(digest, (holder, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_token_is_forgotten_when_it_has_expired_and_when_there_are_too_many() {
        let mut known = Known::default();
        let holder = Holder { application: 7, scopes: Scopes::of_text("read"), ours: false };
        known.put([1; 32], holder.clone(), 100);
        let found = (known.get(&[1; 32], 99), known.get(&[1; 32], 100));
        assert_eq!(found, (Some(holder.clone()), None));
        for number in 0..KNOWN_MAX as u64 {
            let mut digest = [2; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            known.put(digest, holder.clone(), 100);
        }
        assert!(known.0.len() <= KNOWN_MAX);
        assert_eq!(known.get(&[1; 32], 0), None);
    }
}
