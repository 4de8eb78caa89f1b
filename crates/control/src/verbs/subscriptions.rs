//! Subscriptions and what leads to them: which APIs can be asked for, who was admitted, who decides.

use pasarela_model::{
    ApplicationId, OrganisationId, OrganisationKind, PlanId, SubscriptionId, Visibility,
};
use pasarela_store::{
    Admission, ApiState, AuditFilter, Organisation, Page, Plan, PlanState, Slice, Subscription,
    SubscriptionState, Tx,
};

use super::{apis, applications::application};
use crate::{Answer, Call, Control, Error, Object, Offer, OfferedApi, Verb, call::Desk, view};

/// A subscription that is asked for.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// The API, `name/v1`.
    pub api: String,
    /// A plan: one of the store's by its id, or one of the file's by its name.
    pub plan: String,
}

/// What is decided about a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Approve,
    /// Not granted.
    Refuse,
    /// Stopped for a while.
    Suspend,
    /// Goes on.
    Resume,
    /// Over.
    End,
}

impl Decision {
    const fn verb(self) -> &'static str {
        match self {
            Self::Approve => "subscription.approve",
            Self::Refuse => "subscription.refuse",
            Self::Suspend => "subscription.suspend",
            Self::Resume => "subscription.resume",
            Self::End => "subscription.end",
        }
    }

    /// Where it leads from a state; `None`: nowhere.
    ///
    /// ```text
    /// pending ──approve──▶ approved ──suspend──▶ suspended
    ///    └──refuse──▶ refused  ▲ └──────resume──────┘
    ///           (pending, approved, suspended) ──end──▶ ended
    /// ```
    const fn leads(self, from: SubscriptionState) -> Option<SubscriptionState> {
        use SubscriptionState::{Approved, Ended, Pending, Refused, Suspended};
        match (self, from) {
            (Self::Approve, Pending) | (Self::Resume, Suspended) => Some(Approved),
            (Self::Refuse, Pending) => Some(Refused),
            (Self::Suspend, Approved) => Some(Suspended),
            (Self::End, Pending | Approved | Suspended) => Some(Ended),
            (Self::Approve | Self::Resume | Self::Refuse | Self::Suspend | Self::End, _) => None,
        }
    }
}

const NOUN: &str = "subscription";

