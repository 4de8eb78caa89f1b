//! Identify: who calls, by API key; a key that is shown has to be a good one. Who sends a SOAP message may be told by the message
//! instead, once it was read: that is `mediate::sender`.

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};

use crate::{
    credentials::{Presented, present},
    ctx::Ctx,
    plane::Plane,
    respond::Refusal,
    route::Fields,
};

/// Who calls, as far as it was proved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// This application (index into the snapshot's applications).
    Application(usize),
}

/// Finds out who calls. On an API that asks for no key, one that is shown is looked at but never
/// held against the caller: `Authorization` may well be meant for the service behind.
pub(crate) fn identify(
    plane: &Plane,
    api: usize,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Caller, Refusal> {
    let api = &plane.apis[api];
    // A partner's API does not exist for others: a bad key must not be told apart from none.
    let asked = api.keyed && !api.partner;
    let fields = Fields(head);
    let key = match present(&fields) {
        Presented::Key(key) => key,
        Presented::Missing => return Ok(Caller::Anonymous),
        Presented::Conflict if asked => {
            return Err(unknown("X-API-Key and Authorization hold different keys"));
        }
        Presented::Malformed if asked => return Err(unknown("the key is repeated or malformed")),
        Presented::Conflict | Presented::Malformed => return Ok(Caller::Anonymous),
    };
    match plane.credentials.find(key) {
        Some(application) => {
            (ctx.application, ctx.by_key) = (Some(application), true);
            Ok(Caller::Application(application))
        }
        None if asked => Err(unknown("no application holds this key")),
        None => Ok(Caller::Anonymous),
    }
}

/// Whether this field carried the key that identified the caller: it is the gateway's and not
/// the service's to know.
pub(crate) fn carried_key(ctx: &Ctx<'_>, id: Name, head: &Head) -> bool {
    if !ctx.by_key {
        return false;
    }
    match id {
        Name::XApiKey => true,
        // Where both are there, they hold the same key.
        Name::Authorization => match head.get(Name::XApiKey) {
            None => true,
            Some(_) => matches!(present(&Fields(head)), Presented::Key(_)) && bearer(head),
        },
        _ => false,
    }
}

fn bearer(head: &Head) -> bool {
    head.get(Name::Authorization)
        .and_then(|value| value.split_at_checked(7))
        .and_then(|(scheme, _)| scheme.strip_suffix(b" ").or(scheme.strip_suffix(b"\t")))
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

fn unknown(detail: &'static str) -> Refusal {
    Refusal::new(Code::CredentialUnknown, detail)
}
