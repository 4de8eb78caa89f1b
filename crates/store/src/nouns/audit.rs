//! The audit log: who did what to what, before and after; append-only, each entry sealed to the one before it (T30).
//!
//! The seal of an entry is SHA-256 over the seal before it and all that the entry says. Whoever
//! changes or removes one breaks all seals behind it; whoever cuts off the end is found out by
//! whoever noted the last one.

use pasarela_model::{OrganisationId, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    Error, Page, Slice, Tx,
    column::Column as _,
    engine::{Row, Value},
};

/// What is written into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a member's id, or what the system calls itself.
    pub actor: String,
    /// Whose affair it was; `None`: the whole gateway's.
    pub organisation: Option<OrganisationId>,
    /// What was done.
    pub verb: String,
    /// To what, by its id.
    pub object: String,
    /// What it was, as JSON; no secret is in it.
    pub before: Option<String>,
    /// What it became.
    pub after: Option<String>,
    /// The request that did it.
    pub request: String,
}

/// What stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// From 1, without a gap.
    pub number: i64,
    /// What it says.
    pub entry: AuditEntry,
    /// Its seal.
    pub hash: [u8; 32],
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// One organisation's; `None`: all.
    pub organisation: Option<OrganisationId>,
}

/// What reading the whole log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Entries.
    pub entries: i64,
    /// The last seal, to be noted elsewhere.
    pub head: [u8; 32],
    /// The first entry that is not what was written.
    pub broken: Option<i64>,
}

const PART: i64 = 1_000;

impl AuditEntry {
    /// Each text with its length before it, so that no two entries read the same.
    fn seal(&self, number: i64, before: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(number.to_be_bytes());
        hash.update(self.at.millis().to_be_bytes());
        let texts = [
            Some(self.actor.as_str()),
            self.organisation.as_ref().map(OrganisationId::as_str),
            Some(&self.verb),
            Some(&self.object),
            self.before.as_deref(),
            self.after.as_deref(),
            Some(&self.request),
        ];
        for text in texts {
            // An absent text is not an empty one.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(text.unwrap_or_default());
        }
        hash.finalize().into()
    }
}

impl AuditRow {
    fn read(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            number: row.take()?,
            entry: AuditEntry {
                at: row.take()?,
                actor: row.take()?,
                organisation: row.take()?,
                verb: row.take()?,
                object: row.take()?,
                before: row.take()?,
                after: row.take()?,
                request: row.take()?,
            },
            hash: row.take()?,
        })
    }
}

impl Tx {
    /// Writes an entry. What is written down has changed something: the generation rises with it.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn audit(&mut self, entry: &AuditEntry) -> Result<(), Error> {
        let (last, before) = self.audit_head().await?;
        let number = last + 1;
        let sql = "INSERT INTO audit (number, at, actor, organisation, verb, object, before, \
                   after, request, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let values: Vec<Value> = vec![
            number.to_value(),
            entry.at.to_value(),
            entry.actor.to_value(),
            entry.organisation.to_value(),
            entry.verb.to_value(),
            entry.object.to_value(),
            entry.before.to_value(),
            entry.after.to_value(),
            entry.request.to_value(),
            entry.seal(number, &before).to_value(),
        ];
        self.execute(sql, values).await?;
        self.mark_changed();
        Ok(())
    }

    pub(super) async fn audit_head(&mut self) -> Result<(i64, [u8; 32]), Error> {
        let sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
        match self.query(sql, Vec::new()).await?.into_iter().next() {
            None => Ok((0, [0; 32])),
            Some(mut row) => Ok((row.take()?, row.take()?)),
        }
    }

    /// The log, newest first; `after` is the number of the last entry of the page before.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn audit_page(
        &mut self,
        filter: &AuditFilter,
        slice: &Slice,
    ) -> Result<Page<AuditRow>, Error> {
        let limit = slice.bound();
        let until = match &slice.after {
            None => i64::MAX,
            Some(text) => text.parse().map_err(|_| Error::Invalid("no such cursor".to_owned()))?,
        };
        let rows = match &filter.organisation {
            None => {
                let sql = "SELECT number, at, actor, organisation, verb, object, before, after, \
                           request, hash FROM audit WHERE number < $1 \
                           ORDER BY number DESC LIMIT $2";
                self.query(sql, vec![until.to_value(), (limit + 1).to_value()]).await?
            }
            Some(organisation) => {
                let sql = "SELECT number, at, actor, organisation, verb, object, before, after, \
                           request, hash FROM audit WHERE organisation = $1 AND number < $2 \
                           ORDER BY number DESC LIMIT $3";
                let values =
                    vec![organisation.to_value(), until.to_value(), (limit + 1).to_value()];
                self.query(sql, values).await?
            }
        };
        let read = rows.into_iter().map(AuditRow::read);
        let mut items = read.collect::<Result<Vec<_>, Error>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.number.to_string());
        Ok(Page { items, next })
    }

    /// Reads the whole log and tries every seal.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn verify_audit(&mut self) -> Result<Verified, Error> {
        let sql = "SELECT number, at, actor, organisation, verb, object, before, after, request, \
                   hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
        let mut found = Verified { entries: 0, head: [0; 32], broken: None };
        loop {
            let values = vec![found.entries.to_value(), PART.to_value()];
            let rows = self.query(sql, values).await?;
            if rows.is_empty() {
                return Ok(found);
            }
            for row in rows {
                let row = AuditRow::read(row)?;
                let number = found.entries + 1;
                if row.number != number || row.entry.seal(number, &found.head) != row.hash {
                    return Ok(Verified { broken: Some(number), ..found });
                }
                found = Verified { entries: number, head: row.hash, broken: None };
            }
        }
    }
}
