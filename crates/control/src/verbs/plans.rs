//! Plans, whose terms never change: a change makes new terms, and who has the old ones keeps them.

use pasarela_model::{PlanId, Scopes, scope_fault};
use pasarela_store::{Plan, PlanState, PlanVersion, Slice, Tx};

use super::name;
use crate::{Answer, Call, Control, Error, Object, Offer, Verb, call::Desk, view};

/// Calls in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateTerms {
    /// Calls…
    pub count: i64,
    /// …in so many milliseconds…
    pub per_ms: i64,
    /// …and so many at once; as many as `count` where nothing is said.
    pub burst: Option<i64>,
}

/// A plan that is to be made.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// Its name.
    pub name: String,
    /// Its rate limit; `None`: none.
    pub rate: Option<RateTerms>,
    /// The APIs it is offered for (`name/v1`).
    pub apis: Vec<String>,
    /// Scopes that its subscribers are granted.
    pub scopes: Vec<String>,
}

/// What may be changed about a plan.
#[derive(Debug, Clone, Default)]
pub struct PlanChange {
    /// New terms: these make a new version. `Some(None)`: without a limit.
    pub rate: Option<Option<RateTerms>>,
    /// New terms too: other scopes that subscribers are granted.
    pub scopes: Option<Vec<String>>,
    /// The APIs it is offered for from now on.
    pub apis: Option<Vec<String>>,
    /// Whether it can be subscribed to.
    pub state: Option<PlanState>,
}

/// Beyond these a rate is a typing mistake, and beyond a day the gateway counts no rate.
const COUNT_MAX: i64 = 1_000_000_000;
const PER_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// APIs that a plan is offered for.
const APIS_MAX: usize = 1_000;
/// Scopes that a plan grants.
const SCOPES_MAX: usize = 100;

impl Control {
    /// All plans.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_plans(&self, call: Call, slice: Slice) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadPlans, Object::Gateway, "plan", "")?;
                let page = tx.page::<Plan>(&slice).await?;
                let mut items = Vec::with_capacity(page.items.len());
                for plan in &page.items {
                    let terms = tx.plan_version(&plan.id, plan.latest).await?;
                    items.push(view::plan(plan, &terms));
                }
                Ok(Answer::list(serde_json::json!({ "items": items, "next": page.next })))
            })
        })
        .await
    }

    /// One plan, in its newest terms.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_plan(&self, call: Call, id: PlanId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let (plan, terms) = plan(tx, desk, Verb::ReadPlans, &id).await?;
                Ok(Answer::of(view::plan(&plan, &terms), plan.version))
            })
        })
        .await
    }

    /// All terms that a plan has had.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_plan_versions(&self, call: Call, id: PlanId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let (plan, _) = plan(tx, desk, Verb::ReadPlans, &id).await?;
                let all = tx.plan_versions(&plan.id).await?;
                Ok(Answer::list(view::whole(&all, view::terms)))
            })
        })
        .await
    }

    /// A new plan.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_plan(&self, call: Call, new: NewPlan) -> Result<Answer, Error> {
        name("name", &new.name)?;
        new.rate.map_or(Ok(()), possible)?;
        let scopes = granted(&new.scopes)?;
        let offer = self.offer();
        if offer.plans.contains(&new.name) {
            let why = "the configuration file has a plan of this name";
            return Err(Error::invalid("name", why));
        }
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::WritePlans, Object::Gateway, "plan", "")?;
                let apis = offered_for(tx, &offer, &new.apis).await?;
                let made = Plan {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    name: new.name,
                    state: PlanState::Offered,
                    apis,
                    latest: 1,
                    created: desk.call.at,
                };
                let terms = terms(desk, &made.id, 1, (new.rate, scopes));
                tx.insert(&made, &made.name).await?;
                tx.add_plan_version(&terms).await?;
                let now = view::plan(&made, &terms);
                let change = (None, Some(now.clone()));
                desk.record(tx, "plan.create", None, made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created())
            })
        })
        .await
    }

    /// New terms, other APIs, retired or offered again. Who subscribes stays on the terms they have.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_plan(
        &self,
        call: Call,
        id: PlanId,
        change: PlanChange,
    ) -> Result<Answer, Error> {
        change.rate.flatten().map_or(Ok(()), possible)?;
        let scopes = change.scopes.as_deref().map(granted).transpose()?;
        let offer = self.offer();
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (mut it, mut now_terms) = plan(tx, desk, Verb::WritePlans, &id).await?;
                desk.fresh(it.version)?;
                let before = view::plan(&it, &now_terms);
                if change.rate.is_some() || scopes.is_some() {
                    it.latest += 1;
                    let rate = change.rate.unwrap_or_else(|| rate_of(&now_terms));
                    let scopes = scopes.unwrap_or_else(|| now_terms.scopes.clone());
                    now_terms = terms(desk, &it.id, it.latest, (rate, scopes));
                    tx.add_plan_version(&now_terms).await?;
                }
                if let Some(apis) = &change.apis {
                    it.apis = offered_for(tx, &offer, apis).await?;
                }
                it.state = change.state.unwrap_or(it.state);
                tx.update(&mut it, "").await?;
                let now = view::plan(&it, &now_terms);
                let both = (Some(before), Some(now.clone()));
                desk.record(tx, "plan.change", None, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }
}

