//! The compiled configuration that the data plane serves from, and the nouns in it.
//!
//! Values here are checked: a name is a name, a reference is an index that exists, a path is
//! normalised. Whoever builds a [`Snapshot`] (today the file reader of the binary) has to keep
//! that promise; whoever reads one may lean on it.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{
    ApiScopes, Issuing, Limits, MailAddress, Pages, Password, Pepper, RestFace, Scopes, Secret,
    Timestamp, TokenIssuer, WsSecurity,
};

/// Everything the data plane needs for one generation of configuration. Immutable.
///
/// A clone shares with what it was cloned from all that is not written to afterwards (see [`Pages`]), and a plane that is compiled
/// after another takes over whatever belongs to what they share. So a part that follows another one is made by changing a
/// clone of it.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Rises by one with each accepted configuration.
    pub generation: u64,
    /// The APIs, in file order. An index into this list is an API's identity within a snapshot.
    pub apis: Pages<Api>,
    /// The plans, in file order.
    pub plans: Vec<Plan>,
    /// The organisations, in file order.
    pub organisations: Pages<Organisation>,
    /// The applications, in file order.
    pub applications: Pages<Application>,
    /// Whose tokens say who calls, in file order.
    pub issuers: Vec<TokenIssuer>,
    /// How the gateway issues tokens itself; `None`: it does not.
    pub issuing: Option<Issuing>,
    /// What the keys of the store are mixed with; `None`: there is no store, and a key is known by its SHA-256.
    pub pepper: Option<Pepper>,
    /// Limits in force.
    pub limits: Limits,
    /// L14: networks whose forwarding headers are believed. Empty: none.
    pub trusted_proxies: Vec<IpNet>,
}

/// One API: a name, a major version, a contract and the upstreams that serve it.
#[derive(Debug, Clone)]
pub struct Api {
    /// Lower-case name, `[a-z][a-z0-9-]*`.
    pub name: String,
    /// Major version, from 1.
    pub version: u32,
    /// Who may see it.
    pub visibility: Visibility,
    /// From where it answers on listeners that are not the internal one; empty: a private API from nowhere (but to the owner's
    /// applications), others from everywhere.
    pub networks: Vec<IpNet>,
    /// Host it answers on; `None`: any.
    pub host: Option<HostPattern>,
    /// Base path without a trailing slash (`/tracking/v1`); empty for the root.
    pub base_path: String,
    /// Header fields that a request must carry, all of them, for this API to be meant.
    pub headers: Vec<HeaderMatch>,
    /// How the API is offered.
    pub faces: Vec<Face>,
    /// Operations from its contract; empty: no contract, every method and path passes.
    pub operations: Vec<Operation>,
    /// What happens to a request that matches the API but none of its operations, where it has
    /// some: `true` lets it pass unnamed, `false` (the default) answers 404 or 405.
    pub pass_undeclared: bool,
    /// The contract as it is served to callers, with its media type; `None` without one.
    pub contract: Option<Arc<ServedContract>>,
    /// Which messages are held against the contract, and what becomes of those that do not agree.
    pub checks: Checks,
    /// Where messages may have their answers sent (`wsa:ReplyTo`) beside the connection they come on: an address, or with
    /// a slash at its end the beginning of one.
    pub reply_to: Vec<String>,
    /// Whether WS-Security ends here, and how; `None`: the header goes on as it came.
    pub ws_security: Option<WsSecurity>,
    /// The scopes that its operations ask for; `None`: none of them asks for any.
    pub scopes: Option<ApiScopes>,
    /// Where requests go.
    pub upstream: Upstream,
    /// Indices into [`Snapshot::plans`]. Empty: no key is asked for.
    pub plans: Vec<usize>,
    /// Whether `Upgrade` (WebSocket) may turn a connection into a tunnel (T3).
    pub upgrade: bool,
    /// Whether the service is told the certificate that its caller's connection was made with (RFC 9440).
    pub client_cert: bool,
    /// L12 for this API, bytes of a request body; `None`: the general limit.
    pub body_bytes: Option<u64>,
    /// Addresses at which its SOAP face is written to by mail.
    pub mail: Vec<MailAddress>,
}

