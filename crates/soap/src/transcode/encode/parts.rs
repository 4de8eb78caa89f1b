//! Bytes in JSON: as base64, or beside it; and where they go beside the envelope.

use std::borrow::Cow;

use super::{Doing, Encoder, Result, Slot};
use crate::fault::{Fault, FaultKind};
use crate::json::Reader;
use crate::mime::cid_url;
use crate::transcode::parts::{Parts, Sent, XOP, decoded};
use crate::transcode::scalar::Token;
use crate::xsd::model::{ElementId, TypeId};

/// The media type of bytes that nobody says more about.
const BYTES: &str = "application/octet-stream";

impl<'p> Encoder<'p> {
    /// Lets bytes travel beside the next message.
    pub fn set_parts(&mut self, parts: Parts<'p>) {
        self.parts = Some(Box::new(parts));
    }

    /// What travels beside the message, once it is written.
    ///
    /// # Errors
    /// When a part was given that nothing refers to: its sender meant something by it.
    pub fn take_parts(&mut self) -> Result<Vec<Sent<'p>>> {
        let Some(parts) = self.parts.take() else { return Ok(Vec::new()) };
        match parts.given.first() {
            None => Ok(parts.sent),
            Some(given) => {
                let why = format!("nothing refers to the part {:?}", given.id);
                let fault = Fault::new(FaultKind::Invalid, why).rule("json.cid");
                Err(Box::new(fault.cure("refer to it with {\"$cid\": …}, or leave it out")))
            }
        }
    }

    /// A member of the outermost object that names an attachment.
    pub(super) fn attachment(&self, key: &str) -> Option<Slot> {
        if self.depth != 1 || self.parts.is_none() {
            return None;
        }
        let found = self.message.attachments.iter().position(|name| **name == *key)?;
        u32::try_from(found).ok().map(Slot::Attached)
    }

    /// Where `{"$cid": …}` stands for the value of an element whose tag is open: takes it. `qname` is the tag's name if no
    /// declaration has it.
    pub(super) fn refer(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        element: Option<ElementId>,
        qname: &str,
    ) -> Result<bool> {
        let Some(id) = self.reference(reader, ty) else { return Ok(false) };
        let bytes = self.given(reader, &id)?;
        self.push(Doing::Reference, ty, element).count = 1;
        self.names.push_str(qname);
        self.put_bytes(reader, ty, bytes)?;
        Ok(true)
    }

    /// The same for `$value`, whose element has a frame already.
    pub(super) fn refer_value(&mut self, reader: &Reader<'_>) -> Result {
        let frame = self.frames[self.depth - 1];
        let ty = self.value_type(frame.ty);
        let Some(id) = self.reference(reader, ty) else {
            return Err(self.wrong_kind(reader, "a plain value"));
        };
        let bytes = self.given(reader, &id)?;
        self.frames[self.depth - 1].count += 1;
        self.put_bytes(reader, ty, bytes)?;
        self.push(Doing::Reference, ty, None);
        Ok(())
    }

    /// The same for `$value` around a simple body.
    pub(super) fn bare_object(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        self.frames[at].count += 1;
        match self.frames[at].element {
            Some(element) => self.element_object(reader, element),
            None => Err(self.wrong_kind(reader, "a plain value")),
        }
    }

    fn reference(&self, reader: &Reader<'_>, ty: TypeId) -> Option<String> {
        let fits = self.parts.is_some() && self.plan.may_refer(ty);
        reader.peek_member("$cid").filter(|_| fits).map(str::to_owned)
    }

    /// The part of an identifier, which is given away: a part is referred to once.
    fn given(&mut self, reader: &Reader<'_>, id: &str) -> Result<(String, Cow<'p, [u8]>)> {
        let parts = self.parts.as_mut();
        let found = parts.and_then(|parts| {
            let at = parts.given.iter().position(|given| given.id == id)?;
            Some(parts.given.swap_remove(at))
        });
        match found {
            Some(given) => {
                Ok((given.media.unwrap_or_else(|| BYTES.to_owned()), Cow::Borrowed(given.bytes)))
            }
            None => {
                let message = format!("no part of the message has the identifier {id:?}");
                let cure = "name the Content-ID of a part, and each part once";
                Err(self.fault(reader, "json.cid", message, cure))
            }
        }
    }

    /// Bytes as the value of an element: beside the envelope or in it.
    fn put_bytes(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        (media, bytes): (String, Cow<'p, [u8]>),
    ) -> Result {
        if self.plan.is_swa_ref(ty) {
            let url = cid_url(&self.send(None, media, bytes));
            return self.put_text(reader, &url);
        }
        let beside = self.parts.as_ref().and_then(|parts| parts.mtom);
        let whole = self.plan.scalar(ty).is_some_and(|scalar| !scalar.ty.is_judged_by_length());
        if whole || beside.is_none_or(|least| bytes.len() < least) {
            let text = base64_simd::STANDARD.encode_to_string(&*bytes);
            self.check_text(reader, ty, &text, &(), None)?;
            return self.put_text(reader, &text);
        }
        let fits = self.plan.scalar(ty).map(|scalar| scalar.ty.check_octets(bytes.len() as u64));
        if let Some(Err(fault)) = fits {
            return Err(self.bad_value(reader, ty, "the part", fault));
        }
        self.include(media, bytes);
        Ok(())
    }

    /// The text of a base64Binary, checked already: true when it went beside the envelope.
    pub(super) fn optimise(&mut self, text: &str) -> bool {
        let Some(least) = self.parts.as_ref().and_then(|parts| parts.mtom) else { return false };
        // Four characters are three bytes.
        if text.len() / 4 * 3 < least {
            return false;
        }
        match decoded(text) {
            Some(bytes) if bytes.len() >= least => {
                self.include(BYTES.to_owned(), Cow::Owned(bytes));
                true
            }
            _ => false,
        }
    }

    /// The text of a `swaRef`: base64 that goes beside the envelope.
    pub(super) fn send_text(&mut self, reader: &Reader<'_>, text: &str) -> Result {
        let bytes = self.bytes_of(reader, text)?;
        let url = cid_url(&self.send(None, BYTES.to_owned(), Cow::Owned(bytes)));
        self.put_text(reader, &url)
    }

    /// The value of an attachment's member.
    pub(super) fn attached(
        &mut self,
        reader: &Reader<'_>,
        number: u32,
        token: Token<'_>,
    ) -> Result {
        let Token::String(text) = token else { return Err(self.wrong_kind(reader, "a string")) };
        let bytes = self.bytes_of(reader, text)?;
        self.attach(reader, number, (BYTES.to_owned(), Cow::Owned(bytes)))
    }

    /// The same as `{"$cid": …}`.
    pub(super) fn attached_object(&mut self, reader: &Reader<'_>, number: u32) -> Result {
        let Some(id) = reader.peek_member("$cid").map(str::to_owned) else {
            return Err(self.wrong_kind(reader, "a string, or {\"$cid\": …},"));
        };
        let part = self.given(reader, &id)?;
        self.attach(reader, number, part)?;
        let open = self.open_tag;
        self.push(Doing::Reference, TypeId::ANY, None);
        self.open_tag = open;
        Ok(())
    }

    fn attach(
        &mut self,
        reader: &Reader<'_>,
        number: u32,
        (media, bytes): (String, Cow<'p, [u8]>),
    ) -> Result {
        let message = self.message;
        let Some(name) = message.attachments.get(number as usize) else { return Ok(()) };
        let twice = self.parts.as_ref().is_some_and(|parts| {
            parts.sent.iter().any(|sent| crate::transcode::parts::names_part(&sent.id, name))
        });
        if twice {
            return Err(self.fault(
                reader,
                "json.unknown",
                "the attachment comes twice",
                "send it once",
            ));
        }
        self.send(Some(name), media, bytes);
        Ok(())
    }

    fn bytes_of(&self, reader: &Reader<'_>, text: &str) -> Result<Vec<u8>> {
        decoded(text).ok_or_else(|| {
            let cure = "write the bytes in base64, or refer to a part with {\"$cid\": …}";
            self.fault(reader, "json.value", "an attachment is base64", cure)
        })
    }

    /// XOP, section 3.1: the reference is all that is in the element.
    fn include(&mut self, media: String, bytes: Cow<'p, [u8]>) {
        let url = cid_url(&self.send(None, media, bytes));
        self.close_tag();
        let include = format!("<xop:Include xmlns:xop=\"{XOP}\" href=\"");
        self.out.extend_from_slice(include.as_bytes());
        // Our own identifiers hold nothing to be escaped.
        self.out.extend_from_slice(url.as_bytes());
        self.out.extend_from_slice(b"\"/>");
    }

    fn send(&mut self, name: Option<&str>, media: String, bytes: Cow<'p, [u8]>) -> String {
        let Some(parts) = self.parts.as_mut() else { return String::new() };
        let id = parts.next_id(name);
        parts.sent.push(Sent { id: id.clone(), media, bytes });
        id
    }
}
