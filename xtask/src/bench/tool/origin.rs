//! The service behind the proxies: answers that were made before the question came.
//!
//! `…/16k` gets 16 KiB, every other path 200 bytes. A second listener, for large bodies, streams
//! `…/bytes/N` and counts what is sent to `…/sink`, one thread a connection.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use rustix::event::epoll;

use crate::options::Options;
use crate::response::{end_of_head, header};

const LISTENER: u64 = u64::MAX;

/// Serves until killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(address) = options.optional("big") {
        let listener = TcpListener::bind(address)?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A peer that goes away in the middle is its own business.
                std::thread::spawn(move || big(stream).unwrap_or_default());
            }
        });
    }
    serve(&TcpListener::bind(options.text("listen")?)?)
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request that came in pieces.
    pending: Vec<u8>,
    /// Bytes of answers that did not fit the socket.
    unsent: Vec<u8>,
}

fn serve(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let (small, large) = (answer(200), answer(16 << 10));
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let index = event.data.u64();
            if index == LISTENER {
                accept(listener, &poll, &mut connections, &mut free)?;
                continue;
            }
            let index = index as usize;
            let Some(Some(connection)) = connections.get_mut(index) else { continue };
            if connection.advance(&poll, index, &mut buffer, &small, &large).is_err() {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &rustix::fd::OwnedFd,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) -> Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let index = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll::add(poll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        connections[index] = Some(Connection { stream, pending: Vec::new(), unsent: Vec::new() });
    }
}

impl Connection {
    /// Takes what arrived and answers each complete request. An error ends the connection.
    fn advance(
        &mut self,
        poll: &rustix::fd::OwnedFd,
        index: usize,
        buffer: &mut [u8],
        small: &[u8],
        large: &[u8],
    ) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.send_rest(poll, index)?;
        }
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut bytes = &buffer[..length];
        let joined;
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.pending);
            bytes = &joined;
        }
        while let Some(end) = end_of_head(bytes) {
            let path = bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            self.send(poll, index, if path.ends_with(b"/16k") { large } else { small })?;
            bytes = &bytes[end..];
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, poll: &rustix::fd::OwnedFd, index: usize, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() { write(&mut self.stream, bytes)? } else { 0 };
        if sent < bytes.len() {
            self.unsent.extend_from_slice(&bytes[sent..]);
            self.interest(poll, index, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        }
        Ok(())
    }

    fn send_rest(&mut self, poll: &rustix::fd::OwnedFd, index: usize) -> io::Result<()> {
        let sent = write(&mut self.stream, &self.unsent)?;
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.interest(poll, index, epoll::EventFlags::IN)
        } else {
            Ok(())
        }
    }

    fn interest(
        &self,
        poll: &rustix::fd::OwnedFd,
        index: usize,
        flags: epoll::EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::modify(poll, &self.stream, epoll::EventData::new_u64(index as u64), flags)?)
    }
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

fn answer(length: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

/// Serves one connection of large bodies.
fn big(stream: TcpStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        match path.rsplit_once("/bytes/").and_then(|(_, number)| number.parse::<u64>().ok()) {
            Some(length) => {
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
                io::copy(&mut io::repeat(b'x').take(length), &mut out)?;
            }
            None => {
                let received = swallow(&head, &mut reader)?.to_string();
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{received}",
                    received.len()
                )?;
            }
        }
    }
}

/// Reads a request body to its end and says how long it was.
fn swallow(head: &str, reader: &mut impl BufRead) -> io::Result<u64> {
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    if let Some(length) = header(head, "content-length") {
        let length: u64 = length.parse().map_err(|_| invalid())?;
        return io::copy(&mut reader.take(length), &mut io::sink());
    }
    if header(head, "transfer-encoding").is_none() {
        return Ok(0);
    }
    let mut total = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(|_| invalid())?;
        total += io::copy(&mut reader.by_ref().take(size), &mut io::sink())?;
        line.clear();
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_upload_is_counted_without_its_framing() {
        let mut body =
            BufReader::new(&b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nnext"[..]);
        let head = "POST /sink HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(swallow(head, &mut body).unwrap(), 21);
        let mut rest = String::new();
        body.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "next");
    }
}
