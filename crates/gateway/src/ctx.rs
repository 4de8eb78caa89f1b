//! What an exchange knows about itself while it passes through the steps, for the record at its
//! end.

use std::{
    borrow::Cow,
    cell::Cell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Instant,
};

use pasarela_model::Code;
use pasarela_net::{
    http1::{Head, Name},
    tls::Peer,
};

use crate::{
    identify::{Shown, Whence},
    observe::{Listener, Protocol, RequestId, Trace},
    parties::Held,
    sight::Place,
    worker::{Worker, WorkerPlane},
};

/// Where a request came in; the same for all requests of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) listener: Listener,
    pub(crate) peer: SocketAddr,
    pub(crate) tls: bool,
    /// The name the TLS client asked for.
    pub(crate) server_name: Option<Rc<str>>,
    /// The client certificate that its handshake proved; a connection made for one name may not be used for another then
    /// (T14).
    pub(crate) peer_certificate: Option<Rc<Peer>>,
}

impl Origin {
    pub(crate) fn internal(&self) -> bool {
        self.listener == Listener::Internal
    }
}

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// 1.1
    Soap11,
    /// 1.2
    Soap12,
}

/// One exchange's notes. An exchange that is dropped before its end (its worker ends, or a bug
/// does away with its task) is recorded by that.
#[derive(Debug)]
pub(crate) struct Ctx<'h> {
    worker: &'h Worker,
    head: &'h Head,
    pub(crate) origin: &'h Origin,
    pub(crate) protocol: Protocol,
    pub(crate) started: Instant,
    pub(crate) unix_ns: u64,
    pub(crate) id: RequestId,
    /// The caller: the peer, or whom a trusted proxy reports.
    pub(crate) client: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(crate) trusted: bool,
    pub(crate) trace: Option<Trace>,
    pub(crate) plane: Rc<WorkerPlane>,
    /// Host without port, lower case.
    pub(crate) host: Cow<'h, str>,
    /// Normalised path.
    pub(crate) path: Cow<'h, str>,
    pub(crate) query: Option<&'h [u8]>,
    pub(crate) api: Option<usize>,
    pub(crate) operation: Option<usize>,
    pub(crate) soap: bool,
    /// Which SOAP the message turned out to be.
    pub(crate) spoken: Option<Spoken>,
    /// Whose is what it shows; `None`: nobody has looked yet.
    pub(crate) shown: Option<Shown>,
    pub(crate) application: Option<usize>,
    /// Whether a key of its own named the application.
    pub(crate) by_key: bool,
    pub(crate) plan: Option<usize>,
    /// Rate-limit fields for the answer, ready to be written.
    pub(crate) rate: Option<RateAnswer>,
    /// Its place at the upstream, until its first try has it.
    pub(crate) held: Option<Held>,
    pub(crate) status: u16,
    pub(crate) problem: Option<Code>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) upstream: Option<UpstreamCall>,
    pub(crate) retries: u32,
    pub(crate) aborted: bool,
    pub(crate) recorded: bool,
    /// What the caller is told, where that is somebody else's word than the service's.
    pub(crate) told: Option<Rc<Told>>,
}

/// What a caller is told of a service's answer by whoever reads it on its way back.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// It is not known yet, or will be a refusal: that the service's answer has come to its end is no end of the exchange.
    pub(crate) waits: Cell<bool>,
    /// Something else than the service said, on another face.
    pub(crate) instead: Option<Instead>,
}

/// An answer in other words.
#[derive(Debug, Default)]
pub(crate) struct Instead {
    pub(crate) status: Cell<u16>,
    /// Bytes of the body.
    pub(crate) bytes: Cell<u64>,
    /// It is a fault of the service's.
    pub(crate) fault: Cell<bool>,
}

/// The values of the rate-limit fields (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Default)]
pub(crate) struct RateAnswer {
    /// Both values, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Where the second begins.
    pub(crate) limit_at: usize,
}

impl RateAnswer {
    /// Adds what is said of one more limit; both fields are lists.
    pub(crate) fn add(
        &mut self,
        policy: impl FnOnce(&mut Vec<u8>),
        limit: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.bytes.is_empty() {
            policy(&mut self.bytes);
            self.limit_at = self.bytes.len();
            return limit(&mut self.bytes);
        }
        let mut both = Vec::with_capacity(2 * self.bytes.len() + 64);
        let (policies, limits) = self.bytes.split_at(self.limit_at);
        both.extend_from_slice(policies);
        both.extend_from_slice(b", ");
        policy(&mut both);
        self.limit_at = both.len();
        both.extend_from_slice(limits);
        both.extend_from_slice(b", ");
        limit(&mut both);
        self.bytes = both;
    }
}

