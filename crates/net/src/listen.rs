//! Listening sockets, accepting from them, and how many connections there may be.
//!
//! Each worker accepts from a socket of its own (`SO_REUSEPORT`), so no lock and no thundering
//! herd stands between the kernel and a core. What is shared is [`ConnectionTable`], the limit
//! L4: so many connections for a client address, so many in all.
//!
//! An accept loop never ends because of an error (T42, F22): [`AcceptBackoff`] decides what to do
//! next, and [`Acceptor`] does it.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use pasarela_model::{IpNet, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

/// Connections that may wait in the kernel for `accept`; the kernel cuts it to `somaxconn`.
const BACKLOG: i32 = 4096;
/// Bytes of a connection that the kernel takes before it can send them. What has been sent and not
/// acknowledged does not count, so no distance is too long for it; without it the kernel takes
/// megabytes for each slow reader, and presses everybody's connections when its memory for TCP is
/// short. Measured on loopback with pieces of 64 KiB: 4.3 GB/s, 2.3 without, as what is written
/// is still in the cache when it is sent.
const UNSENT_BYTES: u32 = 128 << 10;
/// Bytes that the kernel takes from an upstream ahead of us, where it lets us say so: as many as
/// the window of an HTTP/2 connection has (L15). Its own measure grows with how fast a body began,
/// and is not taken back when the caller turns out to be slow.
const AHEAD_BYTES: usize = 1 << 20;
/// The first pause after the process ran out of descriptors or memory.
const PAUSE_LEAST: Duration = Duration::from_millis(5);
/// The longest pause: short enough that a queued client hardly notices the end of the shortage.
const PAUSE_MOST: Duration = Duration::from_millis(250);
/// Errors in a row that concern one connection each before the loop takes a breath anyway.
const HARMLESS_IN_A_ROW: u32 = 64;
/// Limit when the operating system states none.
const DESCRIPTORS_UNSTATED: u64 = 1 << 20;
/// Parts of the connection table, each with its own lock.
const SHARDS: usize = 64;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has it.
    #[error("cannot listen on {address}: another process already does")]
    InUse {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
    /// The process may not.
    #[error("cannot listen on {address}: this user may not")]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
    /// No interface of this machine has the address.
    #[error("cannot listen on {address}: this machine does not have that address")]
    NotOurs {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address, source },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address, source },
            _ => Self::Other { address, source },
        }
    }

    /// What to do about it, for the person who reads the message.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::InUse { .. } => {
                "stop the other process, choose another port, or take its sockets over with `serve --upgrade` if it is Pasarela"
            }
            Self::NotPermitted { .. } => {
                "choose a port from 1024 up, or give the process CAP_NET_BIND_SERVICE"
            }
            Self::NotOurs { .. } => {
                "use an address of this machine, or 0.0.0.0 or [::] for all of them"
            }
            Self::Other { .. } => "see the cause above; check the network configuration",
        }
    }
}

/// Opens `sockets` listening sockets on one address, one for each worker. With port 0 all get the
/// same free port. Accepted connections inherit `TCP_NODELAY`, keep-alive and [`UNSENT_BYTES`] from
/// them, so that accepting costs one system call.
///
/// # Errors
/// When the address is taken (also by a process that shares ports), not allowed or not ours.
pub fn bind(address: SocketAddr, sockets: usize) -> Result<Vec<TcpListener>, ListenError> {
    let fail = |error| ListenError::new(address, error);
    if address.port() != 0 {
        // With SO_REUSEPORT alone, a second gateway started by mistake would silently take half
        // of the traffic. A socket without it says whether somebody listens.
        listening_socket(address, false).map_err(fail)?;
    }
    bind_beside(address, sockets)
}

