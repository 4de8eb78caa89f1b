//! Which documents belong together: include, import and redefine, followed to their ends.

use std::collections::VecDeque;
use std::sync::Arc;

use roxmltree::{Node, ParsingOptions};
use rustc_hash::FxHashMap;

use super::document::{attribute, is_xsd};
use super::{Doc, Document, Options, Resolver, Root, builtin};
use crate::fault::{Fault, FaultKind, Place};
use crate::limits::Doctype;
use crate::xml::{Event, Reader};

/// All documents that were found, as text.
pub(super) struct Graph<'a> {
    texts: Vec<Text>,
    sources: Vec<Source<'a>>,
    /// Which source was wanted for which namespace: a document without one that is included by two is there twice.
    wanted: Vec<(usize, Option<String>)>,
    /// Redefining and redefined entry, by position in `wanted`, and which `redefine` of the document it is.
    redefines: Vec<Redefinition>,
    /// Including and included entry.
    includes: Vec<(usize, usize)>,
}

struct Text {
    url: Arc<str>,
    text: String,
}

/// Where a `schema` element is.
enum Source<'a> {
    Text(usize),
    Element(Node<'a, 'a>, Arc<str>),
}

/// A schema document as read for a namespace.
#[derive(Debug, Clone)]
pub(in crate::xsd) struct Entry<'d> {
    pub(in crate::xsd) doc: usize,
    pub(in crate::xsd) root: Node<'d, 'd>,
    /// The namespace of what it declares.
    pub(in crate::xsd) target: Option<String>,
    /// Whether it has none itself, so that its own references without a prefix mean that namespace too.
    pub(in crate::xsd) chameleon: bool,
    /// What it redefines.
    pub(in crate::xsd) redefines: Vec<Redefinition>,
    /// What it includes or redefines: entries.
    pub(in crate::xsd) below: Vec<usize>,
}

/// A `redefine`: by whom, of whom, and which among those of its document.
#[derive(Debug, Clone, Copy)]
pub(in crate::xsd) struct Redefinition {
    pub(in crate::xsd) by: usize,
    pub(in crate::xsd) of: usize,
    pub(in crate::xsd) index: usize,
}

/// What is to be known of a schema document at first.
struct About {
    target: Option<String>,
    mentions: Vec<Mention>,
}

/// What a document says about another.
#[derive(Clone)]
struct Mention {
    kind: Kind,
    namespace: Option<String>,
    location: Option<String>,
    place: Place,
    /// Which among the redefines of its document.
    index: usize,
    /// Whether a redefine changes something.
    changes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Include,
    Redefine,
    Import,
}

struct Loader<'a, 'r> {
    graph: Graph<'a>,
    resolver: &'r mut dyn Resolver,
    options: &'r Options,
    by_url: FxHashMap<String, usize>,
    seen: FxHashMap<(usize, Option<String>), usize>,
    queue: VecDeque<usize>,
    /// What each source is, looked at once; none for what is no schema.
    about: Vec<Option<About>>,
    /// Imports for which no document was found: the built-in ones come last, when nobody else has the namespace.
    missing: Vec<String>,
}

/// Reads everything.
pub(super) fn read<'a>(
    roots: Vec<Root<'a>>,
    resolver: &mut dyn Resolver,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Graph<'a> {
    let graph = Graph {
        texts: Vec::new(),
        sources: Vec::new(),
        wanted: Vec::new(),
        redefines: Vec::new(),
        includes: Vec::new(),
    };
    let mut loader = Loader {
        graph,
        resolver,
        options,
        by_url: FxHashMap::default(),
        seen: FxHashMap::default(),
        queue: VecDeque::new(),
        about: Vec::new(),
        missing: Vec::new(),
    };
    for root in roots {
        loader.add_root(root, faults);
    }
    loader.follow(faults);
    loader.graph
}

