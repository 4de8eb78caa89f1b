//! Counts HTTP/2 frames as they pass, for limits that the protocol engine does not keep (L19, L20).
//!
//! A peer may send any number of frames that cost it nothing and us something. The guard sits under
//! the engine, reads nothing but frame headers (RFC 9113 §4.1), and remembers when a limit was
//! passed; whoever drives the connection looks and ends it.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::timer;

/// Limits on frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// L19: streams reset in ten seconds, by either side.
    pub resets: u32,
    /// L20: PING, SETTINGS and PRIORITY frames received in ten seconds.
    pub control: u32,
    /// L20: CONTINUATION frames in one header block.
    pub continuations: u32,
}

/// Length of the client's preface (RFC 9113 §3.4).
const PREFACE: usize = 24;
const WINDOW_MS: u64 = 10_000;

const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;

/// What was counted.
#[derive(Debug)]
pub struct Counts {
    limits: FrameLimits,
    window: u64,
    resets: u32,
    control: u32,
    empties: u32,
    continuations: u32,
    passed: Option<&'static str>,
}

impl Counts {
    /// The limit that was passed, if one was.
    pub fn passed(&self) -> Option<&'static str> {
        self.passed
    }

    fn frame(&mut self, received: bool, kind: u8, flags: u8, length: usize) {
        let now = timer::now();
        if now >= self.window + WINDOW_MS {
            (self.window, self.resets, self.control, self.empties) = (now, 0, 0, 0);
        }
        if received && kind != CONTINUATION {
            self.continuations = 0;
        }
        let over = match (received, kind) {
            (_, RST_STREAM) => {
                self.resets += 1;
                (self.resets > self.limits.resets).then_some("stream resets")
            }
            (true, PING | SETTINGS | PRIORITY) if flags & ACK == 0 || kind == PRIORITY => {
                self.control += 1;
                (self.control > self.limits.control).then_some("control frames")
            }
            (true, DATA) if length == 0 && flags & END_STREAM == 0 => {
                self.empties += 1;
                (self.empties > self.limits.control).then_some("empty data frames")
            }
            (true, CONTINUATION) => {
                self.continuations += 1;
                (self.continuations > self.limits.continuations).then_some("continuations")
            }
            _ => None,
        };
        self.passed = self.passed.or(over);
    }
}

/// Follows the frames in one direction.
#[derive(Debug, Default)]
struct Scanner {
    header: [u8; 9],
    have: usize,
    skip: usize,
}

impl Scanner {
    fn scan(&mut self, mut bytes: &[u8], received: bool, counts: &mut Counts) {
        loop {
            let skip = self.skip.min(bytes.len());
            self.skip -= skip;
            bytes = &bytes[skip..];
            if bytes.is_empty() {
                return;
            }
            let take = (9 - self.have).min(bytes.len());
            self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
            self.have += take;
            bytes = &bytes[take..];
            if self.have < 9 {
                return;
            }
            let [a, b, c, kind, flags, ..] = self.header;
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            counts.frame(received, kind, flags, length);
            (self.have, self.skip) = (0, length);
        }
    }
}

/// A byte stream whose frames are counted.
#[derive(Debug)]
pub struct Guarded<S> {
    inner: S,
    received: Scanner,
    sent: Scanner,
    counts: Rc<RefCell<Counts>>,
}

impl<S> Guarded<S> {
    /// Counts what passes through `inner`, which begins with the client's preface.
    pub fn new(inner: S, limits: FrameLimits) -> (Self, Rc<RefCell<Counts>>) {
        let counts = Rc::new(RefCell::new(Counts {
            limits,
            window: timer::now(),
            resets: 0,
            control: 0,
            empties: 0,
            continuations: 0,
            passed: None,
        }));
        let received = Scanner { skip: PREFACE, ..Scanner::default() };
        let guarded = Self { inner, received, sent: Scanner::default(), counts: counts.clone() };
        (guarded, counts)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let this = &mut *self;
        this.received.scan(&buf.filled()[before..], true, &mut this.counts.borrow_mut());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        let this = &mut *self;
        this.sent.scan(&buf[..sent], false, &mut this.counts.borrow_mut());
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        let this = &mut *self;
        let (mut left, mut counts) = (sent, this.counts.borrow_mut());
        for buf in bufs {
            let part = buf.len().min(left);
            this.sent.scan(&buf[..part], false, &mut counts);
            left -= part;
        }
        drop(counts);
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        out.extend_from_slice(payload);
        out
    }

    fn count(frames: &[Vec<u8>], piece: usize) -> Option<&'static str> {
        let limits = FrameLimits { resets: 3, control: 5, continuations: 2 };
        let (mut guarded, counts) = Guarded::new((), limits);
        let mut bytes = vec![0; PREFACE];
        bytes.extend(frames.concat());
        for piece in bytes.chunks(piece) {
            guarded.received.scan(piece, true, &mut counts.borrow_mut());
        }
        counts.borrow().passed()
    }

    #[test]
    fn t39_t40_floods_are_noticed_at_the_frame_that_is_too_many() {
        for (kind, payload, most, name) in [
            (RST_STREAM, &[0u8, 0, 0, 8][..], 3, "stream resets"),
            (PING, &[0; 8], 5, "control frames"),
            (SETTINGS, &[], 5, "control frames"),
            (PRIORITY, &[0; 5], 5, "control frames"),
            (DATA, &[], 5, "empty data frames"),
            (CONTINUATION, &[1, 2], 2, "continuations"),
        ] {
            for piece in [1, 7, 9, 1000] {
                assert_eq!(count(&vec![frame(kind, 0, payload); most], piece), None);
                let many = vec![frame(kind, 0, payload); most + 1];
                assert_eq!(count(&many, piece), Some(name));
            }
        }
        assert_eq!(count(&vec![frame(PING, ACK, &[0; 8]); 50], 100), None, "answers are free");
        assert_eq!(count(&vec![frame(DATA, 0, b"x"); 50], 100), None);
    }
}
