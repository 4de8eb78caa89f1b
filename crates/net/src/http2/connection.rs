//! One HTTP/2 connection from a caller, as a machine.
//!
//! Received bytes go into [`Connection::receive`], which stops at each request it has read; answers
//! go into the calls of `send.rs`; what is to be sent is fetched with [`Connection::take_out`]. What
//! happened to streams that have an exchange is told by [`Connection::news`]. A connection that is
//! broken ([`Connection::failed`]) has a GOAWAY to send and nothing else to say.

use super::{
    floods::{Flood, Floods},
    frame::{Reason, flag, kind, put_header, setting},
    hpack::Decoder,
    receive::{Block, Incoming},
    request::Trouble,
    streams::{Key, Stream, Streams},
};
use crate::http1::Head;

/// What a connection allows.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// L15: streams at a time.
    pub streams: u32,
    /// L15: bytes the caller may send ahead on a stream…
    pub stream_window: u32,
    /// …and on all of them.
    pub connection_window: u32,
    /// L6.
    pub line_bytes: usize,
    /// L7.
    pub header_bytes: usize,
    /// L7.
    pub header_fields: usize,
    /// L19: resets in ten seconds.
    pub resets: u32,
    /// L20: control frames in ten seconds.
    pub control: u32,
    /// L20: empty DATA frames on one stream.
    pub empties: u32,
}

/// L16: bytes of the table that the caller's encoder fills.
const TABLE: usize = 4 << 10;
/// The windows before anybody has said anything (RFC 9113 §6.9.2).
pub(super) const FIRST_WINDOW: u32 = 65_535;
/// L17: bytes that wait to be sent; a caller that lets more pile up does not read.
const OUT_MOST: usize = 1 << 20;
/// The PING behind the first GOAWAY; its answer says that the caller has seen that.
const LAST_PING: [u8; 8] = *b"lastcall";

/// How far a connection has come with leaving (§6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// The caller was told that the end is near; what it has on the way is still served.
    Told,
    /// It was told which stream is the last.
    Final,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) settings: Settings,
    pub(super) decoder: Decoder,
    pub(super) streams: Streams,
    pub(super) floods: Floods,
    pub(super) incoming: Incoming,
    pub(super) block: Option<Block>,
    /// The head of the request read last.
    pub(super) head: Head,
    pub(super) cookie: Vec<u8>,
    pub(super) trouble: Option<Trouble>,
    /// Highest stream seen, and highest that became a request.
    pub(super) last_id: u32,
    pub(super) last_served: u32,
    pub(super) receive_window: i64,
    pub(super) owed: u32,
    pub(super) send_window: i64,
    /// The caller's settings.
    pub(super) peer_window: i64,
    pub(super) table_changed: bool,
    /// It has seen ours.
    pub(super) acknowledged: bool,
    pub(super) out: Vec<u8>,
    /// Bytes fetched and not yet sent.
    pub(super) unsent: usize,
    pub(super) blocked: usize,
    /// The DATA frame in `out` whose stream may end with it.
    pub(super) last_data: Option<(u32, usize)>,
    pub(super) news: Vec<Key>,
    pub(super) leaving: Leaving,
    failed: Option<(Reason, &'static str)>,
}

/// Why a frame is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Connection(Reason, &'static str),
    Stream(u32, Reason),
}

impl From<Flood> for Fault {
    fn from(flood: Flood) -> Self {
        Self::Connection(Reason::Calm, flood.0)
    }
}

impl Connection {
    /// A connection whose caller has sent nothing yet. `now`: milliseconds of any clock.
    pub fn new(settings: Settings, now: u64) -> Self {
        let mut connection = Self {
            settings,
            decoder: Decoder::new(TABLE),
            streams: Streams::default(),
            floods: Floods::new(settings.resets, settings.control, now),
            incoming: Incoming::Preface,
            block: None,
            head: Head::default(),
            cookie: Vec::new(),
            trouble: None,
            last_id: 0,
            last_served: 0,
            receive_window: i64::from(settings.connection_window.max(FIRST_WINDOW)),
            owed: 0,
            send_window: i64::from(FIRST_WINDOW),
            peer_window: i64::from(FIRST_WINDOW),
            table_changed: true,
            acknowledged: false,
            out: Vec::new(),
            unsent: 0,
            blocked: 0,
            last_data: None,
            news: Vec::new(),
            leaving: Leaving::No,
            failed: None,
        };
        connection.put_settings();
        connection
    }

