//! Answers that were given under an idempotency key, so that asking again changes nothing twice (P8).

use pasarela_model::Timestamp;

use crate::{Error, Tx, column::Column as _};

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Digest of what was asked: the same key with another question is a mistake.
    pub question: [u8; 32],
    /// What was answered, without what is shown only once.
    pub answer: String,
}

impl Tx {
    /// What a member was answered under this key.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn answered(&mut self, member: &str, key: &str) -> Result<Option<Answered>, Error> {
        let sql = "SELECT question, answer FROM answers WHERE member = $1 AND key = $2";
        let values = vec![member.to_owned().to_value(), key.to_owned().to_value()];
        let mut rows = self.query(sql, values).await?.into_iter();
        let row = rows.next();
        row.map(|mut row| Ok(Answered { question: row.take()?, answer: row.take()? })).transpose()
    }

    /// Keeps an answer, in the transaction of the change it tells of; those from before `oldest`
    /// are forgotten (L41).
    ///
    /// # Errors
    /// [`Error::Exists`] where the key has an answer.
    pub async fn keep_answer(
        &mut self,
        member: &str,
        key: &str,
        given: &Answered,
        at: Timestamp,
        oldest: Timestamp,
    ) -> Result<(), Error> {
        self.execute("DELETE FROM answers WHERE at < $1", vec![oldest.to_value()]).await?;
        let sql = "INSERT INTO answers (member, key, question, answer, at) \
                   VALUES ($1, $2, $3, $4, $5)";
        let values = vec![
            member.to_owned().to_value(),
            key.to_owned().to_value(),
            given.question.to_value(),
            given.answer.to_value(),
            at.to_value(),
        ];
        let done = self.execute(sql, values).await;
        done.map(drop).map_err(|error| error.naming("answer", key))
    }
}
