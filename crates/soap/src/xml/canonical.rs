//! Canonical XML 1.0 and Exclusive Canonical XML 1.0 of what a reader reads.
//!
//! Two documents that say the same have one canonical form, which is what signatures sign and what tests compare.

use super::{
    reader::{Event, Reader},
    writer::{escape_attribute, escape_text},
};
use crate::{Fault, FaultKind, name::XML};

/// Which canonical form.
#[derive(Debug, Clone, Default)]
pub struct Canonical {
    /// Exclusive: an element declares the namespaces that it visibly uses. Otherwise all that are in scope.
    pub exclusive: bool,
    /// Whether comments are kept.
    pub comments: bool,
    /// Prefixes that exclusive form treats as the other one does (`InclusiveNamespaces`); `#default` for the default.
    pub inclusive_prefixes: Vec<String>,
    /// Bytes that are written at most. Where siblings declare what their parent does not use, canonical form can be a thousand
    /// times as long as what was read.
    pub bytes_max: Option<usize>,
}

impl Canonical {
    /// Exclusive, without comments: what signatures of messages use.
    pub fn exclusive() -> Self {
        Self { exclusive: true, ..Self::default() }
    }

    /// Appends the canonical form of the element that the reader is at the start of, to its end; of the whole document when nothing was
    /// read of it.
    ///
    /// Attributes in the namespace of `xml` that an element inherits are not looked for: canonical form of a part that is not exclusive
    /// is complete only where there are none.
    ///
    /// # Errors
    /// What the reader finds, when the document does not end before a stream does, and when it would be too long.
    pub fn write(&self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Box<Fault>> {
        let mut rendered = Rendered::default();
        let base = reader.depth();
        let part = base > 0;
        if part {
            self.start(reader, &mut rendered, out);
        }
        loop {
            let event = reader.pull()?;
            if self.bytes_max.is_some_and(|most| out.len() > most) {
                return Err(reader.fault(FaultKind::Limit, "canonical form is too long"));
            }
            match event {
                Event::Start => self.start(reader, &mut rendered, out),
                Event::End => {
                    end(reader, &mut rendered, out);
                    if part && reader.depth() == base {
                        return Ok(());
                    }
                }
                Event::Text => {
                    // What was read has no character that cannot be written.
                    let _ = escape_text(reader.text(), out);
                }
                Event::Comment if self.comments => {
                    outside(reader, out, |reader, out| {
                        out.extend_from_slice(b"<!--");
                        out.extend_from_slice(reader.text().as_bytes());
                        out.extend_from_slice(b"-->");
                    });
                }
                Event::Comment => (),
                Event::Instruction => outside(reader, out, instruction),
                Event::Eof => return Ok(()),
                Event::NeedMore => {
                    return Err(reader.fault(FaultKind::Syntax, "canonical form needs the whole"));
                }
            }
        }
    }

    fn start(&self, reader: &Reader<'_>, rendered: &mut Rendered, out: &mut Vec<u8>) {
        let name = reader.name();
        rendered.levels.push(rendered.bindings.len());
        out.push(b'<');
        qname(name.prefix, name.local, out);
        let mut wanted = match self.exclusive {
            true => self.used(reader),
            false => all(reader),
        };
        wanted.sort_unstable();
        wanted.dedup();
        for (prefix, uri) in wanted {
            if rendered.uri(prefix) == uri {
                continue;
            }
            out.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
            out.extend_from_slice(prefix.as_bytes());
            attribute_value(uri, out);
            rendered.bindings.push((prefix.to_owned(), uri.to_owned()));
        }
        let mut attributes: Vec<_> = reader.attributes().collect();
        attributes.sort_by_key(|a| (reader.uri(a.name.namespace), a.name.local));
        for attribute in attributes {
            out.push(b' ');
            qname(attribute.name.prefix, attribute.name.local, out);
            attribute_value(attribute.value, out);
        }
        out.push(b'>');
    }

    /// The namespaces that an element visibly uses, and those that were asked for (Exclusive XML Canonicalization 1.0, section 3).
    fn used<'r>(&'r self, reader: &'r Reader<'_>) -> Vec<(&'r str, &'r str)> {
        let listed = self.inclusive_prefixes.iter();
        let listed = listed.map(|prefix| if prefix == "#default" { "" } else { prefix.as_str() });
        let of_attributes = reader.attributes().map(|attribute| attribute.name.prefix);
        let of_attributes = of_attributes.filter(|prefix| !prefix.is_empty());
        let prefixes = [reader.name().prefix].into_iter().chain(of_attributes).chain(listed);
        let bound = prefixes.filter(|prefix| *prefix != "xml").filter_map(|prefix| {
            match reader.namespace(prefix) {
                Some(namespace) => Some((prefix, reader.uri(namespace))),
                // No default is the empty one; a prefix that is listed need not be declared.
                None => prefix.is_empty().then_some(("", "")),
            }
        });
        bound.collect()
    }
}

/// The namespaces in scope, the absence of a default among them.
fn all<'r>(reader: &'r Reader<'_>) -> Vec<(&'r str, &'r str)> {
    let mut in_scope: Vec<_> = reader.namespaces_in_scope().collect();
    if reader.namespace("").is_none_or(|id| reader.uri(id).is_empty()) {
        in_scope.push(("", ""));
    }
    in_scope
}

/// What the elements around have declared in the output.
#[derive(Default)]
struct Rendered {
    bindings: Vec<(String, String)>,
    levels: Vec<usize>,
}

impl Rendered {
    fn uri(&self, prefix: &str) -> &str {
        let bound = self.bindings.iter().rev().find(|(bound, _)| bound == prefix);
        bound.map_or(if prefix == "xml" { XML } else { "" }, |(_, uri)| uri)
    }
}

fn end(reader: &Reader<'_>, rendered: &mut Rendered, out: &mut Vec<u8>) {
    let name = reader.name();
    out.extend_from_slice(b"</");
    qname(name.prefix, name.local, out);
    out.push(b'>');
    if let Some(level) = rendered.levels.pop() {
        rendered.bindings.truncate(level);
    }
}

fn instruction(reader: &Reader<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?");
    out.extend_from_slice(reader.target().as_bytes());
    if !reader.text().is_empty() {
        out.push(b' ');
        out.extend_from_slice(reader.text().as_bytes());
    }
    out.extend_from_slice(b"?>");
}

/// What stands before the root element has a line feed after it, what stands after it one before.
fn outside(reader: &Reader<'_>, out: &mut Vec<u8>, write: fn(&Reader<'_>, &mut Vec<u8>)) {
    let outside = reader.depth() == 0;
    let after = outside && reader.is_after_root();
    if after {
        out.push(b'\n');
    }
    write(reader, out);
    if outside && !after {
        out.push(b'\n');
    }
}

fn qname(prefix: &str, local: &str, out: &mut Vec<u8>) {
    if !prefix.is_empty() {
        out.extend_from_slice(prefix.as_bytes());
        out.push(b':');
    }
    out.extend_from_slice(local.as_bytes());
}

fn attribute_value(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"=\"");
    // What was read has no character that cannot be written.
    let _ = escape_attribute(value, out);
    out.push(b'"');
}
