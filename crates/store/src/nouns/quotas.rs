//! What was handed out of quotas. Nothing here is served from, so no generation rises with it.
//!
//! Whoever leases writes down first and hands out then: a crash in between loses calls, and never gives
//! one twice (T32).

use crate::{Error, Tx, column::Column as _};

/// Hours after which a window is forgotten: two months, so that a clock may be set back.
const KEPT_HOURS: i64 = 62 * 24;

impl Tx {
    /// Hands out `wanted` calls of a quota in the window that begins at this hour, as far as fewer than `most` have been; how many
    /// it gave, and how many there are still.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn lease_quota(
        &mut self,
        name: &str,
        starts: i64,
        most: i64,
        wanted: i64,
    ) -> Result<(i64, i64), Error> {
        let key = || vec![name.to_owned().to_value(), starts.to_value()];
        let granted = "SELECT granted FROM quotas WHERE name = $1 AND starts = $2";
        let mut rows = self.query(granted, key()).await?.into_iter();
        let before = match rows.next() {
            Some(mut row) => row.take()?,
            None => {
                let oldest = vec![name.to_owned().to_value(), (starts - KEPT_HOURS).to_value()];
                let forget = "DELETE FROM quotas WHERE name = $1 AND starts < $2";
                self.execute(forget, oldest).await?;
                let begin = "INSERT INTO quotas (name, starts, granted) VALUES ($1, $2, 0)";
                self.execute(begin, key()).await?;
                0
            }
        };
        let free = most.saturating_sub(before).max(0);
        let given = wanted.clamp(0, free);
        if given > 0 {
            let give = "UPDATE quotas SET granted = granted + $3 WHERE name = $1 AND starts = $2";
            let values = key().into_iter().chain([given.to_value()]).collect();
            self.execute(give, values).await?;
        }
        Ok((given, free - given))
    }

    /// Takes back calls that were handed out and not used.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn return_quota(&mut self, name: &str, starts: i64, calls: i64) -> Result<(), Error> {
        let back = "UPDATE quotas SET granted = granted - $3 \
                    WHERE name = $1 AND starts = $2 AND granted >= $3";
        let values = vec![name.to_owned().to_value(), starts.to_value(), calls.to_value()];
        self.execute(back, values).await.map(drop)
    }
}
