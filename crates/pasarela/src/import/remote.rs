//! The documents of a contract from the network, guarded: the operator typed the first URL, strangers wrote the others.
//!
//! - Only the host of the first URL is asked, and hosts that the operator allowed: for imports and for redirects, however
//!   far down.
//! - A host's addresses are looked up once and connected to as looked up; a name that changes its mind is not followed.
//! - What came from a public address leads to public addresses only. The first URL may be private: who typed it knows.
//! - Never from https to http, never to a scheme other than these, never to link-local or metadata addresses.
//! - Documents, their bytes, redirects and time are bounded.
//!
//! What was refused is kept in [`Remote::stops`]: readers of schemas take a document that is missing lightly, and half a
//! contract must not be stored.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use pasarela_model::UpstreamTls;
use pasarela_net::tls::ClientTls;
use pasarela_soap::{
    wsdl,
    xsd::{Document, Resolver, is_built_in},
};

use super::{
    Code, Rules, Url,
    get::{Answer, Network, get},
    networks::{Reach, reach},
    url::bracketed,
};
use crate::finding::Finding;

/// Documents of a contract.
const DOCUMENTS_MAX: usize = 64;
/// Bytes of all of them together.
const BYTES_MAX: usize = 64 << 20;
/// Redirects on the way to a document.
const REDIRECTS_MAX: usize = 5;
/// Time for one document, redirects included.
const DOCUMENT_TIME: Duration = Duration::from_secs(30);
/// Time for all of them.
const WHOLE_TIME: Duration = Duration::from_secs(120);

/// A document that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What it was asked for by.
    pub(super) url: Url,
    /// Where it was in the end.
    pub(super) found: Url,
    pub(super) bytes: Vec<u8>,
    reach: Reach,
}

/// Why a document was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) code: Code,
    pub(super) why: String,
    cure: String,
}

/// Fetches documents.
pub(super) struct Remote<'r> {
    network: &'r dyn Network,
    rules: &'r Rules,
    root: Url,
    tls: Option<Arc<ClientTls>>,
    /// Where each host is, looked up once.
    hosts: HashMap<String, (Vec<IpAddr>, Reach)>,
    /// In the order in which they came.
    pub(super) fetched: Vec<Fetched>,
    /// What was not to be had, or not allowed.
    pub(super) stops: Vec<Finding>,
    end: Instant,
}

impl<'r> Remote<'r> {
    pub(super) fn new(network: &'r dyn Network, rules: &'r Rules, root: Url) -> Self {
        let (hosts, fetched, stops) = (HashMap::new(), Vec::new(), Vec::new());
        let end = Instant::now() + WHOLE_TIME;
        Self { network, rules, root, tls: None, hosts, fetched, stops, end }
    }

    /// The same, with less time for all of it.
    pub(super) fn within(mut self, time: Duration) -> Self {
        self.end = self.end.min(Instant::now() + time);
        self
    }

    /// The document at the URL that the operator typed.
    pub(super) fn root(&mut self) -> Option<Document> {
        let url = self.root.clone();
        match self.fetch(url.clone(), Reach::Inside) {
            Ok(document) => Some(document),
            Err(stop) => {
                self.note(&url.to_string(), None, stop);
                None
            }
        }
    }

