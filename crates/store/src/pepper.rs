//! Which pepper a store is mixed with; and the mixing, once, of a store that was made before there was one.

use pasarela_model::{KeyDigest, Pepper};

use crate::{Error, Tx, column::Column as _, engine::Engine};

/// Where secrets are known by something, with what asks for a part of them and what writes one.
const TABLES: [(&str, &str); 3] = [
    (
        "SELECT id, digest FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2",
        "UPDATE api_keys SET digest = $2 WHERE id = $1",
    ),
    (
        "SELECT id, digest FROM tokens WHERE id > $1 ORDER BY id LIMIT $2",
        "UPDATE tokens SET digest = $2 WHERE id = $1",
    ),
    (
        "SELECT id, digest FROM invitations WHERE id > $1 ORDER BY id LIMIT $2",
        "UPDATE invitations SET digest = $2 WHERE id = $1",
    ),
];

/// Rows that are read at a time.
const PART: i64 = 10_000;

/// Sees that the store is mixed with this pepper: as it was before, or from now on.
pub(crate) async fn fit(engine: &dyn Engine, pepper: &Pepper) -> Result<(), Error> {
    let mut tx = Tx::new(engine.writer().await?);
    tx.begin(engine.dialect().begin_write).await?;
    let ours = proof(pepper);
    match tx.pepper_proof().await? {
        Some(proof) if proof == ours => return tx.end("ROLLBACK").await,
        Some(_) => {
            tx.end("ROLLBACK").await?;
            return Err(Error::OtherPepper);
        }
        None => {}
    }
    for (read, write) in TABLES {
        tx.mix(pepper, read, write).await?;
    }
    let sql = "INSERT INTO counters (name, number) VALUES ('pepper', $1)";
    tx.execute(sql, vec![ours.to_value()]).await?;
    tx.end("COMMIT").await
}

/// The part of a proof that fits into a number. Who has it can tell the pepper when they see it, and that is all.
fn proof(pepper: &Pepper) -> i64 {
    let KeyDigest(proof) = pepper.proof();
    i64::from_be_bytes(proof.first_chunk().copied().unwrap_or_default())
}

impl Tx {
    async fn pepper_proof(&mut self) -> Result<Option<i64>, Error> {
        let sql = "SELECT number FROM counters WHERE name = 'pepper'";
        let row = self.query(sql, Vec::new()).await?.into_iter().next();
        row.map(|mut row| row.take()).transpose()
    }

    /// Mixes what secrets in a table were known by until now, which is their SHA-256.
    async fn mix(
        &mut self,
        pepper: &Pepper,
        read: &'static str,
        write: &'static str,
    ) -> Result<(), Error> {
        let mut last = String::new();
        loop {
            let rows = self.query(read, vec![last.to_value(), PART.to_value()]).await?;
            let whole = rows.len() as i64 == PART;
            if !rows.is_empty() {
                tracing::info!(rows = rows.len(), "mixing secrets of the store with its pepper");
            }
            for mut row in rows {
                let (id, digest): (String, KeyDigest) = (row.take()?, row.take()?);
                let values = vec![id.to_value(), pepper.of(&digest).to_value()];
                self.execute(write, values).await?;
                last = id;
            }
            if !whole {
                return Ok(());
            }
        }
    }
}
