//! Routing: from host, path, method and headers to an API and one of its operations.
//!
//! [`Router::build`] compiles the APIs of a snapshot once; [`Router::find`] is asked for every
//! request. It allocates nothing (except for the `Allow` list of a refusal) and costs a hash
//! look-up for each length of base path, in segments, that occurs, however many APIs there are.
//!
//! Who wins, in this order:
//! 1. the more exact host: exact, then the longest matching wildcard, then APIs without a host;
//! 2. the longer base path, on segment boundaries;
//! 3. the API that demands more header fields; then the one that stands first in the file.
//!
//! A candidate that the caller may not see (private or for partners) or whose header fields are
//! missing is passed over as if it did not exist, and the next best is taken. Once the API is
//! found it is kept: an unknown operation of it is a 404 or 405, not a reason to look elsewhere.
//!
//! The path has been normalised by [`crate::path`]; nothing here decodes anything.

mod bases;
mod children;
mod operations;

use pasarela_model::{Api, Face, HeaderMatch, HostPattern, Visibility};
use rustc_hash::FxHashMap;

use self::bases::Bases;
use self::operations::{Operations, Outcome};
use crate::{
    soon::soon,
    texts::{Text, Texts},
};

/// The header fields of a request, as the router needs them.
pub trait Headers {
    /// Value of the first field with this lower-case name.
    fn get(&self, lower_name: &str) -> Option<&[u8]>;
}

/// What is known of a request when it is routed.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// Lower case, without a port; may be empty.
    pub host: &'a str,
    /// Normalised.
    pub path: &'a str,
    /// What followed `?`; only looked at for `?wsdl`.
    pub query: Option<&'a [u8]>,
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// Whether the caller may see this API; asked only of those that not everybody may.
    pub sees: &'a dyn Fn(usize) -> bool,
    /// Asked only where an API demands header fields or speaks SOAP.
    pub headers: &'a dyn Headers,
}

/// Where a request belongs. `api` and `operation` are indices into the snapshot's lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Carry it to this API.
    Api {
        /// The API.
        api: usize,
        /// Its operation; `None` where the API declares none, lets undeclared ones pass, or
        /// where only the body of a SOAP message can tell.
        operation: Option<usize>,
        /// Length of the base path: `path[rest..]` (possibly empty) is what is forwarded.
        rest: usize,
        /// The request came in on the SOAP face: it is forwarded to the upstream's own path.
        soap: bool,
    },
    /// There is no such API (for this caller).
    NoApi,
    /// The API has no such operation.
    NoOperation {
        /// The API.
        api: usize,
    },
    /// The path exists, the method does not.
    MethodNotAllowed {
        /// The API.
        api: usize,
        /// For the `Allow` field: `GET, HEAD, POST`.
        allow: String,
    },
    /// A `GET` or `HEAD` of the contract itself.
    Contract {
        /// The API.
        api: usize,
        /// In which language.
        page: Page,
    },
}

/// A form of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `…/openapi.json`
    OpenApi,
    /// `…/soap?wsdl`, or a document that it imports, which the query names.
    Wsdl,
}

impl Found {
    /// The API, whatever else was found.
    pub fn api(&self) -> Option<usize> {
        match self {
            Self::NoApi => None,
            Self::Api { api, .. }
            | Self::NoOperation { api }
            | Self::MethodNotAllowed { api, .. }
            | Self::Contract { api, .. } => Some(*api),
        }
    }
}

/// The compiled routes of a snapshot.
#[derive(Debug, Default)]
pub struct Router {
    entries: Vec<Entry>,
    /// The entries' base paths.
    texts: Texts,
    /// Base paths of the APIs that answer on any host.
    any_host: Bases,
    exact_hosts: FxHashMap<Box<str>, Bases>,
    /// By suffix, without `*.`.
    wildcard_hosts: FxHashMap<Box<str>, Bases>,
}

/// What the router keeps of one API, in one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    /// Not everybody may see it.
    guarded: bool,
    rest: bool,
    soap: bool,
    pass_undeclared: bool,
    contract: Option<ContractKind>,
    /// `/tracking/v1`, or nothing.
    base: Text,
    /// The next best API whose base path has the same hash; [`LAST`]: there is none.
    next: u32,
    headers: Box<[HeaderMatch]>,
    operations: Operations,
}

/// The end of a list of entries.
const LAST: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContractKind {
    OpenApi,
    Wsdl,
}