    fn fetch(&mut self, url: Url, mut from: Reach) -> Result<Document, Stop> {
        if let Some(known) = self.fetched.iter().find(|one| one.url == url || one.found == url) {
            // It is there, but whoever is outside does not learn what is inside by naming it.
            leads(from, known.reach, &url)?;
            return Ok(known.document());
        }
        if self.fetched.len() >= DOCUMENTS_MAX {
            let why = format!("the contract has more than {DOCUMENTS_MAX} documents");
            return Err(Stop::refused(why, "Fetch them yourself, and give the file."));
        }
        let end = self.end.min(Instant::now() + DOCUMENT_TIME);
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (addresses, reach) = self.admit(&at, from)?;
            from = reach;
            let tls = if at.secure { Some(self.tls()?) } else { None };
            let answer = get(self.network, &at, &addresses, tls.as_deref(), end)
                .map_err(|error| Stop::failed(error.to_string()))?;
            match next(&at, answer)? {
                Step::Redirect(to) => at = to,
                Step::Document(bytes) => {
                    let held: usize = self.fetched.iter().map(|one| one.bytes.len()).sum();
                    if held + bytes.len() > BYTES_MAX {
                        let why = format!("the documents have more than {} MiB", BYTES_MAX >> 20);
                        return Err(Stop::refused(why, "Fetch them yourself, and give the file."));
                    }
                    let one = Fetched { url, found: at, bytes, reach };
                    let document = one.document();
                    self.fetched.push(one);
                    return Ok(document);
                }
            }
        }
        Err(Stop::failed(format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    /// Whether a URL may be asked by what came from `from`; the addresses that it may be asked at.
    fn admit(&mut self, url: &Url, from: Reach) -> Result<(Vec<IpAddr>, Reach), Stop> {
        if !self.is_allowed(url) {
            let why = match url.host == self.root.host && self.root.secure && !url.secure {
                true => format!("{} came by https, and this would come by http", self.root),
                false => {
                    format!("{} is another server than {}", url.authority(), self.root.authority())
                }
            };
            let port = if url.secure { String::new() } else { format!(":{}", url.port) };
            let allow = format!("--allow-host {}{port}", bracketed(&url.host));
            return Err(Stop::refused(why, format!("Add `{allow}` if that is as it should be.")));
        }
        let (addresses, reach) = self.addresses(&url.host)?;
        leads(from, reach, url)?;
        Ok((addresses, reach))
    }

    fn is_allowed(&self, url: &Url) -> bool {
        let usual = |url: &Url| url.port == if url.secure { 443 } else { 80 };
        let own = url.host == self.root.host
            && (url.port == self.root.port || (usual(url) && usual(&self.root)))
            && (url.secure || !self.root.secure);
        own || self.rules.allows(url)
    }

    fn addresses(&mut self, host: &str) -> Result<(Vec<IpAddr>, Reach), Stop> {
        if let Some(known) = self.hosts.get(host) {
            return Ok(known.clone());
        }
        let mut all = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.network.lookup(host).map_err(|error| {
                Stop::failed(format!("the address of {host} cannot be found: {error}"))
            })?,
        };
        if let Some(never) = all.iter().find(|address| reach(**address) == Reach::Never) {
            let why = format!(
                "{host} leads to {never}, where machines keep what is theirs (metadata, credentials)"
            );
            return Err(Stop::refused(why, "Give a URL that leads elsewhere."));
        }
        let public = all.iter().any(|address| reach(*address) == Reach::Public);
        if public {
            // A name that leads outside and inside counts as outside, and is asked there only.
            all.retain(|address| reach(*address) == Reach::Public);
        }
        let found = (all, if public { Reach::Public } else { Reach::Inside });
        self.hosts.insert(host.to_owned(), found.clone());
        Ok(found)
    }

    fn tls(&mut self) -> Result<Arc<ClientTls>, Stop> {
        if self.tls.is_none() {
            let settings =
                UpstreamTls { ca_pem: self.rules.ca_pem.clone(), ..UpstreamTls::default() };
            let tls = ClientTls::new(&settings, false)
                .map_err(|error| Stop::failed(format!("TLS cannot be used: {error}")))?;
            self.tls = Some(tls);
        }
        self.tls.clone().ok_or_else(|| Stop::failed("TLS cannot be used".to_owned()))
    }

    fn note(&mut self, what: &str, base: Option<&str>, stop: Stop) {
        let what = match base {
            Some(base) => format!("{what}, which {base} names, is not fetched"),
            None => format!("{what} is not fetched"),
        };
        let message = format!("{what}: {}.", stop.why);
        let finding = Finding::error(stop.code.code(), message, stop.cure);
        if !self.stops.contains(&finding) {
            self.stops.push(finding);
        }
    }
}

/// What came from outside does not lead inside.
fn leads(from: Reach, to: Reach, url: &Url) -> Result<(), Stop> {
    if from == Reach::Public && to != Reach::Public {
        let why = format!(
            "it comes from the Internet and leads inside: {} is a private address",
            url.host
        );
        let cure = "Fetch the documents yourself, look at them, and give the file.";
        return Err(Stop::refused(why, cure));
    }
    Ok(())
}

enum Step {
    Redirect(Url),
    Document(Vec<u8>),
}

fn next(at: &Url, answer: Answer) -> Result<Step, Stop> {
    match (answer.status, answer.location) {
        (200, _) => Ok(Step::Document(answer.body)),
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            let to = at.join(&location).map_err(|error| {
                let why = format!("it redirects to {location:?}: {error}");
                Stop::refused(why, "Give the URL where the document is.")
            })?;
            if at.secure && !to.secure {
                let why = format!("it redirects from https to http: {to}");
                return Err(Stop::refused(why, "Give the URL where the document is."));
            }
            Ok(Step::Redirect(to))
        }
        (status, _) => Err(Stop::failed(format!("the server answers with the status {status}"))),
    }
}

impl Stop {
    fn refused(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { code: Code::Refused, why: why.into(), cure: cure.into() }
    }

    fn failed(why: String) -> Self {
        let cure = "See whether the address is right and the server answers this machine.";
        Self { code: Code::Failed, why, cure: cure.to_owned() }
    }
}

impl Fetched {
    fn document(&self) -> Document {
        Document { url: self.found.to_string(), bytes: self.bytes.clone() }
    }
}

impl Resolver for Remote<'_> {
    fn resolve(
        &mut self,
        namespace: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Some(location) = location else { return Ok(None) };
        let document = |one: &&Fetched| one.found.to_string() == base;
        let Some(by) = self.fetched.iter().find(document) else { return Ok(None) };
        let (joined, reach) = (by.found.join(location), by.reach);
        // What everybody names and few deliver is known here; nobody else has to be asked for it.
        let elsewhere = joined.as_ref().map_or(true, |url| !self.is_allowed(url));
        if elsewhere && namespace.is_some_and(is_known) {
            return Ok(None);
        }
        let fetched = match joined {
            Ok(url) => self.fetch(url, reach),
            Err(error) => Err(Stop::refused(error.to_string(), "Correct it where it stands.")),
        };
        // Where somebody meant to deliver it and did not, ours does as well.
        if fetched.as_ref().is_err_and(|stop| stop.code == Code::Failed)
            && namespace.is_some_and(is_known)
        {
            return Ok(None);
        }
        fetched.map(Some).map_err(|stop| {
            let said = format!("{location:?} is not fetched: {}", stop.why);
            self.note(&format!("{location:?}"), Some(base), stop);
            said
        })
    }
}

/// Namespaces that need no document: their schemas are built in, or a WSDL is made of them.
fn is_known(namespace: &str) -> bool {
    let of_wsdl = [wsdl::WSDL, wsdl::WSDL_SOAP11, wsdl::WSDL_SOAP12];
    is_built_in(namespace) || of_wsdl.contains(&namespace)
}
