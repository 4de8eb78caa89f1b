//! What is known at the end of one exchange, in one value: the source of log, metrics and spans.
//!
//! `record` fills in a [`Fact`] on its stack from what it already holds and shows it to the
//! [`Observer`](super::Observer); nothing here owns memory. [`Facts`] is the exception: a batch of
//! facts copied into two flat buffers, for readers on another thread (the span exporter).
//!
//! A fact has no place for a header field, a body or a query, so none of them can reach a log
//! (reliability reference, T55).

use std::net::{IpAddr, SocketAddr};

use pasarela_model::Code;

use super::{metrics::Slot, trace::Trace};

/// The door an exchange came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// Plain HTTP for everybody.
    Gateway,
    /// HTTPS for everybody.
    Tls,
    /// Private APIs.
    Internal,
    /// Metrics, health, administration.
    Console,
    /// Mail.
    Smtp,
}

impl Listener {
    /// Every listener.
    pub const ALL: [Self; 5] =
        [Self::Gateway, Self::Tls, Self::Internal, Self::Console, Self::Smtp];

    /// Its name in the configuration file, in logs and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Tls => "tls",
            Self::Internal => "internal",
            Self::Console => "console",
            Self::Smtp => "smtp",
        }
    }
}

/// The protocol a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Mail.
    Smtp,
}

impl Protocol {
    /// Its name in logs and metrics: `h1`, `h2` or `smtp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::Smtp => "smtp",
        }
    }
}

/// One finished exchange. Text from outside is bytes: it may be anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fact<'a> {
    /// When the first byte of the request arrived, nanoseconds since 1970 (UTC).
    pub unix_ns: u64,
    /// From then until the last byte of the answer left, microseconds.
    pub duration_us: u64,
    /// The request's id, ours or a trusted proxy's.
    pub request_id: &'a str,
    /// Where it came in.
    pub listener: Listener,
    /// What the caller spoke.
    pub protocol: Protocol,
    /// The caller's address; behind trusted proxies the one they report.
    pub client: IpAddr,
    /// The method as sent; empty when the request line could not be read.
    pub method: &'a [u8],
    /// The host as sent; empty when there was none.
    pub host: &'a [u8],
    /// The normalised path, without the query (T55); empty when it could not be read.
    pub path: &'a [u8],
    /// The API, once routing found one.
    pub api: Option<FactApi<'a>>,
    /// The operation, where the contract names one.
    pub operation: Option<&'a str>,
    /// The operation's path template behind the API's base, `/rates/v2/quotes/{id}`; a span's
    /// `http.route`, so it must not hold what a caller sent.
    pub route: Option<&'a str>,
    /// The calling application, once it was identified.
    pub application: Option<&'a str>,
    /// The plan the call counts under.
    pub plan: Option<&'a str>,
    /// The status of the answer; 0 when none was sent.
    pub status: u16,
    /// What went wrong, where the gateway has a word for it.
    pub problem: Option<Code>,
    /// Bytes of the request's body that arrived.
    pub bytes_in: u64,
    /// Bytes of the answer's body that left.
    pub bytes_out: u64,
    /// The last attempt at an upstream, where there was one.
    pub upstream: Option<FactUpstream>,
    /// Attempts after the first.
    pub retries: u32,
    /// The trace the exchange belongs to, where traces are configured.
    pub trace: Option<Trace>,
    /// The caller left before the last byte of the answer.
    pub aborted: bool,
}

/// An API as facts name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactApi<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its major version.
    pub version: u32,
    /// Where its counters are, from [`Metrics::slots`](super::Metrics::slots).
    pub slot: Slot,
}

/// An upstream call as facts tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactUpstream {
    /// The server that was called.
    pub address: SocketAddr,
    /// When the call began, microseconds after the exchange did.
    pub start_us: u64,
    /// From then until the last byte of its answer arrived, microseconds.
    pub duration_us: u64,
    /// The status it answered; 0 for none.
    pub status: u16,
}

impl Fact<'_> {
    /// The path without anything from a `?` on. Routing has taken the query off already; a
    /// secret in a query is worth looking twice (T55).
    pub(super) fn path_alone(&self) -> &[u8] {
        match memchr::memchr2(b'?', b'#', self.path) {
            Some(end) => &self.path[..end],
            None => self.path,
        }
    }
}