impl Api {
    /// A private REST API at `/{name}/v{version}`, with what the file's defaults are.
    pub fn new(name: &str, version: u32, upstream: Upstream) -> Self {
        Self {
            name: name.to_owned(),
            version,
            visibility: Visibility::default(),
            networks: Vec::new(),
            host: None,
            base_path: format!("/{name}/v{version}"),
            headers: Vec::new(),
            faces: vec![Face::Rest],
            operations: Vec::new(),
            pass_undeclared: false,
            contract: None,
            checks: Checks::default(),
            reply_to: Vec::new(),
            ws_security: None,
            scopes: None,
            upstream,
            plans: Vec::new(),
            upgrade: false,
            client_cert: false,
            body_bytes: None,
            mail: Vec::new(),
        }
    }
}

/// A contract as it was read: ready to be served, and to be compiled by whoever carries messages.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ServedContract {
    /// `true` for WSDL (served at `…/soap?wsdl`), `false` for OpenAPI (`…/openapi.json`).
    pub wsdl: bool,
    /// The document; for WSDL the text as it was read, for OpenAPI its JSON form.
    pub document: String,
    /// What the WSDL names other documents by.
    pub references: Vec<Reference>,
    /// The documents that belong to the WSDL, each once.
    pub imports: Vec<ImportedDocument>,
    /// How the REST face of a WSDL is.
    pub rest: RestFace,
}

/// A document that a WSDL, or a document that belongs to it, imports.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportedDocument {
    /// What it is called at our address: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// A schema (served at `…/soap?xsd=NAME`); otherwise a WSDL (`…/soap?wsdl=NAME`).
    pub schema: bool,
    /// Its text.
    pub document: String,
    /// What it names other documents by.
    pub references: Vec<Reference>,
}

/// How a document names another one.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// As it is written.
    pub location: String,
    /// The name of the document meant; empty for the WSDL itself.
    pub name: String,
}

/// Which messages are held against the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks {
    /// Those of callers.
    pub requests: Check,
    /// Those of the service.
    pub answers: Check,
}

/// What is done about a message that is not what the contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Nobody looks.
    #[default]
    Off,
    /// It is counted and logged, and goes on.
    Report,
    /// It does not go on.
    Enforce,
}

/// Who may see an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Answers on the internal listener, to its networks and to the owner's applications; for everybody else it does not exist.
    #[default]
    Private,
    /// Answers applications that subscribe to it; for everybody else it does not exist.
    Partner,
    /// Answers everybody (who holds a key, where the API has plans).
    Public,
}

impl Visibility {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Private, Self::Partner, Self::Public];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Partner => "partner",
            Self::Public => "public",
        }
    }
}

/// How an API is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Plain HTTP at the base path.
    Rest,
    /// SOAP at `…/soap`.
    Soap,
    /// An MCP tool an operation at `…/mcp`.
    Mcp,
}

/// A host an API answers on: exact, or `*.` and a suffix. Lower case, without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `api.example.com`
    Exact(String),
    /// `*.example.com`, held as `example.com`; matches exactly one more label or several.
    Wildcard(String),
}

/// A header field a request must carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderMatch {
    /// Field name, lower case.
    pub name: String,
    /// Exact value after trimming.
    pub value: String,
}

/// One operation of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// `operationId`, or method and path where there is none; for SOAP the operation's name.
    pub name: String,
    /// Upper-case method on the REST face; empty for a SOAP operation that is not offered there.
    pub method: String,
    /// Path below the base path.
    pub path: PathTemplate,
    /// SOAPAction without quotes, for SOAP operations.
    pub soap_action: Option<String>,
    /// `{namespace}local` of the body's child element, for SOAP operations whose contract tells.
    pub soap_body: Option<String>,
}

