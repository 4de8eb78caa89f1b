//! Instances of a schema, made up from a number: for tests of everything that reads a schema, and for examples.
//!
//! The same seed gives the same instance. What is written is in the normal form of the mapping (§5.3): values in
//! their canonical spelling, members of `all` in schema order, no redundant `xsi:type`; so a message that goes to JSON
//! and back has to be the same again.

mod content;
mod value;

use std::fmt::Write as _;

use crate::name::{ExpandedName, NsId};
use crate::transcode::{Part, PartType};
use crate::xsd::model::{ElementId, Schemas, TypeId};

/// Makes instances.
#[derive(Debug)]
pub struct Sampler<'s> {
    schemas: &'s Schemas,
    state: u64,
    out: String,
    /// Elements inside each other.
    depth: usize,
    /// Elements so far.
    elements: usize,
    /// For values that must not come twice.
    next: u64,
}

/// Deeper than this only what has to be there is written.
const SHALLOW: usize = 6;
/// Deeper than this the schema cannot be satisfied with reason.
const DEEP: usize = 40;
/// So many elements make an instance long enough.
const LONG: usize = 300;

impl<'s> Sampler<'s> {
    /// For one seed.
    #[must_use]
    pub fn new(schemas: &'s Schemas, seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
        Self { schemas, state, out: String::new(), depth: 0, elements: 0, next: 0 }
    }

    /// A document whose root is this element. `None` where none was found: values that no guess meets, elements that
    /// hold themselves without end.
    #[must_use]
    pub fn document(mut self, element: ElementId) -> Option<String> {
        self.element(element)?;
        Some(self.out)
    }

    /// A call: the element of an rpc message with its parts, as a literal message has them.
    #[must_use]
    pub fn call(mut self, wrapper: &ExpandedName, parts: &[Part]) -> Option<String> {
        let (local, namespace) = (&wrapper.local, &wrapper.namespace);
        let qname = if namespace.is_empty() { local.to_string() } else { format!("w:{local}") };
        let _ = write!(self.out, "<{qname}");
        if !namespace.is_empty() {
            let _ = write!(self.out, " xmlns:w=\"{namespace}\"");
        }
        self.declarations();
        self.out.push('>');
        for part in parts {
            self.depth = 1;
            let PartType::Type(ty) = part.ty else { return None };
            if self.schemas[ty].is_abstract {
                return None;
            }
            let _ = write!(self.out, "<{}", part.name);
            self.attributes(ty)?;
            self.out.push('>');
            self.content(ty, None)?;
            let _ = write!(self.out, "</{}>", part.name);
        }
        let _ = write!(self.out, "</{qname}>");
        Some(self.out)
    }

    /// A number below `limit`; 0 if that is 0.
    fn pick(&mut self, limit: usize) -> usize {
        // xorshift64*: enough to vary samples.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let drawn = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap_or(0).checked_rem(limit).unwrap_or(0)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.pick(one_in) == 0
    }

    /// Whether what is optional had better be left out.
    const fn is_short(&self) -> bool {
        self.depth > SHALLOW || self.elements > LONG
    }

    fn element(&mut self, declared: ElementId) -> Option<()> {
        if self.depth > DEEP {
            return None;
        }
        let schemas = self.schemas;
        let first = self.depth == 0;
        let choices: Vec<_> =
            schemas.substitutes(declared).filter(|&e| !first || e == declared).collect();
        let element = *choices.get(self.pick(choices.len()))?;
        let decl = &schemas[element];
        // What may stand for the type, none blocked.
        let types = schemas.concrete_types(decl.ty, decl.block);
        let plain = types.first() == Some(&decl.ty) && !self.chance(4);
        let ty = if plain { decl.ty } else { *types.get(self.pick(types.len()))? };
        let (_, local) = schemas.symbols.name(decl.name);
        let qname = qualified(decl.namespace, local);
        (self.depth, self.elements) = (self.depth + 1, self.elements + 1);
        let _ = write!(self.out, "<{qname}");
        if first {
            self.declarations();
        }
        let simple = |ty: TypeId| schemas[ty].simple().is_some() && ty != TypeId::ANY_SIMPLE;
        if ty != decl.ty && !(simple(ty) && simple(decl.ty)) {
            let name = schemas[ty].name?;
            let (namespace, local) = schemas.symbols.name(name);
            let _ = write!(self.out, " xsi:type=\"{}\"", qualified(namespace, local));
        }
        let nil = decl.nillable && decl.value.as_ref().is_none_or(|v| !v.fixed) && self.chance(5);
        if nil {
            self.out.push_str(" xsi:nil=\"true\"");
        }
        self.attributes(ty)?;
        if nil {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.content(ty, decl.value.as_ref())?;
            let _ = write!(self.out, "</{qname}>");
        }
        self.depth -= 1;
        Some(())
    }

    /// Every namespace of the schemas by its number, on the root.
    fn declarations(&mut self) {
        let symbols = &self.schemas.symbols;
        for number in 0..symbols.namespaces() {
            let namespace = NsId::from_index(number);
            if matches!(namespace, NsId::NONE | NsId::XML | NsId::XMLNS) {
                continue;
            }
            let uri = symbols
                .uri(namespace)
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;");
            let _ = write!(self.out, " xmlns:p{number}=\"{uri}\"");
        }
        let _ = write!(self.out, " xmlns:xsi=\"{}\"", crate::name::XSI);
    }
}

fn qualified(namespace: NsId, local: &str) -> String {
    match namespace {
        NsId::NONE => local.to_owned(),
        NsId::XML => format!("xml:{local}"),
        _ => format!("p{}:{local}", namespace.index()),
    }
}
