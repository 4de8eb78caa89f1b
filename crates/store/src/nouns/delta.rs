//! What the gateway can serve from, one change later: what the audit log says was touched is read again.
//!
//! With a million keys, reading all of them for one that was revoked would take longer than a
//! revocation may (L36). Whatever this leads to is what reading everything would: a test compares them.

use std::collections::BTreeSet;

use pasarela_model::{ApplicationId, Id as _, KeyId, OrganisationId, PlanId, SubscriptionId};

use super::holding::{HeldKey, Holding};
use crate::{Application, ApplicationKey, Error, Noun, Tx, column::Column as _};

/// Changes after which everything is read anew.
const CHANGES_MAX: i64 = 1_000;

impl Tx {
    /// All that the gateway can serve from, by way of what it was.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn holding_since(&mut self, before: &Holding) -> Result<Holding, Error> {
        let Some((audited, seal, objects)) = self.touched(before).await? else {
            return self.holding().await;
        };
        let mut held = before.clone();
        held.generation = self.generation().await?;
        (held.audited, held.seal) = (audited, seal);
        for object in &objects {
            match object.split_once('_').map_or("", |(prefix, _)| prefix) {
                OrganisationId::PREFIX => {
                    let now = self.maybe(object).await?;
                    if now.is_none() {
                        held.forget_organisation(object);
                    }
                    put(&mut held.organisations, object, now);
                }
                ApplicationId::PREFIX => {
                    let now = self.maybe(object).await?;
                    held.put_application(object, now);
                }
                // Its application may be one that is still to come in this round, so keys are last.
                KeyId::PREFIX => {}
                PlanId::PREFIX => put(&mut held.plans, object, self.maybe(object).await?),
                SubscriptionId::PREFIX => {
                    put(&mut held.subscriptions, object, self.maybe(object).await?);
                }
                _ => {}
            }
        }
        for object in objects.iter().filter(|object| object.starts_with(KeyId::PREFIX)) {
            if let Some(key) = self.maybe::<ApplicationKey>(object).await? {
                held.put_key(&key);
            }
        }
        held.versions = self.plan_versions_in_use().await?;
        Ok(held)
    }

    /// What the log says was touched since, and its last entry with its seal; `None` where that is too
    /// much, or where the log is not the one that was read before (a copy was put in its place).
    async fn touched(
        &mut self,
        before: &Holding,
    ) -> Result<Option<(i64, [u8; 32], BTreeSet<String>)>, Error> {
        let sql =
            "SELECT number, object, hash FROM audit WHERE number >= $1 ORDER BY number LIMIT $2";
        let values = vec![before.audited.to_value(), (CHANGES_MAX + 2).to_value()];
        let rows = self.query(sql, values).await?;
        if rows.len() as i64 > CHANGES_MAX + 1 {
            return Ok(None);
        }
        let (mut last, mut objects) = (None, BTreeSet::new());
        for mut row in rows {
            let (number, object): (i64, String) = (row.take()?, row.take()?);
            let seal: [u8; 32] = row.take()?;
            // The entry that was the last one has to be there still.
            if last.is_none() && (number, seal) != (before.audited, before.seal) {
                return Ok(None);
            }
            if number > before.audited {
                objects.insert(object);
            }
            last = Some((number, seal));
        }
        Ok(last.map(|(number, seal)| (number, seal, objects)))
    }

    async fn maybe<N: Noun>(&mut self, id: &str) -> Result<Option<N>, Error> {
        match self.get(id).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

/// Puts one where it belongs among others that are in the order of their ids, or takes it away.
fn put<N: Noun>(all: &mut Vec<N>, id: &str, now: Option<N>) {
    match (all.binary_search_by(|one| one.id().cmp(id)), now) {
        (Ok(place), Some(now)) => {
            if let Some(was) = all.get_mut(place) {
                *was = now;
            }
        }
        (Ok(place), None) => drop(all.remove(place)),
        (Err(place), Some(now)) => all.insert(place, now),
        (Err(_), None) => {}
    }
}

impl Holding {
    fn forget_organisation(&mut self, gone: &str) {
        self.subscriptions.retain(|one| one.organisation.as_str() != gone);
        let its = |one: &&Application| one.organisation.as_str() == gone;
        let ids: Vec<_> = self.applications.iter().filter(its).map(|one| one.id.clone()).collect();
        ids.iter().for_each(|id| self.put_application(id.as_str(), None));
    }

    /// Keys name applications by their place, so those behind it move along.
    fn put_application(&mut self, id: &str, now: Option<Application>) {
        match (self.applications.binary_search_by(|one| one.id.as_str().cmp(id)), &now) {
            (Ok(place), None) => {
                self.keys.retain(|key| key.application != place);
                let behind = self.keys.iter_mut().filter(|key| key.application > place);
                behind.for_each(|key| key.application -= 1);
                self.subscriptions.retain(|one| one.application.as_str() != id);
            }
            (Err(place), Some(_)) => {
                let behind = self.keys.iter_mut().filter(|key| key.application >= place);
                behind.for_each(|key| key.application += 1);
            }
            (Ok(_), Some(_)) | (Err(_), None) => {}
        }
        put(&mut self.applications, id, now);
    }

    fn put_key(&mut self, key: &ApplicationKey) {
        self.keys.retain(|held| held.digest != key.digest);
        let whose = self.applications.binary_search_by(|one| one.id.cmp(&key.application));
        let (Ok(application), None) = (whose, key.revoked) else { return };
        // Behind the application's others; among those the order means nothing.
        let place = self.keys.partition_point(|held| held.application <= application);
        let held = HeldKey { application, digest: key.digest, expires: key.expires };
        self.keys.insert(place, held);
    }
}
