//! The span exporter: sampled exchanges leave for a collector as OTLP over HTTP or HTTPS, protobuf.
//!
//! One thread, started only where traces are configured, with plain blocking I/O: a collector is
//! a neighbour, and nothing waits for this thread. It gathers facts from the workers, turns at
//! most 256 exchanges (a server span and, where an upstream was called, a client span each: 512)
//! into one request when they are there or five seconds have passed, and tries again with growing
//! pauses when the collector is away. What does not fit meanwhile, or was refused, is dropped and
//! counted.
//!
//! Attributes follow OpenTelemetry's semantic conventions for HTTP; what is ours is `pasarela.…`.
//! No header field and no query is ever among them (reliability reference, T55).

mod post;

use std::{
    collections::VecDeque,
    io,
    sync::{atomic::Ordering::Relaxed, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use pasarela_gateway::observe::{
    Fact, FactUpstream, Facts, Listener, Protocol, SpanEvent, SpanInbox, Trace,
};
use pasarela_model::Side;
use prost::Message as _;

pub(crate) use post::Collector;
use post::{Answer, post};

/// Exchanges in one request to the collector.
const BATCH: usize = 256;
/// Batches kept while the collector is away.
const MOST_BATCHES: usize = 16;
/// The oldest exchange waits no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Tries of one batch.
const TRIES: u32 = 6;
/// The pause after the first failure; doubles up to…
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// …this, which also bounds a `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who sends the spans.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// `service.name`.
    pub(crate) service: String,
    /// `service.instance.id`: unique to this process.
    pub(crate) instance: String,
}

/// Starts the exporter. The thread ends when every worker and the observability are gone.
///
/// # Errors
/// When the thread does not start.
pub(crate) fn start(collector: Collector, sender: Sender, inbox: SpanInbox) -> io::Result<()> {
    let exporter = Exporter { collector, resource: resource(&sender), inbox, queue: Queue::new() };
    thread::Builder::new().name("otlp".into()).spawn(move || exporter.run())?;
    Ok(())
}

struct Exporter {
    collector: Collector,
    resource: Resource,
    inbox: SpanInbox,
    queue: Queue,
}

impl Exporter {
    fn run(mut self) {
        loop {
            let wait = self.queue.wait(Instant::now());
            match self.inbox.next(wait) {
                SpanEvent::Batch(parcel) => {
                    if let Some(facts) = parcel.content() {
                        self.take(facts);
                    }
                }
                SpanEvent::Timeout => (),
                SpanEvent::Flush(done) => self.flush(&done),
                SpanEvent::Closed => break,
            }
            while self.queue.due(Instant::now()) {
                self.export();
            }
        }
        self.export_the_rest();
    }

    fn take(&mut self, facts: &Facts) {
        let dropped = self.queue.push(facts, Instant::now());
        self.inbox.counts.dropped.fetch_add(dropped, Relaxed);
    }

    fn flush(&mut self, done: &SyncSender<()>) {
        self.export_the_rest();
        let _ = done.try_send(());
    }

    /// Sends everything now, each batch once.
    fn export_the_rest(&mut self) {
        while !self.queue.batches.is_empty() {
            if !self.export() {
                let given_up = self.queue.clear();
                self.inbox.counts.dropped.fetch_add(given_up, Relaxed);
            }
        }
    }

    /// Sends the oldest batch. Whether the collector took it or refused it for good.
    fn export(&mut self) -> bool {
        let Some(facts) = self.queue.batches.front() else { return true };
        let exchanges = facts.len() as u64;
        let body = request(&self.resource, facts).encode_to_vec();
        let counts = &self.inbox.counts;
        match verdict(post(&self.collector, &body)) {
            Verdict::Taken { rejected_spans } => {
                counts.exported.fetch_add(exchanges, Relaxed);
                if rejected_spans > 0 {
                    tracing::warn!(rejected_spans, "the collector rejected spans");
                }
                self.queue.took(Instant::now());
                true
            }
            Verdict::Refused(reason) => {
                tracing::warn!(%reason, "the collector refused spans");
                counts.dropped.fetch_add(exchanges, Relaxed);
                self.queue.took(Instant::now());
                true
            }
            Verdict::Later { reason, after } => {
                if self.queue.tries == 0 {
                    tracing::warn!(%reason, "the collector does not take spans, trying again");
                }
                let dropped = self.queue.failed(Instant::now(), after);
                counts.dropped.fetch_add(dropped, Relaxed);
                false
            }
        }
    }
}

/// What waits, and when it is due. Time is an argument.
struct Queue {
    batches: VecDeque<Facts>,
    /// Facts of exchanges that went, to be filled again.
    spare: Vec<Facts>,
    /// When the oldest exchange of an unfilled batch came.
    since: Option<Instant>,
    tries: u32,
    not_before: Option<Instant>,
}

impl Queue {
    fn new() -> Self {
        let (batches, spare) = (VecDeque::new(), Vec::new());
        Self { batches, spare, since: None, tries: 0, not_before: None }
    }

    /// Copies facts in; gives back how many did not fit.
    fn push(&mut self, facts: &Facts, now: Instant) -> u64 {
        let mut dropped = 0;
        for fact in facts.iter() {
            match self.open_batch() {
                Some(batch) => batch.push(&fact),
                None => dropped += 1,
            }
        }
        if self.since.is_none() && !self.batches.is_empty() {
            self.since = Some(now);
        }
        dropped
    }

    fn open_batch(&mut self) -> Option<&mut Facts> {
        if self.batches.back().is_none_or(|batch| batch.len() >= BATCH) {
            if self.batches.len() >= MOST_BATCHES {
                return None;
            }
            self.batches.push_back(self.spare.pop().unwrap_or_default());
        }
        self.batches.back_mut()
    }

    /// Whether the oldest batch should be sent now.
    fn due(&self, now: Instant) -> bool {
        let allowed = self.not_before.is_none_or(|time| now >= time);
        let old = self.since.is_some_and(|since| now >= since + LONGEST_WAIT);
        let full = self.batches.front().is_some_and(|batch| batch.len() >= BATCH);
        allowed && !self.batches.is_empty() && (full || old)
    }

    /// How long nothing will be due by itself.
    fn wait(&self, now: Instant) -> Duration {
        let Some(since) = self.since else { return LONGEST_WAIT };
        let full = self.batches.front().is_some_and(|batch| batch.len() >= BATCH);
        let ready = if full { now } else { since + LONGEST_WAIT };
        let due = self.not_before.map_or(ready, |time| ready.max(time));
        due.saturating_duration_since(now).max(Duration::from_millis(1))
    }

    /// The oldest batch is done with.
    fn took(&mut self, now: Instant) {
        if let Some(mut facts) = self.batches.pop_front() {
            facts.clear();
            self.spare.push(facts);
        }
        (self.tries, self.not_before) = (0, None);
        // What is left came while the batch before it was filled or sent.
        self.since = (!self.batches.is_empty()).then_some(now);
    }

    /// The oldest batch has to wait, or is given up: gives back how many exchanges were in it.
    fn failed(&mut self, now: Instant, after: Option<Duration>) -> u64 {
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.tries.min(16));
        let pause = after.unwrap_or(pause).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.tries += 1;
        let mut given_up = 0;
        if self.tries >= TRIES {
            given_up = self.batches.front().map_or(0, |facts| facts.len() as u64);
            self.took(now);
        }
        self.not_before = Some(now + pause);
        given_up
    }

    /// Gives everything up: gives back how many exchanges that were.
    fn clear(&mut self) -> u64 {
        let given_up = self.batches.iter().map(|facts| facts.len() as u64).sum();
        *self = Self::new();
        given_up
    }
}

