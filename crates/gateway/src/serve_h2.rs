//! An HTTP/2 connection from a caller: exchanges side by side, all polled by the connection's task.
//!
//! The task reads what is there, lets every stream go on that can, and sends what they have written
//! as one piece. What HTTP/2 is, [`pasarela_net::http2`] knows; the caller's side of one exchange is
//! `serve_h2/exchange.rs`.

mod exchange;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use exchange::exchange;
use pasarela_model::Limits;
use pasarela_net::{
    conn::Conn,
    http2::{Connection, Key, Ready, Settings, Trouble},
    timer::{self, Wait},
};

use crate::{
    ctx::Origin,
    overload::Level,
    worker::{HeadSpace, Phase, Worker},
};

/// What a connection on which nothing goes on any more is given to take the GOAWAY.
const SHUT_OUT: Duration = Duration::from_secs(1);
/// How long a stream's task without work is kept.
const RUNNER_KEPT: Duration = Duration::from_secs(1);
/// How often it is asked whether a caller that says nothing more still listens.
const PROBE: Duration = Duration::from_secs(1);
/// Bytes that wait to be sent before nothing more is read: their reader is to read first (L17).
const UNREAD_MOST: usize = 512 << 10;
/// How often one wake-up reads, so that one connection does not keep the others waiting.
const ROUNDS: usize = 4;
/// Bytes read and dropped from a caller that was shut out.
const DROPPED_MOST: usize = 1 << 20;

/// Serves a connection until its end.
pub(crate) async fn serve(worker: &Rc<Worker>, conn: Conn, origin: Origin) {
    let limits = worker.plane().snapshot.limits.clone();
    // Boxed: its room is many times that of an HTTP/1.1 connection.
    let mut serving = Box::new(Serving::new(worker, conn, origin, limits));
    // Its streams share the task, not what the runtime grants a task.
    tokio::task::unconstrained(poll_fn(|cx| serving.poll(cx))).await;
}

/// What a connection and its exchanges share.
struct Shared {
    worker: Rc<Worker>,
    origin: Origin,
    connection: Rc<RefCell<Connection>>,
    /// Requests that nobody carries yet, by the place of their stream.
    jobs: RefCell<Vec<Option<Job>>>,
    stall: Duration,
}

/// A request.
struct Job {
    space: Box<HeadSpace>,
    trouble: Option<Trouble>,
}

