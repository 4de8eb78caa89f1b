//! Which WSDL documents belong together: imports, followed to their ends, cycles included.

use std::sync::Arc;

use roxmltree::{Node, ParsingOptions};

use super::{WSDL, WSDL20};
use crate::{
    Doctype, ExpandedName, Fault, FaultKind, Limits, Place, PrefixScope,
    name::{XML, XSD, expand},
    xml::{Event, Reader},
    xsd::{Document, Options, Resolver, Root},
};

/// All documents that were found, as text.
pub(super) struct Files {
    pub(super) wsdl: Vec<File>,
    /// Schema documents that were imported as if they were WSDL.
    schemas: Vec<Document>,
    /// Whether a binding encodes something.
    pub(super) encoded: bool,
}

/// A WSDL document.
pub(super) struct File {
    pub(super) url: Arc<str>,
    pub(super) text: String,
    /// The encoding it declares.
    pub(super) encoding: Option<String>,
}

/// The trees of [`Files`]; apart, because they point into them.
pub(super) struct Trees<'f>(Vec<Option<roxmltree::Document<'f>>>);

/// A `definitions` element and the document it stands in.
#[derive(Clone)]
pub(super) struct Source<'d> {
    pub(super) root: Node<'d, 'd>,
    pub(super) url: Arc<str>,
    pub(super) target: &'d str,
    /// Where each line begins.
    lines: Arc<Vec<usize>>,
}

/// What an import says.
struct Mention {
    namespace: Option<String>,
    location: String,
    place: Place,
}

/// Finds and decodes everything.
pub(super) fn read(
    root: Document,
    resolver: &mut dyn Resolver,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Files {
    let mut files = Files { wsdl: Vec::new(), schemas: Vec::new(), encoded: false };
    let mut known = vec![root.url.clone()];
    let mentions = add(&mut files, root, options, faults);
    let mut waiting: Vec<(Arc<str>, Mention)> = mentions;
    while !waiting.is_empty() {
        let (base, mention) = waiting.remove(0);
        let namespace = mention.namespace.as_deref();
        let fault = match resolver.resolve(namespace, Some(&mention.location), &base) {
            Ok(Some(document)) if known.contains(&document.url) => continue,
            Ok(Some(_)) if known.len() >= options.documents => {
                let message = format!("WSDL documents: more than {}", options.documents);
                Fault::new(FaultKind::Limit, message)
            }
            Ok(Some(document)) => {
                known.push(document.url.clone());
                waiting.extend(add(&mut files, document, options, faults));
                continue;
            }
            Ok(None) => {
                let message = format!("there is no document {:?}", mention.location);
                Fault::new(FaultKind::Reference, message)
                    .cure("put it beside this one, or take the import out")
            }
            Err(reason) => Fault::new(FaultKind::Reference, reason),
        };
        faults.push(fault.at(mention.place));
    }
    files
}

/// Takes a document up and gives what it imports.
fn add(
    files: &mut Files,
    document: Document,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Vec<(Arc<str>, Mention)> {
    let url: Arc<str> = document.url.as_str().into();
    let mut refuse = |mut fault: Fault| {
        fault.place = fault.place.of(&url);
        faults.push(fault);
        Vec::new()
    };
    let text = match decode(&document.bytes, &options.limits) {
        Ok(text) => {
            files.encoded |= text.contains("\"encoded\"") || text.contains("'encoded'");
            // What no schema can say of an encoding is said another way.
            let plain = files.encoded.then(|| crate::encoding::arrays::plain(&text)).flatten();
            plain.unwrap_or(text)
        }
        Err(fault) => return refuse(*fault),
    };
    let tree = match parse(&text, &options.limits) {
        Ok(tree) => tree,
        Err(message) => return refuse(Fault::new(FaultKind::Syntax, message)),
    };
    let root = tree.root_element();
    let name = root.tag_name();
    if name.namespace() == Some(XSD) && name.name() == "schema" {
        // Against R2001, and common.
        let fault = Fault::warning(FaultKind::Wsdl, "a schema is imported as if it were a WSDL");
        faults.push(fault.rule("R2001").at(Place::document(url)).cure("use xs:import for it"));
        files.schemas.push(document);
        return Vec::new();
    }
    let reason = match (name.namespace(), name.name()) {
        (Some(WSDL), "definitions") => None,
        (Some(WSDL20), _) => Some("this is WSDL 2.0; only WSDL 1.1 is read".to_owned()),
        (namespace, local) => {
            let found = ExpandedName::new(namespace.unwrap_or_default(), local);
            Some(format!("this is no WSDL 1.1: its root element is {found}"))
        }
    };
    if let Some(reason) = reason {
        return refuse(Fault::new(FaultKind::Wsdl, reason));
    }
    let source = Source::new(root, Arc::clone(&url));
    let mut mentions = Vec::new();
    for import in children(root, WSDL, "import") {
        let location = import.attribute("location").unwrap_or_default().trim();
        // An import without a location is R2007's.
        if !location.is_empty() {
            let namespace = import.attribute("namespace").map(str::to_owned);
            let mention =
                Mention { namespace, location: location.to_owned(), place: source.place(import) };
            mentions.push((Arc::clone(&url), mention));
        }
    }
    let encoding = declared_encoding(&document.bytes);
    drop(tree);
    files.wsdl.push(File { url, text, encoding });
    mentions
}

/// Text that is well-formed and within the limits.
fn decode(bytes: &[u8], limits: &Limits) -> Result<String, Box<Fault>> {
    let mut reader = Reader::new(bytes, limits)?;
    while reader.pull()? != Event::Eof {}
    Ok(reader.source().to_owned())
}

fn parse<'t>(text: &'t str, limits: &Limits) -> Result<roxmltree::Document<'t>, String> {
    let options = ParsingOptions {
        allow_dtd: limits.doctype == Doctype::StepOver,
        nodes_limit: u32::try_from(limits.nodes).unwrap_or(u32::MAX),
        ..ParsingOptions::default()
    };
    roxmltree::Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

/// What an XML declaration of 8-bit text says.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let head = String::from_utf8_lossy(head.get(..head.len().min(200))?);
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    value.get(1..)?.split(['"', '\'']).next().map(str::to_owned)
}