/// A path template as segments; `/orders/{id}` has two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathTemplate(pub Vec<PathSegment>);

/// One segment of a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// Matches itself.
    Literal(String),
    /// Matches one non-empty segment that begins and ends with these texts (`{id}.json` has the
    /// suffix `.json`); both are empty for a plain `{id}`.
    Parameter {
        /// Literal text before the parameter.
        prefix: String,
        /// Literal text after the (last) parameter.
        suffix: String,
    },
}

/// The servers behind an API and how they are used.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// At least one.
    pub targets: Vec<UpstreamTarget>,
    /// How one is chosen.
    pub balance: Balance,
    /// Protocol spoken.
    pub http: HttpVersion,
    /// TLS settings for `https` targets.
    pub tls: UpstreamTls,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// When a request is sent again.
    pub retries: Retries,
    /// Judging targets by their answers.
    pub passive: PassiveHealth,
    /// Asking targets how they are; `None`: do not.
    pub active: Option<ActiveHealth>,
    /// `true`: the upstream sees the caller's `Host`; `false` (the default): its own.
    pub preserve_host: bool,
    /// How many requests may wait for it at a time.
    pub concurrency: Concurrency,
}

impl Upstream {
    /// These servers, used as the file's defaults say.
    pub fn of(targets: Vec<UpstreamTarget>) -> Self {
        Self { targets, ..Self::default() }
    }
}

/// How many requests may wait for an upstream's answer at a time (L46, T45).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// As many as it can take, learned from its answers.
    #[default]
    Adaptive,
    /// Any number.
    Off,
    /// So many; at least 1.
    Fixed(u32),
}

/// One server behind an API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamTarget {
    /// `https`?
    pub tls: bool,
    /// Host name or address literal (IPv6 without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path put before the request's path (after the API's base was taken off). A slash at its end counts on the SOAP
    /// face, where nothing follows.
    pub path: String,
    /// Share of the traffic relative to its siblings, from 0 (drained) to 65,535; 1 by default.
    pub weight: u16,
}

impl UpstreamTarget {
    /// A server at the root of a plain `http://` address.
    pub fn plain(host: &str, port: u16) -> Self {
        Self { tls: false, host: host.to_owned(), port, path: String::new(), weight: 1 }
    }
}

/// How a target is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
    /// The less busy of two drawn at random, weighted.
    LeastRequests,
    /// The same key goes to the same target as long as it is healthy.
    ConsistentHash(HashKey),
}

/// What a consistent hash is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// The calling application; the client's address where there is none.
    Application,
    /// A header field, lower-case name; the client's address where it is absent.
    Header(String),
    /// The normalised path.
    Path,
}

/// The protocol spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, with prior knowledge over TCP. gRPC needs it.
    Http2,
}

/// TLS settings for `https` upstreams. Certificates are PEM bytes, read when the configuration is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamTls {
    /// PEM certificates to trust instead of the system's; `None`: the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Client certificate chain and key, PEM.
    pub client: Option<(Vec<u8>, Secret)>,
    /// Name used for SNI and the certificate check; `None`: the target's host.
    pub server_name: Option<String>,
}

/// How long an exchange with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included (L22).
    pub connect: Duration,
    /// From the request's last byte to the final response's header section.
    pub first_byte: Duration,
    /// Between two reads or writes that make progress while a body streams.
    pub idle: Duration,
    /// The whole exchange; `None`: no bound. Not applied to upgraded connections.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: None,
        }
    }
}

/// When a request is sent again (L24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Further tries after the first.
    pub attempts: u8,
    /// Retries allowed as a share of requests, in percent, over a sliding ten seconds.
    pub budget_percent: u8,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 2, budget_percent: 10 }
    }
}

/// Judging targets by their answers (L25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassiveHealth {
    /// Failures in a row that eject a target; 0 switches it off.
    pub failures: u32,
    /// First ejection; doubles with each one that follows…
    pub eject: Duration,
    /// …up to this.
    pub eject_max: Duration,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self { failures: 5, eject: Duration::from_secs(1), eject_max: Duration::from_secs(30) }
    }
}

