//! Names to addresses, kept fresh, and kept at all when DNS fails (L26, F16).
//!
//! [`Resolver`] asks: the hosts file first, then the name servers of the system. [`Lease`]
//! decides, without a clock or a socket: when to ask again, and how long the last good answer is
//! good enough. [`keep_resolved`] joins the two into a task.
//!
//! ```text
//!            answer                    answer
//!   unknown ───────▶ fresh ──asks again at TTL──▶ fresh
//!                      │ no such name / no answer
//!                      ▼
//!                    stale ──1 h after "no such name", 24 h after the last answer──▶ unknown
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// The shortest time an answer is used, whatever its TTL.
const TTL_LEAST: Duration = Duration::from_secs(1);
/// The longest time an answer is used, whatever its TTL.
const TTL_MOST: Duration = Duration::from_secs(5 * 60);
/// The first wait after a failure; it doubles…
const RETRY_LEAST: Duration = Duration::from_secs(1);
/// …up to this, so that a new address is seen at most 5 s after the TTL (L26).
const RETRY_MOST: Duration = Duration::from_secs(4);
/// How long the last good addresses are used after the name is said not to exist.
const KEPT_WITHOUT_NAME: Duration = Duration::from_secs(60 * 60);
/// How long the last good addresses are used while nobody answers.
const KEPT_WITHOUT_ANSWER: Duration = Duration::from_secs(24 * 60 * 60);
/// One query's time, and how often it is tried again.
const QUERY_TIME: Duration = Duration::from_secs(2);
const QUERY_ATTEMPTS: usize = 1;

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The addresses, sorted, at least one.
    pub addresses: Vec<IpAddr>,
    /// How long they may be used.
    pub valid_for: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name servers say that there is no such name, or that it has no addresses.
    #[error("{0} has no addresses")]
    NoSuchName(String),
    /// The name servers do not answer, or answer that they cannot.
    #[error("{name} cannot be resolved: {reason}")]
    NoAnswer {
        /// The name asked for.
        name: String,
        /// What the resolver says.
        reason: String,
    },
}

/// Asks for addresses. Cloning is cheap. Keep it on one runtime: connections to name servers live
/// where they were first used.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    hosts: Mutex<Cached<HashMap<String, Vec<IpAddr>>>>,
    hosts_path: PathBuf,
    /// `None`: the system's name servers, read again when their file changes.
    fixed: Option<TokioResolver>,
    system: Mutex<Cached<Result<TokioResolver, String>>>,
}

/// What was read from a file that had this time.
struct Cached<T> {
    time: Option<SystemTime>,
    value: Option<T>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { time: None, value: None }
    }
}

