//! An OpenAPI document and those that it refers to, as one.
//!
//! What a reference to another document leads to becomes a component of the first, once, under a name that nobody else has; a path
//! item is written out where it is referred to. So whoever reads on, and every caller who is served the document, needs one only.
//! References are followed where OpenAPI has them, and nowhere else: in an example a `$ref` is a value. Where something came from
//! stays in its [`Position`].

use std::collections::{BTreeMap, BTreeSet};

use pasarela_soap::xsd::Resolver;

use super::percent_decoded;
use crate::{
    ContractFault, DOCUMENT_BYTES_MAX, Faults, Position, Subject, openapi_syntax, text_of,
    tree::{self, Member, Node, Object, Syntax, TreeLimits, Value},
};

/// Documents that one refers to.
const DOCUMENTS_MAX: usize = 200;
/// Bytes of all of them.
const BYTES_MAX: usize = 64 << 20;
/// How many path items may refer to one another.
const STEPS_MAX: usize = 20;

/// What stands at a place of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Root,
    Components,
    PathItem,
    Operation,
    Parameter,
    RequestBody,
    Response,
    Header,
    Media,
    Encoding,
    Schema,
    Example,
    Link,
    Callback,
    SecurityScheme,
    /// Nothing that OpenAPI looks into.
    Data,
}

use What::{
    Callback, Components, Data, Encoding, Example, Header, Link, Media, Operation, Parameter,
    PathItem, RequestBody, Response, Root, Schema, SecurityScheme,
};

impl What {
    /// The components of its kind.
    const fn section(self) -> Option<&'static str> {
        Some(match self {
            Parameter => "parameters",
            RequestBody => "requestBodies",
            Response => "responses",
            Header => "headers",
            Schema => "schemas",
            Example => "examples",
            Link => "links",
            Callback => "callbacks",
            SecurityScheme => "securitySchemes",
            PathItem => "pathItems",
            Root | Components | Operation | Media | Encoding | Data => return None,
        })
    }

    /// What a member of it is, and whether it is a map or a list of these.
    fn member(self, key: &str) -> (Self, bool) {
        match (self, key) {
            (Root, "paths" | "webhooks") | (Components, "pathItems") => (PathItem, true),
            (Root, "components") => (Components, false),
            (Components, "schemas") => (Schema, true),
            (Components | Operation, "responses") => (Response, true),
            (Components | PathItem | Operation, "parameters") => (Parameter, true),
            (Components | Parameter | Header | Media, "examples") => (Example, true),
            (Components, "requestBodies") => (RequestBody, true),
            (Components | Response | Encoding, "headers") => (Header, true),
            (Components, "securitySchemes") => (SecurityScheme, true),
            (Components | Response, "links") => (Link, true),
            (Components | Operation, "callbacks") => (Callback, true),
            (PathItem, "additionalOperations") => (Operation, true),
            (PathItem, key) if is_method(key) => (Operation, false),
            (Operation, "requestBody") => (RequestBody, false),
            (Parameter | Header | Media, "schema" | "itemSchema") => (Schema, false),
            (Parameter | Header | RequestBody | Response, "content") => (Media, true),
            (Media, "encoding") => (Encoding, true),
            (Callback, _) => (PathItem, false),
            (
                Schema,
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
                | "allOf" | "oneOf" | "anyOf" | "prefixItems",
            ) => (Schema, true),
            (
                Schema,
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "additionalItems",
            ) => (Schema, false),
            _ => (Data, false),
        }
    }
}

fn is_method(key: &str) -> bool {
    super::METHODS.contains(&key) || key == "query"
}

/// A document with all that it refers to.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) root: Node,
    /// The other documents, by the number that positions have, from 1.
    pub(crate) urls: Vec<String>,
    /// What is wrong with the others and with references to them. They stand as they were.
    pub(crate) faults: Faults,
}

impl Joined {
    /// Faults that say in which document they are.
    pub(crate) fn named(urls: &[String], faults: Vec<ContractFault>) -> Vec<ContractFault> {
        let name = |mut fault: ContractFault| {
            if let Subject::Document(number) = &fault.subject
                && let Some(url) =
                    number.parse::<usize>().ok().and_then(|n| urls.get(n.wrapping_sub(1)))
            {
                fault.subject = Subject::Document(url.clone());
            }
            fault
        };
        faults.into_iter().map(name).collect()
    }
}

