//! A connection that was upgraded: bytes both ways, until both sides have said all.
//!
//! What a WebSocket tunnel carries is followed frame by frame (L21, L48), so that the gateway can
//! say something itself: a Close when a frame or message is too large (1009) or the process ends
//! (1012), a Ping to a caller that has been silent. It judges nothing else: what breaks the
//! protocol reaches the other end as it was sent, and is answered there. Other protocols are
//! opaque.
//!
//! ```text
//!  Open ──too large, last call──▶ Ending: both sides were sent a Close, what comes is dropped
//!    │                              │
//!    └──both sides ended────────────┴──both sides closed, or time is up──▶ over
//! ```

mod lane;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use pasarela_model::Limits;
use pasarela_net::{
    conn::{Conn, ReadHalf, WriteHalf},
    http1::{Head, Name},
    listen,
    timer::{self, Deadline},
    websocket::{Bounds, Extensions, Fault, Follower, Sender, put_close, put_ping},
};

use self::lane::Lane;
use crate::{
    ctx::Ctx,
    worker::{Leaving, Worker},
};

/// A tunnel on which nothing moves for this long is given up, where no Ping can be sent.
const IDLE: Duration = Duration::from_secs(3600);
/// Time for both sides to answer a Close of ours, or to take what is left when one has gone.
const GOODBYE: Duration = Duration::from_secs(3);
/// Reads of one direction before the other has its turn.
const TURN: u32 = 16;
/// What a Ping of ours carries, so that whoever sees the answer can tell it from others. Answers
/// are passed on: RFC 6455 §5.5.3 allows a Pong that nobody asked for.
const PING: &[u8] = b"pasarela";
/// RFC 6455 §7.4.1: a message too big to process.
const TOO_BIG: (u16, &str) = (1009, "larger than the gateway allows");
/// In the registry of RFC 6455 §11.7: the service restarts, a client may come back.
const RESTART: (u16, &str) = (1012, "the gateway restarts");

/// What a tunnel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// WebSocket frames.
    WebSocket(Extensions),
    /// Something else.
    Other,
}

impl Carried {
    /// What both sides agreed on, if they did (T3): the answer names the one protocol asked for.
    pub(super) fn agreed(wanted: Option<&[u8]>, answer: &Head) -> Option<Self> {
        let (wanted, got) = (wanted?, answer.get(Name::Upgrade)?);
        if !got.eq_ignore_ascii_case(wanted) || answer.count(Name::Upgrade) != 1 {
            return None;
        }
        if !wanted.eq_ignore_ascii_case(b"websocket") {
            return Some(Self::Other);
        }
        let extensions = answer.find_all("sec-websocket-extensions");
        Some(Self::WebSocket(Extensions::agreed(extensions)))
    }
}

/// What holds for one tunnel.
struct Terms<L> {
    carried: Carried,
    bounds: Bounds,
    ping: Duration,
    stall: Duration,
    mask: [u8; 4],
    /// When the process ends, once that is settled.
    leaving: L,
}

impl<L> Terms<L> {
    fn new(carried: Carried, limits: &Limits, draw: u64, leaving: L) -> Self {
        let [a, b, c, d, ..] = draw.to_le_bytes();
        Self {
            carried,
            bounds: Bounds {
                frame: u64::from(limits.websocket_frame_bytes),
                message: u64::from(limits.websocket_message_bytes),
            },
            ping: limits.websocket_ping,
            stall: limits.write_stall,
            mask: [a, b, c, d],
            leaving,
        }
    }

    fn lane(&self, sender: Sender) -> Lane {
        Lane::new(match self.carried {
            Carried::Other => None,
            Carried::WebSocket(extensions) => Some(Follower::new(sender, extensions, self.bounds)),
        })
    }
}

/// Carries bytes between caller and server. What either had sent ahead goes first.
pub(super) async fn run(
    worker: &Worker,
    caller: Conn,
    server: Conn,
    carried: Carried,
    ctx: &mut Ctx<'_>,
) {
    // The caller's side of every connection has this from its listener.
    if let Err(error) = listen::keep_alive(server.stream().borrow().tcp()) {
        tracing::debug!(%error, "a tunnel does without keep-alive");
    }
    let limits = &ctx.plane.snapshot.limits;
    let terms = Terms::new(carried, limits, worker.draw(), || worker.leaving());
    let done = carry(caller, server, &terms).await;
    (ctx.bytes_in, ctx.bytes_out) = (done.up, done.down);
    ctx.aborted = !done.clean;
}

