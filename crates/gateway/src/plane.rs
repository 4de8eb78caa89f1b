//! The data plane's form of a snapshot: routes, keys, limits and servers, ready to be asked.
//!
//! Compiled aside, swapped whole (P4). What must survive a reload (how full a rate limit is, which
//! server is ejected) is taken over from the previous plane by name, never by index.
//!
//! Compiling one change costs about one change. What the two snapshots share (see [`pasarela_model::Pages`]), the two planes share
//! as well: where the APIs are the same ones, so are their routes, servers and contracts (`surface`), of which only the pages
//! are copied whose subscribers change (`subscribers`); of who calls, only what changed is made anew (`callers`). What comes
//! out is what compiling from nothing gives: a test compares them.

mod callers;
mod subscribers;
mod terms;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    panic::resume_unwind,
    sync::{Arc, OnceLock},
    thread,
};

use pasarela_contract::{
    bridge::{NoFace, RestContract},
    openapi::{self, Guard, TakenTokens},
    soap::SoapContract,
    wsdl,
};
use pasarela_model::{
    Api, Face, HashKey, HttpVersion, IpNet, Operation, Pages, PathSegment, ServedContract,
    Snapshot, Timeouts, UpstreamTls, Visibility,
};
use pasarela_net::{
    pool::Connector,
    tls::{ClientTls, TlsError},
};
use pasarela_soap::security::{Holders, Policy};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::{
    callers::Callers,
    terms::{Counted, Terms},
};
pub(crate) use self::{
    subscribers::{Subscriber, Subscribers},
    terms::{Pace, Spending},
};
use crate::{
    certificates::Certificates,
    cluster::{Budget, Cluster, Shares, hash_key},
    credentials::{CredentialIndex, SharedKey},
    jwt::{BadKeys, Ring},
    oauth,
    observe::{Metrics, Slot},
    proofs::{self, Remembered},
    quota::Quotas,
    router::Router,
    sight::Sources,
    signatures::Signatures,
    soon::soon,
    texts::{Text, Texts},
    tokens::Tokens,
};

/// Flow-control window of a whole HTTP/2 connection to an upstream: the largest there is. All
/// callers of a worker share that connection, and with a smaller one a few that read slowly would
/// hold up everybody's answers. What is held for a caller is bounded by its stream's window (L15).
const H2_UPSTREAM_WINDOW: u32 = (1 << 31) - 1;