/// What an attempt came to (OTLP specification, "OTLP/HTTP Response").
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Taken { rejected_spans: i64 },
    Refused(String),
    Later { reason: String, after: Option<Duration> },
}

fn verdict(outcome: io::Result<Answer>) -> Verdict {
    match outcome {
        Ok(Answer { status: 200..=299, body, .. }) => {
            let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
            let rejected_spans = answer.partial_success.map_or(0, |part| part.rejected_spans);
            Verdict::Taken { rejected_spans }
        }
        Ok(Answer { status: status @ (429 | 502..=504), retry_after, .. }) => {
            Verdict::Later { reason: format!("status {status}"), after: retry_after }
        }
        Ok(Answer { status, .. }) => Verdict::Refused(format!("status {status}")),
        Err(error) => Verdict::Later { reason: error.to_string(), after: None },
    }
}

fn resource(sender: &Sender) -> Resource {
    let attributes = vec![
        text("service.name", &sender.service),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", &sender.instance),
        text("telemetry.sdk.name", "pasarela"),
        text("telemetry.sdk.language", "rust"),
        text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    Resource { attributes, ..Resource::default() }
}

fn request(resource: &Resource, facts: &Facts) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "pasarela".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let spans = facts.iter().flat_map(|fact| spans(&fact)).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(resource.clone());
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn spans(fact: &Fact<'_>) -> Vec<Span> {
    let Some(trace) = fact.trace else { return Vec::new() };
    let mut spans = vec![server_span(fact, &trace)];
    if let Some(upstream) = &fact.upstream {
        spans.push(client_span(fact, &trace, upstream));
    }
    spans
}

/// `Span.flags`: sampled, and whether the parent's place is known and elsewhere.
const SAMPLED: u32 = 0x001;
const PARENT_KNOWN: u32 = 0x100;
const PARENT_REMOTE: u32 = 0x200;

fn server_span(fact: &Fact<'_>, trace: &Trace) -> Span {
    let method = Method::of(fact.method);
    let failed = fact.status >= 500 || fact.problem.is_some_and(|p| p.side() != Side::Caller);
    let mut attributes = method.attributes();
    attributes
        .push(text("url.scheme", if fact.listener == Listener::Tls { "https" } else { "http" }));
    attributes.push(text("url.path", &String::from_utf8_lossy(fact.path)));
    attributes.push(text("client.address", &fact.client.to_canonical().to_string()));
    let (protocol, version) = match fact.protocol {
        Protocol::Http1 => ("http", Some("1.1")),
        Protocol::Http2 => ("http", Some("2")),
        Protocol::Smtp => ("smtp", None),
    };
    attributes.push(text("network.protocol.name", protocol));
    attributes.extend(version.map(|version| text("network.protocol.version", version)));
    attributes.extend(server_address(fact.host));
    attributes.extend(fact.route.map(|route| text("http.route", route)));
    if fact.status > 0 {
        attributes.push(number("http.response.status_code", fact.status.into()));
    }
    attributes.push(number("http.request.body.size", fact.bytes_in));
    attributes.push(number("http.response.body.size", fact.bytes_out));
    if failed {
        attributes.push(text("error.type", &error_type(fact, fact.status)));
    }
    attributes.extend(our_attributes(fact));
    let name = match fact.route {
        Some(route) => format!("{} {route}", method.in_name()),
        None => method.in_name().to_owned(),
    };
    Span {
        trace_id: trace.id.0.to_vec(),
        span_id: trace.span.0.to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: SAMPLED | trace.parent.map_or(0, |_| PARENT_KNOWN | PARENT_REMOTE),
        name,
        kind: SpanKind::Server.into(),
        start_time_unix_nano: fact.unix_ns,
        end_time_unix_nano: after(fact.unix_ns, fact.duration_us),
        attributes,
        status: status(failed),
        ..Span::default()
    }
}

fn our_attributes(fact: &Fact<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("pasarela.request_id", fact.request_id),
        text("pasarela.listener", fact.listener.name()),
    ];
    if let Some(api) = fact.api {
        attributes.push(text("pasarela.api", api.name));
        attributes.push(number("pasarela.api.version", api.version.into()));
    }
    attributes.extend(fact.operation.map(|operation| text("pasarela.operation", operation)));
    attributes.extend(fact.application.map(|name| text("pasarela.application", name)));
    attributes.extend(fact.plan.map(|plan| text("pasarela.plan", plan)));
    attributes.extend(fact.problem.map(|problem| text("pasarela.problem", problem.slug())));
    if fact.aborted {
        attributes.push(attribute("pasarela.aborted", Value::BoolValue(true)));
    }
    attributes
}