/// The last attempt at an upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpstreamCall {
    pub(crate) address: SocketAddr,
    pub(crate) start: Instant,
    pub(crate) end: Option<Instant>,
    pub(crate) status: u16,
}

impl<'h> Ctx<'h> {
    /// When it began, seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.unix_ns / 1_000_000_000
    }

    /// What says who calls, beside the head.
    pub(crate) fn whence(&self) -> Whence<'h> {
        let certificate = self.origin.peer_certificate.as_ref().map(|peer| peer.certificate());
        let said = self.trusted.then(|| self.head.get(Name::XForwardedProto)).flatten();
        let tls = said.map_or(self.origin.tls, |said| said.eq_ignore_ascii_case(b"https"));
        Whence { place: self.place(), now: self.now(), certificate, tls }
    }

    /// Whether the request is signed by whoever calls; and if, whether its body is.
    pub(crate) fn signed(&self) -> Option<bool> {
        self.shown?.ok()??.signed
    }

    /// Where it comes from.
    pub(crate) fn place(&self) -> Place {
        Place { internal: self.origin.internal(), client: self.client }
    }

    /// Begins an exchange: gives it an id, a place in a trace, and its caller's address.
    pub(crate) fn begin(
        worker: &'h Worker,
        head: &'h Head,
        origin: &'h Origin,
        protocol: Protocol,
    ) -> Self {
        let plane = worker.plane();
        plane.soon(head.target());
        let (started, unix_ns) = worker.clocks();
        let networks = &plane.snapshot.trusted_proxies;
        let peer = origin.peer.ip();
        let trusted = !networks.is_empty() && networks.iter().any(|net| net.contains(peer));
        let incoming = match trusted && head.count(Name::XRequestId) == 1 {
            true => head.get(Name::XRequestId),
            false => None,
        };
        let client = if trusted { reported_client(head, networks, peer) } else { peer };
        worker.observer.metrics.started();
        Self {
            worker,
            head,
            origin,
            protocol,
            started,
            unix_ns,
            id: worker.observer.ids.choose(incoming, trusted, unix_ns / 1_000_000),
            client,
            trusted,
            trace: worker.observer.tracer.as_ref().map(|tracer| {
                let parents = head.fields().filter(|(id, ..)| *id == Name::Traceparent);
                tracer.begin(parents.map(|(_, _, value)| value))
            }),
            plane,
            host: Cow::Borrowed(""),
            path: Cow::Borrowed(""),
            query: None,
            api: None,
            operation: None,
            soap: false,
            spoken: None,
            shown: None,
            application: None,
            by_key: false,
            plan: None,
            rate: None,
            held: None,
            status: 0,
            problem: None,
            bytes_in: 0,
            bytes_out: 0,
            upstream: None,
            retries: 0,
            aborted: false,
            recorded: false,
            told: None,
        }
    }
}

impl<'h> Ctx<'h> {
    /// Whose it is.
    pub(crate) fn worker(&self) -> &'h Worker {
        self.worker
    }

    /// The caller's own.
    pub(crate) fn head(&self) -> &'h Head {
        self.head
    }
}

impl Drop for Ctx<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.aborted = true;
            self.record(self.worker, self.head);
        }
    }
}

/// The last address in `X-Forwarded-For` that is no trusted proxy's itself: everything before it
/// is what a caller says about itself (T7).
fn reported_client(head: &Head, networks: &[pasarela_model::IpNet], peer: IpAddr) -> IpAddr {
    let mut client = peer;
    let lists: Vec<&[u8]> = head
        .fields()
        .filter(|(id, ..)| *id == Name::XForwardedFor)
        .map(|(_, _, value)| value)
        .collect();
    for item in lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b',')) {
        let parsed = std::str::from_utf8(item).ok().and_then(|text| text.trim().parse().ok());
        let Some(address) = parsed else { break };
        client = address;
        if !networks.iter().any(|net| net.contains(address)) {
            break;
        }
    }
    client
}
