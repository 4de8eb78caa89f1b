//! Authorize: may this caller call this API, and under which plan.

use pasarela_model::{Code, Visibility};

use crate::{ctx::Ctx, identify::Caller, plane::Plane, respond::Refusal, route::Target};

/// The proof that a call is allowed. Only [`authorize`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    /// Where it goes.
    pub(crate) target: Target,
    /// Who calls; `None` where the API asks for nobody.
    pub(crate) application: Option<usize>,
}

/// Decides, and notes the plan.
pub(crate) fn authorize(
    plane: &Plane,
    target: &Target,
    caller: Caller,
    ctx: &mut Ctx<'_>,
) -> Result<Permit, Refusal> {
    let api = &plane.snapshot.apis[target.api];
    if api.visibility == Visibility::Partner {
        may_read(plane, target.api, &caller)?;
    }
    let application = match caller {
        Caller::Anonymous if api.plans.is_empty() => None,
        Caller::Anonymous => {
            return Err(Refusal::new(
                Code::CredentialMissing,
                "send the key as X-API-Key or as Authorization: Bearer",
            ));
        }
        Caller::Application(application) => {
            let subscriber = plane.apis[target.api].subscribers.get(&application);
            match subscriber {
                Some(subscriber) => ctx.plan = Some(subscriber.plan),
                None if api.plans.is_empty() => {}
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
    Ok(Permit { target: *target, application })
}

/// Whether a caller may see that an API is there at all. The answer to whoever may not is the
/// answer to a path that does not exist.
pub(crate) fn may_read(plane: &Plane, api: usize, caller: &Caller) -> Result<(), Refusal> {
    if plane.snapshot.apis[api].visibility != Visibility::Partner {
        return Ok(());
    }
    match caller {
        Caller::Application(application)
            if plane.apis[api].subscribers.contains_key(application) =>
        {
            Ok(())
        }
        _ => Err(Refusal::no_api()),
    }
}
