//! The streams of a connection: their places, numbers, states and windows (RFC 9113 §5).
//!
//! A stream has a place for as long as its exchange lives, which may be longer than the protocol
//! knows of the stream: a caller that resets it is rid of it at once, we only once what it has
//! started has come to its end. Places are what is counted against L15.

use rustc_hash::FxHashMap;

use crate::{buffers, http1::Head};

/// Largest window (§6.9.1).
pub(super) const WINDOW_MOST: i64 = 0x7fff_ffff;

/// A stream's place.
pub type Key = usize;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// The other side has said everything.
    pub(super) received_all: bool,
    /// We have.
    pub(super) sent_all: bool,
    /// Reset, by either side, or the connection is over.
    pub(super) gone: bool,
    /// Bytes the other side may still send.
    pub(super) receive_window: i64,
    /// Bytes read and not yet granted again.
    pub(super) owed: u32,
    /// Bytes we may still send.
    pub(super) send_window: i64,
    /// Data received and not yet read, from `at` on.
    pub(super) data: Vec<u8>,
    pub(super) at: usize,
    pub(super) length: Option<u64>,
    pub(super) received: u64,
    pub(super) empties: u32,
    pub(super) trailers: Option<Box<Head>>,
    /// It waits for room to send.
    pub(super) blocked: bool,
    /// Its exchange is to be told of something.
    pub(super) news: bool,
}

impl Stream {
    pub(super) fn unread(&self) -> usize {
        self.data.len() - self.at
    }
}

#[derive(Debug)]
pub(super) struct Streams {
    places: Vec<Option<Stream>>,
    free: Vec<Key>,
    by_id: FxHashMap<u32, Key>,
    /// The last streams that ended, and whether we reset them: what was on its way to those is
    /// no fault.
    ended: [(u32, bool); ENDED],
    ended_at: usize,
    used: usize,
}

/// As many as a peer can plausibly have data on the way for.
const ENDED: usize = 64;

impl Default for Streams {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_id: FxHashMap::default(),
            ended: [(0, false); ENDED],
            ended_at: 0,
            used: 0,
        }
    }
}

impl Streams {
    /// Places taken.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn open(&mut self, stream: Stream) -> Key {
        self.used += 1;
        let id = stream.id;
        let key = match self.free.pop() {
            Some(key) => {
                self.places[key] = Some(stream);
                key
            }
            None => {
                self.places.push(Some(stream));
                self.places.len() - 1
            }
        };
        self.by_id.insert(id, key);
        key
    }

    #[inline]
    pub(super) fn key(&self, id: u32) -> Option<Key> {
        self.by_id.get(&id).copied()
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&Stream> {
        self.places.get(key)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Stream> {
        self.places.get_mut(key)?.as_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Stream)> {
        self.places.iter_mut().enumerate().filter_map(|(key, place)| Some((key, place.as_mut()?)))
    }

    /// The protocol is done with a stream; its place stays taken.
    pub(super) fn close(&mut self, id: u32, by_us: bool) {
        self.by_id.remove(&id);
        self.ended[self.ended_at] = (id, by_us);
        self.ended_at = (self.ended_at + 1) % ENDED;
    }

    /// How a stream ended, if that was not long ago: whether we reset it.
    pub(super) fn how_ended(&self, id: u32) -> Option<bool> {
        self.ended.iter().find(|(ended, _)| *ended == id).map(|(_, by_us)| *by_us)
    }

    /// Frees a place.
    pub(super) fn release(&mut self, key: Key) -> Option<Stream> {
        let mut stream = self.places.get_mut(key)?.take()?;
        buffers::give(std::mem::take(&mut stream.data));
        self.free.push(key);
        self.used -= 1;
        Some(stream)
    }

    /// Gives memory back, when there is no stream.
    pub(super) fn shrink(&mut self) {
        if self.used == 0 {
            (self.places, self.free, self.by_id) = Default::default();
        }
    }
}