/// Why a snapshot cannot be served from.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Two applications hold the same key.
    #[error("a key belongs to two applications")]
    SharedKey(#[source] SharedKey),
    /// An API's upstream TLS settings do not work.
    #[error("the upstream TLS settings of API {api} cannot be used")]
    UpstreamTls {
        /// Name and major version.
        api: String,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
    /// What an application proves itself with is none.
    #[error("what application {application} proves itself with cannot be used")]
    Proof {
        /// Its name.
        application: String,
    },
    /// An issuer's keys are none.
    #[error("the keys of issuer {issuer} cannot be used")]
    Keys {
        /// Its name in the configuration.
        issuer: String,
        /// What is wrong.
        #[source]
        source: BadKeys,
    },
    /// An authority whom an API trusts is none.
    #[error("what API {api} trusts for signatures cannot be used")]
    Authority {
        /// Name and major version.
        api: String,
    },
    /// An API's contract, which was read well, does not compile.
    #[error("the contract of API {api} cannot be used: {why}")]
    Contract {
        /// Name and major version.
        api: String,
        /// What is wrong.
        why: String,
    },
}

/// One compiled generation. Shared by all workers, never changed.
#[derive(Debug)]
pub struct Plane {
    /// What it was compiled from.
    pub snapshot: Arc<Snapshot>,
    pub(crate) router: Arc<Router>,
    pub(crate) credentials: CredentialIndex,
    /// By what the senders of messages are known.
    pub(crate) holders: Arc<Holders>,
    /// Messages that came and may not come again.
    pub(crate) remembered: Remembered,
    pub(crate) tokens: Arc<Tokens>,
    /// Who is known by what signatures.
    pub(crate) signatures: Arc<Signatures>,
    /// Who is known by a client certificate.
    pub(crate) certificates: Arc<Certificates>,
    /// From where the calls of some applications may come.
    pub(crate) sources: Arc<Sources>,
    pub(crate) apis: Pages<ApiPlane>,
    /// The APIs at which a message may say who sends it to those who may not see them otherwise.
    pub(crate) unheard: Arc<[usize]>,
    /// What the APIs' parts name.
    pub(crate) texts: Arc<Texts>,
    /// What is counted beyond the life of a plane.
    counted: Arc<Counted>,
}

/// One API's part. With ten thousand of them most are in no cache when a request comes, so what a
/// good request reads is here, in the order in which it does, also where the snapshot says the
/// same; and what there is usually one of stands in place.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct ApiPlane {
    /// For whom it exists.
    pub(crate) visibility: Visibility,
    /// A key is asked for.
    pub(crate) keyed: bool,
    /// Some operation asks for scopes.
    pub(crate) scoped: bool,
    /// Those who may see it may not call it from everywhere.
    pub(crate) limited: bool,
    /// Whether `Upgrade` may turn a connection into a tunnel.
    pub(crate) upgrade: bool,
    /// Its contract is a WSDL: its calls are SOAP, or become it.
    pub(crate) wsdl: bool,
    /// Its servers see the caller's `Host`.
    pub(crate) preserve_host: bool,
    /// Its servers are told the certificate of the caller's connection.
    pub(crate) client_cert: bool,
    /// What its servers speak.
    pub(crate) http: HttpVersion,
    /// Where its counters are.
    pub(crate) slot: Slot,
    /// By application.
    pub(crate) subscribers: Subscribers,
    /// The servers behind it.
    pub(crate) cluster: Arc<Cluster>,
    /// The cluster's limiter, so that neither is waited for to find the other…
    pub(crate) waiting: Arc<crate::cluster::Limiter>,
    /// Whose its places are, where they are shared out…
    pub(crate) shares: Option<Arc<Shares>>,
    /// …and its retries' budget.
    pub(crate) budget: Budget,
    /// Most bytes of a request's body.
    pub(crate) body_bytes: u64,
    /// Its name…
    pub(crate) name: Text,
    /// …and major version.
    pub(crate) version: u32,
    /// What the requests to each target say.
    pub(crate) targets: SmallVec<[TargetTexts; 1]>,
    /// How long things may take.
    pub(crate) timeouts: Timeouts,
    /// How each target is connected to; same order as the targets.
    pub(crate) connectors: SmallVec<[Connector; 1]>,
    /// From where it answers, where that is not everywhere or nowhere.
    pub(crate) networks: Box<[IpNet]>,
    /// Its contract, ready to be served; made when it is first asked for.
    pub(crate) contract: Arc<OnceLock<ContractPages>>,
    /// Its contract compiled, where that is a WSDL.
    pub(crate) soap: Option<Arc<SoapContract>>,
    /// Its contract compiled, where that is OpenAPI and it is offered over SOAP too.
    pub(crate) bridge: Option<Arc<RestContract>>,
    /// What its messages have to say about their senders, where WS-Security ends here.
    pub(crate) security: Option<Arc<Policy>>,
    /// Each operation's path from the root, for traces: `/rates/v2/quotes/{id}`.
    pub(crate) routes: Arc<[String]>,
}

/// What the requests to a target say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetTexts {
    /// Path put before the request's.
    pub(crate) path: Text,
    /// `Host`, where the caller's is not preserved.
    pub(crate) host: Text,
}

/// A document cut where the gateway's own address belongs, so that serving it under whatever name
/// it is asked for costs no parsing.
#[derive(Debug)]
pub(crate) struct ContractPage {
    pub(crate) media: &'static str,
    parts: Vec<String>,
}

/// Stands for our address while a contract is cut. No contract holds it by chance.
const ADDRESS_MARK: &str = "urn:pasarela:the-address-goes-here:7f3a9c";

const XML: &str = "text/xml; charset=utf-8";
const JSON: &str = "application/json";

impl ContractPage {
    fn new(media: &'static str, marked: &str) -> Self {
        Self { media, parts: marked.split(ADDRESS_MARK).map(str::to_owned).collect() }
    }

    /// The document as it reads at this address, which holds nothing that JSON or XML would have
    /// to escape.
    pub(crate) fn at(&self, address: &str) -> String {
        self.parts.join(address)
    }
}

/// All that an API serves of its contract.
#[derive(Debug)]
pub(crate) struct ContractPages {
    /// At `…/openapi.json`.
    pub(crate) openapi: Option<ContractPage>,
    /// At `…/soap?wsdl`, and by name what it imports.
    wsdl: FxHashMap<String, ContractPage>,
}

