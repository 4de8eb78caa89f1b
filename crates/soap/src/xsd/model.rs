//! The compiled component model: what every reader of a schema asks, by index and never by name of a file.
//!
//! [`Schemas`] is made once by [`load`](super::load) and never changes. Components refer to each other by the small
//! numbers of this module, so that recursion costs nothing and an `Arc<Schemas>` can be shared by all threads. The four
//! products of a schema (validator, JSON Schema, both transcoders) read this and nothing else.
//!
//! Where to begin: [`Schemas::element`] by name gives an [`ElementDecl`]; its `ty` is a [`TypeDef`]; a complex one has
//! `attributes` and a [`Content`], whose particle is a tree of [`Particle`]s in schema order. [`Schemas::slots`]
//! flattens that tree with effective occurrence. Questions about derivation and substitution are in
//! [`query`].

use std::sync::Arc;

use super::content::Model;
use super::values::{SimpleType, Value};
use crate::fault::Place;
use crate::name::{ExpandedName, NsId, Sym, Symbols};

mod query;
mod wildcard;

pub use query::Slot;
pub(crate) use query::times;
pub use wildcard::{NamespaceSet, Process, Wildcard};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// As an index.
            #[inline]
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The inverse of [`Self::index`].
            pub(crate) fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }
    )*};
}

ids! {
    /// An element declaration, global or local.
    ElementId
    /// An attribute declaration, global or local.
    AttributeId
    /// A type definition, simple or complex, named or anonymous.
    TypeId
    /// A particle.
    ParticleId
    /// A model group.
    GroupId
    /// A wildcard for elements or attributes.
    WildcardId
    /// A compiled content model.
    ModelId
    /// An identity constraint.
    ConstraintId
}

impl TypeId {
    /// `xs:anyType`, the root of all types.
    pub const ANY: Self = Self(0);
    /// `xs:anySimpleType`.
    pub const ANY_SIMPLE: Self = Self(1);
}

/// `maxOccurs="unbounded"`.
pub const UNBOUNDED: u32 = u32::MAX;

/// All components of a set of schema documents.
#[derive(Debug)]
pub struct Schemas {
    /// Every name of the schemas; readers that are given this table yield its numbers.
    pub symbols: Symbols,
    /// The namespaces that schema documents were read for, in order of reading.
    pub namespaces: Vec<NsId>,
    pub(super) elements: Vec<ElementDecl>,
    pub(super) attributes: Vec<AttributeDecl>,
    pub(super) types: Vec<TypeDef>,
    pub(super) particles: Vec<Particle>,
    pub(super) groups: Vec<ModelGroup>,
    pub(super) wildcards: Vec<Wildcard>,
    pub(super) models: Vec<Model>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) globals: Globals,
}

/// Who is behind a global name. Indexed by [`Sym`]: a name that is none of a kind has `u32::MAX` there.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) elements: Vec<u32>,
    pub(super) attributes: Vec<u32>,
    pub(super) types: Vec<u32>,
    pub(super) groups: Vec<u32>,
    /// For each type those derived from it directly.
    pub(super) derived: Vec<Vec<TypeId>>,
}

/// An element declaration.
#[derive(Debug, Clone)]
pub struct ElementDecl {
    /// Its name. A qualified one has a namespace: `form` and its defaults are spent here.
    pub name: Sym,
    /// The namespace of the name.
    pub namespace: NsId,
    /// Whether it stands at the top of a schema document.
    pub global: bool,
    /// Its type.
    pub ty: TypeId,
    /// Whether `xsi:nil` may be used.
    pub nillable: bool,
    /// Whether only substitutes may appear.
    pub is_abstract: bool,
    /// What `xsi:type` and substitution may not use.
    pub block: DerivationSet,
    /// What members of its substitution group may not be derived by.
    pub final_: DerivationSet,
    /// Its default or fixed value.
    pub value: Option<ValueConstraint>,
    /// The element it may stand for.
    pub head: Option<ElementId>,
    /// Every element that may stand for it, at any distance, itself left out, what is blocked left out; abstract ones
    /// are in.
    pub members: Vec<ElementId>,
    /// Its identity constraints.
    pub constraints: Vec<ConstraintId>,
    /// Where it is declared.
    pub place: Place,
    /// Its documentation and foreign attributes.
    pub notes: Notes,
}

