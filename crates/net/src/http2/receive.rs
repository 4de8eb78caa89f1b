//! What a caller sends, frame by frame (RFC 9113 §6).

use super::{
    connection::{Connection, FIRST_WINDOW, Fault, Leaving},
    floods::{CONTINUATIONS, over},
    frame::{FrameHead, HEADER, PAYLOAD, Reason, flag, kind, number, setting},
    request::{Read, Reading, Trouble},
    streams::{Key, Stream, WINDOW_MOST},
};
use crate::{buffers, http1::Head};

/// The first bytes of every connection (§3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The stream of a DATA frame that is for none: what it takes of the window is given back at once.
const NOBODY: u32 = 0;

/// What is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    Preface,
    /// The first frame.
    Settings,
    Frame,
    /// The rest of a DATA frame: so much data, then so much padding.
    Data {
        id: u32,
        left: usize,
        padding: usize,
        end: bool,
    },
    /// The rest of a frame that means nothing to us.
    Skipped(usize),
}

/// A header block whose end has not come yet.
#[derive(Debug)]
pub(super) struct Block {
    id: u32,
    end: bool,
    bytes: Vec<u8>,
    continuations: u32,
}

/// What became of received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// So many were used up.
    pub used: usize,
    /// A request was read; ask for it before going on. Without one, more bytes are needed.
    pub request: Option<Key>,
}

/// One step.
enum Step {
    Used(usize),
    Request(usize, Key),
    Short,
}

impl Connection {
    /// Takes received bytes.
    pub fn receive(&mut self, bytes: &[u8], now: u64) -> Received {
        self.floods.at(now);
        let mut used = 0;
        while self.failed().is_none() {
            let rest = bytes.get(used..).unwrap_or(&[]);
            match self.step(rest) {
                Ok(Step::Used(more)) => used += more,
                Ok(Step::Request(more, key)) => {
                    return Received { used: used + more, request: Some(key) };
                }
                Ok(Step::Short) => return Received { used, request: None },
                Err((more, Fault::Stream(id, reason))) => {
                    used += more;
                    self.break_off(id, reason);
                }
                Err((_, Fault::Connection(reason, why))) => self.fail(reason, why),
            }
        }
        Received { used: bytes.len(), request: None }
    }

    /// Takes one frame, or a part of one. A fault comes with the bytes it used up.
    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Result<Step, (usize, Fault)> {
        match self.incoming {
            Incoming::Frame => {}
            Incoming::Data { .. } | Incoming::Skipped(_) if bytes.is_empty() => {
                return Ok(Step::Short);
            }
            Incoming::Data { id, left, padding, end } => {
                return self.data(bytes, id, left, padding, end);
            }
            Incoming::Skipped(left) => {
                let skipped = left.min(bytes.len());
                self.incoming = match left - skipped {
                    0 => Incoming::Frame,
                    left => Incoming::Skipped(left),
                };
                return Ok(Step::Used(skipped));
            }
            Incoming::Preface => {
                let seen = bytes.len().min(PREFACE.len());
                if bytes.get(..seen) != PREFACE.get(..seen) {
                    return Err((0, protocol("the preface is not that of HTTP/2")));
                }
                if seen < PREFACE.len() {
                    return Ok(Step::Short);
                }
                self.incoming = Incoming::Settings;
                return Ok(Step::Used(seen));
            }
            Incoming::Settings => match FrameHead::read(bytes) {
                None => return Ok(Step::Short),
                Some(head) if head.kind == kind::SETTINGS && !head.has(flag::ACK) => {}
                Some(_) => return Err((0, protocol("the first frame is not SETTINGS"))),
            },
        }
        let Some(head) = FrameHead::read(bytes) else { return Ok(Step::Short) };
        if head.length > PAYLOAD {
            return Err((0, size("a frame is larger than was allowed")));
        }
        if let Some(block) = &self.block
            && (head.kind != kind::CONTINUATION || head.stream != block.id)
        {
            return Err((0, protocol("a header block is interrupted")));
        }
        match head.kind {
            kind::DATA => self.data_header(head, bytes),
            kind::HEADERS..=kind::CONTINUATION => {
                let end = HEADER + head.length;
                let Some(payload) = bytes.get(HEADER..end) else { return Ok(Step::Short) };
                self.incoming = Incoming::Frame;
                match self.frame(head, payload) {
                    Ok(Some(key)) => Ok(Step::Request(end, key)),
                    Ok(None) => Ok(Step::Used(end)),
                    Err(fault) => Err((end, fault)),
                }
            }
            // §5.5: what is unknown is ignored; not without end.
            _ => {
                self.floods.control().map_err(|flood| (0, flood.into()))?;
                if head.length > 0 {
                    self.incoming = Incoming::Skipped(head.length);
                }
                Ok(Step::Used(HEADER))
            }
        }
    }

