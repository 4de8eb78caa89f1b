//! What goes to a caller: heads, data, ends (RFC 9113 §6.1, §6.2, §8.1).
//!
//! Everything is written into one buffer of the connection, which leaves as one piece. Data goes
//! there only while the windows and [`DATA_MOST`] allow; a stream that finds no room waits, and
//! does not read from where its data comes from.

use super::{
    connection::Connection,
    frame::{FrameHead, HEADER, PAYLOAD, Reason, flag, kind, patch, put_header},
    hpack,
    streams::{Key, WINDOW_MOST},
};
use crate::http1::{Fields, may_trail};

/// L17: bytes that wait to be sent before streams have to wait; with its frames' headers, what fits
/// into a buffer of 64 KiB.
const DATA_MOST: usize = 60 << 10;
/// A piece smaller than this is not begun because of [`DATA_MOST`].
const PIECE_LEAST: usize = 1 << 10;
/// So many exchanges may each read ahead what a socket gives at once.
const FEW: usize = 8;

/// A header block being written.
#[derive(Debug)]
pub struct Block<'a>(&'a mut Vec<u8>);

impl Block<'_> {
    /// Adds a field. Name and value are legal bytes.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        hpack::put_field(self.0, name, value);
    }
}

/// The stream has ended before its answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Connection {
    /// Writes an answer's head; with `end`, nothing follows.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn answer(
        &mut self,
        key: Key,
        status: u16,
        length: Option<u64>,
        end: bool,
        fields: impl FnOnce(&mut Block<'_>),
    ) -> Result<(), Gone> {
        let id = self.sending(key).ok_or(Gone)?;
        self.block(id, end, |out| {
            hpack::put_status(out, status);
            fields(&mut Block(out));
            if let Some(length) = length {
                hpack::put_length(out, length);
            }
        });
        if end {
            self.sent_all(key);
        }
        self.check_out();
        Ok(())
    }

    /// The number of a stream on which something may be sent.
    fn sending(&self, key: Key) -> Option<u32> {
        self.streams.get(key).filter(|stream| !stream.gone && !stream.sent_all).map(|s| s.id)
    }

    /// Writes a header block, in as many frames as it takes.
    fn block(&mut self, id: u32, end: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let mark = self.out.len();
        self.out.extend_from_slice(&[0; HEADER]);
        if std::mem::take(&mut self.table_changed) {
            hpack::put_empty_table(&mut self.out);
        }
        write(&mut self.out);
        let length = self.out.len() - mark - HEADER;
        let end = if end { flag::END_STREAM } else { 0 };
        if length <= PAYLOAD {
            patch(&mut self.out, mark, length, kind::HEADERS, end | flag::END_HEADERS, id);
            return;
        }
        let rest = self.out.split_off(mark + HEADER + PAYLOAD);
        patch(&mut self.out, mark, PAYLOAD, kind::HEADERS, end, id);
        let mut pieces = rest.chunks(PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            put_header(&mut self.out, piece.len(), kind::CONTINUATION, last, id);
            self.out.extend_from_slice(piece);
        }
    }

    /// Bytes of data that may be put now, at most as many as one frame has.
    #[inline]
    pub fn room(&self, key: Key) -> usize {
        let Some(stream) = self.streams.get(key) else { return 0 };
        if stream.gone || stream.sent_all {
            return 0;
        }
        let held = DATA_MOST.saturating_sub(self.waiting());
        if held < PIECE_LEAST {
            return 0;
        }
        let window = stream.send_window.min(self.send_window).clamp(0, WINDOW_MOST);
        held.min(PAYLOAD).min(window as usize)
    }

    /// What of an answer may be read before there is room for it (L17): little when much waits
    /// already, and a piece when many want to send.
    pub fn ahead(&self) -> usize {
        if self.waiting() > DATA_MOST / 2 {
            2 * PIECE_LEAST
        } else if self.exchanges() > FEW {
            PAYLOAD
        } else {
            usize::MAX
        }
    }

    /// Begins a DATA frame: its data is to be appended to the buffer given, which has to come back
    /// with [`Connection::end_data`] and the mark.
    #[inline]
    pub fn begin_data(&mut self) -> (Vec<u8>, usize) {
        let mut out = std::mem::take(&mut self.out);
        if out.capacity() == 0 {
            out = crate::buffers::take();
        }
        let mark = out.len();
        out.extend_from_slice(&[0; HEADER]);
        (out, mark)
    }

    /// Ends the DATA frame begun. Without data, nothing of it is left.
    #[inline]
    pub fn end_data(&mut self, key: Key, mut out: Vec<u8>, mark: usize) {
        let data = out.len().saturating_sub(mark + HEADER);
        match self.streams.get_mut(key) {
            Some(stream) if data > 0 && !stream.gone && !stream.sent_all => {
                patch(&mut out, mark, data, kind::DATA, 0, stream.id);
                stream.send_window -= data as i64;
                self.send_window -= data as i64;
                self.last_data = Some((stream.id, mark));
            }
            _ => out.truncate(mark),
        }
        self.out = out;
    }

    /// The answer is whole.
    pub fn finish(&mut self, key: Key, trailers: Option<Fields<'_>>) {
        let Some(id) = self.sending(key) else { return };
        // What frames, routes or authenticates may not stand there (RFC 9110 §6.5.1).
        let trailers = trailers.filter(|fields| fields.clone().any(|(_, name, _)| may_trail(name)));
        match (trailers, self.last_data) {
            (Some(fields), _) => {
                self.block(id, true, |out| {
                    for (_, name, value) in fields.filter(|(_, name, _)| may_trail(name)) {
                        hpack::put_field(out, name, value);
                    }
                });
                self.check_out();
            }
            (None, Some((last, mark))) if last == id => {
                let length = self.out.get(mark..).and_then(FrameHead::read).map_or(0, |h| h.length);
                patch(&mut self.out, mark, length, kind::DATA, flag::END_STREAM, id);
            }
            (None, _) => put_header(&mut self.out, 0, kind::DATA, flag::END_STREAM, id),
        }
        self.sent_all(key);
    }

    fn sent_all(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.sent_all = true;
        if stream.received_all {
            let id = stream.id;
            self.streams.close(id, false);
        }
    }

    /// Gives a stream up: the caller learns that the answer is not whole.
    pub fn reset(&mut self, key: Key, reason: Reason) {
        if let Some(id) = self.sending(key) {
            self.break_off(id, reason);
        }
    }

    /// Whether a stream is of no interest to the caller any more.
    #[inline]
    pub fn is_gone(&self, key: Key) -> bool {
        self.streams.get(key).is_none_or(|stream| stream.gone)
    }

    /// The exchange has found no room; it is told when there is some.
    pub fn await_room(&mut self, key: Key) {
        if let Some(stream) = self.streams.get_mut(key)
            && !stream.blocked
        {
            stream.blocked = true;
            self.blocked += 1;
        }
    }

    /// Tells those that wait for room, where there is some.
    pub(super) fn unblock(&mut self) {
        if self.blocked == 0 || self.send_window <= 0 || self.waiting() > DATA_MOST / 2 {
            return;
        }
        let mut found = Vec::new();
        for (key, stream) in self.streams.iter_mut() {
            if stream.blocked && stream.send_window > 0 {
                stream.blocked = false;
                found.push(key);
            }
        }
        self.blocked -= found.len();
        for key in found {
            self.tell(key);
        }
    }

    /// The exchange of a stream has ended, and its place is free.
    pub fn release(&mut self, key: Key) {
        if let Some(stream) = self.streams.get(key)
            && !stream.gone
            && !(stream.received_all && stream.sent_all)
        {
            // RFC 9113 §8.1: the answer is whole, and the rest of the request is not wanted. An
            // answer that is not whole was given up, for whatever reason.
            let reason = if stream.sent_all { Reason::NoError } else { Reason::Internal };
            let id = stream.id;
            self.break_off(id, reason);
        }
        let Some(stream) = self.streams.get(key) else { return };
        let (unread, blocked) = (stream.unread(), stream.blocked);
        self.streams.release(key);
        self.blocked -= usize::from(blocked);
        self.grant(unread as u32);
    }
}