impl Router {
    /// Compiles the APIs. Where two claim the same place the earlier one wins (the configuration
    /// reader refuses such files).
    pub fn build<'a>(apis: impl IntoIterator<Item = &'a Api>) -> Self {
        let mut router = Self::default();
        for (number, api) in (0..bases::MOST).zip(apis) {
            let (base, depth) = bases::normal(&api.base_path);
            let base_text = router.texts.add(&base);
            router.entries.push(Entry::new(api, base_text));
            let bases = match &api.host {
                None => &mut router.any_host,
                Some(HostPattern::Exact(host)) => {
                    router.exact_hosts.entry(host.as_str().into()).or_default()
                }
                Some(HostPattern::Wildcard(suffix)) => {
                    router.wildcard_hosts.entry(suffix.as_str().into()).or_default()
                }
            };
            bases.add(number, depth);
        }
        let hosts = router.exact_hosts.values_mut().chain(router.wildcard_hosts.values_mut());
        for bases in hosts.chain([&mut router.any_host]) {
            bases.compile(&mut router.entries, &router.texts);
        }
        router
    }

    /// Finds where a request belongs.
    pub fn find(&self, query: &Query<'_>) -> Found {
        match self.find_api(query) {
            Some((api, entry)) => entry.find(api, query),
            None => Found::NoApi,
        }
    }

    /// The API that a target as it was sent looks like being for, among those on any host. A guess,
    /// made without reading anything of an API: [`find`](Self::find) knows.
    #[inline]
    pub(crate) fn likely(&self, target: &[u8]) -> Option<usize> {
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (_, api) = self.any_host.candidates(target.get(..end)?).next()?;
        Some(api)
    }

    /// Whether this API is meant will be asked soon.
    #[inline]
    pub(crate) fn soon(&self, api: usize) {
        if let Some(entry) = self.entries.get(api) {
            soon(entry);
            soon(&entry.operations);
        }
    }

    /// Whether a path below an API's base, in its one form, is that of an operation with this method.
    pub(crate) fn leads_to(&self, api: usize, path: &str, method: &str, operation: usize) -> bool {
        let found = self.entries.get(api).map(|entry| entry.operations.find(path, method));
        found == Some(Outcome::Operation(operation))
    }

    fn find_api(&self, query: &Query<'_>) -> Option<(usize, &Entry)> {
        if !self.exact_hosts.is_empty()
            && let Some(bases) = self.exact_hosts.get(query.host)
            && let Some(found) = self.best(bases, query)
        {
            return Some(found);
        }
        if !self.wildcard_hosts.is_empty() {
            let mut host = query.host;
            while let Some((_, suffix)) = host.split_once('.') {
                if let Some(bases) = self.wildcard_hosts.get(suffix)
                    && let Some(found) = self.best(bases, query)
                {
                    return Some(found);
                }
                host = suffix;
            }
        }
        self.best(&self.any_host, query)
    }

    /// Of the eligible APIs whose base the path lies below, the one with the longest.
    fn best(&self, bases: &Bases, query: &Query<'_>) -> Option<(usize, &Entry)> {
        bases.candidates(query.path.as_bytes()).find_map(|(base, first)| {
            let mut next = first;
            while let Some(entry) = self.entries.get(next) {
                if self.texts.get(entry.base).as_bytes() == base && entry.is_meant_by(next, query) {
                    return Some((next, entry));
                }
                next = entry.next as usize;
            }
            None
        })
    }
}

impl Entry {
    fn new(api: &Api, base: Text) -> Self {
        let contract = api
            .contract
            .as_deref()
            .map(|contract| if contract.wsdl { ContractKind::Wsdl } else { ContractKind::OpenApi });
        Self {
            guarded: api.visibility != Visibility::Public,
            headers: api.headers.as_slice().into(),
            base,
            next: LAST,
            rest: api.faces.contains(&Face::Rest),
            soap: api.faces.contains(&Face::Soap),
            contract,
            pass_undeclared: api.pass_undeclared,
            operations: Operations::build(&api.operations),
        }
    }

    /// Whether the caller may see this API and carries the header fields it demands.
    fn is_meant_by(&self, api: usize, query: &Query<'_>) -> bool {
        self.headers.iter().all(|demanded| {
            let value = query.headers.get(&demanded.name);
            value.is_some_and(|value| value.trim_ascii() == demanded.value.as_bytes())
        }) && (!self.guarded || (query.sees)(api))
    }

    /// Length of the base path.
    fn base(&self) -> usize {
        self.base.len()
    }

    fn find(&self, api: usize, query: &Query<'_>) -> Found {
        let rest = query.path.get(self.base()..).unwrap_or_default();
        if self.soap && (rest == "/soap" || (!self.rest && matches!(rest, "" | "/"))) {
            return self.find_soap(api, query);
        }
        if !self.rest {
            return Found::NoOperation { api };
        }
        if rest == "/openapi.json"
            && matches!(query.method, "GET" | "HEAD")
            && self.contract.is_some()
        {
            return Found::Contract { api, page: Page::OpenApi };
        }
        let carried = |operation| Found::Api { api, operation, rest: self.base(), soap: false };
        match self.operations.find(rest, query.method) {
            Outcome::Undeclared => carried(None),
            Outcome::Operation(operation) => carried(Some(operation)),
            Outcome::NoPath | Outcome::NoMethod(_) if self.pass_undeclared => carried(None),
            Outcome::NoPath => Found::NoOperation { api },
            Outcome::NoMethod(allow) => Found::MethodNotAllowed { api, allow },
        }
    }

    fn find_soap(&self, api: usize, query: &Query<'_>) -> Found {
        // That of a REST service is made of its OpenAPI document.
        let has_wsdl = self.contract.is_some();
        match query.method {
            // Which operation, the body will tell.
            "POST" => Found::Api { api, operation: None, rest: self.base(), soap: true },
            "GET" | "HEAD" if has_wsdl && document_asked(query.query).is_some() => {
                Found::Contract { api, page: Page::Wsdl }
            }
            _ => {
                let allow = if has_wsdl { "GET, HEAD, POST" } else { "POST" };
                Found::MethodNotAllowed { api, allow: allow.to_owned() }
            }
        }
    }
}

/// The document that a query asks for: `?wsdl` and what .NET asks for, `?singleWsdl`, with an empty
/// name; `?wsdl=NAME` and `?xsd=NAME`. Keys in any case, among other parameters.
pub(crate) fn document_asked(query: Option<&[u8]>) -> Option<&str> {
    let mut parameters = query.unwrap_or_default().split(|&b| b == b'&');
    parameters.find_map(|parameter| {
        let mut halves = parameter.splitn(2, |&b| b == b'=');
        let key = halves.next().unwrap_or_default();
        let name = std::str::from_utf8(halves.next().unwrap_or_default()).ok()?;
        let is = |wanted: &[u8]| key.eq_ignore_ascii_case(wanted);
        match is(b"singlewsdl") {
            true => Some(""),
            false => (is(b"wsdl") || (is(b"xsd") && !name.is_empty())).then_some(name),
        }
    })
}

#[cfg(test)]
mod tests;