/// Reads a document and what it refers to.
///
/// # Errors
/// The faults of its syntax.
pub(crate) fn read(
    text: &str,
    syntax: Syntax,
    url: &str,
    resolver: &mut dyn Resolver,
) -> Result<Joined, Vec<ContractFault>> {
    let mut root = tree::parse(text, syntax, TreeLimits::default())?;
    let mut joiner = Joiner {
        resolver,
        documents: vec![Document { url: url.to_owned(), root: None }],
        made: BTreeMap::new(),
        open: Vec::new(),
        parts: BTreeMap::new(),
        names: BTreeSet::new(),
        values: 0,
        bytes: text.len(),
        faults: Faults::default(),
    };
    joiner.note_names(&root);
    joiner.look(&mut root, 0, (Root, false), 0);
    while let Some((document, what, section, name, mut node)) = joiner.open.pop() {
        joiner.look(&mut node, document, (what, false), 0);
        joiner.parts.entry(section).or_default().insert(name, node);
    }
    let Joiner { documents, parts, faults, .. } = joiner;
    let urls: Vec<String> = documents.into_iter().skip(1).map(|document| document.url).collect();
    let root = if parts.is_empty() { root } else { with_components(root, parts) };
    Ok(Joined { root, urls, faults })
}

struct Document {
    url: String,
    /// None for the first one, which is at hand, and for one that cannot be read.
    root: Option<Node>,
}

struct Joiner<'r> {
    resolver: &'r mut dyn Resolver,
    documents: Vec<Document>,
    /// The components that were made, by what they were made of.
    made: BTreeMap<(usize, String, What), String>,
    /// Those that have not been looked through.
    open: Vec<(usize, What, &'static str, String, Node)>,
    parts: BTreeMap<&'static str, BTreeMap<String, Node>>,
    /// Sections and names of components.
    names: BTreeSet<(String, String)>,
    values: usize,
    bytes: usize,
    faults: Faults,
}