impl ContractPages {
    fn new(
        contract: &ServedContract,
        plane: &ApiPlane,
        (api, snapshot): (&Api, &Snapshot),
    ) -> Self {
        let soap = plane.soap.as_deref();
        let json = |document: &str| ContractPage::new(JSON, &guarded(document, api, snapshot));
        if !contract.wsdl {
            let marked = openapi::with_server(&contract.document, ADDRESS_MARK);
            let wsdl = |bridge: &Arc<RestContract>| {
                let marked = bridge.wsdl(&format!("{ADDRESS_MARK}/soap"));
                (String::new(), ContractPage::new(XML, &marked))
            };
            return Self {
                openapi: Some(json(&marked)),
                wsdl: plane.bridge.iter().map(wsdl).collect(),
            };
        }
        let described = soap.map(|soap| soap.openapi(ADDRESS_MARK, api.version));
        let openapi = described.map(|document| json(&document));
        let names = contract.imports.iter().map(|document| document.name.as_str());
        let page = |name: &str| {
            let marked = wsdl::served(contract, name, &format!("{ADDRESS_MARK}/soap"))?;
            Some((name.to_owned(), ContractPage::new(XML, &marked)))
        };
        Self { openapi, wsdl: [""].into_iter().chain(names).filter_map(page).collect() }
    }

    /// The WSDL, or what it imports by this name.
    pub(crate) fn wsdl(&self, name: &str) -> Option<&ContractPage> {
        self.wsdl.get(name)
    }
}

/// An OpenAPI document that says what callers have to show here.
fn guarded(document: &str, api: &Api, snapshot: &Snapshot) -> String {
    let numbers = api.operations.iter().enumerate();
    let numbers: FxHashMap<&str, usize> =
        numbers.map(|(at, one)| (one.name.as_str(), at)).collect();
    let asked = |name: &str| match (&api.scopes, numbers.get(name)) {
        (Some(scopes), Some(number)) => scopes.asked(Some(*number)),
        _ => &[],
    };
    let url = snapshot.issuing.as_ref().map(oauth::token_url);
    let tokens = match &url {
        Some(url) => TakenTokens::Ours(url),
        None if snapshot.issuers.is_empty() => TakenTokens::None,
        None => TakenTokens::Issuers,
    };
    let keyed = !api.plans.is_empty();
    openapi::with_guard(document, &Guard { keyed, tokens, asked: &asked })
}

impl ApiPlane {
    /// Its messages may tell who sends them, where their caller does not.
    pub(crate) fn says_itself(&self) -> bool {
        self.security.is_some() && self.visibility == Visibility::Partner
    }

    /// It will be called soon.
    #[inline]
    pub(crate) fn soon(&self) {
        soon(&self.visibility);
        soon(&self.body_bytes);
        soon(&self.timeouts);
        soon(&self.connectors);
    }

    /// So will what it points to.
    #[inline]
    pub(crate) fn parts_soon(&self) {
        soon(&*self.waiting);
        self.budget.soon();
        self.cluster.soon();
        if let Subscribers::One(_, Subscriber { rate: Some((limiter, _)), .. }) = &self.subscribers
        {
            limiter.soon();
        }
    }

    /// The contract of this API, if it has one.
    pub(crate) fn contract(&self, api: &Api, snapshot: &Snapshot) -> Option<&ContractPages> {
        let contract = api.contract.as_ref()?;
        let pages = || ContractPages::new(contract, self, (api, snapshot));
        Some(self.contract.get_or_init(pages))
    }
}

impl Plane {
    /// Compiles a snapshot. `now_ns` is the limiters' clock.
    ///
    /// # Errors
    /// [`CompileError`]; the previous plane keeps serving.
    pub fn compile(
        snapshot: Arc<Snapshot>,
        previous: Option<&Self>,
        metrics: &Metrics,
        now_ns: u64,
    ) -> Result<Self, CompileError> {
        let counted = previous.map(|old| Arc::clone(&old.counted)).unwrap_or_default();
        let terms = Terms::new(&snapshot.plans, &counted, now_ns);
        let callers = || Callers::compile(&snapshot, previous);
        let (callers, surface) = match previous {
            Some(old) if old.has_the_apis_of(&snapshot) => {
                let mut surface = old.surface();
                subscribers::enter_changes(&snapshot, &mut surface.apis, old, &terms, now_ns);
                (callers(), Ok(surface))
            }
            // All of it takes time enough to be shared with a thread that lives no longer.
            _ => thread::scope(|scope| {
                let callers = scope.spawn(callers);
                let surface = Surface::compile(&snapshot, previous, metrics).map(|mut surface| {
                    subscribers::enter_all(&snapshot, &mut surface.apis, previous, &terms, now_ns);
                    counted.sweep();
                    surface
                });
                (callers.join().unwrap_or_else(|panic| resume_unwind(panic)), surface)
            }),
        };
        let Callers { credentials, certificates, holders, signatures, tokens, sources } = callers?;
        let Surface { router, texts, apis, unheard } = surface?;
        let remembered = previous.map(|old| old.remembered.clone()).unwrap_or_default();
        Ok(Self {
            snapshot,
            router,
            credentials,
            holders,
            remembered,
            signatures,
            tokens,
            sources,
            certificates,
            apis,
            unheard,
            texts,
            counted,
        })
    }

