//! Bytes that travel beside the envelope: by XOP in place of a base64Binary, as an attachment of a part of the WSDL, or by `swaRef`.
//!
//! In JSON such bytes are base64, or `{"$cid": "…"}` where they travel beside the JSON too. Which of the parts is meant is
//! said by its identifier; each part is meant once.

use std::borrow::Cow;

use super::plan::Plan;
use super::scalar::Form;
use crate::xsd::model::{Schemas, TypeId};
use crate::xsd::values::ValueFault;

/// The namespace of `Include` (XOP, section 2.1).
pub(crate) const XOP: &str = "http://www.w3.org/2004/08/xop/include";
/// The namespace of `swaRef` (Attachments Profile 1.0, section 4.4).
const REF: &str = "http://ws-i.org/profiles/basic/1.1/xsd";

/// A part that came with the JSON.
#[derive(Debug, Clone)]
pub struct Given<'g> {
    /// Its identifier.
    pub id: String,
    /// Its media type.
    pub media: Option<String>,
    /// What is in it.
    pub bytes: &'g [u8],
}

/// A part that goes with the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent<'g> {
    /// Its identifier.
    pub id: String,
    /// Its media type.
    pub media: String,
    /// What is in it.
    pub bytes: Cow<'g, [u8]>,
}

/// How an encoder deals with bytes.
#[derive(Debug, Clone, Default)]
pub struct Parts<'g> {
    /// Values of so many bytes or more are sent beside the envelope (MTOM); none are without it.
    pub mtom: Option<usize>,
    /// Makes the identifiers of parts unlike those of other messages.
    pub random: u64,
    /// What came with the JSON. Each may be referred to once.
    pub given: Vec<Given<'g>>,
    /// What goes with the envelope, in the order in which it is referred to.
    pub sent: Vec<Sent<'g>>,
}

/// A part that a document refers to, and the type that it is a value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The identifier of the part.
    pub id: String,
    ty: TypeId,
}

impl Parts<'_> {
    /// The identifier of the next part; `name` for one that is found by its name (Attachments Profile 1.0, R2933).
    pub(super) fn next_id(&self, name: Option<&str>) -> String {
        let number = self.sent.len() + 1;
        let name = name.map_or(String::new(), |name| format!("{}=", percent(name)));
        format!("{name}{number}.{:016x}@pasarela", self.random)
    }
}

/// The name of a part as an identifier holds it.
fn percent(name: &str) -> String {
    crate::mime::cid_url(name).split_off(4).replace(['=', '@'], "_")
}

/// Whether the identifier of a part names this part of the WSDL.
#[must_use]
pub fn names_part(id: &str, part: &str) -> bool {
    id.rsplit_once('@')
        .map_or(id, |(local, _)| local)
        .split_once('=')
        .is_some_and(|(name, _)| name == part || name == percent(part))
}

impl Plan {
    /// Whether the bytes of a part may be the value that refers to it, by their number.
    ///
    /// # Errors
    /// The facet that is not met.
    pub fn check_part(&self, reference: &Reference, length: u64) -> Result<(), ValueFault> {
        match self.scalar(reference.ty) {
            Some(scalar) if scalar.form == Form::Base64 => scalar.ty.check_octets(length),
            _ => Ok(()),
        }
    }

    /// Whether bytes beside the envelope may stand for a value of this type.
    pub(super) fn may_refer(&self, ty: TypeId) -> bool {
        self.is_swa_ref(ty) || self.scalar(ty).is_some_and(|scalar| scalar.form == Form::Base64)
    }

    pub(crate) fn is_swa_ref(&self, ty: TypeId) -> bool {
        self.swa_ref == Some(ty)
    }
}

impl Reference {
    pub(super) const fn new(id: String, ty: TypeId) -> Self {
        Self { id, ty }
    }
}

/// The type `swaRef`, where the schemas have it.
pub(super) fn swa_ref(schemas: &Schemas) -> Option<TypeId> {
    schemas.type_named(&crate::ExpandedName::new(REF, "swaRef"))
}

/// The bytes of a base64 text, its white space left out.
#[must_use]
pub fn base64(text: &str) -> Option<Vec<u8>> {
    decoded(text)
}

/// Bytes as base64.
#[must_use]
pub fn in_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// The bytes of a base64 text, its white space left out.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let stripped;
    let text = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        stripped = text.split_ascii_whitespace().collect::<String>();
        stripped.as_str()
    } else {
        text
    };
    base64_simd::STANDARD.decode_to_vec(text).ok()
}
