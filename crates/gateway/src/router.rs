//! Routing: from host, path, method and headers to an API and one of its operations.
//!
//! [`Router::build`] compiles the APIs of a snapshot once; [`Router::find`] is asked for every
//! request. It allocates nothing (except for the `Allow` list of a refusal) and costs a hash
//! look-up for each path segment of a base path, however many APIs there are.
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
mod soap;

use pasarela_model::{Api, Face, HeaderMatch, HostPattern, Visibility};
use rustc_hash::FxHashMap;

use self::{
    children::{Children, split_segment},
    operations::{Operations, Outcome},
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
    },
}

impl Found {
    /// The API, whatever else was found.
    pub fn api(&self) -> Option<usize> {
        match self {
            Self::NoApi => None,
            Self::Api { api, .. }
            | Self::NoOperation { api }
            | Self::MethodNotAllowed { api, .. }
            | Self::Contract { api } => Some(*api),
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

/// What the router keeps of one API.
#[derive(Debug)]
struct Entry {
    private: bool,
    headers: Vec<HeaderMatch>,
    base_length: usize,
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

/// A tree of base paths, a node a segment. Node 0 is the root.
#[derive(Debug)]
struct Bases {
    nodes: Vec<BaseNode>,
}

#[derive(Debug, Default)]
struct BaseNode {
    children: Children,
    /// APIs whose base path ends here, best first.
    apis: Vec<usize>,
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
            for node in &mut bases.nodes {
                // Stable: file order decides among equals.
                node.apis.sort_by_key(|&api| {
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

    /// Walks down the path; of the eligible APIs on the way the last one has the longest base.
    fn best(&self, bases: &Bases, query: &Query<'_>) -> Option<(usize, &Entry)> {
        let mut best = None;
        let mut node = bases.nodes.first()?;
        let mut rest = query.path.strip_prefix('/')?;
        loop {
            for &api in &node.apis {
                if let Some(entry) = self.entries.get(api)
                    && entry.is_meant_by(query)
                {
                    best = Some((api, entry));
                    break;
                }
            }
            // `/a` and `/a/` are both at the node of `a`: an empty rest has no child.
            if rest.is_empty() || node.children.is_empty() {
                return best;
            }
            let (segment, tail) = split_segment(rest);
            #[cfg(test)]
            tests::count_look_up();
            let Some(child) = node.children.get(segment).and_then(|id| bases.nodes.get(id)) else {
                return best;
            };
            (node, rest) = (child, tail.unwrap_or_default());
        }
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
            headers: api.headers.clone(),
            base_length: api.base_path.len(),
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

    fn find(&self, api: usize, query: &Query<'_>) -> Found {
        let rest = query.path.get(self.base_length..).unwrap_or_default();
        if self.soap && (rest == "/soap" || (!self.rest && matches!(rest, "" | "/"))) {
            return self.find_soap(api, query);
        }
        if !self.rest {
            return Found::NoOperation { api };
        }
        if rest == "/openapi.json"
            && matches!(query.method, "GET" | "HEAD")
            && self.contract == Some(ContractKind::OpenApi)
        {
            return Found::Contract { api };
        }
        let carried =
            |operation| Found::Api { api, operation, rest: self.base_length, soap: false };
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
            "POST" => {
                let operation = soap::action(query.headers)
                    .and_then(|action| self.operations.by_action(action));
                Found::Api { api, operation, rest: self.base_length, soap: true }
            }
            "GET" | "HEAD" if has_wsdl && soap::asks_for_wsdl(query.query) => {
                Found::Contract { api }
            }
            _ => {
                let allow = if has_wsdl { "GET, HEAD, POST" } else { "POST" };
                Found::MethodNotAllowed { api, allow: allow.to_owned() }
            }
        }
    }
}

impl Default for Bases {
    fn default() -> Self {
        Self { nodes: vec![BaseNode::default()] }
    }
}

impl Bases {
    fn insert(&mut self, base_path: &str, api: usize) {
        let mut at = 0;
        for segment in base_path.split('/').filter(|segment| !segment.is_empty()) {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = node.children.get_or_insert(segment, next);
            if at == next {
                self.nodes.push(BaseNode::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.apis.push(api);
        }
    }
}

#[cfg(test)]
mod tests;