/// As [`bind`], for whoever knows that the process that has the port already is its predecessor.
///
/// # Errors
/// As [`bind`].
pub fn bind_beside(address: SocketAddr, sockets: usize) -> Result<Vec<TcpListener>, ListenError> {
    let fail = |error| ListenError::new(address, error);
    let mut bound = address;
    let mut listeners = Vec::with_capacity(sockets.max(1));
    for _ in 0..sockets.max(1) {
        let socket = listening_socket(bound, true).map_err(fail)?;
        socket.listen(BACKLOG).map_err(fail)?;
        let listener = TcpListener::from(socket);
        bound = listener.local_addr().map_err(fail)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listening_socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    // `Socket::new` sets CLOEXEC: a child must not keep a port open by accident.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if share {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Idle connections are ours to close (L3). This finds the dead ends of long tunnels.
    socket.set_tcp_keepalive(&keepalive())?;
    bound_unsent(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4)
}

/// Deals listening sockets out to `workers` so that each socket has somebody who accepts from it
/// and each worker has something to accept from: after an upgrade the old process may have had
/// another number of workers, and a socket nobody reads would lose the connections queued on it.
///
/// # Errors
/// When a descriptor cannot be duplicated for a worker that would have none.
pub fn distribute(
    listeners: Vec<TcpListener>,
    workers: usize,
) -> io::Result<Vec<Vec<TcpListener>>> {
    let workers = workers.max(1);
    let have = listeners.len();
    let mut dealt: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let mut extra = Vec::new();
    if have > 0 {
        for worker in have..workers {
            extra.push((worker, listeners[worker % have].try_clone()?));
        }
    }
    for (number, listener) in listeners.into_iter().enumerate() {
        dealt[number % workers].push(listener);
    }
    for (worker, listener) in extra {
        dealt[worker].push(listener);
    }
    Ok(dealt)
}

/// Sets what a connection to an upstream needs: no delay, and an end to connections whose data
/// stays unacknowledged (L22).
///
/// # Errors
/// When the operating system refuses an option.
pub fn tune_upstream(stream: &TcpStream, user_timeout: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    bound_unsent(&socket)?;
    if may_bound_ahead() {
        socket.set_recv_buffer_size(AHEAD_BYTES)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(user_timeout))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = user_timeout;
    Ok(())
}

/// Whether the operating system would take our bound as it is. A smaller one, which is what many
/// are set to, would slow down distant upstreams.
fn may_bound_ahead() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
        most.trim().parse().is_ok_and(|most: usize| most >= AHEAD_BYTES)
    })
}

fn bound_unsent(socket: &SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, UNSENT_BYTES);
    Ok(())
}

/// Sets what a connection to an upstream needs that may stay idle for hours: its dead end is found
/// by the operating system, without a word to the application behind it.
///
/// # Errors
/// When the operating system refuses an option.
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_keepalive(&keepalive())
}

/// Makes the closing of a connection a reset: the other end must not take what it got for all
/// there is.
///
/// # Errors
/// When the operating system refuses the option.
pub fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Raises the soft limit of open descriptors to the hard one and tells what holds now. Call it
/// once, before [`ConnectionTable::new`].
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Best effort: the limit that stays is the one we count with.
        let _ =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_UNSTATED)
}

/// What an accept loop does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterError {
    /// The error concerned one connection that is gone: accept the next.
    Continue,
    /// A shortage: wait this long. Clients wait in the kernel's queue meanwhile.
    Pause(Duration),
}

/// Decides how an accept loop goes on after errors: it backs off from shortages and never exits.
#[derive(Debug, Default)]
pub struct AcceptBackoff {
    pause: Duration,
    harmless: u32,
}

impl AcceptBackoff {
    /// A connection was accepted: the shortage, if there was one, is over.
    pub fn accepted(&mut self) {
        *self = Self::default();
    }

    /// `accept` failed.
    pub fn failed(&mut self, error: &io::Error) -> AfterError {
        // accept(2): network errors already pending on the new socket are reported by accept and
        // are to be treated like EAGAIN.
        let concerns_one_connection = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::TimedOut
                | io::ErrorKind::PermissionDenied
        );
        if concerns_one_connection && self.harmless < HARMLESS_IN_A_ROW {
            self.harmless += 1;
            return AfterError::Continue;
        }
        self.pause = (self.pause * 2).clamp(PAUSE_LEAST, PAUSE_MOST);
        AfterError::Pause(self.pause)
    }
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// This address (IPv6: this /64) has all it may have.
    #[error("too many connections from one address")]
    FromAddress,
    /// The process has all it may have.
    #[error("too many connections in all")]
    InAll,
}

/// Counts connections by client address and in all (L4). Shared by all workers.
#[derive(Debug)]
pub struct ConnectionTable {
    settings: RwLock<TableSettings>,
    open: AtomicU32,
    most: AtomicU32,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<ClientKey, u32>>>,
}

#[derive(Debug)]
struct TableSettings {
    per_address: u32,
    trusted: Vec<IpNet>,
}

/// Who counts as one client: an IPv4 address, or an IPv6 /64, since a household has a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ClientKey {
    V4(u32),
    V6(u64),
}

impl ClientKey {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

impl ConnectionTable {
    /// A table for these limits. Trusted proxies carry many clients each, so they have no limit
    /// by address.
    pub fn new(limits: &Limits, trusted_proxies: &[IpNet]) -> Arc<Self> {
        let table = Self {
            settings: RwLock::new(TableSettings { per_address: 0, trusted: Vec::new() }),
            open: AtomicU32::new(0),
            most: AtomicU32::new(0),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        };
        table.set_limits(limits, trusted_proxies);
        Arc::new(table)
    }

    /// New limits after a reload; open connections stay.
    pub fn set_limits(&self, limits: &Limits, trusted_proxies: &[IpNet]) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        settings.per_address = limits.connections_per_ip;
        settings.trusted = trusted_proxies.to_vec();
        self.most.store(total_limit(limits), Ordering::Relaxed);
    }

