//! An HTTP/2 connection from a caller: exchanges side by side, each a task of its own.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use pasarela_model::{Code, Limits};
use pasarela_net::{
    conn::{Conn, Pace},
    h2guard::{FrameLimits, Guarded},
    h2io::{H2Sink, H2Source},
    http1::{Fields, Framing, Head, Version, is_token},
    stream::{Rewound, Stream},
    timer::{Deadline, Wait},
    transfer::{Piece, Sink, Source, TransferError},
};

use crate::{
    ctx::{Ctx, Origin},
    downstream::{Answer, Body, Downstream, Length, Put},
    observe::Protocol,
    overload::Level,
    request,
    respond::{self, Refusal},
    worker::{Phase, Worker},
};

/// L20.
const CONTINUATIONS: u32 = 16;
/// L16.
const HPACK_TABLE: u32 = 4 << 10;
/// L19.
const PENDING_RESETS: usize = 20;
const LOCAL_ERRORS: usize = 1024;
/// L17: bytes of one stream's answer that wait in the engine. What a client asks for and does not
/// read is held this often, once a stream.
const SEND_BUFFER: usize = 32 << 10;
/// What a connection on which nothing goes on any more is given to take the GOAWAY.
const SHUT_OUT: Duration = Duration::from_secs(1);

