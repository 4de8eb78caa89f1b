//! Respond: the one door by which the gateway's own answers leave.
//!
//! Status codes are chosen here and nowhere else. A caller that speaks SOAP is refused in SOAP;
//! everybody else gets problem details (RFC 9457). No answer tells what is behind the gateway.

mod office;

use std::{borrow::Cow, fmt::Write as _, future::poll_fn, time::Duration};

use pasarela_model::{Code, Scopes, Side};
use pasarela_net::{
    conn::Pace,
    http1::{Head, Name},
    transfer::{Sink, TransferError},
};
use pasarela_soap::{ExpandedName, envelope};
use serde_json::json;

use crate::{
    ctx::{Ctx, Spoken},
    downstream::{Answer, Downstream, Length, Put},
    plane::Plane,
    router::{Page, document_asked},
    worker::Worker,
};

pub(crate) use self::office::{published, token};

/// Why an exchange goes no further.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What kind of problem.
    pub(crate) code: Code,
    /// What exactly, for the caller: nothing of the inside.
    pub(crate) detail: Cow<'static, str>,
    /// `Allow`.
    pub(crate) allow: Option<String>,
    /// `Retry-After`, seconds.
    pub(crate) retry_after: Option<u64>,
    /// The caller is gone; there is nobody to answer.
    pub(crate) silent: bool,
    /// Where the request is wrong: a JSON Pointer.
    pub(crate) pointer: Option<String>,
    /// The rule of the contract that is broken.
    pub(crate) rule: Option<&'static str>,
    /// What `WWW-Authenticate` says beside the realm.
    pub(crate) challenge: Option<Box<Challenge>>,
}

/// What a bearer token would have to be (RFC 6750 §3).
#[derive(Debug)]
pub(crate) struct Challenge {
    error: Option<&'static str>,
    scopes: Scopes,
}

impl Challenge {
    fn value(&self, detail: &str) -> String {
        let mut value = "Bearer realm=\"pasarela\"".to_owned();
        if let Some(error) = self.error {
            let _ = write!(value, ", error=\"{error}\"");
        }
        if self.scopes.is_empty() {
            let _ = write!(value, ", error_description=\"{detail}\"");
        } else {
            let _ = write!(value, ", scope=\"{}\"", self.scopes);
        }
        value
    }
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            allow: None,
            retry_after: None,
            silent: false,
            pointer: None,
            rule: None,
            challenge: None,
        }
    }

    /// One text for everything that is not there, or not there for this caller.
    pub(crate) fn no_api() -> Self {
        Self::new(Code::NoSuchApi, "nothing is published under this address")
    }

    /// The caller left.
    pub(crate) fn gone() -> Self {
        Self { silent: true, ..Self::new(Code::RequestTooSlow, "the caller left") }
    }

    /// Says where a request breaks its contract, and by which rule.
    pub(crate) fn broken(self, pointer: Option<String>, rule: Option<&'static str>) -> Self {
        Self { pointer, rule, ..self }
    }

    /// A bearer token, or a key shown as one, is not good: another one may be (RFC 6750 §3.1).
    pub(crate) fn invalid_token(self) -> Self {
        let challenge = Challenge { error: Some("invalid_token"), scopes: Scopes::default() };
        Self { challenge: Some(Box::new(challenge)), ..self }
    }

    /// What has to be reached; and that it is not, where that is what is wrong.
    pub(crate) fn scopes(self, error: Option<&'static str>, scopes: &Scopes) -> Self {
        let challenge = Challenge { error, scopes: scopes.clone() };
        Self { challenge: Some(Box::new(challenge)), ..self }
    }

    pub(crate) fn allow(mut self, allow: String) -> Self {
        self.allow = Some(allow);
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Answers a refused exchange. Once a good answer has begun, breaking it off is all that is left.
pub(crate) async fn refuse<D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
    refusal: Refusal,
) {
    ctx.problem = Some(refusal.code);
    if refusal.silent {
        (ctx.aborted, ctx.problem) = (true, None);
        down.abort();
        return;
    }
    if down.is_answered() {
        ctx.aborted = true;
        down.abort();
        return;
    }
    if is_in_doubt(refusal.code) {
        down.end_after();
    }
    // What is not there has no face either: the answer must not tell that there is one (T28).
    let soap = match refusal.code {
        Code::NoSuchApi => spoken_soap(head, false),
        _ => ctx.spoken.or(spoken_soap(head, ctx.soap)),
    };
    let (status, media, body) = match soap {
        None => (refusal.code.status(), "application/problem+json", problem(&refusal, ctx)),
        Some(soap) => (soap.status(&refusal), soap.media(), soap.fault(&refusal, ctx)),
    };
    let fields = |put: &mut dyn Put| {
        put.put(b"Content-Type", media.as_bytes());
        if let Some(allow) = &refusal.allow {
            put.put(b"Allow", allow.as_bytes());
        }
        if let Some(seconds) = refusal.retry_after {
            put.put(b"Retry-After", seconds.to_string().as_bytes());
        }
        if let Some(challenge) = &refusal.challenge {
            put.put(b"WWW-Authenticate", challenge.value(&refusal.detail).as_bytes());
        } else if is_unproven(refusal.code) {
            // RFC 9110 §11.6.1: a 401 names a way in.
            put.put(b"WWW-Authenticate", b"Bearer realm=\"pasarela\"");
        }
    };
    if answer(worker, down, head, ctx, status, fields, body.as_bytes()).await.is_err() {
        ctx.aborted = true;
        down.abort();
    }
}

