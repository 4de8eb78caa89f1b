//! An HTTP/1.1 connection from a caller: one exchange after the other.

use std::{future::poll_fn, io, rc::Rc, task::Poll, time::Duration};

use pasarela_model::{Code, Limits};
use pasarela_net::{
    conn::{Conn, Http1Sink, Http1Source, Pace},
    http1::{
        Decoder, Fields, Framing, FramingError, Head, HeadLimits, Name, ParseError, RequestParser,
        Version, put_number, request_framing,
    },
    timer::Wait,
    transfer::{Piece, Sink, Source, TransferError},
};

use crate::{
    ctx::{Ctx, Origin},
    downstream::{Answer, Body, Downstream, Length, Put},
    mediate::tokens,
    observe::{ConnectionGauge, Protocol},
    overload::Level,
    request,
    respond::{self, Refusal},
    serve_h2,
    worker::{Phase, Worker},
};

/// What an idle connection is given to send one more request before it is closed, when the
/// process drains and nobody follows, or is short of memory.
const DRAIN_LINGER: Duration = Duration::from_millis(500);
/// The first bytes of every HTTP/2 connection (RFC 9113 §3.4), as far as they tell it apart.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection until its end.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    conn: Conn,
    origin: Origin,
    gauge: &mut ConnectionGauge,
) {
    let mut down = Http1Down {
        worker: Rc::clone(worker),
        conn: Some(conn),
        decoder: Decoder::Done,
        framing: Framing::None,
        version: Version::Http11,
        head_only: false,
        expecting: false,
        close: false,
        answered: false,
        whole: false,
        aborted: false,
        stall: Duration::from_secs(30),
    };
    let mut parser = RequestParser::default();
    let mut head = Head::default();
    let mut first = true;
    loop {
        match next_head(worker, &mut down, &mut parser, &mut head, first).await {
            Next::Request => {
                if first {
                    gauge.speaks(Protocol::Http1);
                }
            }
            Next::Ended => {
                if let Some(conn) = &mut down.conn {
                    conn.farewell();
                }
                return;
            }
            Next::Http2 => {
                if let Some(conn) = down.conn.take() {
                    gauge.speaks(Protocol::Http2);
                    serve_h2::serve(worker, conn, origin).await;
                }
                return;
            }
            Next::Refused(refusal) => {
                // What was read of the head is in doubt, so nothing of it is looked at.
                head.clear();
                (down.close, down.framing, down.decoder) = (true, Framing::None, Decoder::Done);
                // The exchange before this one was answered; this one was not.
                (down.answered, down.whole, down.aborted) = (false, false, false);
                (down.version, down.head_only) = (Version::Http11, false);
                let mut ctx = Ctx::begin(worker, &head, &origin, Protocol::Http1);
                respond::refuse(worker, &mut down, &head, &mut ctx, refusal).await;
                ctx.record(worker, &head);
                drop(ctx);
                down.linger(worker).await;
                return;
            }
        }
        first = false;
        if let Some(refusal) = down.begin(worker, &head) {
            let mut ctx = Ctx::begin(worker, &head, &origin, Protocol::Http1);
            respond::refuse(worker, &mut down, &head, &mut ctx, refusal).await;
            ctx.record(worker, &head);
            drop(ctx);
            down.linger(worker).await;
            return;
        }
        {
            let mut ctx = Ctx::begin(worker, &head, &origin, Protocol::Http1);
            request::serve(worker, &mut down, &head, &mut ctx).await;
        }
        if !down.finish(worker).await {
            return;
        }
        if head.len() > 32 {
            head.release();
        }
    }
}

/// What came next on a connection.
enum Next {
    Request,
    Ended,
    Http2,
    Refused(Refusal),
}

