//! Applications and the keys they call with.

use pasarela_model::{ApplicationId, KeyDigest, KeyId, OrganisationId, Timestamp};

use crate::{Error, IN_USE_SHOWN, Standing, Tx, column::Column as _, noun::noun};

noun! {
    /// What calls.
    Application = "application" in "applications", by ["organisation"] {
        /// Its id.
        id: ApplicationId,
        /// Rises with each change.
        version: i64,
        /// Whose it is.
        organisation: OrganisationId,
        /// Its name, once in an organisation.
        name: String,
        /// A suspended one is not let in.
        standing: Standing,
        /// When it was made.
        created: Timestamp,
    }
}

noun! {
    /// An API key of an application. Only its digest is kept.
    ApplicationKey = "key" in "api_keys", by ["application"] {
        /// Its id.
        id: KeyId,
        /// Rises with each change.
        version: i64,
        /// Whose it is.
        application: ApplicationId,
        /// What its holders call it.
        label: String,
        /// How it begins, so that its holder can tell it from others.
        hint: String,
        /// By what it is known ([`Tx::peppered`]).
        digest: KeyDigest,
        /// When it was given.
        created: Timestamp,
        /// From when on it is of no use; `None`: until it is revoked.
        expires: Option<Timestamp>,
        /// Since when it is of no use.
        revoked: Option<Timestamp>,
    }
}

impl Tx {
    /// How many keys of an application are of use.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn live_keys(&mut self, of: &ApplicationId, now: Timestamp) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM api_keys WHERE application = $1 AND revoked IS NULL \
                   AND (expires IS NULL OR expires > $2)";
        let rows = self.query(sql, vec![of.to_value(), now.to_value()]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.take())
    }

    /// Removes an application with its keys. Refused while it has subscriptions that are not over.
    ///
    /// # Errors
    /// [`Error::InUse`] with those subscriptions, [`Error::Conflict`] where it has changed.
    pub async fn remove_application(&mut self, gone: &Application) -> Result<(), Error> {
        let live = "SELECT id FROM subscriptions WHERE application = $1 \
                    AND state IN ('pending', 'approved', 'suspended') ORDER BY id LIMIT $2";
        let rows = self.query(live, vec![gone.id.to_value(), IN_USE_SHOWN.to_value()]).await?;
        let by = rows.into_iter().map(|mut row| row.take()).collect::<Result<Vec<String>, _>>()?;
        if !by.is_empty() {
            return Err(Error::InUse { noun: "application", id: gone.id.to_string(), by });
        }
        let sql = "DELETE FROM subscriptions WHERE application = $1";
        self.execute(sql, vec![gone.id.to_value()]).await?;
        self.delete(gone).await
    }
}
