//! Forward: to which server, over which connection, how often, and what comes back.
//!
//! [`forward`] chooses and retries; one try is `http1.rs` or `http2.rs`, by what the servers of
//! the API speak. What all tries have in common stands here: the request's target and fields on
//! the way there, the answer's fields on the way back; and in `body.rs`, how both bodies move.

mod body;
mod http1;
mod http2;
mod slot;
mod tunnel;

use std::{net::SocketAddr, rc::Rc, time::Instant};

use pasarela_model::{Api, Balance, Code, HttpVersion};
use pasarela_net::{
    http1::{Framing, Head, Name, is_vouched},
    pool::{ConnectError, Connector},
    transfer::TransferError,
};
use slot::Slot;
use smallvec::SmallVec;

use crate::{
    authorize::Permit,
    cluster::{
        Change, Endpoint, Failure, InFlight, Outcome, Pick, Sent, Status, hash_key, retryable,
    },
    ctx::{Ctx, UpstreamCall},
    downstream::{Downstream, Length, Put},
    identify::carried_key,
    mediate::{NAMED_MOST, Order, tokens},
    observe::{UpstreamFailure, write_ip},
    parties::party_of,
    plane::{ApiPlane, hash_of},
    respond::{Refusal, own_fields},
    texts::Texts,
    worker::{Worker, WorkerPlane},
};

/// What every try of one call needs to know.
pub(crate) struct Call<'a, 'h> {
    worker: &'a Worker,
    api: &'a Api,
    plane: &'a ApiPlane,
    texts: &'a Texts,
    permit: &'a Permit,
    order: &'a Order<'h>,
    head: &'a Head,
    limits: &'a pasarela_model::Limits,
    /// Its place among those that wait for the upstream.
    slot: Slot<'a>,
}

/// Where one try goes.
struct Destination<'a> {
    endpoint: &'a Endpoint,
    address: SocketAddr,
    target: usize,
    connector: &'a Connector,
}

impl Destination<'_> {
    /// The head of an answer is here. A server on probation is told of at once: its body may
    /// take hours, and until the probe is reported nobody else is sent there.
    fn answered(&self, call: &Call<'_, '_>, status: u16) {
        call.slot.answered(status);
        if matches!(self.endpoint.status(), Status::Probing) && !matches!(status, 502..=504) {
            let now = now_ms(call.worker, Instant::now());
            let change = self.endpoint.report(now, Outcome::Success);
            note(change, call.api, self.address, call.worker, call.plane);
        }
    }
}

/// Why a try ended without a whole answer.
enum Stop {
    /// The caller is to blame, or gone; or the process ends.
    Caller(Refusal),
    /// The server is.
    Upstream {
        failure: Failure,
        sent: Sent,
        /// Nothing of the request's body has been used up.
        replayable: bool,
        /// It was a kept connection that turned out dead: no reason to think ill of the server.
        stale: bool,
        refusal: Refusal,
    },
}

