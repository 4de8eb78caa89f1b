//! The keys that tokens of the gateway are signed with, the same on every node.
//!
//! They are private keys: whoever can read this table can issue tokens.

use pasarela_model::{Secret, SigningKey, Timestamp};

use super::AuditEntry;
use crate::{Error, Tx, column::Column as _};

impl Tx {
    /// All of them, in the order in which they begin to sign.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn signing_keys(&mut self) -> Result<Vec<SigningKey>, Error> {
        let sql = "SELECT pkcs8, starts, ends FROM signing_keys ORDER BY starts, pkcs8";
        let rows = self.query(sql, vec![]).await?.into_iter();
        let key = |mut row: crate::engine::Row| {
            let (pkcs8, from, until): (Vec<u8>, i64, i64) = (row.take()?, row.take()?, row.take()?);
            let [from, until] = [from, until].map(|at| u64::try_from(at).unwrap_or_default());
            Ok(SigningKey { pkcs8: Secret::new(pkcs8), from, until })
        };
        rows.map(key).collect()
    }

    /// From now on there are these, which the log is told without showing them.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn keep_signing_keys(
        &mut self,
        keys: &[SigningKey],
        at: Timestamp,
    ) -> Result<(), Error> {
        self.execute("DELETE FROM signing_keys", vec![]).await?;
        for key in keys {
            let [from, until] =
                [key.from, key.until].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
            let values =
                vec![key.pkcs8.expose().to_vec().to_value(), from.to_value(), until.to_value()];
            let sql = "INSERT INTO signing_keys (pkcs8, starts, ends) VALUES ($1, $2, $3)";
            self.execute(sql, values).await?;
        }
        let times: Vec<_> =
            keys.iter().map(|key| format!("[{},{}]", key.from, key.until)).collect();
        let entry = AuditEntry {
            at,
            actor: "gateway".to_owned(),
            organisation: None,
            verb: "signing_keys.renew".to_owned(),
            object: "signing_keys".to_owned(),
            before: None,
            after: Some(format!("[{}]", times.join(","))),
            request: String::new(),
        };
        self.audit(&entry).await
    }
}