    /// A frame that is here as a whole.
    fn frame(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Key>, Fault> {
        match head.kind {
            kind::HEADERS => return self.headers(head, payload),
            kind::CONTINUATION => return self.continuation(head, payload),
            kind::PRIORITY => self.priority(head)?,
            kind::RST_STREAM => self.reset_received(head)?,
            kind::SETTINGS => self.settings_received(head, payload)?,
            kind::PUSH_PROMISE => return Err(protocol("a caller cannot push")),
            kind::PING => self.ping(head, payload)?,
            kind::GOAWAY if head.stream != 0 => return Err(protocol("GOAWAY on a stream")),
            kind::GOAWAY if head.length < 8 => return Err(size("GOAWAY is too short")),
            // The caller takes no streams of ours, and gets none.
            kind::GOAWAY => {}
            _ => self.window_update(head, payload)?,
        }
        Ok(None)
    }

    /// §6.1: a DATA frame's header. Its windows are charged for the whole frame at once.
    fn data_header(&mut self, head: FrameHead, bytes: &[u8]) -> Result<Step, (usize, Fault)> {
        if head.stream == 0 {
            return Err((0, protocol("DATA on stream 0")));
        }
        let (mut padding, mut prefix) = (0, 0);
        if head.has(flag::PADDED) {
            if head.length == 0 {
                return Err((0, size("padded DATA without a length of its padding")));
            }
            let Some(byte) = bytes.get(HEADER) else { return Ok(Step::Short) };
            (padding, prefix) = (usize::from(*byte), 1);
            if padding >= head.length {
                return Err((0, protocol("padding is longer than DATA")));
            }
        }
        let whole = head.length as i64;
        if whole > self.receive_window {
            let fault = Fault::Connection(Reason::FlowControl, "more than the window");
            return Err((0, fault));
        }
        self.receive_window -= whole;
        let (id, left, end) =
            (head.stream, head.length - prefix - padding, head.has(flag::END_STREAM));
        self.incoming = Incoming::Data { id, left, padding, end };
        let used = HEADER + prefix;
        // What is no data is not to be awaited by anybody.
        self.grant((prefix + padding) as u32);
        match self.charge(id, whole, left, end) {
            Ok(key) => self.grant_stream(key, (prefix + padding) as u32),
            Err(fault) => {
                self.incoming = Incoming::Data { id: NOBODY, left, padding, end };
                self.grant(left as u32);
                if let Some(fault) = fault {
                    return Err((used, fault));
                }
            }
        }
        if left + padding > 0 {
            return Ok(Step::Used(used));
        }
        self.incoming = Incoming::Frame;
        self.data_ended(id, end).map_err(|fault| (used, fault))?;
        Ok(Step::Used(used))
    }

    /// Whether a DATA frame is lawful; the stream it is for. `Err(None)`: it is for none any more.
    fn charge(
        &mut self,
        id: u32,
        whole: i64,
        data: usize,
        end: bool,
    ) -> Result<Key, Option<Fault>> {
        let Some(key) = self.streams.key(id) else {
            if id > self.last_id || id.is_multiple_of(2) {
                return Err(Some(protocol("DATA on a stream that was not opened")));
            }
            return Err(match self.streams.how_ended(id) {
                Some(true) => None,
                _ => Some(Fault::Stream(id, Reason::StreamClosed)),
            });
        };
        let most = self.settings.empties;
        let Some(stream) = self.streams.get_mut(key) else { return Err(None) };
        if stream.received_all {
            return Err(Some(Fault::Stream(id, Reason::StreamClosed)));
        }
        if whole > stream.receive_window {
            return Err(Some(Fault::Stream(id, Reason::FlowControl)));
        }
        stream.receive_window -= whole;
        stream.received += data as u64;
        if stream.length.is_some_and(|length| stream.received > length) {
            return Err(Some(Fault::Stream(id, Reason::Protocol)));
        }
        if data == 0 && !end {
            stream.empties += 1;
            let empties = stream.empties;
            over(empties, most, "empty data frames on a stream").map_err(|f| Some(f.into()))?;
            self.floods.empty().map_err(|flood| Some(flood.into()))?;
        }
        Ok(key)
    }

    /// More of a DATA frame.
    fn data(
        &mut self,
        bytes: &[u8],
        id: u32,
        left: usize,
        padding: usize,
        end: bool,
    ) -> Result<Step, (usize, Fault)> {
        let (data, rest) = bytes.split_at(left.min(bytes.len()));
        let padded = padding.min(rest.len());
        let (left, padding) = (left - data.len(), padding - padded);
        if !data.is_empty() {
            match self.streams.key(id).and_then(|key| Some((key, self.streams.get_mut(key)?))) {
                Some((key, stream)) => {
                    if stream.data.capacity() == 0 {
                        stream.data = buffers::take();
                    }
                    stream.data.extend_from_slice(data);
                    self.tell(key);
                }
                // Its stream ended while it was on its way.
                None if id != NOBODY => self.grant(data.len() as u32),
                None => {}
            }
        }
        let used = data.len() + padded;
        if left + padding > 0 {
            self.incoming = Incoming::Data { id, left, padding, end };
            return Ok(Step::Used(used));
        }
        self.incoming = Incoming::Frame;
        self.data_ended(id, end).map_err(|fault| (used, fault))?;
        Ok(Step::Used(used))
    }

    fn data_ended(&mut self, id: u32, end: bool) -> Result<(), Fault> {
        match self.streams.key(id) {
            Some(key) if end => self.received_all(key, id),
            _ => Ok(()),
        }
    }

    /// The caller has said everything on a stream.
    fn received_all(&mut self, key: Key, id: u32) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        if stream.length.is_some_and(|length| stream.received != length) {
            // §8.1.1.
            return Err(Fault::Stream(id, Reason::Protocol));
        }
        stream.received_all = true;
        if stream.sent_all {
            self.streams.close(id, false);
        }
        self.tell(key);
        Ok(())
    }

