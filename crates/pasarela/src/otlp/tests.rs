//! Stories of spans on their way to a collector, which is a scripted server here.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use pasarela_gateway::observe::{
    AccessTarget, FactApi, Observability, Settings, Slot, TraceSettings,
};
use pasarela_model::{Code, UpstreamTls};
use pasarela_testkit::{Authority, Identity};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{post::read_answer, *};
use crate::config::{address::url as url_of, settings::Traces};

const PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn fact(trace: Trace) -> Fact<'static> {
    Fact {
        unix_ns: 1_770_000_000_000_000_000,
        duration_us: 1_500,
        request_id: "01JZ8Y3N8Q4V5W6X7Y8Z9A0B1C",
        listener: Listener::Tls,
        protocol: Protocol::Http2,
        client: [192, 0, 2, 7].into(),
        method: b"GET",
        host: b"api.example.com:8443",
        path: b"/rates/v2/quotes/7?key=canary",
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
            address: ([10, 1, 0, 9], 7000).into(),
            start_us: 100,
            duration_us: 1_300,
            status: 200,
        }),
        retries: 0,
        trace: Some(trace),
        aborted: false,
    }
}

/// The collector at an address, known by this authority.
fn at(url: &str, ca: Option<&Authority>) -> Collector {
    let tls = UpstreamTls {
        ca_pem: ca.map(|authority| authority.pem.clone().into_bytes()),
        ..UpstreamTls::default()
    };
    let otlp = url_of(url, &["http", "https"]).unwrap();
    let traces = Traces { otlp, tls, sample_per_million: 1_000_000, service: "pasarela".into() };
    Collector::new(&traces).unwrap()
}

fn nobody() -> Collector {
    at("http://127.0.0.1:9", None)
}

/// What a collector was sent: head and body.
type Heard = Receiver<(String, Vec<u8>)>;

/// A collector that gives these statuses in turn (the last for ever), and what it was sent.
fn collector(answers: &'static [&'static str]) -> (Collector, Heard) {
    let (address, hear) = listening(answers, None);
    (at(&format!("http://{address}/base/"), None), hear)
}

/// Serves plainly, or with this certificate.
fn listening(answers: &'static [&'static str], identity: Option<Identity>) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tls = identity.map(|identity| server_config(&identity));
    let (heard, hear) = channel();
    thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            let answer = answers[turn.min(answers.len() - 1)];
            let told = match &tls {
                None => serve(stream, answer),
                Some(config) => {
                    let session = ServerConnection::new(Arc::clone(config)).unwrap();
                    serve(StreamOwned::new(session, stream), answer)
                }
            };
            if told.is_some_and(|told| heard.send(told).is_err()) {
                return;
            }
        }
    });
    (address, hear)
}

fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// Reads one request and answers it; `None` when the client went away before.
fn serve(mut stream: impl Read + Write, answer: &str) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            stream.write_all(answer.as_bytes()).unwrap();
            stream.flush().unwrap();
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
const BAD: &str = "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n";

/// Starts a gateway's observability with an exporter to this collector.
fn observed(collector: Collector) -> Arc<Observability> {
    let settings = Settings {
        access: AccessTarget::Off,
        ring_bytes: 1 << 20,
        traces: Some(TraceSettings { sample: 1.0, honour_parent: true }),
        workers: 1,
        boot: 7,
    };
    let (observability, inbox) = Observability::open(&settings).unwrap();
    let sender = Sender { service: "pasarela".into(), instance: "node-1".into() };
    start(collector, sender, inbox.unwrap()).unwrap();
    observability
}

fn decoded(body: &[u8]) -> (BTreeMap<String, String>, Vec<Span>) {
    let mut request = ExportTraceServiceRequest::decode(body).unwrap();
    let resource_spans = request.resource_spans.pop().unwrap();
    let resource = attributes(&resource_spans.resource.unwrap().attributes);
    (resource, resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans).collect())
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let shown = |value: &KeyValue| match value.value.clone().and_then(|any| any.value).unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), shown(pair))).collect()
}