impl Control {
    /// The APIs that somebody can see.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_apis(&self, call: Call) -> Result<Answer, Error> {
        let offer = self.offer();
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let own = desk.actor.organisation.id.clone();
                let mut all = offer.apis.clone();
                all.extend(tx.apis().await?.iter().map(apis::offered));
                let mut seen = Vec::new();
                for api in all {
                    if desk.sees(tx, &api, &own).await? {
                        seen.push(api);
                    }
                }
                Ok(Answer::list(view::whole(&seen, view::api)))
            })
        })
        .await
    }

    /// What a partner was admitted to.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_admissions(&self, call: Call, of: OrganisationId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadAdmissions, Object::Of(&of), "organisation", of.as_str())?;
                tx.get::<Organisation>(of.as_str()).await?;
                Ok(Answer::list(view::whole(&tx.admissions(&of).await?, view::admission)))
            })
        })
        .await
    }

    /// Lets a partner see an API and ask for it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn admit(
        &self,
        call: Call,
        of: OrganisationId,
        api: String,
    ) -> Result<Answer, Error> {
        let offer = self.offer();
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let whose = Object::Of(&of);
                desk.may(Verb::WriteAdmissions, whose, "organisation", of.as_str())?;
                let it: Organisation = tx.get(of.as_str()).await?;
                let found = apis::find(tx, &offer, &api).await?.ok_or_else(|| no_api(&api))?;
                if it.kind != OrganisationKind::Partner || found.visibility != Visibility::Partner {
                    let why = "partners are admitted, to partner APIs";
                    return Err(Error::invalid("api", why));
                }
                let made = Admission { organisation: of.clone(), api, created: desk.call.at };
                tx.admit(&made).await?;
                let now = view::admission(&made);
                let change = (None, Some(now.clone()));
                desk.record(tx, "admission.create", Some(&of), &made.api, change).await?;
                Ok(Answer::list(now))
            })
        })
        .await
    }

    /// Takes an admission back. Subscriptions that were made under it stay until somebody ends them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn dismiss(
        &self,
        call: Call,
        of: OrganisationId,
        api: String,
    ) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let whose = Object::Of(&of);
                desk.may(Verb::WriteAdmissions, whose, "organisation", of.as_str())?;
                if !tx.dismiss(&of, &api).await? {
                    return Err(Error::NotFound { noun: "admission", id: api });
                }
                let before = serde_json::json!({ "organisation": of.as_str(), "api": api });
                let change = (Some(before.clone()), None);
                desk.record(tx, "admission.delete", Some(&of), &api, change).await?;
                Ok(Answer::list(before))
            })
        })
        .await
    }

    /// Subscriptions: everybody's in one state, or all of one's own organisation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_subscriptions(
        &self,
        call: Call,
        state: Option<SubscriptionState>,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadSubscriptions, Object::Gateway, NOUN, "")?;
                let page: Page<Subscription> = match (desk.actor.scope(), state) {
                    (None, None) => tx.page(&slice).await?,
                    (None, Some(state)) => tx.page_by("state", state.as_str(), &slice).await?,
                    (Some(own), state) => tx.subscriptions_of(own, state, &slice).await?,
                };
                Ok(Answer::list(view::page(&page, view::subscription)))
            })
        })
        .await
    }

    /// The subscriptions of an application.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_subscriptions_of(
        &self,
        call: Call,
        of: ApplicationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::ReadSubscriptions, &of).await?;
                let page = tx.page_by("application", it.id.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::subscription)))
            })
        })
        .await
    }

    /// One subscription.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_subscription(&self, call: Call, id: SubscriptionId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = subscription(tx, desk, Verb::ReadSubscriptions, &id).await?;
                Ok(Answer::of(view::subscription(&it), it.version))
            })
        })
        .await
    }

    /// Asks for a subscription. To a public API it is granted at once, and so it is when whoever may
    /// decide asks; else it waits for them.
    ///
    /// # Errors
    /// See [`Error`]; an API that its asker cannot see is missing.
    pub async fn subscribe(
        &self,
        call: Call,
        of: ApplicationId,
        new: NewSubscription,
    ) -> Result<Answer, Error> {
        let offer = self.offer();
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::Subscribe, &of).await?;
                let found = apis::find(tx, &offer, &new.api).await?;
                let api = found.ok_or_else(|| no_api(&new.api))?;
                if !desk.sees(tx, &api, &it.organisation).await? {
                    return Err(no_api(&new.api));
                }
                open(&api)?;
                let chosen = choose(tx, &offer, &api, &new.plan).await?;
                let decides =
                    desk.may(Verb::DecideSubscription, Object::Of(&it.organisation), NOUN, "");
                let granted = api.visibility == Visibility::Public || decides.is_ok();
                let made = Subscription {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    organisation: it.organisation.clone(),
                    application: it.id.clone(),
                    api: api.name.clone(),
                    plan: chosen.as_ref().ok().map(|plan| plan.id.clone()),
                    plan_version: chosen.as_ref().ok().map(|plan| plan.latest),
                    file_plan: chosen.err(),
                    state: match granted {
                        true => SubscriptionState::Approved,
                        false => SubscriptionState::Pending,
                    },
                    created: desk.call.at,
                    decided: granted.then_some(desk.call.at),
                };
                tx.insert(&made, &format!("of {} to {}", it.name, api.name)).await?;
                let now = view::subscription(&made);
                let (whose, change) = (Some(&made.organisation), (None, Some(now.clone())));
                desk.record(tx, "subscription.create", whose, made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created())
            })
        })
        .await
    }

    /// Decides about a subscription, or ends it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn decide(
        &self,
        call: Call,
        id: SubscriptionId,
        decision: Decision,
    ) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let verb = match decision {
                    Decision::End => Verb::EndSubscription,
                    _ => Verb::DecideSubscription,
                };
                let mut it = subscription(tx, desk, verb, &id).await?;
                if desk.call.version.is_some() {
                    desk.fresh(it.version)?;
                }
                let before = view::subscription(&it);
                let Some(next) = decision.leads(it.state) else {
                    let why = "from there this does not lead on";
                    return Err(Error::State { noun: NOUN, state: it.state.as_str(), why });
                };
                it.state = next;
                it.decided = Some(desk.call.at);
                tx.update(&mut it, "").await?;
                let now = view::subscription(&it);
                let (whose, both) = (Some(&it.organisation), (Some(before), Some(now.clone())));
                desk.record(tx, decision.verb(), whose, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// The audit log: all of it for whoever runs the gateway, one's own part for others.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_audit(&self, call: Call, slice: Slice) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadAudit, Object::Gateway, "audit log", "")?;
                let filter = AuditFilter { organisation: desk.actor.scope().cloned() };
                let page = tx.audit_page(&filter, &slice).await;
                let page = page.map_err(|error| match error {
                    pasarela_store::Error::Invalid(why) => Error::invalid("after", why),
                    other => other.into(),
                })?;
                Ok(Answer::list(view::page(&page, view::audit)))
            })
        })
        .await
    }
}

