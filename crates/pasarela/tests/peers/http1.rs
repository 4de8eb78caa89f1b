//! A small HTTP/1.1 client on a blocking socket, independent of the gateway's codec: sends bytes as
//! they are given and reads answers one by one.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Names in lower case and values, in order.
type Fields = Vec<(String, Vec<u8>)>;

/// One final answer and what came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    /// Statuses of interim answers.
    pub(crate) interim: Vec<u16>,
    /// Whether the body ended with the connection.
    pub(crate) until_close: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn says(&self, name: &str, token: &str) -> bool {
        self.headers.iter().filter(|(n, _)| n == name).any(|(_, value)| {
            String::from_utf8_lossy(value)
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        })
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The other side closed or reset before an answer began.
    Closed,
    /// Nothing more came in time.
    Silence,
    /// What came is no HTTP answer, or stopped in the middle of one.
    Broken(String),
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("nobody listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes. An error is not one here: the other side may have refused and closed already.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads the answer to a request of this method.
    pub(crate) fn answer(&mut self, method: &str) -> Result<Answer, NoAnswer> {
        let mut interim = Vec::new();
        loop {
            let (status, headers) = self.head()?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let mut answer = Answer {
                status,
                headers,
                body: Vec::new(),
                trailers: Vec::new(),
                interim,
                until_close: false,
            };
            self.body(method, &mut answer)?;
            return Ok(answer);
        }
    }

    fn head(&mut self) -> Result<(u16, Fields), NoAnswer> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.fill()? == 0 {
                return Err(match self.buffer.is_empty() {
                    true => NoAnswer::Closed,
                    false => NoAnswer::Broken(format!("head cut: {}", show(&self.buffer))),
                });
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let broken = || NoAnswer::Broken(show(&head));
        let text = &head[..end];
        let mut lines = split_lines(text);
        let line = lines.next().ok_or_else(broken)?;
        if !line.starts_with(b"HTTP/1.") || line.len() < 12 {
            return Err(broken());
        }
        let status = std::str::from_utf8(&line[9..12]).ok().and_then(|t| t.parse().ok());
        let status = status.ok_or_else(broken)?;
        Ok((status, lines.map(|line| field(line).ok_or_else(broken)).collect::<Result<_, _>>()?))
    }

    fn body(&mut self, method: &str, answer: &mut Answer) -> Result<(), NoAnswer> {
        if method == "HEAD" || matches!(answer.status, 101 | 204 | 304) {
            return Ok(());
        }
        if answer.says("transfer-encoding", "chunked") {
            return self.chunks(answer);
        }
        let lengths: Vec<_> =
            answer.headers.iter().filter(|(n, _)| n == "content-length").collect();
        match lengths.as_slice() {
            [] => {
                while self.fill()? > 0 {}
                answer.body = std::mem::take(&mut self.buffer);
                answer.until_close = true;
                Ok(())
            }
            [(_, value)] => {
                let length = std::str::from_utf8(value).ok().and_then(|t| t.parse::<usize>().ok());
                let length = length.ok_or_else(|| NoAnswer::Broken("content-length".into()))?;
                answer.body = self.take(length)?;
                Ok(())
            }
            _ => Err(NoAnswer::Broken("several content-lengths".into())),
        }
    }

    fn chunks(&mut self, answer: &mut Answer) -> Result<(), NoAnswer> {
        loop {
            let line = self.line()?;
            let size = line.split(|&b| b == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size)
                .ok()
                .and_then(|t| usize::from_str_radix(t.trim(), 16).ok());
            let size = size.ok_or_else(|| NoAnswer::Broken(format!("chunk {}", show(&line))))?;
            if size == 0 {
                break;
            }
            answer.body.extend(self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(NoAnswer::Broken("no line end after a chunk".into()));
            }
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(());
            }
            answer.trailers.push(field(&line).ok_or_else(|| NoAnswer::Broken("trailer".into()))?);
        }
    }

    fn line(&mut self) -> Result<Vec<u8>, NoAnswer> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(line);
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, NoAnswer> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn more(&mut self) -> Result<(), NoAnswer> {
        match self.fill()? {
            0 => Err(NoAnswer::Broken(format!("cut after {} bytes", self.buffer.len()))),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> Result<usize, NoAnswer> {
        let mut part = [0; 65536];
        match self.stream.read(&mut part) {
            Ok(count) => {
                self.buffer.extend_from_slice(&part[..count]);
                Ok(count)
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                Err(NoAnswer::Silence)
            }
            Err(_) => Err(NoAnswer::Closed),
        }
    }
}

fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    // A bare CR is no answer to compare with (lighttpd makes one out of a trailer).
    if line.contains(&b'\r') {
        return None;
    }
    let colon = line.iter().position(|&b| b == b':')?;
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    Some((name, line[colon + 1..].trim_ascii().to_vec()))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Bytes as a person can read them, cut at a length a terminal bears.
pub(crate) fn show(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(600)];
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", cut.escape_ascii())
}
