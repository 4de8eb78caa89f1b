//! Scopes: whether a caller reaches an operation. A part of *authorize* that has to wait until the operation is known.
//!
//! A token reaches what it says. A key, a certificate, a signed message reaches what its application was granted: by its plan, or by
//! itself. So no other way in reaches further than a token would.

use pasarela_model::{Code, Scopes};

use crate::{
    authorize::Permit,
    ctx::Ctx,
    identify::{self, By, Known, unknown},
    respond::Refusal,
    worker::WorkerPlane,
};

/// Whether the caller reaches the operation of an exchange, on an API some of whose operations ask for scopes.
pub(crate) fn reach(plane: &WorkerPlane, permit: &Permit, ctx: &Ctx<'_>) -> Result<(), Refusal> {
    let api = &plane.snapshot.apis[permit.target.api];
    let asked = api.scopes.as_ref().map_or(&[][..], |scopes| scopes.asked(ctx.operation));
    let Some(first) = asked.first() else { return Ok(()) };
    let Some(application) = permit.application else {
        return Err(nobody(first, ctx));
    };
    let granted = |scope: &str| {
        let by_plan = |plan: usize| plane.snapshot.plans[plan].scopes.holds(scope);
        plane.snapshot.applications[application].scopes.holds(scope)
            || ctx.plan.is_some_and(by_plan)
    };
    let token = match ctx.shown {
        Some(Ok(Some(Known { by: By::Token, .. }))) => {
            Some(identify::reach(plane, ctx.head(), ctx.now()).unwrap_or_default())
        }
        _ => None,
    };
    let has = |scope: &str| match &token {
        // What its application was granted no longer, a token of ours says in vain (L36).
        Some(token) if token.ours => token.scopes.holds(scope) && granted(scope),
        Some(token) => token.scopes.holds(scope),
        None => granted(scope),
    };
    if asked.iter().any(|all| all.iter().all(has)) {
        return Ok(());
    }
    let whose = if token.is_some() { "token" } else { "application" };
    let detail =
        format!("this operation asks for {}, which the {whose} does not have", said(asked));
    Err(Refusal::new(Code::ScopeMissing, detail).scopes(Some("insufficient_scope"), first))
}

/// On an API that asks for no key, what was shown counts from here on.
fn nobody(asked: &Scopes, ctx: &Ctx<'_>) -> Refusal {
    if let Some(Err(why)) = ctx.shown {
        return unknown(why, ctx.head());
    }
    let detail = "this operation asks for a token: send it as Authorization: Bearer";
    let refusal = Refusal::new(Code::CredentialMissing, detail);
    if asked.is_empty() { refusal } else { refusal.scopes(None, asked) }
}

fn said(asked: &[Scopes]) -> String {
    let sets: Vec<String> = asked.iter().map(|set| format!("`{set}`")).collect();
    sets.join(" or ")
}
