//! Scripted services behind the gateway: they answer as told and keep what they were sent.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    message::{Framing, Request},
    wire::{BodyReader, Fault, Wire},
};

const KEPT_BODY: usize = 1 << 20;

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    more: Condvar,
    /// Connections that brought something no strict reader accepts.
    violations: Mutex<Vec<String>>,
    /// Messages whose end never came.
    cut: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    stopping: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

/// A service on a port of its own; it stops when it goes out of scope.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Answers every request, whole and well formed, with these bytes.
    pub fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::handle(move |_| bytes.clone())
    }

    /// Answers `200` with a body.
    pub fn ok(body: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
        let head = format!("{head}Content-Type: text/plain\r\n\r\n");
        let body = body.to_owned();
        Self::handle(move |request| {
            if request.method == "HEAD" { head.clone() } else { format!("{head}{body}") }.into()
        })
    }

    /// Answers `200` with the request's head as its body.
    pub fn echo() -> Self {
        Self::handle(|request| {
            let text = if request.method == "HEAD" { String::new() } else { request.text() };
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into()
        })
    }

    /// Answers each request with the bytes a function makes of it.
    pub fn handle(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::script(move |conn| {
            loop {
                let request = conn.request()?;
                conn.write(answer(&request))?;
            }
        })
    }

    /// Runs a function for every connection, on a thread of its own.
    pub fn script(script: impl Fn(&mut Conn) -> Result<(), Fault> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::listening(listener, script)
    }

    /// As [`Self::script`], on a listener that the test has bound.
    pub fn listening(
        listener: TcpListener,
        script: impl Fn(&mut Conn) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Seen> = Arc::default();
        let script = Arc::new(script);
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                serve(socket, &shared, &script);
            }
        });
        Self { address, seen }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The whole requests it was sent so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().expect("no panic under the lock").clone()
    }

    /// Waits until it was sent this many requests.
    #[track_caller]
    pub fn await_requests(&self, count: usize) -> Vec<Request> {
        let end = Instant::now() + Duration::from_secs(5);
        let mut requests = self.seen.requests.lock().expect("no panic under the lock");
        while requests.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} requests, not {count}", requests.len());
            let (guard, _) =
                self.seen.more.wait_timeout(requests, left).expect("no panic under the lock");
            requests = guard;
        }
        requests.clone()
    }

    /// The only request it was sent.
    #[track_caller]
    pub fn only_request(&self) -> Request {
        let requests = self.await_requests(1);
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().expect("one request")
    }

    /// What was not well formed; must always be empty, whatever a client sends.
    pub fn violations(&self) -> Vec<String> {
        self.seen.violations.lock().expect("no panic under the lock").clone()
    }

    /// Requests that ended in the middle.
    pub fn cut(&self) -> Vec<String> {
        self.seen.cut.lock().expect("no panic under the lock").clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// The most connections that were open at a time.
    pub fn most_open(&self) -> usize {
        self.seen.most_open.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.seen.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which lets go of the port.
        let _ = TcpStream::connect(self.address);
        for socket in self.seen.sockets.lock().expect("no panic under the lock").drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn serve<S>(socket: TcpStream, seen: &Arc<Seen>, script: &Arc<S>)
where
    S: Fn(&mut Conn) -> Result<(), Fault> + Send + Sync + 'static,
{
    let index = seen.connections.fetch_add(1, Ordering::SeqCst);
    let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_open.fetch_max(open, Ordering::SeqCst);
    if let Ok(twin) = socket.try_clone() {
        seen.sockets.lock().expect("no panic under the lock").push(twin);
    }
    let (seen, script) = (Arc::clone(seen), Arc::clone(script));
    std::thread::spawn(move || {
        let Ok(twin) = socket.try_clone() else { return };
        let mut conn = Conn {
            wire: Wire::new(Box::new(twin), socket),
            index,
            served: 0,
            body: None,
            reset: false,
            seen: Arc::clone(&seen),
        };
        match script(&mut conn) {
            Ok(()) | Err(Fault::Closed | Fault::Reset | Fault::TimedOut(_)) => (),
            Err(Fault::Invalid(what)) => {
                seen.violations.lock().expect("no panic under the lock").push(what);
            }
            Err(Fault::Cut(what)) => seen.cut.lock().expect("no panic under the lock").push(what),
        }
        if !conn.reset {
            let _ = conn.wire.socket.shutdown(Shutdown::Both);
        }
        drop(conn);
        seen.open.fetch_sub(1, Ordering::SeqCst);
    });
}

/// One connection from the gateway.
pub struct Conn {
    wire: Wire,
    /// Which one, from 0.
    pub index: usize,
    /// Requests read whole from it so far.
    pub served: usize,
    body: Option<(Request, BodyReader)>,
    reset: bool,
    seen: Arc<Seen>,
}

impl Conn {
    fn arm(&mut self) {
        // Long enough for any test; the socket is shut when the upstream goes out of scope.
        self.wire.deadline = Instant::now() + Duration::from_secs(120);
    }

    /// Reads one whole request and keeps it.
    pub fn request(&mut self) -> Result<Request, Fault> {
        self.head()?;
        self.finish_request()
    }

    /// Reads the head of a request; the body is there to be read or left.
    pub fn head(&mut self) -> Result<Request, Fault> {
        self.arm();
        let (mut request, framing) = Request::read_head(&mut self.wire)?;
        request.connection = self.index;
        let upgrade = request.fields.has("upgrade") && framing == Framing::None;
        let framing = if upgrade { Framing::None } else { framing };
        self.body = Some((request.clone(), BodyReader::new(framing)));
        Ok(request)
    }

    /// Reads the next piece of the body as it arrives.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        self.arm();
        let (request, reader) = self.body.as_mut().expect("a head was read before its body");
        let piece = self.wire.body_piece(reader)?;
        if let Some(piece) = &piece {
            request.length += piece.len() as u64;
            let room = KEPT_BODY.saturating_sub(request.body.len()).min(piece.len());
            request.body.extend_from_slice(&piece[..room]);
        }
        Ok(piece)
    }

    /// Reads the rest of the body and keeps the request.
    pub fn finish_request(&mut self) -> Result<Request, Fault> {
        while self.piece()?.is_some() {}
        let (mut request, reader) = self.body.take().expect("a head was read before");
        request.trailers = reader.trailers;
        for name in ["content-length", "transfer-encoding", "host", "authorization"] {
            if request.trailers.has(name) {
                return Err(Fault::Invalid(format!("{name} among the trailers")));
            }
        }
        self.served += 1;
        self.seen.requests.lock().expect("no panic under the lock").push(request.clone());
        self.seen.more.notify_all();
        Ok(request)
    }

    /// Writes bytes at once.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Fault> {
        self.wire.write(bytes.as_ref()).map_err(|_| Fault::Reset)
    }

    /// Waits.
    pub fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Exactly this many bytes of whatever comes, for tunnels.
    pub fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        self.arm();
        self.wire.take(count, "raw bytes")
    }

    /// Whatever comes next; empty at the end.
    pub fn some(&mut self) -> Result<Vec<u8>, Fault> {
        self.arm();
        if self.wire.buffered().is_empty() {
            self.wire.fill()?;
        }
        Ok(self.wire.take_buffered())
    }

    /// Sends everything that comes back until the end.
    pub fn echo(&mut self) -> Result<(), Fault> {
        loop {
            let bytes = self.some()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.write(bytes)?;
        }
    }

    /// Whether nothing arrives for this long.
    pub fn silent_for(&mut self, time: Duration) -> bool {
        self.wire.deadline = Instant::now() + time;
        matches!(self.wire.begin(), Err(Fault::TimedOut(_)))
    }

    /// Makes the end of the script a reset instead of a goodbye.
    pub fn reset_at_end(&mut self) {
        let linger =
            rustix::net::sockopt::set_socket_linger(&self.wire.socket, Some(Duration::ZERO));
        linger.expect("SO_LINGER on a TCP socket");
        // Zero linger resets when the last handle goes: the kept one, the stream's, the socket's.
        let mine = self.wire.socket.peer_addr().ok();
        let mut kept = self.seen.sockets.lock().expect("no panic under the lock");
        kept.retain(|socket| socket.peer_addr().ok() != mine);
        drop(kept);
        self.reset = true;
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.wire.socket.shutdown(Shutdown::Write);
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        &self.wire.socket
    }
}
