//! An HTTP/2 client that sends any frame it is told, lawful or not.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    hpack::{self, Decoder},
    message::Fields,
    tls::{self, ClientTls},
    wire::{Fault, Wire},
};

/// Frame types (RFC 9113 §6).
#[expect(missing_docs, reason = "the names of the RFC")]
pub mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Frame flags.
#[expect(missing_docs, reason = "the names of the RFC")]
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// Error codes (RFC 9113 §7).
#[expect(missing_docs, reason = "the names of the RFC")]
pub mod error {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Settings (RFC 9113 §6.5.2).
#[expect(missing_docs, reason = "the names of the RFC")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of [`frame`].
    pub kind: u8,
    /// Of [`flag`].
    pub flags: u8,
    /// Stream, 0 for the connection.
    pub stream: u32,
    /// Payload, padding included.
    pub payload: Vec<u8>,
}

/// What came of one stream.
#[derive(Debug, Clone, Default)]
pub struct H2Outcome {
    /// Status code of the final response.
    pub status: u16,
    /// Status codes of interim responses.
    pub interim: Vec<u16>,
    /// Header fields, without `:status`.
    pub fields: Fields,
    /// Body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
    /// `true`: the stream ended as it should.
    pub ended: bool,
    /// Code of an RST_STREAM.
    pub reset: Option<u32>,
}

impl H2Outcome {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One HTTP/2 connection.
pub struct H2Client {
    wire: Wire,
    decoder: Decoder,
    streams: HashMap<u32, H2Outcome>,
    block: Option<(u32, u8, Vec<u8>)>,
    next_stream: u32,
    /// Whether SETTINGS and PING are acknowledged and windows kept open.
    pub polite: bool,
    /// Error code of a GOAWAY.
    pub goaway: Option<u32>,
    /// Last stream a GOAWAY named.
    pub last_stream: u32,
    /// The connection has ended.
    pub closed: bool,
    /// The peer's settings.
    pub settings: HashMap<u16, u32>,
    /// PING acknowledgements received.
    pub pongs: usize,
    /// Every frame type received, with its count.
    pub counts: HashMap<u8, usize>,
}

impl H2Client {
    /// Connects with prior knowledge: preface, then settings that allow no dynamic table.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::bare(address);
        client.hello(&[(setting::HEADER_TABLE_SIZE, 0), (setting::ENABLE_PUSH, 0)]);
        client
    }

    /// Connects over TLS; `h2` must be the outcome of ALPN.
    #[track_caller]
    pub fn tls(address: SocketAddr, settings: ClientTls) -> Self {
        let socket = TcpStream::connect(address).expect("a connection");
        let twin = socket.try_clone().expect("a second handle");
        let (stream, alpn) = tls::connect(twin, &settings.alpn(&["h2"])).expect("a handshake");
        assert_eq!(alpn.as_deref(), Some("h2"));
        let mut client = Self::over(Wire::new(Box::new(stream), socket));
        client.hello(&[(setting::HEADER_TABLE_SIZE, 0), (setting::ENABLE_PUSH, 0)]);
        client
    }

    /// Connects and sends nothing.
    #[track_caller]
    pub fn bare(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("a connection");
        let twin = socket.try_clone().expect("a second handle");
        Self::over(Wire::new(Box::new(twin), socket))
    }

    fn over(wire: Wire) -> Self {
        Self {
            wire,
            decoder: Decoder::default(),
            streams: HashMap::new(),
            block: None,
            next_stream: 1,
            polite: true,
            goaway: None,
            last_stream: 0,
            closed: false,
            settings: HashMap::new(),
            pongs: 0,
            counts: HashMap::new(),
        }
    }

    /// Sends the preface and settings, then a wide window for the connection.
    pub fn hello(&mut self, settings: &[(u16, u32)]) {
        let _ = self.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        let _ = self.frame(frame::SETTINGS, 0, 0, &payload);
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write(bytes)
    }

    /// The bytes of a frame.
    pub fn encode(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a frame of a test is small");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Sends a frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.raw(&Self::encode(kind, flags, stream, payload))
    }

