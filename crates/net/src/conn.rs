//! One HTTP/1.1 connection: a stream, bytes received and not yet used, bytes to be sent.
//!
//! A connection has two halves that are used at the same time while bodies stream both ways, by
//! one task: the stream sits in a `RefCell` that is borrowed for the length of a poll.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    buffers,
    http1::{self, Decoder, Fields, Head},
    stream::Stream,
    timer::Wait,
    transfer::{Piece, Sink, Source, TransferError},
};

/// Bytes a sink takes before it has to be flushed.
const SINK_BYTES: usize = 64 << 10;
/// Most bytes of one piece; well under what a chunk can hold.
const PIECE_BYTES: usize = 32 << 10;
/// Least bytes of one piece: below that a sink is flushed first.
const PIECE_LEAST: usize = 1 << 10;
/// How often a connection whose other side has said all is asked whether it still stands: nothing
/// wakes us for that alone.
const LOOK: Duration = Duration::from_millis(200);

/// A connection.
#[derive(Debug)]
pub struct Conn {
    io: RefCell<Stream>,
    /// The receiving half's state.
    pub reader: Reader,
    /// The sending half's state.
    pub writer: Writer,
}

/// Bytes received.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    wait: Wait,
}

/// Bytes to be sent.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
    at: usize,
    wait: Wait,
}

impl Conn {
    /// A connection over a stream.
    pub fn new(stream: Stream) -> Self {
        Self { io: RefCell::new(stream), reader: Reader::default(), writer: Writer::default() }
    }

    /// The stream, and the bytes received but not used.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.reader.compact();
        (self.io.into_inner(), std::mem::take(&mut self.reader.buffer))
    }

    /// The stream.
    pub fn stream(&self) -> &RefCell<Stream> {
        &self.io
    }

    /// Both halves, to be used at the same time.
    #[inline]
    pub fn halves(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (
            ReadHalf { io: &self.io, reader: &mut self.reader },
            WriteHalf { io: &self.io, writer: &mut self.writer },
        )
    }

    /// The receiving half.
    #[inline]
    pub fn read_half(&mut self) -> ReadHalf<'_> {
        ReadHalf { io: &self.io, reader: &mut self.reader }
    }

    /// The sending half.
    #[inline]
    pub fn write_half(&mut self) -> WriteHalf<'_> {
        WriteHalf { io: &self.io, writer: &mut self.writer }
    }

    /// Whether an idle connection is still as it was left: open, and nothing received. Costs no
    /// system call unless something happened.
    pub fn is_quiet(&mut self) -> bool {
        if self.reader.ended || !self.reader.bytes().is_empty() || !self.writer.is_empty() {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.read_half().poll_fill(&mut cx).is_pending()
    }

    /// To be called before an idle connection is closed: the other side is told that nothing was
    /// cut off (RFC 8446 §6.1), if that takes no waiting. Without TLS the closing itself says it.
    pub fn farewell(&mut self) {
        if self.io.get_mut().is_tls() {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = self.write_half().poll_shutdown(&mut cx, Duration::ZERO);
        }
    }

    /// Ends the connection: what is left to be sent is sent if that takes no waiting.
    pub async fn shutdown(mut self, patience: Duration) {
        let mut half = self.write_half();
        let _ = std::future::poll_fn(|cx| half.poll_shutdown(cx, patience)).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.buffer));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.buffer));
    }
}

impl Reader {
    /// Bytes received and not yet used.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or(&[])
    }

    /// Whether the other side has ended its sending.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Marks bytes as used. The buffer goes back when the last one is.
    #[inline]
    pub fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        debug_assert!(self.at <= self.buffer.len(), "more was used than was there");
        if self.at >= self.buffer.len() && self.buffer.capacity() > 0 {
            buffers::give(std::mem::take(&mut self.buffer));
            self.at = 0;
        }
    }

    fn compact(&mut self) {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
    }
}

impl Writer {
    /// The buffer to append to.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers::take();
        }
        &mut self.buffer
    }

    /// Whether nothing is left to be sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at >= self.buffer.len()
    }

    /// Bytes left to be sent.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Forgets what was not sent.
    pub fn discard(&mut self) {
        self.at = 0;
        self.buffer.clear();
    }
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct ReadHalf<'a> {
    io: &'a RefCell<Stream>,
    /// Its state.
    pub reader: &'a mut Reader,
}

