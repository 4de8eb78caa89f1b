//! Certificates made for a test, and a TLS client to try them with.

use std::{
    io::{self, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

/// A certificate authority that lives as long as a test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub pem: String,
}

impl Authority {
    /// A new one with this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names, no fault");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for these host names or addresses, good for servers and clients.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| ())
    }

    /// The same, changed in some way.
    pub fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        self.issue_for(names, &KeyPair::generate().expect("a key"), change)
    }

    /// The same for a key that is there.
    pub fn issue_for(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names that parse");
        if let Some(name) = names.first() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// A list, PEM, that revokes the certificates with these serial numbers.
    pub fn revokes(&self, serials: &[u64]) -> String {
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        let list = CertificateRevocationListParams {
            this_update: (now - day).into(),
            next_update: (now + day).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: (now - day).into(),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Identity {
    /// Certificate.
    pub certificate: String,
    /// Key.
    pub key: String,
}

impl Identity {
    /// Writes `NAME.pem` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&paths.0, &self.certificate).expect("writing a certificate");
        std::fs::write(&paths.1, &self.key).expect("writing a key");
        paths
    }
}

/// How a test client shakes hands.
pub struct ClientTls {
    /// Server name sent and verified; an address is verified but not sent.
    pub name: String,
    /// PEM of the authority to trust.
    pub trust: String,
    /// Protocols offered.
    pub alpn: Vec<String>,
    /// Certificate shown.
    pub identity: Option<Identity>,
    /// Versions offered; both when empty.
    pub versions: Vec<&'static rustls::SupportedProtocolVersion>,
}

impl ClientTls {
    /// Trusts one authority, offers nothing special.
    pub fn new(name: &str, authority: &Authority) -> Self {
        Self {
            name: name.to_owned(),
            trust: authority.pem.clone(),
            alpn: Vec::new(),
            identity: None,
            versions: Vec::new(),
        }
    }

    /// Offers these protocols.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|protocol| (*protocol).to_owned()).collect();
        self
    }

    /// Shows this certificate.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Offers only these versions.
    pub fn versions(mut self, versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    fn config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = if self.versions.is_empty() {
            builder.with_safe_default_protocol_versions()
        } else {
            builder.with_protocol_versions(&self.versions)
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.trust.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let builder = builder.expect("versions").with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("a client certificate")
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        config
    }
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn connect(
    mut socket: TcpStream,
    settings: &ClientTls,
) -> io::Result<(TlsStream, Option<String>)> {
    let name = ServerName::try_from(settings.name.clone()).map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::new(settings.config()), name).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut socket) {
            let _ = socket.flush();
            return Err(error);
        }
    }
    let alpn = connection.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
    Ok((StreamOwned::new(connection, socket), alpn))
}
