//! What of a subscriber's calls is counted together with others', or beyond the life of a plane: quotas, rates of
//! organisations, rates of operations.
//!
//! Counters are found by name, so that a reload is no new beginning.

use std::sync::Arc;

use pasarela_model::{Holder, Plan, QuotaOver, Snapshot, Subscription};

use super::subscribers::Subscriber;
use crate::{
    limiter::{Limiter, RateFields},
    parties::payer,
    quota::{Counter, QuotaFields, Quotas, ledger_name},
    rates::Rates,
};

/// What outlives planes.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) quotas: Arc<Quotas>,
    rates: Rates,
}

/// What all subscribers of a plan with a quota have in common.
#[derive(Debug)]
pub(crate) struct QuotaTerms {
    /// What answers say about it.
    pub(crate) fields: QuotaFields,
    /// Whether calls go on when it is used up.
    pub(crate) over: QuotaOver,
}

/// A subscriber's quota.
pub(crate) type Spending = (Arc<Counter>, Arc<QuotaTerms>);

/// A rate, and what answers say about it.
pub(crate) type Pace = (Arc<Limiter>, Arc<RateFields>);

/// The rates of single operations, by their index in the API.
pub(crate) type Paces = Arc<[(usize, Pace)]>;

/// What the plans of a snapshot say, ready to be put into force.
pub(super) struct Terms<'c> {
    counted: &'c Counted,
    plans: Vec<PlanTerms>,
    now_ns: u64,
}

struct PlanTerms {
    rate: Option<Arc<RateFields>>,
    quota: Option<Arc<QuotaTerms>>,
    operations: Vec<Arc<RateFields>>,
}

impl PlanTerms {
    fn new(plan: &Plan) -> Self {
        let quota = plan.quota.map(|quota| QuotaTerms {
            fields: QuotaFields::new(&plan.name, quota.window),
            over: quota.over,
        });
        let rate = plan.rate.map(|rate| Arc::new(RateFields::new(&plan.name, &rate)));
        let operations = plan.operations.iter().map(|(operation, rate)| {
            Arc::new(RateFields::new(&format!("{}-{operation}", plan.name), rate))
        });
        Self { rate, quota: quota.map(Arc::new), operations: operations.collect() }
    }
}

impl<'c> Terms<'c> {
    pub(super) fn new(plans: &[Plan], counted: &'c Counted, now_ns: u64) -> Self {
        Self { counted, plans: plans.iter().map(PlanTerms::new).collect(), now_ns }
    }

    /// What answers say about a plan's rate.
    pub(super) fn rate_fields(&self, plan: usize) -> Option<Arc<RateFields>> {
        self.plans.get(plan)?.rate.clone()
    }

    /// A subscriber with all that its plan counts; `own` is its own rate, where it has one.
    pub(super) fn subscriber(
        &self,
        snapshot: &Snapshot,
        application: usize,
        subscription: &Subscription,
        own: Option<Pace>,
    ) -> Subscriber {
        let mut subscriber = Subscriber { rate: own, ..Subscriber::new(subscription.plan) };
        let plan = snapshot.plans.get(subscription.plan).zip(self.plans.get(subscription.plan));
        let Some((plan, terms)) = plan else { return subscriber };
        if plan.rate_per == Holder::Organisation {
            subscriber.rate = self.shared(snapshot, application, subscription, (plan, terms));
        }
        subscriber.quota = self.quota(snapshot, application, (plan, terms));
        subscriber.operations = self.operations(snapshot, application, subscription, (plan, terms));
        subscriber
    }

    fn shared(
        &self,
        snapshot: &Snapshot,
        application: usize,
        subscription: &Subscription,
        (plan, terms): (&Plan, &PlanTerms),
    ) -> Option<Pace> {
        let (rate, fields) = plan.rate.zip(terms.rate.clone())?;
        let api = snapshot.apis.get(subscription.api)?;
        let holder = holder(snapshot, application, plan.rate_per)?;
        let name = format!("{} {} v{} {holder}", plan.name, api.name, api.version);
        Some((self.counted.rates.limiter(name, rate, self.now_ns), fields))
    }

    fn quota(
        &self,
        snapshot: &Snapshot,
        application: usize,
        (plan, terms): (&Plan, &PlanTerms),
    ) -> Option<Spending> {
        let (quota, terms) = plan.quota.zip(terms.quota.clone())?;
        let holder = holder(snapshot, application, quota.per)?;
        let name = ledger_name(&plan.name, quota.window, &holder);
        Some((self.counted.quotas.counter(&name, quota.calls, quota.window), terms))
    }

    fn operations(
        &self,
        snapshot: &Snapshot,
        application: usize,
        subscription: &Subscription,
        (plan, terms): (&Plan, &PlanTerms),
    ) -> Option<Paces> {
        if plan.operations.is_empty() {
            return None;
        }
        let api = snapshot.apis.get(subscription.api)?;
        let holder = holder(snapshot, application, plan.rate_per)?;
        let mut paces = Vec::new();
        for ((wanted, rate), fields) in plan.operations.iter().zip(&terms.operations) {
            let place = api.operations.iter().position(|operation| operation.name == *wanted);
            let Some(place) = place else { continue };
            let (plan, api, version) = (&plan.name, &api.name, api.version);
            let name = format!("{plan} {api} v{version} {holder} {wanted}");
            let limiter = self.counted.rates.limiter(name, *rate, self.now_ns);
            paces.push((place, (limiter, Arc::clone(fields))));
        }
        Some(paces).filter(|paces| !paces.is_empty()).map(Arc::from)
    }
}

impl Counted {
    /// Forgets what no plane has.
    pub(super) fn sweep(&self) {
        self.quotas.sweep();
        self.rates.sweep();
    }
}

/// Whose calls an application's are counted with.
fn holder(snapshot: &Snapshot, application: usize, per: Holder) -> Option<String> {
    let known = snapshot.applications.get(application)?;
    match (per, known.organisation) {
        (Holder::Organisation, Some(_)) => {
            Some(format!("organisation {}", payer(snapshot, application)?))
        }
        _ => Some(format!("application {}", known.name)),
    }
}
