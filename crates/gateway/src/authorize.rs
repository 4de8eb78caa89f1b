//! Authorize: may this caller call this API, and under which plan.

use pasarela_model::{Code, Visibility};

use crate::{
    ctx::Ctx,
    identify::Caller,
    plane::Plane,
    respond::Refusal,
    route::Target,
    scopes,
    sight::{answers, sees},
    worker::WorkerPlane,
};

/// The proof that a call is allowed. Only [`authorize`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    /// Where it goes.
    pub(crate) target: Target,
    /// Who calls; `None` where the API asks for nobody.
    pub(crate) application: Option<usize>,
    /// That the operation is known, and what it asks for is reached. Without it nothing goes on.
    pub(crate) reached: bool,
}

/// Decides, and notes the plan.
pub(crate) fn authorize(
    plane: &WorkerPlane,
    target: &Target,
    caller: Caller,
    ctx: &mut Ctx<'_>,
) -> Result<Permit, Refusal> {
    let api = &plane.apis[target.api];
    if api.visibility != Visibility::Public {
        may_see(plane, target.api, &caller, ctx)?;
    }
    if api.limited {
        answers(plane, target.api, ctx.place())?;
    }
    let application = match caller {
        Caller::Anonymous if !api.keyed => None,
        Caller::Anonymous => {
            return Err(Refusal::new(
                Code::CredentialMissing,
                "send the key as X-API-Key or as Authorization: Bearer",
            ));
        }
        Caller::Application(application) => {
            let subscriber = api.subscribers.get(application);
            match subscriber {
                Some(subscriber) => ctx.plan = Some(subscriber.plan),
                None if !api.keyed => {}
                None => {
                    return Err(Refusal::new(
                        Code::NotSubscribed,
                        "the key is good, but its application does not subscribe to this API",
                    ));
                }
            }
            Some(application)
        }
    };
    let permit = Permit { target: *target, application, reached: false };
    match target.soap {
        // What a message is for, it says itself.
        true => Ok(permit),
        false => operation_known(plane, permit, ctx),
    }
}

/// The operation is known now: whether the caller reaches it.
pub(crate) fn operation_known(
    plane: &WorkerPlane,
    permit: Permit,
    ctx: &Ctx<'_>,
) -> Result<Permit, Refusal> {
    if plane.apis[permit.target.api].scoped {
        scopes::reach(plane, &permit, ctx)?;
    }
    Ok(Permit { reached: true, ..permit })
}

/// Refuses whoever may not read an API's contract.
pub(crate) fn may_read(
    plane: &Plane,
    api: usize,
    caller: &Caller,
    ctx: &Ctx<'_>,
) -> Result<(), Refusal> {
    may_see(plane, api, caller, ctx)?;
    answers(plane, api, ctx.place())
}

/// Whether a caller may see that an API is there at all. The answer to whoever may not is the
/// answer to a path that does not exist.
pub(crate) fn may_see(
    plane: &Plane,
    api: usize,
    caller: &Caller,
    ctx: &Ctx<'_>,
) -> Result<(), Refusal> {
    let application = match caller {
        Caller::Anonymous => None,
        Caller::Application(application) => Some(*application),
    };
    match sees(plane, api, ctx.place(), || application) {
        true => Ok(()),
        false => Err(Refusal::no_api()),
    }
}