impl ReadHalf<'_> {
    /// Receives some bytes. `false`: the other side has ended its sending.
    ///
    /// # Errors
    /// The connection failed.
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.poll_fill_most(cx, usize::MAX)
    }

    /// As [`ReadHalf::poll_fill`], at most so many bytes.
    ///
    /// # Errors
    /// The connection failed.
    #[inline]
    pub fn poll_fill_most(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<bool>> {
        if self.reader.ended {
            return Poll::Ready(Ok(false));
        }
        let mut stream = self.io.borrow_mut();
        let reader = &mut *self.reader;
        buffers::with_scratch(|scratch| {
            let most = most.min(scratch.len());
            let mut buf = ReadBuf::new(&mut scratch[..most]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
            let received = buf.filled();
            if received.is_empty() {
                reader.ended = true;
                return Poll::Ready(Ok(false));
            }
            if reader.buffer.capacity() == 0 {
                reader.buffer = buffers::take();
            } else {
                reader.compact();
            }
            reader.buffer.extend_from_slice(received);
            Poll::Ready(Ok(true))
        })
    }

    /// As [`ReadHalf::poll_fill`], waiting at most `most`.
    ///
    /// # Errors
    /// `TimedOut` when nothing came in time.
    #[inline]
    pub fn poll_fill_within(
        &mut self,
        cx: &mut Context<'_>,
        most: Duration,
    ) -> Poll<io::Result<bool>> {
        match self.poll_fill(cx) {
            Poll::Ready(done) => {
                self.reader.wait.end();
                Poll::Ready(done)
            }
            Poll::Pending => match self.reader.wait.poll(cx, most) {
                Poll::Ready(()) => {
                    self.reader.wait.end();
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl ReadHalf<'_> {
    /// Ready when the connection has failed; for one whose other side has ended its sending.
    fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.reader.wait.poll(cx, LOOK));
            self.reader.wait.end();
            if !matches!(self.io.borrow().tcp().take_error(), Ok(None)) {
                return Poll::Ready(());
            }
        }
    }
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct WriteHalf<'a> {
    io: &'a RefCell<Stream>,
    /// Its state.
    pub writer: &'a mut Writer,
}

impl WriteHalf<'_> {
    /// Sends what is in the buffer, waiting at most `stall` without progress (L10).
    ///
    /// # Errors
    /// The connection failed, or `TimedOut`.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, stall: Duration) -> Poll<io::Result<()>> {
        let mut stream = self.io.borrow_mut();
        let writer = &mut *self.writer;
        while writer.at < writer.buffer.len() {
            match Pin::new(&mut *stream).poll_write(cx, &writer.buffer[writer.at..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => {
                    writer.at += sent;
                    writer.wait.end();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    writer.compact();
                    return writer.stalled(cx, stall);
                }
            }
        }
        match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return writer.stalled(cx, stall),
        }
        writer.wait.end();
        writer.at = 0;
        if writer.buffer.capacity() > 0 {
            buffers::give(std::mem::take(&mut writer.buffer));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is left and says that nothing follows.
    ///
    /// # Errors
    /// As [`WriteHalf::poll_flush`].
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>, stall: Duration) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx, stall))?;
        let done = Pin::new(&mut *self.io.borrow_mut()).poll_shutdown(cx);
        match done {
            Poll::Ready(done) => {
                self.writer.wait.end();
                Poll::Ready(done)
            }
            Poll::Pending => self.writer.stalled(cx, stall),
        }
    }
}

