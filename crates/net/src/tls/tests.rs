//! Both sides of TLS against each other, and against hellos that no library would send.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pasarela_model::{ClientAuth, Secret, UpstreamTls};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertifiedPem {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        CertifiedPem {
            cert_pem: certificate.pem().into_bytes(),
            key_pem: Secret::new(key.serialize_pem()),
        }
    }

    fn server(&self, names: &[&str]) -> CertifiedPem {
        self.leaf(names, |_| ())
    }

    fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> CertifiedPem {
        self.leaf(&["client.example"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            change(params);
        })
    }

    fn revokes(&self, serial: u64) -> Vec<u8> {
        let now = SystemTime::now();
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: (now - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap().into_bytes()
    }
}

fn server_of(certificates: Vec<CertifiedPem>) -> ServerTls {
    ServerTls::new(&ServerTlsConfig { certificates, ..ServerTlsConfig::default() }).unwrap()
}

fn trusting(authority: &Authority) -> UpstreamTls {
    UpstreamTls { ca_pem: Some(authority.pem.clone()), ..UpstreamTls::default() }
}

fn client_of(settings: &UpstreamTls) -> Arc<ClientTls> {
    ClientTls::new(settings, false).unwrap()
}

/// What came of one connection, as each side saw it. The client reads what the server sends after
/// the handshake, so that it has its tickets.
struct Met {
    server: io::Result<Negotiated>,
    client: io::Result<Presented>,
}

#[derive(Debug)]
struct Presented {
    leaf: Vec<u8>,
}

impl Met {
    fn server_fault(&self) -> TlsFault {
        fault(self.server.as_ref().unwrap_err()).expect("a TLS failure")
    }

