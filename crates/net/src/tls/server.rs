//! TLS for listeners: certificates by name, client certificates, tickets, replacement in place.
//!
//! [`ServerTls`] belongs to a listener for its whole life. Its content is one immutable value
//! that [`ServerTls::replace`] swaps whole: handshakes that began go on with what they began with,
//! open connections are untouched. Each connection takes a [`TlsAcceptor`], which is a pointer.
//!
//! Tickets are stateless and their keys shared by all workers, so that a client may resume on any
//! of them. What a full handshake checked about a client's certificate is checked again when it
//! resumes (T22): a ticket outlives neither the certificate nor our trust in it. Nor does a connection: [`Peer::is_good`].

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pasarela_model::{ClientAuth, Secret};
use rustls::crypto::GetRandomFailed;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::ticketer::TicketRotator;
use rustls::{HandshakeKind, ServerConfig, ServerConnection};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use super::certificate::{self, CertificateFacts, PeerCertificate};
use super::{Alpn, CertificateProblem, TlsError, provider};

/// Half of a ticket's longest life, seconds: keys change this often and the previous one still
/// opens tickets, so a ticket lives an hour at most (L1).
const TICKET_KEY_SECONDS: u32 = 30 * 60;
/// Tickets after a full TLS 1.3 handshake. Each costs CPU; a client that wants more asks for them
/// (RFC 9149).
const TICKETS: usize = 1;
/// Most tickets for a client that asks.
const TICKETS_MOST: usize = 4;

/// A certificate chain with its key, as in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedPem {
    /// The leaf first, then its intermediates, PEM.
    pub cert_pem: Vec<u8>,
    /// The leaf's private key, PEM.
    pub key_pem: Secret,
}

/// What a TLS listener is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerTlsConfig {
    /// At least one; the first serves clients that name none of them.
    pub certificates: Vec<CertifiedPem>,
    /// Whether clients are asked for a certificate.
    pub client: ClientAuth,
    /// The authorities their certificates are checked against, PEM.
    pub client_ca_pem: Option<Vec<u8>>,
    /// Lists of revoked client certificates, PEM. A certificate whose authority has no list here
    /// passes; one that a list names does not, however old the list is.
    pub client_crl_pem: Option<Vec<u8>>,
}

/// The TLS settings of one listener. Cloning shares them.
#[derive(Debug, Clone)]
pub struct ServerTls {
    live: Arc<RwLock<Arc<Live>>>,
    /// Rises when what client certificates are checked against changes.
    trust: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Live {
    config: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    client: ClientAuth,
    facts: Vec<CertificateFacts>,
    /// Digest of everything a client certificate was checked against.
    client_trust: [u8; 32],
}

impl ServerTls {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// When a certificate, key or list cannot be used; the error tells which.
    pub fn new(config: &ServerTlsConfig) -> Result<Self, TlsError> {
        let live = Live::build(config, None)?;
        Ok(Self { live: Arc::new(RwLock::new(Arc::new(live))), trust: Arc::default() })
    }