/// Serves a connection until its end. `ahead`: bytes of it that were read already.
pub(crate) async fn serve(worker: &Rc<Worker>, stream: Stream, ahead: Vec<u8>, origin: Origin) {
    let limits = worker.plane().snapshot.limits.clone();
    let frames = FrameLimits {
        resets: limits.h2_resets_per_10s,
        control: limits.h2_control_frames_per_10s,
        continuations: CONTINUATIONS,
    };
    let (io, counts) = Guarded::new(Rewound::new(ahead, stream), frames);
    let handshake = h2::server::Builder::new()
        .initial_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.header_bytes)
        .header_table_size(HPACK_TABLE)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(LOCAL_ERRORS))
        .max_send_buffer_size(SEND_BUFFER)
        .handshake::<_, Bytes>(io);
    let Ok(Ok(mut connection)) = tokio::time::timeout(limits.header_time, handshake).await else {
        return;
    };
    let active = Rc::new(Cell::new(0usize));
    let runners = Runners::new(Rc::clone(worker), origin, limits.h2_window_stall);
    let (mut leaving, mut shut_out, mut served) = (false, false, false);
    let (mut idle, last) = (Wait::default(), Deadline::new());
    poll_fn(|cx| {
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    served = true;
                    let guard = Active::new(&active);
                    runners.begin(Job { request, respond, guard });
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "an http/2 connection ended");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {
                    if !shut_out && let Some(limit) = counts.borrow().passed() {
                        tracing::debug!(peer = %runners.shared.origin.peer, limit, "an http/2 connection is shut out");
                        shut_out = true;
                        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                        last.arm(SHUT_OUT);
                        continue;
                    }
                    // A connection that has brought nothing yet would only be replaced by another.
                    if !leaving
                        && (worker.phase() != Phase::Serving
                            || (served && worker.shared.overload.level() >= Level::Lean))
                    {
                        leaving = true;
                        idle.end();
                        connection.graceful_shutdown();
                        continue;
                    }
                    break;
                }
            }
        }
        if last.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let patience = if leaving { SHUT_OUT } else { limits.keep_alive_idle };
        if active.get() > 0 {
            idle.end();
        } else if idle.poll(cx, patience).is_ready() {
            if leaving {
                return Poll::Ready(());
            }
            leaving = true;
            idle.end();
            connection.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// A stream that waits for somebody to carry it.
struct Job {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    guard: Active,
}

/// The tasks that carry a connection's streams. A task is made when a stream finds none that is
/// free, and carries one stream after the other: making one for each would allocate and move
/// several KiB a request. A task that finds nothing to do for a while ends, so that an idle
/// connection has none (L5).
struct Runners {
    shared: Rc<RunnersShared>,
}

struct RunnersShared {
    worker: Rc<Worker>,
    origin: Origin,
    stall: Duration,
    jobs: RefCell<VecDeque<Job>>,
    free: RefCell<Vec<Waker>>,
    closed: Cell<bool>,
}

/// How long a task without work is kept.
const RUNNER_KEPT: Duration = Duration::from_secs(1);

impl Runners {
    fn new(worker: Rc<Worker>, origin: Origin, stall: Duration) -> Self {
        Self {
            shared: Rc::new(RunnersShared {
                worker,
                origin,
                stall,
                jobs: RefCell::default(),
                free: RefCell::default(),
                closed: Cell::new(false),
            }),
        }
    }

    fn begin(&self, job: Job) {
        self.shared.jobs.borrow_mut().push_back(job);
        let free = self.shared.free.borrow_mut().pop();
        match free {
            Some(waker) => waker.wake(),
            None => {
                let shared = Rc::clone(&self.shared);
                // Boxed before it is spawned: the runtime moves what it is given about.
                tokio::task::spawn_local(Box::pin(async move {
                    while let Some(job) = shared.next().await {
                        let Job { request, respond, guard } = job;
                        let (worker, origin) = (&shared.worker, &shared.origin);
                        exchange(worker, origin, request, respond, shared.stall).await;
                        drop(guard);
                    }
                }));
            }
        }
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        self.shared.closed.set(true);
        let free = std::mem::take(&mut *self.shared.free.borrow_mut());
        free.into_iter().for_each(Waker::wake);
    }
}

impl RunnersShared {
    /// The next stream; `None` when there has been none for a while, or there will be none.
    async fn next(&self) -> Option<Job> {
        let mut wait = Wait::default();
        poll_fn(|cx| {
            if let Some(job) = self.jobs.borrow_mut().pop_front() {
                return Poll::Ready(Some(job));
            }
            // Whoever is woken has left the list, or leaves it here: a stream must not be given
            // to a task that is about to end.
            self.free.borrow_mut().retain(|waker| !waker.will_wake(cx.waker()));
            if self.closed.get() || wait.poll(cx, RUNNER_KEPT).is_ready() {
                return Poll::Ready(None);
            }
            self.free.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Counts the exchanges of a connection.
struct Active(Rc<Cell<usize>>);

impl Active {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn exchange(
    worker: &Rc<Worker>,
    origin: &Origin,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    stall: Duration,
) {
    let (parts, body) = request.into_parts();
    let mut space = worker.take_head();
    let head = &mut space.head;
    let refused = translate(&parts, &worker.plane().snapshot.limits, head).err();
    let framing = match parts.headers.get(http::header::CONTENT_LENGTH) {
        _ if body.is_end_stream() => Framing::None,
        // The engine has checked that it is a number, and checks that the DATA adds up to it.
        Some(value) => match value.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        },
        None => Framing::Chunked,
    };
    drop(parts);
    let pace = Pace { idle: stall, rate: 0, grace: stall, most: u64::MAX };
    let empties = worker.plane().snapshot.limits.h2_empty_data_frames;
    let mut down = Http2Down {
        source: H2Source::new(body, pace, empties),
        framing,
        respond,
        sink: None,
        stall,
    };
    let mut ctx = Ctx::begin(worker, head, origin, Protocol::Http2);
    match refused {
        None => request::serve(worker, &mut down, head, &mut ctx).await,
        Some(refusal) => {
            respond::refuse(worker, &mut down, head, &mut ctx, refusal).await;
            ctx.record(worker, head);
        }
    }
    drop(ctx);
    worker.give_head(space);
    // RFC 9113 §8.1: where the answer is whole and the rest of the request is not wanted, the engine
    // resets the stream with NO_ERROR when it is dropped here. Doing it ourselves would throw away
    // what of the answer has not left yet.
}

/// Brings a request into the form that every step reads, and refuses what HTTP/1.1 would refuse.
fn translate(
    parts: &http::request::Parts,
    limits: &Limits,
    head: &mut Head,
) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    head.start_request(parts.method.as_str(), target.as_bytes(), Version::Http2);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        head.push(b"host", authority);
    }
    if authority.is_some() && !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
        return Err(Refusal::new(Code::Malformed, "the scheme is neither http nor https"));
    }
    if target.len() > limits.request_line_bytes as usize {
        return Err(Refusal::new(Code::RequestLineTooLong, "the path is too long"));
    }
    let (mut cookie, mut count, mut bytes) = (Vec::new(), 0usize, 0usize);
    for (name, value) in &parts.headers {
        let value = value.as_bytes();
        if value.trim_ascii().len() != value.len() {
            // RFC 9113 §8.2.1; HTTP/1.1 would lose it.
            return Err(Refusal::new(Code::Malformed, "a field value begins or ends with a space"));
        }
        count += 1;
        bytes += name.as_str().len() + value.len() + 4;
        if name == http::header::COOKIE {
            // RFC 9113 §8.2.3: crumbs are put together again; each one counts (L7).
            count += value.iter().filter(|byte| **byte == b';').count();
            if !cookie.is_empty() {
                cookie.extend_from_slice(b"; ");
            }
            cookie.extend_from_slice(value);
            continue;
        }
        if name == http::header::HOST {
            if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(value)) {
                continue;
            }
        } else if !is_token(name.as_str().as_bytes()) || name.as_str().contains('_') {
            // The engine lets pass what no HTTP/1.1 server would (a quotation mark).
            return Err(Refusal::new(Code::Malformed, "a field name is malformed"));
        }
        head.push(name.as_str().as_bytes(), value);
    }
    if !cookie.is_empty() {
        head.push(b"cookie", &cookie);
    }
    if count > limits.header_fields as usize || bytes > limits.header_bytes as usize {
        return Err(Refusal::new(Code::HeadersTooLarge, "the header section is too large"));
    }
    Ok(())
}

/// The caller's side of one exchange.
struct Http2Down {
    source: H2Source,
    framing: Framing,
    respond: SendResponse<Bytes>,
    /// Once the head of the answer was given.
    sink: Option<H2Sink>,
    stall: Duration,
}

impl Downstream for Http2Down {
    type Source<'a> = Http2Body<'a>;
    type Answer<'a> = Http2Answer<'a>;

    fn framing(&self) -> Framing {
        self.framing
    }

    fn halves(&mut self, pace: Pace) -> (Http2Body<'_>, Http2Answer<'_>) {
        self.source.set_pace(pace);
        (
            Http2Body(&mut self.source),
            Http2Answer {
                respond: &mut self.respond,
                sink: &mut self.sink,
                none: Vec::new(),
                stall: self.stall,
            },
        )
    }

    fn is_answered(&self) -> bool {
        self.sink.is_some()
    }

    fn abort(&mut self) {
        match &mut self.sink {
            Some(sink) => sink.reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::CANCEL),
        }
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        None
    }
}

