//! The documents of a WSDL: noted while it is imported, and found again when it is compiled.
//!
//! A name at our address is the last part of where a document came from, made unique in the order in which documents
//! are found. Nothing of a file system or of another host is in it, and the same documents give the same names.

use std::collections::{BTreeMap, BTreeSet};

use pasarela_model::{ImportedDocument, Reference, ServedContract};
use pasarela_soap::{
    Limits,
    xml::{Event, Reader},
    xsd::{Document, Resolver},
};

/// Longest name of a document, bytes.
const NAME_BYTES: usize = 64;

/// Notes what another resolver finds.
pub(super) struct Recorder<'r> {
    inner: &'r mut dyn Resolver,
    root: String,
    found: Vec<Found>,
    /// By the URL of a document: what it says, and the URL that this leads to.
    references: BTreeMap<String, Vec<(String, String)>>,
}

struct Found {
    url: String,
    name: String,
    text: String,
}

impl<'r> Recorder<'r> {
    pub(super) fn new(root: &str, inner: &'r mut dyn Resolver) -> Self {
        Self { inner, root: root.to_owned(), found: Vec::new(), references: BTreeMap::new() }
    }

    /// The references of the root, and the documents; `wsdls` are those that are no schemas.
    pub(super) fn finish(self, wsdls: &BTreeSet<&str>) -> (Vec<Reference>, Vec<ImportedDocument>) {
        let name_of = |url: &str| {
            let found = self.found.iter().find(|found| found.url == url);
            found.map_or_else(String::new, |found| found.name.clone())
        };
        let of = |url: &str| -> Vec<Reference> {
            let said = self.references.get(url).map(Vec::as_slice).unwrap_or_default();
            let reference = |(location, url): &(String, String)| Reference {
                location: location.clone(),
                name: name_of(url),
            };
            said.iter().map(reference).collect()
        };
        let document = |found: &Found| ImportedDocument {
            name: found.name.clone(),
            schema: !wsdls.contains(found.url.as_str()),
            document: found.text.clone(),
            references: of(&found.url),
        };
        (of(&self.root), self.found.iter().map(document).collect())
    }

    fn name(&self, url: &str) -> String {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("document");
        let plain = |c: char| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => c,
            _ => '-',
        };
        let wanted: String = last.chars().map(plain).take(NAME_BYTES).collect();
        let (stem, extension) = match wanted.rsplit_once('.') {
            Some((stem, extension)) => (stem.to_owned(), format!(".{extension}")),
            None => (wanted.clone(), String::new()),
        };
        let taken = |name: &String| self.found.iter().any(|found| found.name == *name);
        let numbered = (2..).map(|number: usize| format!("{stem}-{number}{extension}"));
        let free = std::iter::once(wanted).chain(numbered).find(|name| !taken(name));
        free.unwrap_or_default()
    }
}

impl Resolver for Recorder<'_> {
    fn resolve(
        &mut self,
        namespace: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let found = self.inner.resolve(namespace, location, base)?;
        let (Some(document), Some(location)) = (&found, location) else { return Ok(found) };
        let known = document.url == self.root || self.found.iter().any(|f| f.url == document.url);
        if !known {
            let (url, name) = (document.url.clone(), self.name(&document.url));
            self.found.push(Found { url, name, text: text(&document.bytes) });
        }
        let said = self.references.entry(base.to_owned()).or_default();
        if !said.iter().any(|(there, _)| there == location) {
            said.push((location.to_owned(), document.url.clone()));
        }
        Ok(found)
    }
}

/// Finds the documents that a contract keeps, by the names it knows them by.
pub(crate) struct Kept<'c>(pub(crate) &'c ServedContract);

/// What the WSDL itself is called among them. No document can have this name.
pub(crate) const ROOT: &str = "?wsdl";

impl Resolver for Kept<'_> {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Self(contract) = self;
        let imports = &contract.imports;
        let said = match base {
            ROOT => contract.references.as_slice(),
            _ => match imports.iter().find(|document| document.name == base) {
                Some(document) => document.references.as_slice(),
                None => return Ok(None),
            },
        };
        let Some(meant) = said.iter().find(|said| Some(said.location.as_str()) == location) else {
            return Ok(None);
        };
        if meant.name.is_empty() {
            let bytes = contract.document.clone().into_bytes();
            return Ok(Some(Document { url: ROOT.to_owned(), bytes }));
        }
        let found = imports.iter().find(|document| document.name == meant.name);
        Ok(found.map(|document| Document {
            url: document.name.clone(),
            bytes: document.document.clone().into_bytes(),
        }))
    }
}

/// A document as UTF-8 that says so. What cannot be read comes as it can; whoever imports it tells why.
pub(super) fn text(bytes: &[u8]) -> String {
    let decoded = Reader::new(bytes, &Limits::import()).ok().and_then(|mut reader| {
        while !matches!(reader.pull().ok()?, Event::Eof | Event::NeedMore) {}
        Some(reader.source().to_owned())
    });
    let text = decoded.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let Some(declaration) = text.strip_prefix("<?xml") else { return text };
    let Some((declaration, rest)) = declaration.split_once("?>") else { return text };
    match declaration.contains("encoding") && !declaration.to_ascii_lowercase().contains("utf-8") {
        true => format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{rest}"),
        false => text,
    }
}