    /// The quotas, for whoever keeps their ledger.
    pub fn quotas(&self) -> &Arc<Quotas> {
        &self.counted.quotas
    }

    /// Whether the APIs of a snapshot are the ones of this plane, all else that their parts are made of being the same too. Plans may have
    /// come to those that were there.
    fn has_the_apis_of(&self, snapshot: &Snapshot) -> bool {
        let own = &self.snapshot;
        own.apis.is_same(&snapshot.apis)
            && own.limits == snapshot.limits
            && snapshot.plans.starts_with(&own.plans)
    }

    fn surface(&self) -> Surface {
        Surface {
            router: Arc::clone(&self.router),
            texts: Arc::clone(&self.texts),
            apis: self.apis.clone(),
            unheard: Arc::clone(&self.unheard),
        }
    }

    /// Whether this plane's APIs and their servers are another's, so that whoever tends them has nothing new to do.
    pub(crate) fn has_the_servers_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.router, &other.router)
    }

    /// Whether whose tokens are taken, and for whom, is the same as in another plane.
    pub fn has_the_issuers_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tokens, &other.tokens)
    }
}

/// The parts of a plane that follow from its APIs alone; their subscribers are entered later.
struct Surface {
    router: Arc<Router>,
    texts: Arc<Texts>,
    apis: Pages<ApiPlane>,
    unheard: Arc<[usize]>,
}

impl Surface {
    fn compile(
        snapshot: &Snapshot,
        previous: Option<&Plane>,
        metrics: &Metrics,
    ) -> Result<Self, CompileError> {
        let slots = metrics.slots(snapshot);
        let clusters = previous.map(Plane::clusters).unwrap_or_default();
        let (mut tls, mut texts) = (TlsCache::default(), Texts::default());
        let mut contracts = Contracts::new(previous);
        let bridges = Bridges::new(previous);
        let mut apis = Vec::with_capacity(snapshot.apis.len());
        for (api, slot) in snapshot.apis.iter().zip(slots) {
            let before = clusters.get(&(api.name.as_str(), api.version)).copied();
            let upstream = &api.upstream;
            let cluster = Arc::new(Cluster::new(upstream, before));
            apis.push(ApiPlane {
                visibility: api.visibility,
                keyed: !api.plans.is_empty(),
                scoped: api.scopes.is_some(),
                limited: api.visibility != Visibility::Private && !api.networks.is_empty(),
                upgrade: api.upgrade,
                wsdl: api.contract.as_ref().is_some_and(|contract| contract.wsdl),
                preserve_host: upstream.preserve_host,
                client_cert: api.client_cert,
                http: upstream.http,
                slot,
                subscribers: Subscribers::None,
                waiting: cluster.shared_limiter(),
                shares: None,
                budget: cluster.budget().clone(),
                cluster,
                body_bytes: api.body_bytes.unwrap_or(snapshot.limits.body_bytes),
                name: texts.add(&api.name),
                version: api.version,
                targets: upstream
                    .targets
                    .iter()
                    .map(|target| TargetTexts {
                        path: texts.add(&target.path),
                        host: texts.add(&authority(target)),
                    })
                    .collect(),
                timeouts: upstream.timeouts,
                connectors: connectors(api, snapshot, &mut tls)?,
                networks: api.networks.as_slice().into(),
                contract: Arc::default(),
                soap: contracts.of(api)?,
                bridge: bridges.of(api)?,
                security: security(api)?,
                routes: api.operations.iter().map(|operation| template(api, operation)).collect(),
            });
        }
        let router = Arc::new(Router::build(&snapshot.apis));
        let unheard = apis.iter().enumerate().filter(|(_, api)| api.says_itself());
        let unheard = unheard.map(|(index, _)| index).collect();
        Ok(Self { router, texts: Arc::new(texts), apis: apis.into(), unheard })
    }
}