    /// §6.2.
    fn headers(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Key>, Fault> {
        if head.stream.is_multiple_of(2) {
            return Err(protocol("HEADERS on a stream that no caller may open"));
        }
        let (mut from, mut to) = (0, payload.len());
        if head.has(flag::PADDED) {
            let Some(padding) = payload.first() else {
                return Err(size("padded HEADERS without a length of its padding"));
            };
            from = 1;
            to = to.saturating_sub(usize::from(*padding));
        }
        if head.has(flag::PRIORITY) {
            from += 5;
        }
        let Some(fragment) = payload.get(from..to) else {
            return Err(protocol("padding is longer than HEADERS"));
        };
        let end = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.whole_block(head.stream, end, fragment);
        }
        let mut bytes = buffers::take();
        bytes.extend_from_slice(fragment);
        self.block = Some(Block { id: head.stream, end, bytes, continuations: 0 });
        Ok(None)
    }

    /// §6.10.
    fn continuation(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Key>, Fault> {
        let most = 4 * self.settings.header_bytes;
        let Some(block) = &mut self.block else {
            return Err(protocol("CONTINUATION without a header block"));
        };
        block.continuations += 1;
        over(block.continuations, CONTINUATIONS, "continuations")?;
        if block.bytes.len() + payload.len() > most {
            return Err(Fault::Connection(Reason::Calm, "a header block without end"));
        }
        block.bytes.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            return Ok(None);
        }
        let Some(Block { id, end, bytes, .. }) = self.block.take() else { return Ok(None) };
        let done = self.whole_block(id, end, &bytes);
        buffers::give(bytes);
        done
    }

