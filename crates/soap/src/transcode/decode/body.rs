//! What is directly in the body: the element, the parts, the wrapper of rpc.

use super::{Decoder, Doing, Result, invalid};
use crate::transcode::plan::{Body, PartType};
use crate::transcode::scalar::write_string;
use crate::transcode::shape::{Kind, NONE};
use crate::xml::Reader;
use crate::xsd::model::TypeId;

impl Decoder<'_> {
    /// Ends the body: nothing may be missing.
    ///
    /// # Errors
    /// When an element of the body is.
    pub fn end_body(&mut self, reader: &Reader<'_>) -> Result<&[u8]> {
        let Some(frame) = self.frames.first() else { return Ok(&self.out) };
        let missing = match self.body {
            Body::Empty => None,
            Body::OneOf(_) => (!frame.comma).then(|| "one of the elements it may hold".to_owned()),
            Body::Element(element) => {
                (!frame.comma).then(|| self.plan.schemas.text_of(self.plan.schemas[*element].name))
            }
            Body::Rpc { wrapper, .. } => (!frame.comma).then(|| wrapper.to_string()),
            Body::Parts(parts) => parts.get(frame.last_leaf as usize).map(|part| part.name.clone()),
        };
        if let Some(name) = missing {
            return Err(invalid(
                reader,
                "cvc-complex-type.2.4.b",
                format!("the body lacks {name}"),
            ));
        }
        if !matches!(self.body, Body::Element(_)) {
            self.out.push(b'}');
        }
        Ok(&self.out)
    }

    pub(super) fn root(&mut self, reader: &Reader<'_>) -> Result {
        let body = self.body;
        let schemas = &self.plan.schemas;
        let name = reader.name();
        match body {
            Body::Element(element) if !self.frames[0].comma => {
                let found = *element;
                if schemas[found].name == name.sym {
                    self.frames[0].comma = true;
                    let is_value = matches!(self.plan.shape(schemas[found].ty).kind, Kind::Simple);
                    if is_value {
                        self.out.extend_from_slice(b"{\"$value\":");
                    }
                    self.begin(reader, Some(found), schemas[found].ty)?;
                    self.top().wrapped = is_value;
                    return Ok(());
                }
            }
            Body::Rpc { wrapper, .. }
                if !self.frames[0].comma && wrapper.is(reader.uri(name.namespace), name.local) =>
            {
                self.frames[0].comma = true;
                self.push(Doing::Rpc, TypeId::ANY, None);
                return Ok(());
            }
            Body::OneOf(elements) if !self.frames[0].comma => {
                if let Some(&element) =
                    elements.iter().find(|&&element| schemas[element].name == name.sym)
                {
                    self.part_key(0, name.local);
                    return self.begin(reader, Some(element), schemas[element].ty);
                }
            }
            Body::Parts(parts) => {
                let at = self.frames[0].last_leaf;
                if let Some(part) = parts.get(at as usize)
                    && let PartType::Element(element) = part.ty
                    && schemas[element].name == name.sym
                {
                    self.frames[0].last_leaf += 1;
                    self.part_key(0, &part.name);
                    return self.begin(reader, Some(element), schemas[element].ty);
                }
            }
            _ => {}
        }
        Err(invalid(reader, "cvc-elt.1", "this element is not what the operation's body holds"))
    }

    /// A part of an rpc message: found by its local name, since stacks disagree about its namespace.
    pub(super) fn accessor(&mut self, reader: &Reader<'_>) -> Result {
        let Body::Rpc { parts, .. } = self.body else { return Ok(()) };
        let at = self.depth - 1;
        let local = reader.name().local;
        let Some(number) = parts.iter().position(|part| part.name == local) else {
            return Err(invalid(
                reader,
                "cvc-complex-type.2.4.a",
                "the operation has no part of this name",
            ));
        };
        let part = &parts[number];
        let seen = 1u32.checked_shl(u32::try_from(number).unwrap_or(NONE)).unwrap_or(0);
        if self.frames[at].last_leaf & seen != 0 {
            return Err(invalid(reader, "cvc-complex-type.2.4.d", "this part comes a second time"));
        }
        self.frames[at].last_leaf |= seen;
        self.part_key(at, &part.name);
        match part.ty {
            PartType::Element(element) => {
                self.begin(reader, Some(element), self.plan.schemas[element].ty)
            }
            PartType::Type(ty) => self.begin(reader, None, ty),
        }
    }

    fn part_key(&mut self, at: usize, name: &str) {
        // In rpc and with parts the object is open already; what was written of it may have left.
        super::comma(&mut self.frames[at].comma, &mut self.out);
        write_string(name, &mut self.out);
        self.out.push(b':');
    }

    pub(super) fn end_rpc(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let Body::Rpc { parts, .. } = self.body else { return Ok(()) };
        let seen = self.frames[at].last_leaf;
        let missing =
            parts.iter().enumerate().find(|(number, _)| *number < 32 && seen & (1 << number) == 0);
        match missing {
            Some((_, part)) => Err(invalid(
                reader,
                "cvc-complex-type.2.4.b",
                format!("the part {:?} is missing", part.name),
            )),
            None => Ok(()),
        }
    }
}
