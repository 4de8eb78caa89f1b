//! Moving a body from where it arrives to where it goes, in constant memory.
//!
//! A [`Source`] gives body data, a [`Sink`] takes it, whatever protocol each speaks; [`Transfer`]
//! moves it. Reading goes on while the sink has room and stops when it has not: back-pressure is
//! nothing but not reading.

use std::{
    io,
    task::{Context, Poll},
};

use crate::http1::{BodyError, Fields};

/// What a source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes were appended; more than none.
    Data(usize),
    /// The body is whole.
    End,
}

/// Why a transfer stopped.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The body is malformed or was cut off.
    #[error("the body is invalid")]
    Body(#[from] BodyError),
    /// HTTP/2 ended the stream.
    #[error("the stream was reset")]
    H2(#[from] h2::Error),
    /// The other side, or its connection, is not interested any more.
    #[error("the stream was given up by the other side")]
    Reset,
    /// Nothing moved for too long, or too little.
    #[error("the transfer was too slow")]
    TooSlow,
    /// More than allowed.
    #[error("the body is larger than allowed")]
    TooLarge,
}

/// Which end of a transfer failed.
#[derive(Debug)]
pub enum Failed {
    /// Reading did.
    Source(TransferError),
    /// Writing did.
    Sink(TransferError),
}

/// Where a body comes from.
pub trait Source {
    /// Appends at most `most` bytes to `out`.
    ///
    /// # Errors
    /// The body will never be whole.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>>;

    /// Whether the next piece is here already, so that reading it costs no system call.
    fn is_ready(&self) -> bool;

    /// Trailer fields, once the body is whole.
    fn trailers(&self) -> Option<Fields<'_>>;

    /// Sets how much may be taken from the connection before there is room for it, where that can be told.
    fn set_ahead(&mut self, _bytes: usize) {}
}

/// Where a body goes.
pub trait Sink {
    /// Bytes that may be put now. None: flush first.
    fn room(&self) -> usize;

    /// Begins a piece: data is to be appended to the buffer given by [`Sink::buffer`].
    fn begin(&mut self) -> usize;

    /// The buffer for the piece begun.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Ends the piece begun with this mark.
    fn end(&mut self, mark: usize);

    /// The body is whole.
    fn finish(&mut self, trailers: Option<Fields<'_>>);

    /// Whether everything put has left.
    fn is_flushed(&self) -> bool;

    /// Bytes that may be read before there is room for them.
    fn ahead(&self) -> usize {
        usize::MAX
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// The other side cannot be reached any more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>>;
}

/// One body on its way.
#[derive(Debug, Default)]
pub struct Transfer {
    /// Bytes moved so far.
    pub moved: u64,
    ended: bool,
}

impl Transfer {
    /// Whether the source has given everything.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Moves what can be moved. Ready when everything has been given and has left; `at_end` is
    /// called in between, with the number of bytes: after the last byte came in and before it goes
    /// out (P7).
    ///
    /// # Errors
    /// Tells which end failed.
    #[inline]
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
        mut at_end: impl FnMut(u64),
    ) -> Poll<Result<(), Failed>> {
        loop {
            let mut starved = false;
            while !self.ended {
                let room = sink.room();
                if room == 0 {
                    break;
                }
                let mark = sink.begin();
                let piece = source.poll_data(cx, sink.buffer(), room);
                sink.end(mark);
                match piece {
                    Poll::Ready(Ok(Piece::Data(bytes))) => self.moved += bytes as u64,
                    Poll::Ready(Ok(Piece::End)) => {
                        sink.finish(source.trailers());
                        self.ended = true;
                        at_end(self.moved);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::Source(error))),
                    Poll::Pending => {
                        starved = true;
                        break;
                    }
                }
                if !self.ended && !source.is_ready() {
                    break;
                }
            }
            if !sink.is_flushed() {
                match sink.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::Sink(error))),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if starved {
                return Poll::Pending;
            }
        }
    }
}