impl<'a> Loader<'a, '_> {
    fn add_root(&mut self, root: Root<'a>, faults: &mut Vec<Fault>) {
        let source = match root {
            Root::Document(document) => self.add_document(document, faults),
            Root::Element { node, url } => {
                self.about.push(Some(about(node, &url)));
                self.graph.sources.push(Source::Element(node, url));
                Some(self.graph.sources.len() - 1)
            }
        };
        if let Some(source) = source {
            let target = self.target(source);
            self.want(source, target);
        }
    }

    fn target(&self, source: usize) -> Option<String> {
        self.about.get(source)?.as_ref()?.target.clone()
    }

    /// Takes up a document, once a URL.
    fn add_document(&mut self, document: Document, faults: &mut Vec<Fault>) -> Option<usize> {
        if let Some(&source) = self.by_url.get(&document.url) {
            return Some(source);
        }
        let url: Arc<str> = document.url.as_str().into();
        if self.graph.sources.len() >= self.options.documents {
            let message = format!("schema documents: more than {}", self.options.documents);
            faults.push(Fault::new(FaultKind::Limit, message).at(Place::document(url)));
            return None;
        }
        match decode(&document.bytes, self.options) {
            Ok(text) => {
                self.about.push(look(&text, &url, self.options));
                self.graph.texts.push(Text { url, text });
                self.graph.sources.push(Source::Text(self.graph.texts.len() - 1));
                let source = self.graph.sources.len() - 1;
                self.by_url.insert(document.url, source);
                Some(source)
            }
            Err(fault) => {
                let place = fault.place.clone().of(&url);
                faults.push(fault.at(place));
                None
            }
        }
    }

    /// Asks for a document on behalf of a namespace; gives its entry.
    fn want(&mut self, source: usize, target: Option<String>) -> usize {
        if let Some(&entry) = self.seen.get(&(source, target.clone())) {
            return entry;
        }
        let entry = self.graph.wanted.len();
        self.graph.wanted.push((source, target.clone()));
        self.seen.insert((source, target), entry);
        self.queue.push_back(entry);
        entry
    }

    fn follow(&mut self, faults: &mut Vec<Fault>) {
        loop {
            while let Some(entry) = self.queue.pop_front() {
                let (source, target) = self.graph.wanted[entry].clone();
                let url = self.url(source);
                let about = self.about.get(source).and_then(Option::as_ref);
                for mention in about.map(|about| about.mentions.clone()).unwrap_or_default() {
                    self.mention(entry, target.as_deref(), mention, &url, faults);
                }
            }
            let Some(namespace) = self.missing.pop() else { return };
            let there = self.graph.wanted.iter().any(|(_, t)| t.as_deref() == Some(&*namespace));
            if !there
                && let Some(document) = builtin::document(&namespace)
                && let Some(source) = self.add_document(document, faults)
            {
                self.want(source, Some(namespace));
            }
        }
    }

    fn mention(
        &mut self,
        entry: usize,
        target: Option<&str>,
        mention: Mention,
        base: &str,
        faults: &mut Vec<Fault>,
    ) {
        let Some(found) = self.find(&mention, target, base, faults) else { return };
        let own = self.target(found);
        let fault = |rule, message: String| {
            Fault::new(FaultKind::Schema, message).rule(rule).at(mention.place.clone())
        };
        let text = |namespace: Option<&str>| match namespace {
            Some(namespace) => format!("the namespace {namespace}"),
            None => "no namespace".to_owned(),
        };
        if mention.kind == Kind::Import {
            if own.as_deref() != mention.namespace.as_deref() {
                let message = format!(
                    "the document imported has {}, not {}",
                    text(own.as_deref()),
                    text(mention.namespace.as_deref())
                );
                faults.push(fault("src-import.3", message));
                return;
            }
            self.want(found, own);
            return;
        }
        if own.is_some() && own.as_deref() != target {
            let rule =
                if mention.kind == Kind::Include { "src-include.2" } else { "src-redefine.3" };
            let message = format!(
                "the document is of {}, and the one around it of {}",
                text(own.as_deref()),
                text(target)
            );
            faults.push(fault(rule, message));
            return;
        }
        let below = self.want(found, target.map(str::to_owned));
        self.graph.includes.push((entry, below));
        if mention.kind == Kind::Redefine {
            self.graph.redefines.push(Redefinition { by: entry, of: below, index: mention.index });
        }
    }

    /// The document that is meant, if it is to be had.
    fn find(
        &mut self,
        mention: &Mention,
        target: Option<&str>,
        base: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<usize> {
        let namespace = match mention.kind {
            Kind::Import => mention.namespace.as_deref(),
            _ => target,
        };
        if mention.kind == Kind::Import && namespace == Some(crate::name::XSD) {
            return None;
        }
        let resolved = self.resolver.resolve(namespace, mention.location.as_deref(), base);
        let fault = match resolved {
            Ok(Some(document)) => {
                let before = faults.len();
                let source = self.add_document(document, faults)?;
                if self.about.get(source).is_some_and(Option::is_some) || faults.len() > before {
                    return Some(source);
                }
                let message = "what is named here is no schema document";
                Fault::new(FaultKind::Schema, message).rule("src-include.1")
            }
            Ok(None) if mention.kind == Kind::Import => {
                self.missing.extend(namespace.map(str::to_owned));
                return None;
            }
            Ok(None) => {
                let location = mention.location.as_deref().unwrap_or_default();
                Fault::new(FaultKind::Reference, format!("there is no document {location:?}"))
            }
            Err(reason) => {
                self.missing.extend(namespace.map(str::to_owned));
                Fault::new(FaultKind::Reference, reason)
            }
        };
        let mut fault = fault.at(mention.place.clone());
        // What is not there may be missed later, or not; but what is to be changed has to be there.
        if fault.kind == FaultKind::Reference
            && !(mention.kind == Kind::Redefine && mention.changes)
        {
            fault.severity = crate::fault::Severity::Warning;
        }
        faults.push(fault);
        None
    }

    fn url(&self, source: usize) -> Arc<str> {
        match &self.graph.sources[source] {
            Source::Text(text) => Arc::clone(&self.graph.texts[*text].url),
            Source::Element(_, url) => Arc::clone(url),
        }
    }
}