    /// Uses other settings for handshakes from now on. Tickets stay valid unless what client
    /// certificates are checked against has changed.
    ///
    /// # Errors
    /// As [`Self::new`]; then the old settings stay.
    pub fn replace(&self, config: &ServerTlsConfig) -> Result<(), TlsError> {
        let before = self.live();
        let live = Live::build(config, Some(&before))?;
        let trusts_others = live.client_trust != before.client_trust;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        if trusts_others {
            self.trust.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// What one connection needs for its handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        let trust = self.trust.load(Ordering::Acquire);
        TlsAcceptor { live: self.live(), tls: self.clone(), trust }
    }

    /// What our certificates say, in the order of the configuration: for warnings before they
    /// end (L49).
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.live().facts.clone()
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Live {
    fn build(config: &ServerTlsConfig, before: Option<&Self>) -> Result<Self, TlsError> {
        let by_name = ByName::new(&config.certificates)?;
        let facts = by_name
            .all
            .iter()
            .filter_map(|key| key.cert.first())
            .map(CertificateFacts::read)
            .collect();
        let verifier = client_verifier(config)?;
        let client_trust = client_trust(config);

        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Settings)?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut tls = builder.with_cert_resolver(Arc::new(by_name));
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Stateless tickets instead of a cache: no lock, no memory, valid on every worker.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.ticketer = match before {
            // Whoever was trusted under other rules must not resume into these.
            Some(before) if before.client_trust == client_trust => {
                Arc::clone(&before.config.ticketer)
            }
            _ => ticketer()?,
        };
        tls.send_tls13_tickets = TICKETS;
        tls.max_tls13_tickets = TICKETS_MOST;
        // Our order of suites, cheapest first: every client that matters has AES in hardware.
        tls.ignore_client_order = true;
        // Replays: no early data (L1). It is rustls's default; this line is the promise.
        tls.max_early_data_size = 0;
        Ok(Self { config: Arc::new(tls), verifier, client: config.client, facts, client_trust })
    }

    /// Checks a client's certificate again when its session was resumed: rustls checks it only in
    /// full handshakes, and it may have expired since.
    fn recheck(&self, connection: &ServerConnection) -> Result<(), rustls::Error> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok(());
        }
        match connection.peer_certificates().and_then(|chain| chain.split_first()) {
            Some((leaf, intermediates)) => {
                verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).map(drop)
            }
            None if self.client == ClientAuth::Required => {
                Err(rustls::Error::NoCertificatesPresented)
            }
            None => Ok(()),
        }
    }
}

fn client_verifier(
    config: &ServerTlsConfig,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if config.client == ClientAuth::Off {
        return Ok(None);
    }
    let pem = config.client_ca_pem.as_ref().ok_or(TlsError::NoClientAuthority)?;
    let roots = certificate::authorities(pem).map_err(TlsError::Authorities)?;
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(pem) = &config.client_crl_pem {
        builder = builder
            .with_crls(certificate::revocation_lists(pem).map_err(TlsError::Revocation)?)
            .allow_unknown_revocation_status();
    }
    if config.client == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder
        .build()
        .map_err(|error| TlsError::Revocation(CertificateProblem::Unusable(error.to_string())))?;
    Ok(Some(verifier))
}

