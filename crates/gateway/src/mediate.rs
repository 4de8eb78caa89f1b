//! Mediate: what a request must look like to go on, and what goes on instead.
//!
//! What HTTP itself asks of an intermediary stands here: bounds, expectations, upgrades, and the fields that
//! `Connection` names. For SOAP: which operation a message is for, read off the message itself ([`opening`]) before it
//! goes anywhere; whose it is, where the message says so ([`sender`](mod@sender)); whether messages are what the contract says
//! ([`checked`], [`answers`]); the REST face ([`face`]); and the SOAP face of a REST service ([`bridge`]).

use std::time::Duration;

use pasarela_model::Code;
use pasarela_net::{
    conn::Pace,
    http1::{Framing, Head, Name, Version},
};
use smallvec::SmallVec;

mod action;
mod ahead;
mod answers;
mod bridge;
mod checked;
mod face;
mod held;
mod opening;
mod related;
mod sender;
mod unheard;

use crate::{plane::Plane, respond::Refusal};

pub(crate) use ahead::{Ahead, Replayed, whole};
pub(crate) use answers::{Judge, Judged};
pub(crate) use bridge::{carry_bridged, open_bridged};
pub(crate) use checked::{check_request, report};
pub(crate) use face::call;
pub(crate) use held::hold;
pub(crate) use opening::open;
pub(crate) use sender::sender;
pub(crate) use unheard::{hear, hears, nobody};

/// What is to be forwarded.
#[derive(Debug)]
pub(crate) struct Order<'h> {
    /// Length of the body.
    pub(crate) framing: Framing,
    /// How it may arrive.
    pub(crate) pace: Pace,
    /// The caller waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub(crate) expects: bool,
    /// The protocol to switch to, if both sides agree (RFC 9110 §7.8).
    pub(crate) upgrade: Option<&'h [u8]>,
    /// Fields that `Connection` names: they stay on this connection.
    pub(crate) dropped: SmallVec<[&'h [u8]; 4]>,
    /// The call changes nothing, as its API's owner says, and its body is at hand: it may be sent again.
    pub(crate) again: bool,
    /// The caller understands trailer fields (RFC 9110 §10.1.4).
    pub(crate) trailers: bool,
    /// Path and query below the service's address, where they are not the caller's.
    pub(crate) target: Option<String>,
}

/// Checks a request and says what is to be forwarded.
pub(crate) fn request<'h>(
    plane: &Plane,
    api: usize,
    framing: Framing,
    head: &'h Head,
) -> Result<Order<'h>, Refusal> {
    let api = &plane.apis[api];
    let limits = &plane.snapshot.limits;
    let most = api.body_bytes;
    if let Framing::Length(length) = framing
        && length > most
    {
        return Err(Refusal::new(
            Code::BodyTooLarge,
            format!("the body has {length} bytes, {most} are allowed"),
        ));
    }
    let expects = expectation(head, framing)?;
    let (dropped, wants_upgrade, trailers) = connection(head)?;
    let upgrade = match wants_upgrade {
        true => upgrade(api.upgrade, framing, head)?,
        false => None,
    };
    // A gRPC stream may rest for as long as its peers like; everything else has to move (L9).
    let streams = head.get(Name::ContentType).is_some_and(|value| {
        value.len() >= 16 && value[..16].eq_ignore_ascii_case(b"application/grpc")
    });
    let pace = Pace {
        idle: if streams { api.timeouts.idle.max(IDLE_STREAM) } else { limits.write_stall },
        rate: if streams { 0 } else { limits.body_rate_bytes },
        grace: limits.body_rate_grace,
        most: if streams { u64::MAX } else { most },
    };
    Ok(Order { framing, pace, expects, upgrade, dropped, again: false, trailers, target: None })
}