/// Names of APIs as they are kept; there has to be one of each.
async fn offered_for(tx: &mut Tx, offer: &Offer, apis: &[String]) -> Result<String, Error> {
    if apis.len() > APIS_MAX {
        return Err(Error::invalid("apis", "a plan is offered for at most 1,000 APIs"));
    }
    for name in apis {
        if super::apis::find(tx, offer, name).await?.is_none() {
            let shown: String = name.chars().take(80).collect();
            let why = format!("there is no API {shown}; write name/v1");
            return Err(Error::invalid("apis", why));
        }
    }
    Ok(apis.join(" "))
}

async fn plan(
    tx: &mut Tx,
    desk: &Desk,
    verb: Verb,
    id: &PlanId,
) -> Result<(Plan, PlanVersion), Error> {
    desk.may(verb, Object::Gateway, "plan", id.as_str())?;
    let plan: Plan = tx.get(id.as_str()).await?;
    let terms = tx.plan_version(&plan.id, plan.latest).await?;
    Ok((plan, terms))
}

fn possible(rate: RateTerms) -> Result<(), Error> {
    let within = |value: i64, most: i64| (1..=most).contains(&value);
    if !within(rate.count, COUNT_MAX) || rate.burst.is_some_and(|burst| !within(burst, COUNT_MAX)) {
        return Err(Error::invalid("rate", "write 1 to 1,000,000,000 calls"));
    }
    match within(rate.per_ms, PER_MS_MAX) {
        true => Ok(()),
        false => Err(Error::invalid("rate", "write 1 to 86,400,000 ms (a day)")),
    }
}

/// Scopes as they are kept: each once.
fn granted(scopes: &[String]) -> Result<String, Error> {
    if scopes.len() > SCOPES_MAX {
        return Err(Error::invalid("scopes", "a plan grants at most 100 scopes"));
    }
    match scopes.iter().find_map(|scope| scope_fault(scope)) {
        Some(why) => Err(Error::invalid("scopes", format!("one of them is no scope: {why}"))),
        None => Ok(scopes.iter().map(String::as_str).collect::<Scopes>().to_string()),
    }
}

fn rate_of(terms: &PlanVersion) -> Option<RateTerms> {
    let (count, per_ms) = (terms.rate_count?, terms.rate_per_ms?);
    Some(RateTerms { count, per_ms, burst: terms.rate_burst })
}

fn terms(
    desk: &Desk,
    plan: &PlanId,
    number: i64,
    (rate, scopes): (Option<RateTerms>, String),
) -> PlanVersion {
    PlanVersion {
        plan: plan.clone(),
        number,
        rate_count: rate.map(|rate| rate.count),
        rate_per_ms: rate.map(|rate| rate.per_ms),
        rate_burst: rate.map(|rate| rate.burst.unwrap_or(rate.count)),
        scopes,
        created: desk.call.at,
    }
}