impl Plane {
    /// The keys of issuers that are to be fetched, for whoever fetches them: where they are, and the ring that they belong on.
    pub fn key_rings(&self) -> impl Iterator<Item = (&str, Option<&[u8]>, &Arc<Ring>)> {
        let all = self.tokens.fetched().iter();
        all.map(|one| (one.url.as_str(), one.ca_pem.as_deref(), &one.ring))
    }

    /// The clusters, for whoever resolves names and asks after health.
    pub fn upstreams(&self) -> impl Iterator<Item = (&Api, &Arc<Cluster>, &[Connector])> {
        self.snapshot
            .apis
            .iter()
            .zip(&self.apis)
            .map(|(api, plane)| (api, &plane.cluster, plane.connectors.as_slice()))
    }

    fn clusters(&self) -> FxHashMap<(&str, u32), &Cluster> {
        self.upstreams()
            .map(|(api, cluster, _)| ((api.name.as_str(), api.version), &**cluster))
            .collect()
    }
}

fn security(api: &Api) -> Result<Option<Arc<Policy>>, CompileError> {
    let Some(wanted) = &api.ws_security else { return Ok(None) };
    let unusable = || CompileError::Authority { api: format!("{} v{}", api.name, api.version) };
    proofs::policy(wanted).map(|policy| Some(Arc::new(policy))).ok_or_else(unusable)
}

fn template(api: &Api, operation: &Operation) -> String {
    let mut text = api.base_path.clone();
    for segment in &operation.path.0 {
        text.push('/');
        match segment {
            PathSegment::Literal(literal) => text.push_str(literal),
            PathSegment::Parameter { prefix, suffix } => {
                text.push_str(prefix);
                text.push_str("{}");
                text.push_str(suffix);
            }
        }
    }
    text
}

/// Compiled contracts by what they were made of: those of the plane before, so that a reload
/// compiles only what changed, and those of this one, where several APIs have the same.
#[derive(Default)]
struct Contracts<'p>(FxHashMap<Cow<'p, str>, SmallVec<[Compiled; 1]>>);

type Compiled = (Arc<ServedContract>, Arc<SoapContract>);

impl<'p> Contracts<'p> {
    fn new(previous: Option<&'p Plane>) -> Self {
        let mut known = Self::default();
        let apis = previous.iter().flat_map(|plane| plane.snapshot.apis.iter().zip(&plane.apis));
        for (api, plane) in apis {
            if let (Some(contract), Some(soap)) = (&api.contract, &plane.soap) {
                let same = known.0.entry(Cow::Borrowed(&contract.document)).or_default();
                if !same.iter().any(|(known, _)| known == contract) {
                    same.push((Arc::clone(contract), Arc::clone(soap)));
                }
            }
        }
        known
    }

    fn of(&mut self, api: &Api) -> Result<Option<Arc<SoapContract>>, CompileError> {
        let Some(contract) = api.contract.as_ref().filter(|contract| contract.wsdl) else {
            return Ok(None);
        };
        let same = self.0.get(contract.document.as_str()).into_iter().flatten();
        if let Some((_, soap)) = same.into_iter().find(|(known, _)| known == contract) {
            return Ok(Some(Arc::clone(soap)));
        }
        let compiled =
            SoapContract::compile(contract).map_err(|faults| CompileError::Contract {
                api: format!("{} v{}", api.name, api.version),
                why: faults.first().map_or_else(String::new, ToString::to_string),
            })?;
        let compiled = Arc::new(compiled);
        let key = Cow::Owned(contract.document.clone());
        self.0.entry(key).or_default().push((Arc::clone(contract), Arc::clone(&compiled)));
        Ok(Some(compiled))
    }
}

/// SOAP faces of REST services by the documents that they are made of: those of the plane before.
#[derive(Default)]
struct Bridges<'p>(FxHashMap<&'p str, Arc<RestContract>>);

impl<'p> Bridges<'p> {
    fn new(previous: Option<&'p Plane>) -> Self {
        let apis = previous.iter().flat_map(|plane| plane.snapshot.apis.iter().zip(&plane.apis));
        let known = apis.filter_map(|(api, plane)| {
            let contract = api.contract.as_ref()?;
            Some((contract.document.as_str(), Arc::clone(plane.bridge.as_ref()?)))
        });
        Self(known.collect())
    }

