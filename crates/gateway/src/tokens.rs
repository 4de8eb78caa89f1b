//! Whose token is this: the issuers of a snapshot made ready to be asked, and what was verified already.

use std::{cell::RefCell, sync::Arc};

use pasarela_model::{Credential, Snapshot, TokenKeys};
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::jwt::{BadKeys, Issuer, Issuers, KeySet, Refused, Ring};

/// Tokens that a worker remembers to be good, some 60 bytes each.
const KNOWN_MAX: usize = 8 << 10;

/// The issuers, and what they call the applications.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issuers: Issuers,
    holders: FxHashMap<(usize, String), usize>,
    fetched: Vec<Elsewhere>,
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
        Ok(Self { issuers: Issuers::new(all), holders, fetched })
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
    ) -> Result<Option<usize>, Refused> {
        let digest = Sha256::digest(token).into();
        let before = known.borrow().get(&digest, now);
        if before.is_some() {
            return Ok(before);
        }
        let good = self.issuers.verify(token, now)?;
        let application = self.holder(good.issuer, good.client);
        if let Some(application) = application {
            known.borrow_mut().put(digest, application, good.until);
        }
        Ok(application)
    }
}

/// Tokens that are known to be good under one configuration, and to whom they belong. Only what was verified gets in, so nobody
/// else fills it.
#[derive(Debug, Default)]
pub(crate) struct Known(FxHashMap<[u8; 32], (usize, u64)>);

impl Known {
    fn get(&self, digest: &[u8; 32], now: u64) -> Option<usize> {
        self.0.get(digest).filter(|(_, until)| now < *until).map(|(application, _)| *application)
    }

    fn put(&mut self, digest: [u8; 32], application: usize, until: u64) {
        if self.0.len() >= KNOWN_MAX {
            // All of them are verified anew then, which costs a signature each.
            self.0.clear();
        }
        self.0.insert(digest, (application, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_token_is_forgotten_when_it_has_expired_and_when_there_are_too_many() {
        let mut known = Known::default();
        known.put([1; 32], 7, 100);
        assert_eq!((known.get(&[1; 32], 99), known.get(&[1; 32], 100)), (Some(7), None));
        for number in 0..KNOWN_MAX as u64 {
            let mut digest = [2; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            known.put(digest, 7, 100);
        }
        assert!(known.0.len() <= KNOWN_MAX);
        assert_eq!(known.get(&[1; 32], 0), None);
    }
}
