//! Where a contract comes from, and how all of it is brought from there.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    str::FromStr,
};

use pasarela_contract::{openapi, openapi_syntax};
use pasarela_soap::{
    wsdl,
    xsd::{Document, Options, Resolver},
};

use super::{
    Beside, Bundle, Url, UrlError, beside::joined, bundle::Arrival, document, get::System,
    remote::Remote,
};
use crate::{config::read_file, finding::Finding};

/// Bytes of a contract in a file.
const CONTRACT_BYTES_MAX: u64 = 16 << 20;

/// Where a contract is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file, what it imports beside it.
    File(PathBuf),
    /// At a URL.
    Url(Url),
}

impl Source {
    /// What the user typed: a URL where there is `://` in it, else a file.
    ///
    /// # Errors
    /// When it is a URL that is not fetched.
    pub fn parse(text: &OsStr) -> Result<Self, UrlError> {
        match text.to_str().filter(|text| text.contains("://")) {
            Some(text) => Url::parse(text).map(Self::Url),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

/// What the operator says about fetching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Hosts that may be asked besides that of the URL.
    pub allow_hosts: Vec<Allowed>,
    /// Authorities to trust instead of the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl Rules {
    /// Whether the operator allows a URL's host.
    pub fn allows(&self, url: &Url) -> bool {
        let fits = |allowed: &Allowed| {
            allowed.host == url.host && allowed.port.is_none_or(|port| port == url.port)
        };
        self.allow_hosts.iter().any(fits)
    }
}

/// A host, at one port or at any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Allowed {
    host: String,
    port: Option<u16>,
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(&format!("http://{text}/")).map_err(|error| error.to_string())?;
        if url.target != "/" {
            return Err("only a host belongs here: schemas.example.com, or one with a port".into());
        }
        let port = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        // The end of an IPv6 address may look like a port.
        let port = port.filter(|_| !text.ends_with(']'));
        Ok(Self { host: url.host, port })
    }
}

/// Why a contract was not brought.
#[derive(Debug)]
pub enum BringError {
    /// The file itself, and why.
    Unreadable(String),
    /// Documents, all that were not to be had.
    Documents(Vec<Finding>),
}

/// Brings a contract and all that it names. From a URL it is all or nothing; beside a file, what is not there is for
/// the reader of the contract to judge.
///
/// # Errors
/// What could not be read or fetched, or may not be.
pub fn bring(source: &Source, rules: &Rules) -> Result<Bundle, BringError> {
    match source {
        Source::File(path) => from_file(path),
        Source::Url(url) => from_url(url, rules, &System),
    }
}

pub(super) fn from_url(
    url: &Url,
    rules: &Rules,
    network: &dyn super::get::Network,
) -> Result<Bundle, BringError> {
    let mut remote = Remote::new(network, rules, url.clone());
    if let Some(root) = remote.root() {
        // What is wrong with the documents is told by whoever reads them.
        match openapi_syntax(&root.bytes, url.path()) {
            None => drop(wsdl::import(root, &mut remote, &Options::default())),
            Some(_) => openapi::follow(&root.bytes, &root.url, &mut remote),
        }
    }
    if !remote.stops.is_empty() {
        return Err(BringError::Documents(remote.stops));
    }
    let arrivals = remote.fetched.into_iter().map(|one| Arrival {
        found: (one.found != one.url).then(|| one.found.to_string()),
        url: one.url.to_string(),
        bytes: one.bytes,
    });
    Ok(Bundle::new(arrivals.collect()))
}

fn from_file(path: &Path) -> Result<Bundle, BringError> {
    let bytes = read_file(path, CONTRACT_BYTES_MAX).map_err(BringError::Unreadable)?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let root = document(path, bytes.clone());
    let arrived = vec![Arrival { url: name, found: None, bytes: bytes.clone() }];
    let mut noted = Noted { inner: Beside::default(), names: vec![root.url.clone()], arrived };
    match openapi_syntax(&bytes, &root.url) {
        None => drop(wsdl::import(root, &mut noted, &Options::default())),
        Some(_) => openapi::follow(&bytes, &root.url, &mut noted),
    }
    Ok(Bundle::new(noted.arrived))
}

/// Notes what is found beside a file, by its place relative to the folder of the contract.
struct Noted {
    inner: Beside,
    /// What readers call each of the documents that arrived.
    names: Vec<String>,
    arrived: Vec<Arrival>,
}

impl Resolver for Noted {
    fn resolve(
        &mut self,
        namespace: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let found = self.inner.resolve(namespace, location, base)?;
        let (Some(document), Some(location)) = (&found, location) else { return Ok(found) };
        let by = self.names.iter().position(|name| name == base);
        let by = by.and_then(|at| self.arrived.get(at)).map_or("", |arrival| &arrival.url);
        let url = match (Url::parse(location), Url::parse(by)) {
            (Ok(url), _) => url.to_string(),
            (_, Ok(by)) => by.join(location).map_or(String::new(), |url| url.to_string()),
            _ => joined(Path::new(by), location).to_string_lossy().into_owned(),
        };
        if !url.is_empty() && self.arrived.iter().all(|arrival| arrival.url != url) {
            self.names.push(document.url.clone());
            self.arrived.push(Arrival { url, found: None, bytes: document.bytes.clone() });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_at_one_port_or_at_any() {
        let allowed = |text: &str| text.parse::<Allowed>().map(|a| (a.host, a.port));
        assert_eq!(allowed("Schemas.Example.com"), Ok(("schemas.example.com".to_owned(), None)));
        assert_eq!(allowed("a.example:80"), Ok(("a.example".to_owned(), Some(80))));
        assert_eq!(allowed("[::1]"), Ok(("::1".to_owned(), None)));
        assert_eq!(allowed("[::1]:8080"), Ok(("::1".to_owned(), Some(8080))));
        for wrong in ["", "http://a", "a/b", "a b", "*.a", "a:0", "user@a"] {
            assert!(allowed(wrong).is_err(), "{wrong}");
        }
    }
}
