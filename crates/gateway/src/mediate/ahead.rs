//! Reading a caller's body before anything goes on, and a caller some of whose body was read already.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use pasarela_model::Limits;
use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing, Head},
    transfer::{Piece, Source, TransferError},
};
use smallvec::SmallVec;

use super::{Order, expectation, opening::unread, related::Root};
use crate::{
    ctx::Ctx,
    downstream::{Answer, Body, Downstream},
    forward::caller_fault,
    respond::Refusal,
};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 16 << 10;

/// A caller that is listened to. While it says nothing it is noticed when it leaves.
pub(super) struct Reading<S, A> {
    source: S,
    answer: A,
}

impl<'d, S: Source, A: Answer> Reading<S, A> {
    /// Asks for the body where the caller waits to be asked. So many bytes of it were read before.
    pub(super) async fn begin<D: Downstream<Source<'d> = S, Answer<'d> = A>>(
        down: &'d mut D,
        order: &mut Order<'_>,
        already: usize,
    ) -> Result<Self, Refusal> {
        let most = order.pace.most.saturating_sub(already as u64);
        let (source, mut answer) = down.halves(Pace { most, ..order.pace });
        if std::mem::take(&mut order.expects) {
            // T4: whoever calls was admitted, and has to send for us to know what it calls.
            answer.interim(100, &mut |_| {});
            poll_fn(|cx| answer.poll_flush(cx)).await.map_err(|_| Refusal::gone())?;
        }
        Ok(Self { source, answer })
    }

    /// Reads on until there are so many bytes, or all. True at the end of the body.
    pub(super) async fn up_to(
        &mut self,
        bytes: usize,
        out: &mut Vec<u8>,
        ctx: &mut Ctx<'_>,
    ) -> Result<bool, Refusal> {
        while out.len() < bytes {
            let piece = self.next(out, PIECE_BYTES).await?;
            ctx.bytes_in = out.len() as u64;
            if piece == Piece::End {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends at most so many bytes to `out`.
    pub(super) async fn next(&mut self, out: &mut Vec<u8>, most: usize) -> Result<Piece, Refusal> {
        let piece = poll_fn(|cx| match self.source.poll_data(cx, out, most) {
            Poll::Pending => self.answer.poll_left(cx).map(|()| None),
            Poll::Ready(piece) => Poll::Ready(Some(piece)),
        });
        piece.await.ok_or_else(Refusal::gone)?.map_err(|error| caller_fault(&error))
    }
}

/// The whole body of a request that is for ourselves, if it has no more bytes than `most`.
pub(crate) async fn whole<D: Downstream>(
    limits: &Limits,
    most: u64,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
) -> Result<Vec<u8>, Refusal> {
    let framing = down.framing();
    let pace = Pace {
        idle: limits.write_stall,
        rate: limits.body_rate_bytes,
        grace: limits.body_rate_grace,
        most,
    };
    let expects = expectation(head, framing)?;
    let mut order = Order {
        framing,
        pace,
        expects,
        upgrade: None,
        dropped: SmallVec::new(),
        again: false,
        trailers: false,
        target: None,
    };
    let mut body = Vec::new();
    let mut reading = Reading::begin(down, &mut order, 0).await?;
    let end = usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1);
    reading.up_to(end, &mut body, ctx).await?;
    Ok(body)
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) bytes: Vec<u8>,
    /// The body was read to its end.
    pub(crate) ended: bool,
    /// The message in parts that it is, as far as it was looked at, and how many bytes that was.
    pub(super) parts: Option<Root>,
    pub(super) looked_at: usize,
    /// The first header block that its receiver has to understand, and that nobody here does.
    pub(super) not_understood: Option<String>,
    /// Where the Body of the message starts, in bytes of it as UTF-8.
    pub(crate) body_at: u64,
}

/// The caller, whose body begins with what was read.
pub(crate) struct Replayed<'d, D> {
    inner: &'d mut D,
    ahead: Ahead,
    at: usize,
    watch: Watch,
}

/// What is noticed in what goes by.
#[derive(Default)]
struct Watch {
    parts: Option<Root>,
    wrong: Option<Refusal>,
}

impl Watch {
    /// False: this may not go by.
    fn look(&mut self, bytes: &[u8]) -> bool {
        let Some(parts) = &mut self.parts else { return true };
        // What is in the root was read, or is nobody's affair here.
        let looked = parts.take(bytes, &mut Vec::new());
        if let Err(fault) = looked {
            self.wrong = Some(unread(&fault));
        }
        self.wrong.is_none()
    }
}

impl<'d, D: Downstream> Replayed<'d, D> {
    /// # Errors
    /// When what was read may not go on.
    pub(crate) fn new(inner: &'d mut D, mut ahead: Ahead) -> Result<Self, Refusal> {
        let mut watch = Watch { parts: ahead.parts.take(), wrong: None };
        watch.look(ahead.bytes.get(ahead.looked_at..).unwrap_or_default());
        match watch.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Self { inner, ahead, at: 0, watch }),
        }
    }

    /// Why the rest may not go by, which was seen when the service knew of it.
    pub(crate) fn wrong(&mut self) -> Option<Refusal> {
        self.watch.wrong.take()
    }
}

impl<D: Downstream> Downstream for Replayed<'_, D> {
    type Source<'a>
        = ReplayedBody<'a, D::Source<'a>>
    where
        Self: 'a;
    type Answer<'a>
        = D::Answer<'a>
    where
        Self: 'a;

    fn framing(&self) -> Framing {
        self.inner.framing()
    }

    fn halves(&mut self, pace: Pace) -> (Self::Source<'_>, Self::Answer<'_>) {
        // The bound on the body counts what was read.
        let most = pace.most.saturating_sub(self.ahead.bytes.len() as u64);
        let (source, answer) = self.inner.halves(Pace { most, ..pace });
        let (ahead, at, watch) = (&self.ahead, &mut self.at, &mut self.watch);
        (ReplayedBody { ahead, at, watch, source }, answer)
    }

    fn is_answered(&self) -> bool {
        self.inner.is_answered()
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    fn end_after(&mut self) {
        self.inner.end_after();
    }

    fn take_tunnel(&mut self) -> Option<Conn> {
        self.inner.take_tunnel()
    }
}

/// Its body.
pub(crate) struct ReplayedBody<'a, S> {
    ahead: &'a Ahead,
    at: &'a mut usize,
    watch: &'a mut Watch,
    source: S,
}

impl<S> ReplayedBody<'_, S> {
    fn left(&self) -> &[u8] {
        self.ahead.bytes.get(*self.at..).unwrap_or_default()
    }
}

impl<S: Source> Source for ReplayedBody<'_, S> {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        let left = self.left();
        let take = left.len().min(most);
        if take > 0 {
            out.extend_from_slice(&left[..take]);
            *self.at += take;
            return Poll::Ready(Ok(Piece::Data(take)));
        }
        if self.ahead.ended {
            return Poll::Ready(Ok(Piece::End));
        }
        let before = out.len();
        let piece = ready!(self.source.poll_data(cx, out, most))?;
        if !self.watch.look(out.get(before..).unwrap_or_default()) {
            out.truncate(before);
            return Poll::Ready(Err(TransferError::Reset));
        }
        Poll::Ready(Ok(piece))
    }

    fn is_ready(&self) -> bool {
        !self.left().is_empty() || self.ahead.ended || self.source.is_ready()
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        self.source.trailers()
    }
}

impl<S: Body> Body for ReplayedBody<'_, S> {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_gone(cx)
    }
}
