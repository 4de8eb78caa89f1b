//! The caller's side of one exchange over HTTP/2.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use pasarela_model::Code;
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing},
    http2::{Block, Http2Sink, Http2Source, Key, Reason, Trouble},
    transfer::{Piece, Sink, Source, TransferError},
};

use super::{Job, Shared};
use crate::{
    ctx::Ctx,
    downstream::{Answer, Body, Downstream, Length, Put},
    observe::Protocol,
    request,
    respond::{self, Refusal},
};

/// Carries one exchange and frees its place.
pub(super) async fn exchange(shared: &Shared, key: Key, job: Job) {
    let Job { space, trouble } = job;
    let (worker, stall) = (&shared.worker, shared.stall);
    let pace = Pace { idle: stall, rate: 0, grace: stall, most: u64::MAX };
    let framing = match shared.connection.borrow().body(key) {
        (false, _) => Framing::None,
        // The machine sees to it that the DATA adds up to it.
        (true, Some(length)) => Framing::Length(length),
        (true, None) => Framing::Chunked,
    };
    {
        let mut down = Http2Down {
            source: Http2Source::new(Rc::clone(&shared.connection), key, pace),
            sink: Http2Sink::new(Rc::clone(&shared.connection), key, stall),
            framing,
        };
        let mut ctx = Ctx::begin(worker, &space.head, &shared.origin, Protocol::Http2);
        match trouble {
            None => request::serve(worker, &mut down, &space.head, &mut ctx).await,
            Some(trouble) => {
                let refusal = refusal(trouble);
                respond::refuse(worker, &mut down, &space.head, &mut ctx, refusal).await;
                ctx.record(worker, &space.head);
            }
        }
    }
    worker.give_head(space);
    shared.connection.borrow_mut().release(key);
}

fn refusal(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Scheme => Refusal::new(Code::Malformed, "the scheme is neither http nor https"),
        Trouble::PathTooLong => Refusal::new(Code::RequestLineTooLong, "the path is too long"),
        Trouble::TooLarge => Refusal::new(Code::HeadersTooLarge, "the header section is too large"),
    }
}

struct Http2Down {
    source: Http2Source,
    sink: Http2Sink,
    framing: Framing,
}

impl Downstream for Http2Down {
    type Source<'a> = Http2Body<'a>;
    type Answer<'a> = Http2Answer<'a>;

    fn framing(&self) -> Framing {
        self.framing
    }

    fn halves(&mut self, pace: Pace) -> (Http2Body<'_>, Http2Answer<'_>) {
        self.source.set_pace(pace);
        (Http2Body(&mut self.source), Http2Answer(&mut self.sink))
    }

    fn is_answered(&self) -> bool {
        self.sink.is_begun()
    }

    fn abort(&mut self) {
        let reason = if self.sink.is_begun() { Reason::Internal } else { Reason::Cancel };
        self.sink.reset(reason);
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        None
    }
}

/// A request's body.
struct Http2Body<'a>(&'a mut Http2Source);

impl Source for Http2Body<'_> {
    #[inline]
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
struct Http2Answer<'a>(&'a mut Http2Sink);

impl Sink for Http2Answer<'_> {
    #[inline]
    fn room(&self) -> usize {
        self.0.room()
    }

    #[inline]
    fn begin(&mut self) -> usize {
        self.0.begin()
    }

    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.0.buffer()
    }

    #[inline]
    fn end(&mut self, mark: usize) {
        self.0.end(mark);
    }

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        self.0.finish(trailers);
    }

    #[inline]
    fn is_flushed(&self) -> bool {
        self.0.is_flushed()
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        self.0.poll_flush(cx)
    }

    fn ahead(&self) -> usize {
        self.0.ahead()
    }
}

impl Answer for Http2Answer<'_> {
    fn start(
        &mut self,
        status: u16,
        length: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError> {
        let (length, end) = match length {
            Length::None => (None, true),
            Length::Announced(length) => (Some(length), true),
            Length::Known(length) => (Some(length), length == 0),
            Length::Unknown => (None, false),
        };
        self.0.start(status, length, end, |block| fields(block))
    }

    fn interim(&mut self, status: u16, fields: &mut dyn FnMut(&mut dyn Put)) {
        self.0.interim(status, |block| fields(block));
    }

    fn poll_left(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.0.is_gone() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Put for Block<'_> {
    #[inline]
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.field(name, value);
    }
}
