//! A stream's two directions: the request's body as a source, the answer's as a sink.
//!
//! Both look into the connection, which is of the same task: the connection's task polls all its
//! streams, so nothing is waited for here but to be polled again.

use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{connection::Connection, frame::Reason, send::Block, streams::Key};
use crate::{
    conn::Pace,
    http1::{Fields, Head},
    timer::Wait,
    transfer::{Piece, Sink, Source, TransferError},
};

impl Connection {
    /// Whether a stream's request has a body, and how long it says that is.
    pub fn body(&self, key: Key) -> (bool, Option<u64>) {
        let Some(stream) = self.streams.get(key) else { return (false, None) };
        let none = stream.received_all && stream.data.is_empty() && stream.trailers.is_none();
        (!none, stream.length)
    }

    /// Moves data of a body on; `None`: there is none now.
    fn read(
        &mut self,
        key: Key,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<Option<Piece>, TransferError> {
        let stream = match self.streams.get_mut(key) {
            Some(stream) if !stream.gone => stream,
            _ => return Err(TransferError::Reset),
        };
        let unread = stream.data.get(stream.at..).unwrap_or(&[]);
        if unread.is_empty() {
            return Ok(stream.received_all.then_some(Piece::End));
        }
        let take = unread.len().min(most);
        out.extend_from_slice(&unread[..take]);
        stream.at += take;
        if stream.at == stream.data.len() {
            crate::buffers::give(std::mem::take(&mut stream.data));
            stream.at = 0;
        }
        // The windows open as data moves on, not as it arrives: that is the back-pressure.
        self.grant(take as u32);
        self.grant_stream(key, take as u32);
        Ok(Some(Piece::Data(take)))
    }

    fn is_ready(&self, key: Key) -> bool {
        self.streams.get(key).is_none_or(|s| s.gone || s.received_all || !s.data.is_empty())
    }
}

/// A body that arrives.
#[derive(Debug)]
pub struct Http2Source {
    connection: Rc<RefCell<Connection>>,
    key: Key,
    pace: Pace,
    received: u64,
    waited: u64,
    wait: Wait,
    trailers: Option<Box<Head>>,
}

impl Http2Source {
    /// The body of this stream's request.
    pub fn new(connection: Rc<RefCell<Connection>>, key: Key, pace: Pace) -> Self {
        let wait = Wait::default();
        Self { connection, key, pace, received: 0, waited: 0, wait, trailers: None }
    }

    /// Sets how patient and how generous the reader is.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }
}

impl Source for Http2Source {
    #[inline]
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<Piece, TransferError>> {
        let mut connection = self.connection.borrow_mut();
        match connection.read(self.key, out, most)? {
            Some(Piece::Data(bytes)) => {
                self.waited += self.wait.end();
                self.received += bytes as u64;
                if self.received > self.pace.most {
                    return Poll::Ready(Err(TransferError::TooLarge));
                }
                Poll::Ready(Ok(Piece::Data(bytes)))
            }
            Some(Piece::End) => {
                self.wait.end();
                if let Some(stream) = connection.streams.get_mut(self.key)
                    && let Some(trailers) = stream.trailers.take()
                {
                    self.trailers = Some(trailers);
                }
                Poll::Ready(Ok(Piece::End))
            }
            None => {
                let patience = self.pace.patience(self.received, self.waited);
                ready!(self.wait.poll(cx, patience));
                self.wait.end();
                Poll::Ready(Err(TransferError::TooSlow))
            }
        }
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.connection.borrow().is_ready(self.key)
    }

    fn trailers(&self) -> Option<Fields<'_>> {
        self.trailers.as_ref().map(|trailers| trailers.fields())
    }
}

/// An answer on its way.
#[derive(Debug)]
pub struct Http2Sink {
    connection: Rc<RefCell<Connection>>,
    key: Key,
    /// The connection's buffer, while a piece is put.
    held: Vec<u8>,
    mark: Option<usize>,
    /// The head was given; the answer is whole.
    begun: bool,
    finished: bool,
    wait: Wait,
    stall: Duration,
}

impl Http2Sink {
    /// The answer on this stream. `stall`: how long it may find no room (L18).
    pub fn new(connection: Rc<RefCell<Connection>>, key: Key, stall: Duration) -> Self {
        let (wait, held) = (Wait::default(), Vec::new());
        let (begun, finished) = (false, false);
        Self { connection, key, held, mark: None, begun, finished, wait, stall }
    }

    /// Gives the head of the final answer.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn start(
        &mut self,
        status: u16,
        length: Option<u64>,
        end: bool,
        fields: impl FnOnce(&mut Block<'_>),
    ) -> Result<(), TransferError> {
        (self.begun, self.finished) = (true, end);
        let done = self.connection.borrow_mut().answer(self.key, status, length, end, fields);
        done.map_err(|_| TransferError::Reset)
    }

    /// Gives the head of an interim answer. One that cannot be sent says nothing about the final one.
    pub fn interim(&mut self, status: u16, fields: impl FnOnce(&mut Block<'_>)) {
        let _ = self.connection.borrow_mut().answer(self.key, status, None, false, fields);
    }

    /// Whether the head was given.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether the caller does not want the answer any more.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.connection.borrow().is_gone(self.key)
    }

    /// Gives the stream up.
    pub fn reset(&mut self, reason: Reason) {
        self.put_back(false);
        self.connection.borrow_mut().reset(self.key, reason);
    }

    /// Gives the connection its buffer back. A piece whose end was never said (whoever put it
    /// panicked) is left out.
    fn put_back(&mut self, whole: bool) {
        if let Some(mark) = self.mark.take() {
            let mut out = std::mem::take(&mut self.held);
            if !whole {
                out.truncate(mark);
            }
            self.connection.borrow_mut().end_data(self.key, out, mark);
        }
    }
}

impl Drop for Http2Sink {
    fn drop(&mut self) {
        self.put_back(false);
    }
}

impl Sink for Http2Sink {
    #[inline]
    fn room(&self) -> usize {
        match (self.begun, self.finished) {
            (false, _) => 0,
            // What is put behind the end goes nowhere, but whoever moves a body has to see its end.
            (true, true) => super::frame::PAYLOAD,
            (true, false) => self.connection.borrow().room(self.key),
        }
    }

    #[inline]
    fn begin(&mut self) -> usize {
        let (held, mark) = self.connection.borrow_mut().begin_data();
        (self.held, self.mark) = (held, Some(mark));
        mark
    }

    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    #[inline]
    fn end(&mut self, _mark: usize) {
        self.put_back(true);
    }

    fn finish(&mut self, trailers: Option<Fields<'_>>) {
        if !self.finished {
            self.finished = true;
            self.connection.borrow_mut().finish(self.key, trailers);
        }
    }

    #[inline]
    fn is_flushed(&self) -> bool {
        // What was put is the connection's to send; what is left to wait for here is room.
        let connection = self.connection.borrow();
        if self.begun && !self.finished {
            connection.room(self.key) > 0
        } else {
            !connection.is_gone(self.key)
        }
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        let mut connection = self.connection.borrow_mut();
        if connection.is_gone(self.key) {
            return Poll::Ready(Err(TransferError::Reset));
        }
        if !self.begun || self.finished || connection.room(self.key) > 0 {
            self.wait.end();
            return Poll::Ready(Ok(()));
        }
        connection.await_room(self.key);
        drop(connection);
        // L18: a window that stays closed.
        ready!(self.wait.poll(cx, self.stall));
        self.wait.end();
        Poll::Ready(Err(TransferError::TooSlow))
    }

    fn ahead(&self) -> usize {
        self.connection.borrow().ahead()
    }
}
