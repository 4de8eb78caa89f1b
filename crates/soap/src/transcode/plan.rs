//! What is compiled once: the shape of every type, the tags of every element, the bodies of messages.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::names::Names;
use super::scalar::Scalar;
use super::shape::{Kind, Shape, What};
use super::{Options, Spelling};
use crate::name::{ExpandedName, NsId};
use crate::xsd::model::{ElementId, Schemas, TypeId};

/// Everything the transcoders need to know of a set of schemas.
#[derive(Debug)]
pub struct Plan {
    pub(super) schemas: Arc<Schemas>,
    pub(super) options: Options,
    pub(super) names: Names,
    /// The type `swaRef`.
    pub(super) swa_ref: Option<TypeId>,
    /// By type.
    shapes: Vec<Shape>,
    /// By type; for simple types and for the simple content of complex ones.
    scalars: Vec<Option<Scalar>>,
    /// By element.
    tags: Vec<Tag>,
    /// What the option `xml_string` names, and is no type with mixed content.
    unmixed: Vec<String>,
}

/// What a message's body holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One element: document/literal, wrapped or bare. The JSON is its value; a simple one stands under `$value`.
    Element(ElementId),
    /// Several elements side by side: document/literal with several parts. The JSON is an object by part name.
    Parts(Vec<Part>),
    /// rpc/literal: an element named after the operation, a child without namespace for each part.
    Rpc {
        /// The element around the parts.
        wrapper: ExpandedName,
        /// In order.
        parts: Vec<Part>,
    },
    /// One of several elements, as in the detail of a fault. The JSON is an object whose only key is its local name.
    OneOf(Vec<ElementId>),
    /// Nothing at all.
    Empty,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name: the key in JSON, and the accessor in rpc.
    pub name: String,
    /// What it is.
    pub ty: PartType,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartType {
    /// A global element.
    Element(ElementId),
    /// An accessor of a type.
    Type(TypeId),
}

/// How an element is written.
#[derive(Debug, Default)]
pub(super) struct Tag {
    /// `<ns1:local`
    pub(super) open: Box<str>,
    /// `</ns1:local>`
    pub(super) close: Box<str>,
    pub(super) namespace: NsId,
}

/// A message of one kind, ready to be transcoded.
#[derive(Debug)]
pub struct Message {
    pub(super) body: Body,
    /// Whether it is written by the rules of an encoding, and not as its schema says.
    pub(super) encoded: bool,
    /// The parts of the WSDL that travel beside the envelope, by name.
    pub(super) attachments: Vec<Box<str>>,
    /// The namespaces that its elements may need, declared on the outermost one.
    pub(super) namespaces: Vec<NsId>,
    /// Whether its JSON says inside of an object what the object is.
    pub(super) looks_ahead: bool,
}

/// So many namespaces are declared at once; others where they occur.
const DECLARED: usize = 12;

impl Message {
    /// What it holds.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Says how it is written.
    #[must_use]
    pub fn written(mut self, use_: &crate::wsdl::catalog::Use) -> Self {
        self.encoded = matches!(use_, crate::wsdl::catalog::Use::Encoded(_));
        self
    }

    /// Whether it is written by the rules of an encoding: what stands in the body is not what transcoders read and write,
    /// see [`encoding`](crate::encoding).
    #[must_use]
    pub const fn is_encoded(&self) -> bool {
        self.encoded
    }

    /// Whether its JSON may say inside of an object what the object is: a type (`$type`), a name (`$name`), bytes beside it. Then an encoder has
    /// to be given whole objects.
    #[must_use]
    pub const fn looks_ahead(&self) -> bool {
        self.looks_ahead
    }

    /// Says which parts of the WSDL travel beside its envelope.
    #[must_use]
    pub fn beside(mut self, attachments: &[crate::wsdl::catalog::Attachment]) -> Self {
        self.attachments = attachments.iter().map(|one| one.part.name.as_str().into()).collect();
        self
    }

    /// Their names, in order.
    pub fn attachments(&self) -> impl Iterator<Item = &str> {
        self.attachments.iter().map(|name| &**name)
    }

    pub(super) fn parts(&self) -> &[Part] {
        match &self.body {
            Body::Parts(parts) | Body::Rpc { parts, .. } => parts,
            Body::Element(_) | Body::OneOf(_) | Body::Empty => &[],
        }
    }

    pub(super) fn part(&self, number: u32) -> Option<PartType> {
        self.parts().get(number as usize).map(|part| part.ty)
    }

    pub(super) fn part_name(&self, number: u32) -> &str {
        self.parts().get(number as usize).map_or("", |part| &part.name)
    }
}

impl Plan {
    /// Prepares a message.
    #[must_use]
    pub fn message(&self, body: Body) -> Message {
        let mut reach = Reach::default();
        let parts = match &body {
            Body::Element(element) => {
                reach.element(self, *element);
                &[][..]
            }
            Body::Parts(parts) | Body::Rpc { parts, .. } => parts,
            Body::OneOf(elements) => {
                elements.iter().for_each(|&element| reach.element(self, element));
                &[]
            }
            Body::Empty => &[],
        };
        for part in parts {
            match part.ty {
                PartType::Element(element) => reach.element(self, element),
                PartType::Type(ty) => reach.types.push(ty),
            }
        }
        reach.follow(self);
        Message {
            body,
            encoded: false,
            attachments: Vec::new(),
            namespaces: reach.namespaces,
            looks_ahead: reach.looks_ahead,
        }
    }
}