/// Copies of facts in two flat buffers, so that keeping one allocates nothing once they are warm.
#[derive(Debug, Default)]
pub struct Facts {
    kept: Vec<Kept>,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    /// Everything but the borrowed text.
    plain: Fact<'static>,
    request_id: Piece,
    method: Piece,
    host: Piece,
    path: Piece,
    api: Option<(Piece, u32, Slot)>,
    operation: Option<Piece>,
    route: Option<Piece>,
    application: Option<Piece>,
    plan: Option<Piece>,
}

/// A piece of [`Facts::text`].
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
}

impl Facts {
    /// Facts held.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Copies a fact in.
    pub fn push(&mut self, fact: &Fact<'_>) {
        let kept = Kept {
            request_id: self.keep(fact.request_id.as_bytes()),
            method: self.keep(fact.method),
            host: self.keep(fact.host),
            path: self.keep(fact.path_alone()),
            api: fact.api.map(|api| (self.keep(api.name.as_bytes()), api.version, api.slot)),
            operation: fact.operation.map(|text| self.keep(text.as_bytes())),
            route: fact.route.map(|text| self.keep(text.as_bytes())),
            application: fact.application.map(|text| self.keep(text.as_bytes())),
            plan: fact.plan.map(|text| self.keep(text.as_bytes())),
            plain: Fact {
                request_id: "",
                method: b"",
                host: b"",
                path: b"",
                api: None,
                operation: None,
                route: None,
                application: None,
                plan: None,
                ..*fact
            },
        };
        self.kept.push(kept);
    }

    /// The facts, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Fact<'_>> {
        self.kept.iter().map(|kept| Fact {
            request_id: self.text(kept.request_id),
            method: self.bytes(kept.method),
            host: self.bytes(kept.host),
            path: self.bytes(kept.path),
            api: kept.api.map(|(name, version, slot)| FactApi {
                name: self.text(name),
                version,
                slot,
            }),
            operation: kept.operation.map(|piece| self.text(piece)),
            route: kept.route.map(|piece| self.text(piece)),
            application: kept.application.map(|piece| self.text(piece)),
            plan: kept.plan.map(|piece| self.text(piece)),
            ..kept.plain
        })
    }

    /// Forgets the facts and keeps the memory.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.text.clear();
    }

    fn keep(&mut self, text: &[u8]) -> Piece {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        Piece { start, end: self.text.len() }
    }

    fn bytes(&self, piece: Piece) -> &[u8] {
        self.text.get(piece.start..piece.end).unwrap_or_default()
    }

    fn text(&self, piece: Piece) -> &str {
        // Only ever asked for what came in as a `&str`.
        std::str::from_utf8(self.bytes(piece)).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A fact with something in every field.
    pub(crate) fn full() -> Fact<'static> {
        Fact {
            unix_ns: 1_770_000_000_123_456_789,
            duration_us: 1_534,
            request_id: "01JZ8Y3N8Q4V5W6X7Y8Z9A0B1C",
            listener: Listener::Gateway,
            protocol: Protocol::Http1,
            client: IpAddr::from([192, 0, 2, 7]),
            method: b"GET",
            host: b"api.example.com",
            path: b"/rates/v2/quotes/7",
            api: Some(FactApi { name: "rates", version: 2, slot: Slot::NONE }),
            operation: Some("getQuote"),
            route: Some("/rates/v2/quotes/{id}"),
            application: Some("acme-tracker"),
            plan: Some("pro"),
            status: 200,
            problem: None,
            bytes_in: 0,
            bytes_out: 200,
            upstream: Some(FactUpstream {
                address: SocketAddr::from(([10, 1, 0, 9], 7000)),
                start_us: 40,
                duration_us: 1_400,
                status: 200,
            }),
            retries: 0,
            trace: None,
            aborted: false,
        }
    }

    #[test]
    fn a_batch_gives_back_what_it_was_given() {
        let mut facts = Facts::default();
        let one = full();
        let other = Fact { api: None, host: b"\xff", path: b"", plan: None, ..full() };
        facts.push(&one);
        facts.push(&other);
        assert_eq!(facts.iter().collect::<Vec<_>>(), [one, other]);
        facts.clear();
        assert!(facts.is_empty());
    }

    #[test]
    fn t55_a_query_never_gets_into_a_batch() {
        let mut facts = Facts::default();
        facts.push(&Fact { path: b"/a?key=canary", ..full() });
        assert_eq!(facts.iter().map(|fact| fact.path.to_vec()).collect::<Vec<_>>(), [b"/a"]);
        assert!(!facts.text.windows(6).any(|window| window == b"canary"));
    }
}