/// Whether it is refused for want of a proof that HTTP knows of.
fn is_unproven(code: Code) -> bool {
    matches!(
        code,
        Code::CredentialMissing
            | Code::CredentialUnknown
            | Code::SignatureInvalid
            | Code::SignatureUnknown
            | Code::SignatureStale
            | Code::DigestMismatch
    )
}

/// Whether a message can be read in two ways, so that what follows it cannot be trusted either (P2).
fn is_in_doubt(code: Code) -> bool {
    matches!(
        code,
        Code::Malformed
            | Code::AmbiguousFraming
            | Code::AmbiguousPath
            | Code::HostInvalid
            | Code::ProtectedHeader
            | Code::UpgradeRefused
    )
}

const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// What WS-Security calls a problem of a message's security (1.1, 12).
fn security(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::SecurityMissing | Code::SecurityInvalid => "InvalidSecurity",
        Code::TokenUnsupported => "UnsupportedSecurityToken",
        Code::AlgorithmUnsupported => "UnsupportedAlgorithm",
        Code::AuthenticationFailed | Code::MessageRepeated => "FailedAuthentication",
        Code::TokenInvalid => "InvalidSecurityToken",
        Code::SignatureFailed => "FailedCheck",
        Code::MessageExpired => "MessageExpired",
        _ => return None,
    })
}

/// The status of a service's fault for which nobody chose one.
pub(crate) fn fault_status(code: &envelope::Code, subcodes: &[ExpandedName]) -> u16 {
    let refused = |name: &ExpandedName| {
        let locals = ["FailedAuthentication", "InvalidSecurityToken"];
        *name.namespace == *WSSE && locals.contains(&&*name.local)
    };
    match code {
        _ if subcodes.iter().any(refused) => 401,
        envelope::Code::Other(name) if refused(name) => 401,
        envelope::Code::Sender => 400,
        envelope::Code::Receiver | envelope::Code::Other(_) => 500,
        envelope::Code::VersionMismatch
        | envelope::Code::MustUnderstand
        | envelope::Code::DataEncodingUnknown => 502,
    }
}

/// Answers with an API's contract.
pub(crate) async fn contract<D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
    plane: &Plane,
    (api, page): (usize, Page),
) -> Result<(), Refusal> {
    let (runtime, api) = (&plane.apis[api], &plane.snapshot.apis[api]);
    let Some(pages) = runtime.contract(api, &plane.snapshot) else { return Err(Refusal::no_api()) };
    let page = match page {
        Page::OpenApi => pages.openapi.as_ref(),
        Page::Wsdl => pages.wsdl(document_asked(ctx.query).unwrap_or_default()),
    };
    let Some(page) = page else {
        let why = "no document of this name belongs to the contract";
        return Err(Refusal::new(Code::NoSuchOperation, why));
    };
    let scheme = if ctx.origin.tls { "https" } else { "http" };
    // Routing has made sure that the host is a host: nothing in it could break the document.
    let authority = head.get(Name::Host).map(String::from_utf8_lossy).unwrap_or_default();
    let document = page.at(&format!("{scheme}://{authority}{}", api.base_path));
    let media = page.media;
    let fields = |put: &mut dyn Put| put.put(b"Content-Type", media.as_bytes());
    let sent = answer(worker, down, head, ctx, 200, fields, document.as_bytes()).await;
    sent.map_err(|_| Refusal::gone())
}

async fn answer<D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
    status: u16,
    fields: impl Fn(&mut dyn Put),
    body: &[u8],
) -> Result<(), TransferError> {
    ctx.status = status;
    let (_, mut answer) =
        down.halves(Pace { idle: Duration::ZERO, rate: 0, grace: Duration::ZERO, most: 0 });
    let length = match head.method() {
        "HEAD" => Length::Announced(body.len() as u64),
        _ => Length::Known(body.len() as u64),
    };
    answer.start(status, length, &mut |put| {
        fields(put);
        own_fields(worker, ctx, put);
    })?;
    let mut left = if head.method() == "HEAD" { &[][..] } else { body };
    loop {
        let take = left.len().min(answer.room());
        if take > 0 {
            let mark = answer.begin();
            answer.buffer().extend_from_slice(&left[..take]);
            answer.end(mark);
            left = &left[take..];
            ctx.bytes_out += take as u64;
        }
        if left.is_empty() {
            answer.finish(None);
            ctx.record(worker, head);
        }
        poll_fn(|cx| answer.poll_flush(cx)).await?;
        if left.is_empty() {
            return Ok(());
        }
    }
}