/// What carries the exchanges of one place, one after the other: making it anew for each would
/// allocate and move several KiB a request.
struct Runner {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

/// A connection being served.
struct Serving {
    shared: Rc<Shared>,
    /// `None` once it is closed; exchanges may still have to come to their ends.
    conn: Option<Conn>,
    ready: Ready,
    runners: Vec<Option<Runner>>,
    limits: Limits,
    /// Where the streams are begun with, so that none is always the first.
    turn: usize,
    served: bool,
    leaving: bool,
    input_ended: bool,
    /// Nothing but its end is awaited: the caller is to read what was said last.
    ending: bool,
    dropped: usize,
    head: Wait,
    idle: Wait,
    quiet: Wait,
    last: Wait,
    rested: bool,
}

impl Serving {
    fn new(worker: &Rc<Worker>, conn: Conn, origin: Origin, limits: Limits) -> Self {
        let settings = Settings {
            streams: limits.h2_streams,
            stream_window: limits.h2_stream_window,
            connection_window: limits.h2_connection_window,
            line_bytes: limits.request_line_bytes as usize,
            header_bytes: limits.header_bytes as usize,
            header_fields: limits.header_fields as usize,
            resets: limits.h2_resets_per_10s,
            control: limits.h2_control_frames_per_10s,
            empties: limits.h2_empty_data_frames,
        };
        let connection = Connection::new(settings, timer::now());
        Self {
            shared: Rc::new(Shared {
                worker: Rc::clone(worker),
                origin,
                connection: Rc::new(RefCell::new(connection)),
                jobs: RefCell::default(),
                stall: limits.h2_window_stall,
            }),
            conn: Some(conn),
            ready: Ready::new(limits.h2_streams as usize),
            runners: Vec::new(),
            limits,
            turn: 0,
            served: false,
            leaving: false,
            input_ended: false,
            ending: false,
            dropped: 0,
            head: Wait::default(),
            idle: Wait::default(),
            quiet: Wait::default(),
            last: Wait::default(),
            rested: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.begin(cx.waker());
        for _ in 0..ROUNDS {
            let received = self.receive(cx);
            self.hear();
            let ran = self.run();
            self.hear();
            self.send(cx);
            self.hear();
            if self.settle(cx).is_ready() {
                return Poll::Ready(());
            }
            if !received && !ran && self.ready.rest() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once and takes the frames that are there. Whether there was something.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(conn) = self.conn.as_mut() else { return false };
        let ahead = !conn.reader.bytes().is_empty() && !self.served && !self.ending;
        if ahead && self.take_frames() > 0 {
            return true;
        }
        let waiting = self.shared.connection.borrow().waiting();
        if self.input_ended || (waiting > UNREAD_MOST && !self.ending) {
            return false;
        }
        let Some(conn) = self.conn.as_mut() else { return false };
        match conn.read_half().poll_fill(cx) {
            Poll::Ready(Ok(true)) if self.ending => {
                let received = conn.reader.bytes().len();
                conn.reader.consume(received);
                self.dropped += received;
                true
            }
            Poll::Ready(Ok(true)) => {
                self.take_frames();
                true
            }
            Poll::Ready(Ok(false)) => {
                self.input_ended = true;
                self.shared.connection.borrow_mut().input_ended();
                true
            }
            Poll::Ready(Err(_)) => {
                self.close();
                true
            }
            Poll::Pending => false,
        }
    }

    /// Takes the frames received; how many bytes those were.
    fn take_frames(&mut self) -> usize {
        let Some(conn) = self.conn.as_mut() else { return 0 };
        let now = timer::now();
        let mut used = 0;
        while !conn.reader.bytes().is_empty() {
            let mut connection = self.shared.connection.borrow_mut();
            let received = connection.receive(conn.reader.bytes(), now);
            conn.reader.consume(received.used);
            used += received.used;
            let Some(key) = received.request else { break };
            let mut space = self.shared.worker.take_head();
            let trouble = connection.take_head(&mut space.head);
            drop(connection);
            let mut jobs = self.shared.jobs.borrow_mut();
            if jobs.len() <= key {
                jobs.resize_with(key + 1, || None);
            }
            jobs[key] = Some(Job { space, trouble });
            self.ready.mark(key);
            self.served = true;
        }
        // L8 counts for one head: a frame that is whole ends the wait, a block that goes on does not.
        if used > 0 && !self.shared.connection.borrow().is_in_block() {
            self.head.end();
        }
        used
    }

    /// Marks the streams that have something to hear.
    #[inline]
    fn hear(&self) {
        let mut connection = self.shared.connection.borrow_mut();
        while let Some(key) = connection.news() {
            self.ready.mark(key);
        }
    }

    /// Lets every stream go on that can. Whether there was one.
    fn run(&mut self) -> bool {
        let words = self.ready.words();
        let mut ran = false;
        for word in 0..words {
            let word = (word + self.turn / 64) % words;
            let mut marks = self.ready.take(word).rotate_right(self.turn as u32 % 64);
            while marks != 0 {
                let bit = (marks.trailing_zeros() as usize + self.turn) % 64;
                marks &= marks - 1;
                ran = true;
                self.poll_stream(word * 64 + bit);
            }
        }
        self.turn = (self.turn + 7) % (words * 64);
        ran
    }

    fn poll_stream(&mut self, key: Key) {
        let has_job = self.shared.jobs.borrow().get(key).is_some_and(Option::is_some);
        if has_job && self.shared.connection.borrow().is_gone(key) {
            // Reset before anybody began (L19): nothing has come of it.
            let job = self.shared.jobs.borrow_mut().get_mut(key).and_then(Option::take);
            if let Some(job) = job {
                self.shared.worker.give_head(job.space);
            }
            self.shared.connection.borrow_mut().release(key);
            return;
        }
        if self.runners.len() <= key {
            self.runners.resize_with(key + 1, || None);
        }
        let Some(place) = self.runners.get_mut(key) else { return };
        if place.is_none() && !has_job {
            return;
        }
        let runner = place.get_or_insert_with(|| Runner {
            future: Box::pin(carry(Rc::clone(&self.shared), key)),
            waker: self.ready.waker(key),
        });
        let mut cx = Context::from_waker(&runner.waker);
        let _ = runner.future.as_mut().poll(&mut cx);
    }

    /// Sends what was written.
    fn send(&mut self, cx: &mut Context<'_>) {
        let Some(conn) = self.conn.as_mut() else { return };
        loop {
            if conn.writer.is_empty() {
                let mut connection = self.shared.connection.borrow_mut();
                if !connection.has_out() {
                    return;
                }
                connection.take_out(conn.writer.buffer());
            }
            let sent = conn.write_half().poll_flush(cx, self.limits.write_stall);
            let unsent = conn.writer.len();
            match sent {
                Poll::Ready(Ok(())) => self.shared.connection.borrow_mut().set_unsent(0),
                Poll::Ready(Err(_)) => {
                    self.close();
                    return;
                }
                Poll::Pending => {
                    self.shared.connection.borrow_mut().set_unsent(unsent);
                    return;
                }
            }
        }
    }

    /// The connection is no more; its exchanges learn of it.
    fn close(&mut self) {
        self.conn = None;
        self.shared.connection.borrow_mut().closed();
    }

    /// What is due by now. Ready when everything has come to its end.
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut connection = self.shared.connection.borrow_mut();
        let busy = connection.exchanges() > 0;
        let Some(conn) = self.conn.as_mut() else {
            return if busy { Poll::Pending } else { Poll::Ready(()) };
        };
        let flushed = conn.writer.is_empty() && !connection.has_out();
        if !busy && flushed {
            connection.give_out();
        }
        let failed = connection.failed();
        if let Some(why) = failed
            && !self.ending
        {
            tracing::debug!(peer = %self.shared.origin.peer, why, "an http/2 connection is shut out");
        }
        let over =
            failed.is_some() || (!busy && flushed && (self.input_ended || connection.has_left()));
        if over || self.ending {
            drop(connection);
            return self.end(cx);
        }
        if !self.input_ended && connection.is_amid(conn.reader.bytes().len()) {
            if self.head.poll(cx, self.limits.header_time).is_ready() {
                connection.give_up();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        } else {
            self.head.end();
        }
        drop(connection);
        self.leave_in_time(cx, busy);
        self.rest_in_time(cx, busy);
        Poll::Pending
    }

    /// Tells the caller that it has to go, when that is so.
    fn leave_in_time(&mut self, cx: &mut Context<'_>, busy: bool) {
        let worker = &self.shared.worker;
        // A connection that has brought nothing yet would only be replaced by another.
        let lean = self.served && worker.shared.overload.level() >= Level::Lean;
        let mut leave = !self.leaving && (worker.phase() != Phase::Serving || lean);
        if self.leaving {
            // A caller that does not say that it has heard is taken to have.
            if !self.shared.connection.borrow().has_left()
                && self.last.poll(cx, SHUT_OUT).is_ready()
            {
                self.shared.connection.borrow_mut().leave_finally();
                cx.waker().wake_by_ref();
            }
        } else if self.input_ended {
            if self.last.poll(cx, PROBE).is_ready() {
                self.last.end();
                self.shared.connection.borrow_mut().probe();
                cx.waker().wake_by_ref();
            }
        } else if busy {
            self.idle.end();
        } else {
            leave |= self.idle.poll(cx, self.limits.keep_alive_idle).is_ready();
        }
        if leave {
            self.leaving = true;
            self.idle.end();
            self.last.end();
            self.shared.connection.borrow_mut().leave();
            cx.waker().wake_by_ref();
        }
    }

    /// Gives memory back once nothing has gone on for a while (L5).
    fn rest_in_time(&mut self, cx: &mut Context<'_>, busy: bool) {
        if busy {
            self.rested = false;
            self.quiet.end();
        } else if !self.rested && self.quiet.poll(cx, RUNNER_KEPT).is_ready() {
            self.rested = true;
            self.quiet.end();
            self.runners = Vec::new();
            self.shared.jobs.take();
            self.shared.connection.borrow_mut().rest();
        }
    }

    /// Closes so that what was said last arrives: says that nothing follows, then reads and drops
    /// what still comes, for a moment.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ending {
            self.ending = true;
            self.last.end();
        }
        let Some(conn) = self.conn.as_mut() else { return Poll::Pending };
        let shut = match conn.writer.is_empty() && !self.shared.connection.borrow().has_out() {
            true => conn.write_half().poll_shutdown(cx, SHUT_OUT),
            false => Poll::Pending,
        };
        let over = (self.input_ended && shut.is_ready())
            || matches!(shut, Poll::Ready(Err(_)))
            || self.dropped > DROPPED_MOST
            || self.last.poll(cx, SHUT_OUT).is_ready();
        if over {
            self.close();
            if self.shared.connection.borrow().exchanges() == 0 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Carries the exchanges of one place.
async fn carry(shared: Rc<Shared>, key: Key) {
    loop {
        let job = poll_fn(|_| match shared.jobs.borrow_mut().get_mut(key).and_then(Option::take) {
            Some(job) => Poll::Ready(job),
            None => Poll::Pending,
        })
        .await;
        exchange(&shared, key, job).await;
    }
}
