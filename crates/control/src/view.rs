//! The nouns as people see them: in answers, and in the audit log. No digest and no secret is in a view.

use pasarela_model::Timestamp;
use pasarela_store::{
    Admission, Api, ApiRevision, Application, ApplicationKey, AuditRow, Client, Invitation, Member,
    Organisation, Page, Plan, PlanVersion, Subscription, Token,
};
use serde_json::{Value, json};

use crate::OfferedApi;

fn when(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_string().into())
}

pub(crate) fn page<T>(page: &Page<T>, view: impl Fn(&T) -> Value) -> Value {
    json!({ "items": page.items.iter().map(view).collect::<Vec<_>>(), "next": page.next })
}

/// A list that is never long enough for pages.
pub(crate) fn whole<T>(items: &[T], view: impl Fn(&T) -> Value) -> Value {
    json!({ "items": items.iter().map(view).collect::<Vec<_>>(), "next": null })
}

pub(crate) fn organisation(it: &Organisation) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "name": it.name, "kind": it.kind.as_str(),
        "standing": it.standing.as_str(), "created": it.created.to_string(),
    })
}

pub(crate) fn member(it: &Member) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "organisation": it.organisation.as_str(),
        "email": it.email, "role": it.role.as_str(), "created": it.created.to_string(),
    })
}

pub(crate) fn token(it: &Token) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "member": it.member.as_str(),
        "label": it.label, "created": it.created.to_string(), "expires": when(it.expires),
        "revoked": when(it.revoked),
    })
}

pub(crate) fn invitation(it: &Invitation) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "organisation": it.organisation.as_str(),
        "email": it.email, "role": it.role.as_str(), "created": it.created.to_string(),
        "expires": it.expires.to_string(),
    })
}

pub(crate) fn application(it: &Application) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "organisation": it.organisation.as_str(),
        "name": it.name, "standing": it.standing.as_str(), "created": it.created.to_string(),
    })
}

pub(crate) fn key(it: &ApplicationKey) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "application": it.application.as_str(),
        "label": it.label, "hint": it.hint, "created": it.created.to_string(),
        "expires": when(it.expires), "revoked": when(it.revoked),
    })
}

pub(crate) fn client(it: &Client) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "application": it.application.as_str(),
        "label": it.label, "hint": it.hint, "created": it.created.to_string(),
        "expires": when(it.expires), "revoked": when(it.revoked), "retires": when(it.retires),
    })
}

pub(crate) fn plan(it: &Plan, terms: &PlanVersion) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "name": it.name, "state": it.state.as_str(),
        "apis": it.apis.split_whitespace().collect::<Vec<_>>(), "latest": it.latest,
        "rate": rate(terms), "scopes": scopes(terms), "created": it.created.to_string(),
    })
}

pub(crate) fn terms(it: &PlanVersion) -> Value {
    json!({
        "number": it.number, "rate": rate(it), "scopes": scopes(it),
        "created": it.created.to_string(),
    })
}

fn scopes(it: &PlanVersion) -> Vec<&str> {
    it.scopes.split_whitespace().collect()
}

fn rate(it: &PlanVersion) -> Value {
    match (it.rate_count, it.rate_per_ms) {
        (Some(count), Some(per)) => {
            json!({ "count": count, "per_ms": per, "burst": it.rate_burst })
        }
        _ => Value::Null,
    }
}

pub(crate) fn subscription(it: &Subscription) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "organisation": it.organisation.as_str(),
        "application": it.application.as_str(), "api": it.api,
        "plan": it.plan.as_ref().map(|plan| plan.as_str()), "plan_version": it.plan_version,
        "file_plan": it.file_plan, "state": it.state.as_str(),
        "created": it.created.to_string(), "decided": when(it.decided),
    })
}

pub(crate) fn admission(it: &Admission) -> Value {
    json!({
        "organisation": it.organisation.as_str(), "api": it.api,
        "created": it.created.to_string(),
    })
}

pub(crate) fn api(it: &OfferedApi) -> Value {
    json!({
        "id": it.id.as_ref().map(|id| id.as_str()), "api": it.name,
        "visibility": it.visibility.as_str(), "plans": it.plans, "state": it.state.as_str(),
    })
}

/// What stands in its documents is not shown here: there may be a key among them.
pub(crate) fn stored_api(it: &Api) -> Value {
    json!({
        "id": it.id.as_str(), "version": it.version, "api": format!("{}/v{}", it.name, it.major),
        "state": it.state.as_str(), "visibility": it.visibility.as_str(),
        "plans": it.plans.split_whitespace().collect::<Vec<_>>(),
        "definition": serde_json::from_str(&it.definition).unwrap_or(Value::Null),
        "revision": it.revision, "documents": hex(&it.digest), "created": it.created.to_string(),
    })
}

pub(crate) fn revision(it: &ApiRevision, in_force: i64) -> Value {
    json!({
        "number": it.number, "in_force": it.number == in_force, "sha256": hex(&it.digest),
        "source": it.source, "created": it.created.to_string(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn audit(it: &AuditRow) -> Value {
    let entry = &it.entry;
    let read = |text: &Option<String>| {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    json!({
        "number": it.number, "at": entry.at.to_string(), "actor": entry.actor,
        "organisation": entry.organisation.as_ref().map(|id| id.as_str()), "verb": entry.verb,
        "object": entry.object, "before": read(&entry.before), "after": read(&entry.after),
        "request": entry.request,
        "seal": hex(&it.hash),
    })
}
