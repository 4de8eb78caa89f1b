//! A client that sends exactly the bytes it is told, and reads with a strict parser.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    message::{Framing, Response},
    show,
    tls::{self, ClientTls},
    wire::{BodyReader, Fault, Wire},
};

/// One connection to the gateway, over TCP or TLS.
pub struct RawClient {
    wire: Wire,
    body: Option<BodyReader>,
    patience: Duration,
    /// The protocol chosen by ALPN, where there was one.
    pub alpn: Option<String>,
}

impl RawClient {
    /// Connects. Panics when nobody listens: use [`Self::try_connect`] where that is a result.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect {address}: {error}"))
    }

    /// Connects.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        Self::over(socket)
    }

    /// A client over a socket that a test has prepared.
    pub fn over(socket: TcpStream) -> io::Result<Self> {
        let wire = Wire::new(Box::new(socket.try_clone()?), socket);
        Ok(Self { wire, body: None, patience: Duration::from_secs(10), alpn: None })
    }

    /// Connects and shakes hands.
    pub fn tls(address: SocketAddr, settings: &ClientTls) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        let (stream, alpn) = tls::connect(socket.try_clone()?, settings)?;
        let wire = Wire::new(Box::new(stream), socket);
        Ok(Self { wire, body: None, patience: Duration::from_secs(10), alpn })
    }

    /// How long each read may take; ten seconds unless set.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    fn arm(&mut self) {
        self.wire.deadline = Instant::now() + self.patience;
    }

    /// Sends bytes at once. Panics when that fails.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        if let Err(error) = self.wire.write(bytes) {
            panic!("sending {}: {error}", show(bytes));
        }
        self
    }

    /// Sends bytes; the gateway may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write(bytes.as_ref())
    }

    /// Sends bytes in pieces of `size` with a pause after each; stops quietly when the gateway
    /// closes.
    pub fn send_slowly(&mut self, bytes: &[u8], size: usize, pause: Duration) -> io::Result<()> {
        for piece in bytes.chunks(size) {
            self.wire.write(piece)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.wire.socket.shutdown(Shutdown::Write);
    }

    /// Closes with a reset instead of a goodbye.
    pub fn abort(self) {
        let linger =
            rustix::net::sockopt::set_socket_linger(&self.wire.socket, Some(Duration::ZERO));
        linger.expect("SO_LINGER on a TCP socket");
    }

    /// Sends a request and reads the response to it.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        self.send(request);
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        self.response_to(std::str::from_utf8(method).unwrap_or("GET"))
    }

    /// Sends a `GET` and reads the response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// Reads one whole response to a method that allows a body.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Reads one whole response to this method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|fault| panic!("no response to {method}: {fault}"))
    }

    /// Reads one whole response to this method, keeping at most 64 MiB of its body.
    pub fn try_response(&mut self, method: &str) -> Result<Response, Fault> {
        let mut response = self.try_head(method)?;
        while let Some(piece) = self.try_piece()? {
            response.length += piece.len() as u64;
            if response.body.len() < 64 << 20 {
                response.body.extend_from_slice(&piece);
            }
        }
        if let Some(body) = self.body.take() {
            response.trailers = body.trailers;
        }
        Ok(response)
    }

    /// Reads the head of a response and the interim ones before it; the body stays to be read
    /// with [`Self::piece`].
    #[track_caller]
    pub fn head(&mut self, method: &str) -> Response {
        self.try_head(method).unwrap_or_else(|fault| panic!("no response to {method}: {fault}"))
    }

    /// As [`Self::head`].
    pub fn try_head(&mut self, method: &str) -> Result<Response, Fault> {
        let mut interim = Vec::new();
        loop {
            let (mut response, framing) = self.try_one_head(method)?;
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response);
                continue;
            }
            response.interim = interim;
            self.body = Some(BodyReader::new(framing));
            return Ok(response);
        }
    }

    /// Reads one head, interim or not.
    #[track_caller]
    pub fn one_head(&mut self) -> Response {
        let (response, framing) =
            self.try_one_head("GET").unwrap_or_else(|fault| panic!("no response: {fault}"));
        self.body = Some(BodyReader::new(framing));
        response
    }

    fn try_one_head(&mut self, method: &str) -> Result<(Response, Framing), Fault> {
        self.arm();
        Response::read_head(&mut self.wire, method)
    }

    /// The next piece of the body as it arrives; `None` after the last.
    #[track_caller]
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        self.try_piece().unwrap_or_else(|fault| panic!("no piece of a body: {fault}"))
    }

    /// As [`Self::piece`].
    pub fn try_piece(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        self.arm();
        let reader = self.body.as_mut().expect("a head was read before its body");
        self.wire.body_piece(reader)
    }

    /// Exactly this many bytes of whatever comes, for tunnels.
    #[track_caller]
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.arm();
        match self.wire.take(count, "raw bytes") {
            Ok(bytes) => bytes,
            Err(fault) => panic!("no {count} raw bytes: {fault}"),
        }
    }

    /// Everything until the gateway closes, resets or `patience` has passed.
    pub fn rest(&mut self) -> Vec<u8> {
        self.arm();
        while matches!(self.wire.fill(), Ok(1..)) {}
        self.wire.take_buffered()
    }

    /// Asserts that the gateway closes within five seconds and sends nothing before.
    #[track_caller]
    pub fn assert_closed(&mut self) -> Duration {
        self.assert_closed_within(Duration::from_secs(5))
    }

    /// Asserts that the gateway closes within this time and sends nothing before; how long it took.
    #[track_caller]
    pub fn assert_closed_within(&mut self, limit: Duration) -> Duration {
        match self.closed_within(limit) {
            Ok(took) => took,
            Err(what) => panic!("not closed within {limit:?}: {what}"),
        }
    }

    /// As [`Self::assert_closed_within`], with what was wrong as an error.
    pub fn closed_within(&mut self, limit: Duration) -> Result<Duration, String> {
        let begin = Instant::now();
        self.wire.deadline = begin + limit;
        match self.wire.begin() {
            Ok(()) => Err(format!("got {}", show(self.wire.buffered()))),
            Err(Fault::Closed | Fault::Reset) => Ok(begin.elapsed()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Asserts that for this long the gateway neither closes nor sends.
    #[track_caller]
    pub fn assert_silent_for(&mut self, time: Duration) {
        self.wire.deadline = Instant::now() + time;
        match self.wire.begin() {
            Err(Fault::TimedOut(_)) => (),
            Ok(()) => panic!("not silent: {}", show(self.wire.buffered())),
            Err(fault) => panic!("not open: {fault}"),
        }
    }

    /// Whether the connection has ended, and over TLS with the word for it (`close_notify`).
    pub fn was_told_goodbye(&self) -> bool {
        self.wire.said_goodbye
    }

    /// The socket, for options.
    pub fn socket(&self) -> &TcpStream {
        &self.wire.socket
    }
}
