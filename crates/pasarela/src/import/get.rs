//! One GET: plain blocking I/O to an address that was vetted before, on the codec of the network room.
//!
//! No redirect is followed here, no name resolved, nothing decoded but the transfer coding; the answer is bounded in size
//! and time. Who may be asked is [`super::remote`]'s question.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use pasarela_net::{
    http1::{Decoder, Head, HeadLimits, ResponseParser, response_framing},
    tls::ClientTls,
};
use rustls::StreamOwned;

use super::Url;
use crate::timed::Timed;

/// Time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Bytes of a document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 10 << 20;
/// Interim answers (1xx) before the real one.
const INTERIM_MAX: usize = 8;
const HEAD: HeadLimits = HeadLimits { line: 8 << 10, bytes: 64 << 10, fields: 200 };

/// The system's network, or what a test puts in its place.
pub(super) trait Network {
    /// All addresses of a host.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
    /// A connection to one of them.
    fn dial(&self, address: SocketAddr, time: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&address, time)
    }
}

/// The network of this machine.
#[derive(Debug)]
pub(super) struct System;

impl Network for System {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        use std::net::ToSocketAddrs as _;
        #[expect(
            clippy::disallowed_methods,
            reason = "a command of its own: nobody waits for it, and it needs the name once"
        )]
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum GetError {
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("it does not come in time")]
    Slow,
    #[error("{0}")]
    Broken(#[source] io::Error),
    #[error("what comes back is not HTTP that can be understood: {0}")]
    NotHttp(String),
    #[error("it has more than {max} MiB", max = DOCUMENT_BYTES_MAX >> 20)]
    TooLarge,
    #[error("it comes in the coding {0:?}, which was not asked for")]
    Coding(String),
}

/// Asks for a document at one of `addresses`; all is over by `deadline`.
pub(super) fn get(
    network: &dyn Network,
    url: &Url,
    addresses: &[IpAddr],
    tls: Option<&ClientTls>,
    deadline: Instant,
) -> Result<Answer, GetError> {
    let stream = connect(network, addresses, url.port, deadline)?;
    let socket = Timed { stream, deadline };
    match tls {
        None => ask(socket, url),
        Some(tls) => {
            let session = tls.session(&url.host).map_err(GetError::Connect)?;
            ask(StreamOwned::new(session, socket), url)
        }
    }
}

fn connect(
    network: &dyn Network,
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, GetError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIME);
        if left.is_zero() {
            last = io::ErrorKind::TimedOut.into();
            break;
        }
        match network.dial(SocketAddr::new(*address, port), left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(GetError::Connect(last))
}

fn ask(mut stream: impl Read + Write, url: &Url) -> Result<Answer, GetError> {
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: pasarela/{}\r\n\
         accept: application/wsdl+xml, application/xml, text/xml, application/json, application/yaml, */*;q=0.5\r\n\
         accept-encoding: identity\r\nconnection: close\r\n\r\n",
        url.target,
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    stream.write_all(request.as_bytes()).map_err(broken)?;
    stream.flush().map_err(broken)?;
    let mut input = Input { stream, held: Vec::new(), ended: false };
    let head = read_head(&mut input)?;
    let field = |name| head.find(name).map(|value| String::from_utf8_lossy(value).into_owned());
    if let Some(coding) = field("content-encoding")
        && !coding.eq_ignore_ascii_case("identity")
    {
        return Err(GetError::Coding(coding));
    }
    let framing = response_framing(&head, "GET").map_err(not_http)?;
    let body = read_body(&mut input, framing.decoder())?;
    Ok(Answer { status: head.status(), location: field("location"), body })
}

/// What a socket says when its time is over depends on who waited.
fn broken(error: io::Error) -> GetError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => GetError::Slow,
        _ => GetError::Broken(error),
    }
}

fn not_http(error: impl std::fmt::Display) -> GetError {
    GetError::NotHttp(error.to_string())
}

/// What was received and not yet used.
struct Input<S> {
    stream: S,
    held: Vec<u8>,
    ended: bool,
}

impl<S: Read> Input<S> {
    fn more(&mut self) -> Result<(), GetError> {
        let mut buffer = [0; 16 << 10];
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            // Many servers close TLS without a word; the framing tells whether something is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(broken(error)),
        };
        self.ended = count == 0;
        self.held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }
}

/// The head of the final answer.
fn read_head(input: &mut Input<impl Read>) -> Result<Head, GetError> {
    let (mut parser, mut head) = (ResponseParser::default(), Head::default());
    let mut interim = 0;
    loop {
        match parser.advance(&input.held, &HEAD, &mut head).map_err(not_http)? {
            Some(length) => {
                input.held.drain(..length);
                if head.status() >= 200 {
                    return Ok(head);
                }
                interim += 1;
                if interim > INTERIM_MAX || head.status() == 101 {
                    return Err(not_http("too many interim answers"));
                }
                parser.reset();
            }
            None if input.ended => return Err(not_http("it ends before its header section does")),
            None => input.more()?,
        }
    }
}

fn read_body(input: &mut Input<impl Read>, mut decoder: Decoder) -> Result<Vec<u8>, GetError> {
    let mut body = Vec::new();
    let mut trailers = Head::default();
    if matches!(decoder, Decoder::Length(length) if length > DOCUMENT_BYTES_MAX as u64) {
        return Err(GetError::TooLarge);
    }
    while !decoder.is_done() {
        let decoded = decoder.decode(&input.held, &mut trailers).map_err(not_http)?;
        body.extend_from_slice(input.held.get(decoded.data).unwrap_or_default());
        input.held.drain(..decoded.consumed);
        if body.len() > DOCUMENT_BYTES_MAX {
            return Err(GetError::TooLarge);
        }
        if decoded.consumed == 0 && !decoded.done {
            if input.ended {
                decoder.end_of_input().map_err(not_http)?;
            } else {
                input.more()?;
            }
        }
    }
    Ok(body)
}