    /// A header block is whole. It has to be decoded whatever becomes of it (§4.3).
    fn whole_block(&mut self, id: u32, end: bool, block: &[u8]) -> Result<Option<Key>, Fault> {
        if let Some(key) = self.streams.key(id) {
            let mut trailers = Box::<Head>::default();
            let read = self.read_block(block, Some(&mut trailers))?;
            let received_all = self.streams.get(key).is_some_and(|stream| stream.received_all);
            let reason = match read {
                _ if received_all => Reason::StreamClosed,
                // §8.1: trailers end their stream.
                _ if !end || read.malformed => Reason::Protocol,
                Read { trouble: Some(_), .. } => Reason::Calm,
                _ => {
                    if let Some(stream) = self.streams.get_mut(key) {
                        stream.trailers = (!trailers.is_empty()).then_some(trailers);
                    }
                    return self.received_all(key, id).map(|()| None);
                }
            };
            return Err(Fault::Stream(id, reason));
        }
        if id <= self.last_id {
            return match self.streams.how_ended(id) {
                Some(true) => self.read_block(block, None).map(|_| None),
                Some(false) => Err(Fault::Connection(
                    Reason::StreamClosed,
                    "HEADERS on a stream that has ended",
                )),
                None => Err(protocol("stream numbers have to rise")),
            };
        }
        self.last_id = id;
        let read = self.read_block(block, None)?;
        if self.leaving == Leaving::Final {
            // §6.8: it was told that this one would not be served.
            self.streams.close(id, true);
            return Ok(None);
        }
        if self.streams.used() >= self.settings.streams as usize {
            return Err(Fault::Stream(id, Reason::RefusedStream));
        }
        if read.malformed || (end && read.length.is_some_and(|length| length > 0)) {
            return Err(Fault::Stream(id, Reason::Protocol));
        }
        self.last_served = id;
        Ok(Some(self.open(id, end, read)))
    }

    fn read_block(&mut self, block: &[u8], trailers: Option<&mut Head>) -> Result<Read, Fault> {
        let is_trailers = trailers.is_some();
        let head = trailers.unwrap_or(&mut self.head);
        let mut reading = Reading::new(head, &mut self.cookie, &self.settings, is_trailers);
        let decoded = self.decoder.decode(block, &mut |name, value| reading.field(name, value));
        match decoded {
            Ok(()) => Ok(reading.finish()),
            Err(error) => {
                tracing::trace!(%error, "a header block is no HPACK");
                Err(Fault::Connection(Reason::Compression, "a header block is no HPACK"))
            }
        }
    }

    fn open(&mut self, id: u32, end: bool, read: Read) -> Key {
        self.trouble = read.trouble;
        // Until the caller has seen our settings it goes by the RFC's (§6.9.2).
        let window = match self.acknowledged {
            true => self.settings.stream_window,
            false => self.settings.stream_window.max(FIRST_WINDOW),
        };
        self.streams.open(Stream {
            id,
            received_all: end,
            sent_all: false,
            gone: false,
            receive_window: i64::from(window),
            owed: 0,
            send_window: self.peer_window,
            data: Vec::new(),
            at: 0,
            length: read.length,
            received: 0,
            empties: 0,
            trailers: None,
            blocked: false,
            news: false,
        })
    }

    /// The head of the request that was read last, in exchange for room for the next; and what is
    /// wrong with it.
    pub fn take_head(&mut self, head: &mut Head) -> Option<Trouble> {
        std::mem::swap(&mut self.head, head);
        self.trouble
    }

    /// §6.3: priorities are not kept.
    fn priority(&mut self, head: FrameHead) -> Result<(), Fault> {
        self.floods.control()?;
        if head.stream == 0 {
            return Err(protocol("PRIORITY on stream 0"));
        }
        match head.length {
            5 => Ok(()),
            _ if self.streams.key(head.stream).is_some() => {
                Err(Fault::Stream(head.stream, Reason::FrameSize))
            }
            _ => Err(size("PRIORITY has five bytes")),
        }
    }

