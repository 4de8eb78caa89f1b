//! Traces: the W3C `traceparent` and `tracestate` fields, sampling, and spans for the exporter.
//!
//! Read and written as W3C Trace Context level 1 says. Without configured traces a worker has no
//! [`Tracer`], nothing here runs and both fields pass untouched. With them, an exchange is one
//! server span and its upstream call one client span below it; whether they are kept is the
//! caller's decision (its `sampled` flag) unless the operator says otherwise, and else a ratio of
//! trace ids, so that every node decides alike. Kept spans travel as [`Facts`] to the exporter,
//! in bounded buffers like the access log's: when it is too slow they are dropped and counted.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use super::{
    fact::{Fact, Facts},
    mix,
    outbox::{Buffer, Delivery, Outbox, Parcel},
};

/// The id of a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// An exchange's place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The caller's span; `None` at the root.
    pub parent: Option<SpanId>,
    /// Our span for the exchange.
    pub span: SpanId,
    /// Our span for the upstream call, and what the upstream sees as its parent.
    pub upstream_span: SpanId,
    /// Whether the spans are kept.
    pub sampled: bool,
}

/// Bytes of a `traceparent` of version 00.
pub const TRACEPARENT_BYTES: usize = 55;
/// Members of a `tracestate`, at most (W3C Trace Context §3.3.1.1).
const TRACESTATE_MEMBERS: usize = 32;

impl TraceId {
    /// Appends it as 32 hexadecimal digits.
    pub fn write_hex(self, out: &mut Vec<u8>) {
        let mut digits = [0; 32];
        write_hex(&mut digits, 0, &self.0);
        out.extend_from_slice(&digits);
    }
}

impl SpanId {
    /// Appends it as 16 hexadecimal digits.
    pub fn write_hex(self, out: &mut Vec<u8>) {
        let mut digits = [0; 16];
        write_hex(&mut digits, 0, &self.0);
        out.extend_from_slice(&digits);
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A `traceparent` as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub id: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Whether the caller keeps its own.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads one field value; `None` starts a new trace (W3C Trace Context §3.2, §4.3).
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let head = value.first_chunk::<TRACEPARENT_BYTES>()?;
        let [version] = read_hex::<1>(head.get(..2)?)?;
        let rest = &value[TRACEPARENT_BYTES..];
        // Version ff is forbidden; 00 has nothing more; a later one may, after a dash.
        let goes_on = match version {
            0xff => return None,
            0 => rest.is_empty(),
            _ => rest.first().is_none_or(|&byte| byte == b'-'),
        };
        if !goes_on || head[2] != b'-' || head[35] != b'-' || head[52] != b'-' {
            return None;
        }
        let id = TraceId(read_hex(head.get(3..35)?)?);
        let span = SpanId(read_hex(head.get(36..52)?)?);
        let [flags] = read_hex(head.get(53..55)?)?;
        let valid = id.0 != [0; 16] && span.0 != [0; 8];
        valid.then_some(Self { id, span, sampled: flags & 1 == 1 })
    }
}

impl Trace {
    /// The `traceparent` that goes upstream.
    pub fn traceparent(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut out, 3, &self.id.0);
        write_hex(&mut out, 36, &self.upstream_span.0);
        out[54] = b'0' + u8::from(self.sampled);
        out
    }

    /// The trace whose `traceparent` this is, for tests of what is made of it.
    #[cfg(test)]
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let TraceParent { id, span, sampled } = TraceParent::parse(value)?;
        Some(Self { id, parent: None, span, upstream_span: span, sampled })
    }
}

/// Joins the `tracestate` fields of a request into one value for the upstream. `false`: there are
/// none, or they break the grammar or the limit of 32 members, and none goes upstream. Call it
/// only when [`Tracer::begin`] found a parent: without one the state means nothing (§4.3).
pub fn join_tracestate<'a>(values: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut members = 0;
    let entries = values.into_iter().flat_map(|value| value.split(|&byte| byte == b','));
    for member in entries.map(trim_blanks).filter(|member| !member.is_empty()) {
        members += 1;
        if members > TRACESTATE_MEMBERS || !is_member(member) {
            out.truncate(start);
            return false;
        }
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(member);
    }
    members > 0
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// `key=value` with a simple key or `tenant@system` (§3.3.1.3).
fn is_member(member: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', member) else { return false };
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    let is_key = |part: &[u8], most: usize, digit_first: bool| {
        let first = |byte: u8| byte.is_ascii_lowercase() || digit_first && byte.is_ascii_digit();
        let further = |byte: &u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'*' | b'/')
        };
        part.len() <= most && part.first().is_some_and(|&b| first(b)) && part.iter().all(further)
    };
    let key_is_good = match memchr::memchr(b'@', key) {
        Some(at) => is_key(&key[..at], 241, true) && is_key(&key[at + 1..], 14, false),
        None => is_key(key, 256, false),
    };
    let value_is_good = (1..=256).contains(&value.len())
        && value.iter().all(|&byte| (0x20..0x7f).contains(&byte) && byte != b'=')
        && value.last() != Some(&b' ');
    key_is_good && value_is_good
}