    /// Takes a place for a connection from `peer`; dropping the guard gives it back.
    ///
    /// # Errors
    /// When there is no place.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionGuard, TooMany> {
        let taken = self.open.fetch_add(1, Ordering::Relaxed);
        // From here on the guard's drop gives the place in the total back.
        let mut guard = ConnectionGuard { table: Arc::clone(self), key: None };
        if taken >= self.most.load(Ordering::Relaxed) {
            return Err(TooMany::InAll);
        }
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        if settings.trusted.iter().any(|net| net.contains(peer)) {
            return Ok(guard);
        }
        let key = ClientKey::of(peer);
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.entry(key).or_insert(0);
        if *count >= settings.per_address {
            if *count == 0 {
                shard.remove(&key);
            }
            return Err(TooMany::FromAddress);
        }
        *count += 1;
        guard.key = Some(key);
        Ok(guard)
    }

    /// Whether another connection fits at all. An accept loop waits while it does not.
    pub fn has_room(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.most.load(Ordering::Relaxed)
    }

    /// Connections open now, for metrics.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    fn shard(&self, key: ClientKey) -> &Mutex<HashMap<ClientKey, u32>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    fn leave(&self, key: Option<ClientKey>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let Some(key) = key else { return };
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = shard.entry(key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Descriptors that callers' connections leave alone, at least.
const DESCRIPTORS_KEPT: u64 = 96;

fn total_limit(limits: &Limits) -> u32 {
    if limits.connections > 0 {
        return limits.connections;
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_UNSTATED);
    let descriptors = descriptors.min(DESCRIPTORS_UNSTATED);
    // The rest is for files, the console and the store; where a tenth is little, a fixed number.
    let most = (descriptors * 9 / 10).min(descriptors.saturating_sub(DESCRIPTORS_KEPT));
    u32::try_from(most.max(1)).unwrap_or(u32::MAX)
}

/// A place in the [`ConnectionTable`], given back on drop.
#[derive(Debug)]
pub struct ConnectionGuard {
    table: Arc<ConnectionTable>,
    key: Option<ClientKey>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.table.leave(self.key.take());
    }
}

/// A connection that has its place.
#[derive(Debug)]
pub struct Accepted {
    /// The connection; it already has `TCP_NODELAY`.
    pub stream: TcpStream,
    /// The other end; an IPv4-mapped address is given as IPv4.
    pub peer: SocketAddr,
    /// Its place among all connections; keep it as long as the connection.
    pub place: ConnectionGuard,
}

/// One worker's accept loop on one socket.
#[derive(Debug)]
pub struct Acceptor {
    listener: tokio::net::TcpListener,
    table: Arc<ConnectionTable>,
    backoff: AcceptBackoff,
}

impl Acceptor {
    /// Accepts from `listener` within the limits of `table`. Call it inside the worker's runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn new(listener: TcpListener, table: Arc<ConnectionTable>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(Self { listener, table, backoff: AcceptBackoff::default() })
    }

    /// The next connection. Waits while the process is full or short of descriptors; refuses
    /// (resets) what comes from an address that has too many, and tells `refused`. Cancelling it
    /// loses nothing.
    pub async fn next(&mut self, refused: impl Fn(TooMany)) -> Accepted {
        loop {
            while !self.table.has_room() {
                tokio::time::sleep(PAUSE_LEAST).await;
            }
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.backoff.accepted();
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    match self.table.admit(peer.ip()) {
                        Ok(place) => return Accepted { stream, peer, place },
                        Err(reason) => {
                            refuse(stream, peer, reason);
                            refused(reason);
                        }
                    }
                }
                Err(error) => match self.backoff.failed(&error) {
                    AfterError::Continue => (),
                    AfterError::Pause(pause) => {
                        tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "accepting pauses");
                        tokio::time::sleep(pause).await;
                    }
                },
            }
        }
    }

    /// Lets nobody new knock, while whoever is at the door still comes in: to be called some time
    /// before the socket is closed for another one that will listen here. Closing a socket resets
    /// the connections in its queue, and one that comes while the queue is being emptied would be
    /// among them. Whoever knocks now is not heard, and knocks again a second later (RFC 6298 §2).
    ///
    /// # Errors
    /// When the kernel takes no filter.
    pub fn turn_away(&self) -> io::Result<()> {
        SockRef::from(&self.listener).attach_filter(&[
            // The flags of the TCP header; of those SYN and ACK. Nothing but SYN: drop it.
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 0x12),
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ])
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn refuse(stream: TcpStream, peer: SocketAddr, reason: TooMany) {
    tracing::debug!(%peer, %reason, "connection refused");
    // A reset leaves no TIME_WAIT behind: a flood must not cost us memory.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
