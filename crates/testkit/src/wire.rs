//! A byte stream with a buffer and a deadline, and the strict HTTP/1.1 reading both sides share.

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    message::{Fields, Framing},
    show,
};

/// Why nothing (more) could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The peer closed before the first byte of a message.
    Closed,
    /// The peer reset the connection before the first byte of a message.
    Reset,
    /// The peer closed or reset in the middle of a message.
    Cut(String),
    /// The time for it passed.
    TimedOut(String),
    /// Bytes that no strict reader accepts.
    Invalid(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Reset => f.write_str("reset"),
            Self::Cut(text) => write!(f, "cut: {text}"),
            Self::TimedOut(text) => write!(f, "timed out: {text}"),
            Self::Invalid(text) => write!(f, "invalid: {text}"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a connection is made of: TCP, or TLS over it.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A stream, what was read of it too early, and its TCP socket for time-outs and shutdowns.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    pub(crate) socket: TcpStream,
    buffer: Vec<u8>,
    /// Every byte that arrived, while `keep` is set.
    pub(crate) raw: Vec<u8>,
    pub(crate) keep: bool,
    /// The peer ended its sending and said so, where TLS has a word for it.
    pub(crate) said_goodbye: bool,
    pub(crate) deadline: Instant,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("nodelay on a connected socket");
        Self {
            stream,
            socket,
            buffer: Vec::new(),
            raw: Vec::new(),
            keep: false,
            said_goodbye: false,
            deadline: Instant::now() + Duration::from_secs(10),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.set_write_timeout(Some(Duration::from_secs(20)))?;
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads once into the buffer; 0 is the end.
    pub(crate) fn fill(&mut self) -> Result<usize, Fault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::TimedOut(format!("have {}", show(&self.buffer))));
        }
        self.socket.set_read_timeout(Some(left)).expect("a read time-out");
        let mut chunk = [0; 64 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(read) => {
                    self.said_goodbye |= read == 0;
                    self.buffer.extend_from_slice(&chunk[..read]);
                    if self.keep {
                        self.raw.extend_from_slice(&chunk[..read]);
                    }
                    return Ok(read);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => (),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Err(Fault::TimedOut(format!("have {}", show(&self.buffer))));
                    }
                    // A TLS peer that closes without `close_notify` ends the stream all the same.
                    io::ErrorKind::UnexpectedEof => return Ok(0),
                    _ => return Err(Fault::Reset),
                },
            }
        }
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    pub(crate) fn take_buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Waits for the first byte of a message.
    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        while self.buffer.is_empty() {
            if self.fill()? == 0 {
                return Err(Fault::Closed);
            }
        }
        Ok(())
    }

    fn more(&mut self, doing: &str) -> Result<(), Fault> {
        match self.fill() {
            Ok(0) => Err(Fault::Cut(format!("closed in {doing}, have {}", show(&self.buffer)))),
            Ok(_) => Ok(()),
            Err(Fault::Reset) => {
                Err(Fault::Cut(format!("reset in {doing}, have {}", show(&self.buffer))))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Exactly `count` bytes.
    pub(crate) fn take(&mut self, count: usize, doing: &str) -> Result<Vec<u8>, Fault> {
        while self.buffer.len() < count {
            self.more(doing)?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// One line without its CRLF. A bare CR, LF or NUL in it is a fault.
    pub(crate) fn line(&mut self, doing: &str) -> Result<Vec<u8>, Fault> {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=from + at).collect();
                line.pop();
                if line.pop() != Some(b'\r') {
                    return Err(Fault::Invalid(format!("bare LF in {doing}: {}", show(&line))));
                }
                if line.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
                    return Err(Fault::Invalid(format!("control in {doing}: {}", show(&line))));
                }
                return Ok(line);
            }
            from = self.buffer.len();
            if from > 1 << 20 {
                return Err(Fault::Invalid(format!("endless line in {doing}")));
            }
            self.more(doing)?;
        }
    }

    /// Field lines up to and with the empty line.
    pub(crate) fn fields(&mut self, doing: &str) -> Result<Fields, Fault> {
        let mut fields = Fields::default();
        loop {
            let line = self.line(doing)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let bad = |what: &str| Fault::Invalid(format!("{what} in {doing}: {}", show(&line)));
            let colon =
                line.iter().position(|byte| *byte == b':').ok_or_else(|| bad("no colon"))?;
            let name = &line[..colon];
            if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
                return Err(bad("no token before the colon"));
            }
            // ISO 8859-1: every byte is a character, so nothing is lost.
            let latin = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
            let value = latin(&line[colon + 1..]);
            fields.0.push((latin(name), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    /// The next piece of a body, as it arrives; `None` after the last.
    pub(crate) fn body_piece(&mut self, reader: &mut BodyReader) -> Result<Option<Vec<u8>>, Fault> {
        if reader.ended {
            return Ok(None);
        }
        match reader.framing {
            Framing::None => reader.ended = true,
            Framing::Length(0) => reader.ended = true,
            Framing::Length(_) => {
                if self.buffer.is_empty() {
                    self.more("a body")?;
                }
                return Ok(Some(self.body_bytes(reader)));
            }
            Framing::UntilClose => {
                while self.buffer.is_empty() {
                    match self.fill() {
                        Ok(0) => {
                            reader.ended = true;
                            return Ok(None);
                        }
                        Ok(_) => (),
                        Err(Fault::Reset) => return Err(Fault::Cut("reset in a body".into())),
                        Err(fault) => return Err(fault),
                    }
                }
                return Ok(Some(self.take_buffered()));
            }
            Framing::Chunked => {
                if reader.left == 0 {
                    let line = self.line("a chunk size")?;
                    let text = String::from_utf8_lossy(&line).into_owned();
                    let good = !line.is_empty()
                        && line.len() <= 16
                        && line.iter().all(u8::is_ascii_hexdigit);
                    if !good {
                        return Err(Fault::Invalid(format!("chunk size {text:?}")));
                    }
                    reader.left = u64::from_str_radix(&text, 16).expect("sixteen hex digits");
                    if reader.left == 0 {
                        reader.trailers = self.fields("trailers")?;
                        reader.ended = true;
                        return Ok(None);
                    }
                }
                if self.buffer.is_empty() {
                    self.more("a chunk")?;
                }
                let piece = self.body_bytes(reader);
                if reader.left == 0 {
                    let end = self.take(2, "the end of a chunk")?;
                    if end != b"\r\n" {
                        return Err(Fault::Invalid(format!("chunk ends with {}", show(&end))));
                    }
                }
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn body_bytes(&mut self, reader: &mut BodyReader) -> Vec<u8> {
        let count = usize::try_from(reader.left).unwrap_or(usize::MAX).min(self.buffer.len());
        reader.left -= count as u64;
        if let Framing::Length(_) = reader.framing {
            reader.framing = Framing::Length(reader.left);
        }
        if count == self.buffer.len() {
            return self.take_buffered();
        }
        self.buffer.drain(..count).collect()
    }
}

/// Where we are in a body.
pub(crate) struct BodyReader {
    framing: Framing,
    left: u64,
    ended: bool,
    pub(crate) trailers: Fields,
}

impl BodyReader {
    pub(crate) fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Self { framing, left, ended: false, trailers: Fields::default() }
    }
}

pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