/// An attribute declaration.
#[derive(Debug, Clone)]
pub struct AttributeDecl {
    /// Its name.
    pub name: Sym,
    /// Whether it stands at the top of a schema document.
    pub global: bool,
    /// Its type, a simple one.
    pub ty: TypeId,
    /// Its default or fixed value, unless the use says otherwise.
    pub value: Option<ValueConstraint>,
    /// Where it is declared.
    pub place: Place,
    /// Its documentation and foreign attributes.
    pub notes: Notes,
}

/// An attribute as a complex type has it. Prohibited ones are left out.
#[derive(Debug, Clone)]
pub struct AttributeUse {
    /// Its name, that of the declaration.
    pub name: Sym,
    /// The declaration.
    pub attribute: AttributeId,
    /// Its type, that of the declaration.
    pub ty: TypeId,
    /// Whether it has to be there.
    pub required: bool,
    /// The default or fixed value in force: of the use, else of the declaration.
    pub value: Option<ValueConstraint>,
    /// `wsdl:arrayType` beside it, expanded: the item type and the dimensions, such as `[]` or `[,][3]`.
    pub array_type: Option<(ExpandedName, Box<str>)>,
}

/// A default or a fixed value.
#[derive(Debug, Clone)]
pub struct ValueConstraint {
    /// Whether no other value may be given.
    pub fixed: bool,
    /// As written in the schema, its white space processed.
    pub lexical: Arc<str>,
    /// Its value; none for mixed content, which has none, and for a value that was at fault.
    pub value: Option<Value>,
}

/// A type definition.
#[derive(Debug, Clone)]
pub struct TypeDef {
    /// Its name; none for an anonymous type.
    pub name: Option<Sym>,
    /// The type it is derived from; that of `xs:anyType` is itself.
    pub base: TypeId,
    /// How it is derived from it.
    pub derivation: Derivation,
    /// Whether it may only serve as a base.
    pub is_abstract: bool,
    /// What `xsi:type` and substitution may not use where this type is declared.
    pub block: DerivationSet,
    /// What may not be derived from it.
    pub final_: DerivationSet,
    /// Simple or complex.
    pub kind: TypeKind,
    /// For an anonymous type the element it belongs to, if it belongs to one.
    pub owner: Option<ElementId>,
    /// Where it is defined.
    pub place: Place,
    /// Its documentation and foreign attributes.
    pub notes: Notes,
}

/// Simple or complex.
#[derive(Debug, Clone)]
pub enum TypeKind {
    /// Text only, no attributes.
    Simple(SimpleDef),
    /// Elements or attributes.
    Complex(ComplexDef),
}

/// A simple type.
#[derive(Debug, Clone)]
pub struct SimpleDef {
    /// The compiled form: checks values, knows facets.
    pub compiled: Arc<SimpleType>,
    /// The item type of a list.
    pub item: Option<TypeId>,
    /// The member types of a union, in order.
    pub members: Vec<TypeId>,
    /// Whether values of it identify or refer.
    pub id: IdKind,
}

/// What `xs:ID` and its kin mean for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdKind {
    /// Nothing.
    #[default]
    None,
    /// It names its element.
    Id,
    /// It refers to one.
    Reference,
    /// It refers to several.
    References,
    /// A union or a list of a union in which some members do.
    Mixed,
}

/// A complex type. Attributes and particle are those in force, inherited ones included.
#[derive(Debug, Clone)]
pub struct ComplexDef {
    /// What stands between its tags.
    pub content: Content,
    /// Its attributes, inherited ones first.
    pub attributes: Vec<AttributeUse>,
    /// Which other attributes may stand there.
    pub any_attribute: Option<WildcardId>,
    /// For an extension: what it adds behind the base's particle. `content` has both.
    pub added: Option<ParticleId>,
}

/// What stands between the tags of a complex type.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing, not even white space.
    Empty,
    /// A value of a simple type.
    Simple(TypeId),
    /// Elements.
    Elements {
        /// The tree of particles; none for mixed content without elements.
        particle: Option<ParticleId>,
        /// Whether text may stand between the elements.
        mixed: bool,
        /// The same tree as tables.
        model: ModelId,
    },
}