fn metric(observability: &Observability, name: &str) -> u64 {
    let text = observability.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn an_exchange_becomes_a_server_span_and_a_client_span_below_it() {
    let (collector, hear) = collector(&[OK]);
    let observability = observed(collector);
    let observer = observability.worker(0);
    let trace = observer.tracer.as_ref().unwrap().begin([PARENT]);
    observer.record(&fact(trace));
    observer.tick();
    assert!(observability.flush(Duration::from_secs(10)));

    let (head, body) = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(head.starts_with("POST /base/v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(!body.windows(6).any(|window| window == b"canary"), "T55");
    let (resource, spans) = decoded(&body);
    assert_eq!(resource["service.name"], "pasarela");
    let [server, client] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!(server.name, "GET /rates/v2/quotes/{id}");
    assert_eq!(server.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert_eq!(server.end_time_unix_nano - server.start_time_unix_nano, 1_500_000);
    assert_eq!(server.status, None);
    let of_server = attributes(&server.attributes);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/rates/v2/quotes/{id}"),
        ("url.path", "/rates/v2/quotes/7"),
        ("url.scheme", "https"),
        ("server.address", "api.example.com"),
        ("server.port", "8443"),
        ("client.address", "192.0.2.7"),
        ("network.protocol.version", "2"),
        ("pasarela.api", "rates"),
        ("pasarela.operation", "getQuote"),
        ("pasarela.application", "acme-tracker"),
    ] {
        assert_eq!(of_server.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(client.kind(), SpanKind::Client);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(client.span_id, trace.upstream_span.0);
    assert_eq!(client.start_time_unix_nano - server.start_time_unix_nano, 100_000);
    assert_eq!(attributes(&client.attributes)["server.port"], "7000");
    assert_eq!(metric(&observability, "pasarela_traces_exported_total "), 1);
}

#[test]
fn a_failure_says_its_kind_and_a_refusal_of_ours_is_no_error() {
    let trace = {
        let observability = observed(nobody());
        observability.worker(0).tracer.as_ref().unwrap().begin([])
    };
    let limited =
        Fact { status: 429, problem: Some(Code::RateLimited), upstream: None, ..fact(trace) };
    let spans_of_limited = spans(&limited);
    let [server] = &spans_of_limited[..] else { panic!("one span") };
    assert_eq!(server.status, None);
    let of_server = attributes(&server.attributes);
    assert_eq!(of_server["pasarela.problem"], "rate_limited");
    assert!(!of_server.contains_key("error.type"));
    assert!(server.parent_span_id.is_empty());

    let late = Fact {
        status: 504,
        problem: Some(Code::UpstreamTimeout),
        method: b"BREW",
        route: None,
        retries: 2,
        upstream: fact(trace).upstream.map(|upstream| FactUpstream { status: 0, ..upstream }),
        ..fact(trace)
    };
    for span in spans(&late) {
        assert_eq!(span.status.as_ref().map(Status::code), Some(StatusCode::Error));
        assert_eq!(span.name, "HTTP");
        let attributes = attributes(&span.attributes);
        assert_eq!(attributes["error.type"], "upstream_timeout");
        assert_eq!(attributes["http.request.method"], "_OTHER");
        assert_eq!(attributes["http.request.method_original"], "BREW");
        let resent = attributes.get("http.request.resend_count").map(String::as_str);
        assert_eq!(resent, (span.kind() == SpanKind::Client).then_some("2"));
    }
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let (collector, hear) = collector(&[BUSY, BAD, OK]);
    let observability = observed(collector);
    let observer = observability.worker(0);
    let tracer = observer.tracer.as_ref().unwrap();
    for _ in 0..BATCH {
        observer.record(&fact(tracer.begin([])));
    }
    let first = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    let again = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(first.1 == again.1, "the same batch");
    assert_eq!(decoded(&first.1).1.len(), 512);
    for _ in 0..BATCH {
        observer.record(&fact(tracer.begin([])));
    }
    let next = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(next.1 != first.1, "a refused batch is not sent again");
    assert!(observability.flush(Duration::from_secs(10)));
    assert_eq!(metric(&observability, "pasarela_traces_dropped_total "), BATCH as u64);
    assert_eq!(metric(&observability, "pasarela_traces_exported_total "), BATCH as u64);
}

#[test]
fn a_dead_collector_costs_a_bounded_amount_and_is_counted() {
    let now = Instant::now();
    let mut queue = Queue::new();
    let mut facts = Facts::default();
    let observability = observed(nobody());
    let trace = observability.worker(0).tracer.as_ref().unwrap().begin([]);
    for _ in 0..100 {
        facts.push(&fact(trace));
    }
    let pushed = 2 * BATCH * MOST_BATCHES / 100;
    let dropped: u64 = (0..pushed).map(|_| queue.push(&facts, now)).sum();
    assert_eq!(dropped, (pushed * 100 - BATCH * MOST_BATCHES) as u64);
    // It is tried again and again with growing pauses, then given up.
    let (mut at, mut given_up, mut pauses) = (now, 0, Vec::new());
    while given_up == 0 {
        assert!(queue.due(at));
        given_up = queue.failed(at, None);
        assert!(!queue.due(at));
        let wait = queue.not_before.unwrap() - at;
        pauses.push(wait.as_secs());
        at += wait;
    }
    assert_eq!(given_up, BATCH as u64);
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30]);
    assert_eq!(queue.clear(), (BATCH * (MOST_BATCHES - 1)) as u64);
}

#[test]
fn a_few_exchanges_wait_five_seconds_and_no_longer() {
    let now = Instant::now();
    let mut queue = Queue::new();
    assert_eq!(queue.wait(now), LONGEST_WAIT);
    let observability = observed(nobody());
    let mut facts = Facts::default();
    facts.push(&fact(observability.worker(0).tracer.as_ref().unwrap().begin([])));
    queue.push(&facts, now);
    let later = now + Duration::from_secs(2);
    queue.push(&facts, later);
    assert!(!queue.due(later));
    assert_eq!(queue.wait(later), Duration::from_secs(3));
    assert!(queue.due(now + LONGEST_WAIT));
    queue.took(now + LONGEST_WAIT);
    assert!(!queue.due(now + 2 * LONGEST_WAIT));
}

#[test]
fn a_full_batch_waits_for_nothing_but_the_pause_after_a_failure() {
    let now = Instant::now();
    let mut queue = Queue::new();
    let observability = observed(nobody());
    let trace = observability.worker(0).tracer.as_ref().unwrap().begin([]);
    let mut facts = Facts::default();
    for _ in 0..=BATCH {
        facts.push(&fact(trace));
    }
    queue.push(&facts, now);
    assert!(queue.due(now));
    queue.failed(now, None);
    assert_eq!(queue.wait(now), FIRST_PAUSE);
    assert!(queue.due(now + FIRST_PAUSE));
    // What follows has its own five seconds.
    queue.took(now + FIRST_PAUSE);
    assert_eq!(queue.wait(now + FIRST_PAUSE), LONGEST_WAIT);
}

#[test]
fn answers_are_read_however_they_come() {
    let read = |text: &str, ended| read_answer(text.as_bytes(), ended);
    assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-le", false).unwrap(), None);
    assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na", false).unwrap(), None);
    let answer =
        read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 No\r\nRetry-After: 7\r\n\r\n", true);
    let answer = answer.unwrap().unwrap();
    assert_eq!((answer.status, answer.retry_after), (429, Some(Duration::from_secs(7))));
    let chunked = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false);
    assert_eq!(chunked.unwrap().unwrap().status, 200);
    for hostile in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2\u{e9}\r\n\r\n"] {
        assert!(read(hostile, true).is_err(), "{hostile}");
    }
    let part = ExportTraceServiceResponse {
        partial_success: Some(
            opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess {
                rejected_spans: 3,
                error_message: "too old".into(),
            },
        ),
    };
    let answer = Answer { status: 200, retry_after: None, body: part.encode_to_vec() };
    assert_eq!(verdict(Ok(answer)), Verdict::Taken { rejected_spans: 3 });
}

#[test]
fn t55_what_a_collector_is_told_of_who_we_are_is_never_printed() {
    let collector = at("http://me:c4nary@[::1]:4318/base/", None);
    assert_eq!((collector.host.as_str(), collector.path.as_str()), ("::1", "/base/v1/traces"));
    assert!(!format!("{collector:?}").contains("c4nary"), "{collector:?}");
}

#[test]
fn a_user_and_a_password_in_the_address_are_shown_to_the_collector() {
    let (address, hear) = listening(&[OK], None);
    let observability = observed(at(&format!("http://me:p%q~@{address}"), None));
    exchanges(&observability, 1);
    let (head, _) = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    // What `printf 'me:p%q~' | base64` says.
    assert!(head.contains("\r\nauthorization: Basic bWU6cCVxfg==\r\n"), "{head}");
}

#[test]
fn t57_a_collector_behind_tls_has_to_prove_who_it_is() {
    let authority = Authority::new("collectors");
    let (address, hear) = listening(&[OK], Some(authority.issue(&["127.0.0.1"])));
    let url = format!("https://{address}");
    let stranger = observed(at(&url, Some(&Authority::new("others"))));
    exchanges(&stranger, 1);
    assert_eq!(metric(&stranger, "pasarela_traces_dropped_total "), 1);
    assert!(hear.try_recv().is_err(), "a stranger was told something");

    let known = observed(at(&url, Some(&authority)));
    exchanges(&known, 3);
    let (_, body) = hear.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(decoded(&body).1.len(), 6);
    assert_eq!(metric(&known, "pasarela_traces_exported_total "), 3);
}

/// So many exchanges, sent.
fn exchanges(observability: &Observability, count: usize) {
    let observer = observability.worker(0);
    for _ in 0..count {
        observer.record(&fact(observer.tracer.as_ref().unwrap().begin([])));
    }
    observer.tick();
    assert!(observability.flush(Duration::from_secs(10)));
}
