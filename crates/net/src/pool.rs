//! A worker's connections to upstreams: kept while idle, shared where the protocol allows it.
//!
//! The pool belongs to one thread. HTTP/1.1 connections are lent to one exchange at a time, the
//! one used last first; HTTP/2 connections are shared by all exchanges of the worker. A kept
//! connection that was closed or spoke unasked is noticed when it is taken out, without a system
//! call, and by [`Pool::sweep`].

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use tokio::net::TcpStream;

use crate::{
    conn::Conn,
    h2pool::H2Group,
    listen::tune_upstream,
    stream::Stream,
    timer::{self, Deadline},
    tls::ClientTls,
};

/// Why there is no connection. None of these sent a byte of the request.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address refused, or is not reachable.
    #[error("connecting failed")]
    Tcp(#[source] io::Error),
    /// TLS could not be agreed on.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// HTTP/2 could not be agreed on.
    #[error("the HTTP/2 handshake failed")]
    H2(#[source] h2::Error),
    /// It took too long.
    #[error("connecting took longer than {0:?}")]
    TimedOut(Duration),
}

/// How to connect to the servers of one API.
#[derive(Debug, Clone)]
pub struct Connector {
    /// Tells the pool which connections may stand for one another: one number for all targets that
    /// are connected to in the same way.
    pub profile: u64,
    /// TLS, where it is wanted.
    pub tls: Option<Arc<ClientTls>>,
    /// Name for the certificate check, unless the TLS settings name another.
    pub host: Arc<str>,
    /// Time to connect, TLS included (L22).
    pub timeout: Duration,
    /// L22: TCP user time-out.
    pub user_timeout: Duration,
    /// HTTP/2 windows: of a stream and of a connection.
    pub h2_windows: (u32, u32),
    /// Largest header section accepted over HTTP/2 (L23).
    pub h2_headers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    address: SocketAddr,
    profile: u64,
}

#[derive(Debug)]
struct Idle {
    conn: Conn,
    since: u64,
}

/// The connections of one worker.
pub struct Pool {
    idle: FxHashMap<Key, Vec<Idle>>,
    h2: FxHashMap<Key, Rc<H2Group>>,
    opened: Rc<dyn Fn()>,
    keep: Duration,
    most: usize,
}

impl Pool {
    /// `keep`: how long an idle connection is kept; `most`: how many for one address; `opened` is
    /// called for each HTTP/2 connection.
    pub fn new(keep: Duration, most: usize, opened: impl Fn() + 'static) -> Self {
        let (idle, h2) = (FxHashMap::default(), FxHashMap::default());
        Self { idle, h2, opened: Rc::new(opened), keep, most }
    }

    /// Changes the limits.
    pub fn set_limits(&mut self, keep: Duration, most: usize) {
        (self.keep, self.most) = (keep, most);
    }

    /// An idle connection that is still good.
    #[inline]
    pub fn take(&mut self, address: SocketAddr, connector: &Connector) -> Option<Conn> {
        let key = Key { address, profile: connector.profile };
        let idle = self.idle.get_mut(&key)?;
        while let Some(mut kept) = idle.pop() {
            if kept.conn.is_quiet() {
                return Some(kept.conn);
            }
        }
        None
    }

    /// Keeps a connection on which one exchange ended cleanly.
    #[inline]
    pub fn give(&mut self, address: SocketAddr, connector: &Connector, conn: Conn) {
        let key = Key { address, profile: connector.profile };
        let idle = self.idle.entry(key).or_default();
        let mut kept = Idle { conn, since: timer::now() };
        if idle.len() < self.most {
            idle.push(kept);
        } else {
            kept.conn.farewell();
        }
    }

    /// The shared HTTP/2 connections to this address.
    pub fn h2(&mut self, address: SocketAddr, connector: &Connector) -> Rc<H2Group> {
        let key = Key { address, profile: connector.profile };
        let group = self.h2.entry(key);
        Rc::clone(group.or_insert_with(|| H2Group::new(address, Rc::clone(&self.opened))))
    }

    /// Closes what was closed by the other side or was idle too long. Call it about each second.
    pub fn sweep(&mut self) {
        let oldest = timer::now().saturating_sub(self.keep.as_millis() as u64);
        for idle in self.idle.values_mut() {
            idle.retain_mut(|kept| {
                let good = kept.since >= oldest && kept.conn.is_quiet();
                if !good {
                    kept.conn.farewell();
                }
                good
            });
        }
        self.idle.retain(|_, idle| !idle.is_empty());
        self.h2.retain(|_, group| group.sweep(oldest));
    }

    /// Closes all that is idle: the worker ends.
    pub fn clear(&mut self) {
        self.idle.drain().flat_map(|(_, idle)| idle).for_each(|mut kept| kept.conn.farewell());
        self.h2.clear();
    }

    /// Idle HTTP/1.1 connections held.
    pub fn idle(&self) -> usize {
        self.idle.values().map(Vec::len).sum()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle()).finish_non_exhaustive()
    }
}

/// Opens a connection, TLS included.
///
/// # Errors
/// [`ConnectError`]: nothing of a request was sent.
pub async fn connect(address: SocketAddr, connector: &Connector) -> Result<Stream, ConnectError> {
    let deadline = Deadline::new();
    deadline.arm(connector.timeout);
    let mut connecting = std::pin::pin!(open(address, connector));
    std::future::poll_fn(|cx| {
        if let done @ std::task::Poll::Ready(_) = connecting.as_mut().poll(cx) {
            return done;
        }
        deadline.poll(cx).map(|()| Err(ConnectError::TimedOut(connector.timeout)))
    })
    .await
}

async fn open(address: SocketAddr, connector: &Connector) -> Result<Stream, ConnectError> {
    let tcp = TcpStream::connect(address).await.map_err(ConnectError::Tcp)?;
    tune_upstream(&tcp, connector.user_timeout).map_err(ConnectError::Tcp)?;
    match &connector.tls {
        None => Ok(Stream::Tcp(tcp)),
        Some(tls) => {
            let tls = tls.connect(&connector.host, tcp).await.map_err(ConnectError::Tls)?;
            Ok(Stream::Tls(Box::new(tls.into())))
        }
    }
}