fn client_trust(config: &ServerTlsConfig) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([config.client as u8]);
    for part in [&config.client_ca_pem, &config.client_crl_pem] {
        let part = part.as_deref().unwrap_or_default();
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn ticketer() -> Result<Arc<dyn ProducesTickets>, TlsError> {
    let rotator = TicketRotator::new(TICKET_KEY_SECONDS, || {
        Ok(Box::new(TicketKey(Ticketer::new().map_err(|_| GetRandomFailed)?)))
    });
    Ok(Arc::new(rotator.map_err(TlsError::Settings)?))
}

/// One generation of ticket keys. (The library's own rotation is far slower than ours, so within
/// one generation it never happens.)
#[derive(Debug)]
struct TicketKey(Arc<dyn ProducesTickets>);

impl ProducesTickets for TicketKey {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_KEY_SECONDS * 2
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

/// Certificates by the names they carry.
#[derive(Debug)]
struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`; a wildcard stands for one label (RFC 9525 section 6.3).
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl ByName {
    fn new(certificates: &[CertifiedPem]) -> Result<Self, TlsError> {
        let mut by_name = Self { all: Vec::new(), exact: HashMap::new(), wildcard: HashMap::new() };
        for (position, pem) in certificates.iter().enumerate() {
            let key = certificate::certified_key(&pem.cert_pem, pem.key_pem.expose())
                .map_err(|problem| TlsError::Certificate { position, problem })?;
            let key = Arc::new(key);
            let names = key.cert.first().map(CertificateFacts::read).unwrap_or_default().names;
            for name in names {
                match name.strip_prefix("*.") {
                    Some(parent) => by_name.wildcard.entry(parent.to_owned()).or_default(),
                    None => by_name.exact.entry(name).or_default(),
                }
                .push(Arc::clone(&key));
            }
            by_name.all.push(key);
        }
        if by_name.all.is_empty() { Err(TlsError::NoCertificate) } else { Ok(by_name) }
    }

    fn named(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        if let Some(keys) = self.exact.get(name) {
            return Some(keys);
        }
        let (_, parent) = name.split_once('.')?;
        self.wildcard.get(parent).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                self.named(&name.to_ascii_lowercase())
            } else {
                self.named(name)
            }
        });
        let candidates = named.unwrap_or(self.all.get(..1)?);
        // A name may have an ECDSA and an RSA certificate: the first the client can check.
        candidates
            .iter()
            .find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some())
            .or(candidates.first())
            .cloned()
    }
}

/// Makes one connection's handshake. A pointer: take one for each connection.
#[derive(Debug, Clone)]
pub struct TlsAcceptor {
    live: Arc<Live>,
    tls: ServerTls,
    trust: u64,
}

/// What a handshake agreed on and found out.
#[derive(Debug, Clone)]
pub struct Negotiated {
    /// The protocol to speak.
    pub alpn: Alpn,
    /// The name the client asked for (SNI), lower case.
    pub server_name: Option<String>,
    /// The client's certificate, verified now.
    pub peer: Option<Rc<Peer>>,
    /// `TLSv1.2` or `TLSv1.3`, for logs.
    pub version: &'static str,
    /// The cipher suite's registered name, for logs.
    pub suite: &'static str,
    /// Whether the session was resumed from a ticket.
    pub resumed: bool,
}

impl TlsAcceptor {
    #[cfg(test)]
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.live.config)
    }

    /// Makes the handshake within a time (L2).
    ///
    /// # Errors
    /// When the client is not one we serve; [`super::fault`] tells why. `TimedOut` when it is
    /// slow.
    pub async fn accept<IO>(
        &self,
        io: IO,
        within: Duration,
    ) -> io::Result<(TlsStream<IO>, Negotiated)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.live.config)).accept(io);
        let stream = tokio::time::timeout(within, handshake)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let negotiated = {
            let connection = stream.get_ref().1;
            self.live
                .recheck(connection)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            Negotiated::of(connection, self)
        };
        Ok((stream, negotiated))
    }
}

impl Negotiated {
    fn of(connection: &ServerConnection, acceptor: &TlsAcceptor) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            alpn: match connection.alpn_protocol() {
                Some(b"h2") => Alpn::Http2,
                _ => Alpn::Http1,
            },
            server_name: connection.server_name().map(str::to_ascii_lowercase),
            peer: Peer::new(chain, acceptor).map(Rc::new),
            version: connection
                .protocol_version()
                .and_then(|version| version.as_str())
                .unwrap_or_default(),
            suite: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or_default(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// The client's side of a connection, by the certificate that it showed.
#[derive(Debug)]
pub struct Peer {
    certificate: PeerCertificate,
    /// The leaf first, as they came.
    chain: Vec<CertificateDer<'static>>,
    tls: ServerTls,
    /// The trust that it was last verified under…
    trust: Cell<u64>,
    /// …and when that has to be done again, seconds since 1970: at its end, or in a minute where that cannot be read.
    until: Cell<u64>,
    good: Cell<bool>,
}

impl Peer {
    fn new(chain: &[CertificateDer<'_>], acceptor: &TlsAcceptor) -> Option<Self> {
        let certificate = PeerCertificate::read(chain.first()?)?;
        Some(Self {
            certificate,
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            tls: acceptor.tls.clone(),
            trust: Cell::new(acceptor.trust),
            until: Cell::new(0),
            good: Cell::new(true),
        })
    }

    /// What the certificate says.
    pub fn certificate(&self) -> &PeerCertificate {
        &self.certificate
    }

    /// The leaf, DER.
    pub fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], |leaf| leaf)
    }

    /// Whether it would still get in: its time is not over, and it is trusted under the rules of now, however long the
    /// connection has been open (T22, L36). `now`: seconds since 1970. Looks closely only where something has changed.
    pub fn is_good(&self, now: u64) -> bool {
        let trust = self.tls.trust.load(Ordering::Acquire);
        if trust != self.trust.get() || now >= self.until.get() {
            self.trust.set(trust);
            self.until.set(self.certificate.not_after.unwrap_or(now + 60).max(now + 1));
            self.good.set(self.is_verified(now));
        }
        self.good.get()
    }

    fn is_verified(&self, now: u64) -> bool {
        let live = self.tls.live();
        let (Some(verifier), Some((leaf, intermediates))) =
            (&live.verifier, self.chain.split_first())
        else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        verifier.verify_client_cert(leaf, intermediates, now).is_ok()
    }
}
