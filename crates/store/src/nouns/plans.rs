//! Plans and their versions. A version never changes: a subscription names the one it was made on.

use pasarela_model::{PlanId, Timestamp};

use crate::{
    Error, PlanState, Tx,
    column::Column as _,
    engine::{Row, Value},
    noun::noun,
};

noun! {
    /// What an application subscribes to, under terms that have versions.
    Plan = "plan" in "plans", by ["name"] {
        /// Its id.
        id: PlanId,
        /// Rises with each change.
        version: i64,
        /// Its name, that no other plan has.
        name: String,
        /// Whether it can still be subscribed to.
        state: PlanState,
        /// The APIs it is offered for, a space between two.
        apis: String,
        /// The number of its newest terms.
        latest: i64,
        /// When it was made.
        created: Timestamp,
    }
}

/// The terms of a plan, as they were from some day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanVersion {
    /// Of this plan.
    pub plan: PlanId,
    /// From 1.
    pub number: i64,
    /// Calls… `None`: no rate limit.
    pub rate_count: Option<i64>,
    /// …in so many milliseconds…
    pub rate_per_ms: Option<i64>,
    /// …and so many at once.
    pub rate_burst: Option<i64>,
    /// Scopes that its subscribers are granted, a space between two.
    pub scopes: String,
    /// When it was made.
    pub created: Timestamp,
}

impl PlanVersion {
    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            self.plan.to_value(),
            self.number.to_value(),
            self.rate_count.to_value(),
            self.rate_per_ms.to_value(),
            self.rate_burst.to_value(),
            self.scopes.to_value(),
            self.created.to_value(),
        ]
    }

    pub(super) fn read(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            plan: row.take()?,
            number: row.take()?,
            rate_count: row.take()?,
            rate_per_ms: row.take()?,
            rate_burst: row.take()?,
            scopes: row.take()?,
            created: row.take()?,
        })
    }
}

impl Tx {
    /// All plans.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn plans(&mut self) -> Result<Vec<Plan>, Error> {
        self.every().await
    }

    /// The plan of this name.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn plan_named(&mut self, name: &str) -> Result<Option<Plan>, Error> {
        self.find("name", name.to_owned().to_value()).await
    }

    /// Adds terms.
    ///
    /// # Errors
    /// [`Error::Exists`] where these terms are there already.
    pub async fn add_plan_version(&mut self, new: &PlanVersion) -> Result<(), Error> {
        let sql = "INSERT INTO plan_versions (plan, number, rate_count, rate_per_ms, rate_burst, \
                   scopes, created) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let done = self.execute(sql, new.values()).await;
        done.map(drop).map_err(|error| error.naming("plan version", &new.number.to_string()))
    }

    /// All terms that a plan has had, oldest first.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn plan_versions(&mut self, plan: &PlanId) -> Result<Vec<PlanVersion>, Error> {
        let sql = "SELECT plan, number, rate_count, rate_per_ms, rate_burst, scopes, created \
                   FROM plan_versions WHERE plan = $1 ORDER BY number";
        let rows = self.query(sql, vec![plan.to_value()]).await?;
        rows.into_iter().map(PlanVersion::read).collect()
    }

    /// Terms by their number.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there are none.
    pub async fn plan_version(&mut self, plan: &PlanId, number: i64) -> Result<PlanVersion, Error> {
        let sql = "SELECT plan, number, rate_count, rate_per_ms, rate_burst, scopes, created \
                   FROM plan_versions WHERE plan = $1 AND number = $2";
        let rows = self.query(sql, vec![plan.to_value(), number.to_value()]).await?;
        let row = rows.into_iter().next();
        row.map_or_else(|| Err(Error::not_found("plan version", number)), PlanVersion::read)
    }

    /// The terms that some subscription is on, of all plans, and the newest of each.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn plan_versions_in_use(&mut self) -> Result<Vec<PlanVersion>, Error> {
        let sql = "SELECT plan, number, rate_count, rate_per_ms, rate_burst, scopes, created \
                   FROM plan_versions WHERE EXISTS (SELECT 1 FROM subscriptions \
                   WHERE subscriptions.plan = plan_versions.plan \
                   AND subscriptions.plan_version = plan_versions.number) \
                   OR EXISTS (SELECT 1 FROM plans WHERE plans.id = plan_versions.plan \
                   AND plans.latest = plan_versions.number) ORDER BY plan, number";
        let rows = self.query(sql, Vec::new()).await?;
        rows.into_iter().map(PlanVersion::read).collect()
    }
}
