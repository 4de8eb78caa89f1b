//! One client connection, plain or TLS, that never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// How to reach the proxy.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// `authority` is the certificate file to trust; without it the connection is plain.
    pub(crate) fn new(address: SocketAddr, authority: Option<&str>) -> Result<Self> {
        Ok(Self { address, tls: authority.map(tls).transpose()? })
    }
}

/// TLS 1.3 with X25519 and AES-128-GCM, no resumption: the same work for every contestant.
fn tls(authority: &str) -> Result<Arc<ClientConfig>> {
    use rustls::crypto::aws_lc_rs;
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).context("reading the certificate")?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Connects (on loopback that is done when the call returns) and, for TLS, queues the hello.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&target.address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let tls = match &target.tls {
            None => None,
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                Some(Box::new(ClientConnection::new(Arc::clone(config), name)?))
            }
        };
        Ok(Self { stream, tls })
    }

    /// Sends all of a small message; a TLS connection keeps it until its handshake is done.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => match self.stream.write(bytes)? {
                sent if sent == bytes.len() => Ok(()),
                _ => Err(io::Error::other("a request did not fit the socket's buffer")),
            },
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                flush(tls, &mut self.stream)
            }
        }
    }

    /// Reads what is there. `Ok(None)`: nothing now. `Ok(Some(0))`: the peer has closed.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match &mut self.tls {
            None => self.stream.read(buffer),
            Some(tls) => {
                // Plaintext left from the last record comes first; only then the socket.
                match tls.reader().read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        match tls.read_tls(&mut self.stream) {
                            Ok(0) => return Ok(Some(0)),
                            Ok(_) => {
                                tls.process_new_packets().map_err(io::Error::other)?;
                                flush(tls, &mut self.stream)?;
                                tls.reader().read(buffer)
                            }
                            Err(error) => Err(error),
                        }
                    }
                    other => other,
                }
            }
        };
        match read {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether reads have to go on until nothing is left: TLS may hold decrypted bytes back.
    pub(crate) fn holds_back(&self) -> bool {
        self.tls.is_some()
    }

    /// Closes with a reset, so that a connection a request leaves no port in TIME_WAIT.
    pub(crate) fn abandon(self) {
        // A reset is a courtesy to the port range; without it the run only gets slower.
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }
}

fn flush(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::other("a TLS record did not fit the socket's buffer"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