    /// §6.4.
    fn reset_received(&mut self, head: FrameHead) -> Result<(), Fault> {
        if head.length != 4 {
            return Err(size("RST_STREAM has four bytes"));
        }
        self.check_opened(head.stream)?;
        self.floods.reset()?;
        if let Some(key) = self.streams.key(head.stream) {
            self.streams.close(head.stream, false);
            self.drop_stream(key);
        }
        Ok(())
    }

    /// §5.1: on an idle stream nothing but HEADERS and PRIORITY may come.
    fn check_opened(&self, id: u32) -> Result<(), Fault> {
        match id.is_multiple_of(2) || id > self.last_id {
            true => Err(protocol("a frame on a stream that was not opened")),
            false => Ok(()),
        }
    }

    /// §6.5.
    fn settings_received(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            if head.length != 0 {
                return Err(size("an acknowledgement has no values"));
            }
            self.settings_acknowledged();
            return Ok(());
        }
        let (pairs, []) = payload.as_chunks::<6>() else {
            return Err(size("SETTINGS come in six bytes each"));
        };
        self.floods.control()?;
        for [a, b, value @ ..] in pairs {
            self.setting(u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value))?;
        }
        self.put_ack(kind::SETTINGS, &[]);
        Ok(())
    }

    /// §6.5.2.
    fn setting(&mut self, id: u16, value: u32) -> Result<(), Fault> {
        match id {
            setting::HEADER_TABLE_SIZE => self.table_changed = true,
            setting::ENABLE_PUSH if value > 1 => return Err(protocol("ENABLE_PUSH is 0 or 1")),
            setting::INITIAL_WINDOW_SIZE => {
                let value = i64::from(value);
                let change = value - self.peer_window;
                self.peer_window = value;
                let mut most = value;
                for (_, stream) in self.streams.iter_mut() {
                    stream.send_window += change;
                    most = most.max(stream.send_window);
                }
                if most > WINDOW_MOST {
                    return Err(Fault::Connection(Reason::FlowControl, "a window past 2^31-1"));
                }
                self.unblock();
            }
            // Our frames are no larger than the least that may be set.
            setting::MAX_FRAME_SIZE if !(PAYLOAD as u32..1 << 24).contains(&value) => {
                return Err(protocol("MAX_FRAME_SIZE is out of bounds"));
            }
            _ => {}
        }
        Ok(())
    }

    fn settings_acknowledged(&mut self) {
        if self.acknowledged {
            return;
        }
        self.acknowledged = true;
        let less = FIRST_WINDOW.saturating_sub(self.settings.stream_window);
        if less > 0 {
            for (_, stream) in self.streams.iter_mut() {
                stream.receive_window -= i64::from(less);
            }
        }
    }

    /// §6.7.
    fn ping(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(protocol("PING on a stream"));
        }
        if head.length != 8 {
            return Err(size("PING has eight bytes"));
        }
        if head.has(flag::ACK) {
            self.pong(payload);
            return Ok(());
        }
        self.floods.control()?;
        self.put_ack(kind::PING, payload);
        Ok(())
    }

    /// §6.9.
    fn window_update(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.length != 4 {
            return Err(size("WINDOW_UPDATE has four bytes"));
        }
        let more = i64::from(number(payload) & 0x7fff_ffff);
        if head.stream == 0 {
            self.send_window += more;
            if more == 0 {
                return Err(protocol("a window of 0 more"));
            }
            if self.send_window > WINDOW_MOST {
                return Err(Fault::Connection(Reason::FlowControl, "a window past 2^31-1"));
            }
            self.unblock();
            return Ok(());
        }
        self.check_opened(head.stream)?;
        let Some(key) = self.streams.key(head.stream) else { return Ok(()) };
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        stream.send_window += more;
        if more == 0 {
            return Err(Fault::Stream(head.stream, Reason::Protocol));
        }
        if stream.send_window > WINDOW_MOST {
            return Err(Fault::Stream(head.stream, Reason::FlowControl));
        }
        if stream.blocked {
            self.unblock();
        }
        Ok(())
    }
}

fn protocol(why: &'static str) -> Fault {
    Fault::Connection(Reason::Protocol, why)
}

fn size(why: &'static str) -> Fault {
    Fault::Connection(Reason::FrameSize, why)
}