    fn client_fault(&self) -> TlsFault {
        fault(self.client.as_ref().unwrap_err()).expect("a TLS failure")
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

async fn meet(server: &ServerTls, client: &ClientTls, host: &str) -> Met {
    let (server_end, client_end) = sockets().await;
    let acceptor = server.acceptor();
    let serve = async {
        let (mut stream, negotiated) = acceptor.accept(server_end, SECOND * 5).await?;
        stream.write_all(b"ok").await?;
        stream.shutdown().await?;
        Ok(negotiated)
    };
    let connect = async {
        let mut stream = client.connect(host, client_end).await?;
        stream.read_exact(&mut [0; 2]).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(Presented { leaf: chain[0].to_vec() })
    };
    let (server, client) = tokio::join!(serve, connect);
    Met { server, client }
}

fn der(pem: &CertifiedPem) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(&pem.cert_pem).unwrap().to_vec()
}

#[tokio::test]
async fn certificates_are_chosen_by_name_and_the_first_is_the_default() {
    let ca = Authority::new("ca");
    let first = ca.server(&["first.example"]);
    let exact = ca.server(&["api.example.org"]);
    let wildcard = ca.server(&["*.example.org", "first.example.net"]);
    let server = server_of(vec![first.clone(), wildcard.clone(), exact.clone()]);
    for (host, expected) in [
        ("first.example", &first),
        ("api.example.org", &exact),
        ("other.example.org", &wildcard),
        ("OTHER.Example.org", &wildcard),
        ("first.example.net", &wildcard),
    ] {
        let met = meet(&server, &client_of(&trusting(&ca)), host).await;
        assert_eq!(met.client.unwrap().leaf, der(expected), "{host}");
        let negotiated = met.server.unwrap();
        assert_eq!(negotiated.server_name, Some(host.to_ascii_lowercase()));
        assert_eq!(negotiated.version, "TLSv1_3");
    }
    // Nobody's name, and one label too many for the wildcard: the default, which does not fit.
    for host in ["unknown.example", "a.b.example.org", "example.org"] {
        let met = meet(&server, &client_of(&trusting(&ca)), host).await;
        assert_eq!(met.client_fault(), TlsFault::NameMismatch, "{host}");
    }
    // No name at all (an address): the default.
    let settings = UpstreamTls { server_name: Some("first.example".into()), ..trusting(&ca) };
    let met = meet(&server, &client_of(&settings), "127.0.0.1").await;
    assert_eq!(met.client.unwrap().leaf, der(&first));
}

#[test]
fn certificates_that_cannot_serve_are_named_by_their_place() {
    let ca = Authority::new("ca");
    let (good, other) = (ca.server(&["a.example"]), ca.server(&["b.example"]));
    let problem = |bad: CertifiedPem| {
        let config =
            ServerTlsConfig { certificates: vec![good.clone(), bad], ..ServerTlsConfig::default() };
        let error = ServerTls::new(&config).unwrap_err();
        assert_eq!(error.to_string(), "certificate 2 of the list");
        assert!(!error.cure().is_empty());
        match error {
            TlsError::Certificate { position: 1, problem } => problem,
            other => panic!("{other:?}"),
        }
    };
    let with_key =
        |key: &str| CertifiedPem { cert_pem: good.cert_pem.clone(), key_pem: Secret::new(key) };
    let mismatch = CertifiedPem { cert_pem: good.cert_pem.clone(), key_pem: other.key_pem.clone() };
    assert!(matches!(problem(mismatch), CertificateProblem::Mismatch));
    assert!(matches!(problem(with_key("hello")), CertificateProblem::NoKey));
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(matches!(problem(with_key(encrypted)), CertificateProblem::EncryptedKey));
    let cut = "-----BEGIN PRIVATE KEY-----\nMIIB\n";
    assert!(matches!(problem(with_key(cut)), CertificateProblem::Pem(_)));
    let swapped = CertifiedPem {
        cert_pem: good.key_pem.expose().to_vec(),
        key_pem: Secret::new(good.cert_pem.clone()),
    };
    assert!(matches!(problem(swapped), CertificateProblem::NoCertificate));

    assert!(matches!(ServerTls::new(&ServerTlsConfig::default()), Err(TlsError::NoCertificate)));
    let no_authority = ServerTlsConfig {
        certificates: vec![good],
        client: ClientAuth::Required,
        ..ServerTlsConfig::default()
    };
    assert!(matches!(ServerTls::new(&no_authority), Err(TlsError::NoClientAuthority)));
}

#[tokio::test]
async fn http2_is_agreed_on_when_both_speak_it_and_demanded_when_needed() {
    let ca = Authority::new("ca");
    let server = server_of(vec![ca.server(&["a.example"])]);
    let met = meet(&server, &client_of(&trusting(&ca)), "a.example").await;
    assert_eq!(met.server.unwrap().alpn, Alpn::Http1);
    let h2 = ClientTls::new(&trusting(&ca), true).unwrap();
    let met = meet(&server, &h2, "a.example").await;
    assert_eq!(met.server.unwrap().alpn, Alpn::Http2);

    // A server that knows no ALPN at all: HTTP/1.1 is fine, HTTP/2 is not.
    let mut live = (*server.acceptor().config()).clone();
    live.alpn_protocols.clear();
    let plain = tokio_rustls::TlsAcceptor::from(Arc::new(live));
    for (client, fits) in [(client_of(&trusting(&ca)), true), (h2, false)] {
        let (server_end, client_end) = sockets().await;
        let (served, connected) =
            tokio::join!(plain.accept(server_end), client.connect("a.example", client_end));
        assert!(served.is_ok());
        assert_eq!(connected.is_ok(), fits);
    }
}

#[tokio::test]
async fn every_usual_client_is_served_in_one_round_trip_with_the_cheapest_suite() {
    use rustls::crypto::aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
    let ca = Authority::new("ca");
    let server = server_of(vec![ca.server(&["a.example"])]);
    let roots = Arc::new(certificate::authorities(&ca.pem).unwrap());
    let usual: [&[&'static dyn SupportedKxGroup]; 4] = [
        &[X25519, SECP256R1],      // OpenSSL 3.0
        &[X25519MLKEM768, X25519], // browsers
        &[SECP256R1],              // hardware that must
        &[X25519MLKEM768],         // the cautious
    ];
    for groups in usual {
        let provider = CryptoProvider {
            kx_groups: groups.to_vec(),
            ..aws_lc_rs::default_provider() // AES-256 first
        };
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        let (server_end, client_end) = sockets().await;
        let (acceptor, connector) =
            (server.acceptor(), tokio_rustls::TlsConnector::from(Arc::new(config)));
        let (served, connected) = tokio::join!(
            acceptor.accept(server_end, SECOND * 5),
            connector.connect("a.example".try_into().unwrap(), client_end),
        );
        connected.unwrap();
        let (stream, negotiated) = served.unwrap();
        assert_eq!(negotiated.suite, "TLS13_AES_128_GCM_SHA256");
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full), "no HelloRetryRequest");
        let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), groups[0].name());
    }
}

