//! From an encoded body to the literal one: references followed, arrays unfolded, marks of the encoding left out.
//!
//! What a message claims costs nothing: room is taken for items that came, not for as many as an array says that it has, and
//! what is shared is written out under the limits of a document, so that references cannot multiply without end.

use rustc_hash::FxHashMap;

use super::{ITEM, is_encoding, item_of};
use crate::{
    Fault, FaultKind, Limits,
    name::{SOAP11, SOAP12, XSD, XSI, split},
    transcode::{Body, Message, PartType},
    xml::{Event, Reader, Writer},
    xsd::{
        Schemas,
        model::{Term, TypeId},
        values::Builtin,
    },
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// A message that is read, element by element.
struct Tree {
    nodes: Vec<Node>,
    /// The children of the body.
    roots: Vec<usize>,
    ids: FxHashMap<String, usize>,
}

#[derive(Default)]
struct Node {
    namespace: String,
    local: String,
    /// But for those of the encoding and of `xsi`.
    attributes: Vec<(String, String, String)>,
    /// `xsi:type`, expanded.
    ty: Option<(String, String)>,
    nil: bool,
    /// The identifier of the element that it stands for.
    refers: Option<String>,
    array: Option<Array>,
    /// Where it says that it stands in its array.
    position: Option<String>,
    text: String,
    children: Vec<usize>,
}

/// What an element says of itself as an array.
#[derive(Default)]
struct Array {
    /// The sizes of its own dimensions; empty where it says none.
    sizes: Vec<u64>,
    /// The index of the first item that is there.
    offset: Option<String>,
}

/// The content of a literal body: what `document`, a whole envelope or what is in its body, says.
///
/// # Errors
/// When it cannot be read, or refers to what is not there, to itself, or to too much.
pub fn literal(
    schemas: &Schemas,
    document: &[u8],
    charset: Option<&str>,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>> {
    let tree = Tree::read(document, charset, limits)?;
    let Some(&root) = tree.roots.first() else { return Ok(Vec::new()) };
    let mut out = Unfolding {
        tree: &tree,
        schemas,
        limits,
        writer: Writer::default(),
        nodes: 0,
        open: Vec::new(),
    };
    let parts = match message.body() {
        Body::Rpc { parts, .. } => parts.as_slice(),
        _ => &[],
    };
    let node = &tree.nodes[root];
    out.writer.start_in(&node.namespace, &node.local, "m");
    let accessors =
        || node.children.iter().copied().filter(|&child| !tree.nodes[child].is_result());
    let part = |local: &str| parts.iter().find(|part| part.name == local);
    let known = accessors().any(|child| part(&tree.nodes[child].local).is_some());
    for child in accessors() {
        // The name of the value that a call returns says nothing (SOAP 1.1, section 7.1).
        let found = match parts {
            [only] if !known && accessors().count() == 1 => Some(only),
            _ => part(&tree.nodes[child].local),
        };
        let name = found.map_or(tree.nodes[child].local.as_str(), |part| part.name.as_str());
        let ty = found.map(|part| match part.ty {
            PartType::Element(element) => schemas[element].ty,
            PartType::Type(ty) => ty,
        });
        out.element(child, "", name, ty)?;
    }
    out.writer.end();
    Ok(out.writer.finish())
}

impl Node {
    /// `rpc:result` only names the accessor of the result (SOAP 1.2 Part 2, section 4.2.1).
    fn is_result(&self) -> bool {
        self.namespace == "http://www.w3.org/2003/05/soap-rpc"
    }
}

impl Tree {
    fn read(document: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Self> {
        let mut reader = Reader::with(document, charset, crate::Symbols::none(), limits)?;
        let mut tree = Self { nodes: Vec::new(), roots: Vec::new(), ids: FxHashMap::default() };
        // How deep the elements are whose children are the body's; none before the body.
        let (mut base, mut open): (Option<usize>, Vec<usize>) = (None, Vec::new());
        loop {
            match reader.pull()? {
                Event::Start => {
                    let name = reader.name();
                    let soap = matches!(reader.uri(name.namespace), SOAP11 | SOAP12);
                    let depth = reader.depth();
                    match base {
                        None if depth == 1 && soap && name.local == "Envelope" => {}
                        None if depth == 1 => base = Some(0),
                        None if depth == 2 && soap && name.local == "Body" => {
                            base = Some(2);
                            continue;
                        }
                        _ => {}
                    }
                    if base.is_some() {
                        tree.add(&reader, &mut open)?;
                    }
                }
                Event::Text => {
                    if let Some(&at) = open.last() {
                        tree.nodes[at].text.push_str(reader.text());
                    }
                }
                Event::End => {
                    open.pop();
                    if base.is_some_and(|base| reader.depth() == base) {
                        break;
                    }
                }
                Event::Eof | Event::NeedMore => break,
                Event::Comment | Event::Instruction => {}
            }
        }
        Ok(tree)
    }

    fn add(&mut self, reader: &Reader<'_>, open: &mut Vec<usize>) -> Result {
        let name = reader.name();
        let mut node = Node {
            namespace: reader.uri(name.namespace).to_owned(),
            local: name.local.to_owned(),
            ..Node::default()
        };
        let at = self.nodes.len();
        for attribute in reader.attributes() {
            let (namespace, local) = (reader.uri(attribute.name.namespace), attribute.name.local);
            let value = attribute.value;
            match (namespace, local) {
                ("", "id") => self.identify(reader, value, at)?,
                (encoding, "id") if is_encoding(encoding) => self.identify(reader, value, at)?,
                ("", "href") => node.refers = Some(fragment(reader, value)?),
                (encoding, "ref") if is_encoding(encoding) => {
                    node.refers = Some(value.trim().to_owned());
                }
                (encoding, "arrayType" | "arraySize") if is_encoding(encoding) => {
                    let array = node.array.get_or_insert_default();
                    array.sizes = sizes(value)
                        .ok_or_else(|| wrong(reader, "the size of an array is a row of numbers"))?;
                }
                (encoding, "itemType") if is_encoding(encoding) => {
                    node.array.get_or_insert_default();
                }
                (encoding, "offset") if is_encoding(encoding) => {
                    node.array.get_or_insert_default().offset = Some(value.to_owned());
                }
                (encoding, "position") if is_encoding(encoding) => {
                    node.position = Some(value.to_owned());
                }
                (encoding, _) if is_encoding(encoding) => {}
                (SOAP11 | SOAP12, _) => {}
                (XSI, "nil" | "null") => node.nil = matches!(value.trim(), "1" | "true"),
                (XSI, "type") => {
                    let (prefix, local) = split(value.trim());
                    let namespace = reader.namespace(prefix).map(|id| reader.uri(id));
                    match namespace {
                        Some(namespace) if is_encoding(namespace) && local == "Array" => {
                            node.array.get_or_insert_default();
                        }
                        Some(namespace) => node.ty = type_of(namespace, local),
                        None => {
                            return Err(wrong(reader, "the prefix of xsi:type is not declared"));
                        }
                    }
                }
                (XSI, _) => {}
                (namespace, local) => {
                    node.attributes.push((
                        namespace.to_owned(),
                        local.to_owned(),
                        value.to_owned(),
                    ));
                }
            }
        }
        match open.last() {
            Some(&around) => self.nodes[around].children.push(at),
            None => self.roots.push(at),
        }
        open.push(at);
        self.nodes.push(node);
        Ok(())
    }

    fn identify(&mut self, reader: &Reader<'_>, id: &str, at: usize) -> Result {
        match self.ids.insert(id.trim().to_owned(), at) {
            None => Ok(()),
            Some(_) => Err(wrong(reader, format!("the identifier {id:?} stands here twice"))),
        }
    }
}

/// A built-in type of an encoding is one of XML Schema.
fn type_of(namespace: &str, local: &str) -> Option<(String, String)> {
    match is_encoding(namespace) {
        false => Some((namespace.to_owned(), local.to_owned())),
        true => Builtin::by_name(local).map(|_| (XSD.to_owned(), local.to_owned())),
    }
}

fn fragment(reader: &Reader<'_>, href: &str) -> Result<String> {
    match href.trim().strip_prefix('#') {
        Some(id) => Ok(id.to_owned()),
        // T46: nothing is fetched because a message says so.
        None => Err(wrong(reader, "a reference leads out of the message")),
    }
}

/// The sizes that `tns:Line[2]`, `xsd:int[][2,3]` or `2 3` give. A dimension without one is open.
fn sizes(value: &str) -> Option<Vec<u64>> {
    let inside = match value.rsplit_once('[') {
        Some((_, rest)) => rest.trim_end().strip_suffix(']')?,
        None => value,
    };
    let words =
        inside.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty() && *word != "*");
    words.map(|word| word.parse().ok()).collect()
}

/// `[2]` or `[1,0]` as an index; none where it is no such thing.
fn index(value: &str, sizes: &[u64]) -> Option<u64> {
    let inside = value.trim().strip_prefix('[')?.strip_suffix(']')?;
    let numbers: Option<Vec<u64>> =
        inside.split(',').map(|word| word.trim().parse().ok()).collect();
    let numbers = numbers?;
    match numbers.as_slice() {
        [only] => Some(*only),
        many if many.len() == sizes.len() => many
            .iter()
            .zip(sizes)
            .try_fold(0u64, |at, (number, size)| at.checked_mul(*size)?.checked_add(*number)),
        _ => None,
    }
}

fn wrong(reader: &Reader<'_>, message: impl Into<String>) -> Box<Fault> {
    reader.fault(FaultKind::Message, message)
}

/// Writes the literal form.
struct Unfolding<'t> {
    tree: &'t Tree,
    schemas: &'t Schemas,
    limits: &'t Limits,
    writer: Writer,
    /// How many elements were written.
    nodes: u64,
    /// The elements that are being written, by number.
    open: Vec<usize>,
}

impl Unfolding<'_> {
    /// Writes an element whose type is the one that is declared, or that it names itself, where the schemas know it.
    fn element(
        &mut self,
        at: usize,
        namespace: &str,
        local: &str,
        declared: Option<TypeId>,
    ) -> Result {
        let tree = self.tree;
        let mut target = at;
        // A reference may lead to one that refers on.
        for _ in 0..self.limits.depth {
            let Some(id) = &tree.nodes[target].refers else { break };
            let found = tree.ids.get(id).copied();
            target =
                found.ok_or_else(|| message(format!("nothing here has the identifier {id:?}")))?;
        }
        let node = &tree.nodes[target];
        if node.refers.is_some() || self.open.contains(&target) {
            return Err(message("a value refers to itself, and JSON has no way to say that"));
        }
        self.count(1)?;
        if self.open.len() >= self.limits.depth as usize {
            return Err(limit("elements inside each other", u64::from(self.limits.depth)));
        }
        self.open.push(target);
        self.writer.start_in(namespace, local, "m");
        for (namespace, local, value) in &node.attributes {
            self.writer
                .attribute_in(namespace, local, "a", value)
                .map_err(|why| message(why.to_string()))?;
        }
        let named = node
            .ty
            .as_ref()
            .and_then(|(namespace, local)| self.schemas.type_(self.schemas.sym(namespace, local)));
        let ty = named.or(declared);
        let item = declared.or(ty).and_then(|ty| item_of(self.schemas, ty));
        if node.nil && node.children.is_empty() {
            self.nil()?;
        } else if let Some(array) = &node.array {
            self.array(node, array, item)?;
        } else if item.is_some() {
            // An array that does not say that it is one.
            self.array(node, &Array::default(), item)?;
        } else {
            self.content(node, ty)?;
        }
        self.writer.end();
        self.open.pop();
        Ok(())
    }

    fn content(&mut self, node: &Node, ty: Option<TypeId>) -> Result {
        if let Some((namespace, local)) = &node.ty {
            let name = self.writer.qname(namespace, local, "t");
            let written = self.writer.attribute_in(XSI, "type", "xsi", &name);
            written.map_err(|why| message(why.to_string()))?;
        }
        if node.children.is_empty() {
            return self.writer.text(&node.text).map_err(|why| message(why.to_string()));
        }
        // The order of the members of a structure says nothing (SOAP 1.1, section 5.1), and its schema wants one.
        let members = ty.and_then(|ty| self.schemas.particle_of(ty));
        let members: Vec<_> = members.map_or_else(Vec::new, |at| self.schemas.slots(at));
        let place = |child: usize| {
            let local = self.tree.nodes[child].local.as_str();
            members.iter().position(|slot| match slot.term {
                Term::Element(element) => {
                    self.schemas.symbols.name(self.schemas[element].name).1 == local
                }
                _ => false,
            })
        };
        let mut children: Vec<(Option<usize>, usize)> =
            node.children.iter().map(|&child| (place(child), child)).collect();
        if children.iter().all(|(place, _)| place.is_some()) {
            children.sort_by_key(|(place, _)| *place);
        }
        for (place, child) in children {
            let ty = place.and_then(|at| members.get(at)).and_then(|slot| match slot.term {
                Term::Element(element) => Some(self.schemas[element].ty),
                _ => None,
            });
            let (namespace, local) =
                (&self.tree.nodes[child].namespace, &self.tree.nodes[child].local);
            self.element(child, namespace, local, ty)?;
        }
        Ok(())
    }

    fn nil(&mut self) -> Result {
        let written = self.writer.attribute_in(XSI, "nil", "xsi", "true");
        written.map_err(|why| message(why.to_string()))
    }

    /// The items of an array, in their places; those of several dimensions row by row.
    fn array(&mut self, node: &Node, array: &Array, item: Option<TypeId>) -> Result {
        let places = self.places(node, array)?;
        let inner: &[u64] = array.sizes.get(1..).unwrap_or_default();
        self.rows(&places, 0..places.last().map_or(0, |(place, _)| place + 1), inner, item)
    }

    /// Which item stands where, in order.
    fn places(&self, node: &Node, array: &Array) -> Result<Vec<(u64, usize)>> {
        let unclear = || message("the place of an array's item is not a number in brackets");
        let mut next = match &array.offset {
            Some(offset) => index(offset, &array.sizes).ok_or_else(unclear)?,
            None => 0,
        };
        let mut places = Vec::with_capacity(node.children.len());
        for &child in &node.children {
            if let Some(position) = &self.tree.nodes[child].position {
                next = index(position, &array.sizes).ok_or_else(unclear)?;
            }
            places.push((next, child));
            next = next.saturating_add(1);
        }
        places.sort_unstable_by_key(|(place, _)| *place);
        if places.windows(2).any(|two| matches!(two, [(a, _), (b, _)] if a == b)) {
            return Err(message("two items of an array have the same place"));
        }
        Ok(places)
    }

    /// Items in a range of places. A place without an item is nil.
    fn rows(
        &mut self,
        places: &[(u64, usize)],
        range: std::ops::Range<u64>,
        inner: &[u64],
        item: Option<TypeId>,
    ) -> Result {
        let Some((_, deeper)) = inner.split_first() else {
            let first = range.start;
            let mut places = places.iter().skip_while(|(place, _)| *place < first).peekable();
            for place in range {
                match places.next_if(|(there, _)| *there == place) {
                    Some(&(_, child)) => self.element(child, "", ITEM, item)?,
                    None => {
                        self.count(1)?;
                        self.writer.start_in("", ITEM, "m");
                        self.nil()?;
                        self.writer.end();
                    }
                }
            }
            return Ok(());
        };
        let product = inner.iter().try_fold(1u64, |all, size| all.checked_mul(*size));
        let row = product
            .filter(|row| *row > 0)
            .ok_or_else(|| message("an array's sizes make no row"))?;
        let mut start = range.start;
        while start < range.end {
            self.count(1)?;
            self.writer.start_in("", ITEM, "m");
            let inside = item.and_then(|item| item_of(self.schemas, item));
            self.rows(places, start..start.saturating_add(row), deeper, inside)?;
            self.writer.end();
            start = start.saturating_add(row);
        }
        Ok(())
    }

    fn count(&mut self, more: u64) -> Result {
        self.nodes += more;
        if self.nodes > self.limits.nodes {
            return Err(limit("elements with what is referred to written out", self.limits.nodes));
        }
        if self.writer.written().len() as u64 > self.limits.document_bytes {
            return Err(limit(
                "bytes with what is referred to written out",
                self.limits.document_bytes,
            ));
        }
        Ok(())
    }
}

fn message(text: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Message, text))
}

fn limit(what: &str, most: u64) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Limit, format!("{what}: more than {most}")))
}