/// Asking targets how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveHealth {
    /// Path of the `GET`, absolute at the target.
    pub path: String,
    /// Time between two questions.
    pub interval: Duration,
    /// Time for an answer.
    pub timeout: Duration,
    /// Good answers in a row (2xx or 3xx) that bring a target back.
    pub healthy_after: u32,
    /// Bad ones that take it out.
    pub unhealthy_after: u32,
}

/// What an application subscribes to, and under which terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Name.
    pub name: String,
    /// Rate limit; `None`: none.
    pub rate: Option<Rate>,
    /// Who has one rate together.
    pub rate_per: Holder,
    /// Quota; `None`: none.
    pub quota: Option<Quota>,
    /// Rates of single operations, by the operation's name, beside the plan's own; whose they are `rate_per` says.
    pub operations: Vec<(String, Rate)>,
    /// Weight of its calls where they wait for an API's servers, from 1.
    pub priority: u32,
    /// What each party on it has reserved of an API's concurrency, in hundredths of a percent; 0: nothing.
    pub reserve: u32,
    /// Scopes that whoever subscribes to it is granted, for the API of the subscription.
    pub scopes: Scopes,
}

impl Plan {
    /// A plan without bounds.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rate: None,
            rate_per: Holder::Application,
            quota: None,
            operations: Vec::new(),
            priority: 1,
            reserve: 0,
            scopes: Scopes::default(),
        }
    }
}

/// A rate limit: `count` in each `per`, with room for `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests…
    pub count: u64,
    /// …in this time.
    pub per: Duration,
    /// Requests that may arrive at once; at least 1, `count` for one second's worth by default.
    pub burst: u64,
}

/// A number of calls in a calendar window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls.
    pub calls: u64,
    /// Window.
    pub window: QuotaWindow,
    /// What happens past it.
    pub over: QuotaOver,
    /// Who has it together.
    pub per: Holder,
}

/// Who counts as one, where calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holder {
    /// Each application.
    #[default]
    Application,
    /// All applications of an organisation together; one without an organisation by itself.
    Organisation,
}

/// A calendar window, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaWindow {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
}

/// What happens past a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaOver {
    /// Refused.
    #[default]
    Refuse,
    /// Served and charged.
    Charge,
}

/// A company or department.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organisation {
    /// Name; empty where nobody is at this place any more.
    pub name: String,
    /// Kind.
    pub kind: OrganisationKind,
}

/// What an organisation is to the owner of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrganisationKind {
    /// Runs the gateway.
    Owner,
    /// Was admitted.
    Partner,
    /// Signed up.
    #[default]
    Customer,
}

impl OrganisationKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Partner, Self::Customer];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Partner => "partner",
            Self::Customer => "customer",
        }
    }
}

/// What calls.
#[derive(Debug, Clone, Default)]
pub struct Application {
    /// Name; empty where nobody is at this place any more.
    pub name: String,
    /// Index into [`Snapshot::organisations`]; `None` where the file names none.
    pub organisation: Option<usize>,
    /// What it subscribes to.
    pub subscriptions: Vec<Subscription>,
    /// What it proves itself with.
    pub credentials: Vec<Credential>,
    /// From where its calls may come; empty: from everywhere.
    pub networks: Vec<IpNet>,
    /// Scopes that it is granted, beside those of its plans.
    pub scopes: Scopes,
    /// API keys that the store holds for it. There may be a million in all, so those that did not change are shared.
    pub keys: Arc<[StoredKey]>,
}

/// An API key that the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredKey {
    /// HMAC-SHA-256 of its SHA-256, under [`Snapshot::pepper`].
    pub digest: KeyDigest,
    /// From when on it is of no use; [`StoredKey::FOR_EVER`]: until it is revoked.
    pub expires: Timestamp,
}