/// How a tunnel went.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    /// Bytes from the caller.
    up: u64,
    /// Bytes to the caller.
    down: u64,
    /// Both sides ended it, or were told and agreed.
    clean: bool,
}

async fn carry<L: Fn() -> Option<Leaving>>(
    mut caller: Conn,
    mut server: Conn,
    terms: &Terms<L>,
) -> Done {
    let now = timer::now();
    let (caller_read, caller_write) = caller.halves();
    let (server_read, server_write) = server.halves();
    let mut tunnel = Tunnel {
        up: Pump::new(caller_read, server_write, terms.lane(Sender::Client), now),
        down: Pump::new(server_read, caller_write, terms.lane(Sender::Server), now),
        terms,
        alarm: Deadline::new(),
        pinged: None,
        ending: false,
        give_up: u64::MAX,
        clean: true,
    };
    let clean = poll_fn(|cx| tunnel.poll(cx)).await;
    Done { up: tunnel.up.lane.moved, down: tunnel.down.lane.moved, clean }
}

struct Tunnel<'a, L> {
    /// From the caller to the server.
    up: Pump<'a>,
    /// And back.
    down: Pump<'a>,
    terms: &'a Terms<L>,
    alarm: Deadline,
    /// When the caller was sent the Ping that it has not answered yet. This and all other times
    /// are milliseconds of [`timer`].
    pinged: Option<u64>,
    /// Both sides were, or are about to be, sent a Close by us.
    ending: bool,
    /// Over by then, whatever is still open.
    give_up: u64,
    clean: bool,
}

/// What silence leads to, and when.
enum Silence {
    Ping(u64),
    Over(u64),
}

