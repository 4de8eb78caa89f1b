//! The schemas of an OpenAPI document as types that XML Schema can say too: what a SOAP face of a REST service is made of.
//!
//! A [`Type`] says both things at once: what its JSON looks like (keys, discriminators, maps) and what stands for it in XML
//! (names, branches, entries). [`Builder`] makes them of a document's schemas, each once, whoever refers to it; what cannot be
//! said is an [`Inexpressible`], and costs the operation that needs it. Validation that has no counterpart in XML Schema
//! (`not`, patterns) is left to the service, which sees every request; what the JSON looks like never is.

mod build;
mod choices;
mod names;
mod scalars;
mod views;

pub(crate) use build::{Builder, about};
pub(crate) use names::{Taken, ncname, xml_name};
pub(crate) use views::Seen;

use std::collections::BTreeSet;

use crate::Position;

/// The number of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u32);

/// All types of a document, by their number.
#[derive(Debug, Default)]
pub struct Types(Vec<Type>);

/// A type.
#[derive(Debug)]
pub struct Type {
    /// What it is called in XML Schema.
    pub name: String,
    /// What the document says about it.
    pub about: String,
    /// What it is.
    pub kind: Kind,
}

/// What a type is.
#[derive(Debug)]
pub enum Kind {
    /// One value.
    Scalar(Scalar),
    /// Members by name.
    Object(Object),
    /// Items, one after the other. Where it is the value of a member and cannot be null, its items stand in place of it.
    Array(Items),
    /// One of several values; in XML an element says which.
    Choice(Vec<Branch>),
    /// Whatever JSON can say; in XML its text.
    Json,
}

/// A type where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Which.
    pub ty: TypeId,
    /// Whether `null` may stand in its place.
    pub nullable: bool,
}

/// A type whose values are one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// What XML Schema calls it.
    pub base: Base,
    /// Facets in the order in which they are written: their names in XML Schema and values.
    pub facets: Vec<(&'static str, String)>,
}

/// The types of XML Schema that stand for values of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are called as they are in XML Schema")]
pub enum Base {
    String,
    Boolean,
    Int,
    Long,
    UnsignedLong,
    Integer,
    Decimal,
    Float,
    Double,
    Date,
    DateTime,
    Time,
    Base64,
}

impl Base {
    /// Its local name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::UnsignedLong => "unsignedLong",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Double => "double",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::Base64 => "base64Binary",
        }
    }

    /// Whether JSON writes it as a number.
    pub const fn is_number(self) -> bool {
        self.is_whole() || matches!(self, Self::Decimal | Self::Float | Self::Double)
    }

    /// Whether it is a number without a fraction.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::UnsignedLong | Self::Integer)
    }
}

/// A type with members.
#[derive(Debug, Default)]
pub struct Object {
    /// Those that are known by name, in the order of the document; of a type that extends another only its own.
    pub fields: Vec<Field>,
    /// Those of any other name.
    pub extra: Option<Extra>,
    /// The type that it extends.
    pub base: Option<TypeId>,
    /// Those that extend it, directly.
    pub derived: Vec<TypeId>,
    /// Nothing is of this type alone.
    pub is_abstract: bool,
    /// The member that says in JSON of which type an object is, and what it says for this one.
    pub tag: Option<Tag>,
}

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its key in JSON.
    pub key: String,
    /// Its local name in XML.
    pub name: String,
    /// Whether it is an attribute there.
    pub attribute: bool,
    /// What it is.
    pub used: Use,
    /// Whether it may not be left away.
    pub required: bool,
    /// What the document says about it.
    pub about: String,
}

/// Members of any name: in XML a list of `entry` elements with a key and a value.
#[derive(Debug)]
pub struct Extra {
    /// What the element of an entry is called.
    pub name: String,
    /// What its type is called.
    pub type_name: String,
    /// What its value is.
    pub used: Use,
}