impl Writer {
    /// Drops what was sent. A peer that takes a little now and then would otherwise never let the
    /// buffer become empty, and it would grow to the size of the whole body.
    fn compact(&mut self) {
        if self.at >= PIECE_BYTES {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
    }

    fn stalled(&mut self, cx: &mut Context<'_>, stall: Duration) -> Poll<io::Result<()>> {
        ready!(self.wait.poll(cx, stall));
        self.wait.end();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// How patient a body's reader is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest single wait for data.
    pub idle: Duration,
    /// L9: least rate in bytes a second once `grace` has been spent waiting; 0: none.
    pub rate: u32,
    /// Time before the rate counts.
    pub grace: Duration,
    /// Most bytes (L12).
    pub most: u64,
}

impl Pace {
    /// How long the next wait may last, after so many bytes and so many milliseconds of waiting.
    pub(crate) fn patience(&self, received: u64, waited: u64) -> Duration {
        if self.rate == 0 {
            return self.idle;
        }
        let earned = received.saturating_mul(1000) / u64::from(self.rate);
        let grace = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX);
        let left = grace.saturating_add(earned).saturating_sub(waited);
        Duration::from_millis(left).min(self.idle)
    }
}

/// A body that arrives on an HTTP/1.1 connection.
#[derive(Debug)]
pub struct Http1Source<'a> {
    half: ReadHalf<'a>,
    decoder: &'a mut Decoder,
    trailers: Head,
    pace: Pace,
    received: u64,
    waited: u64,
    ahead: usize,
}

impl<'a> Http1Source<'a> {
    /// The body that this decoder takes apart, on this connection. The decoder stays with the
    /// caller, who learns from it whether the body was read to its end.
    pub fn new(half: ReadHalf<'a>, decoder: &'a mut Decoder, pace: Pace) -> Self {
        // A wait that the last reader left unfinished was as long as that one's patience.
        half.reader.wait.end();
        Self {
            half,
            decoder,
            trailers: Head::default(),
            pace,
            received: 0,
            waited: 0,
            ahead: usize::MAX,
        }
    }

    /// Bytes of data read.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Ready when the other side has left although it still awaits an answer: its connection
    /// failed. One that has only said that it sends no more may still listen (RFC 9112 §9.6), and
    /// if it does not, the first bytes of its answer bring a reset back. To be asked only when the
    /// body was read to its end; requests that follow on the same connection are kept for later,
    /// up to a bound.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.decoder.is_done() && self.half.reader.bytes().len() < PIECE_BYTES {
            match ready!(self.half.poll_fill(cx)) {
                Ok(true) => {}
                Ok(false) => return self.half.poll_failed(cx),
                Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl Source for Http1Source<'_> {
    #[inline]
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        loop {
            if self.decoder.is_done() {
                return Poll::Ready(Ok(Piece::End));
            }
            let bytes = self.half.reader.bytes();
            if !bytes.is_empty() {
                let view = &bytes[..bytes.len().min(most)];
                let mut found = self.decoder.decode(view, &mut self.trailers)?;
                if found.consumed == 0 && !found.done && view.len() < bytes.len() {
                    // A chunk-size line or trailer section longer than `most`.
                    let view = &bytes[..bytes.len().min(PIECE_BYTES)];
                    found = self.decoder.decode(view, &mut self.trailers)?;
                }
                let data = found.data.len();
                out.extend_from_slice(&bytes[found.data]);
                self.half.reader.consume(found.consumed);
                self.received += data as u64;
                if self.received > self.pace.most {
                    return Poll::Ready(Err(TransferError::TooLarge));
                }
                if data > 0 {
                    return Poll::Ready(Ok(Piece::Data(data)));
                }
                if found.done || found.consumed > 0 {
                    continue;
                }
            }
            let patience = self.pace.patience(self.received, self.waited);
            let ahead = match self.ahead {
                usize::MAX => usize::MAX,
                ahead => ahead.min(most.max(PIECE_LEAST)),
            };
            match self.half.poll_fill_most(cx, ahead) {
                Poll::Ready(Ok(true)) => self.waited += self.half.reader.wait.end(),
                Poll::Ready(Ok(false)) => {
                    self.half.reader.wait.end();
                    self.decoder.end_of_input()?;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    ready!(self.half.reader.wait.poll(cx, patience));
                    self.half.reader.wait.end();
                    return Poll::Ready(Err(TransferError::TooSlow));
                }
            }
        }
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.decoder.is_done() || !self.half.reader.bytes().is_empty()
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        (!self.trailers.is_empty()).then(|| self.trailers.fields())
    }

    fn set_ahead(&mut self, bytes: usize) {
        self.ahead = bytes;
    }
}