    fn put_settings(&mut self) {
        let values = [
            (setting::HEADER_TABLE_SIZE, TABLE as u32),
            (setting::MAX_CONCURRENT_STREAMS, self.settings.streams),
            (setting::INITIAL_WINDOW_SIZE, self.settings.stream_window),
            (setting::MAX_HEADER_LIST_SIZE, self.settings.header_bytes as u32),
        ];
        put_header(&mut self.out, 6 * values.len(), kind::SETTINGS, 0, 0);
        for (id, value) in values {
            self.out.extend_from_slice(&id.to_be_bytes());
            self.out.extend_from_slice(&value.to_be_bytes());
        }
        let more = self.settings.connection_window.saturating_sub(FIRST_WINDOW);
        if more > 0 {
            self.put_number(kind::WINDOW_UPDATE, 0, more);
        }
    }

    /// Why the connection is broken, if it is, in words.
    pub fn failed(&self) -> Option<&'static str> {
        self.failed.map(|(_, why)| why)
    }

    /// Exchanges that have not ended.
    pub fn exchanges(&self) -> usize {
        self.streams.used()
    }

    /// Whether a frame or a header block has begun and is not whole: so much of what was received
    /// last is left over.
    pub fn is_amid(&self, left_over: usize) -> bool {
        left_over > 0
            || self.block.is_some()
            || matches!(self.incoming, Incoming::Preface | Incoming::Settings)
    }

    /// Whether a header block has begun and is not whole.
    pub fn is_in_block(&self) -> bool {
        self.block.is_some()
    }

    /// The next stream whose exchange has something to hear.
    #[inline]
    pub fn news(&mut self) -> Option<Key> {
        let key = self.news.pop()?;
        if let Some(stream) = self.streams.get_mut(key) {
            stream.news = false;
        }
        Some(key)
    }

    #[inline]
    pub(super) fn tell(&mut self, key: Key) {
        if let Some(stream) = self.streams.get_mut(key)
            && !stream.news
        {
            stream.news = true;
            self.news.push(key);
        }
    }

    /// Moves what is to be sent into an empty buffer.
    #[inline]
    pub fn take_out(&mut self, empty: &mut Vec<u8>) {
        debug_assert!(empty.is_empty(), "what waits to be sent must not be overtaken");
        std::mem::swap(&mut self.out, empty);
        self.last_data = None;
    }

    /// Gives the buffer back that nothing waits in.
    pub fn give_out(&mut self) {
        if self.out.is_empty() {
            crate::buffers::give(std::mem::take(&mut self.out));
        }
    }

    /// Whether there is something to be sent.
    #[inline]
    pub fn has_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// So many bytes that were fetched have not been sent yet.
    #[inline]
    pub fn set_unsent(&mut self, bytes: usize) {
        self.unsent = bytes;
        if self.blocked > 0 {
            self.unblock();
        }
    }

    /// Bytes that wait to be sent.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.unsent + self.out.len()
    }

    /// L17: the caller lets what is meant for it pile up.
    pub(super) fn check_out(&mut self) {
        if self.waiting() > OUT_MOST && self.failed.is_none() {
            self.fail(Reason::Calm, "unsent frames");
        }
    }

    /// Begins to leave: the caller is told not to open streams, in two steps, so that none that is
    /// on its way is lost (RFC 9113 §6.8).
    pub fn leave(&mut self) {
        if self.leaving == Leaving::No && self.failed.is_none() {
            self.leaving = Leaving::Told;
            self.put_goaway(0x7fff_ffff, Reason::NoError);
            put_header(&mut self.out, LAST_PING.len(), kind::PING, 0, 0);
            self.out.extend_from_slice(&LAST_PING);
        }
    }

    /// Takes no further stream.
    pub fn leave_finally(&mut self) {
        if self.leaving != Leaving::Final && self.failed.is_none() {
            self.leaving = Leaving::Final;
            self.put_goaway(self.last_served, Reason::NoError);
        }
    }

    /// Whether the last stream was named: when the exchanges have ended, so has the connection.
    pub fn has_left(&self) -> bool {
        self.leaving == Leaving::Final
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.leaving == Leaving::Told && payload == LAST_PING {
            self.leave_finally();
        }
    }

    /// Asks the caller for a sign of life. Where the process behind it is gone, its machine says so.
    pub fn probe(&mut self) {
        put_header(&mut self.out, 8, kind::PING, 0, 0);
        self.out.extend_from_slice(&[0; 8]);
    }

    /// The caller was too slow (L8).
    pub fn give_up(&mut self) {
        self.fail(Reason::Calm, "a header section took too long to arrive");
    }

    /// The caller will send nothing more. What it has asked for wholly is still answered.
    pub fn input_ended(&mut self) {
        self.end_all(|stream| !stream.received_all);
    }

    /// The connection is no more.
    pub fn closed(&mut self) {
        if self.failed.is_none() {
            self.failed = Some((Reason::NoError, "closed"));
        }
        self.end_all(|_| true);
        self.out.clear();
    }

    fn end_all(&mut self, which: impl Fn(&Stream) -> bool) {
        let mut ended = Vec::new();
        for (key, stream) in self.streams.iter_mut() {
            if !stream.gone && which(stream) {
                stream.gone = true;
                ended.push((key, stream.id));
            }
        }
        for (key, id) in ended {
            self.streams.close(id, false);
            self.tell(key);
        }
    }

    /// Breaks the connection off (§5.4.1).
    pub(super) fn fail(&mut self, reason: Reason, why: &'static str) {
        if self.failed.is_none() {
            self.failed = Some((reason, why));
            self.put_goaway(self.last_served, reason);
            self.end_all(|_| true);
        }
    }

    /// Breaks a stream off (§5.4.2).
    pub(super) fn break_off(&mut self, id: u32, reason: Reason) {
        if self.failed.is_some() {
            return;
        }
        self.put_number(kind::RST_STREAM, id, reason as u32);
        let key = self.streams.key(id);
        self.streams.close(id, true);
        if let Some(key) = key {
            self.drop_stream(key);
        }
        if let Err(Flood(what)) = self.floods.reset() {
            self.fail(Reason::Calm, what);
        }
    }

    /// What a stream holds is given back at once, though its exchange is still to hear of its end.
    pub(super) fn drop_stream(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.gone = true;
        stream.trailers = None;
        let unread = stream.unread();
        crate::buffers::give(std::mem::take(&mut stream.data));
        stream.at = 0;
        if stream.blocked {
            stream.blocked = false;
            self.blocked -= 1;
        }
        self.tell(key);
        self.grant(unread as u32);
    }

    /// Lets the caller send so many bytes more, on all streams together (§6.9.1).
    pub(super) fn grant(&mut self, bytes: u32) {
        self.owed += bytes;
        if self.owed >= (self.settings.connection_window / 2).max(1) && self.failed.is_none() {
            self.receive_window += i64::from(self.owed);
            self.put_number(kind::WINDOW_UPDATE, 0, self.owed);
            self.owed = 0;
        }
    }

    /// Lets the caller send so many bytes more on a stream.
    pub(super) fn grant_stream(&mut self, key: Key, bytes: u32) {
        let least = (self.settings.stream_window / 2).max(1);
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.received_all || stream.gone {
            return;
        }
        stream.owed += bytes;
        if stream.owed >= least {
            let (id, owed) = (stream.id, std::mem::take(&mut stream.owed));
            stream.receive_window += i64::from(owed);
            self.put_number(kind::WINDOW_UPDATE, id, owed);
        }
    }

    /// Appends a frame whose payload is one number.
    pub(super) fn put_number(&mut self, kind: u8, stream: u32, number: u32) {
        put_header(&mut self.out, 4, kind, 0, stream);
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn put_goaway(&mut self, last: u32, reason: Reason) {
        put_header(&mut self.out, 8, kind::GOAWAY, 0, 0);
        self.out.extend_from_slice(&last.to_be_bytes());
        self.out.extend_from_slice(&(reason as u32).to_be_bytes());
    }

    pub(super) fn put_ack(&mut self, kind: u8, payload: &[u8]) {
        put_header(&mut self.out, payload.len(), kind, flag::ACK, 0);
        self.out.extend_from_slice(payload);
        self.check_out();
    }

    /// Gives memory back, for a connection on which nothing goes on (L5).
    pub fn rest(&mut self) {
        self.streams.shrink();
        self.decoder.shrink();
        self.head.release();
        (self.cookie, self.news) = Default::default();
        self.give_out();
    }
}
