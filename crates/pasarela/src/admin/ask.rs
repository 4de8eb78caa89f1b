//! From a request to a verb: who may even ask here, what was asked, in which form.
//!
//! Nothing here decides who may do what; that is `control::may`. Here is only what HTTP adds.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, RawPathParams, Request, State},
    response::Response,
    routing::{MethodFilter, get, on},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use pasarela_control::{Call, Control, Idempotency, digest, question};
use pasarela_model::{Id, Timestamp};
use pasarela_store::{PAGE_MAX, Slice};
use serde_json::{Map, Value};

use super::{
    Desk, answer, fields, now, openapi,
    problem::{Code, Problem},
    seed, strict,
    table::{ROUTES, Route, Verb},
};

/// Bytes of a body; ours are small.
const BODY_MAX: usize = 64 << 10;
/// Bytes of a body that brings contracts: 16 MiB of them, written as JSON.
const LARGE_BODY_MAX: usize = 24 << 20;
/// Characters of an `Idempotency-Key`.
const KEY_MAX: usize = 128;

/// The addresses of administration.
pub(crate) fn router(desk: Desk) -> Router {
    let document = openapi::document().to_string();
    let described = get(move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
        match near(peer) {
            Err(problem) => problem.response(""),
            Ok(()) => {
                let mut response = answer::json(StatusCode::OK, JSON, &Value::Null, "");
                *response.body_mut() = Body::from(document);
                response
            }
        }
    });
    let mut router = Router::new().route("/admin/v1/openapi.json", described);
    for route in ROUTES {
        let filter = match route.method {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Delete => MethodFilter::DELETE,
        };
        let handler =
            move |state: State<Arc<Desk>>,
                  peer: ConnectInfo<SocketAddr>,
                  path: RawPathParams,
                  request: Request| { serve(route, state, peer, path, request) };
        router = router.route(&format!("/admin/v1{}", route.path), on(filter, handler));
    }
    router.with_state(Arc::new(desk))
}

const JSON: &str = "application/json";

async fn serve(
    route: &'static Route,
    State(desk): State<Arc<Desk>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    path: RawPathParams,
    request: Request,
) -> Response {
    let Ok(seed) = seed() else {
        return Problem::new(Code::Broken, "there is no randomness").response("");
    };
    let id: String = question(&[b"request", &seed]).iter().take(8).map(hex).collect();
    let (parts, body) = request.into_parts();
    let done = async {
        near(peer)?;
        let control = desk.get().ok_or_else(|| {
            Problem::new(Code::Unavailable, "the gateway serves on; the store is not open yet")
        })?;
        let mut call = Call::new(bearer(&parts.headers)?, now(), seed);
        call.request.clone_from(&id);
        let (bearer, at) = (call.bearer, call.at);
        if route.large {
            // Nobody else makes us hold that much.
            control.who_am_i(Call::new(bearer, at, seed)).await?;
        }
        let done = match read(route, &parts, path, body, &mut call).await {
            Ok(asked) => (route.run)(control.clone(), call, asked).await,
            Err(problem) => Err(problem),
        };
        if done.is_err() && !route.invitation {
            // Whoever has no token learns nothing about what the request should look like.
            control.who_am_i(Call::new(bearer, at, seed)).await?;
        }
        done
    };
    match done.await {
        Ok(answer) => answer::response(route, answer, &id),
        Err(problem) => problem.response(&id),
    }
}

fn hex(byte: &u8) -> String {
    format!("{byte:02x}")
}

/// Tokens travel in the clear here: only on this machine (T27).
fn near(peer: SocketAddr) -> Result<(), Problem> {
    match peer.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(Problem::new(
            Code::Elsewhere,
            "ask from this machine, or through a tunnel or a proxy with TLS that ends here",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Result<pasarela_model::KeyDigest, Problem> {
    let missing =
        || Problem::new(Code::Unauthenticated, "send your token as Authorization: Bearer …");
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return Err(missing()) };
    let (scheme, token) =
        one.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(digest(token.trim_matches(' '))),
        false => Err(missing()),
    }
}

/// What was asked, in the form that the route's line says.
pub(super) struct Asked {
    path: HashMap<String, String>,
    query: HashMap<String, String>,
    body: Map<String, Value>,
}

async fn read(
    route: &Route,
    parts: &Parts,
    path: RawPathParams,
    body: Body,
    call: &mut Call,
) -> Result<Asked, Problem> {
    let malformed = |why: String| Problem::new(Code::Malformed, why);
    let path: HashMap<_, _> =
        path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let query = query(route, parts.uri.query().unwrap_or_default())?;
    call.version = if_match(&parts.headers)?;
    let (most, said) = match route.large {
        true => (LARGE_BODY_MAX, "24 MiB"),
        false => (BODY_MAX, "64 KiB"),
    };
    let Ok(bytes) = to_bytes(body, most).await else {
        return Err(Problem::new(Code::TooLarge, format!("a body has at most {said}")));
    };
    let body = match route.body {
        None if bytes.is_empty() => Map::new(),
        None => return Err(malformed("this request has no body".to_owned())),
        Some(wanted) => {
            json_is_meant(&parts.headers)?;
            let Value::Object(body) = strict::read(&bytes).map_err(malformed)? else {
                return Err(malformed("the body has to be a JSON object".to_owned()));
            };
            let faults = fields::faults("", wanted, &body);
            if !faults.is_empty() {
                return Err(malformed(faults.join("; ")));
            }
            body
        }
    };
    if let Some(key) = idempotency_key(&parts.headers)? {
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let asked = question(&[parts.method.as_str().as_bytes(), target.as_bytes(), &bytes]);
        call.idempotency = Some(Idempotency { key, question: asked });
    }
    Ok(Asked { path, query, body })
}

/// The parameters of a query, each once and each known.
fn query(route: &Route, text: &str) -> Result<HashMap<String, String>, Problem> {
    let mut found = HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescaped(name), unescaped(value));
        let (Some(name), Some(value)) = (name, value) else {
            return Err(Problem::new(Code::Malformed, "the query is not well-formed"));
        };
        let Some(known) = route.query.iter().find(|known| known.name == name) else {
            let shown: String = name.chars().take(40).collect();
            return Err(Problem::new(Code::Malformed, format!("there is no parameter {shown}")));
        };
        // Numbers are texts in a query; `slice` reads them.
        if !matches!(known.kind, fields::Kind::Integer { .. })
            && let Some(why) = known.kind.refuses(&name, &Value::from(value.as_str()))
        {
            return Err(Problem::new(Code::Malformed, why));
        }
        if found.insert(name, value).is_some() {
            return Err(Problem::new(Code::Malformed, "a parameter is there twice"));
        }
    }
    Ok(found)
}