/// Carries the call to a server and its answer back.
pub(crate) async fn forward<'h, D: Downstream>(
    worker: &Worker,
    plane: &Rc<WorkerPlane>,
    permit: &Permit,
    order: &Order<'_>,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'h>,
) -> Result<(), Refusal> {
    if !permit.reached {
        return Err(Refusal::new(
            Code::Internal,
            "nobody has looked at what the operation asks for",
        ));
    }
    let index = permit.target.api;
    let api = &plane.snapshot.apis[index];
    let runtime = &plane.apis[index];
    let cluster = &runtime.cluster;
    let limits = &plane.snapshot.limits;
    let party = party_of(runtime, permit.application).map(|(shares, party)| (shares, &**party));
    let slot = Slot::new(&runtime.waiting, worker.shared.epoch).of(party, ctx.held.take());
    let texts = &plane.texts;
    let call = Call { worker, api, plane: runtime, texts, permit, order, head, limits, slot };
    let hash = match cluster.balance() {
        Balance::ConsistentHash(key) => {
            let field = |name: &str| head.find(name).map(hash_key);
            Some(hash_of(key, ctx.client, permit.application, &ctx.path, field))
        }
        Balance::RoundRobin | Balance::LeastRequests => None,
    };
    let method = if order.again { "GET" } else { head.method() };
    let mut tried: SmallVec<[SocketAddr; 4]> = SmallVec::new();
    runtime.budget.record_request(now_ms(worker, ctx.started));
    loop {
        let start = if tried.is_empty() { ctx.started } else { Instant::now() };
        let now = now_ms(worker, start);
        let draw = worker.draw();
        let pick = plane.with_cursor(index, |cursor| cluster.pick(cursor, now, draw, hash, &tried));
        let endpoint = match pick {
            Pick::Endpoint(endpoint) => endpoint,
            Pick::Unhealthy => {
                return Err(Refusal::new(Code::NoUpstream, "every server is out of rotation")
                    .retry_after(1));
            }
            Pick::Unresolved => {
                return Err(Refusal::new(
                    Code::UpstreamUnreachable,
                    "the service's name has no address",
                ));
            }
        };
        let guard = InFlight::new(endpoint);
        let destination = Destination {
            endpoint: guard.endpoint(),
            address: guard.address,
            target: guard.target,
            connector: &runtime.connectors[guard.target],
        };
        ctx.upstream = Some(UpstreamCall { address: guard.address, start, end: None, status: 0 });
        call.slot.begin(start, !order.framing.is_empty());
        let outcome = match runtime.http {
            HttpVersion::Http1 => http1::attempt(&call, &destination, down, ctx).await,
            // Boxed: an exchange over HTTP/1.1 should not carry the room for this one.
            HttpVersion::Http2 => Box::pin(http2::attempt(&call, &destination, down, ctx)).await,
        };
        call.slot.ended(matches!(
            &outcome,
            Err(Stop::Caller(_) | Stop::Upstream { failure: Failure::Timeout, .. })
        ));
        let status = ctx.upstream.map_or(0, |upstream| upstream.status);
        let judged = match &outcome {
            Ok(()) if !matches!(status, 502..=504) => Some(Outcome::Success),
            Ok(()) | Err(Stop::Upstream { stale: false, .. }) => Some(Outcome::Failure),
            Err(Stop::Upstream { stale: true, .. } | Stop::Caller(_)) => None,
        };
        if let Some(judged) = judged {
            note(
                guard.report(now_ms(worker, Instant::now()), judged),
                api,
                guard.address,
                worker,
                runtime,
            );
        }
        let (failure, sent, replayable, stale, refusal) = match outcome {
            Ok(()) => return Ok(()),
            Err(Stop::Caller(refusal)) => return Err(refusal),
            Err(Stop::Upstream { failure, sent, replayable, stale, refusal }) => {
                (failure, sent, replayable, stale, refusal)
            }
        };
        worker.observer.metrics.upstream_failed(runtime.slot, kind(failure));
        tracing::debug!(api = %api.name, address = %guard.address, ?failure, ?sent, "an upstream call failed");
        let again = !down.is_answered()
            && ctx.retries < u32::from(api.upstream.retries.attempts)
            && retryable(method, sent, failure, replayable || order.again)
            // A kept connection that was dead is no sign of overload; the budget is against those.
            && (stale || runtime.budget.may_retry(now_ms(worker, Instant::now())));
        if !again {
            return Err(refusal);
        }
        ctx.retries += 1;
        tried.push(guard.address);
    }
}

