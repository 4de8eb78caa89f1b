//! Mixed content that comes as a text of XML (`xml_string`): read, checked like any other, and written down again.

use super::{Encoder, Result};
use crate::fault::FaultKind;
use crate::json::Reader;
use crate::name::{NsId, Sym};
use crate::transcode::decode::Decoder;
use crate::transcode::fragment::Fragment;
use crate::transcode::scalar::Token;
use crate::transcode::shape::Kind;
use crate::xml::{self, Event};
use crate::xsd::model::TypeId;

const OPEN: &str = "<content>";
const CLOSE: &str = "</content>";
const CURE: &str = "send what stands inside of the element, each prefix declared in it";

impl Encoder<'_> {
    /// Whether `$content` of a type is a text.
    pub(super) fn content_is_text(&self, ty: TypeId) -> bool {
        matches!(&self.plan.shape(ty).kind, Kind::Mixed(elements) if elements.as_text)
    }

    /// `$content` of an element whose start tag stands.
    pub(super) fn content_text(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let at = self.depth - 1;
        let ty = self.frames[at].ty;
        if !self.content_is_text(ty) {
            return Err(self.wrong_kind(reader, "an array"));
        }
        let Token::String(text) = token else {
            return Err(self.wrong_kind(reader, "a string that holds XML"));
        };
        let whole = [OPEN, text, CLOSE].concat();
        let (content, names) = match self.read_fragment(&whole, ty) {
            Ok(read) => read,
            Err(fault) => {
                let why = match fault.kind {
                    FaultKind::Invalid => {
                        format!("the XML here is not what the schema says: {fault}")
                    }
                    _ => format!("the text here is no content of an element: {fault}"),
                };
                return Err(self.fault(reader, "json.xml", why, CURE));
            }
        };
        self.close_tag();
        self.out.extend_from_slice(content.as_bytes());
        names.into_iter().for_each(|(namespace, name)| self.step(namespace, name));
        Ok(())
    }

    /// The content as it will be written, and the names of its elements.
    fn read_fragment(&self, whole: &str, ty: TypeId) -> Result<(String, Vec<(NsId, Sym)>)> {
        let plan = self.plan;
        let limits = crate::Limits::default();
        let mut reader = xml::Reader::with(whole.as_bytes(), None, &plan.schemas.symbols, &limits)?;
        let mut judge = Decoder::of_content(plan, ty);
        let mut names = Vec::new();
        // The element around it is ours.
        reader.pull()?;
        let mut fragment = Fragment::new(&reader);
        loop {
            let event = reader.pull()?;
            match event {
                Event::Eof | Event::NeedMore => break,
                Event::End if reader.depth() == 1 => judge.event(&reader, event)?,
                _ => {
                    if event == Event::Start && reader.depth() == 2 {
                        names.push(reader.element());
                    }
                    judge.event(&reader, event)?;
                    fragment.event(&reader, event);
                }
            }
        }
        Ok((fragment.finish(), names))
    }
}
