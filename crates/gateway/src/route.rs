//! Route: which API, which operation. The first thing decided, on the one form of path and host.

use std::{borrow::Cow, cell::Cell};

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name, Version};

use crate::{
    credentials,
    ctx::Ctx,
    identify::{Shown, whose},
    oauth::Door,
    path::{self, PathFault},
    respond::Refusal,
    router::{self, Found, Page, Query},
    sight::{self, answers},
    worker::WorkerPlane,
};

/// What a request turned out to be for.
#[derive(Debug)]
pub(crate) enum Routed {
    /// A call.
    Call(Target),
    /// The contract of this API.
    Contract(usize, Page),
    /// The authorization server that we are.
    Office(Door),
}

/// A call's destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Index into the snapshot's APIs.
    pub(crate) api: usize,
    /// Bytes of the path that are the API's base.
    pub(crate) rest: usize,
    /// On the SOAP face.
    pub(crate) soap: bool,
}

/// Gives the two small traits that look fields up by name what they want.
pub(crate) struct Fields<'a>(pub(crate) &'a Head);

impl router::Headers for Fields<'_> {
    fn get(&self, lower_name: &str) -> Option<&[u8]> {
        self.0.find(lower_name)
    }
}

impl credentials::Headers for Fields<'_> {
    fn get(&self, lower_name: &str) -> Option<&[u8]> {
        self.0.get(Name::of(lower_name.as_bytes()))
    }

    fn count(&self, lower_name: &str) -> usize {
        self.0.count(Name::of(lower_name.as_bytes()))
    }
}

/// Finds the API and operation, and notes them.
pub(crate) fn route<'h>(
    plane: &WorkerPlane,
    head: &'h Head,
    ctx: &mut Ctx<'h>,
) -> Result<Routed, Refusal> {
    if let Some(peer) = &ctx.origin.peer_certificate
        && !peer.is_good(ctx.now())
    {
        let why = "the client certificate of this connection is over or revoked";
        return Err(Refusal::new(Code::CertificateOver, why));
    }
    let (authority, target) = split_target(head)?;
    ctx.host = host(head, authority, ctx)?;
    let target = path::normalise(target).map_err(bad_path)?;
    (ctx.path, ctx.query) = (target.path, target.query);
    match head.method() {
        "CONNECT" | "TRACE" => {
            return Err(Refusal::new(Code::MethodUnknown, "CONNECT and TRACE are not served"));
        }
        _ => {}
    }
    if let Some(door) = plane.tokens.office().and_then(|it| it.door(&ctx.host, &ctx.path)) {
        return Ok(Routed::Office(door));
    }
    // Found out once, and only where somebody asks.
    let (whence, place) = (ctx.whence(), ctx.place());
    let shown = Cell::new(ctx.shown);
    let who = || {
        let found: Shown = shown.get().unwrap_or_else(|| whose(plane, head, whence));
        shown.set(Some(found));
        found.ok().flatten().map(|known| known.application)
    };
    // A message says who sends it when it is read, which is later.
    let sees = |api: usize| plane.apis[api].says_itself() || sight::sees(plane, api, place, who);
    let query = Query {
        host: &ctx.host,
        path: &ctx.path,
        query: ctx.query,
        method: head.method(),
        sees: &sees,
        headers: &Fields(head),
    };
    let found = plane.router.find(&query);
    if ctx.path.contains(';') {
        // Some servers drop what follows `;` in a segment before they look at the path. Where that
        // would lead to another API, and so past its policy, the path has two meanings (T8).
        let cut = without_parameters(&ctx.path);
        let strictly = |api: usize| sight::sees(plane, api, place, who);
        let other = plane.router.find(&Query { path: &cut, sees: &strictly, ..query });
        if other.api().is_some() && other.api() != found.api() {
            return Err(Refusal::new(
                Code::AmbiguousPath,
                "without what follows ';' the path belongs to another API",
            ));
        }
    }
    // Of an address that nobody has, nobody may learn more by the time it takes: it is found out who asks there too (T28).
    let visible = match found.api() {
        None => who().is_some(),
        Some(api) => sight::sees(plane, api, place, who),
    };
    ctx.shown = shown.get();
    match found {
        // Only a message on the SOAP face may still say who sends it.
        Found::Api { soap: false, .. } if !visible => Err(Refusal::no_api()),
        Found::Api { api, operation, rest, soap } => {
            (ctx.api, ctx.operation, ctx.soap) = (Some(api), operation, soap);
            Ok(Routed::Call(Target { api, rest, soap }))
        }
        Found::Contract { api, page } => {
            ctx.api = Some(api);
            Ok(Routed::Contract(api, page))
        }
        Found::NoApi => Err(Refusal::no_api()),
        // Whoever may not see an API may not learn from its answers that it is there (T28).
        Found::NoOperation { .. } | Found::MethodNotAllowed { .. } if !visible => {
            Err(Refusal::no_api())
        }
        Found::NoOperation { api } => {
            ctx.api = Some(api);
            answers(plane, api, place)?;
            Err(Refusal::new(Code::NoSuchOperation, "nothing in the API's contract has this path"))
        }
        Found::MethodNotAllowed { api, allow } => {
            ctx.api = Some(api);
            answers(plane, api, place)?;
            Err(Refusal::new(Code::MethodNotAllowed, format!("this path answers {allow}"))
                .allow(allow))
        }
    }
}

