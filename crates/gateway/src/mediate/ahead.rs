//! A caller some of whose body was read already, to find out what it is about.

use std::task::{Context, Poll};

use pasarela_net::{
    conn::{Conn, Pace},
    http1::{Fields, Framing},
    transfer::{Piece, Source, TransferError},
};

use crate::downstream::{Body, Downstream};

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) bytes: Vec<u8>,
    /// The body was read to its end.
    pub(crate) ended: bool,
}

/// The caller, whose body begins with what was read.
pub(crate) struct Replayed<'d, D> {
    inner: &'d mut D,
    ahead: Ahead,
    at: usize,
}

impl<'d, D: Downstream> Replayed<'d, D> {
    pub(crate) fn new(inner: &'d mut D, ahead: Ahead) -> Self {
        Self { inner, ahead, at: 0 }
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
        (ReplayedBody { ahead: &self.ahead, at: &mut self.at, source }, answer)
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
        self.source.poll_data(cx, out, most)
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