/// Whether somebody new may subscribe.
fn open(api: &OfferedApi) -> Result<(), Error> {
    let why = match api.state {
        ApiState::Published => return Ok(()),
        ApiState::Draft => "it is not on the air yet",
        ApiState::Deprecated | ApiState::Retired => "nobody new can subscribe to it",
    };
    Err(Error::State { noun: "API", state: api.state.as_str(), why })
}

fn no_api(name: &str) -> Error {
    Error::NotFound { noun: "API", id: name.chars().take(80).collect() }
}

async fn subscription(
    tx: &mut Tx,
    desk: &Desk,
    verb: Verb,
    id: &SubscriptionId,
) -> Result<Subscription, Error> {
    let it: Subscription = tx.get(id.as_str()).await?;
    desk.may(verb, Object::Of(&it.organisation), NOUN, id.as_str())?;
    Ok(it)
}

/// One of the store's plans, or the name of one of the file's; it has to be offered for the API.
async fn choose(
    tx: &mut Tx,
    offer: &Offer,
    api: &OfferedApi,
    plan: &str,
) -> Result<Result<Plan, String>, Error> {
    let not_offered = || Error::invalid("plan", "this plan is not offered for this API");
    if plan.parse::<PlanId>().is_err() {
        let named = api.plans.iter().any(|offered| offered == plan);
        return match named && offer.plans.iter().any(|known| known == plan) {
            true => Ok(Err(plan.to_owned())),
            false => Err(not_offered()),
        };
    }
    let found: Plan = tx.get(plan).await.map_err(|error| match error {
        pasarela_store::Error::NotFound { .. } => not_offered(),
        other => other.into(),
    })?;
    let offered = found.apis.split_whitespace().any(|offered| offered == api.name);
    match (offered || apis::names(api, &found)) && found.state == PlanState::Offered {
        true => Ok(Ok(found)),
        false => Err(not_offered()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_stays_over() {
        use Decision::{Approve, End, Refuse, Resume, Suspend};
        for decision in [Approve, Refuse, Suspend, Resume, End] {
            assert_eq!(decision.leads(SubscriptionState::Ended), None);
            assert_eq!(decision.leads(SubscriptionState::Refused), None);
        }
        assert_eq!(Approve.leads(SubscriptionState::Suspended), None);
        assert_eq!(Resume.leads(SubscriptionState::Pending), None);
        assert_eq!(Suspend.leads(SubscriptionState::Pending), None);
    }
}