/// Lower-case digits only, as the standard has it.
fn read_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in out.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(out)
}

fn write_hex(out: &mut [u8], at: usize, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (places, _) = out.get_mut(at..).unwrap_or_default().as_chunks_mut::<2>();
    for (place, &byte) in places.iter_mut().zip(bytes) {
        *place = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceSettings {
    /// Share of the traces that begin here and are kept, 0 to 1.
    pub sample: f64,
    /// Whether a caller's `sampled` flag decides instead, where it sends one.
    pub honour_parent: bool,
}

/// Spans in one buffer.
const BATCH_SPANS: usize = 256;
/// Buffers of a worker.
const BUFFERS: usize = 4;

/// A worker's part: begins traces and gathers spans.
#[derive(Debug)]
pub struct Tracer {
    /// Trace ids below this are kept; compared with the random low 56 bits (level 2, §3.2.2.5).
    threshold: u64,
    honour_parent: bool,
    random: Cell<u64>,
    outbox: RefCell<Outbox<Facts>>,
    dropped: Arc<AtomicU64>,
}

impl Buffer for Facts {
    fn reset(&mut self) {
        self.clear();
    }
}

impl Tracer {
    /// Places an exchange in a trace, given its `traceparent` fields. Exactly one that is valid
    /// makes it part of the caller's trace; none, several or a broken one starts another.
    pub fn begin<'a>(&self, traceparents: impl IntoIterator<Item = &'a [u8]>) -> Trace {
        let mut values = traceparents.into_iter();
        let parent = match (values.next(), values.next()) {
            (Some(value), None) => TraceParent::parse(value),
            _ => None,
        };
        let id = match parent {
            Some(parent) => parent.id,
            None => {
                TraceId((u128::from(self.draw()) << 64 | u128::from(self.draw())).to_be_bytes())
            }
        };
        let sampled = match parent {
            Some(parent) if self.honour_parent => parent.sampled,
            _ => self.keeps(id),
        };
        Trace {
            id,
            parent: parent.map(|parent| parent.span),
            span: SpanId(self.draw().to_be_bytes()),
            upstream_span: SpanId(self.draw().to_be_bytes()),
            sampled,
        }
    }

    fn keeps(&self, id: TraceId) -> bool {
        (u128::from_be_bytes(id.0) as u64 & LOW_56) < self.threshold
    }

    /// A number that is not zero. Ids have to be unique, not secret.
    fn draw(&self) -> u64 {
        let next = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(next);
        mix(next).max(1)
    }

    /// Keeps the spans of a sampled exchange, or drops and counts them.
    pub fn record(&self, fact: &Fact<'_>) {
        if !fact.trace.is_some_and(|trace| trace.sampled) {
            return;
        }
        let mut outbox = self.outbox.borrow_mut();
        let Some(facts) = outbox.filling() else {
            self.drop_spans(1);
            return;
        };
        facts.push(fact);
        if facts.len() >= BATCH_SPANS {
            self.hand_over(&mut outbox);
        }
    }

    /// Hands over what has gathered, if the exporter waits for it.
    pub fn tick(&self) {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.reader_is_idle() {
            self.hand_over(&mut outbox);
        }
    }

    fn hand_over(&self, outbox: &mut Outbox<Facts>) {
        if outbox.filling().is_none_or(|facts| facts.is_empty()) {
            return;
        }
        if let Err(facts) = outbox.send() {
            self.drop_spans(facts.len() as u64);
            outbox.keep(facts);
        }
    }

    fn drop_spans(&self, exchanges: u64) {
        self.dropped.store(self.dropped.load(Relaxed).wrapping_add(exchanges), Relaxed);
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let mut outbox = self.outbox.borrow_mut();
        self.hand_over(&mut outbox);
    }
}

const LOW_56: u64 = (1 << 56) - 1;

/// The process's part: makes the workers' and counts what they dropped.
#[derive(Debug)]
pub struct Traces {
    settings: TraceSettings,
    to: SyncSender<Delivery<Facts>>,
    dropped: Mutex<Vec<Arc<AtomicU64>>>,
    export: Arc<ExportCounts>,
}

/// What became of exchanges whose spans reached the exporter. The exporter writes it.
#[derive(Debug, Default)]
pub struct ExportCounts {
    /// Exchanges whose spans the collector took.
    pub exported: AtomicU64,
    /// Exchanges whose spans were given up.
    pub dropped: AtomicU64,
}

/// The exporter's end: facts of sampled exchanges, in batches.
#[derive(Debug)]
pub struct SpanInbox {
    inbox: Receiver<Delivery<Facts>>,
    /// To be kept up by the exporter.
    pub counts: Arc<ExportCounts>,
}

/// What an exporter may wake up to.
#[derive(Debug)]
pub enum SpanEvent {
    /// Facts to turn into spans; drop the parcel soon, a worker wants it back.
    Batch(Parcel<Facts>),
    /// Export everything now and say so.
    Flush(SyncSender<()>),
    /// Nothing came in time.
    Timeout,
    /// Every worker has ended.
    Closed,
}

impl Traces {
    /// Makes room for the spans of so many workers.
    pub fn new(settings: TraceSettings, workers: usize) -> (Self, SpanInbox) {
        let (to, inbox) = sync_channel(workers.max(1) * BUFFERS + 16);
        let export = Arc::new(ExportCounts::default());
        let counts = Arc::clone(&export);
        (Self { settings, to, dropped: Mutex::default(), export }, SpanInbox { inbox, counts })
    }

    /// A worker's part. `seed` is random and differs between workers and boots.
    pub fn worker(&self, seed: u64) -> Tracer {
        let dropped = Arc::new(AtomicU64::new(0));
        let mut all = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&dropped));
        Tracer {
            // Saturates; 1.0 gives 2^56, which every id is below.
            threshold: (self.settings.sample.clamp(0.0, 1.0) * (LOW_56 + 1) as f64) as u64,
            honour_parent: self.settings.honour_parent,
            random: Cell::new(seed),
            outbox: RefCell::new(Outbox::new(
                self.to.clone(),
                BUFFERS,
                |_| Facts::default(),
                BATCH_SPANS,
            )),
            dropped,
        }
    }

    /// Exchanges whose spans were dropped, on the way or by the exporter.
    pub fn dropped(&self) -> u64 {
        let all = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let by_workers: u64 = all.iter().map(|dropped| dropped.load(Relaxed)).sum();
        by_workers + self.export.dropped.load(Relaxed)
    }

    /// Exchanges whose spans the collector took.
    pub fn exported(&self) -> u64 {
        self.export.exported.load(Relaxed)
    }

    /// Waits until everything handed over so far was exported or given up, at most this long.
    pub fn flush(&self, most: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.to.try_send(Delivery::Flush(done)).is_ok() && wait.recv_timeout(most).is_ok()
    }
}

