//! Clients of applications: what they get tokens with.

use pasarela_model::{ApplicationId, ClientId, KeyDigest, StoredKey, Timestamp};

use super::holding::HeldApplication;
use crate::{Error, Tx, column::Column as _, noun::noun};

noun! {
    /// A client of an application, which the gateway issues tokens to. Only digests of its secrets are kept.
    Client = "client" in "clients", by ["application"] {
        /// Its id, by which it goes at the token endpoint.
        id: ClientId,
        /// Rises with each change.
        version: i64,
        /// Whose it is.
        application: ApplicationId,
        /// What its holders call it.
        label: String,
        /// How its secret begins, so that its holder can tell it from others.
        hint: String,
        /// SHA-256 of its secret.
        digest: KeyDigest,
        /// SHA-256 of the secret before, while that lives on.
        retiring: Option<KeyDigest>,
        /// From when on the secret before is of no use.
        retires: Option<Timestamp>,
        /// When it was made.
        created: Timestamp,
        /// From when on it is of no use; `None`: until it is revoked.
        expires: Option<Timestamp>,
        /// Since when it is of no use.
        revoked: Option<Timestamp>,
    }
}

/// A client that was not revoked, as the gateway has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldClient {
    /// Its id.
    pub id: ClientId,
    /// Its secrets, the newest first.
    pub secrets: Vec<StoredKey>,
    /// From when on it is of no use, whatever its secrets; [`StoredKey::FOR_EVER`]: until it is revoked.
    pub expires: Timestamp,
}

impl HeldClient {
    /// `None`: it was revoked.
    pub(super) fn new(it: &Client) -> Option<Self> {
        if it.revoked.is_some() {
            return None;
        }
        let expires = it.expires.unwrap_or(StoredKey::FOR_EVER);
        let mut secrets = vec![StoredKey::new(it.digest, it.expires)];
        if let Some((digest, retires)) = it.retiring.zip(it.retires) {
            secrets.push(StoredKey { digest, expires: retires.min(expires) });
        }
        Some(Self { id: it.id.clone(), secrets, expires })
    }
}

impl Tx {
    /// How many clients of an application are of use.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn live_clients(&mut self, of: &ApplicationId, now: Timestamp) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM clients WHERE application = $1 AND revoked IS NULL \
                   AND (expires IS NULL OR expires > $2)";
        let rows = self.query(sql, vec![of.to_value(), now.to_value()]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.take())
    }

    /// Gives each application its clients, by id.
    pub(super) async fn give_clients(
        &mut self,
        applications: &mut [HeldApplication],
    ) -> Result<(), Error> {
        for it in self.every::<Client>().await? {
            let place =
                applications.binary_search_by(|one| one.application.id.cmp(&it.application));
            let whose = place.ok().and_then(|place| applications.get_mut(place));
            if let (Some(whose), Some(held)) = (whose, HeldClient::new(&it)) {
                whose.clients.push(held);
            }
        }
        Ok(())
    }
}
