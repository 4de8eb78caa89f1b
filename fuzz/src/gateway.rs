//! The request path's own readers: paths, routes, keys, traces.

use std::sync::{Arc, LazyLock};

use pasarela_gateway::{
    credentials::{Headers as KeyHeaders, KEY_BYTES_MAX, Presented, present},
    jwt::{Issuer, Issuers, KeySet, Ring},
    observe::{TraceParent, join_tracestate},
    path::normalise,
    router::{Found, Headers, Query, Router},
};
use pasarela_model::{
    Api, Face, HeaderMatch, HostPattern, Operation, PathSegment, PathTemplate, TokenAlgorithm,
    Upstream, UpstreamTarget, Visibility,
};

/// A path has one spelling, and it leads where the spelling it had led (T8).
pub(super) fn path_normalise(bytes: &[u8]) {
    let Ok(target) = normalise(bytes) else { return };
    let path: &str = &target.path;
    if path == "*" {
        assert_eq!(bytes, b"*");
        return;
    }
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
    assert!(!path.contains("//") && !path.contains(['?', '#', '\\']), "{path}");
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{path}");
    let upper = path.to_ascii_uppercase();
    assert!(!upper.contains("%2F") && !upper.contains("%5C") && !upper.contains("%00"), "{path}");
    let again = normalise(path.as_bytes()).expect("a normal path is a path");
    assert_eq!(&*again.path, path, "normalised twice");
    assert_eq!(again.query, None);

    let raw = bytes.split(|byte| *byte == b'?').next().unwrap_or(b"");
    let query = (raw.len() < bytes.len()).then(|| &bytes[raw.len() + 1..]);
    assert_eq!(target.query, query, "the query is not ours to change");
    assert_eq!(decoded(path.as_bytes()), resolved(raw), "{path}");
}

fn decoded(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').skip(1).map(decode).collect()
}

fn decode(segment: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), segment);
    while let Some((first, tail)) = rest.split_first() {
        let triplet = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(triplet.unwrap_or(*first));
        rest = if triplet.is_some() { &tail[2..] } else { tail };
    }
    out
}

/// Where a path leads, read the simple way: decode the segments, then walk.
fn resolved(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    let mut open = true;
    for segment in decoded(raw) {
        open = true;
        match segment.as_slice() {
            b"" | b"." => {}
            b".." => drop(stack.pop()),
            _ => {
                stack.push(segment);
                open = false;
            }
        }
    }
    if open {
        stack.push(Vec::new());
    }
    stack
}

struct Fields(Vec<(String, Vec<u8>)>);

impl Headers for Fields {
    fn get(&self, lower_name: &str) -> Option<&[u8]> {
        KeyHeaders::get(self, lower_name)
    }
}

impl KeyHeaders for Fields {
    fn get(&self, lower_name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| name == lower_name).map(|(_, value)| value.as_slice())
    }

    fn count(&self, lower_name: &str) -> usize {
        self.0.iter().filter(|(name, _)| name == lower_name).count()
    }
}

/// Lines of `name: value`.
fn fields(bytes: &[u8]) -> Fields {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii().to_vec()))
    });
    Fields(lines.collect())
}

static APIS: LazyLock<(Vec<Api>, Router)> = LazyLock::new(|| {
    let apis = vec![
        api("hidden", "/hidden/v1", Visibility::Private, None),
        api("open", "/open/v1", Visibility::Public, None),
        api("inner", "/open/v1/inner", Visibility::Private, None),
        api("friends", "/friends/v2", Visibility::Partner, None),
        api("root", "", Visibility::Private, Some(HostPattern::Exact("in.example".into()))),
        api("wild", "/w", Visibility::Public, Some(HostPattern::Wildcard("example".into()))),
        Api {
            headers: vec![HeaderMatch { name: "x-edge".into(), value: "2".into() }],
            ..api("edge", "/open/v1", Visibility::Private, None)
        },
        Api { operations: operations(), ..api("listed", "/listed/v1", Visibility::Public, None) },
        Api {
            operations: operations(),
            faces: vec![Face::Rest, Face::Soap],
            ..api("soapy", "/soapy/v1", Visibility::Private, None)
        },
    ];
    let router = Router::build(&apis);
    (apis, router)
});

fn operations() -> Vec<Operation> {
    let literal = |text: &str| PathSegment::Literal(text.into());
    let parameter = |prefix: &str, suffix: &str| PathSegment::Parameter {
        prefix: prefix.into(),
        suffix: suffix.into(),
    };
    let operation = |name: &str, method: &str, path: Vec<PathSegment>| Operation {
        name: name.into(),
        method: method.into(),
        path: PathTemplate(path),
        soap_action: Some(format!("urn:{name}")),
        soap_body: None,
    };
    vec![
        operation("list", "GET", vec![literal("items")]),
        operation("one", "GET", vec![literal("items"), parameter("", "")]),
        operation("file", "PUT", vec![literal("items"), parameter("a", ".json")]),
        operation("make", "POST", vec![literal("items")]),
    ]
}

fn api(name: &str, base: &str, visibility: Visibility, host: Option<HostPattern>) -> Api {
    let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 1)]);
    Api { visibility, host, base_path: base.to_owned(), ..Api::new(name, 1, upstream) }
}