impl Joiner<'_> {
    fn note_names(&mut self, root: &Node) {
        let sections = root.get("components").and_then(Node::as_object);
        for section in sections.into_iter().flat_map(|sections| sections.iter()) {
            let members = section.value.as_object().into_iter().flat_map(|members| members.iter());
            self.names.extend(members.map(|member| (section.key.clone(), member.key.clone())));
        }
    }

    /// Looks through what stands in a document and puts references to others right.
    fn look(&mut self, node: &mut Node, document: usize, (what, many): (What, bool), steps: usize) {
        if what == Data || self.faults.is_full() {
            return;
        }
        let members = match &mut node.value {
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.look(item, document, (what, false), steps));
                return;
            }
            Value::Object(object) => std::mem::take(object).into_members(),
            _ => return,
        };
        let mut members = members;
        if !many && let Some(at) = members.iter().position(|member| member.key == "$ref") {
            let reference = members.get(at).map(|member| member.value.clone());
            let target = reference.and_then(|reference| self.target(&reference, document));
            if what == PathItem {
                if let Some((there, pointer)) = target.filter(|(there, _)| *there != 0) {
                    members.remove(at);
                    return self.item(node, members, document, (there, &pointer), steps);
                }
            } else if let (Some((there, pointer)), Some(member)) = (target, members.get_mut(at)) {
                let place = member.value.at;
                if let Some(new) = self.component(there, &pointer, what, place) {
                    member.value.value = Value::String(new);
                }
            }
        }
        for member in &mut members {
            let inner = if many { (what, false) } else { what.member(&member.key) };
            if !many && what == Schema && member.key == "discriminator" {
                self.discriminator(&mut member.value, document);
            }
            self.look(&mut member.value, document, inner, steps);
        }
        node.value = Value::Object(Object::new(members));
    }

    /// A path item of another document, written out; what stands beside the reference counts before it.
    fn item(
        &mut self,
        node: &mut Node,
        mut members: Vec<Member>,
        document: usize,
        (there, pointer): (usize, &str),
        steps: usize,
    ) {
        let found = self.found(there, pointer, node.at);
        if steps >= STEPS_MAX {
            let cure = "write the path item out in one place";
            self.faults.push(node.at, "the `$ref` of a path item leads in a circle", cure);
            return;
        }
        for member in &mut members {
            let inner = PathItem.member(&member.key);
            self.look(&mut member.value, document, inner, steps);
        }
        if let Some(mut target) = found {
            self.look(&mut target, there, (PathItem, false), steps + 1);
            if let Value::Object(object) = target.value {
                for member in object.into_members() {
                    if members.iter().all(|known| known.key != member.key) {
                        members.push(member);
                    }
                }
            }
        }
        node.value = Value::Object(Object::new(members));
    }

    /// The values of a mapping are references or names of schemas.
    fn discriminator(&mut self, node: &mut Node, document: usize) {
        let Value::Object(object) = &mut node.value else { return };
        let mut members = std::mem::take(object).into_members();
        for member in members.iter_mut().filter(|member| member.key == "mapping") {
            let Value::Object(mapping) = &mut member.value.value else { continue };
            let mut values = std::mem::take(mapping).into_members();
            for value in &mut values {
                let Some(text) = value.value.as_str().map(str::to_owned) else { continue };
                let is_reference = text.contains(['#', '/'])
                    || [".json", ".yaml", ".yml"].iter().any(|end| text.ends_with(end));
                let reference = match is_reference {
                    true => text,
                    false if document == 0 => continue,
                    false => format!("#/components/schemas/{text}"),
                };
                let said = Node { at: value.value.at, value: Value::String(reference) };
                if let Some((there, pointer)) = self.target(&said, document)
                    && let Some(new) = self.component(there, &pointer, Schema, said.at)
                {
                    value.value.value = Value::String(new);
                }
            }
            *mapping = Object::new(values);
        }
        node.value = Value::Object(Object::new(members));
    }

    /// The document that a reference leads to, and the pointer in it; none where nothing has to be done.
    fn target(&mut self, reference: &Node, document: usize) -> Option<(usize, String)> {
        let text = reference.as_str()?;
        let (location, fragment) = text.split_once('#').unwrap_or((text, ""));
        if location.is_empty() {
            // Within the first document every reference is right as it stands.
            return (document != 0).then(|| (document, fragment.to_owned()));
        }
        let there = self.load(location, document, reference.at)?;
        Some((there, fragment.to_owned()))
    }

    fn load(&mut self, location: &str, by: usize, at: Position) -> Option<usize> {
        let base = self.documents.get(by).map(|document| document.url.clone()).unwrap_or_default();
        let cure = "put the document there, or correct the reference";
        let document = match self.resolver.resolve(None, Some(location), &base) {
            Ok(Some(document)) => document,
            Ok(None) => {
                self.faults.push(at, format!("the document `{location}` is not there"), cure);
                return None;
            }
            Err(why) => {
                self.faults.push(
                    at,
                    format!("the document `{location}` cannot be had: {why}"),
                    cure,
                );
                return None;
            }
        };
        if let Some(known) = self.documents.iter().position(|known| known.url == document.url) {
            return Some(known);
        }
        self.bytes = self.bytes.saturating_add(document.bytes.len());
        if self.documents.len() > DOCUMENTS_MAX
            || self.bytes > BYTES_MAX
            || document.bytes.len() > DOCUMENT_BYTES_MAX
        {
            let message = format!(
                "with `{location}` the documents are more than {DOCUMENTS_MAX}, or too large"
            );
            self.faults.push(at, message, "bundle the contract into one file");
            return None;
        }
        let number = self.documents.len();
        let read = parsed(&document.bytes, &document.url);
        let root = match read {
            Ok(mut root) => {
                mark(&mut root, u16::try_from(number).unwrap_or(u16::MAX));
                Some(root)
            }
            Err(faults) => {
                let told = |mut fault: ContractFault| {
                    fault.subject = Subject::Document(number.to_string());
                    fault
                };
                self.faults.extend(faults.into_iter().map(told));
                None
            }
        };
        self.documents.push(Document { url: document.url, root });
        Some(number)
    }

    /// The reference to what a pointer of another document leads to, as a component of this one.
    fn component(
        &mut self,
        there: usize,
        pointer: &str,
        what: What,
        at: Position,
    ) -> Option<String> {
        if there == 0 {
            return Some(format!("#{pointer}"));
        }
        let section = what.section()?;
        let key = (there, pointer.to_owned(), what);
        let name = match self.made.get(&key) {
            Some(known) => known.clone(),
            None => {
                let node = self.found(there, pointer, at)?;
                let name = self.name(section, there, pointer);
                self.made.insert(key, name.clone());
                self.open.push((there, what, section, name.clone(), node));
                name
            }
        };
        Some(format!("#/components/{section}/{name}"))
    }

    fn found(&mut self, there: usize, pointer: &str, at: Position) -> Option<Node> {
        let document = self.documents.get(there)?;
        // What is wrong with a document that could not be read was told.
        let root = document.root.as_ref()?;
        let Some(node) = root.pointer(&percent_decoded(pointer)) else {
            let message = format!("`#{pointer}` does not exist in `{}`", document.url);
            self.faults.push(at, message, "correct the pointer, or add what it names");
            return None;
        };
        let node = node.clone();
        self.values = self.values.saturating_add(count(&node));
        if self.values > TreeLimits::default().values {
            let message = "what the references lead to is too much for one document";
            self.faults.push(
                at,
                message,
                "refer to the parts that are needed, not to whole documents",
            );
            return None;
        }
        Some(node)
    }

    /// A name after what is referred to; after its document where that is all of it.
    fn name(&mut self, section: &str, there: usize, pointer: &str) -> String {
        let url = self.documents.get(there).map_or("", |document| &document.url);
        let file = url.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or("part");
        let last = percent_decoded(pointer.rsplit('/').next().unwrap_or_default());
        let wanted = if last.is_empty() { stem } else { &last };
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }
        };
        let wanted: String = wanted.chars().map(plain).take(100).collect();
        let numbered = (2..).map(|number: usize| format!("{wanted}_{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        let free = names.find(|name| self.names.insert((section.to_owned(), name.clone())));
        free.unwrap_or_default()
    }
}