/// Fields that every answer carries, ours or an upstream's.
#[inline]
pub(crate) fn own_fields(worker: &Worker, ctx: &Ctx<'_>, put: &mut dyn Put) {
    put.put(b"X-Request-Id", ctx.id.as_bytes());
    worker.with_date(|date| put.put(b"Date", date));
    if let Some(rate) = &ctx.rate {
        put.put(b"RateLimit-Policy", &rate.bytes[..rate.limit_at]);
        put.put(b"RateLimit", &rate.bytes[rate.limit_at..]);
    }
}

fn problem(refusal: &Refusal, ctx: &Ctx<'_>) -> String {
    let mut problem = json!({
        "type": format!("urn:pasarela:problem:{}", refusal.code.code()),
        "title": refusal.code.title(),
        "status": refusal.code.status(),
        "code": refusal.code.code(),
        "detail": refusal.detail,
        "instance": format!("urn:pasarela:request:{}", ctx.id.as_str()),
    });
    if let Some(pointer) = &refusal.pointer {
        problem["pointer"] = json!(pointer);
    }
    if let Some(rule) = refusal.rule {
        problem["rule"] = json!(rule);
    }
    problem.to_string()
}

/// The SOAP version a request speaks; `None`: none.
fn spoken_soap(head: &Head, on_soap_face: bool) -> Option<Spoken> {
    let media = head.get(Name::ContentType).unwrap_or(b"");
    let is =
        |name: &[u8]| media.len() >= name.len() && media[..name.len()].eq_ignore_ascii_case(name);
    if is(b"application/soap+xml") {
        return Some(Spoken::Soap12);
    }
    (on_soap_face || (is(b"text/xml") && head.get(Name::SoapAction).is_some()))
        .then_some(Spoken::Soap11)
}

impl Spoken {
    /// SOAP 1.1 §6.2 knows 500 alone; SOAP 1.2 part 2 §7.5.2.2 blames the sender with 400.
    fn status(self, refusal: &Refusal) -> u16 {
        match (self, refusal.code.side()) {
            // SOAP 1.2 part 2 §7.5.2.2: neither is a mistake in what was sent.
            (Self::Soap12, Side::Caller)
                if !matches!(refusal.code, Code::SoapVersion | Code::HeaderNotUnderstood) =>
            {
                400
            }
            _ => 500,
        }
    }

    fn media(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml; charset=utf-8",
            Self::Soap12 => "application/soap+xml; charset=utf-8",
        }
    }

    fn fault(self, refusal: &Refusal, ctx: &Ctx<'_>) -> String {
        let to_blame = match (refusal.code, refusal.code.side(), self) {
            (Code::SoapVersion, ..) => "VersionMismatch",
            (Code::HeaderNotUnderstood, ..) => "MustUnderstand",
            (_, Side::Caller, Self::Soap11) => "Client",
            (_, Side::Caller, Self::Soap12) => "Sender",
            (_, _, Self::Soap11) => "Server",
            (_, _, Self::Soap12) => "Receiver",
        };
        let by_security = security(refusal.code);
        let reason = escape(&format!("{}: {}", refusal.code.title(), refusal.detail));
        let mut out = String::with_capacity(768);
        out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        let detail = format!(
            "<problem xmlns=\"urn:pasarela:problem\"><code>{}</code><status>{}</status><instance>{}</instance></problem>",
            refusal.code.code(),
            refusal.code.status(),
            escape(ctx.id.as_str())
        );
        let code = match (self, by_security) {
            (Self::Soap11, None) => format!("<faultcode>soap:{to_blame}</faultcode>"),
            (Self::Soap11, Some(name)) => {
                format!("<faultcode xmlns:wsse=\"{WSSE}\">wsse:{name}</faultcode>")
            }
            (Self::Soap12, None) => format!("<soap:Value>soap:{to_blame}</soap:Value>"),
            (Self::Soap12, Some(name)) => format!(
                "<soap:Value>soap:{to_blame}</soap:Value>\
                 <soap:Subcode><soap:Value xmlns:wsse=\"{WSSE}\">wsse:{name}</soap:Value></soap:Subcode>"
            ),
        };
        let _ = match self {
            Self::Soap11 => writeln!(
                out,
                "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
                 {code}<faultstring>{reason}</faultstring><detail>{detail}</detail>\
                 </soap:Fault></soap:Body></soap:Envelope>"
            ),
            Self::Soap12 => writeln!(
                out,
                "<soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\"><soap:Body><soap:Fault>\
                 <soap:Code>{code}</soap:Code>\
                 <soap:Reason><soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason>\
                 <soap:Detail>{detail}</soap:Detail></soap:Fault></soap:Body></soap:Envelope>"
            ),
        };
        out
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // XML 1.0 §2.2 has no place for other control characters.
            c if c < ' ' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t50_a_fault_stays_well_formed_whatever_it_tells() {
        let text = escape("a<b>&\u{1}\r\n]]>");
        let document = format!("<x>{text}</x>");
        assert_eq!(text, "a&lt;b&gt;&amp;\u{fffd}  ]]&gt;");
        assert!(!document.contains("]]>"));
    }
}
