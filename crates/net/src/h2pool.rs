//! A worker's HTTP/2 connections to one upstream: each carries many exchanges, and there are as
//! many as the exchanges need.
//!
//! [`H2Group::stream`] gives a [`Lease`], the right to one stream. Connections are filled in the
//! order they were opened. When all are full another is opened, up to [`CONNECTIONS_MOST`]; past
//! that, calls wait for a stream that ends, first come first served. One connection is opened at a
//! time, by a task of its own, because callers come and go: all who wait share how it ends.
//!
//! A server that says GOAWAY gets no new streams; those that it has begun go on, on a connection
//! that lives until the last of them ends (RFC 9113 §6.8).

use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    pool::{ConnectError, Connector, connect},
    stream::Stream,
    timer::{self, Deadline},
};

/// Connections of one worker to one server. With the hundred streams that RFC 9113 §6.5.2 wants at
/// least, that is more calls than a server answers at a time for one core of ours.
const CONNECTIONS_MOST: usize = 8;
/// How long no further connection is tried, in milliseconds, when one did not come about although
/// others stand.
const PAUSE_MS: u64 = 1000;

/// Sends requests on an HTTP/2 connection.
pub type H2Client = h2::client::SendRequest<Bytes>;
type Driver = h2::client::Connection<Stream, Bytes>;

/// The connections to one server.
pub struct H2Group {
    address: SocketAddr,
    state: RefCell<State>,
    /// One place is free, or everybody has to look anew.
    freed: Notify,
    opened: Rc<dyn Fn()>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    opening: bool,
    waiting: usize,
    /// Attempts to open a connection that have ended.
    attempts: u64,
    /// The last one that failed, by its number.
    failure: Option<(u64, Rc<ConnectError>)>,
    /// No further connection is tried before.
    not_before: u64,
}

struct Connection {
    client: H2Client,
    streams: Rc<Cell<usize>>,
    alive: Rc<Cell<bool>>,
    used: u64,
}

impl Connection {
    /// Streams that may be added; `None`: it takes no new ones any more.
    fn room(&mut self) -> Option<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let open =
            self.alive.get() && matches!(self.client.poll_ready(&mut cx), Poll::Ready(Ok(())));
        open.then(|| self.client.current_max_send_streams().saturating_sub(self.streams.get()))
    }
}

/// The right to one stream, given back when dropped. Keep it as long as the stream.
pub struct Lease {
    /// To open the stream with.
    pub client: H2Client,
    streams: Rc<Cell<usize>>,
    group: Rc<H2Group>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.streams.set(self.streams.get().saturating_sub(1));
        self.group.wake(1);
    }
}

/// Counts whoever waits.
struct Waiting<'a>(&'a H2Group);

impl<'a> Waiting<'a> {
    fn new(group: &'a H2Group) -> Self {
        group.state.borrow_mut().waiting += 1;
        Self(group)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().waiting -= 1;
    }
}

impl H2Group {
    /// No connection yet. `opened` is called for each that comes about.
    pub(crate) fn new(address: SocketAddr, opened: Rc<dyn Fn()>) -> Rc<Self> {
        Rc::new(Self { address, state: RefCell::default(), freed: Notify::new(), opened })
    }

    /// A place for one stream: at once, on a new connection, or when another stream ends. There is
    /// no bound on the wait here; giving up is dropping the future.
    ///
    /// # Errors
    /// There is no connection, and opening one failed.
    pub async fn stream(self: &Rc<Self>, connector: &Connector) -> Result<Lease, Rc<ConnectError>> {
        let (first_in_line, begun) = {
            let state = self.state.borrow();
            (state.waiting == 0, state.attempts)
        };
        if first_in_line && let Some(lease) = self.lease() {
            return Ok(lease);
        }
        let waiting = Waiting::new(self);
        loop {
            match self.has_room() {
                // For those who came before.
                true => self.wake(1),
                false => self.open(connector),
            }
            self.freed.notified().await;
            if let Some(lease) = self.lease() {
                drop(waiting);
                // There may be more room than wake-ups: who came meanwhile stood in line.
                if self.has_room() {
                    self.wake(1);
                }
                return Ok(lease);
            }
            let state = self.state.borrow();
            if let Some((attempt, error)) = &state.failure
                && *attempt > begun
                && state.connections.is_empty()
            {
                return Err(Rc::clone(error));
            }
        }
    }