fn client_span(fact: &Fact<'_>, trace: &Trace, upstream: &FactUpstream) -> Span {
    let method = Method::of(fact.method);
    let (ip, port) = (upstream.address.ip().to_canonical().to_string(), upstream.address.port());
    // A client, unlike a server, has failed when it was told that it did (semantic conventions).
    let failed = upstream.status == 0 || upstream.status >= 400;
    let mut attributes = method.attributes();
    attributes.push(text("server.address", &ip));
    attributes.push(number("server.port", port.into()));
    attributes.push(text("network.peer.address", &ip));
    attributes.push(number("network.peer.port", port.into()));
    if upstream.status > 0 {
        attributes.push(number("http.response.status_code", upstream.status.into()));
    }
    if fact.retries > 0 {
        attributes.push(number("http.request.resend_count", fact.retries.into()));
    }
    if failed {
        attributes.push(text("error.type", &error_type(fact, upstream.status)));
    }
    let start = after(fact.unix_ns, upstream.start_us);
    Span {
        trace_id: trace.id.0.to_vec(),
        span_id: trace.upstream_span.0.to_vec(),
        parent_span_id: trace.span.0.to_vec(),
        flags: SAMPLED | PARENT_KNOWN,
        name: method.in_name().to_owned(),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: after(start, upstream.duration_us),
        attributes,
        status: status(failed),
        ..Span::default()
    }
}

