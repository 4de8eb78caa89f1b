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
//! A candidate that the caller may not see (private, from outside) or whose header fields are
//! missing is passed over as if it did not exist, and the next best is taken. Once the API is
//! found it is kept: an unknown operation of it is a 404 or 405, not a reason to look elsewhere.
//!
//! The path has been normalised by [`crate::path`]; nothing here decodes anything.

mod children;
mod operations;

use pasarela_model::{Api, Face, HeaderMatch, HostPattern, Visibility};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::operations::{Operations, Outcome};

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
    /// Whether the request came in on the internal listener.
    pub internal: bool,
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
    private: bool,
    headers: Box<[HeaderMatch]>,
    base_length: u32,
    rest: bool,
    soap: bool,
    contract: Option<ContractKind>,
    pass_undeclared: bool,
    operations: Operations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContractKind {
    OpenApi,
    Wsdl,
}

/// Base paths, whole. A tree with a node a segment would be two or three cold memory accesses a
/// segment where there are ten thousand; this is one for each number of segments that occurs.
#[derive(Debug, Default)]
struct Bases {
    /// The numbers of segments that there are, the largest first.
    depths: SmallVec<[usize; 6]>,
    /// APIs by base path (`/tracking/v1`, or nothing), best first. What is usual stands in place,
    /// so that finding it touches nothing else.
    apis: FxHashMap<SmallVec<[u8; 32]>, SmallVec<[usize; 2]>>,
}

impl Router {
    /// Compiles the APIs. Where two claim the same place the earlier one wins (the configuration
    /// reader refuses such files).
    pub fn build(apis: &[Api]) -> Self {
        let mut router = Self { entries: apis.iter().map(Entry::new).collect(), ..Self::default() };
        for (index, api) in apis.iter().enumerate() {
            let bases = match &api.host {
                None => &mut router.any_host,
                Some(HostPattern::Exact(host)) => {
                    router.exact_hosts.entry(host.as_str().into()).or_default()
                }
                Some(HostPattern::Wildcard(suffix)) => {
                    router.wildcard_hosts.entry(suffix.as_str().into()).or_default()
                }
            };
            bases.insert(&api.base_path, index);
        }
        let entries = &router.entries;
        let hosts = router.exact_hosts.values_mut().chain(router.wildcard_hosts.values_mut());
        for bases in hosts.chain([&mut router.any_host]) {
            for apis in bases.apis.values_mut() {
                // Stable: file order decides among equals.
                apis.sort_by_key(|&api| {
                    std::cmp::Reverse(entries.get(api).map_or(0, |entry| entry.headers.len()))
                });
            }
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
        let path = query.path.as_bytes();
        // `/a` and `/a/` both lie below `/a`, and no base path ends with a slash.
        let below = path.strip_prefix(b"/")?;
        let deepest = bases.depths.first().copied().unwrap_or(0);
        let mut ends: SmallVec<[usize; 8]> = SmallVec::from_slice(&[0]);
        let slashes = memchr::memchr_iter(b'/', below).map(|at| at + 1).chain([path.len()]);
        ends.extend(slashes.take(deepest));
        bases.depths.iter().find_map(|&depth| {
            let base = path.get(..*ends.get(depth)?)?;
            #[cfg(test)]
            tests::count_look_up();
            bases.apis.get(base)?.iter().find_map(|&api| {
                let entry = self.entries.get(api)?;
                entry.is_meant_by(query).then_some((api, entry))
            })
        })
    }
}

impl Entry {
    fn new(api: &Api) -> Self {
        let contract = api
            .contract
            .as_deref()
            .map(|contract| if contract.wsdl { ContractKind::Wsdl } else { ContractKind::OpenApi });
        Self {
            private: api.visibility == Visibility::Private,
            headers: api.headers.as_slice().into(),
            base_length: u32::try_from(api.base_path.len()).unwrap_or(u32::MAX),
            rest: api.faces.contains(&Face::Rest),
            soap: api.faces.contains(&Face::Soap),
            contract,
            pass_undeclared: api.pass_undeclared,
            operations: Operations::build(&api.operations),
        }
    }

    /// Whether the caller may see this API and carries the header fields it demands.
    fn is_meant_by(&self, query: &Query<'_>) -> bool {
        (query.internal || !self.private)
            && self.headers.iter().all(|demanded| {
                let value = query.headers.get(&demanded.name);
                value.is_some_and(|value| value.trim_ascii() == demanded.value.as_bytes())
            })
    }

    /// Length of the base path.
    fn base(&self) -> usize {
        self.base_length as usize
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
        let has_wsdl = self.contract == Some(ContractKind::Wsdl);
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

impl Bases {
    fn insert(&mut self, base_path: &str, api: usize) {
        let (mut base, mut depth) = (SmallVec::new(), 0);
        for segment in base_path.split('/').filter(|segment| !segment.is_empty()) {
            base.push(b'/');
            base.extend_from_slice(segment.as_bytes());
            depth += 1;
        }
        if !self.depths.contains(&depth) {
            self.depths.push(depth);
            self.depths.sort_unstable_by(|one, other| other.cmp(one));
        }
        self.apis.entry(base).or_default().push(api);
    }
}

#[cfg(test)]
mod tests;