/// What a message may hold, found by walking through the shapes.
#[derive(Default)]
struct Reach {
    types: Vec<TypeId>,
    seen: FxHashSet<TypeId>,
    namespaces: Vec<NsId>,
    looks_ahead: bool,
}

impl Reach {
    fn element(&mut self, plan: &Plan, element: ElementId) {
        let decl = &plan.schemas[element];
        self.namespace(decl.namespace);
        let shape = plan.shape(decl.ty);
        // Between simple types xsi:type is not written.
        if decl.nillable || (shape.polymorphic && !matches!(shape.kind, Kind::Simple)) {
            self.namespace(NsId::XSI);
        }
        self.types.push(decl.ty);
    }

    fn namespace(&mut self, namespace: NsId) {
        if namespace != NsId::NONE
            && !self.namespaces.contains(&namespace)
            && self.namespaces.len() < DECLARED
        {
            self.namespaces.push(namespace);
        }
    }

    fn follow(&mut self, plan: &Plan) {
        while let Some(ty) = self.types.pop() {
            if !self.seen.insert(ty) {
                continue;
            }
            let shape = plan.shape(ty);
            self.looks_ahead |= plan.is_swa_ref(ty)
                || match &shape.kind {
                    Kind::Simple => false,
                    Kind::Any | Kind::AnySimple => true,
                    Kind::Mixed(elements) => !elements.as_text || shape.polymorphic,
                    _ => shape.polymorphic,
                };
            for attribute in &shape.attributes.known {
                if attribute.namespace != NsId::XML {
                    self.namespace(attribute.namespace);
                }
            }
            let members = shape
                .elements()
                .into_iter()
                .flat_map(|elements| elements.scopes.iter().flat_map(|s| &s.members));
            for member in members {
                match member.what {
                    What::Element(element) => self.element(plan, element),
                    What::Any => self.looks_ahead = true,
                    What::Items(_) => {}
                }
            }
        }
    }
}

impl Plan {
    /// Compiles the plan of a set of schemas.
    #[must_use]
    pub fn new(schemas: Arc<Schemas>, options: Options) -> Self {
        let names = Names::new(&schemas);
        let scalars = schemas
            .all_types()
            .map(|(id, _)| {
                schemas
                    .simple_content(id)
                    .map(|simple| Scalar::new(&simple.compiled, options.spelling()))
            })
            .collect();
        let tags = schemas
            .all_elements()
            .map(|(_, decl)| Tag::new(&schemas, &names, decl.namespace, decl.name))
            .collect();
        let mut shapes: Vec<Shape> = schemas
            .all_types()
            .map(|(id, _)| Shape::compile(&schemas, &names, &options, id))
            .collect();
        let swa_ref = super::parts::swa_ref(&schemas);
        let unmixed = text_content(&schemas, &names, &options, &mut shapes);
        Self { options, names, swa_ref, shapes, scalars, tags, unmixed, schemas }
    }

    /// The schemas it was made from.
    #[must_use]
    pub fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// The options it was made with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// What the option `xml_string` names, and is no type with mixed content.
    #[must_use]
    pub fn unmixed(&self) -> &[String] {
        &self.unmixed
    }

    /// The aliases of namespaces and types.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn shape(&self, ty: TypeId) -> &Shape {
        // One a type, made with the schemas.
        &self.shapes[ty.index()]
    }

    pub(super) fn scalar(&self, ty: TypeId) -> Option<&Scalar> {
        self.scalars.get(ty.index()).and_then(Option::as_ref)
    }

    pub(super) fn tag(&self, element: ElementId) -> &Tag {
        &self.tags[element.index()]
    }

    pub(crate) const fn spelling(&self) -> Spelling {
        self.options.spelling()
    }
}

/// Notes whose content is a text; what cannot be is answered.
fn text_content(
    schemas: &Schemas,
    names: &Names,
    options: &Options,
    shapes: &mut [Shape],
) -> Vec<String> {
    if options.xml_string.is_empty() {
        return Vec::new();
    }
    let (components, _) = crate::openapi::component_names(schemas, names);
    let mut unmixed = Vec::new();
    for wanted in &options.xml_string {
        let mut found = false;
        for (at, shape) in shapes.iter_mut().enumerate() {
            let Kind::Mixed(elements) = &mut shape.kind else { continue };
            let named = names.type_named(wanted).is_some_and(|ty| ty.index() == at);
            if wanted == "*" || named || components.get(at).is_some_and(|name| name == wanted) {
                (elements.as_text, found) = (true, true);
            }
        }
        if !found {
            unmixed.push(wanted.clone());
        }
    }
    unmixed
}

impl Tag {
    fn new(schemas: &Schemas, names: &Names, namespace: NsId, name: crate::name::Sym) -> Self {
        let (_, local) = schemas.symbols.name(name);
        let qname = names.qualified(namespace, local);
        Self { open: format!("<{qname}").into(), close: format!("</{qname}>").into(), namespace }
    }
}