impl StoredKey {
    /// Later than any other instant.
    pub const FOR_EVER: Timestamp = Timestamp::from_millis(i64::MAX);

    /// A key.
    pub fn new(digest: KeyDigest, expires: Option<Timestamp>) -> Self {
        Self { digest, expires: expires.unwrap_or(Self::FOR_EVER) }
    }
}

/// Application × plan, for one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// Index into [`Snapshot::apis`].
    pub api: usize,
    /// Index into [`Snapshot::plans`].
    pub plan: usize,
}

/// What an application proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key, known by its digest only.
    ApiKey(KeyDigest),
    /// A user of WS-Security, with a password.
    User {
        /// Its name; no two applications have the same.
        name: String,
        /// Its password.
        password: Password,
    },
    /// A certificate of WS-Security, in DER, whoever issued it.
    Certificate(Vec<u8>),
    /// The subject of a certificate of WS-Security that an authority issued whom the API trusts.
    Subject(String),
    /// What the certificate that it shows in a TLS handshake is called.
    TlsCertificate(CertificateName),
    /// A key that its requests are signed with (RFC 9421).
    Signature {
        /// By what signatures name it; no two applications have the same.
        keyid: String,
        /// The key.
        key: SignatureKey,
        /// Components that have to be signed, beside those that always have to be.
        covers: Vec<String>,
    },
    /// What the tokens of an issuer call it.
    Token {
        /// Index into [`Snapshot::issuers`].
        issuer: usize,
        /// To the letter; no two applications have the same at one issuer.
        client: String,
    },
    /// A client to which the gateway issues tokens.
    Client {
        /// Its name; no two applications have the same.
        id: String,
        /// By what its secrets are known: as many as are good at a time.
        secrets: Vec<StoredKey>,
    },
    /// An address from which it sends mail. It proves nothing by itself: anybody can write it on a letter.
    Mailbox(MailAddress),
}

/// By what a signature over a request is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureKey {
    /// A shared secret, for `hmac-sha256`.
    Hmac(Secret),
    /// The 32 bytes of a public key, for `ed25519`.
    Ed25519(Vec<u8>),
    /// An uncompressed point, for `ecdsa-p256-sha256`.
    P256(Vec<u8>),
}

/// What a certificate is known by: one of its names to the letter, or a digest. Never its common name (T22).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// A DNS name among its alternative names, lower case.
    Dns(String),
    /// A URI among them, as it is written there.
    Uri(String),
    /// SHA-256 of its public key (SubjectPublicKeyInfo): stays when the certificate is renewed.
    Key([u8; 32]),
    /// SHA-256 of all of it.
    Whole([u8; 32]),
}

/// SHA-256 of an API key's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four bytes tell two keys apart in a log without helping anybody guess one.
        write!(
            f,
            "KeyDigest({:02x}{:02x}{:02x}{:02x}…)",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// Whether a TLS listener asks for a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Not asked for.
    #[default]
    Off,
    /// Asked for; a caller without one is served, one with a bad one is not.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// An address range in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    address: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// A range; `None` when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// Whether an address lies in the range. An IPv4-mapped IPv6 address counts as the IPv4
    /// address it carries (T7).
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.prefix);
                u32::from(net).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.prefix);
                u128::from(net).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t07_networks_contain_what_they_should() {
        let net = |text: &str, prefix| IpNet::new(text.parse().unwrap(), prefix).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(net("10.0.0.0", 8).contains(ip("10.1.2.3")));
        assert!(net("10.0.0.0", 8).contains(ip("::ffff:10.1.2.3")));
        assert!(!net("10.0.0.0", 8).contains(ip("11.0.0.1")));
        assert!(net("0.0.0.0", 0).contains(ip("8.8.8.8")));
        assert!(!net("0.0.0.0", 0).contains(ip("2001:db8::1")));
        assert!(net("2001:db8::", 32).contains(ip("2001:db8:1::1")));
        assert!(IpNet::new(ip("10.0.0.0"), 33).is_none());
    }
}