/// Awaits a request head: the first byte for as long as a connection may idle (L3), the rest for
/// as long as a head may take (L8).
async fn next_head(
    worker: &Rc<Worker>,
    down: &mut Http1Down,
    parser: &mut RequestParser,
    head: &mut Head,
    first: bool,
) -> Next {
    let Some(conn) = down.conn.as_mut() else { return Next::Ended };
    let plane = worker.plane();
    let limits = &plane.snapshot.limits;
    let head_limits = HeadLimits {
        line: limits.request_line_bytes as usize,
        bytes: limits.header_bytes as usize,
        fields: limits.header_fields as usize,
    };
    let mut half = conn.read_half();
    let mut wait = Wait::default();
    let mut begun = false;
    // The plane is let go while nothing is there to be served from it.
    let (idle, header_time) = (limits.keep_alive_idle, limits.header_time);
    drop(plane);
    let mut draining = false;
    let outcome = poll_fn(|cx| {
        loop {
            let bytes = half.reader.bytes();
            if !bytes.is_empty() {
                if first
                    && bytes[0] == b'P'
                    && PREFACE.starts_with(&bytes[..bytes.len().min(PREFACE.len())])
                {
                    // `PUT` and `POST` part from the preface at their second byte.
                    if bytes.len() >= 16 {
                        return Poll::Ready(Next::Http2);
                    }
                } else {
                    match parser.advance(bytes, &head_limits, head) {
                        Ok(Some(length)) => {
                            half.reader.consume(length);
                            return Poll::Ready(Next::Request);
                        }
                        Ok(None) => {}
                        Err(fault) => return Poll::Ready(Next::Refused(malformed(fault))),
                    }
                }
            }
            let has_begun = !half.reader.bytes().is_empty();
            if has_begun && !begun {
                wait.end();
                begun = true;
            }
            match half.poll_fill(cx) {
                Poll::Ready(Ok(true)) => continue,
                Poll::Ready(Ok(false)) if has_begun => {
                    return Poll::Ready(Next::Refused(Refusal::new(
                        Code::Malformed,
                        "the connection ended within the header section",
                    )));
                }
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(Next::Ended),
                Poll::Pending => {}
            }
            let lean = worker.shared.overload.level() >= Level::Lean;
            let patience = match (begun || first, worker.phase()) {
                (true, _) => header_time,
                (false, phase) if lean || phase == Phase::Draining => {
                    if !draining {
                        wait.end();
                        draining = true;
                    }
                    DRAIN_LINGER
                }
                (false, _) => idle,
            };
            return match wait.poll(cx, patience) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if begun => Poll::Ready(Next::Refused(Refusal::new(
                    Code::RequestTooSlow,
                    "the header section took too long to arrive",
                ))),
                Poll::Ready(()) => Poll::Ready(Next::Ended),
            };
        }
    })
    .await;
    drop(wait);
    outcome
}

fn malformed(fault: ParseError) -> Refusal {
    let code = match fault {
        ParseError::LineTooLong => Code::RequestLineTooLong,
        ParseError::TooLarge => Code::HeadersTooLarge,
        ParseError::Version => Code::VersionUnsupported,
        _ => Code::Malformed,
    };
    Refusal::new(code, fault.to_string())
}

fn ambiguous(fault: FramingError) -> Refusal {
    Refusal::new(Code::AmbiguousFraming, fault.to_string())
}

/// The caller's side of the exchange under way.
struct Http1Down {
    worker: Rc<Worker>,
    /// `None` once it became something else.
    conn: Option<Conn>,
    decoder: Decoder,
    framing: Framing,
    version: Version,
    /// `HEAD`: an answer's body is announced but not sent.
    head_only: bool,
    /// The caller waits for 100 and was not given it: whether it sends its body after a final
    /// answer cannot be told, so nothing may follow (T4).
    expecting: bool,
    /// Nothing follows this exchange.
    close: bool,
    answered: bool,
    /// The answer was given to its end.
    whole: bool,
    aborted: bool,
    stall: Duration,
}

