//! rpc/encoded: messages whose values are written by the rules of SOAP 1.1 section 5, or of SOAP 1.2 Part 2 section 3.
//!
//! No schema describes such a message as it is written: values stand elsewhere and are referred to, arrays say in an
//! attribute what they hold. So it is brought into the form that its schema does describe, and back: [`literal()`]
//! makes of an encoded body the literal one that transcoders read, [`encoded`] makes of a literal body the encoded
//! one. A type that is derived from the array of the encoding is [rewritten](arrays::plain) as the repeated element it stands for
//! when the schema is read, and is a JSON array.

pub(crate) mod arrays;
mod encode;
mod literal;

use crate::xsd::{
    Schemas,
    model::{Term, TypeId},
};

pub use encode::encoded;
pub use literal::literal;

/// The namespace of the encoding of SOAP 1.1.
pub const ENCODING_11: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// The namespace of the encoding of SOAP 1.2.
pub const ENCODING_12: &str = "http://www.w3.org/2003/05/soap-encoding";

/// What an item of an array is called in the literal form. No schema of anybody has this name by chance.
pub(crate) const ITEM: &str = "soapenc.item";

/// Whether a namespace is that of an encoding.
fn is_encoding(namespace: &str) -> bool {
    matches!(namespace, ENCODING_11 | ENCODING_12)
}

/// The type of the items of a type that is an array of an encoding.
fn item_of(schemas: &Schemas, ty: TypeId) -> Option<TypeId> {
    let slots = schemas.slots(schemas.particle_of(ty)?);
    let [slot] = slots.as_slice() else { return None };
    let Term::Element(element) = slot.term else { return None };
    let (_, local) = schemas.symbols.name(schemas[element].name);
    (local == ITEM).then(|| schemas[element].ty)
}
