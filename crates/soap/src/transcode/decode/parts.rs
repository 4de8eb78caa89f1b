//! Values that are parts beside the envelope: `xop:Include`, `swaRef`.

use super::{Decoder, Doing, Frame, Result, invalid};
use crate::mime::cid_of;
use crate::transcode::parts::{Reference, XOP};
use crate::transcode::scalar::write_string;
use crate::xml::Reader;
use crate::xsd::model::TypeId;

const BESIDE_TEXT: &str = "content that becomes a text may not refer to a part of the message";

impl Decoder<'_> {
    /// Says that the next message has parts beside it, to which it may refer. What refers to one is written as
    /// `{"$cid": "…"}`, byte for byte so that it can be found: no value of JSON looks like it.
    pub fn set_parts(&mut self) {
        self.references = Some(Vec::new());
    }

    /// The parts that were referred to since the last time, in order.
    pub fn take_references(&mut self) -> Vec<Reference> {
        self.references.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// An element where a value is due: only `xop:Include` may be, alone in a base64Binary (XOP, section 3.2).
    pub(super) fn include(&mut self, reader: &Reader<'_>) -> Result {
        let name = reader.name();
        let is_include = name.local == "Include" && reader.uri(name.namespace) == XOP;
        let Frame { doing, ty, .. } = self.frames[self.depth - 1];
        let ty = if let Doing::Value(value) = doing { value } else { ty };
        let fits = !self.plan.is_swa_ref(ty) && self.plan.may_refer(ty);
        if !is_include || !fits || self.references.is_none() {
            let why = "a value is due here, and no element may stand in it";
            return Err(invalid(reader, "cvc-type.3.1.2", why));
        }
        if self.text_content.is_some() {
            return Err(invalid(reader, "xop", BESIDE_TEXT));
        }
        if self.cid.is_some() || !self.is_blank() {
            let why = "xop:Include has to be all that is in its element";
            return Err(invalid(reader, "xop", why));
        }
        let href = reader.attribute_named("", "href").unwrap_or_default();
        self.cid = Some(cid(reader, href)?);
        self.push(Doing::Include, TypeId::ANY, None);
        Ok(())
    }

    fn is_blank(&self) -> bool {
        self.text.bytes().all(crate::xml::is_whitespace)
    }

    /// Writes a reference in place of a value, where there is one.
    pub(super) fn write_reference(&mut self, reader: &Reader<'_>, ty: TypeId) -> Result<bool> {
        let id = match self.cid.take() {
            Some(_) if !self.is_blank() => {
                let why = "xop:Include has to be all that is in its element";
                return Err(invalid(reader, "xop", why));
            }
            Some(id) => id,
            None if self.references.is_some() && self.plan.is_swa_ref(ty) => {
                cid(reader, self.text.trim_matches([' ', '\t', '\r', '\n']))?
            }
            None => return Ok(false),
        };
        if self.text_content.is_some() {
            return Err(invalid(reader, "xop", BESIDE_TEXT));
        }
        let Some(references) = &mut self.references else { return Ok(false) };
        if references.iter().any(|known| known.id == id) {
            let why = format!("the part {id:?} is referred to twice");
            return Err(invalid(reader, "xop", why));
        }
        self.out.extend_from_slice(b"{\"$cid\":");
        write_string(&id, &mut self.out);
        self.out.push(b'}');
        references.push(Reference::new(id, ty));
        Ok(true)
    }
}

/// No other URL is followed, least of all one of HTTP.
fn cid(reader: &Reader<'_>, href: &str) -> Result<String> {
    cid_of(href).ok_or_else(|| {
        let why = format!("{href:?} is no cid: URL, and nothing else refers to a part");
        invalid(reader, "xop", why)
    })
}