/// The trees of a [`Graph`]; apart, because they point into it.
pub(super) struct Trees<'g>(Vec<Option<roxmltree::Document<'g>>>);

impl<'a> Graph<'a> {
    /// Parses all documents. Gives one [`Doc`] a source, and what could not be read.
    pub(super) fn parse<'g>(&'g self, options: &Options) -> (Trees<'g>, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut trees = Vec::new();
        for text in &self.texts {
            let parsed = parse(&text.text, options);
            let tree = parsed.map_err(|message| {
                let place = Place::document(Arc::clone(&text.url));
                faults.push(Fault::new(FaultKind::Syntax, message).at(place));
            });
            trees.push(tree.ok());
        }
        (Trees(trees), faults)
    }

    /// The `schema` elements, in the order of the sources.
    pub(super) fn docs<'g>(
        &'g self,
        trees: &'g Trees<'g>,
        faults: &mut Vec<Fault>,
    ) -> Vec<Option<Doc<'g>>> {
        self.sources
            .iter()
            .map(|source| match source {
                Source::Element(node, url) => Some(Doc::new(*node, Arc::clone(url))),
                Source::Text(text) => {
                    let root = trees.0[*text].as_ref()?.root_element();
                    let doc = Doc::new(root, Arc::clone(&self.texts[*text].url));
                    if is_xsd(root) && root.tag_name().name() == "schema" {
                        return Some(doc);
                    }
                    let message = format!(
                        "the document is no schema: its root is {:?}",
                        root.tag_name().name()
                    );
                    faults.push(doc.fault(root, "src-schema", message));
                    None
                }
            })
            .collect()
    }

    /// The documents as read for namespaces.
    pub(super) fn entries<'g>(&self, docs: &[Option<Doc<'g>>]) -> Vec<Entry<'g>> {
        let mut entries = Vec::new();
        let mut places = vec![usize::MAX; self.wanted.len()];
        for (at, (source, target)) in self.wanted.iter().enumerate() {
            let Some(doc) = &docs[*source] else { continue };
            places[at] = entries.len();
            let chameleon = target.is_some() && target_of(doc.root).is_none();
            entries.push(Entry {
                doc: *source,
                root: doc.root,
                target: target.clone(),
                chameleon,
                redefines: Vec::new(),
                below: Vec::new(),
            });
        }
        for &(by, of) in &self.includes {
            let (by, of) = (places[by], places[of]);
            if of != usize::MAX
                && let Some(entry) = entries.get_mut(by)
            {
                entry.below.push(of);
            }
        }
        for r in &self.redefines {
            let (by, of) = (places[r.by], places[r.of]);
            if of != usize::MAX
                && let Some(entry) = entries.get_mut(by)
            {
                entry.redefines.push(Redefinition { by, of, index: r.index });
            }
        }
        entries
    }
}

fn parse<'t>(text: &'t str, options: &Options) -> Result<roxmltree::Document<'t>, String> {
    let parsing = ParsingOptions {
        allow_dtd: options.limits.doctype == Doctype::StepOver,
        nodes_limit: u32::try_from(options.limits.nodes.saturating_mul(2)).unwrap_or(u32::MAX),
        ..ParsingOptions::default()
    };
    roxmltree::Document::parse_with_options(text, parsing).map_err(|fault| fault.to_string())
}

/// The text of a document that is well-formed and within its limits.
fn decode(bytes: &[u8], options: &Options) -> Result<String, Box<Fault>> {
    let mut reader = Reader::new(bytes, &options.limits)?;
    while reader.pull()? != Event::Eof {}
    Ok(reader.source().to_owned())
}

/// Looks at a document. `None`: it is no schema.
fn look(text: &str, url: &Arc<str>, options: &Options) -> Option<About> {
    let tree = parse(text, options).ok()?;
    let root = tree.root_element();
    (is_xsd(root) && root.tag_name().name() == "schema").then(|| about(root, url))
}

fn about(root: Node<'_, '_>, url: &Arc<str>) -> About {
    About { target: target_of(root), mentions: mentions(root, url) }
}

fn target_of(root: Node<'_, '_>) -> Option<String> {
    root.attribute("targetNamespace").map(|uri| super::document::trim(uri).to_owned())
}

fn mentions(root: Node<'_, '_>, url: &Arc<str>) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut redefines = 0;
    for child in root.children().filter(|child| is_xsd(*child)) {
        let kind = match child.tag_name().name() {
            "include" => Kind::Include,
            "redefine" => Kind::Redefine,
            "import" => Kind::Import,
            "annotation" => continue,
            _ => break,
        };
        let text = root.document().input_text();
        found.push(Mention {
            kind,
            namespace: attribute(child, "namespace").map(str::to_owned),
            location: attribute(child, "schemaLocation").map(str::to_owned),
            place: Place::within(text, child.range().start).of(url),
            index: redefines,
            changes: child.children().any(|c| is_xsd(c) && c.tag_name().name() != "annotation"),
        });
        redefines += usize::from(kind == Kind::Redefine);
    }
    found
}