impl<L: Fn() -> Option<Leaving>> Tunnel<'_, L> {
    /// Ready when the tunnel is over: whether it ended well.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let stall = self.terms.stall;
        loop {
            let now = timer::now();
            let mut too_large = false;
            for pump in [&mut self.up, &mut self.down] {
                match pump.poll(cx, stall, now) {
                    Poll::Pending | Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(Broken::TooLarge(fault))) if !self.ending => {
                        tracing::debug!(%fault, "a tunnel is ended");
                        too_large = true;
                    }
                    Poll::Ready(Err(Broken::Unheard)) => {
                        // Who listens no more may have said why: the other direction goes on.
                        pump.done = true;
                        self.clean = false;
                        self.give_up = self.give_up.min(after(now, GOODBYE));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                }
            }
            if too_large {
                self.clean = false;
                self.end(TOO_BIG, now);
                continue;
            }
            if self.up.done && self.down.done {
                return Poll::Ready(self.clean);
            }
            if self.ending && self.up.is_over() && self.down.is_over() {
                // Both have answered. The connections close, after one push for the end of TLS.
                let _ = self.up.write.poll_shutdown(cx, stall);
                let _ = self.down.write.poll_shutdown(cx, stall);
                return Poll::Ready(self.clean);
            }
            let Some(next) = self.watch(now) else { return Poll::Ready(false) };
            if next > now {
                self.alarm.arm(Duration::from_millis(next - now));
                if self.alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    /// Does what is due and returns when to look again; now, if there is something to be sent.
    /// `None`: the tunnel is over.
    fn watch(&mut self, now: u64) -> Option<u64> {
        let mut next = u64::MAX;
        if let Some(leaving) = (self.terms.leaving)() {
            self.give_up = self.give_up.min(leaving.end);
            if !self.ending {
                if now >= leaving.last_call {
                    self.end(RESTART, now);
                    return Some(now);
                }
                next = leaving.last_call;
            }
        }
        let over = match self.silence(now) {
            Silence::Ping(due) if now >= due => {
                let mut ping = Vec::new();
                put_ping(&mut ping, PING, None);
                self.down.lane.insert(ping);
                self.pinged = Some(now);
                return Some(now);
            }
            Silence::Ping(due) => {
                next = next.min(due);
                self.give_up
            }
            Silence::Over(due) => due.min(self.give_up),
        };
        (now < over).then(|| next.min(over))
    }

    /// L21: who is silent is asked whether it is there, and is given up when no answer comes.
    /// Only callers are asked: their networks forget connections without a word. Servers are the
    /// operator's own; one may think for minutes and be unable to answer, and the operating system
    /// tells when one is dead.
    fn silence(&mut self, now: u64) -> Silence {
        let ping = self.terms.ping;
        let ended = self.up.ended || self.down.ended;
        if self.terms.carried == Carried::Other || ping.is_zero() {
            return Silence::Over(after(self.up.heard.max(self.down.heard), IDLE));
        }
        if ended || !self.down.lane.may_speak() {
            self.pinged = None;
            let closing = ended || self.up.lane.heard_close() || self.down.lane.heard_close();
            let patience = if closing { 2 * ping } else { IDLE };
            return Silence::Over(after(self.up.heard.max(self.down.heard), patience));
        }
        match &mut self.pinged {
            Some(at) if self.up.heard < *at => {
                if self.down.lane.wants_boundary() {
                    // The frame under way goes first; the caller's time begins behind it.
                    *at = now;
                }
                Silence::Over(after(*at, ping))
            }
            pinged => {
                *pinged = None;
                Silence::Ping(after(self.up.heard, ping))
            }
        }
    }

    fn end(&mut self, (code, reason): (u16, &str), now: u64) {
        self.ending = true;
        self.give_up = self.give_up.min(after(now, GOODBYE));
        let close = |mask| {
            let mut close = Vec::new();
            put_close(&mut close, code, reason, mask);
            close
        };
        self.up.lane.end(close(Some(self.terms.mask)));
        self.down.lane.end(close(None));
    }
}

fn after(time: u64, patience: Duration) -> u64 {
    time.saturating_add(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
}

/// One direction of a tunnel, with the halves of the connections it joins.
struct Pump<'a> {
    read: ReadHalf<'a>,
    write: WriteHalf<'a>,
    lane: Lane,
    /// When its sender was last heard, or was not listened to because nothing more could be sent.
    heard: u64,
    blocked: bool,
    /// Its sender has said all.
    ended: bool,
    /// And its receiver was told, or does not listen.
    done: bool,
}

/// Why a direction stops.
enum Broken {
    /// L21.
    TooLarge(Fault),
    /// Reading failed, or writing made no progress for too long (L10).
    Off,
    /// Writing failed.
    Unheard,
}

impl<'a> Pump<'a> {
    fn new(read: ReadHalf<'a>, write: WriteHalf<'a>, lane: Lane, now: u64) -> Self {
        Self { read, write, lane, heard: now, blocked: false, ended: false, done: false }
    }

    /// Moves what can be moved. Nothing is read before everything is sent: that is back-pressure.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stall: Duration,
        now: u64,
    ) -> Poll<Result<(), Broken>> {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..TURN {
            if !self.ended {
                self.shift().map_err(Broken::TooLarge)?;
            }
            let sent = match self.ended {
                true => self.write.poll_shutdown(cx, stall),
                false => self.write.poll_flush(cx, stall),
            };
            if self.blocked || sent.is_pending() {
                self.heard = now;
            }
            self.blocked = sent.is_pending();
            match ready!(sent) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Poll::Ready(Err(Broken::Off));
                }
                Err(_) => return Poll::Ready(Err(Broken::Unheard)),
            }
            if self.ended {
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            match ready!(self.read.poll_fill(cx)) {
                Ok(true) => self.heard = now,
                Ok(false) => self.finish(),
                Err(_) => return Poll::Ready(Err(Broken::Off)),
            }
        }
        // The other direction has its turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn shift(&mut self) -> Result<(), Fault> {
        while !self.read.reader.bytes().is_empty() {
            let used = self.lane.carry(self.read.reader.bytes(), self.write.writer.buffer())?;
            if used == 0 {
                break;
            }
            self.read.reader.consume(used);
        }
        if self.lane.wants_boundary() {
            self.lane.put(self.write.writer.buffer());
        }
        Ok(())
    }

    /// The sender has said all. Half a header it leaves behind is not ours to keep.
    fn finish(&mut self) {
        self.ended = true;
        let rest = self.read.reader.bytes();
        if !self.lane.is_muted() {
            self.write.writer.buffer().extend_from_slice(rest);
            self.lane.moved += rest.len() as u64;
        }
        let length = rest.len();
        self.read.reader.consume(length);
    }

    /// Whether nothing more is to come or to go.
    fn is_over(&self) -> bool {
        self.done || self.lane.heard_close() && self.write.writer.is_empty()
    }
}