#[tokio::test]
async fn t57_upstreams_are_verified_and_the_log_can_tell_what_is_wrong() {
    let (ca, stranger) = (Authority::new("ca"), Authority::new("stranger"));
    let past = ca.leaf(&["a.example"], |params| {
        params.not_before = (SystemTime::now() - DAY * 2).into();
        params.not_after = (SystemTime::now() - DAY).into();
    });
    let future = ca.leaf(&["a.example"], |params| {
        params.not_before = (SystemTime::now() + DAY).into();
    });
    let wrong_use = ca.client(|params| {
        params.subject_alt_names = vec![SanType::DnsName("a.example".try_into().unwrap())];
    });
    let common_name = ca.leaf(&[], |params| {
        params.distinguished_name.push(DnType::CommonName, "a.example");
    });
    for (certificate, expected) in [
        (past, TlsFault::Expired),
        (future, TlsFault::NotYetValid),
        (ca.server(&["b.example"]), TlsFault::NameMismatch),
        (common_name, TlsFault::NameMismatch),
        (stranger.server(&["a.example"]), TlsFault::UnknownAuthority),
        (wrong_use, TlsFault::WrongPurpose),
    ] {
        let (server, client) = (server_of(vec![certificate]), client_of(&trusting(&ca)));
        let met = meet(&server, &client, "a.example").await;
        assert_eq!(met.client_fault(), expected);
        assert!(met.server.is_err(), "the server hears the alert");
    }
}

#[tokio::test]
async fn upstream_names_and_client_certificates_are_settable() {
    let ca = Authority::new("ca");
    let me = ca.client(|_| ());
    let server = ServerTls::new(&ServerTlsConfig {
        certificates: vec![ca.server(&["inner.example"])],
        client: ClientAuth::Required,
        client_ca_pem: Some(ca.pem.clone()),
        client_crl_pem: None,
    })
    .unwrap();
    let settings = UpstreamTls {
        client: Some((me.cert_pem.clone(), me.key_pem.clone())),
        server_name: Some("inner.example".into()),
        ..trusting(&ca)
    };
    let met = meet(&server, &client_of(&settings), "10.0.0.1").await;
    let peer = met.server.unwrap().peer.unwrap();
    let peer = peer.certificate();
    assert_eq!(peer.sha256, <[u8; 32]>::from(Sha256::digest(der(&me))));
    assert_eq!(peer.dns_names, ["client.example"]);

    let bad_name = UpstreamTls { server_name: Some("no name".into()), ..settings.clone() };
    assert!(matches!(ClientTls::new(&bad_name, false), Err(TlsError::ServerName(_))));
    let bad_ca = UpstreamTls { ca_pem: Some(b"x".to_vec()), ..settings };
    assert!(matches!(ClientTls::new(&bad_ca, false), Err(TlsError::Authorities(_))));
}