    /// The number the next stream should have.
    pub fn next_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// A header block of literals.
    pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| hpack::literal(name, value)).collect()
    }

    /// Sends a header block on a stream, in CONTINUATION frames where it is long.
    pub fn headers(&mut self, stream: u32, block: &[u8], end: bool) -> io::Result<()> {
        let mut pieces = block.chunks(16_000).peekable();
        let end = if end { flag::END_STREAM } else { 0 };
        let first = pieces.next().unwrap_or_default();
        let done = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        let mut bytes = Self::encode(frame::HEADERS, end | done, stream, first);
        while let Some(piece) = pieces.next() {
            let done = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            bytes.extend(Self::encode(frame::CONTINUATION, done, stream, piece));
        }
        self.raw(&bytes)
    }

    /// Sends DATA.
    pub fn data(&mut self, stream: u32, bytes: &[u8], end: bool) -> io::Result<()> {
        self.frame(frame::DATA, if end { flag::END_STREAM } else { 0 }, stream, bytes)
    }

    /// Opens a stream with a request that has no body; its number.
    pub fn request(&mut self, fields: &[(&str, &str)]) -> u32 {
        let stream = self.next_stream();
        let _ = self.headers(stream, &Self::block(fields), true);
        stream
    }

    /// Opens a stream with a plain `GET`; its number.
    pub fn start_get(&mut self, path: &str) -> u32 {
        self.request(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "test"),
            (":path", path),
        ])
    }

    /// A plain `GET`, answered.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> H2Outcome {
        let stream = self.start_get(path);
        self.outcome(stream, Duration::from_secs(10))
    }

    /// What came of a stream; waits until it ended, was reset, or the connection closed.
    pub fn outcome(&mut self, stream: u32, limit: Duration) -> H2Outcome {
        self.pump(limit, |client| {
            client.streams.get(&stream).is_some_and(|o| o.ended || o.reset.is_some())
        });
        self.so_far(stream)
    }

    /// What came of a stream so far.
    pub fn so_far(&self, stream: u32) -> H2Outcome {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Reads frames until `enough`, the end of the connection, or for `limit`; whether it was
    /// enough.
    pub fn pump(&mut self, limit: Duration, mut enough: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if enough(self) {
                return true;
            }
            self.wire.deadline = deadline;
            match self.next() {
                Ok(Some(_)) => (),
                Ok(None) => {
                    self.closed = true;
                    return enough(self);
                }
                Err(Fault::TimedOut(_)) => return enough(self),
                Err(_) => {
                    self.closed = true;
                    return enough(self);
                }
            }
        }
    }

    /// Waits for the connection to be closed, with GOAWAY or without; `false` when it stays open.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.pump(limit, |client| client.closed);
        self.closed
    }

    /// Waits for GOAWAY or the end.
    pub fn goaway_within(&mut self, limit: Duration) -> bool {
        self.pump(limit, |client| client.closed || client.goaway.is_some())
    }

    /// Reads one frame before the deadline and takes note of it.
    fn next(&mut self) -> Result<Option<Frame>, Fault> {
        match self.wire.begin() {
            Ok(()) => (),
            Err(Fault::Closed) => return Ok(None),
            Err(fault) => return Err(fault),
        }
        // A frame is taken whole or not at all, so that a deadline leaves the buffer in step.
        while self.wire.buffered().len() < 9 {
            if self.wire.fill()? == 0 {
                return Ok(None);
            }
        }
        let head = self.wire.buffered();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        while self.wire.buffered().len() < 9 + length {
            if self.wire.fill()? == 0 {
                return Ok(None);
            }
        }
        let bytes = self.wire.take(9 + length, "a frame")?;
        let got = Frame {
            kind: bytes[3],
            flags: bytes[4],
            stream: u32::from_be_bytes([bytes[5] & 0x7f, bytes[6], bytes[7], bytes[8]]),
            payload: bytes[9..].to_vec(),
        };
        *self.counts.entry(got.kind).or_default() += 1;
        self.note(&got);
        Ok(Some(got))
    }

    fn note(&mut self, got: &Frame) {
        let number = |at: usize| {
            let bytes = got.payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_be_bytes)
        };
        match got.kind {
            frame::SETTINGS if got.flags & flag::ACK == 0 => {
                for pair in got.payload.chunks_exact(6) {
                    let id = u16::from_be_bytes([pair[0], pair[1]]);
                    let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
                    self.settings.insert(id, value);
                }
                if self.polite {
                    let _ = self.frame(frame::SETTINGS, flag::ACK, 0, &[]);
                }
            }
            frame::PING if got.flags & flag::ACK != 0 => self.pongs += 1,
            frame::PING if self.polite => {
                let _ = self.frame(frame::PING, flag::ACK, 0, &got.payload);
            }
            frame::GOAWAY => {
                self.last_stream = number(0);
                self.goaway = Some(number(4));
            }
            frame::RST_STREAM => {
                self.streams.entry(got.stream).or_default().reset = Some(number(0));
            }
            frame::DATA => {
                let outcome = self.streams.entry(got.stream).or_default();
                outcome.body.extend_from_slice(&got.payload);
                outcome.ended |= got.flags & flag::END_STREAM != 0;
                if self.polite && !got.payload.is_empty() {
                    let size = u32::try_from(got.payload.len()).expect("a frame is small");
                    let _ = self.frame(frame::WINDOW_UPDATE, 0, 0, &size.to_be_bytes());
                    if got.flags & flag::END_STREAM == 0 {
                        let size = size.to_be_bytes();
                        let _ = self.frame(frame::WINDOW_UPDATE, 0, got.stream, &size);
                    }
                }
            }
            frame::HEADERS => {
                self.block = Some((got.stream, got.flags, got.payload.clone()));
                self.end_block(got.flags);
            }
            frame::CONTINUATION => {
                if let Some((_, _, block)) = &mut self.block {
                    block.extend_from_slice(&got.payload);
                }
                self.end_block(got.flags);
            }
            _ => (),
        }
    }

    fn end_block(&mut self, flags: u8) {
        if flags & flag::END_HEADERS == 0 {
            return;
        }
        let Some((stream, first_flags, block)) = self.block.take() else { return };
        let fields = self.decoder.decode(&block).expect("the gateway writes HPACK");
        let outcome = self.streams.entry(stream).or_default();
        let status = fields.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, value)| value.parse::<u16>().ok());
        let rest = Fields(fields.into_iter().filter(|(name, _)| !name.starts_with(':')).collect());
        match status {
            Some(status @ 100..200) => outcome.interim.push(status),
            Some(status) => {
                outcome.status = status;
                outcome.fields = rest;
            }
            None => outcome.trailers = rest,
        }
        outcome.ended |= first_flags & flag::END_STREAM != 0;
    }
}
