//! TLS towards upstreams: whom to trust, who we are, which name to expect.
//!
//! Verification is always on (T57). The session cache belongs to the [`ClientTls`], so sessions
//! are resumed as long as the upstream's settings stay the same.

use std::io;
use std::sync::{Arc, OnceLock};

use pasarela_model::UpstreamTls;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{TlsError, certificate, provider};

/// TLS sessions remembered for an upstream's targets.
const SESSIONS: usize = 64;

/// How connections to one upstream are secured. Shared by its connections.
#[derive(Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    h2: bool,
}

impl ClientTls {
    /// Reads and checks the settings. `alpn_h2`: HTTP/2 is spoken and must be agreed on; else
    /// HTTP/1.1 is offered.
    ///
    /// # Errors
    /// When a certificate, key, authority or name cannot be used, or the machine's own authorities
    /// are needed and there are none.
    pub fn new(settings: &UpstreamTls, alpn_h2: bool) -> Result<Arc<Self>, TlsError> {
        Self::offering(settings, if alpn_h2 { b"h2" } else { b"http/1.1" })
    }

    /// The same for what is not HTTP: no protocol is offered.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_mail(settings: &UpstreamTls) -> Result<Arc<Self>, TlsError> {
        Self::offering(settings, b"")
    }

    fn offering(settings: &UpstreamTls, protocol: &[u8]) -> Result<Arc<Self>, TlsError> {
        let roots = match &settings.ca_pem {
            Some(pem) => Arc::new(certificate::authorities(pem).map_err(TlsError::Authorities)?),
            None => system_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Settings)?
            .with_root_certificates(roots);
        let mut config = match &settings.client {
            Some((cert_pem, key_pem)) => {
                let key = certificate::certified_key(cert_pem, key_pem.expose())
                    .map_err(TlsError::ClientCertificate)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        if !protocol.is_empty() {
            config.alpn_protocols = vec![protocol.to_vec()];
        }
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        let name = settings.server_name.as_deref().map(server_name).transpose()?;
        Ok(Arc::new(Self { config: Arc::new(config), name, h2: protocol == b"h2" }))
    }

    /// Makes the handshake over a new connection to `host`, whose name is expected in the
    /// certificate unless the settings name another. The caller limits the time (L22).
    ///
    /// # Errors
    /// When the upstream is not who it should be; [`super::fault`] tells why, for logs.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = self.expected(host)?;
        let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        // RFC 9113 section 3.2: HTTP/2 over TLS is spoken only where ALPN agreed on it.
        if self.h2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::NoApplicationProtocol,
            ));
        }
        Ok(stream)
    }

    /// The same for a thread with plain blocking I/O: the session; whoever asks gives it a socket.
    ///
    /// # Errors
    /// When `host` is no name that a certificate can have.
    pub fn session(&self, host: &str) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.expected(host)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    fn expected(&self, host: &str) -> io::Result<ServerName<'static>> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => server_name(host)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error)),
        }
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    // A fully qualified name's last dot is not part of the name in a certificate.
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))
}

/// The machine's authorities, read once, when the first upstream needs them.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems carry odd old certificates; those that cannot be read trust nobody.
        roots.add_parsable_certificates(found.certs);
        if !roots.is_empty() {
            return Ok(Arc::new(roots));
        }
        Err(found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string))
    });
    roots.clone().map_err(TlsError::NoSystemAuthorities)
}