/// What tells in JSON of which type an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The member.
    pub key: String,
    /// What it says; none for a type that nothing is of.
    pub value: Option<String>,
}

/// A type with items.
#[derive(Debug, Clone, Copy)]
pub struct Items {
    /// What they are.
    pub used: Use,
    /// At least so many.
    pub least: u64,
    /// At most so many; none for any number.
    pub most: Option<u64>,
}

/// One of several values.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The element that says that it is this one.
    pub name: String,
    /// What it is.
    pub ty: TypeId,
    /// What the member that tells the branches apart says, where there is one: its key and value.
    pub tag: Option<(String, String)>,
}

/// Why something cannot be offered over SOAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inexpressible {
    /// Where the document says it.
    pub at: Position,
    /// Why.
    pub why: String,
}

impl Inexpressible {
    pub(crate) fn new(at: Position, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }
}

impl Types {
    /// A type by its number.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.0.get(id.0 as usize)
    }

    /// What a type is.
    pub fn kind(&self, id: TypeId) -> &Kind {
        self.get(id).map_or(&Kind::Json, |ty| &ty.kind)
    }

    /// A type as an object.
    pub fn object(&self, id: TypeId) -> Option<&Object> {
        match self.kind(id) {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members of an object, those of the types that it extends first.
    pub fn fields(&self, id: TypeId) -> Vec<&Field> {
        let own = self.object(id).map_or(&[][..], |object| &object.fields);
        self.line(id)
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .filter_map(|base| self.object(base))
            .flat_map(|object| &object.fields)
            .chain(own)
            .collect()
    }

    /// A type and those that it extends, the nearest first.
    pub fn line(&self, id: TypeId) -> impl Iterator<Item = TypeId> {
        let next = |id: &TypeId| self.object(*id)?.base;
        // As many as there are types at most: nothing extends itself.
        std::iter::successors(Some(id), next).take(self.0.len())
    }

    /// A type and all that extend it, those that are nothing by themselves left out.
    pub fn concrete(&self, id: TypeId) -> Vec<TypeId> {
        let (mut found, mut open) = (Vec::new(), vec![id]);
        while let Some(id) = open.pop() {
            let Some(object) = self.object(id) else { continue };
            if !object.is_abstract && !found.contains(&id) {
                found.push(id);
            }
            open.extend(object.derived.iter().rev().filter(|derived| !found.contains(derived)));
        }
        found
    }

    /// The items that stand in place of a member of this type, each an element.
    pub fn repeated(&self, used: Use) -> Option<Items> {
        match self.kind(used.ty) {
            Kind::Array(items) if !used.nullable => Some(*items),
            _ => None,
        }
    }

    /// The types that messages of these are made of, in the order in which they are met.
    pub fn reached(&self, roots: Vec<TypeId>) -> Vec<TypeId> {
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open: Vec<TypeId> = roots.into_iter().rev().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            order.push(id);
            let mut next = Vec::new();
            match self.kind(id) {
                Kind::Scalar(_) | Kind::Json => {}
                Kind::Array(items) => next.push(items.used.ty),
                Kind::Choice(branches) => next.extend(branches.iter().map(|branch| branch.ty)),
                Kind::Object(object) => {
                    next.extend(object.base);
                    // The items of an array that is a member stand in its place: nothing is of its type.
                    next.extend(object.fields.iter().map(
                        |field| match self.repeated(field.used) {
                            Some(items) => items.used.ty,
                            None => field.used.ty,
                        },
                    ));
                    next.extend(object.extra.as_ref().map(|extra| extra.used.ty));
                    next.extend(&object.derived);
                }
            }
            open.extend(next.into_iter().rev());
        }
        order
    }

    /// Adds one.
    pub(crate) fn add(&mut self, ty: Type) -> TypeId {
        let id = TypeId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(ty);
        id
    }

    pub(crate) fn get_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        self.0.get_mut(id.0 as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
