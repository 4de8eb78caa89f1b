//! Identify: who calls, by API key, an issuer's token, a signature over the request or the certificate of the connection; one
//! that is shown has to be a good one, and all that are shown are one application's. A key stays here, a token goes on to the
//! service. Who sends a SOAP message may be told by the message instead, once it was read: that is `mediate::sender`.

use pasarela_model::{Code, Visibility};
use pasarela_net::{
    http1::{Head, Name},
    tls::PeerCertificate,
};

use crate::{
    credentials::{Presented, present, well_formed},
    ctx::Ctx,
    jwt::Refused,
    respond::Refusal,
    route::Fields,
    sight::Place,
    signatures::{self, Signed},
    tokens::Holder,
    worker::WorkerPlane,
};

/// Who calls, as far as it was proved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// This application (index into the snapshot's applications).
    Application(usize),
}

/// Why nobody is known by what was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unknown {
    /// Two keys that differ.
    Conflict,
    /// It cannot be a key.
    Malformed,
    /// It is no application's key.
    Key,
    /// The token is not good.
    Token(Refused),
    /// It is good, and speaks of nobody here.
    Client,
    /// It is good, and its application may not call from here.
    Place(By),
    /// The signature is not good.
    Signature(signatures::Refused),
    /// The certificate is of two applications, or of another one than what was shown beside it.
    OfTwo,
}

/// Whose is what a request shows; `Ok(None)`: it shows nothing.
pub(crate) type Shown = Result<Option<Known>, Unknown>;

/// An application that is known by what was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Index into the snapshot's applications.
    pub(crate) application: usize,
    /// By what.
    pub(crate) by: By,
    /// It is signed, beside or by that; and whether its body is, by way of its digest.
    pub(crate) signed: Option<bool>,
}

/// By what an application is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A key of its own.
    Key,
    /// An issuer's token.
    Token,
    /// A signature over the request.
    Signature,
    /// The certificate of its connection.
    Certificate,
    /// What its letter came with.
    Mail,
}

/// What says who calls, beside the head of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whence<'a> {
    /// Where it comes from.
    pub(crate) place: Place,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// The certificate that the connection was made with, a good one.
    pub(crate) certificate: Option<&'a PeerCertificate>,
    /// Whether it came over TLS, to us or to a proxy that is trusted.
    pub(crate) tls: bool,
}

/// Whose is what was shown.
pub(crate) fn whose(plane: &WorkerPlane, head: &Head, whence: Whence<'_>) -> Shown {
    let said = signed_by(plane, head, whence, said_by(plane, head, whence.now)?)?;
    let known = match whence.certificate {
        None => said,
        Some(certificate) => {
            let holder = plane.certificates.find(certificate).map_err(|_| Unknown::OfTwo)?;
            match (said, holder) {
                (Some(said), Some(holder)) if said.application != holder => {
                    return Err(Unknown::OfTwo);
                }
                (None, Some(application)) => {
                    Some(Known { application, by: By::Certificate, signed: None })
                }
                (said, _) => said,
            }
        }
    };
    let Some(known) = known else { return Ok(None) };
    match plane.sources.allow(known.application, whence.place) {
        true => Ok(Some(known)),
        false => Err(Unknown::Place(known.by)),
    }
}

/// Whose is the signature of a request, beside what it shows.
fn signed_by(plane: &WorkerPlane, head: &Head, whence: Whence<'_>, said: Option<Known>) -> Shown {
    if !plane.signatures.are_shown(head) {
        return Ok(said);
    }
    let signed = Signed { head, tls: whence.tls, now: whence.now };
    let made =
        plane.signatures.find(signed, plane.remembered.replays()).map_err(Unknown::Signature)?;
    match said {
        Some(said) if said.application != made.by => Err(Unknown::OfTwo),
        said => {
            let by = said.map_or(By::Signature, |said| said.by);
            Ok(Some(Known { application: made.by, by, signed: Some(made.body) }))
        }
    }
}

fn said_by(plane: &WorkerPlane, head: &Head, now: u64) -> Shown {
    let fields = Fields(head);
    let shown = match present(&fields) {
        Presented::Token(token) if plane.tokens.is_empty() => well_formed(token),
        shown => shown,
    };
    match shown {
        Presented::Missing => Ok(None),
        Presented::Conflict => Err(Unknown::Conflict),
        Presented::Malformed => Err(Unknown::Malformed),
        Presented::Key(key) => {
            let application = plane.credentials.find(key).ok_or(Unknown::Key)?;
            Ok(Some(Known { application, by: By::Key, signed: None }))
        }
        Presented::Token(token) => {
            let found = plane.tokens.find(token, &plane.known, now).map_err(Unknown::Token)?;
            let application = found.ok_or(Unknown::Client)?.application;
            Ok(Some(Known { application, by: By::Token, signed: None }))
        }
    }
}

/// What the token of a request reaches, which was verified a moment ago.
pub(crate) fn reach(plane: &WorkerPlane, head: &Head, now: u64) -> Option<Holder> {
    let fields = Fields(head);
    let Presented::Token(token) = present(&fields) else { return None };
    plane.tokens.find(token, &plane.known, now).ok().flatten()
}

/// Finds out who calls. On an API that asks for no key, one that is shown is looked at but never
/// held against the caller: `Authorization` may well be meant for the service behind.
pub(crate) fn identify(
    plane: &WorkerPlane,
    api: usize,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Caller, Refusal> {
    let api = &plane.apis[api];
    let shown = match ctx.shown {
        Some(shown) => shown,
        None => whose(plane, head, ctx.whence()),
    };
    ctx.shown = Some(shown);
    match shown {
        Ok(None) => Ok(Caller::Anonymous),
        Ok(Some(Known { application, by, .. })) => {
            (ctx.application, ctx.by_key) = (Some(application), by == By::Key);
            Ok(Caller::Application(application))
        }
        // A partner's API does not exist for others: a bad key must not be told apart from none.
        Err(why) if api.keyed && api.visibility != Visibility::Partner => Err(unknown(why, head)),
        Err(why) => {
            // One that is ours is not the service's to know, even where it does not count.
            ctx.by_key = matches!(why, Unknown::Place(By::Key));
            Ok(Caller::Anonymous)
        }
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

/// What is answered to whoever shows something that is nobody's.
pub(crate) fn unknown(why: Unknown, head: &Head) -> Refusal {
    let detail = match why {
        Unknown::Conflict => "X-API-Key and Authorization hold different keys",
        Unknown::Malformed => "the key is repeated or malformed",
        Unknown::Key => "no application holds this key",
        Unknown::Place(_) => {
            let why = "the application may not call from this address";
            return Refusal::new(Code::NetworkRefused, why);
        }
        Unknown::OfTwo => "the certificate and what is shown beside it are of two applications",
        Unknown::Signature(refused) => return refused.refusal(),
        Unknown::Client => "the token is good, but no application here goes by its client",
        Unknown::Token(refused) => {
            let detail = format!("the token is refused: {refused}");
            return Refusal::new(Code::CredentialUnknown, detail).invalid_token();
        }
    };
    let refusal = Refusal::new(Code::CredentialUnknown, detail);
    match bearer(head) {
        true => refusal.invalid_token(),
        false => refusal,
    }
}
