//! The content of an element as a text of XML that needs nothing around it: what `$content` is with `xml_string`.

use crate::xml::again::{declaration, name, value};
use crate::xml::writer::escape_text;
use crate::xml::{Event, Reader};

/// Writes the events of an element's content down again. Comments and instructions are left out; what an outermost element uses
/// of the namespaces declared around it is declared on it.
#[derive(Debug)]
pub(super) struct Fragment {
    text: Vec<u8>,
    /// How deep the outermost elements lie.
    base: usize,
    /// Where the attributes of the outermost element at hand begin, and the prefixes that are bound around it.
    outermost: (usize, Vec<(String, String)>),
}

impl Fragment {
    /// For the content of the element that a reader is at the start of.
    pub(super) fn new(reader: &Reader<'_>) -> Self {
        Self { text: Vec::new(), base: reader.depth() + 1, outermost: (0, Vec::new()) }
    }

    /// Takes an event of the content.
    pub(super) fn event(&mut self, reader: &Reader<'_>, event: Event) {
        match event {
            Event::Start => self.start(reader),
            Event::End => {
                self.text.extend_from_slice(b"</");
                name(reader.name().prefix, reader.name().local, &mut self.text);
                self.text.push(b'>');
                if reader.depth() == self.base {
                    self.declare();
                }
            }
            // What was read has no character that cannot be written.
            Event::Text => drop(escape_text(reader.text(), &mut self.text)),
            _ => {}
        }
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        String::from_utf8(self.text).unwrap_or_default()
    }

    fn start(&mut self, reader: &Reader<'_>) {
        let out = &mut self.text;
        out.push(b'<');
        name(reader.name().prefix, reader.name().local, out);
        if reader.depth() == self.base {
            let owned = |(prefix, uri): (&str, &str)| (prefix.to_owned(), uri.to_owned());
            self.outermost = (out.len(), reader.namespaces_in_scope().map(owned).collect());
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

    /// Declares on the outermost element what it needs: whatever its text could mean by a prefix, since names stand in values too.
    fn declare(&mut self) {
        let (at, bound) = std::mem::take(&mut self.outermost);
        let written = String::from_utf8_lossy(self.text.get(at..).unwrap_or_default());
        let own = self.text.get(..at).and_then(|before| before.rsplit(|&b| b == b'<').next());
        let own = String::from_utf8_lossy(own.unwrap_or_default());
        let used = |prefix: &str| {
            let wanted = format!("{prefix}:");
            prefix.is_empty() || own.starts_with(&wanted) || written.contains(&wanted)
        };
        let mut needed: Vec<_> = bound.iter().filter(|(prefix, _)| used(prefix)).collect();
        needed.sort_unstable();
        let mut declarations = Vec::new();
        needed.into_iter().for_each(|(prefix, uri)| declaration(prefix, uri, &mut declarations));
        self.text.splice(at..at, declarations);
    }
}
