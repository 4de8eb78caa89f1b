//! Subscriptions: an application's right to call an API on a plan; and who was admitted to ask.

use pasarela_model::{ApplicationId, OrganisationId, PlanId, SubscriptionId, Timestamp};

use crate::{Error, Page, Slice, SubscriptionState, Tx, column::Column as _, noun::noun};

noun! {
    /// An application × an API, on a plan.
    Subscription = "subscription" in "subscriptions", by ["application", "organisation", "state"] {
        /// Its id.
        id: SubscriptionId,
        /// Rises with each change.
        version: i64,
        /// Whose application it is.
        organisation: OrganisationId,
        /// Who calls.
        application: ApplicationId,
        /// What is called: `name/v1`, as the configuration has it.
        api: String,
        /// The plan, one of the store's…
        plan: Option<PlanId>,
        /// …in these terms;
        plan_version: Option<i64>,
        /// or one of the configuration file's, by name.
        file_plan: Option<String>,
        /// Where it stands.
        state: SubscriptionState,
        /// When it was asked for.
        created: Timestamp,
        /// When it came to stand there.
        decided: Option<Timestamp>,
    }
}

/// A partner may see an API, and ask for subscriptions to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The partner.
    pub organisation: OrganisationId,
    /// `name/v1`.
    pub api: String,
    /// Since when.
    pub created: Timestamp,
}

impl Tx {
    /// Admits a partner; nothing new where it is admitted.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn admit(&mut self, admission: &Admission) -> Result<(), Error> {
        let sql = "INSERT INTO admissions (organisation, api, created) VALUES ($1, $2, $3) \
                   ON CONFLICT (organisation, api) DO NOTHING";
        let values = vec![
            admission.organisation.to_value(),
            admission.api.to_value(),
            admission.created.to_value(),
        ];
        self.execute(sql, values).await.map(drop)
    }

    /// Takes an admission back; whether there was one.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn dismiss(&mut self, who: &OrganisationId, api: &str) -> Result<bool, Error> {
        let sql = "DELETE FROM admissions WHERE organisation = $1 AND api = $2";
        Ok(self.execute(sql, vec![who.to_value(), api.to_owned().to_value()]).await? > 0)
    }

    /// What an organisation was admitted to.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn admissions(&mut self, who: &OrganisationId) -> Result<Vec<Admission>, Error> {
        let sql = "SELECT organisation, api, created FROM admissions WHERE organisation = $1 \
                   ORDER BY api";
        let rows = self.query(sql, vec![who.to_value()]).await?;
        let read = rows.into_iter().map(|mut row| {
            Ok(Admission { organisation: row.take()?, api: row.take()?, created: row.take()? })
        });
        read.collect()
    }

    /// An organisation's subscriptions, all or those in one state.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn subscriptions_of(
        &mut self,
        who: &OrganisationId,
        state: Option<SubscriptionState>,
        slice: &Slice,
    ) -> Result<Page<Subscription>, Error> {
        let page = self.page_by::<Subscription>("organisation", who.as_str(), slice).await?;
        // A page may come out shorter than asked for; where the next one begins stays right.
        let wanted = |it: &Subscription| state.is_none_or(|state| it.state == state);
        Ok(Page { items: page.items.into_iter().filter(wanted).collect(), next: page.next })
    }
}