impl Files {
    pub(super) fn parse(&self, options: &Options, faults: &mut Vec<Fault>) -> Trees<'_> {
        let mut trees = Vec::new();
        for file in &self.wsdl {
            let tree = parse(&file.text, &options.limits).map_err(|message| {
                let place = Place::document(Arc::clone(&file.url));
                faults.push(Fault::new(FaultKind::Syntax, message).at(place));
            });
            trees.push(tree.ok());
        }
        Trees(trees)
    }

    /// Every schema that stands in a document, and those that were imported as if they were documents of ours.
    pub(super) fn schemas<'d>(&self, sources: &[Source<'d>]) -> Vec<Root<'d>> {
        let mut roots = Vec::new();
        for source in sources {
            let types = children(source.root, WSDL, "types");
            for node in types.flat_map(|types| children(types, XSD, "schema")) {
                roots.push(Root::Element { node, url: Arc::clone(&source.url) });
            }
        }
        roots.extend(self.schemas.iter().cloned().map(Root::Document));
        roots
    }
}

impl Trees<'_> {
    pub(super) fn sources<'d>(&'d self, files: &'d Files) -> Vec<Source<'d>> {
        let pairs = self.0.iter().zip(&files.wsdl);
        let with_trees = pairs.filter_map(|(tree, file)| Some((tree.as_ref()?, file)));
        with_trees
            .map(|(tree, file)| Source::new(tree.root_element(), Arc::clone(&file.url)))
            .collect()
    }
}

impl<'d> Source<'d> {
    fn new(root: Node<'d, 'd>, url: Arc<str>) -> Self {
        let text = root.document().input_text();
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        Self {
            root,
            url,
            target: root.attribute("targetNamespace").unwrap_or_default().trim(),
            lines: Arc::new(std::iter::once(0).chain(ends).collect()),
        }
    }

    /// Where a node begins.
    pub(super) fn place(&self, node: Node<'_, '_>) -> Place {
        let offset = node.range().start;
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.root.document().input_text().get(start..offset);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            document: Some(Arc::clone(&self.url)),
            offset: offset as u64,
            line: number(line),
            column: number(before.map_or(0, |text| text.chars().count()) + 1),
        }
    }

    /// A fault of the WSDL at a node.
    pub(super) fn fault(&self, node: Node<'_, '_>, message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Wsdl, message).at(self.place(node))
    }

    /// A warning at a node.
    pub(super) fn warning(&self, node: Node<'_, '_>, message: impl Into<String>) -> Fault {
        Fault::warning(FaultKind::Wsdl, message).at(self.place(node))
    }

    /// What an attribute refers to; none when it is not there.
    pub(super) fn reference(
        &self,
        node: Node<'_, '_>,
        attribute: &str,
    ) -> Option<Result<ExpandedName, Fault>> {
        let value = node.attribute(attribute)?;
        Some(expand(value, &Scope(node)).map_err(|reason| {
            let message = format!("{attribute}: {reason}");
            self.fault(node, message).cure("declare the prefix, or correct the name")
        }))
    }
}

/// The namespaces at a node.
struct Scope<'a, 'd>(Node<'a, 'd>);

impl PrefixScope for Scope<'_, '_> {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "xml" => Some(XML),
            "" => Some(self.0.lookup_namespace_uri(None).unwrap_or_default()),
            prefix => self.0.lookup_namespace_uri(Some(prefix)),
        }
    }
}

/// Children of one name.
pub(super) fn children<'d>(
    node: Node<'d, 'd>,
    namespace: &str,
    local: &str,
) -> impl Iterator<Item = Node<'d, 'd>> {
    node.children().filter(move |child| is(*child, namespace, local))
}

/// The first child of one name.
pub(super) fn child<'d>(node: Node<'d, 'd>, namespace: &str, local: &str) -> Option<Node<'d, 'd>> {
    node.children().find(|child| is(*child, namespace, local))
}

/// Whether a node is an element of this name.
pub(super) fn is(node: Node<'_, '_>, namespace: &str, local: &str) -> bool {
    node.is_element()
        && node.tag_name().name() == local
        && node.tag_name().namespace() == Some(namespace)
}

/// An attribute without a namespace, the white space around it dropped.
pub(super) fn attribute<'d>(node: Node<'d, 'd>, name: &str) -> Option<&'d str> {
    node.attribute(name).map(str::trim)
}

/// The `documentation` of a node, its white space collapsed.
pub(super) fn documentation(node: Node<'_, '_>) -> String {
    let found = node.children().find(|child| is(*child, WSDL, "documentation"));
    let texts = found.iter().flat_map(|node| node.descendants()).filter(|node| node.is_text());
    let text: String = texts.filter_map(|node| node.text()).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
