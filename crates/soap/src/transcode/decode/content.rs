//! `$content`: mixed content, trees that no schema describes, and content that becomes a text.

use super::{Decoder, Result, comma, too_large};
use crate::transcode::fragment::Fragment;
use crate::transcode::scalar::write_string;
use crate::xml::Reader;
use crate::xsd::content::Hit;

/// Mixed content that becomes a text: it is read like any other, and then the text stands in its place.
#[derive(Debug)]
pub(super) struct TextContent {
    pub(super) fragment: Fragment,
    /// The frame of the element, and where its value begins.
    pub(super) frame: usize,
    start: usize,
}

impl Decoder<'_> {
    pub(super) fn mixed_child(&mut self, reader: &Reader<'_>) -> Result {
        let plan = self.plan;
        let at = self.depth - 1;
        self.close_string(at);
        let frame = &mut self.frames[at];
        let Some(elements) = plan.shape(frame.ty).elements() else { return Ok(()) };
        let name = reader.name();
        let schemas = &plan.schemas;
        let hit = schemas[elements.model].step(
            &mut frame.run,
            schemas.wildcards(),
            name.namespace,
            name.sym,
        );
        let Some(hit) = hit else { return Err(self.unexpected(reader, elements, at)) };
        comma(&mut self.frames[at].comma, &mut self.out);
        match hit {
            Hit::Element { element, particle } => {
                let leaf = elements.leaf(particle, Some(element), 0);
                let Some(leaf) = leaf.and_then(|leaf| elements.leaves.get(leaf as usize)) else {
                    return Err(too_large(reader));
                };
                self.out.push(b'{');
                let member = &elements.scopes[leaf.scope as usize].members[leaf.member as usize];
                self.out.extend_from_slice(member.json_key.as_bytes());
                self.begin(reader, Some(element), schemas[element].ty)?;
                self.top().wrapped = true;
                Ok(())
            }
            Hit::Any { wildcard, .. } => self.begin_any(reader, wildcard),
        }
    }

    pub(super) fn begin_text_content(&mut self, reader: &Reader<'_>) {
        let (frame, start) = (self.depth, self.out.len());
        self.text_content = Some(TextContent { fragment: Fragment::new(reader), frame, start });
        self.held += 1;
    }

    /// Puts the text in the place of what was read for it.
    pub(super) fn end_text_content(&mut self, at: usize) {
        if let Some(content) = self.text_content.take_if(|content| content.frame == at) {
            self.held -= 1;
            self.out.truncate(content.start);
            write_string(&content.fragment.finish(), &mut self.out);
        }
    }

    /// Opens `$content` and takes a child of a tree that no schema describes.
    pub(super) fn generic_child(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        self.open_content(at);
        self.close_string(at);
        comma(&mut self.frames[at].comma, &mut self.out);
        match self.plan.schemas.element(reader.name().sym) {
            Some(element) => self.begin_known(reader, element),
            None => self.begin_generic(reader, true),
        }
    }

    pub(super) fn open_content(&mut self, at: usize) {
        let frame = &mut self.frames[at];
        if frame.in_content {
            return;
        }
        if frame.comma {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"\"$content\":[");
        (frame.in_content, frame.comma) = (true, false);
    }

    pub(super) fn close_string(&mut self, at: usize) {
        let frame = &mut self.frames[at];
        if frame.in_string {
            self.out.push(b'"');
            frame.in_string = false;
        }
    }
}