/// `METHOD host target`, then lines of fields: nothing private is found from outside, and what is
/// found stands where it says.
pub(super) fn route(bytes: &[u8]) {
    let (line, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let mut word = || words.next().unwrap_or(b"");
    let (method, host, target) = (word(), word(), word());
    let method = String::from_utf8_lossy(method);
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let Ok(target) = normalise(target) else { return };
    let fields = fields(rest);
    let (apis, router) = &*APIS;
    for internal in [false, true] {
        let sees = |api: usize| internal || apis[api].visibility != Visibility::Private;
        let found = router.find(&Query {
            host: &host,
            path: &target.path,
            query: target.query,
            method: &method,
            sees: &sees,
            headers: &fields,
        });
        let index = match found {
            Found::NoApi => continue,
            Found::Api { api, operation, rest, .. } => {
                let base = &apis[api].base_path;
                assert_eq!(target.path.get(..rest), Some(base.as_str()));
                let below = &target.path[rest..];
                assert!(below.is_empty() || below.starts_with('/'), "{below}");
                assert!(operation.is_none_or(|index| index < apis[api].operations.len()));
                api
            }
            Found::NoOperation { api } | Found::Contract { api, .. } => api,
            Found::MethodNotAllowed { api, allow } => {
                assert!(!allow.is_empty() && allow.split(", ").all(|one| one != method), "{allow}");
                api
            }
        };
        let api = &apis[index];
        assert!(internal || api.visibility != Visibility::Private, "{} from outside", api.name);
        assert!(api.headers.iter().all(|wanted| {
            Headers::get(&fields, &wanted.name) == Some(wanted.value.as_bytes())
        }));
        match &api.host {
            None => {}
            Some(HostPattern::Exact(exact)) => assert_eq!(host, *exact),
            Some(HostPattern::Wildcard(suffix)) => {
                assert!(host.strip_suffix(suffix.as_str()).is_some_and(|sub| sub.ends_with('.')));
            }
        }
    }
}

/// Lines of fields: a key that is read was shown, once or twice the same, and is clean.
pub(super) fn credentials(bytes: &[u8]) {
    let fields = fields(bytes);
    let all = |wanted: &str| -> Vec<&[u8]> {
        let named = fields.0.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_slice()).collect()
    };
    let (direct, bearer) = (all("x-api-key"), all("authorization"));
    match present(&fields) {
        Presented::Key(key) => {
            assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX);
            assert!(!key.iter().any(|byte| *byte <= b' ' || *byte == 0x7f));
            assert!(direct.len() <= 1 && bearer.len() <= 1);
            let shown = |value: &&[u8]| value.ends_with(key);
            assert!(direct.first().is_some_and(|v| *v == key) || bearer.iter().any(shown));
        }
        Presented::Token(token) => {
            assert!(direct.iter().all(|value| value.is_empty()) && bearer.len() == 1);
            assert!(bearer[0].ends_with(token) && token.starts_with(b"eyJ"));
        }
        Presented::Missing => {
            assert!(direct.iter().all(|value| value.is_empty()));
        }
        Presented::Conflict => assert!(direct.len() == 1 && bearer.len() == 1),
        Presented::Malformed => assert!(!direct.is_empty() || !bearer.is_empty()),
    }
}

/// A token, or an issuer's keys: nobody has the private keys of these, so no token is good.
pub(super) fn jwt(bytes: &[u8]) {
    static KNOWN: LazyLock<Issuers> = LazyLock::new(|| {
        let keys = KeySet::read(include_bytes!("../corpus/jwt/set")).expect("keys of the RFCs");
        Issuers::new(vec![Issuer {
            issuer: "joe".to_owned(),
            audiences: vec!["rates".to_owned()],
            algorithms: TokenAlgorithm::ALL.map(|(_, algorithm)| algorithm).to_vec(),
            client_claims: vec!["azp".to_owned()],
            keys: Arc::new(Ring::new(keys)),
        }])
    });
    assert!(KNOWN.verify(bytes, 1_300_000_000).is_err());
    // Whatever a set holds, it is read to its end or refused.
    let _ = KeySet::read(bytes);
}

/// `traceparent` on the first line, `tracestate` on the others.
pub(super) fn traceparent(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or(b"");
    if let Some(parent) = TraceParent::parse(first) {
        let mut id = Vec::new();
        parent.id.write_hex(&mut id);
        let value = first.trim_ascii();
        let span = &value[36..52];
        assert_eq!(&value[3..35], &id[..]);
        assert!(id.iter().any(|digit| *digit != b'0') && span.iter().any(|digit| *digit != b'0'));
        assert!(!value.starts_with(b"ff"));
        let flags = if parent.sampled { b"-01" } else { b"-00" };
        let ours = [b"00-", &id[..], b"-", span, flags].concat();
        let again = TraceParent::parse(&ours).expect("what we write can be read");
        assert_eq!((again.id, again.span, again.sampled), (parent.id, parent.span, parent.sampled));
    }
    let mut out = Vec::new();
    if join_tracestate(lines, &mut out) {
        assert!(!out.is_empty());
        assert!(out.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "{out:?}");
        assert!(out.split(|byte| *byte == b',').count() <= 32);
        let mut again = Vec::new();
        assert!(join_tracestate([&out[..]], &mut again), "what we join can be joined");
    }
}