impl SpanInbox {
    /// Waits for the next event, at most this long.
    pub fn next(&self, most: Duration) -> SpanEvent {
        match self.inbox.recv_timeout(most) {
            Ok(Delivery::Parcel(parcel)) => SpanEvent::Batch(parcel),
            Ok(Delivery::Flush(done)) => SpanEvent::Flush(done),
            Ok(Delivery::Wake) | Err(RecvTimeoutError::Timeout) => SpanEvent::Timeout,
            Err(RecvTimeoutError::Disconnected) => SpanEvent::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observe::fact::tests::full;

    const PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn tracer(sample: f64, honour_parent: bool) -> (Tracer, Traces, SpanInbox) {
        let (traces, inbox) = Traces::new(TraceSettings { sample, honour_parent }, 1);
        (traces.worker(7), traces, inbox)
    }

    #[test]
    fn a_valid_parent_is_read() {
        let parent = TraceParent::parse(PARENT).unwrap();
        assert_eq!(format!("{:?}", parent.id), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(format!("{:?}", parent.span), "b7ad6b7169203331");
        assert!(parent.sampled);
        for good in [
            // A later version may go on after a dash, and unknown flags mean nothing.
            &b"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings"[..],
            b"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
            b" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\t",
        ] {
            assert_eq!(TraceParent::parse(good), Some(parent), "{}", good.escape_ascii());
        }
    }

    #[test]
    fn a_broken_parent_starts_a_new_trace() {
        for bad in [
            &b""[..],
            b"00",
            b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            b"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
            b".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{}", bad.escape_ascii());
        }
        let (tracer, ..) = tracer(1.0, true);
        let known = TraceParent::parse(PARENT).unwrap().id;
        assert_eq!(tracer.begin([PARENT]).id, known);
        assert_ne!(tracer.begin([PARENT, PARENT]).id, known);
        assert_eq!(tracer.begin([PARENT, PARENT]).parent, None);
    }

    #[test]
    fn the_upstream_sees_our_span_as_its_parent() {
        let (tracer, ..) = tracer(0.0, true);
        let trace = tracer.begin([PARENT]);
        let sent = TraceParent::parse(&trace.traceparent()).unwrap();
        assert_eq!((sent.id, sent.span, sent.sampled), (trace.id, trace.upstream_span, true));
        assert_eq!(trace.parent, TraceParent::parse(PARENT).map(|parent| parent.span));
        assert_ne!(trace.span, trace.upstream_span);
    }

    #[test]
    fn sampling_follows_the_caller_and_else_the_ratio() {
        let unsampled = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".as_slice();
        let (always, ..) = tracer(1.0, true);
        assert!(!always.begin([unsampled]).sampled);
        assert!(always.begin([]).sampled);
        let (own_mind, ..) = tracer(1.0, false);
        assert!(own_mind.begin([unsampled]).sampled);
        let (never, ..) = tracer(0.0, true);
        assert!(never.begin([PARENT]).sampled);
        assert!(!never.begin([]).sampled);
        let (quarter, ..) = tracer(0.25, true);
        let kept = (0..20_000).filter(|_| quarter.begin([]).sampled).count();
        assert!((4_700..5_300).contains(&kept), "{kept}");
    }

    #[test]
    fn states_are_joined_or_refused_whole() {
        let joined = |values: &[&str]| {
            let mut out = b"kept:".to_vec();
            let found = join_tracestate(values.iter().map(|value| value.as_bytes()), &mut out);
            let text = String::from_utf8(out).unwrap().split_off(5);
            assert!(found || text.is_empty());
            found.then_some(text)
        };
        assert_eq!(joined(&["foo=1,bar=2", " baz=3 ,,\t"]).as_deref(), Some("foo=1,bar=2,baz=3"));
        assert_eq!(joined(&["0tenant@sys-1=a b!"]).as_deref(), Some("0tenant@sys-1=a b!"));
        assert_eq!(joined(&[]), None);
        assert_eq!(joined(&["", " , "]), None);
        let many = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert!(joined(&[&many(32)]).is_some());
        for bad in [
            "foo",
            "foo=",
            "=1",
            "Foo=1",
            "foo=a=b",
            "foo=\u{f1}",
            "foo@=1",
            "@foo=1",
            "foo@bar@baz=1",
            &many(33),
            &format!("{}=1", "k".repeat(257)),
            &format!("k={}", "v".repeat(257)),
            &format!("t@{}=1", "s".repeat(15)),
        ] {
            assert_eq!(joined(&["good=1", bad]), None, "{bad}");
        }
    }

    #[test]
    fn only_sampled_exchanges_reach_the_exporter_and_the_rest_is_counted() {
        let (tracer, traces, inbox) = tracer(1.0, true);
        tracer.record(&full());
        tracer.record(&Fact { trace: Some(tracer.begin([])), ..full() });
        tracer.tick();
        let SpanEvent::Batch(parcel) = inbox.next(Duration::ZERO) else { panic!("a batch") };
        assert_eq!(parcel.content().map(Facts::len), Some(1));
        drop(parcel);
        // Nobody reads: the buffers fill up, the worker goes on.
        let sampled = Fact { trace: Some(tracer.begin([])), ..full() };
        for _ in 0..BUFFERS * BATCH_SPANS + 10 {
            tracer.record(&sampled);
            tracer.tick();
        }
        assert!(traces.dropped() >= 10);
        assert!(!traces.flush(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_readers(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceParent::parse(&value);
            let mut out = Vec::new();
            if join_tracestate([value.as_slice()], &mut out) {
                // What we forward we would accept.
                let mut again = Vec::new();
                prop_assert!(join_tracestate([out.as_slice()], &mut again));
                prop_assert_eq!(out, again);
            }
        }

        #[test]
        fn what_we_write_we_read(id in 1u128.., span in 1u64.., sampled: bool) {
            let span = SpanId(span.to_be_bytes());
            let id = TraceId(id.to_be_bytes());
            let trace = Trace { id, parent: None, span, upstream_span: span, sampled };
            let read = TraceParent::parse(&trace.traceparent());
            prop_assert_eq!(read, Some(TraceParent { id, span, sampled }));
        }
    }
}
