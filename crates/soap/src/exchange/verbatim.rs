//! An element out of the middle of a message, as XML that needs nothing around it.

use crate::{
    xml::again::{declaration, name, value},
    xml::writer::escape_text,
    xml::{Event, Reader},
};

/// Writes events down again. What was declared around the outermost element is declared on it.
#[derive(Debug)]
pub(super) struct Verbatim {
    /// How deep the outermost element lies.
    base: usize,
}

impl Verbatim {
    pub(super) const fn new(base: usize) -> Self {
        Self { base }
    }

    /// Takes an event that is not outside of the element.
    pub(super) fn event(&mut self, reader: &Reader<'_>, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::Start => self.start(reader, out),
            Event::End if reader.depth() >= self.base => {
                out.extend_from_slice(b"</");
                name(reader.name().prefix, reader.name().local, out);
                out.push(b'>');
            }
            // What was read has no character that cannot be written.
            Event::Text if reader.depth() >= self.base => drop(escape_text(reader.text(), out)),
            _ => {}
        }
    }

    fn start(&self, reader: &Reader<'_>, out: &mut Vec<u8>) {
        out.push(b'<');
        name(reader.name().prefix, reader.name().local, out);
        if reader.depth() == self.base {
            let mut declared: Vec<_> = reader.namespaces_in_scope().collect();
            declared.sort_unstable();
            declared.into_iter().for_each(|(prefix, uri)| declaration(prefix, uri, out));
        } else {
            reader.declarations().for_each(|(prefix, uri)| declaration(prefix, uri, out));
        }
        for attribute in reader.attributes() {
            out.push(b' ');
            name(attribute.name.prefix, attribute.name.local, out);
            value(attribute.value, out);
        }
        out.push(b'>');
    }
}
