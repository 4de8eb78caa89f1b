//! Letters with SOAP messages in them, the calls that come of them, and the answers that are to be mailed: two queues.
//!
//! Whoever works takes something for a while, says now and then that it is still at it, and in the end that it is done. A process
//! that dies in between says nothing, and somebody else takes it. That it is called a second time then cannot be told here; it is
//! called with the same key (`mark`).

use pasarela_model::{LetterId, Timestamp};

use crate::{
    Error, Tx,
    column::Column as _,
    engine::{Row, Value},
};

/// A letter as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id.
    pub id: LetterId,
    /// The sender, as the envelope says; empty for none.
    pub sender: String,
    /// Which application proved to send it.
    pub application: Option<String>,
    /// The address it came from.
    pub client: String,
    /// When it came.
    pub received: Timestamp,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// A letter for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterCall {
    /// Its id.
    pub id: LetterId,
    /// For whom it is.
    pub recipient: String,
    /// What is the same when the same message comes again.
    pub mark: [u8; 32],
}

/// A call that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCall {
    /// The call.
    pub call: LetterCall,
    /// How often it was taken, this time included.
    pub tries: i64,
    /// Somebody took it before, and nobody knows what became of it.
    pub interrupted: bool,
    /// What it came in.
    pub letter: Letter,
}

/// Something that is to be mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterAnswer {
    /// Where it is sent back to when it cannot be delivered; empty for nowhere.
    pub sender: String,
    /// For whom it is.
    pub recipient: String,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// An answer that is to be mailed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenAnswer {
    /// The call that it answers.
    pub id: LetterId,
    /// The letter.
    pub answer: LetterAnswer,
    /// When it was written.
    pub created: Timestamp,
    /// How often it was taken, this time included.
    pub tries: i64,
}

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetterQueue {
    /// Calls that are not done.
    pub calls: i64,
    /// Answers that are not mailed.
    pub answers: i64,
    /// When the oldest of them came, or was written.
    pub oldest: Option<Timestamp>,
}