/// A term and how often it occurs.
#[derive(Debug, Clone)]
pub struct Particle {
    /// `minOccurs`
    pub min: u32,
    /// `maxOccurs`, or [`UNBOUNDED`].
    pub max: u32,
    /// What occurs.
    pub term: Term,
}

/// What a particle repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// An element.
    Element(ElementId),
    /// Any element of some namespaces.
    Any(WildcardId),
    /// A group of particles. A named group that is referred to twice is one group.
    Group(GroupId),
}

/// A model group.
#[derive(Debug, Clone)]
pub struct ModelGroup {
    /// `sequence`, `choice` or `all`.
    pub compositor: Compositor,
    /// Its particles in schema order.
    pub particles: Vec<ParticleId>,
    /// The name of the group definition it is the content of.
    pub name: Option<Sym>,
    /// Where it stands.
    pub place: Place,
}

/// How the particles of a group go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compositor {
    /// One after the other.
    Sequence,
    /// One of them.
    Choice,
    /// Each at most once, in any order.
    All,
}

/// How a type is derived from its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// Less is allowed.
    Restriction,
    /// Something is added behind.
    Extension,
    /// A list of items.
    List,
    /// One of several types.
    Union,
}

/// A set of ways to derive, and of substitution: the values of `block` and `final`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DerivationSet(u8);

impl DerivationSet {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// `extension`
    pub const EXTENSION: Self = Self(1);
    /// `restriction`
    pub const RESTRICTION: Self = Self(2);
    /// `substitution`
    pub const SUBSTITUTION: Self = Self(4);
    /// `list`
    pub const LIST: Self = Self(8);
    /// `union`
    pub const UNION: Self = Self(16);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of the other are in.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether this way to derive is in.
    #[must_use]
    pub const fn forbids(self, derivation: Derivation) -> bool {
        self.has(match derivation {
            Derivation::Restriction => Self::RESTRICTION,
            Derivation::Extension => Self::EXTENSION,
            Derivation::List => Self::LIST,
            Derivation::Union => Self::UNION,
        })
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// `key`, `unique` or `keyref`.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its name.
    pub name: Sym,
    /// Which of the three.
    pub kind: ConstraintKind,
    /// Which elements it is about: one of these paths.
    pub selector: Vec<Path>,
    /// What identifies them: each one of these paths.
    pub fields: Vec<Vec<Path>>,
    /// The selector and the fields as written.
    pub xpaths: (Box<str>, Vec<Box<str>>),
    /// Where it stands.
    pub place: Place,
    /// Whether its values have to be handed up to a keyref on an element around.
    pub(super) handed_up: bool,
}

/// Which kind of identity constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// Values are there, and unique.
    Key,
    /// Values are unique where there are any.
    Unique,
    /// Values are those of a key or a unique.
    Keyref(ConstraintId),
}

/// A path of the XPath subset of identity constraints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Whether it begins with `.//`.
    pub descendants: bool,
    /// The elements to step through; none for `.`.
    pub steps: Vec<NameTest>,
    /// The attribute at its end.
    pub attribute: Option<NameTest>,
}

/// Which names a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameTest {
    /// Every name.
    Any,
    /// Every name of a namespace.
    Namespace(NsId),
    /// One name.
    Name(Sym),
}

/// What a component says to people and to other tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The texts of its `documentation`, a blank line between them.
    pub documentation: Option<Box<str>>,
    /// Attributes of other namespaces: `xmime:expectedContentTypes`, `wsdl:arrayType`…
    pub foreign: Vec<(ExpandedName, Box<str>)>,
}

impl Notes {
    /// The value of a foreign attribute.
    #[must_use]
    pub fn foreign(&self, namespace: &str, local: &str) -> Option<&str> {
        self.foreign.iter().find(|(name, _)| name.is(namespace, local)).map(|(_, value)| &**value)
    }
}

impl TypeDef {
    /// The simple type, if it is one.
    #[inline]
    #[must_use]
    pub const fn simple(&self) -> Option<&SimpleDef> {
        match &self.kind {
            TypeKind::Simple(simple) => Some(simple),
            TypeKind::Complex(_) => None,
        }
    }

    /// The complex type, if it is one.
    #[inline]
    #[must_use]
    pub const fn complex(&self) -> Option<&ComplexDef> {
        match &self.kind {
            TypeKind::Complex(complex) => Some(complex),
            TypeKind::Simple(_) => None,
        }
    }
}