/// `%41` is `A` and `+` a space, as forms write it; `None` where it is neither that nor UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// `If-Match: "3"`: the version that was read.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let wrong =
        || Problem::new(Code::Malformed, "If-Match: send the ETag as you got it, such as \"3\"");
    let mut all = headers.get_all(header::IF_MATCH).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            let text = one.to_str().ok().and_then(|text| text.trim().strip_prefix('"'));
            let digits = text.and_then(|text| text.strip_suffix('"')).ok_or_else(wrong)?;
            digits.parse().map(Some).map_err(|_| wrong())
        }
        (Some(_), Some(_)) => Err(wrong()),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong = || {
        let why = format!("Idempotency-Key: write 1 to {KEY_MAX} visible ASCII characters, once");
        Problem::new(Code::Malformed, why)
    };
    let mut all = headers.get_all("idempotency-key").iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            let bytes = one.as_bytes();
            let fine =
                (1..=KEY_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
            one.to_str().ok().filter(|_| fine).map(|key| Some(key.to_owned())).ok_or_else(wrong)
        }
        (Some(_), Some(_)) => Err(wrong()),
    }
}

fn json_is_meant(headers: &HeaderMap) -> Result<(), Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.map(|text| text.split(';').next().unwrap_or_default().trim());
    match media.is_some_and(|media| media.eq_ignore_ascii_case(JSON)) {
        true => Ok(()),
        false => Err(Problem::new(Code::MediaType, "send Content-Type: application/json")),
    }
}

impl Asked {
    /// The id in the path. A text that is none names nothing.
    pub(super) fn id<I: Id>(&self, name: &'static str) -> Result<I, Problem> {
        let text = self.path.get(name).map_or("", String::as_str);
        text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            let noun = name.trim_end_matches("_id");
            Problem::new(Code::NotFound, format!("there is no {noun} {shown}"))
        })
    }

    /// A part of the path as it is.
    pub(super) fn part(&self, name: &str) -> String {
        self.path.get(name).cloned().unwrap_or_default()
    }

    /// Which part of a list is wanted.
    pub(super) fn slice(&self) -> Result<Slice, Problem> {
        let limit = self.query.get("limit").map(|text| {
            let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
            let why = format!("limit: write a whole number from 1 to {PAGE_MAX}");
            limit.ok_or_else(|| Problem::new(Code::Malformed, why))
        });
        Ok(Slice { after: self.query.get("after").cloned(), limit: limit.transpose()? })
    }

    /// A word of the query.
    pub(super) fn word_of_query<T: std::str::FromStr>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let read = |text: &String| {
            let why = || Problem::new(Code::Malformed, format!("{name}: there is no such word"));
            text.parse().map_err(|_| why())
        };
        self.query.get(name).map(read).transpose()
    }

    /// A text of the body; empty where there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.text_or_none(name).unwrap_or_default()
    }

    pub(super) fn text_or_none(&self, name: &str) -> Option<String> {
        Some(self.body.get(name)?.as_str()?.to_owned())
    }

    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.body.get(name)?.as_array()?;
        Some(items.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect())
    }

    /// A word of the body, which was found to be one.
    pub(super) fn word<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.body.get(name)?.as_str()?.parse().ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.word(name)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.body.get(name)?.as_i64()
    }

    pub(super) fn object(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }
}

/// What a line of the table runs.
pub(super) type Run =
    fn(
        Control,
        Call,
        Asked,
    ) -> pasarela_store::Boxed<'static, Result<pasarela_control::Answer, Problem>>;
