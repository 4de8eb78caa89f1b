//! Messages between XML and JSON, directed by the schema, checked on the way, in one pass and without a tree.
//!
//! A [`Plan`] is compiled once from the component model: for every type the shape of its JSON, for every element its
//! tags and its key. [`Decoder`] turns XML into JSON, [`Encoder`] JSON into XML. The JSON's shape follows from the schema
//! alone, never from the message; the XML's order follows from the schema, whatever the order of the JSON.
//! No integer and no decimal passes through a float: digits are copied.
//!
//! Keys that no element can have are reserved: `@name` an attribute, `$value` the text of an element with attributes,
//! `$type` what `xsi:type` says, `$nil`, `$items` repeated groups, `$content` mixed content, `$any` elements of
//! wildcards, `$name` the name of an element that no schema knows, `$cid` bytes that travel beside the
//! message.

mod bunch;
pub(crate) mod dates;
mod decode;
mod encode;
mod fragment;
mod names;
pub(crate) mod outline;
mod parts;
mod plan;
pub(crate) mod scalar;
mod shape;
mod walk;
mod wsdl;

pub use decode::Decoder;
pub use encode::Encoder;
pub use names::Names;
pub(crate) use parts::XOP;
pub use parts::{Given, Parts, Reference, Sent, base64, in_base64, names_part};
pub use plan::{Body, Message, Part, PartType, Plan};
pub use walk::Walk;
pub use wsdl::Unsupported;

/// How numbers that a double may not hold appear in JSON (§5.2 of the mapping).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Numbers {
    /// As strings where a double could lose a digit.
    #[default]
    Auto,
    /// Always as numbers, digits kept.
    Number,
    /// Always as strings.
    String,
}

/// How dates appear in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dates {
    /// As they are in XML.
    #[default]
    Exact,
    /// A dateTime as `date-time` of RFC 3339, a date as `full-date`: for clients that give them a type of their own. What these
    /// cannot say is refused.
    Rfc3339,
}

/// How values are spelled in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Spelling {
    pub(crate) numbers: Numbers,
    pub(crate) dates: Dates,
}

/// What may be chosen for a service. Each option but `numbers` is off by default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// How numbers appear.
    pub numbers: Numbers,
    /// How dates appear.
    pub dates: Dates,
    /// An array without items is written as `[]` instead of being left out.
    pub emit_empty_arrays: bool,
    /// A single value is taken where an array is due.
    pub coerce_scalar: bool,
    /// `null` for an optional element that is not nillable means that it is absent.
    pub null_as_absent: bool,
    /// An empty element of a type without an empty value (numbers, dates) is `null`.
    pub empty_as_null: bool,
    /// Members that the schema does not know are passed over.
    pub ignore_unknown: bool,
    /// An element that holds nothing but one repeated element is written as the array itself.
    pub collapse_wrapped_arrays: bool,
    /// The members of a repeated group are arrays of the object around, by key, instead of rounds under `$items`, where
    /// each stands at one place only. Between which others an element came is lost.
    pub grouped: bool,
    /// Types whose mixed content is a text of XML instead of an array: as `$type` names them, or by the names of their components in
    /// OpenAPI; `*` for all.
    pub xml_string: Vec<String>,
    /// Absent attributes that have a default are written into the JSON.
    pub apply_defaults: bool,
}

impl Options {
    pub(crate) const fn spelling(&self) -> Spelling {
        Spelling { numbers: self.numbers, dates: self.dates }
    }
}