fn after(unix_ns: u64, micros: u64) -> u64 {
    unix_ns.saturating_add(micros.saturating_mul(1_000))
}

fn status(failed: bool) -> Option<Status> {
    failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() })
}

/// A word of low cardinality: our problem's, or the status.
fn error_type(fact: &Fact<'_>, status: u16) -> String {
    match (fact.problem, status) {
        (Some(problem), _) => problem.slug().to_owned(),
        (None, 0) => "_OTHER".to_owned(),
        (None, status) => status.to_string(),
    }
}

/// A method as the conventions want it: one of the known, or `_OTHER`.
struct Method<'a> {
    known: Option<&'static str>,
    sent: &'a [u8],
}

impl<'a> Method<'a> {
    fn of(sent: &'a [u8]) -> Self {
        const KNOWN: [&str; 9] =
            ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
        Self { known: KNOWN.into_iter().find(|known| known.as_bytes() == sent), sent }
    }

    fn in_name(&self) -> &'static str {
        self.known.unwrap_or("HTTP")
    }

    fn attributes(&self) -> Vec<KeyValue> {
        match self.known {
            Some(known) => vec![text("http.request.method", known)],
            None => vec![
                text("http.request.method", "_OTHER"),
                text("http.request.method_original", &String::from_utf8_lossy(self.sent)),
            ],
        }
    }
}

/// `server.address` and `server.port` of a `Host` (RFC 9110 §7.2).
fn server_address(host: &[u8]) -> Vec<KeyValue> {
    let Ok(authority) = http::uri::Authority::try_from(host) else { return Vec::new() };
    let address = authority.host().trim_start_matches('[').trim_end_matches(']');
    let mut attributes = vec![text("server.address", address)];
    attributes.extend(authority.port_u16().map(|port| number("server.port", port.into())));
    attributes
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

#[cfg(test)]
mod tests;
