//! APIs that the store keeps: what is said about each, and the revisions of its documents.
//!
//! What a definition means is not known here: whoever writes one has read it. Documents are kept by
//! their digest, so that a revision that comes back costs nothing.

use std::sync::Arc;

use pasarela_model::{ApiId, Timestamp, Visibility};

use crate::{ApiState, Error, IN_USE_SHOWN, Tx, column::Column as _, noun::noun};

noun! {
    /// An API of the store.
    Api = "API" in "apis", by ["name"] {
        /// Its id.
        id: ApiId,
        /// Rises with each change.
        version: i64,
        /// Its name.
        name: String,
        /// Its major version; the two together are its own.
        major: i64,
        /// Where it stands.
        state: ApiState,
        /// Who may see it.
        visibility: Visibility,
        /// The plans that its definition names, a space between two.
        plans: String,
        /// Where it answers, as texts are compared.
        route: String,
        /// What the configuration file would say about it, as JSON.
        definition: String,
        /// The revision of its documents that is in force…
        revision: i64,
        /// …and their digest.
        digest: [u8; 32],
        /// When it was made.
        created: Timestamp,
    }
}

/// Documents as they were from some day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRevision {
    /// From 1.
    pub number: i64,
    /// Their digest.
    pub digest: [u8; 32],
    /// The URL that they were fetched from, if they were.
    pub source: Option<String>,
    /// Since when.
    pub created: Timestamp,
}

/// Revisions that are kept of one API: beyond these the oldest goes.
pub const REVISIONS_MAX: i64 = 100;

impl Tx {
    /// The API of this name and major version.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn api_named(&mut self, name: &str, major: i64) -> Result<Option<Api>, Error> {
        let sql = "SELECT id FROM apis WHERE name = $1 AND major = $2";
        let rows = self.query(sql, vec![name.to_owned().to_value(), major.to_value()]).await?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let id: ApiId = row.take()?;
        self.get(id.as_str()).await.map(Some)
    }

    /// All of them.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn apis(&mut self) -> Result<Vec<Api>, Error> {
        self.every().await
    }

    /// Adds a revision of an API's documents; the oldest that is not in force makes room.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is one of this number.
    pub async fn add_api_revision(
        &mut self,
        api: &ApiId,
        new: &ApiRevision,
        documents: &str,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO api_documents (digest, text) VALUES ($1, $2) \
                   ON CONFLICT (digest) DO NOTHING";
        self.execute(sql, vec![new.digest.to_value(), documents.to_owned().to_value()]).await?;
        let sql = "INSERT INTO api_revisions (api, number, digest, source, created) \
                   VALUES ($1, $2, $3, $4, $5)";
        let values = vec![
            api.to_value(),
            new.number.to_value(),
            new.digest.to_value(),
            new.source.to_value(),
            new.created.to_value(),
        ];
        let done = self.execute(sql, values).await;
        done.map_err(|error| error.naming("revision", &new.number.to_string()))?;
        let sql = "DELETE FROM api_revisions WHERE api = $1 AND number <= $2 \
                   AND number <> (SELECT revision FROM apis WHERE id = $1)";
        let values = vec![api.to_value(), (new.number - REVISIONS_MAX).to_value()];
        if self.execute(sql, values).await? > 0 {
            self.forget_documents().await?;
        }
        Ok(())
    }

    /// The revisions of an API's documents, oldest first.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn api_revisions(&mut self, api: &ApiId) -> Result<Vec<ApiRevision>, Error> {
        let sql = "SELECT number, digest, source, created FROM api_revisions WHERE api = $1 \
                   ORDER BY number";
        let rows = self.query(sql, vec![api.to_value()]).await?;
        let read = rows.into_iter().map(|mut row| {
            Ok(ApiRevision {
                number: row.take()?,
                digest: row.take()?,
                source: row.take()?,
                created: row.take()?,
            })
        });
        read.collect()
    }

    /// Documents by their digest.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they are not there: whoever asks has a revision that names them.
    pub async fn api_documents(&mut self, digest: &[u8; 32]) -> Result<Arc<str>, Error> {
        let sql = "SELECT text FROM api_documents WHERE digest = $1";
        let rows = self.query(sql, vec![digest.to_value()]).await?;
        let gone = || Error::Corrupt("the documents of an API are gone".to_owned());
        let text: String = rows.into_iter().next().ok_or_else(gone)?.take()?;
        Ok(text.into())
    }

    /// Removes an API, with its revisions and whoever was admitted to it. Refused while it has
    /// subscriptions that are not over.
    ///
    /// # Errors
    /// [`Error::InUse`] with those subscriptions, [`Error::Conflict`] where it has changed.
    pub async fn remove_api(&mut self, gone: &Api) -> Result<(), Error> {
        let name = format!("{}/v{}", gone.name, gone.major);
        let live = "SELECT id FROM subscriptions WHERE api = $1 \
                    AND state IN ('pending', 'approved', 'suspended') ORDER BY id LIMIT $2";
        let values = vec![name.to_value(), IN_USE_SHOWN.to_value()];
        let rows = self.query(live, values).await?;
        let by = rows.into_iter().map(|mut row| row.take()).collect::<Result<Vec<String>, _>>()?;
        if !by.is_empty() {
            return Err(Error::InUse { noun: "API", id: gone.id.to_string(), by });
        }
        self.delete(gone).await?;
        self.execute("DELETE FROM admissions WHERE api = $1", vec![name.to_value()]).await?;
        self.forget_documents().await
    }

    /// Documents that no revision has any more.
    async fn forget_documents(&mut self) -> Result<(), Error> {
        let sql = "DELETE FROM api_documents WHERE NOT EXISTS (SELECT 1 FROM api_revisions \
                   WHERE api_revisions.digest = api_documents.digest)";
        self.execute(sql, Vec::new()).await.map(drop)
    }
}