impl Http1Down {
    /// Prepares for the request whose head was read; a refusal when its length is in doubt.
    fn begin(&mut self, worker: &Worker, head: &Head) -> Option<Refusal> {
        (self.answered, self.whole, self.aborted) = (false, false, false);
        self.version = head.version;
        self.head_only = head.method() == "HEAD";
        self.stall = worker.plane().snapshot.limits.write_stall;
        let mut wants_close = head.version == Version::Http10;
        for (id, _, value) in head.fields() {
            if id != Name::Connection {
                continue;
            }
            for token in tokens(value) {
                if token.eq_ignore_ascii_case(b"close") {
                    wants_close = true;
                } else if token.eq_ignore_ascii_case(b"keep-alive")
                    && head.version == Version::Http10
                {
                    wants_close = false;
                }
            }
        }
        self.close = wants_close;
        match request_framing(head) {
            Ok(framing) => {
                self.framing = framing;
                self.decoder = framing.decoder();
                self.expecting = !framing.is_empty()
                    && head.version == Version::Http11
                    && head.get(Name::Expect).is_some();
                None
            }
            Err(fault) => {
                self.close = true;
                (self.framing, self.decoder) = (Framing::None, Decoder::Done);
                Some(ambiguous(fault))
            }
        }
    }

    /// After an exchange: whether another may follow.
    async fn finish(&mut self, worker: &Worker) -> bool {
        if self.conn.is_none() || self.aborted || !self.whole {
            return false;
        }
        if self.close {
            self.linger(worker).await;
            return false;
        }
        if self.decoder.is_done() {
            return true;
        }
        // L11: an early answer leaves a body behind; a little of it is read and dropped.
        let plane = worker.plane();
        let limits = &plane.snapshot.limits;
        if self.drain(limits).await {
            return true;
        }
        self.linger(worker).await;
        false
    }

    async fn drain(&mut self, limits: &Limits) -> bool {
        let Some(conn) = self.conn.as_mut() else { return false };
        let pace = Pace {
            idle: limits.drain_time,
            rate: u32::MAX,
            grace: limits.drain_time,
            most: u64::from(limits.drain_bytes),
        };
        let mut source = Http1Source::new(conn.read_half(), &mut self.decoder, pace);
        let mut sink = Vec::new();
        poll_fn(|cx| {
            loop {
                sink.clear();
                match source.poll_data(cx, &mut sink, 16 << 10) {
                    Poll::Ready(Ok(Piece::Data(_))) => {}
                    Poll::Ready(Ok(Piece::End)) => return Poll::Ready(true),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Closes so that the last answer arrives: says that nothing follows, then reads and drops
    /// what still comes, for a moment. Closing at once could reset the answer away (RFC 9112 §9.6).
    async fn linger(&mut self, worker: &Worker) {
        let Some(mut conn) = self.conn.take() else { return };
        let (bytes, time, stall) = {
            let plane = worker.plane();
            let limits = &plane.snapshot.limits;
            (limits.drain_bytes as usize, limits.drain_time, limits.write_stall)
        };
        let (mut read, mut write) = conn.halves();
        if poll_fn(|cx| write.poll_shutdown(cx, stall)).await.is_err() {
            return;
        }
        let mut dropped = 0;
        let mut wait = Wait::default();
        poll_fn(|cx| {
            loop {
                let received = read.reader.bytes().len();
                dropped += received;
                if received > 0 {
                    read.reader.consume(received);
                }
                if dropped > bytes {
                    return Poll::Ready(());
                }
                match read.poll_fill(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return wait.poll(cx, time),
                }
            }
        })
        .await;
    }
}

impl Downstream for Http1Down {
    type Source<'a> = Http1Body<'a>;
    type Answer<'a> = Http1Answer<'a>;

    fn framing(&self) -> Framing {
        self.framing
    }

    fn halves(&mut self, pace: Pace) -> (Http1Body<'_>, Http1Answer<'_>) {
        let conn = self.conn.as_mut().expect("halves are asked for before a tunnel is made");
        let (read, write) = conn.halves();
        let sink = Http1Sink::new(write, false, self.stall);
        (
            Http1Body(Http1Source::new(read, &mut self.decoder, pace)),
            Http1Answer {
                sink,
                version: self.version,
                head_only: self.head_only,
                worker: &self.worker,
                expecting: &mut self.expecting,
                close: &mut self.close,
                answered: &mut self.answered,
                whole: &mut self.whole,
            },
        )
    }

    fn is_answered(&self) -> bool {
        self.answered
    }

    fn abort(&mut self) {
        self.aborted = true;
        if let Some(conn) = self.conn.as_mut() {
            // A reset tells the caller that the answer is not whole, even where only the end of
            // the connection would have marked its end.
            conn.writer.discard();
            let _ = socket_reset(conn);
        }
    }

    fn end_after(&mut self) {
        self.close = true;
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        self.conn.take()
    }
}

fn socket_reset(conn: &Conn) -> io::Result<()> {
    pasarela_net::listen::reset_on_close(conn.stream().borrow().tcp())
}

/// A request's body.
struct Http1Body<'a>(Http1Source<'a>);

impl Source for Http1Body<'_> {
    fn poll_data(
        &mut self,
        cx: &mut std::task::Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        self.0.poll_data(cx, out, most)
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        self.0.trailers()
    }
}

impl Body for Http1Body<'_> {
    fn poll_gone(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        self.0.poll_gone(cx)
    }
}

/// An answer on its way.
struct Http1Answer<'a> {
    sink: Http1Sink<'a>,
    version: Version,
    head_only: bool,
    worker: &'a Worker,
    expecting: &'a mut bool,
    close: &'a mut bool,
    answered: &'a mut bool,
    whole: &'a mut bool,
}

impl Sink for Http1Answer<'_> {
    fn room(&self) -> usize {
        self.sink.room()
    }