/// A body that leaves on an HTTP/1.1 connection, behind whatever its buffer holds already.
#[derive(Debug)]
pub struct Http1Sink<'a> {
    half: WriteHalf<'a>,
    chunked: bool,
    stall: Duration,
}

impl<'a> Http1Sink<'a> {
    /// `chunked`: whether the body goes out in chunks.
    pub fn new(half: WriteHalf<'a>, chunked: bool, stall: Duration) -> Self {
        Self { half, chunked, stall }
    }

    /// Sets whether what follows goes out in chunks.
    pub fn set_chunked(&mut self, chunked: bool) {
        self.chunked = chunked;
    }

    /// Says that nothing follows; to be asked when everything has left.
    ///
    /// # Errors
    /// The connection failed.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.poll_shutdown(cx, self.stall)
    }
}

impl Sink for Http1Sink<'_> {
    #[inline]
    fn room(&self) -> usize {
        let room = SINK_BYTES.saturating_sub(self.half.writer.len()).min(PIECE_BYTES);
        if room < PIECE_LEAST { 0 } else { room }
    }

    #[inline]
    fn begin(&mut self) -> usize {
        let chunked = self.chunked;
        let buffer = self.half.writer.buffer();
        if chunked { http1::begin_chunk(buffer) } else { buffer.len() }
    }

    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.half.writer.buffer()
    }

    #[inline]
    fn end(&mut self, mark: usize) {
        if self.chunked {
            http1::end_chunk(self.half.writer.buffer(), mark);
        }
    }

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        if self.chunked {
            http1::last_chunk(self.half.writer.buffer(), trailers);
        }
    }

    #[inline]
    fn is_flushed(&self) -> bool {
        self.half.writer.is_empty()
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        match ready!(self.half.poll_flush(cx, self.stall)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Poll::Ready(Err(TransferError::TooSlow))
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, task::Poll};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection and the stream at its other end.
    fn pair() -> (tokio::runtime::Runtime, Conn, TcpStream) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (listener.accept().await.unwrap().0, theirs)
        });
        (runtime, Conn::new(Stream::Tcp(ours)), theirs)
    }

    #[test]
    fn a_peer_that_reads_a_little_at_a_time_costs_no_more_than_the_buffer() {
        const BODY: usize = 24 << 20;
        let (runtime, mut conn, theirs) = pair();
        let mut sink = Http1Sink::new(conn.write_half(), true, Duration::from_secs(30));
        let (mut put, mut most, mut seen) = (0, 0, vec![0u8; 8 << 10]);
        runtime.block_on(std::future::poll_fn(|cx| {
            while put < BODY {
                let room = sink.room();
                if room > 0 {
                    let mark = sink.begin();
                    let data = sink.buffer().len() + room;
                    sink.buffer().resize(data, b'x');
                    sink.end(mark);
                    put += room;
                }
                most = most.max(sink.buffer().capacity());
                if let Poll::Ready(done) = sink.poll_flush(cx) {
                    done.unwrap();
                    continue;
                }
                // It takes some, and never all there is.
                let _ = theirs.try_read(&mut seen);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        assert!(most <= 4 * SINK_BYTES, "the buffer grew to {most} bytes");
    }

    #[test]
    fn l11_a_new_reader_does_not_inherit_the_patience_of_the_last() {
        let (runtime, mut conn, _theirs) = pair();
        let pace = |idle| Pace { idle, rate: 0, grace: idle, most: 1000 };
        let (mut decoder, mut out) = (Decoder::Length(10), Vec::new());
        let mut patient =
            Http1Source::new(conn.read_half(), &mut decoder, pace(Duration::from_secs(3600)));
        runtime.block_on(std::future::poll_fn(|cx| {
            assert!(patient.poll_data(cx, &mut out, 100).is_pending());
            Poll::Ready(())
        }));
        let mut hasty = Http1Source::new(conn.read_half(), &mut decoder, pace(Duration::ZERO));
        let found = runtime
            .block_on(std::future::poll_fn(|cx| Poll::Ready(hasty.poll_data(cx, &mut out, 100))));
        assert!(matches!(found, Poll::Ready(Err(TransferError::TooSlow))), "{found:?}");
    }
}
