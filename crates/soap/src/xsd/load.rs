//! From schema documents to [`Schemas`]: finds all documents that belong together, checks them, compiles them.
//!
//! The room opens nothing: whoever calls gives the first documents and a [`Resolver`] for those that they name. The
//! order in which documents name each other has no influence, cycles do no harm, and what is wrong is collected from
//! all of them.

use std::sync::Arc;

use roxmltree::Node;

use super::compile;
use super::model::Schemas;
use crate::fault::Fault;
use crate::limits::Limits;

mod builtin;
mod document;
mod graph;
mod structure;
mod tables;

pub(super) use document::{Doc, attribute, children, is_xsd};
pub(super) use graph::Entry;

/// A document that a [`Resolver`] found.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it is called; relative locations in it are relative to this.
    pub url: String,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// Finds documents.
pub trait Resolver {
    /// The document of a namespace at a location, which is written in the document `base`. `None`: there is none, or
    /// it may not be read; the schema has to do without it.
    ///
    /// # Errors
    /// In words, when it should be there and cannot be read.
    fn resolve(
        &mut self,
        namespace: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String>;
}

/// Whether a namespace that nobody's document describes is known here: whoever fetches documents need not fetch its own.
#[must_use]
pub fn is_built_in(namespace: &str) -> bool {
    builtin::document(namespace).is_some()
}

/// Finds nothing: the documents given have to suffice.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDocuments;

impl Resolver for NoDocuments {
    fn resolve(
        &mut self,
        _: Option<&str>,
        _: Option<&str>,
        _: &str,
    ) -> Result<Option<Document>, String> {
        Ok(None)
    }
}

/// Where loading begins.
#[derive(Debug, Clone)]
pub enum Root<'a> {
    /// A schema document.
    Document(Document),
    /// A `schema` element inside another document, such as a WSDL; the namespaces in scope around it count.
    Element {
        /// The element.
        node: Node<'a, 'a>,
        /// What the document is called.
        url: Arc<str>,
    },
}

/// How to load.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bounds of each document.
    pub limits: Limits,
    /// The most documents that may belong together.
    pub documents: usize,
    /// Whether what everybody tolerates is an error and not a warning: ambiguous content models, references to
    /// namespaces that are not imported.
    pub strict: bool,
    /// The most faults that are reported.
    pub faults: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::import(), documents: 2_000, strict: false, faults: 200 }
    }
}

impl Schemas {
    /// Loads schema documents and all that they name. Whether the schemas may be used is said by the faults: one of
    /// them that [is an error](Fault::is_error) means that something was left out.
    pub fn load(
        roots: Vec<Root<'_>>,
        resolver: &mut dyn Resolver,
        options: &Options,
    ) -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let graph = graph::read(roots, resolver, options, &mut faults);
        let (trees, unreadable) = graph.parse(options);
        faults.extend(unreadable);
        let docs = graph.docs(&trees, &mut faults);
        for doc in docs.iter().flatten() {
            structure::check(doc, &mut faults);
        }
        let entries = graph.entries(&docs);
        let schemas = compile::compile(&docs, entries, options, &mut faults);
        faults.truncate(options.faults);
        (schemas, faults)
    }

    /// Loads one document that names no other.
    pub fn from_bytes(url: &str, bytes: &[u8]) -> (Self, Vec<Fault>) {
        let root = Root::Document(Document { url: url.to_owned(), bytes: bytes.to_vec() });
        Self::load(vec![root], &mut NoDocuments, &Options::default())
    }
}