impl Tx {
    /// Keeps a letter with those of its calls that never came before; how many these are. One that came within the time in which
    /// calls are remembered is one call with the first.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn keep_letter(
        &mut self,
        letter: &Letter,
        calls: &[LetterCall],
    ) -> Result<usize, Error> {
        let sql = "INSERT INTO letter_calls \
                   (id, letter, recipient, mark, received, state, tries, due) \
                   VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $5) ON CONFLICT (mark) DO NOTHING";
        let mut new = 0;
        for call in calls {
            let values = vec![
                call.id.to_value(),
                letter.id.to_value(),
                call.recipient.to_value(),
                call.mark.to_value(),
                letter.received.to_value(),
            ];
            new += usize::try_from(self.execute(sql, values).await?).unwrap_or(0);
        }
        if new > 0 {
            let sql = "INSERT INTO letters (id, sender, application, client, received, bytes) \
                       VALUES ($1, $2, $3, $4, $5, $6)";
            let values = vec![
                letter.id.to_value(),
                letter.sender.to_value(),
                letter.application.to_value(),
                letter.client.to_value(),
                letter.received.to_value(),
                letter.bytes.to_value(),
            ];
            self.execute(sql, values).await?;
        }
        Ok(new)
    }

    /// Takes calls that are due, at most `most`, the oldest first. Until `until` they are `holder`'s.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn take_calls(
        &mut self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        most: i64,
    ) -> Result<Vec<TakenCall>, Error> {
        let sql = "SELECT c.id, c.recipient, c.mark, c.tries + 1, c.state, \
                          l.id, l.sender, l.application, l.client, l.received, l.bytes \
                   FROM letter_calls c JOIN letters l ON l.id = c.letter \
                   WHERE c.state <> 'done' AND c.due <= $1 AND (c.until IS NULL OR c.until <= $1) \
                   ORDER BY c.due, c.id LIMIT $2";
        let rows = self.query(sql, vec![now.to_value(), most.to_value()]).await?;
        let taken = rows.into_iter().map(taken_call).collect::<Result<Vec<_>, Error>>()?;
        let sql = "UPDATE letter_calls SET state = 'begun', tries = tries + 1, \
                   holder = $2, until = $3 WHERE id = $1";
        for call in &taken {
            self.execute(sql, held(&call.call.id, holder, until)).await?;
        }
        Ok(taken)
    }

    /// Says that a call is done, and what is to be mailed. `false`: it was not `holder`'s any more, and nothing is changed.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn finish_call(
        &mut self,
        id: &LetterId,
        holder: &str,
        answer: Option<&LetterAnswer>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE letter_calls SET state = 'done', holder = NULL, until = NULL \
                   WHERE id = $1 AND holder = $2 AND state = 'begun'";
        let values = vec![id.to_value(), holder.to_owned().to_value()];
        if self.execute(sql, values).await? == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM letters WHERE id = (SELECT letter FROM letter_calls WHERE id = $1) \
                   AND NOT EXISTS (SELECT 1 FROM letter_calls c \
                                   WHERE c.letter = letters.id AND c.state <> 'done')";
        self.execute(sql, vec![id.to_value()]).await?;
        if let Some(answer) = answer {
            let sql = "INSERT INTO letter_answers \
                       (id, sender, recipient, bytes, created, tries, due) \
                       VALUES ($1, $2, $3, $4, $5, 0, $5)";
            let values = vec![
                id.to_value(),
                answer.sender.to_value(),
                answer.recipient.to_value(),
                answer.bytes.to_value(),
                now.to_value(),
            ];
            self.execute(sql, values).await?;
        }
        Ok(true)
    }

    /// Gives a call back, to be made again from `due` on. It is known that it had no effect.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn put_off_call(
        &mut self,
        id: &LetterId,
        holder: &str,
        due: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE letter_calls SET state = 'waiting', due = $3, holder = NULL, \
                   until = NULL WHERE id = $1 AND holder = $2 AND state = 'begun'";
        self.execute(sql, held(id, holder, due)).await.map(drop)
    }

    /// Takes answers that are due, as [`Self::take_calls`].
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn take_answers(
        &mut self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        most: i64,
    ) -> Result<Vec<TakenAnswer>, Error> {
        let sql = "SELECT id, sender, recipient, bytes, created, tries + 1 FROM letter_answers \
                   WHERE due <= $1 AND (until IS NULL OR until <= $1) ORDER BY due, id LIMIT $2";
        let rows = self.query(sql, vec![now.to_value(), most.to_value()]).await?;
        let taken = rows.into_iter().map(taken_answer).collect::<Result<Vec<_>, Error>>()?;
        let sql =
            "UPDATE letter_answers SET tries = tries + 1, holder = $2, until = $3 WHERE id = $1";
        for answer in &taken {
            self.execute(sql, held(&answer.id, holder, until)).await?;
        }
        Ok(taken)
    }

    /// An answer is mailed, or given up.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn drop_answer(&mut self, id: &LetterId, holder: &str) -> Result<(), Error> {
        let sql = "DELETE FROM letter_answers WHERE id = $1 AND holder = $2";
        let values = vec![id.to_value(), holder.to_owned().to_value()];
        self.execute(sql, values).await.map(drop)
    }

    /// Gives an answer back, to be mailed from `due` on.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn put_off_answer(
        &mut self,
        id: &LetterId,
        holder: &str,
        due: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE letter_answers SET due = $3, holder = NULL, until = NULL \
                   WHERE id = $1 AND holder = $2";
        self.execute(sql, held(id, holder, due)).await.map(drop)
    }

    /// `holder` is still at all that it took.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn hold_letters(&mut self, holder: &str, until: Timestamp) -> Result<(), Error> {
        let values = || vec![holder.to_owned().to_value(), until.to_value()];
        let sql = "UPDATE letter_calls SET until = $2 WHERE holder = $1 AND state = 'begun'";
        self.execute(sql, values()).await?;
        let sql = "UPDATE letter_answers SET until = $2 WHERE holder = $1";
        self.execute(sql, values()).await.map(drop)
    }

    /// Forgets that calls came that were done and came before this; how many.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn forget_letters(&mut self, before: Timestamp) -> Result<u64, Error> {
        let sql = "DELETE FROM letter_calls WHERE state = 'done' AND received < $1";
        self.execute(sql, vec![before.to_value()]).await
    }

    /// What waits.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn letter_queue(&mut self) -> Result<LetterQueue, Error> {
        let sql = "SELECT count(*), min(received) FROM letter_calls WHERE state <> 'done'";
        let calls = self.query(sql, vec![]).await?.into_iter().next();
        let sql = "SELECT count(*), min(created) FROM letter_answers";
        let answers = self.query(sql, vec![]).await?.into_iter().next();
        let read = |row: Option<Row>| -> Result<(i64, Option<Timestamp>), Error> {
            let mut row = row.ok_or_else(|| Error::Corrupt("a count is missing".to_owned()))?;
            Ok((row.take()?, row.take()?))
        };
        let ((calls, first), (answers, second)) = (read(calls)?, read(answers)?);
        Ok(LetterQueue { calls, answers, oldest: first.into_iter().chain(second).min() })
    }
}

fn held(id: &LetterId, holder: &str, until: Timestamp) -> Vec<Value> {
    vec![id.to_value(), holder.to_owned().to_value(), until.to_value()]
}

fn taken_call(mut row: Row) -> Result<TakenCall, Error> {
    Ok(TakenCall {
        call: LetterCall { id: row.take()?, recipient: row.take()?, mark: row.take()? },
        tries: row.take()?,
        interrupted: row.take::<String>()? == "begun",
        letter: Letter {
            id: row.take()?,
            sender: row.take()?,
            application: row.take()?,
            client: row.take()?,
            received: row.take()?,
            bytes: row.take()?,
        },
    })
}

fn taken_answer(mut row: Row) -> Result<TakenAnswer, Error> {
    Ok(TakenAnswer {
        id: row.take()?,
        answer: LetterAnswer { sender: row.take()?, recipient: row.take()?, bytes: row.take()? },
        created: row.take()?,
        tries: row.take()?,
    })
}
