//! Organisations: the owner of the gateway, its partners, its customers.

use pasarela_model::{OrganisationId, OrganisationKind, Timestamp};

use crate::{Error, IN_USE_SHOWN, Standing, Tx, column::Column as _, noun::noun};

noun! {
    /// A company or department.
    Organisation = "organisation" in "organisations", by ["name", "kind"] {
        /// Its id.
        id: OrganisationId,
        /// Rises with each change.
        version: i64,
        /// Its name, that nobody else has.
        name: String,
        /// What it is to the owner of the gateway.
        kind: OrganisationKind,
        /// A suspended one calls nothing and changes nothing.
        standing: Standing,
        /// When it was made.
        created: Timestamp,
    }
}

impl Tx {
    /// The organisation whose gateway this is; `None` before the first start is over.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn owner(&mut self) -> Result<Option<Organisation>, Error> {
        self.find("kind", OrganisationKind::Owner.to_value()).await
    }

    /// Removes an organisation with all that is its own. Refused while it has subscriptions that
    /// are not over.
    ///
    /// # Errors
    /// [`Error::InUse`] with those subscriptions, [`Error::Conflict`] where it has changed.
    pub async fn remove_organisation(&mut self, gone: &Organisation) -> Result<(), Error> {
        let id = || gone.id.to_value();
        let live = "SELECT id FROM subscriptions WHERE organisation = $1 \
                    AND state IN ('pending', 'approved', 'suspended') ORDER BY id LIMIT $2";
        let rows = self.query(live, vec![id(), IN_USE_SHOWN.to_value()]).await?;
        let by = rows.into_iter().map(|mut row| row.take()).collect::<Result<Vec<String>, _>>()?;
        if !by.is_empty() {
            return Err(Error::InUse { noun: "organisation", id: gone.id.to_string(), by });
        }
        for sql in [
            "DELETE FROM subscriptions WHERE organisation = $1",
            "DELETE FROM applications WHERE organisation = $1",
            "DELETE FROM members WHERE organisation = $1",
        ] {
            self.execute(sql, vec![id()]).await?;
        }
        self.delete(gone).await
    }
}
