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
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pasarela_model::{IpNet, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

/// Connections that may wait in the kernel for `accept`; the kernel cuts it to `somaxconn`.
const BACKLOG: i32 = 4096;
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
/// same free port. Accepted connections inherit `TCP_NODELAY` and keep-alive from them, so that
/// accepting costs one system call.
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
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(user_timeout))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = user_timeout;
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
    refused: AtomicU64,
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
            refused: AtomicU64::new(0),
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
            self.refused.fetch_add(1, Ordering::Relaxed);
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
            self.refused.fetch_add(1, Ordering::Relaxed);
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

    /// Connections refused since the start, for metrics.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
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
    /// (resets) what comes from an address that has too many. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Accepted {
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
                        Err(reason) => refuse(stream, peer, reason),
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
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn limits(per_ip: u32, total: u32) -> Limits {
        Limits { connections_per_ip: per_ip, connections: total, ..Limits::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sockets_share_one_port_and_a_second_gateway_is_told_so() {
        let listeners = bind(LOOPBACK, 3).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert_ne!(address.port(), 0);
        assert!(listeners.iter().all(|one| one.local_addr().unwrap() == address));

        let error = bind(address, 1).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
        assert!(error.to_string().contains(&address.to_string()));

        drop(listeners);
        bind(address, 2).expect("the port is free again");
    }

    #[test]
    fn an_address_of_another_machine_is_not_ours() {
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        let error = bind("192.0.2.1:0".parse().unwrap(), 1).unwrap_err();
        assert!(matches!(error, ListenError::NotOurs { .. }), "{error:?}");
        assert!(error.cure().contains("0.0.0.0"));
    }

    #[test]
    fn every_socket_and_every_worker_is_served_whatever_their_numbers() {
        for (sockets, workers) in [(1, 4), (4, 1), (3, 2), (2, 2), (2, 5)] {
            let listeners = bind(LOOPBACK, sockets).unwrap();
            let dealt = distribute(listeners, workers).unwrap();
            assert_eq!(dealt.len(), workers);
            assert!(dealt.iter().all(|part| !part.is_empty()), "{sockets} on {workers}");
            let given: usize = dealt.iter().map(Vec::len).sum();
            assert_eq!(given, sockets.max(workers));
        }
    }

    #[tokio::test]
    async fn accepted_connections_inherit_no_delay() {
        let listener = bind(LOOPBACK, 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let mut acceptor =
            Acceptor::new(listener, ConnectionTable::new(&limits(9, 9), &[])).unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let accepted = acceptor.next().await;
        assert!(accepted.stream.nodelay().unwrap());
        assert!(SockRef::from(&accepted.stream).keepalive().unwrap());
    }

    #[test]
    fn l04_an_address_has_its_share_and_an_ipv6_household_one_together() {
        let table = ConnectionTable::new(&limits(2, 100), &[]);
        let first = table.admit(ip("192.0.2.1")).unwrap();
        let _second = table.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(table.admit(ip("192.0.2.1")).unwrap_err(), TooMany::FromAddress);
        let _other = table.admit(ip("192.0.2.2")).expect("another address is unaffected");
        drop(first);
        let _again = table.admit(ip("192.0.2.1")).expect("a closed connection gives its place");

        let _a = table.admit(ip("2001:db8::1")).unwrap();
        let _b = table.admit(ip("2001:db8::ffff:2")).unwrap();
        assert_eq!(table.admit(ip("2001:db8::3")).unwrap_err(), TooMany::FromAddress);
        let _c = table.admit(ip("2001:db8:0:1::3")).expect("the next /64");
        assert_eq!(table.refused(), 2);
    }

    #[test]
    fn l04_the_total_holds_and_a_refusal_takes_no_place() {
        let table = ConnectionTable::new(&limits(100, 2), &[]);
        let first = table.admit(ip("192.0.2.1")).unwrap();
        let _second = table.admit(ip("192.0.2.2")).unwrap();
        assert!(!table.has_room());
        for _ in 0..10 {
            assert_eq!(table.admit(ip("192.0.2.3")).unwrap_err(), TooMany::InAll);
        }
        drop(first);
        assert!(table.has_room());
        assert_eq!(table.open(), 1);
        assert!(table.shards.iter().map(|s| s.lock().unwrap().len()).sum::<usize>() == 1);
    }

    #[test]
    fn l04_a_trusted_proxy_is_bounded_by_the_total_only() {
        let proxies = [IpNet::new(ip("10.0.0.0"), 8).unwrap()];
        let table = ConnectionTable::new(&limits(1, 5), &proxies);
        let held: Vec<_> = (0..5).map(|_| table.admit(ip("10.1.1.1")).unwrap()).collect();
        assert_eq!(table.admit(ip("10.1.1.1")).unwrap_err(), TooMany::InAll);
        table.set_limits(&limits(1, 6), &[]);
        let _one = table.admit(ip("10.1.1.1")).expect("counted from nothing: it was exempt");
        drop(held);
        assert_eq!(table.admit(ip("10.1.1.1")).unwrap_err(), TooMany::FromAddress);
    }

    #[test]
    fn t42_shortages_back_off_and_single_failures_do_not() {
        let mut backoff = AcceptBackoff::default();
        let shortage = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let aborted = io::Error::from_raw_os_error(rustix::io::Errno::CONNABORTED.raw_os_error());
        assert_eq!(backoff.failed(&aborted), AfterError::Continue);
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let AfterError::Pause(pause) = backoff.failed(&shortage) else {
                panic!("a shortage must pause")
            };
            assert!(pause >= last && pause >= PAUSE_LEAST && pause <= PAUSE_MOST);
            last = pause;
        }
        assert_eq!(last, PAUSE_MOST);
        backoff.accepted();
        assert_eq!(backoff.failed(&shortage), AfterError::Pause(PAUSE_LEAST));

        // Even "harmless" errors must not spin for ever.
        let paused = (0..1000).any(|_| backoff.failed(&aborted) != AfterError::Continue);
        assert!(paused);
    }

    #[tokio::test]
    async fn l04_a_connection_too_many_is_reset_and_the_next_place_is_used() {
        let listener = bind(LOOPBACK, 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let mut acceptor =
            Acceptor::new(listener, ConnectionTable::new(&limits(1, 10), &[])).unwrap();
        let accepting = tokio::spawn(async move {
            let first = acceptor.next().await;
            // The second connection is refused inside; this returns with the third.
            let third = tokio::spawn(async move { acceptor.next().await });
            (first, third)
        });
        let _first = TcpStream::connect(address).await.unwrap();
        let (held, third) = accepting.await.unwrap();

        let refused = tokio::task::spawn_blocking(move || {
            std::net::TcpStream::connect(address).and_then(|mut s| s.read(&mut [0]))
        });
        let error = refused.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        drop(held);
        let client = TcpStream::connect(address).await.unwrap();
        let accepted = third.await.unwrap();
        assert_eq!(accepted.peer, client.local_addr().unwrap());
    }

    #[test]
    fn t42_out_of_descriptors_accepting_waits_and_goes_on() {
        // In a process of its own: the tests beside it need their descriptors.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "listen::tests::helper_out_of_descriptors",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }

    const CHILD: &str = "PASARELA_TEST_T42_CHILD";

    #[tokio::test]
    #[ignore = "not a test: started by t42_out_of_descriptors_accepting_waits_and_goes_on"]
    async fn helper_out_of_descriptors() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
        let listener = bind(LOOPBACK, 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let mut acceptor =
            Acceptor::new(listener, ConnectionTable::new(&limits(99, 99), &[])).unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(!hoard.is_empty() && hoard.len() < 64);

        let began = cpu_time();
        let waiting = tokio::time::timeout(Duration::from_secs(1), acceptor.next()).await;
        assert!(waiting.is_err(), "there is no descriptor for it");
        assert!(cpu_time() - began < Duration::from_millis(200), "it must not spin");
        drop(hoard);
        let accepted = tokio::time::timeout(Duration::from_secs(1), acceptor.next()).await;
        accepted.expect("the client waited in the queue and is served");
    }

    fn cpu_time() -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}
