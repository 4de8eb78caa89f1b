//! The envelope on its way up: as a whole, or made while the caller's body comes in.

use std::task::{Context, Poll, ready};

use pasarela_net::{
    http1::{Fields, Framing},
    transfer::{Piece, Source, TransferError},
};
use pasarela_soap::{
    Fault,
    exchange::{Form, Making},
};

use super::refused;
use crate::{downstream::Body, respond::Refusal};

/// Bytes of an envelope that are held before the service hears of it. Up to here a request that turns out wrong is not sent at all, its
/// members may come in any order, and its length is told.
pub(super) const HELD_BYTES: usize = 4 << 20;
/// Bytes of the caller's body that are read at once.
const PIECE_BYTES: usize = 16 << 10;

/// What is sent.
pub(super) enum Sending<'p> {
    /// All of it is here.
    Whole(Vec<u8>),
    /// More of it will be.
    Flowing(Box<Flow<'p>>),
}

impl Sending<'_> {
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Whole(envelope) => Framing::Length(envelope.len() as u64),
            Self::Flowing(_) => Framing::Chunked,
        }
    }
}

/// An envelope that is made while it goes.
pub(super) struct Flow<'p> {
    making: Making<'p>,
    form: Form,
    /// What is ready, from `at` on.
    out: Vec<u8>,
    at: usize,
    ended: bool,
    piece: Vec<u8>,
    /// Bytes of the caller's body that were read before.
    pub(super) received: u64,
    /// Why the request is none after all.
    pub(super) wrong: Option<Refusal>,
}

impl<'p> Flow<'p> {
    /// Begins with what there is.
    pub(super) fn new(mut making: Making<'p>, form: Form, received: u64) -> Self {
        let mut out = Vec::new();
        making.take(&mut out);
        let (piece, wrong) = (Vec::new(), None);
        Self { making, form, out, at: 0, ended: false, piece, received, wrong }
    }
}

/// What a source asks of a flow, whatever its contract lives as long as.
pub(in crate::mediate) trait Flows {
    fn ready(&self) -> &[u8];
    fn took(&mut self, bytes: usize);
    fn is_ended(&self) -> bool;
    fn piece(&mut self) -> &mut Vec<u8>;
    /// Takes the piece that was read, or learns that there is none left. False: the request is none.
    fn turn(&mut self, last: bool) -> bool;
}

impl Flow<'_> {
    fn made(&mut self, last: bool) -> Result<(), Box<Fault>> {
        self.making.feed(&self.piece)?;
        match last {
            true => self.making.finish(&mut self.out),
            false => {
                self.making.take(&mut self.out);
                Ok(())
            }
        }
    }
}

impl Flows for Flow<'_> {
    fn ready(&self) -> &[u8] {
        self.out.get(self.at..).unwrap_or_default()
    }

    fn took(&mut self, bytes: usize) {
        self.at += bytes;
        if self.at >= self.out.len() {
            // What the first window took is not needed for the rest.
            match self.out.capacity() > 4 * PIECE_BYTES {
                true => self.out = Vec::new(),
                false => self.out.clear(),
            }
            self.at = 0;
        }
    }

    fn is_ended(&self) -> bool {
        self.ended
    }

    fn piece(&mut self) -> &mut Vec<u8> {
        &mut self.piece
    }

    fn turn(&mut self, last: bool) -> bool {
        let made = self.made(last);
        self.piece.clear();
        self.ended = last;
        match made {
            Ok(()) => true,
            Err(fault) => {
                self.wrong = Some(refused(&fault, self.form));
                false
            }
        }
    }
}

/// The envelope as a body, and the caller whose own body it is made of.
pub(in crate::mediate) enum Envelope<'a, S> {
    /// The caller has sent all it has.
    Whole(&'a [u8], S),
    Flowing(&'a mut dyn Flows, S),
}

impl<S: Source> Source for Envelope<'_, S> {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        let (flow, source) = match self {
            Self::Whole(left, _) => {
                let take = left.len().min(most);
                let (now, later) = left.split_at(take);
                out.extend_from_slice(now);
                *left = later;
                return Poll::Ready(Ok(if take > 0 { Piece::Data(take) } else { Piece::End }));
            }
            Self::Flowing(flow, source) => (flow, source),
        };
        loop {
            let ready = flow.ready();
            let take = ready.len().min(most);
            if take > 0 {
                out.extend_from_slice(ready.get(..take).unwrap_or_default());
                flow.took(take);
                return Poll::Ready(Ok(Piece::Data(take)));
            }
            if flow.is_ended() {
                return Poll::Ready(Ok(Piece::End));
            }
            let piece = ready!(source.poll_data(cx, flow.piece(), PIECE_BYTES))?;
            if !flow.turn(matches!(piece, Piece::End)) {
                // Why is told by who asks for it; the service is left with a body that does not end.
                return Poll::Ready(Err(TransferError::Reset));
            }
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::Whole(..) => true,
            Self::Flowing(flow, source) => {
                !flow.ready().is_empty() || flow.is_ended() || source.is_ready()
            }
        }
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        None
    }
}

impl<S: Body> Body for Envelope<'_, S> {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Whole(_, source) | Self::Flowing(_, source) => source.poll_gone(cx),
        }
    }
}