/// Whether a body is not as its media type says, by the values of its `Content-Encoding` (RFC 9110 §8.4).
fn is_coded<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> bool {
    values.any(|value| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity"))
}

/// A stream whose peers say nothing for this long is given up.
const IDLE_STREAM: Duration = Duration::from_secs(3600);

fn expectation(head: &Head, framing: Framing) -> Result<bool, Refusal> {
    match head.get(Name::Expect) {
        None => Ok(false),
        Some(value)
            if value.eq_ignore_ascii_case(b"100-continue") && head.count(Name::Expect) == 1 =>
        {
            // Without a body, or to HTTP/1.0, there is nothing to continue (RFC 9110 §10.1.1).
            Ok(!framing.is_empty() && head.version != Version::Http10)
        }
        Some(_) => Err(Refusal::new(
            Code::ExpectationFailed,
            "100-continue is the only expectation that can be met",
        )),
    }
}

/// Fields that `Connection` may name, a caller's or a server's; each is looked for among all others.
pub(crate) const NAMED_MOST: usize = 32;

type Connection<'h> = (SmallVec<[&'h [u8]; 4]>, bool, bool);

/// Reads `Connection` and `TE`: which fields stay here, whether an upgrade is wanted, whether
/// trailers are understood.
fn connection(head: &Head) -> Result<Connection<'_>, Refusal> {
    let (mut dropped, mut upgrade, mut trailers) = (SmallVec::new(), false, false);
    for (id, _, value) in head.fields() {
        match id {
            Name::Te => {
                trailers |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"trailers"))
            }
            Name::Connection if value.eq_ignore_ascii_case(b"keep-alive") => {}
            Name::Connection => {
                for token in tokens(value) {
                    if token.eq_ignore_ascii_case(b"upgrade") {
                        upgrade = true;
                    } else if is_protected(token) {
                        return Err(Refusal::new(
                            Code::ProtectedHeader,
                            format!("Connection names {}", token.escape_ascii()),
                        ));
                    } else if dropped.len() == NAMED_MOST {
                        return Err(Refusal::new(
                            Code::HeadersTooLarge,
                            "Connection names too many fields",
                        ));
                    } else {
                        dropped.push(token);
                    }
                }
            }
            _ => {}
        }
    }
    Ok((dropped, upgrade, trailers))
}

/// The comma-separated elements of a list field (RFC 9110 §5.6.1).
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Fields that no caller may have removed: they decide who is asking, for what, and how long the
/// message is (T6).
fn is_protected(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with(b"content-")
        || lower.starts_with(b"x-forwarded-")
        || lower.starts_with(b"x-pasarela-")
        || matches!(
            lower.as_slice(),
            b"authorization"
                | b"cookie"
                | b"expect"
                | b"forwarded"
                | b"host"
                | b"range"
                | b"soapaction"
                | b"traceparent"
                | b"tracestate"
                | b"via"
                | b"x-api-key"
                | b"x-real-ip"
                | b"x-request-id"
        )
}

/// The protocol asked for, where this API and this request allow a tunnel (T3).
fn upgrade(allowed: bool, framing: Framing, head: &Head) -> Result<Option<&[u8]>, Refusal> {
    let refused = |detail: &'static str| Refusal::new(Code::UpgradeRefused, detail);
    let Some(protocol) = head.get(Name::Upgrade) else { return Ok(None) };
    // RFC 9113 §3.1: the upgrade to cleartext HTTP/2 is gone; the request is served as it is.
    if protocol.eq_ignore_ascii_case(b"h2c") || head.version != Version::Http11 {
        return Ok(None);
    }
    if !allowed {
        return Err(refused("this API does not allow connections to be upgraded"));
    }
    if !framing.is_empty() || head.method() != "GET" {
        return Err(refused("only a GET without a body can be upgraded"));
    }
    if head.count(Name::Upgrade) != 1 || protocol.contains(&b',') {
        return Err(refused("ask for one protocol"));
    }
    Ok(Some(protocol))
}