    fn begin(&mut self) -> usize {
        self.sink.begin()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        self.sink.buffer()
    }

    fn end(&mut self, mark: usize) {
        self.sink.end(mark);
    }

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        *self.whole = true;
        self.sink.finish(trailers);
    }

    fn is_flushed(&self) -> bool {
        self.sink.is_flushed()
    }

    fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), TransferError>> {
        self.sink.poll_flush(cx)
    }
}

impl Answer for Http1Answer<'_> {
    fn start(
        &mut self,
        status: u16,
        length: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        *self.answered = true;
        // Asked now and not when the request began: the process may have begun to drain since.
        *self.close |= self.worker.closes_connections() || *self.expecting;
        if self.version == Version::Http10 && length == Length::Unknown {
            *self.close = true;
        }
        let out = self.sink.buffer();
        put_status(out, status);
        fields(out);
        if status == 101 {
            *self.whole = true;
            out.extend_from_slice(b"\r\n");
            return Ok(());
        }
        let mut chunked = false;
        match length {
            Length::None => {}
            Length::Known(length) | Length::Announced(length) => {
                out.extend_from_slice(b"Content-Length: ");
                put_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            Length::Unknown if self.version == Version::Http10 => {}
            Length::Unknown => {
                chunked = !self.head_only;
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
        }
        if *self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.version == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.sink.set_chunked(chunked);
        Ok(())
    }

    fn close_after(&mut self) {
        *self.close = true;
    }

    fn interim(&mut self, status: u16, fields: &mut dyn FnMut(&mut dyn Put)) {
        // RFC 9110 §15.2: HTTP/1.0 knows no interim answers.
        if self.version != Version::Http11 {
            return;
        }
        if status == 100 {
            *self.expecting = false;
        }
        let out = self.sink.buffer();
        put_status(out, status);
        fields(out);
        out.extend_from_slice(b"\r\n");
    }
}

fn put_status(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    put_number(out, u64::from(status));
    out.push(b' ');
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    out.extend_from_slice(reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}