#[tokio::test]
async fn t22_only_a_good_client_certificate_gets_in_and_its_names_are_its_sans() {
    let (ca, stranger) = (Authority::new("ca"), Authority::new("ca"));
    let mut config = ServerTlsConfig {
        certificates: vec![ca.server(&["a.example"])],
        client: ClientAuth::Required,
        client_ca_pem: Some(ca.pem.clone()),
        client_crl_pem: Some(ca.revokes(4711)),
    };
    let required = ServerTls::new(&config).unwrap();
    config.client = ClientAuth::Optional;
    let optional = ServerTls::new(&config).unwrap();

    let with = |me: Option<&CertifiedPem>| {
        let client = me.map(|me| (me.cert_pem.clone(), me.key_pem.clone()));
        client_of(&UpstreamTls { client, ..trusting(&ca) })
    };
    let days = |from: i32, to: i32| {
        let at = |day: i32| {
            let day_span = DAY * day.unsigned_abs();
            let now = SystemTime::now();
            if day < 0 { now - day_span } else { now + day_span }
        };
        move |params: &mut CertificateParams| {
            params.not_before = at(from).into();
            params.not_after = at(to).into();
        }
    };
    let bad = [
        ("expired", ca.client(days(-3, -1)), TlsFault::Expired),
        ("future", ca.client(days(1, 3)), TlsFault::NotYetValid),
        ("stranger", stranger.client(|_| ()), TlsFault::BadCertificate),
        (
            "server use",
            ca.leaf(&["c.example"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            TlsFault::WrongPurpose,
        ),
        (
            "revoked",
            ca.client(|params| params.serial_number = Some(4711_u64.into())),
            TlsFault::Revoked,
        ),
        (
            "an authority's own",
            ca.client(|params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }),
            TlsFault::BadCertificate,
        ),
    ];
    for (what, me, expected) in &bad {
        for server in [&required, &optional] {
            let met = meet(server, &with(Some(me)), "a.example").await;
            assert_eq!(met.server_fault(), *expected, "{what}");
            assert!(met.client.is_err(), "{what}");
        }
    }
    let met = meet(&required, &with(None), "a.example").await;
    assert_eq!(met.server_fault(), TlsFault::NoCertificate);
    assert_eq!(fault(&met.client.unwrap_err()), Some(TlsFault::RefusedByPeer));
    let met = meet(&optional, &with(None), "a.example").await;
    assert!(met.server.unwrap().peer.is_none());

    let me = ca.client(|params| {
        params.distinguished_name.push(DnType::CommonName, "admin.example");
        params.subject_alt_names = vec![
            SanType::DnsName("Carrier.example".try_into().unwrap()),
            SanType::URI("spiffe://acme/tracker".try_into().unwrap()),
        ];
    });
    let peer = meet(&required, &with(Some(&me)), "a.example").await.server.unwrap().peer.unwrap();
    let peer = peer.certificate();
    assert_eq!(peer.dns_names, ["carrier.example"]);
    assert_eq!(peer.uri_names, ["spiffe://acme/tracker"]);

    let nameless = ca.leaf(&[], |params| {
        params.distinguished_name.push(DnType::CommonName, "admin.example");
    });
    let met = meet(&required, &with(Some(&nameless)), "a.example").await;
    assert!(
        met.server.unwrap().peer.unwrap().certificate().dns_names.is_empty(),
        "a common name is no identity"
    );
}

#[tokio::test]
async fn sessions_are_resumed_on_any_worker_and_after_a_reload() {
    let ca = Authority::new("ca");
    let config = |names: &[&str]| ServerTlsConfig {
        certificates: vec![ca.server(names)],
        ..ServerTlsConfig::default()
    };
    let server = ServerTls::new(&config(&["a.example"])).unwrap();
    let client = client_of(&trusting(&ca));
    assert!(!meet(&server, &client, "a.example").await.server.unwrap().resumed);
    assert!(meet(&server, &client, "a.example").await.server.unwrap().resumed);
    server.replace(&config(&["a.example", "b.example"])).unwrap();
    assert!(meet(&server, &client, "a.example").await.server.unwrap().resumed);
    assert_eq!(server.certificates()[0].names, ["a.example", "b.example"]);
    // The new certificate is the one that a full handshake gets.
    assert!(meet(&server, &client, "b.example").await.client.is_ok());
}

#[tokio::test]
async fn l49_a_reload_changes_new_handshakes_and_a_bad_one_changes_nothing() {
    let ca = Authority::new("ca");
    let (old, new) = (ca.server(&["a.example"]), ca.server(&["a.example"]));
    let config = |certificate: &CertifiedPem| ServerTlsConfig {
        certificates: vec![certificate.clone()],
        ..ServerTlsConfig::default()
    };
    let server = ServerTls::new(&config(&old)).unwrap();
    let shared = server.clone();

    // A connection that is open during the reload stays.
    let (server_end, client_end) = sockets().await;
    let (acceptor, client) = (server.acceptor(), client_of(&trusting(&ca)));
    let (served, connected) = tokio::join!(
        acceptor.accept(server_end, SECOND * 5),
        client.connect("a.example", client_end)
    );
    let (mut served, mut connected) = (served.unwrap().0, connected.unwrap());

    server.replace(&config(&new)).unwrap();
    let bad = CertifiedPem { cert_pem: new.cert_pem.clone(), key_pem: old.key_pem.clone() };
    assert!(server.replace(&config(&bad)).is_err());
    let fresh = client_of(&trusting(&ca));
    let met = meet(&shared, &fresh, "a.example").await;
    assert_eq!(met.client.unwrap().leaf, der(&new));

    connected.write_all(b"still here").await.unwrap();
    let mut text = [0; 10];
    served.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still here");
}

#[tokio::test]
async fn t22_a_ticket_outlives_neither_the_certificate_nor_our_trust() {
    let (ca, next_ca) = (Authority::new("ca"), Authority::new("next"));
    let mut config = ServerTlsConfig {
        certificates: vec![ca.server(&["a.example"])],
        client: ClientAuth::Required,
        client_ca_pem: Some(ca.pem.clone()),
        client_crl_pem: None,
    };
    let server = ServerTls::new(&config).unwrap();
    let as_client = |me: &CertifiedPem| {
        let client = Some((me.cert_pem.clone(), me.key_pem.clone()));
        client_of(&UpstreamTls { client, ..trusting(&ca) })
    };

    let short = ca.client(|params| params.not_after = (SystemTime::now() + SECOND * 2).into());
    let lasting = as_client(&ca.client(|_| ()));
    let ending = as_client(&short);
    for client in [&lasting, &ending] {
        assert!(meet(&server, client, "a.example").await.server.is_ok());
    }
    let resumed = meet(&server, &lasting, "a.example").await.server.unwrap();
    assert!(resumed.resumed);
    assert_eq!(resumed.peer.unwrap().certificate().dns_names, ["client.example"]);

    tokio::time::sleep(SECOND * 3).await;
    let met = meet(&server, &ending, "a.example").await;
    assert_eq!(met.server_fault(), TlsFault::Expired);

    config.client_ca_pem = Some(next_ca.pem.clone());
    server.replace(&config).unwrap();
    let met = meet(&server, &lasting, "a.example").await;
    assert!(met.server.is_err(), "the ticket of a client we no longer trust is worth nothing");
}

#[tokio::test]
async fn l02_a_silent_client_is_dropped_in_time() {
    let ca = Authority::new("ca");
    let acceptor = server_of(vec![ca.server(&["a.example"])]).acceptor();
    let (server_end, _client_end) = sockets().await;
    let error = acceptor.accept(server_end, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(fault(&error), None);
}

/// The parts of a ClientHello (RFC 8446 section 4.1.2), to be written as no library would.
#[derive(Clone)]
struct Hello {
    version: u16,
    suites: Vec<u16>,
    supported_versions: Vec<u16>,
    groups: Vec<u16>,
    signatures: Vec<u16>,
    key_share: Option<(u16, Vec<u8>)>,
}

impl Hello {
    fn tls12(version: u16, suites: &[u16]) -> Self {
        Self {
            version,
            suites: suites.to_vec(),
            supported_versions: Vec::new(),
            groups: vec![0x001d, 0x0017],
            signatures: vec![0x0403, 0x0401, 0x0203, 0x0201],
            key_share: None,
        }
    }

    fn tls13() -> Self {
        // Nine is the base point of X25519 (RFC 7748), so a good public key.
        let mut key = vec![9];
        key.resize(32, 0);
        Self {
            version: 0x0303,
            suites: vec![0x1301],
            supported_versions: vec![0x0304],
            groups: vec![0x001d],
            signatures: vec![0x0403, 0x0804],
            key_share: Some((0x001d, key)),
        }
    }

    /// The hello's content, without the handshake and record headers.
    fn body(&self) -> Vec<u8> {
        fn list(bytes: usize, values: &[u16]) -> Vec<u8> {
            let length = (values.len() * 2).to_be_bytes();
            let mut list = length[length.len() - bytes..].to_vec();
            list.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            list
        }
        let mut extensions = Vec::new();
        let mut extension = |kind: u16, content: Vec<u8>| {
            extensions.extend(kind.to_be_bytes());
            extensions.extend((content.len() as u16).to_be_bytes());
            extensions.extend(content);
        };
        extension(10, list(2, &self.groups));
        extension(11, vec![1, 0]);
        extension(13, list(2, &self.signatures));
        if !self.supported_versions.is_empty() {
            extension(43, list(1, &self.supported_versions));
        }
        if let Some((group, key)) = &self.key_share {
            let mut share = ((key.len() + 4) as u16).to_be_bytes().to_vec();
            share.extend(group.to_be_bytes());
            share.extend((key.len() as u16).to_be_bytes());
            share.extend(key);
            extension(51, share);
        }
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(list(2, &self.suites));
        body.extend([1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        body
    }
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Sends a hello and tells how the server answers: the record's type and, of an alert, its number.
async fn answer_to(server: &ServerTls, body: &[u8]) -> Option<(u8, u8)> {
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(((body.len() + 4) as u16).to_be_bytes());
    record.push(1);
    record.extend(&(body.len() as u32).to_be_bytes()[1..]);
    record.extend(body);
    let (server_end, mut client) = sockets().await;
    let acceptor = server.acceptor();
    let serving =
        tokio::spawn(async move { acceptor.accept(server_end, SECOND * 5).await.is_ok() });
    client.write_all(&record).await.unwrap();
    let mut answer = [0; 7];
    let read = client.read_exact(&mut answer).await;
    drop(client);
    assert!(!serving.await.unwrap(), "no such handshake may succeed");
    read.ok().map(|_| (answer[0], answer[6]))
}

#[tokio::test]
async fn t57_l01_old_versions_and_weak_suites_get_an_alert() {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    let ca = Authority::new("ca");
    let server = server_of(vec![ca.server(&["a.example"])]);
    let good = [0xc02b];
    let control = answer_to(&server, &Hello::tls12(0x0303, &good).body()).await.unwrap();
    assert_eq!(control.0, HANDSHAKE, "the hello itself is right, so that the rest means something");

    for old in [0x0300, 0x0301, 0x0302] {
        let answer = answer_to(&server, &Hello::tls12(old, &good).body()).await;
        assert_eq!(answer, Some((ALERT, PROTOCOL_VERSION)), "version {old:04x}");
    }
    for (name, weak) in [
        ("ECDHE AES-CBC SHA-1", 0xc009),
        ("ECDHE AES-CBC SHA-256", 0xc023),
        ("static RSA AES-GCM", 0x009c),
        ("static RSA AES-CBC", 0x002f),
        ("RC4", 0xc007),
        ("3DES", 0xc008),
        ("NULL", 0xc006),
        ("anonymous", 0xc018),
        ("export", 0x0003),
        ("DHE", 0x009e),
        ("CCM-8", 0xc0ae),
        ("ECDHE-RSA with an ECDSA key", 0xc02f),
    ] {
        let answer = answer_to(&server, &Hello::tls12(0x0303, &[weak]).body()).await;
        assert_eq!(answer, Some((ALERT, HANDSHAKE_FAILURE)), "{name}");
    }
}

#[tokio::test]
async fn t57_broken_tls13_hellos_never_get_a_server_hello() {
    let ca = Authority::new("ca");
    let server = server_of(vec![ca.server(&["a.example"])]);
    let good = Hello::tls13();
    let control = answer_to(&server, &good.body()).await.unwrap();
    assert_eq!(control.0, HANDSHAKE, "the hello itself is right, so that the rest means something");

    let short_key = Some((0x001d, vec![9; 31]));
    let zero_key = Some((0x001d, vec![0; 32]));
    for (what, bad) in [
        ("no suite", Hello { suites: vec![], ..good.clone() }),
        ("TLS 1.2 suite only", Hello { suites: vec![0xc02b], ..good.clone() }),
        ("unknown version", Hello { supported_versions: vec![0x0305], ..good.clone() }),
        ("old versions", Hello { supported_versions: vec![0x0302, 0x0301], ..good.clone() }),
        ("no group", Hello { groups: vec![], ..good.clone() }),
        ("unknown group", Hello { groups: vec![0x0102], key_share: None, ..good.clone() }),
        ("no signature", Hello { signatures: vec![], ..good.clone() }),
        ("short key", Hello { key_share: short_key, ..good.clone() }),
        ("all-zero key", Hello { key_share: zero_key, ..good.clone() }),
    ] {
        let answer = answer_to(&server, &bad.body()).await;
        assert!(matches!(answer, Some((ALERT, _))), "{what}: {answer:?}");
    }
    let body = good.body();
    for cut in 0..body.len() {
        let answer = answer_to(&server, &body[..cut]).await;
        assert!(matches!(answer, Some((ALERT, _))), "cut at {cut}: {answer:?}");
    }
}