/// A request's body.
struct Http2Body<'a>(&'a mut H2Source);

impl Source for Http2Body<'_> {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
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

impl Body for Http2Body<'_> {
    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        // The answer's side of the stream learns of a reset.
        Poll::Pending
    }
}

/// An answer on its way.
struct Http2Answer<'a> {
    respond: &'a mut SendResponse<Bytes>,
    sink: &'a mut Option<H2Sink>,
    /// Stands in for the sink's buffer before there is one.
    none: Vec<u8>,
    stall: Duration,
}

impl Sink for Http2Answer<'_> {
    fn room(&self) -> usize {
        self.sink.as_ref().map_or(0, Sink::room)
    }

    fn begin(&mut self) -> usize {
        self.sink.as_mut().map_or(0, Sink::begin)
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        match self.sink {
            Some(sink) => sink.buffer(),
            None => &mut self.none,
        }
    }

    fn end(&mut self, mark: usize) {
        if let Some(sink) = self.sink {
            sink.end(mark);
        }
    }

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        if let Some(sink) = self.sink {
            sink.finish(trailers);
        }
    }

    fn is_flushed(&self) -> bool {
        self.sink.as_ref().is_none_or(Sink::is_flushed)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        match self.sink {
            Some(sink) => sink.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Answer for Http2Answer<'_> {
    fn start(
        &mut self,
        status: u16,
        length: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        let mut fields_in = FieldMap::new();
        fields(&mut fields_in);
        let mut map = fields_in.map;
        let ended = match length {
            Length::None => true,
            Length::Announced(length) => {
                map.insert(http::header::CONTENT_LENGTH, length.into());
                true
            }
            Length::Known(length) => {
                map.insert(http::header::CONTENT_LENGTH, length.into());
                length == 0
            }
            Length::Unknown => false,
        };
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = map;
        let stream = self.respond.send_response(response, ended)?;
        *self.sink = Some(H2Sink::new(stream, ended, self.stall));
        Ok(())
    }

    fn interim(&mut self, status: u16, fields: &mut dyn FnMut(&mut dyn Put)) {
        let mut response = Response::new(());
        if let Ok(status) = StatusCode::from_u16(status) {
            *response.status_mut() = status;
            let mut fields_in = FieldMap::new();
            fields(&mut fields_in);
            *response.headers_mut() = fields_in.map;
            // An interim answer that cannot be sent says nothing about the final one.
            let _ = self.respond.send_informational(response);
        }
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.sink {
            None => self.respond.poll_reset(cx).map(|_| ()),
            Some(sink) => sink.stream().poll_reset(cx).map(|_| ()),
        }
    }
}

/// Gathers an answer's fields. All values share one allocation.
struct FieldMap {
    map: HeaderMap,
    values: BytesMut,
}

impl FieldMap {
    fn new() -> Self {
        Self { map: HeaderMap::with_capacity(16), values: BytesMut::with_capacity(512) }
    }
}

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Put for FieldMap {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        let name = match name {
            b"X-Request-Id" => X_REQUEST_ID.clone(),
            b"RateLimit" => RATE_LIMIT.clone(),
            b"RateLimit-Policy" => RATE_LIMIT_POLICY.clone(),
            other => match HeaderName::from_bytes(other) {
                Ok(name) => name,
                Err(_) => return,
            },
        };
        self.values.extend_from_slice(value);
        if let Ok(value) = HeaderValue::from_maybe_shared(self.values.split().freeze()) {
            self.map.append(name, value);
        }
    }
}
