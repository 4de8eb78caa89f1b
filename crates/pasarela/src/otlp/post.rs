//! One POST to the collector: plain blocking I/O on a connection of its own, under one deadline.
//!
//! A neighbour's connection costs nothing beside 256 exchanges, and one that is kept may be closed
//! under our hands. Over `https://` the collector proves who it is as a service does.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::{Duration, Instant},
};

use pasarela_model::Secret;
use pasarela_net::tls::{ClientTls, TlsError};
use rustls::StreamOwned;

use crate::{config::settings::Traces, timed::Timed};

/// Time for a connection to the collector.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Time for a whole export.
const EXPORT_TIME: Duration = Duration::from_secs(10);
/// Bytes of the collector's answer that are read.
const ANSWER_BYTES: u64 = 64 << 10;

/// Where spans go.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(super) host: String,
    port: u16,
    authority: String,
    pub(super) path: String,
    /// The value of `Authorization`.
    authorization: Option<Secret>,
    tls: Option<Arc<ClientTls>>,
}

impl Collector {
    /// The collector of a configuration, to whose address `/v1/traces` is added.
    ///
    /// # Errors
    /// When its TLS settings cannot be used.
    pub(crate) fn new(traces: &Traces) -> Result<Self, TlsError> {
        let url = &traces.otlp;
        let secure = url.scheme == "https";
        let host =
            if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
        let user = url.user.as_deref().unwrap_or_default();
        let password = url.password.as_ref().map_or(&b""[..], Secret::expose);
        let named = url.user.is_some() || url.password.is_some();
        Ok(Self {
            host: url.host.clone(),
            port: url.port.unwrap_or(if secure { 443 } else { 80 }),
            authority: url.port.map_or(host.clone(), |port| format!("{host}:{port}")),
            path: format!("{}/v1/traces", url.path),
            authorization: named.then(|| basic(user, password)),
            tls: secure.then(|| ClientTls::new(&traces.tls, false)).transpose()?,
        })
    }
}

/// A user and a password as `Authorization` carries them (RFC 7617).
fn basic(user: &str, password: &[u8]) -> Secret {
    let pair = [user.as_bytes(), b":", password].concat();
    let mut value = String::from("Basic ");
    for piece in pair.chunks(3) {
        let mut word = 0u32;
        for place in 0..3 {
            word = word << 8 | u32::from(piece.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            value.push(if place > piece.len() { '=' } else { base64_digit(digit) });
        }
    }
    Secret::new(value)
}

fn base64_digit(digit: u32) -> char {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    DIGITS.get(digit as usize).copied().map_or('=', char::from)
}

/// A collector's answer, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Sends one request and reads its answer.
pub(super) fn post(collector: &Collector, body: &[u8]) -> io::Result<Answer> {
    let deadline = Instant::now() + EXPORT_TIME;
    let socket = Timed { stream: connect(collector)?, deadline };
    match &collector.tls {
        None => ask(socket, collector, body),
        Some(tls) => ask(StreamOwned::new(tls.session(&collector.host)?, socket), collector, body),
    }
}

fn ask(mut stream: impl Read + Write, collector: &Collector, body: &[u8]) -> io::Result<Answer> {
    stream.write_all(head(collector, body.len()).as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let mut limited = stream.take(ANSWER_BYTES);
    loop {
        if let Some(answer) = read_answer(&answer, false)? {
            return Ok(answer);
        }
        match limited.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    read_answer(&answer, true)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn head(collector: &Collector, length: usize) -> String {
    let Collector { authority, path, authorization, .. } = collector;
    let shown = authorization.as_ref().map_or(String::new(), |value| {
        format!("authorization: {}\r\n", String::from_utf8_lossy(value.expose()))
    });
    format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\n{shown}user-agent: pasarela/{}\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
    )
}

fn connect(collector: &Collector) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    #[expect(
        clippy::disallowed_methods,
        reason = "the exporter's own thread; nothing waits for it"
    )]
    let addresses = (collector.host.as_str(), collector.port).to_socket_addrs()?;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads an answer; `None` while more is to come. A body in chunks is not looked into: its only
/// use is a count for the log.
pub(super) fn read_answer(bytes: &[u8], ended: bool) -> io::Result<Option<Answer>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let mut rest = bytes;
    loop {
        let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, body) = rest.split_at(end + 4);
        let head = std::str::from_utf8(head).map_err(|_| invalid())?;
        let status = head.strip_prefix("HTTP/1.").and_then(|after| after.get(2..5));
        let status: u16 = status.and_then(|digits| digits.parse().ok()).ok_or_else(invalid)?;
        if status / 100 == 1 {
            rest = body;
            continue;
        }
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let length: Option<usize> = field("content-length").and_then(|value| value.parse().ok());
        let retry_after = field("retry-after").and_then(|value| value.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let chunked = field("transfer-encoding").is_some();
        let body = match length {
            _ if chunked => Vec::new(),
            Some(length) if body.len() >= length => body.get(..length).unwrap_or(body).to_vec(),
            _ if ended => body.to_vec(),
            _ => return Ok(None),
        };
        return Ok(Some(Answer { status, retry_after, body }));
    }
}