    fn lease(self: &Rc<Self>) -> Option<Lease> {
        let mut state = self.state.borrow_mut();
        let mut at = 0;
        while let Some(connection) = state.connections.get_mut(at) {
            match connection.room() {
                None => drop(state.connections.remove(at)),
                Some(0) => at += 1,
                Some(_) => {
                    connection.used = timer::now();
                    connection.streams.set(connection.streams.get() + 1);
                    return Some(Lease {
                        client: connection.client.clone(),
                        streams: Rc::clone(&connection.streams),
                        group: Rc::clone(self),
                    });
                }
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        let connections = &mut self.state.borrow_mut().connections;
        connections.iter_mut().any(|connection| connection.room().is_some_and(|room| room > 0))
    }

    /// Wakes so many of those that wait.
    fn wake(&self, most: usize) {
        let waiting = self.state.borrow().waiting;
        (0..most.min(waiting)).for_each(|_| self.freed.notify_one());
    }

    /// Begins to open a connection, unless one is being opened or there are enough.
    fn open(self: &Rc<Self>, connector: &Connector) {
        let mut state = self.state.borrow_mut();
        let may = state.connections.is_empty()
            || (state.connections.len() < CONNECTIONS_MOST && timer::now() >= state.not_before);
        if state.opening || !may {
            return;
        }
        state.opening = true;
        let (group, connector) = (Rc::clone(self), connector.clone());
        tokio::task::spawn_local(async move {
            let opened = open(group.address, &connector).await;
            group.ended(opened);
        });
    }

    /// An attempt to open a connection has ended.
    fn ended(self: &Rc<Self>, opened: Result<(H2Client, Driver), ConnectError>) {
        let mut state = self.state.borrow_mut();
        state.opening = false;
        state.attempts += 1;
        let woken = match opened {
            Ok((client, driver)) => {
                let room = client.current_max_send_streams();
                let (alive, streams) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
                let used = timer::now();
                tokio::task::spawn_local(Rc::clone(self).drive(driver, Rc::clone(&alive)));
                state.connections.push(Connection { client, streams, alive, used });
                (self.opened)();
                // The one for whom there is no room sees to another connection.
                room.saturating_add(1)
            }
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "no http/2 connection");
                state.failure = Some((state.attempts, Rc::new(error)));
                state.not_before = timer::now() + PAUSE_MS;
                usize::MAX
            }
        };
        drop(state);
        self.wake(woken);
    }

    async fn drive(self: Rc<Self>, driver: Driver, alive: Rc<Cell<bool>>) {
        if let Err(error) = driver.await {
            tracing::debug!(address = %self.address, %error, "an http/2 connection to an upstream ended");
        }
        alive.set(false);
        self.wake(usize::MAX);
    }

    /// Closes what ended or was idle since `oldest`. Whether the group is of use still.
    pub(crate) fn sweep(&self, oldest: u64) -> bool {
        let mut state = self.state.borrow_mut();
        state.connections.retain_mut(|connection| {
            let busy = connection.streams.get() > 0;
            connection.room().is_some() && (busy || connection.used >= oldest)
        });
        !state.connections.is_empty() || state.opening || state.waiting > 0
    }
}

impl std::fmt::Debug for H2Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H2Group").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Opens an HTTP/2 connection and spawns the task that drives it.
///
/// # Errors
/// [`ConnectError`]: nothing of a request was sent.
pub async fn connect_h2(
    address: SocketAddr,
    connector: &Connector,
) -> Result<H2Client, ConnectError> {
    let (client, driver) = open(address, connector).await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%address, %error, "an http/2 connection to an upstream ended");
        }
    });
    Ok(client)
}

/// Opens a connection and waits for the server's SETTINGS: only they tell how many streams it
/// takes, and what is sent beyond that waits where nobody can take it elsewhere.
async fn open(
    address: SocketAddr,
    connector: &Connector,
) -> Result<(H2Client, Driver), ConnectError> {
    let stream = connect(address, connector).await?;
    let deadline = Deadline::new();
    deadline.arm(connector.timeout);
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(connector.h2_windows.0)
        .initial_connection_window_size(connector.h2_windows.1)
        .max_header_list_size(connector.h2_headers)
        .initial_max_send_streams(0)
        .enable_push(false);
    let mut opening = pin!(async {
        let (client, mut driver) = builder.handshake(stream).await.map_err(ConnectError::H2)?;
        poll_fn(|cx| match pin!(&mut driver).poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::H2(error))),
            Poll::Ready(Ok(())) => {
                Poll::Ready(Err(ConnectError::H2(h2::Reason::REFUSED_STREAM.into())))
            }
            Poll::Pending if client.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        Ok((client, driver))
    });
    poll_fn(|cx| {
        if let done @ Poll::Ready(_) = opening.as_mut().poll(cx) {
            return done;
        }
        deadline.poll(cx).map(|()| Err(ConnectError::TimedOut(connector.timeout)))
    })
    .await
}
