//! A gateway on loopback, in this process, and the little that talks to it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pasarela_gateway::{
    Phase, Plane, Shared, Socket,
    observe::{AccessTarget, Listener, Observability, Settings},
};
use pasarela_model::{
    Api, Application, Credential, HttpVersion, KeyDigest, Plan, Snapshot, Subscription, Upstream,
    UpstreamTarget, Visibility,
};
use pasarela_net::listen::ConnectionTable;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// The key of the one application there is.
pub(crate) const KEY: &str = "pk_the_only_one";

/// An API at `/{name}/v1`, public and without plans.
pub(crate) fn api(name: &str, upstream: SocketAddr) -> Api {
    let target = UpstreamTarget::plain(&upstream.ip().to_string(), upstream.port());
    Api { visibility: Visibility::Public, ..Api::new(name, 1, Upstream::of(vec![target])) }
}

/// The same, with servers that speak HTTP/2.
pub(crate) fn api_h2(name: &str, upstream: SocketAddr) -> Api {
    let mut api = api(name, upstream);
    api.upstream.http = HttpVersion::Http2;
    api
}

/// The same, for whoever holds [`KEY`].
pub(crate) fn api_for_partners(name: &str, upstream: SocketAddr) -> Api {
    Api { visibility: Visibility::Partner, plans: vec![0], ..api(name, upstream) }
}

/// Serves these APIs until the test process ends.
pub(crate) fn serve(apis: Vec<Api>) -> SocketAddr {
    let subscriptions = (0..apis.len()).filter(|index| !apis[*index].plans.is_empty());
    let application = Application {
        name: "app".into(),
        organisation: None,
        subscriptions: subscriptions.map(|api| Subscription { api, plan: 0 }).collect(),
        credentials: vec![Credential::ApiKey(KeyDigest(Sha256::digest(KEY).into()))],
        ..Application::default()
    };
    let snapshot = Snapshot {
        generation: 1,
        plans: vec![Plan::new("plan")],
        applications: vec![application].into(),
        apis: apis.into(),
        ..Snapshot::default()
    };
    let (observability, _) = Observability::open(&Settings {
        access: AccessTarget::Off,
        ring_bytes: 1 << 16,
        traces: None,
        workers: 1,
        boot: 7,
    })
    .unwrap();
    let connections = ConnectionTable::new(&snapshot.limits, &[]);
    let plane = Plane::compile(Arc::new(snapshot), None, observability.metrics(), 0).unwrap();
    let shared = Arc::new(Shared {
        epoch: Instant::now(),
        observability,
        connections,
        overload: Arc::default(),
    });
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let (_planes, planes) = watch::channel(Arc::new(plane));
        let (_phases, phases) = watch::channel(Phase::Serving);
        let sockets = vec![Socket { listener: Listener::Gateway, socket, tls: None }];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, pasarela_gateway::run(0, shared, planes, sockets, None, phases));
    });
    address
}

/// A server that handles each connection in a thread of its own, with a number.
pub(crate) fn upstream(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (Ok(stream), handle) = (stream, Arc::clone(&handle)) else { return };
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            thread::spawn(move || handle(stream, number));
        }
    });
    address
}

/// Nobody is there.
pub(crate) fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A connection to the gateway.
pub(crate) fn connect(gateway: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// Reads until this text was there, or the end. What came is given back.
pub(crate) fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let (mut seen, mut byte) = (Vec::new(), [0u8; 1]);
    while !seen.ends_with(text.as_bytes()) {
        match stream.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Reads a head and the body that its `Content-Length` tells of.
pub(crate) fn read_message(stream: &mut TcpStream) -> (String, String) {
    let head = read_until(stream, "\r\n\r\n");
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// Reads to the end, however the connection ends.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0u8; 4096];
    while let Ok(received @ 1..) = stream.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..received]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}
