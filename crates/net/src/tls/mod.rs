//! TLS on both sides: [`ServerTls`] for listeners, [`ClientTls`] for upstreams.
//!
//! rustls with aws-lc-rs, TLS 1.2 and 1.3, AEAD suites only, no renegotiation, no 0-RTT (L1).
//! Errors of a handshake are explained for our logs by [`fault`]; callers are never told more
//! than the alert that TLS itself sends.

mod certificate;
mod client;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CertificateError, SupportedCipherSuite};

pub use certificate::are_revocation_lists;
pub use certificate::{CertificateFacts, PeerCertificate};
pub use client::ClientTls;
pub use server::{CertifiedPem, Negotiated, Peer, ServerTls, ServerTlsConfig, TlsAcceptor};

/// Why a TLS configuration cannot be used. Found when the configuration is read, never while
/// serving.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A listener needs at least one certificate.
    #[error("no certificate is given")]
    NoCertificate,
    /// Something is wrong with one of the listener's certificates.
    #[error("certificate {} of the list", position + 1)]
    Certificate {
        /// Place in the list, from 0.
        position: usize,
        /// What is wrong.
        #[source]
        problem: CertificateProblem,
    },
    /// Something is wrong with the client certificate for an upstream.
    #[error("the client certificate for the upstream")]
    ClientCertificate(#[source] CertificateProblem),
    /// The file of trusted authorities cannot be used.
    #[error("the trusted authorities cannot be used")]
    Authorities(#[source] CertificateProblem),
    /// Client certificates are asked for, but nothing says whom to trust.
    #[error("client certificates are asked for, but no authority to check them against is given")]
    NoClientAuthority,
    /// The revocation list cannot be used.
    #[error("the revocation list cannot be used")]
    Revocation(#[source] CertificateProblem),
    /// The operating system has no list of authorities.
    #[error("this machine has no list of trusted authorities: {0}")]
    NoSystemAuthorities(String),
    /// The server name for an upstream is no name.
    #[error("{0:?} is neither a host name nor an address")]
    ServerName(String),
    /// The TLS library refused the whole.
    #[error("the TLS settings cannot be used")]
    Settings(#[source] rustls::Error),
}

impl TlsError {
    /// What to do about it, for the person who reads the message.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NoCertificate => "give a certificate and its key under `tls.certificates`",
            Self::Certificate { problem, .. }
            | Self::ClientCertificate(problem)
            | Self::Authorities(problem)
            | Self::Revocation(problem) => problem.cure(),
            Self::NoClientAuthority => {
                "name the authorities' PEM file in `tls.client_ca`, or set `tls.client: off`"
            }
            Self::NoSystemAuthorities(_) => {
                "install the package `ca-certificates`, or name the authority's PEM file in the upstream's `tls.ca`"
            }
            Self::ServerName(_) => "write a host name like `inner.example` or an address",
            Self::Settings(_) => "see the cause",
        }
    }
}

/// What is wrong with a certificate, a key or a list of them.
#[derive(Debug, thiserror::Error)]
pub enum CertificateProblem {
    /// The file has no certificate section.
    #[error("no certificate in the file")]
    NoCertificate,
    /// The file has no private key section.
    #[error("no private key in the file")]
    NoKey,
    /// The key is protected by a pass phrase.
    #[error("the private key is encrypted")]
    EncryptedKey,
    /// The key belongs to another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// The file has no revocation list.
    #[error("no revocation list in the file")]
    NoRevocationList,
    /// Not PEM.
    #[error("not valid PEM: {0}")]
    Pem(String),
    /// Not a certificate or key we can use.
    #[error("not usable: {0}")]
    Unusable(String),
}

impl CertificateProblem {
    fn cure(&self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "the file must have a section `-----BEGIN CERTIFICATE-----`, the leaf first, then its intermediates"
            }
            Self::NoKey => "the file must have a section `-----BEGIN PRIVATE KEY-----`",
            Self::EncryptedKey => {
                "store the key without a pass phrase in a file only Pasarela may read (`openssl pkey -in a.key -out b.key`)"
            }
            Self::Mismatch => {
                "pair the certificate with the key it was made from; the first certificate of the file must be the leaf"
            }
            Self::NoRevocationList => "the file must have a section `-----BEGIN X509 CRL-----`",
            Self::Pem(_) => "check that the file is text in PEM form and complete",
            Self::Unusable(_) => {
                "use an X.509 v3 certificate with an ECDSA P-256/P-384, Ed25519 or RSA key of 2048 bits or more"
            }
        }
    }
}