fn parsed(bytes: &[u8], url: &str) -> Result<Node, Vec<ContractFault>> {
    let Some(syntax) = openapi_syntax(bytes, url) else {
        return Err(vec![ContractFault::start(
            "this is XML",
            "refer to a document of JSON or YAML",
        )]);
    };
    let text = text_of(bytes).map_err(|fault| vec![fault])?;
    tree::parse(text, syntax, TreeLimits::default())
}

/// Notes in which document everything stands.
fn mark(node: &mut Node, document: u16) {
    node.at.document = document;
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, document)),
        Value::Object(object) => {
            let mut members = std::mem::take(object).into_members();
            for member in &mut members {
                member.key_at.document = document;
                mark(&mut member.value, document);
            }
            *object = Object::new(members);
        }
        _ => {}
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(object) => object.iter().map(|member| count(&member.value)).sum(),
        _ => 0,
    }
}

fn with_components(root: Node, parts: BTreeMap<&'static str, BTreeMap<String, Node>>) -> Node {
    let at = root.at;
    let Value::Object(object) = root.value else { return root };
    let mut members = object.into_members();
    let mut sections = match members.iter().position(|member| member.key == "components") {
        Some(found) => match members.remove(found).value.value {
            Value::Object(sections) => sections.into_members(),
            _ => Vec::new(),
        },
        None => Vec::new(),
    };
    let member = |key: &str, value: Value| Member {
        key: key.to_owned(),
        key_at: at,
        value: Node { at, value },
    };
    for (section, nodes) in parts {
        let found = sections.iter().position(|member| member.key == section);
        let mut known = match found.map(|found| sections.remove(found).value.value) {
            Some(Value::Object(known)) => known.into_members(),
            _ => Vec::new(),
        };
        for (key, value) in nodes {
            let key_at = value.at;
            known.push(Member { key, key_at, value });
        }
        sections.push(member(section, Value::Object(Object::new(known))));
    }
    members.push(member("components", Value::Object(Object::new(sections))));
    Node { at, value: Value::Object(Object::new(members)) }
}