impl<T: Clone> Cached<T> {
    fn get(this: &Mutex<Self>, path: &Path, read: impl FnOnce() -> T) -> T {
        let time = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let mut this = this.lock().unwrap_or_else(PoisonError::into_inner);
        if this.time != time {
            this.value = None;
            this.time = time;
        }
        this.value.get_or_insert_with(read).clone()
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver {
    /// Uses the hosts file and the name servers of the system. Opens nothing yet; a machine
    /// without name servers can still use the hosts file and addresses.
    pub fn new() -> Self {
        Self::with(Path::new(HOSTS), None)
    }

    /// Uses these name servers instead of the system's.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn with_name_servers(servers: &[SocketAddr]) -> Result<Self, ResolveError> {
        let servers = servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let fixed = build(config, ResolverOpts::default())
            .map_err(|reason| ResolveError::NoAnswer { name: "any name".to_owned(), reason })?;
        Ok(Self::with(Path::new(HOSTS), Some(fixed)))
    }

    fn with(hosts: &Path, fixed: Option<TokioResolver>) -> Self {
        let inner = Inner {
            hosts: Mutex::default(),
            hosts_path: hosts.to_owned(),
            fixed,
            system: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The addresses of a host: a literal is its own, then comes the hosts file, then DNS (A and
    /// AAAA together).
    ///
    /// # Errors
    /// When there are none.
    pub async fn resolve(&self, host: &str) -> Result<Resolution, ResolveError> {
        if let Some(address) = literal(host) {
            return Ok(Resolution { addresses: vec![address], valid_for: TTL_MOST });
        }
        if let Some(addresses) = self.in_hosts_file(host) {
            return Ok(Resolution { addresses, valid_for: TTL_MOST });
        }
        let no_answer = |reason: String| ResolveError::NoAnswer { name: host.to_owned(), reason };
        let asking = match &self.inner.fixed {
            Some(fixed) => fixed.clone(),
            None => Cached::get(&self.inner.system, Path::new(RESOLV_CONF), system_resolver)
                .map_err(no_answer)?,
        };
        let answer = asking.lookup_ip(host).await.map_err(|error| match error {
            error if error.is_no_records_found() => ResolveError::NoSuchName(host.to_owned()),
            error => no_answer(error.to_string()),
        })?;
        let addresses = sorted(answer.iter());
        if addresses.is_empty() {
            return Err(ResolveError::NoSuchName(host.to_owned()));
        }
        let valid_for = answer.valid_until().saturating_duration_since(Instant::now());
        Ok(Resolution { addresses, valid_for })
    }

    fn in_hosts_file(&self, host: &str) -> Option<Vec<IpAddr>> {
        let path = &self.inner.hosts_path;
        let hosts = &self.inner.hosts;
        // Copying the map is cheap: the file is short, and nobody resolves often.
        let known = Cached::get(hosts, path, || {
            hosts_file(&std::fs::read_to_string(path).unwrap_or_default())
        });
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        known.get(&name).map(|addresses| sorted(addresses.iter().copied()))
    }
}

/// An address written as such, with or without the brackets of a URL.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

fn sorted(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = addresses.collect();
    // Name servers rotate their answers; that is no change.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Lines of an address and its names (hosts(5)).
fn hosts_file(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut known: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
        for name in words {
            known.entry(name.to_ascii_lowercase()).or_default().push(address);
        }
    }
    known
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn system_resolver() -> Result<TokioResolver, String> {
    let (config, options) = hickory_resolver::system_conf::read_system_conf()
        .map_err(|error| format!("{RESOLV_CONF}: {error}"))?;
    build(config, options)
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, String> {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // We read it ourselves: a name in the file must not wait for DNS to know its other family.
    options.use_hosts_file = ResolveHosts::Never;
    // The lease is the cache. A second one would only make answers older.
    options.cache_size = 0;
    options.timeout = options.timeout.min(QUERY_TIME);
    options.attempts = options.attempts.min(QUERY_ATTEMPTS);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error: NetError| error.to_string())
}

/// What is known of a name, how long it counts, and when to ask again. Decides only: answers and
/// the time are given to it.
#[derive(Debug, Clone)]
pub struct Lease {
    addresses: Vec<IpAddr>,
    ask_at: Instant,
    /// When the last good answer came.
    answered: Instant,
    /// Since when the name is said not to exist.
    denied: Option<Instant>,
    failures: u32,
}

impl Lease {
    /// Nothing is known; ask at once.
    pub fn new(now: Instant) -> Self {
        Self { addresses: Vec::new(), ask_at: now, answered: now, denied: None, failures: 0 }
    }

    /// The addresses to use; empty while the name was never resolved, or not for too long.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// When to ask (again).
    pub fn ask_at(&self) -> Instant {
        self.ask_at
    }

    /// Takes what asking brought. Returns whether the addresses are others now.
    pub fn heard(&mut self, now: Instant, answer: Result<Resolution, ResolveError>) -> bool {
        match answer {
            Ok(resolution) => self.answered(now, resolution),
            Err(error) => self.failed(now, &error),
        }
    }

    fn answered(&mut self, now: Instant, resolution: Resolution) -> bool {
        self.ask_at = now + resolution.valid_for.clamp(TTL_LEAST, TTL_MOST);
        self.answered = now;
        self.denied = None;
        self.failures = 0;
        let others = self.addresses != resolution.addresses;
        self.addresses = resolution.addresses;
        others
    }

    fn failed(&mut self, now: Instant, error: &ResolveError) -> bool {
        self.ask_at = now + (RETRY_LEAST * 2_u32.pow(self.failures.min(8))).min(RETRY_MOST);
        self.failures = self.failures.saturating_add(1);
        if matches!(error, ResolveError::NoSuchName(_)) {
            self.denied.get_or_insert(now);
        }
        let kept_until = match self.denied {
            // Once denied, silence afterwards does not make the name exist for longer.
            Some(since) => (since + KEPT_WITHOUT_NAME).min(self.answered + KEPT_WITHOUT_ANSWER),
            None => self.answered + KEPT_WITHOUT_ANSWER,
        };
        if now < kept_until || self.addresses.is_empty() {
            return false;
        }
        self.addresses.clear();
        true
    }
}

/// Resolves a host for as long as the task lives: calls `on_change` after the first answer, good
/// or bad (then with no address), and whenever the addresses are others.
pub async fn keep_resolved(resolver: Resolver, host: String, mut on_change: impl FnMut(&[IpAddr])) {
    if let Some(address) = literal(&host) {
        on_change(&[address]);
        return std::future::pending().await;
    }
    let now = || tokio::time::Instant::now().into_std();
    let mut lease = Lease::new(now());
    let mut first = true;
    loop {
        tokio::time::sleep_until(lease.ask_at().into()).await;
        let answer = resolver.resolve(&host).await;
        if let Err(error) = &answer {
            let kept = lease.addresses().len();
            tracing::warn!(host, %error, addresses_kept = kept, "name not resolved");
        }
        if lease.heard(now(), answer) || first {
            tracing::debug!(host, addresses = ?lease.addresses(), "addresses changed");
            on_change(lease.addresses());
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

    use tokio::net::UdpSocket;
    use tokio::sync::mpsc;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn answer(address: &str, seconds: u64) -> Result<Resolution, ResolveError> {
        Ok(Resolution { addresses: vec![ip(address)], valid_for: Duration::from_secs(seconds) })
    }

    fn denial() -> Result<Resolution, ResolveError> {
        Err(ResolveError::NoSuchName("a.example".into()))
    }

    fn silence() -> Result<Resolution, ResolveError> {
        Err(ResolveError::NoAnswer { name: "a.example".into(), reason: "timed out".into() })
    }

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn l26_asks_again_at_the_ttl_within_bounds() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        assert_eq!(lease.ask_at(), start);
        for (ttl, wait) in [(30, 30), (0, 1), (86_400, 300)] {
            lease.heard(start, answer("192.0.2.1", ttl));
            assert_eq!(lease.ask_at(), start + SECOND * wait, "TTL {ttl}");
        }
        assert!(!lease.heard(start, answer("192.0.2.1", 30)), "the same is no change");
        assert!(lease.heard(start, answer("192.0.2.2", 30)));
        assert_eq!(lease.addresses(), [ip("192.0.2.2")]);
    }

    #[test]
    fn l26_after_failures_a_new_address_is_still_seen_five_seconds_after_the_ttl() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        lease.heard(start, answer("192.0.2.1", 30));
        let mut now = lease.ask_at();
        for _ in 0..1000 {
            lease.heard(now, silence());
            let wait = lease.ask_at() - now;
            assert!(wait >= SECOND && wait <= SECOND * 5, "{wait:?}");
            now = lease.ask_at();
        }
        assert!(lease.heard(now, answer("192.0.2.9", 30)));
        lease.heard(now + SECOND * 30, silence());
        assert_eq!(lease.ask_at(), now + SECOND * 31, "the wait begins anew");
    }

    #[test]
    fn l26_the_last_good_answer_is_kept_an_hour_after_a_denial_and_a_day_after_silence() {
        let start = Instant::now();
        let fresh = || {
            let mut lease = Lease::new(start);
            lease.heard(start, answer("192.0.2.1", 30));
            lease
        };
        let denied_at = start + SECOND * 30;

        let mut denied = fresh();
        assert!(!denied.heard(denied_at, denial()));
        assert!(!denied.heard(denied_at + HOUR - SECOND, denial()));
        assert_eq!(denied.addresses(), [ip("192.0.2.1")]);
        assert!(denied.heard(denied_at + HOUR, denial()));
        assert!(denied.addresses().is_empty());
        assert!(!denied.heard(denied_at + HOUR * 2, denial()), "gone once");

        let mut silent = fresh();
        assert!(!silent.heard(start + HOUR * 24 - SECOND, silence()));
        assert!(silent.heard(start + HOUR * 24, silence()));

        let mut both = fresh();
        both.heard(denied_at, denial());
        assert!(!both.heard(denied_at + HOUR - SECOND, silence()));
        assert!(both.heard(denied_at + HOUR, silence()), "a denial is not forgotten in silence");

        let mut recovered = fresh();
        recovered.heard(denied_at, denial());
        recovered.heard(denied_at + SECOND, answer("192.0.2.1", 30));
        assert!(!recovered.heard(denied_at + HOUR, denial()), "the hour begins anew");
    }

    #[tokio::test]
    async fn literals_and_the_hosts_file_need_no_name_server() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        let text =
            "127.0.0.1 localhost # mine\n::1\tlocalhost\n192.0.2.7 Backend.example b\nnonsense x\n";
        std::fs::write(&hosts, text).unwrap();
        // Nobody answers at the discard port: a query would fail, slowly.
        let nobody = Resolver::with_name_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap();
        let resolver = Resolver::with(&hosts, nobody.inner.fixed.clone());
        let addresses = async |host| resolver.resolve(host).await.unwrap().addresses;
        assert_eq!(addresses("[2001:db8::1]").await, [ip("2001:db8::1")]);
        assert_eq!(addresses("192.0.2.1").await, [ip("192.0.2.1")]);
        assert_eq!(addresses("localhost").await, [ip("127.0.0.1"), ip("::1")]);
        assert_eq!(addresses("BACKEND.example.").await, [ip("192.0.2.7")]);

        // A change of the file counts at the next question.
        std::fs::write(&hosts, "192.0.2.8 b\n").unwrap();
        let later = SystemTime::now() + Duration::from_secs(2);
        std::fs::File::options().write(true).open(&hosts).unwrap().set_modified(later).unwrap();
        assert_eq!(addresses("b").await, [ip("192.0.2.8")]);
    }

    /// What the stub below does with a question.
    const ANSWERS: u8 = 0;
    const DENIES: u8 = 1;
    const IS_SILENT: u8 = 2;
    const FAILS: u8 = 3;

    /// A name server for tests: answers A with `192.0.2.last` and AAAA with nothing.
    struct Stub {
        address: SocketAddr,
        mode: AtomicU8,
        last: AtomicU8,
        ttl: AtomicU32,
    }

    impl Stub {
        async fn start() -> Arc<Self> {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let stub = Arc::new(Self {
                address: socket.local_addr().unwrap(),
                mode: AtomicU8::new(ANSWERS),
                last: AtomicU8::new(1),
                ttl: AtomicU32::new(1),
            });
            let serving = Arc::clone(&stub);
            tokio::spawn(async move {
                let mut query = [0; 512];
                loop {
                    let (length, peer) = socket.recv_from(&mut query).await.unwrap();
                    if let Some(reply) = serving.reply(&query[..length]) {
                        socket.send_to(&reply, peer).await.unwrap();
                    }
                }
            });
            stub
        }

        /// RFC 1035 section 4: the header, the question as it came, perhaps one answer.
        fn reply(&self, query: &[u8]) -> Option<Vec<u8>> {
            let mode = self.mode.load(Ordering::Relaxed);
            if mode == IS_SILENT {
                return None;
            }
            let name_end = 12 + query[12..].iter().position(|byte| *byte == 0)? + 1;
            let is_a = query[name_end..name_end + 2] == [0, 1];
            let answers = u8::from(mode == ANSWERS && is_a);
            let code = match mode {
                DENIES => 3,
                FAILS => 2,
                _ => 0,
            };
            let mut reply = query[..2].to_vec();
            reply.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
            reply.extend(&query[12..name_end + 4]);
            if answers == 1 {
                reply.extend([0xc0, 12, 0, 1, 0, 1]);
                reply.extend(self.ttl.load(Ordering::Relaxed).to_be_bytes());
                reply.extend([0, 4, 192, 0, 2, self.last.load(Ordering::Relaxed)]);
            }
            Some(reply)
        }
    }

    #[tokio::test]
    async fn f16_a_flipped_address_is_followed_and_dns_failures_keep_the_last_good_one() {
        let stub = Stub::start().await;
        let resolver = Resolver::with_name_servers(&[stub.address]).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let keeping =
            tokio::spawn(keep_resolved(resolver.clone(), "api.example.".into(), move |some| {
                let _ = tell.send(some.to_vec());
            }));
        assert_eq!(told.recv().await.unwrap(), [ip("192.0.2.1")]);

        let flipped = Instant::now();
        stub.last.store(2, Ordering::Relaxed);
        assert_eq!(told.recv().await.unwrap(), [ip("192.0.2.2")]);
        assert!(flipped.elapsed() < SECOND * 6, "TTL + 5 s");

        for (mode, denied) in [(DENIES, true), (FAILS, false), (IS_SILENT, false)] {
            stub.mode.store(mode, Ordering::Relaxed);
            let error = resolver.resolve("api.example.").await.unwrap_err();
            assert_eq!(matches!(error, ResolveError::NoSuchName(_)), denied, "{mode}: {error}");
        }
        let more = tokio::time::timeout(SECOND * 2, told.recv()).await;
        assert!(more.is_err(), "failures change nothing, but it tells {more:?}");

        stub.last.store(3, Ordering::Relaxed);
        stub.mode.store(ANSWERS, Ordering::Relaxed);
        let recovered = tokio::time::timeout(SECOND * 9, told.recv()).await.unwrap().unwrap();
        assert_eq!(recovered, [ip("192.0.2.3")]);
        keeping.abort();
    }

    #[tokio::test]
    async fn f16_a_name_that_never_resolved_has_no_address_and_is_said_so() {
        let stub = Stub::start().await;
        stub.mode.store(DENIES, Ordering::Relaxed);
        let resolver = Resolver::with_name_servers(&[stub.address]).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let keeping = tokio::spawn(keep_resolved(resolver, "api.example.".into(), move |some| {
            let _ = tell.send(some.to_vec());
        }));
        assert!(told.recv().await.unwrap().is_empty());
        stub.mode.store(ANSWERS, Ordering::Relaxed);
        assert_eq!(told.recv().await.unwrap(), [ip("192.0.2.1")]);
        keeping.abort();
    }
}
