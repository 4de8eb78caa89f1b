//! Who calls: what is known of all applications' credentials. Made by way of what was known in the plane before.
//!
//! Keys are many and change every day: their index follows the one before, key by key. What else an application can prove itself with
//! is compiled as a whole when some of it has changed, and else taken over.

use std::sync::Arc;

use pasarela_model::{Application, Credential, IpNet, KeyDigest, Pepper, Snapshot};
use pasarela_soap::security::Holders;

use super::{CompileError, Plane};
use crate::{
    certificates::Certificates,
    credentials::{CredentialIndex, Held, keys_of},
    proofs,
    sight::Sources,
    signatures::Signatures,
    tokens::Tokens,
};

/// The parts of a plane that say who calls.
#[derive(Debug)]
pub(super) struct Callers {
    pub(super) credentials: CredentialIndex,
    pub(super) certificates: Arc<Certificates>,
    pub(super) holders: Arc<Holders>,
    pub(super) signatures: Arc<Signatures>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) sources: Arc<Sources>,
}

impl Callers {
    pub(super) fn compile(
        snapshot: &Snapshot,
        before: Option<&Plane>,
    ) -> Result<Self, CompileError> {
        // Under another pepper every key is another one.
        let Some(before) = before.filter(|old| old.snapshot.pepper == snapshot.pepper) else {
            let keys = CredentialIndex::build(&snapshot.applications, snapshot.pepper.as_ref());
            return Ok(Self {
                credentials: keys.map_err(CompileError::SharedKey)?,
                certificates: Arc::new(Certificates::new(&snapshot.applications)),
                holders: holders(snapshot)?,
                signatures: signatures(snapshot)?,
                tokens: tokens(snapshot, None)?,
                sources: Arc::new(Sources::new(&snapshot.applications)),
            });
        };
        let changes = Changes::between(&before.snapshot, snapshot);
        let credentials = match changes.gone.is_empty() && changes.new.is_empty() {
            true => before.credentials.clone(),
            false => {
                let after = before.credentials.after(&changes.gone, &changes.new);
                after.map_err(CompileError::SharedKey)?
            }
        };
        let same_issuers = before.snapshot.issuers == snapshot.issuers
            && before.snapshot.issuing == snapshot.issuing;
        // What operations ask for is what is remembered of a token.
        let same_apis = before.snapshot.apis.is_same(&snapshot.apis);
        Ok(Self {
            credentials,
            certificates: match changes.proofs {
                true => Arc::new(Certificates::new(&snapshot.applications)),
                false => Arc::clone(&before.certificates),
            },
            holders: match changes.proofs {
                true => holders(snapshot)?,
                false => Arc::clone(&before.holders),
            },
            signatures: match changes.proofs {
                true => signatures(snapshot)?,
                false => Arc::clone(&before.signatures),
            },
            tokens: match changes.proofs || !same_issuers || !same_apis {
                true => tokens(snapshot, Some(&before.tokens))?,
                false => Arc::clone(&before.tokens),
            },
            sources: match changes.networks {
                true => Arc::new(Sources::new(&snapshot.applications)),
                false => Arc::clone(&before.sources),
            },
        })
    }
}

fn holders(snapshot: &Snapshot) -> Result<Arc<Holders>, CompileError> {
    let holders = proofs::holders(&snapshot.applications);
    holders.map(Arc::new).map_err(|index| unusable(snapshot, index))
}

fn signatures(snapshot: &Snapshot) -> Result<Arc<Signatures>, CompileError> {
    let signatures = Signatures::build(&snapshot.applications);
    signatures.map(Arc::new).map_err(|index| unusable(snapshot, index))
}

/// What this application proves itself with is none.
fn unusable(snapshot: &Snapshot, index: usize) -> CompileError {
    let application = snapshot.applications.get(index).map(|known| known.name.clone());
    CompileError::Proof { application: application.unwrap_or_default() }
}

fn tokens(snapshot: &Snapshot, before: Option<&Tokens>) -> Result<Arc<Tokens>, CompileError> {
    let tokens = Tokens::build(snapshot, before);
    tokens.map(Arc::new).map_err(|(issuer, source)| CompileError::Keys { issuer, source })
}

/// What two snapshots know differently of their applications.
#[derive(Debug, Default)]
struct Changes {
    gone: Vec<Held>,
    new: Vec<Held>,
    /// Something other than keys.
    proofs: bool,
    /// From where they may call.
    networks: bool,
}

impl Changes {
    fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let mut changes = Self::default();
        for index in after.applications.unshared(&before.applications) {
            let (was, is) = (before.applications.get(index), after.applications.get(index));
            changes.proofs |= proofs_of(was).ne(proofs_of(is));
            changes.networks |= networks_of(was) != networks_of(is);
            if let (Some(was), Some(is)) = (was, is)
                && Arc::ptr_eq(&was.keys, &is.keys)
                && was.credentials == is.credentials
            {
                continue;
            }
            let pepper = after.pepper.as_ref();
            let (had, has) = (sorted_keys(was, pepper), sorted_keys(is, pepper));
            let without = |some: &[KeyDigest], others: &[KeyDigest]| {
                let missing = some.iter().filter(|key| others.binary_search(key).is_err());
                missing.map(|key| (*key, index)).collect::<Vec<_>>()
            };
            changes.gone.extend(without(&had, &has));
            changes.new.extend(without(&has, &had));
        }
        changes
    }
}

fn networks_of(application: Option<&Application>) -> &[IpNet] {
    application.map_or(&[], |one| &one.networks)
}

fn proofs_of(application: Option<&Application>) -> impl Iterator<Item = &Credential> {
    let all = application.into_iter().flat_map(|one| &one.credentials);
    all.filter(|credential| !matches!(credential, Credential::ApiKey(_)))
}

fn sorted_keys(application: Option<&Application>, pepper: Option<&Pepper>) -> Vec<KeyDigest> {
    let keys = application.into_iter().flat_map(|one| keys_of(one, pepper));
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
