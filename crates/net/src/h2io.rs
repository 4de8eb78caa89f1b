//! Bodies on HTTP/2 streams, as a source and a sink (RFC 9113 §5.2, §6.1).

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    conn::Pace,
    http1::{Fields, Head, may_trail},
    timer::Wait,
    transfer::{Piece, Sink, Source, TransferError},
};

/// Bytes a sink takes before it has to be flushed.
const SINK_BYTES: usize = 64 << 10;
/// Pieces up to this size are copied out, so that the buffer can be kept.
const COPIED_BYTES: usize = 4 << 10;

/// A body that arrives on an HTTP/2 stream.
#[derive(Debug)]
pub struct H2Source {
    stream: RecvStream,
    held: Bytes,
    trailers: Head,
    pace: Pace,
    received: u64,
    waited: u64,
    wait: Wait,
    empties: u32,
    empties_most: u32,
    ended: bool,
}

impl H2Source {
    /// The body on this stream. `empties_most`: empty DATA frames that are put up with (L20).
    pub fn new(stream: RecvStream, pace: Pace, empties_most: u32) -> Self {
        let ended = stream.is_end_stream();
        Self {
            stream,
            held: Bytes::new(),
            trailers: Head::default(),
            pace,
            received: 0,
            waited: 0,
            wait: Wait::default(),
            empties: 0,
            empties_most,
            ended,
        }
    }

    /// Sets how patient and how generous the reader is, once the request's API is known.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Whether the body was read to its end.
    pub fn is_done(&self) -> bool {
        self.ended
    }

    /// Bytes of data read.
    pub fn received(&self) -> u64 {
        self.received
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransferError>> {
        loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.waited += self.wait.end();
                    if bytes.is_empty() {
                        self.empties += 1;
                        if self.empties > self.empties_most {
                            return Poll::Ready(Err(TransferError::TooLarge));
                        }
                        continue;
                    }
                    self.held = bytes;
                    return Poll::Ready(Ok(true));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => {
                    let trailers = match self.stream.poll_trailers(cx) {
                        Poll::Ready(trailers) => trailers?,
                        Poll::Pending => return self.pending(cx),
                    };
                    self.wait.end();
                    for (name, value) in trailers.iter().flatten() {
                        self.trailers.push(name.as_str().as_bytes(), value.as_bytes());
                    }
                    self.ended = true;
                    return Poll::Ready(Ok(false));
                }
                Poll::Pending => return self.pending(cx),
            }
        }
    }

    fn pending<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TransferError>> {
        let patience = self.pace.patience(self.received, self.waited);
        ready!(self.wait.poll(cx, patience));
        self.wait.end();
        Poll::Ready(Err(TransferError::TooSlow))
    }
}

impl Source for H2Source {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        if self.held.is_empty() && (self.ended || !ready!(self.poll_held(cx))?) {
            return Poll::Ready(Ok(Piece::End));
        }
        let take = self.held.len().min(most);
        out.extend_from_slice(&self.held[..take]);
        self.held.advance(take);
        self.received += take as u64;
        if self.received > self.pace.most {
            return Poll::Ready(Err(TransferError::TooLarge));
        }
        // The window opens as data moves on, not as it arrives: that is the back-pressure.
        self.stream.flow_control().release_capacity(take)?;
        Poll::Ready(Ok(Piece::Data(take)))
    }

    fn is_ready(&self) -> bool {
        self.ended || !self.held.is_empty() || self.stream.is_end_stream()
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        (!self.trailers.is_empty()).then(|| self.trailers.fields())
    }
}

/// A body that leaves on an HTTP/2 stream.
#[derive(Debug)]
pub struct H2Sink {
    stream: SendStream<Bytes>,
    buffer: Vec<u8>,
    at: usize,
    last: Last,
    wait: Wait,
    stall: Duration,
}

#[derive(Debug)]
enum Last {
    /// More may be put.
    Open,
    /// Everything was put; the end of the stream, perhaps with trailers, has to be sent.
    Finishing(Option<HeaderMap>),
    /// It was sent.
    Sent,
}

impl H2Sink {
    /// The body on this stream; `ended`: the stream was ended with its head.
    pub fn new(stream: SendStream<Bytes>, ended: bool, stall: Duration) -> Self {
        let last = if ended { Last::Sent } else { Last::Open };
        Self { stream, buffer: Vec::new(), at: 0, last, wait: Wait::default(), stall }
    }

    /// Gives the stream up: the other side learns that the body is not whole.
    pub fn reset(&mut self, reason: h2::Reason) {
        self.stream.send_reset(reason);
    }

    /// The stream.
    pub fn stream(&mut self) -> &mut SendStream<Bytes> {
        &mut self.stream
    }

    fn send(&mut self, bytes: usize) -> Result<(), TransferError> {
        let whole = self.at + bytes == self.buffer.len();
        let data = if whole && self.at == 0 && bytes > COPIED_BYTES {
            Bytes::from(std::mem::take(&mut self.buffer))
        } else {
            Bytes::copy_from_slice(&self.buffer[self.at..self.at + bytes])
        };
        let last = whole && matches!(self.last, Last::Finishing(None));
        self.stream.send_data(data, last)?;
        if last {
            self.last = Last::Sent;
        }
        if whole {
            self.buffer.clear();
            self.at = 0;
        } else {
            self.at += bytes;
        }
        Ok(())
    }
}

impl Sink for H2Sink {
    fn room(&self) -> usize {
        SINK_BYTES.saturating_sub(self.buffer.len())
    }

    fn begin(&mut self) -> usize {
        self.buffer.len()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn end(&mut self, _mark: usize) {}

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        if matches!(self.last, Last::Open) {
            self.last = Last::Finishing(trailers.map(to_map).filter(|map| !map.is_empty()));
        }
    }

    fn is_flushed(&self) -> bool {
        self.at >= self.buffer.len() && !matches!(self.last, Last::Finishing(_))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        while self.at < self.buffer.len() {
            let left = self.buffer.len() - self.at;
            self.stream.reserve_capacity(left);
            let mut room = self.stream.capacity();
            if room == 0 {
                match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(more))) => room = more,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(None) => {
                        return Poll::Ready(Err(h2::Error::from(h2::Reason::CANCEL).into()));
                    }
                    Poll::Pending => {
                        // L18: a window that stays closed.
                        ready!(self.wait.poll(cx, self.stall));
                        self.wait.end();
                        return Poll::Ready(Err(TransferError::TooSlow));
                    }
                }
            }
            if room > 0 {
                self.wait.end();
                self.send(room.min(left))?;
            }
        }
        match std::mem::replace(&mut self.last, Last::Sent) {
            Last::Open => self.last = Last::Open,
            Last::Finishing(Some(trailers)) => self.stream.send_trailers(trailers)?,
            Last::Finishing(None) => self.stream.send_data(Bytes::new(), true)?,
            Last::Sent => {}
        }
        Poll::Ready(Ok(()))
    }
}

/// Trailer fields as HTTP/2 wants them. Fields that frame, route or authenticate may not travel
/// there (RFC 9110 §6.5.1) and are left out.
fn to_map(fields: Fields<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (_, name, value) in fields {
        if !may_trail(name) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    }
    map
}