/// A path as a server reads it that drops path parameters (RFC 3986 §3.3).
fn without_parameters(path: &str) -> String {
    let mut cut = String::with_capacity(path.len());
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or("")) {
        if !segment.is_empty() {
            cut.push('/');
            cut.push_str(segment);
        }
    }
    if cut.is_empty() { "/".to_owned() } else { cut }
}

fn bad_path(fault: PathFault) -> Refusal {
    Refusal::new(Code::AmbiguousPath, fault.to_string())
}

/// Takes an absolute-form target apart (RFC 9112 §3.2.2).
fn split_target(head: &Head) -> Result<(Option<&[u8]>, &[u8]), Refusal> {
    let target = head.target();
    if target.first() == Some(&b'/') || target == b"*" {
        return Ok((None, target));
    }
    let scheme = target.iter().position(|byte| *byte == b':').unwrap_or(0);
    let known = [&b"http"[..], b"https"].iter().any(|s| target[..scheme].eq_ignore_ascii_case(s));
    let rest = match target.get(scheme..scheme + 3) {
        Some(b"://") if known => &target[scheme + 3..],
        _ => return Err(Refusal::new(Code::Malformed, "the request-target is no path")),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Ok((Some(authority), path))
}

/// The host, from `Host` or an absolute target: there has to be one, and only one (T14).
fn host<'h>(
    head: &'h Head,
    authority: Option<&'h [u8]>,
    ctx: &Ctx<'_>,
) -> Result<Cow<'h, str>, Refusal> {
    let invalid = |detail: &'static str| Refusal::new(Code::HostInvalid, detail);
    if head.count(Name::Host) > 1 {
        return Err(invalid("the Host field is repeated"));
    }
    let field = head.get(Name::Host);
    let value = match (field, authority) {
        // RFC 9112 §3.2: only HTTP/1.0 may leave it away, whatever form the target has.
        (None, _) if head.version != Version::Http10 => {
            return Err(invalid("the Host field is missing"));
        }
        (None, None) => &b""[..],
        (Some(field), Some(authority)) if !field.eq_ignore_ascii_case(authority) => {
            return Err(invalid("the Host field and the request-target name different hosts"));
        }
        (_, Some(authority)) => authority,
        (Some(field), None) => field,
    };
    let name = host_name(value).ok_or_else(|| invalid("the host is not a host name"))?;
    if ctx.origin.peer_certificate.is_some()
        && ctx.origin.server_name.as_deref().is_some_and(|sni| !name.eq_ignore_ascii_case(sni))
    {
        return Err(Refusal::new(
            Code::Misdirected,
            "the connection was made, with a client certificate, for another host",
        ));
    }
    Ok(match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    })
}

/// The host of an authority, without its port; `None` when it is neither a name nor an address.
fn host_name(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let (name, rest) = literal.split_once(']')?;
            let known = name.parse::<std::net::Ipv6Addr>().is_ok();
            (known.then_some(name)?, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (name.len() <= 255
        && name.bytes().all(legal)
        && port.len() <= 5
        && port.bytes().all(|byte| byte.is_ascii_digit()))
    .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t08_parameters_are_cut_as_lenient_servers_cut_them() {
        for (path, cut) in [
            ("/admin;x/secret", "/admin/secret"),
            ("/;/admin/secret", "/admin/secret"),
            ("/a/b;c=d;e", "/a/b"),
            ("/;", "/"),
            ("/a/", "/a"),
        ] {
            assert_eq!(without_parameters(path), cut);
        }
    }

    #[test]
    fn t14_a_host_is_a_name_or_an_address_and_nothing_else() {
        for (value, name) in [
            ("a.example", Some("a.example")),
            ("a.example:8080", Some("a.example")),
            ("127.0.0.1:1", Some("127.0.0.1")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("", Some("")),
            ("a.example:80:80", None),
            ("a.example:x", None),
            ("a.example:123456", None),
            ("user@a.example", None),
            ("a/b", None),
            ("[::1", None),
            ("[x]", None),
            ("a b", None),
        ] {
            assert_eq!(host_name(value.as_bytes()), name, "{value}");
        }
    }
}