    fn of(&self, api: &Api) -> Result<Option<Arc<RestContract>>, CompileError> {
        let offered = api.faces.contains(&Face::Soap);
        let Some(contract) = api.contract.as_ref().filter(|c| offered && !c.wsdl) else {
            return Ok(None);
        };
        if let Some(known) = self.0.get(contract.document.as_str()) {
            return Ok(Some(Arc::clone(known)));
        }
        let compiled = RestContract::compile(contract);
        let why = |why: NoFace| CompileError::Contract {
            api: format!("{} v{}", api.name, api.version),
            why: why.to_string(),
        };
        compiled.map(|made| Some(Arc::new(made))).map_err(why)
    }
}

/// Client settings by what they are made of: 10,000 APIs that trust the system's authorities
/// share one.
#[derive(Default)]
struct TlsCache(Vec<(UpstreamTls, bool, Arc<ClientTls>)>);

impl TlsCache {
    fn get(&mut self, settings: &UpstreamTls, h2: bool) -> Result<Arc<ClientTls>, TlsError> {
        let known = self.0.iter().find(|(known, for_h2, _)| known == settings && *for_h2 == h2);
        if let Some((_, _, tls)) = known {
            return Ok(Arc::clone(tls));
        }
        let tls = ClientTls::new(settings, h2)?;
        self.0.push((settings.clone(), h2, Arc::clone(&tls)));
        Ok(tls)
    }
}

fn connectors(
    api: &Api,
    snapshot: &Snapshot,
    tls: &mut TlsCache,
) -> Result<SmallVec<[Connector; 1]>, CompileError> {
    let upstream = &api.upstream;
    let h2 = upstream.http == HttpVersion::Http2;
    let limits = &snapshot.limits;
    let mut connectors = SmallVec::with_capacity(upstream.targets.len());
    for target in &upstream.targets {
        let tls = match target.tls {
            false => None,
            true => Some(tls.get(&upstream.tls, h2).map_err(|source| {
                CompileError::UpstreamTls { api: format!("{} v{}", api.name, api.version), source }
            })?),
        };
        connectors.push(Connector {
            profile: profile(target, upstream, h2),
            tls,
            host: target.host.as_str().into(),
            timeout: upstream.timeouts.connect,
            user_timeout: limits.tcp_user_timeout,
            h2_windows: (limits.h2_stream_window, H2_UPSTREAM_WINDOW),
            h2_headers: limits.upstream_header_bytes,
        });
    }
    Ok(connectors)
}

/// Connections may stand for one another when they were made in the same way: over TLS that means
/// the same name, authorities, certificate and protocol; over TCP any will do.
fn profile(
    target: &pasarela_model::UpstreamTarget,
    upstream: &pasarela_model::Upstream,
    h2: bool,
) -> u64 {
    if !target.tls {
        return u64::from(h2);
    }
    let mut text = target.host.clone().into_bytes();
    text.push(0);
    text.extend(upstream.tls.server_name.iter().flat_map(|name| name.bytes()));
    text.push(0);
    text.extend(upstream.tls.ca_pem.iter().flatten());
    text.push(0);
    text.extend(upstream.tls.client.iter().flat_map(|(chain, _)| chain));
    hash_key(&text) << 2 | 2 | u64::from(h2)
}

/// What a target's `Host` says: the default port of the scheme is left out (RFC 9110 §4.2).
fn authority(target: &pasarela_model::UpstreamTarget) -> String {
    let host = match target.host.contains(':') {
        true => format!("[{}]", target.host),
        false => target.host.clone(),
    };
    match (target.tls, target.port) {
        (false, 80) | (true, 443) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// What a consistent hash of this request is taken of; `None`: the API does not balance so.
pub(crate) fn hash_of(
    key: &HashKey,
    client: std::net::IpAddr,
    application: Option<usize>,
    path: &str,
    field: impl FnOnce(&str) -> Option<u64>,
) -> u64 {
    let by_client = || match client {
        std::net::IpAddr::V4(ip) => hash_key(&ip.octets()),
        std::net::IpAddr::V6(ip) => hash_key(&ip.octets()),
    };
    match key {
        HashKey::ClientAddress => by_client(),
        HashKey::Path => hash_key(path.as_bytes()),
        HashKey::Application => match application {
            Some(application) => hash_key(&application.to_le_bytes()),
            None => by_client(),
        },
        HashKey::Header(name) => field(name).unwrap_or_else(by_client),
    }
}
