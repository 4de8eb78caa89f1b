//! What the file says about the process itself: where it listens, what it writes, who it tells.
//!
//! These are plain checked values. Reading them opened no socket and no log; `serve` does that.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use pasarela_model::{ClientAuth, IpNet, MailAddress, Secret, UpstreamTls};

use super::address::Url;

/// Settings of the process. [`Settings::default`] is what an empty file means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Worker threads; `None`: one per core.
    pub workers: Option<NonZeroUsize>,
    /// Where to listen.
    pub listen: Listen,
    /// Certificates of the TLS listener.
    pub tls: Tls,
    /// How mail is taken and answered.
    pub mail: Mail,
    /// Where lasting things are kept.
    pub storage: Storage,
    /// The file names a `storage` (or there is no file): what is administered lasts there. A file that
    /// names none is all there is.
    pub administered: bool,
    /// Redis or Valkey for limits that several nodes share. Not used yet.
    pub shared_limits: Option<Url>,
    /// Where access log lines go.
    pub access_log: AccessLog,
    /// Where traces go; `None`: nowhere.
    pub traces: Option<Traces>,
}

impl Settings {
    /// The folder for everything the process keeps on this machine.
    pub fn data_dir(&self) -> &Path {
        match &self.storage {
            Storage::Sqlite(folder) => folder,
            Storage::Postgres(_) => Path::new(DATA_DIR),
        }
    }
}

const DATA_DIR: &str = "pasarela-data";

/// Addresses of the listeners; `None`: not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// HTTP/1.1, and HTTP/2 with prior knowledge.
    pub gateway: SocketAddr,
    /// HTTPS. Where it is set, [`Settings::tls`] has a certificate.
    pub tls: Option<SocketAddr>,
    /// Metrics and health.
    pub console: SocketAddr,
    /// Private APIs.
    pub internal: Option<SocketAddr>,
    /// SOAP over SMTP.
    pub smtp: Option<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            gateway: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            tls: None,
            console: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            internal: None,
            smtp: None,
        }
    }
}

/// How mail is taken and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What we call ourselves; `None`: the machine's name.
    pub name: Option<String>,
    /// Who takes our answers; `None`: nothing is answered.
    pub relay: Option<Relay>,
    /// Where answers are sent back to that cannot be delivered; `None`: nowhere.
    pub bounces: Option<MailAddress>,
    /// Networks of servers that let nobody send in another's name.
    pub trusted: Vec<IpNet>,
    /// Networks from which a password may come without TLS.
    pub open_login: Vec<IpNet>,
    /// L30: bytes of a message.
    pub message_bytes: u64,
    /// A dialogue in which nothing is said for this long is ended.
    pub idle: Duration,
    /// For how long a call is tried while its service cannot be had.
    pub patience: Duration,
    /// What becomes of a call of which nobody knows whether it took effect.
    pub interrupted: Interrupted,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            name: None,
            relay: None,
            bounces: None,
            trusted: Vec::new(),
            open_login: Vec::new(),
            message_bytes: 10 << 20,
            idle: Duration::from_secs(60),
            patience: Duration::from_secs(3600),
            interrupted: Interrupted::Retry,
        }
    }
}

/// What becomes of a call of which nobody knows whether it took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// It is made again, with the same `Idempotency-Key`.
    Retry,
    /// Its sender is told that it is not known.
    Fault,
}

/// A server that takes our mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// `smtp` or `smtps`, host and port, the user.
    pub url: Url,
    /// The user's password.
    pub password: Option<Secret>,
    /// How it is known.
    pub tls: UpstreamTls,
    /// When TLS begins.
    pub encryption: Encryption,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// With the first byte.
    AtOnce,
    /// After STARTTLS, which has to be there.
    StartTls,
    /// Never.
    Off,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The first one serves clients that ask for no name, or for one that no certificate has.
    pub certificates: Vec<Certificate>,
    /// Whether clients are asked for a certificate.
    pub client: ClientAuth,
    /// PEM certificates that client certificates are checked against; there unless `client` is off.
    pub client_ca_pem: Option<Vec<u8>>,
    /// PEM lists of certificates that are revoked.
    pub client_crl_pem: Option<Vec<u8>>,
}

/// A certificate chain and its key, PEM; they are known to belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Secret,
}

/// Where lasting things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// The embedded store, in this folder.
    Sqlite(PathBuf),
    /// A PostgreSQL server, that several nodes share.
    Postgres(Url),
}

impl Default for Storage {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from(DATA_DIR))
    }
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// Standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
    /// The end of this file; its folder exists.
    File(PathBuf),
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// OTLP over HTTP, without the `/v1/traces` at its end.
    pub otlp: Url,
    /// How an `https` collector is known.
    pub tls: UpstreamTls,
    /// Share of requests that are traced where the caller does not decide, in millionths.
    pub sample_per_million: u32,
    /// The `service.name` of the traces.
    pub service: String,
}