/// The protocol agreed inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// `http/1.1`, or nothing was said.
    Http1,
    /// `h2`.
    Http2,
}

/// What a handshake failed from, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The certificate is for another name.
    NameMismatch,
    /// Nobody we trust has signed the certificate.
    UnknownAuthority,
    /// The certificate was revoked.
    Revoked,
    /// The certificate is for another purpose.
    WrongPurpose,
    /// The certificate is broken in another way.
    BadCertificate,
    /// We ask for a client certificate and there was none.
    NoCertificate,
    /// The other side refused us (an alert): often our certificate, or none of ours.
    RefusedByPeer,
    /// No version, suite or protocol in common.
    NothingInCommon,
    /// Not TLS, or broken TLS.
    Protocol,
}

impl TlsFault {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "certificate expired",
            Self::NotYetValid => "certificate not yet valid",
            Self::NameMismatch => "certificate is for another name",
            Self::UnknownAuthority => "certificate of an unknown authority",
            Self::Revoked => "certificate revoked",
            Self::WrongPurpose => "certificate is for another purpose",
            Self::BadCertificate => "bad certificate",
            Self::NoCertificate => "no certificate presented",
            Self::RefusedByPeer => "refused by the other side",
            Self::NothingInCommon => "no version, suite or protocol in common",
            Self::Protocol => "not valid TLS",
        }
    }
}

/// What kind of TLS failure an I/O error carries; `None` when it carries none (a reset, say).
pub fn fault(error: &io::Error) -> Option<TlsFault> {
    let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match cause {
        rustls::Error::InvalidCertificate(problem) => certificate_fault(problem),
        rustls::Error::NoCertificatesPresented => TlsFault::NoCertificate,
        rustls::Error::AlertReceived(_) => TlsFault::RefusedByPeer,
        rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
            TlsFault::NothingInCommon
        }
        _ => TlsFault::Protocol,
    })
}

fn certificate_fault(problem: &CertificateError) -> TlsFault {
    use CertificateError as E;
    match problem {
        E::Expired | E::ExpiredContext { .. } => TlsFault::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => TlsFault::NotYetValid,
        E::NotValidForName | E::NotValidForNameContext { .. } => TlsFault::NameMismatch,
        E::UnknownIssuer => TlsFault::UnknownAuthority,
        E::Revoked => TlsFault::Revoked,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => TlsFault::WrongPurpose,
        _ => TlsFault::BadCertificate,
    }
}

/// The cryptography of both sides. Explicit, so that no other part of the process can change it.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        Arc::new(CryptoProvider {
            cipher_suites: SUITES.to_vec(),
            kx_groups: KEY_EXCHANGES.to_vec(),
            ..aws_lc_rs::default_provider()
        })
    }))
}

/// AEAD with forward secrecy only (L1), the cheap ones first: a handshake with SHA-256 costs about
/// a fifth less CPU than one with SHA-384, and 128 bits are enough.
static SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// As a server we follow the client's order, so the post-quantum hybrid (a quarter more CPU)
/// costs only where the client asks for it. As a client we begin with X25519, which all servers
/// know: no second round trip.
static KEY_EXCHANGES: &[&dyn SupportedKxGroup] =
    &[kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1, kx_group::X25519MLKEM768];