fn now_ms(worker: &Worker, at: Instant) -> u64 {
    let since = at.saturating_duration_since(worker.shared.epoch);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn note(
    change: Option<Change>,
    api: &Api,
    address: SocketAddr,
    worker: &Worker,
    runtime: &ApiPlane,
) {
    match change {
        None => {}
        Some(Change::Ejected { for_ms }) => {
            worker.observer.metrics.upstream_ejected(runtime.slot);
            tracing::warn!(api = %api.name, %address, for_ms, "a server was taken out of rotation");
        }
        Some(change) => tracing::info!(api = %api.name, %address, ?change, "a server is back"),
    }
}

fn kind(failure: Failure) -> UpstreamFailure {
    match failure {
        Failure::Connect => UpstreamFailure::Connect,
        Failure::Timeout => UpstreamFailure::Timeout,
        Failure::ClosedBeforeAnswer | Failure::Unprocessed => UpstreamFailure::Closed,
        Failure::Answer => UpstreamFailure::Invalid,
        Failure::Status(_) => UpstreamFailure::Status,
    }
}

/// What a failed connection is answered with. The caller learns nothing of addresses or names.
fn unreachable(error: &ConnectError) -> Refusal {
    match error {
        ConnectError::TimedOut(_) => {
            Refusal::new(Code::UpstreamTimeout, "connecting to the service took too long")
        }
        ConnectError::Tcp(_) => {
            Refusal::new(Code::UpstreamUnreachable, "the service refused the connection")
        }
        ConnectError::Tls(_) | ConnectError::H2(_) => Refusal::new(
            Code::UpstreamUnreachable,
            "no secure connection to the service came about",
        ),
    }
}

/// What a request body that cannot be read is answered with.
pub(crate) fn caller_fault(error: &TransferError) -> Refusal {
    match error {
        TransferError::Body(pasarela_net::http1::BodyError::Truncated)
        | TransferError::Io(_)
        | TransferError::H2(_)
        | TransferError::Reset => Refusal::gone(),
        TransferError::Body(fault) => Refusal::new(Code::Malformed, fault.to_string()),
        TransferError::TooSlow => Refusal::new(Code::RequestTooSlow, "the body arrived too slowly"),
        TransferError::TooLarge => {
            Refusal::new(Code::BodyTooLarge, "the body is larger than this API allows")
        }
    }
}

/// The answer cannot be given on; what was sent for it is used up.
fn invalid(detail: &'static str) -> Stop {
    Stop::Upstream {
        failure: Failure::Answer,
        sent: Sent::Wholly,
        replayable: false,
        stale: false,
        refusal: Refusal::new(Code::UpstreamInvalid, detail),
    }
}

/// The process ends, and will not see this answer.
fn out_of_time() -> Refusal {
    Refusal::new(Code::Draining, "the gateway ends before the service has answered").retry_after(1)
}

/// The time for the whole exchange passed while the caller was waited for.
fn too_slow() -> Refusal {
    Refusal::new(Code::RequestTooSlow, "the exchange took longer than this API allows")
}

impl Call<'_, '_> {
    /// The request-target upstream: the target's own path, and behind it what the caller asked for
    /// below the API's base (P3: the same normalised path that policy saw).
    fn put_target(&self, out: &mut Vec<u8>, destination: &Destination<'_>, ctx: &Ctx<'_>) {
        let own = self.texts.get(self.plane.targets[destination.target].path).as_bytes();
        // A SOAP service is at its address, a slash at the end of it included; others are below theirs.
        let (own, rest) = match self.permit.target.soap {
            true => (own, &b""[..]),
            false => {
                let rest = ctx.path.as_bytes().get(self.permit.target.rest..).unwrap_or(b"");
                (own.strip_suffix(b"/").unwrap_or(own), rest)
            }
        };
        if let Some(target) = &self.order.target {
            out.extend_from_slice(own.strip_suffix(b"/").unwrap_or(own));
            out.extend_from_slice(target.as_bytes());
            return;
        }
        out.extend_from_slice(own);
        match (own.is_empty(), rest.first()) {
            (_, Some(b'/')) | (false, None) => {}
            // `OPTIONS *` goes on as it is.
            (true, Some(b'*')) if rest.len() == 1 => {}
            _ => out.push(b'/'),
        }
        out.extend_from_slice(rest);
        if let Some(query) = ctx.query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }

    fn host(&self, destination: &Destination<'_>) -> &[u8] {
        match self.head.get(Name::Host) {
            Some(host) if self.plane.preserve_host && !host.is_empty() => host,
            _ => self.texts.get(self.plane.targets[destination.target].host).as_bytes(),
        }
    }

    /// The fields that go upstream, but for those that frame the message.
    fn put_fields(&self, ctx: &Ctx<'_>, put: &mut impl Put) {
        let tracing = ctx.trace.is_some();
        for (id, name, value) in self.head.fields() {
            let ours = match id {
                Name::Other => is_vouched(name) && !(ctx.trusted && is_forwarded(name)),
                Name::Host
                | Name::ContentLength
                | Name::Expect
                | Name::Forwarded
                | Name::XForwardedFor
                | Name::XForwardedHost
                | Name::XForwardedPort
                | Name::XForwardedProto
                | Name::XRealIp
                | Name::XRequestId => true,
                Name::Traceparent | Name::Tracestate => tracing,
                Name::XApiKey | Name::Authorization => carried_key(ctx, id, self.head),
                _ => id.is_hop_by_hop(),
            };
            let dropped = !self.order.dropped.is_empty()
                && self.order.dropped.iter().any(|token| name.eq_ignore_ascii_case(token));
            if !ours && !dropped {
                put.put(name, value);
            }
        }
        self.put_own(ctx, put);
    }

    /// What the gateway says about the caller (T7): rebuilt, whatever the caller said itself.
    fn put_own(&self, ctx: &Ctx<'_>, put: &mut impl Put) {
        if self.plane.client_cert
            && let Some(peer) = &ctx.origin.peer_certificate
        {
            put.put(b"Client-Cert", client_cert(peer.leaf()).as_bytes());
        }
        let mut text = self.worker.take_small();
        if ctx.trusted {
            for (id, _, value) in self.head.fields() {
                if id == Name::XForwardedFor {
                    text.extend_from_slice(value);
                    text.extend_from_slice(b", ");
                }
            }
        }
        write_ip(&mut text, ctx.origin.peer.ip());
        put.put(b"X-Forwarded-For", &text);
        self.worker.give_small(text);
        let reported = |id| if ctx.trusted { self.head.get(id) } else { None };
        let scheme = if ctx.origin.tls { &b"https"[..] } else { b"http" };
        put.put(b"X-Forwarded-Proto", reported(Name::XForwardedProto).unwrap_or(scheme));
        if let Some(host) = reported(Name::XForwardedHost).or_else(|| self.head.get(Name::Host)) {
            put.put(b"X-Forwarded-Host", host);
        }
        put.put(b"X-Request-Id", ctx.id.as_bytes());
        put.put(b"Via", b"1.1 pasarela");
        if let Some(application) = ctx.application {
            let name = &ctx.plane.snapshot.applications[application].name;
            put.put(b"X-Pasarela-Application", name.as_bytes());
        }
        if let Some(trace) = &ctx.trace {
            put.put(b"traceparent", &trace.traceparent());
            if trace.parent.is_some() {
                let mut state = self.worker.take_small();
                let values = self.head.fields().filter(|(id, ..)| *id == Name::Tracestate);
                if crate::observe::join_tracestate(values.map(|(_, _, value)| value), &mut state) {
                    put.put(b"tracestate", &state);
                }
                self.worker.give_small(state);
            }
        }
    }

    /// The fields of an answer that go back; those `named` by its `Connection` do not.
    fn put_answer(&self, answer: &Head, named: &[&[u8]], ctx: &Ctx<'_>, put: &mut dyn Put) {
        for (id, name, value) in answer.fields() {
            let ours = matches!(id, Name::ContentLength | Name::Date | Name::XRequestId)
                || id.is_hop_by_hop()
                || named.iter().any(|token| name.eq_ignore_ascii_case(token));
            if !ours {
                put.put(name, value);
            }
        }
        own_fields(self.worker, ctx, put);
    }
}

/// What an answer says about the connection it came on.
#[derive(Default)]
struct Hop<'a> {
    /// Nothing follows on it.
    closes: bool,
    /// Fields that are meant for us alone.
    named: SmallVec<[&'a [u8]; 4]>,
}

impl<'a> Hop<'a> {
    /// Reads `Connection`; `None`: it names too many fields (L23).
    fn of(answer: &'a Head) -> Option<Self> {
        let mut hop = Self::default();
        for (_, _, value) in answer.fields().filter(|(id, ..)| *id == Name::Connection) {
            for token in tokens(value) {
                if token.eq_ignore_ascii_case(b"close") {
                    hop.closes = true;
                } else if hop.named.len() == NAMED_MOST {
                    return None;
                } else if !token.eq_ignore_ascii_case(b"keep-alive") {
                    hop.named.push(token);
                }
            }
        }
        Some(hop)
    }
}

/// A certificate as RFC 9440 §2.2 has it: a byte sequence of structured fields.
fn client_cert(der: &[u8]) -> String {
    format!(":{}:", base64_simd::STANDARD.encode_to_string(der))
}

/// Of the fields that tell who is calling, the ones a trusted proxy may say.
fn is_forwarded(name: &[u8]) -> bool {
    starts_with(name, b"x-forwarded-")
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// How long an answer's body is, as the caller is told.
fn length(answer: &Head, framing: Framing, method: &str) -> Length {
    match framing {
        Framing::Length(length) => Length::Known(length),
        Framing::Chunked | Framing::UntilClose => Length::Unknown,
        Framing::None => match answer.get(Name::ContentLength).and_then(decimal) {
            Some(length) if method == "HEAD" || answer.status() == 304 => Length::Announced(length),
            _ if method == "HEAD" || matches!(answer.status(), 204 | 304) => Length::None,
            _ => Length::Known(0),
        },
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
