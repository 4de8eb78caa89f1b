//! Writing XML: every byte of it passes the escaping here, so that no data can become markup (T50).
//!
//! Namespaces are given as text, and prefixes are found or declared as they are needed. What is written is in the
//! form of canonical XML but for empty elements.

use super::chars::is_char;
use crate::name::XML;

/// A character that no XML 1.0 document can hold, not even as a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the character U+{:04X} may not stand in XML", u32::from(*.0))]
pub struct IllegalChar(pub char);

/// A document or a part of one that is being written.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Names of the open elements, one after the other, and where each begins.
    names: String,
    open: Vec<Open>,
    bindings: Vec<Binding>,
    /// Whether the last start tag may still get attributes.
    in_tag: bool,
}

#[derive(Debug)]
struct Open {
    name: usize,
    bindings: usize,
}

#[derive(Debug)]
struct Binding {
    prefix: Box<str>,
    uri: Box<str>,
}

impl Writer {
    /// Writes after what `out` holds.
    pub fn new(out: Vec<u8>) -> Self {
        Self { out, ..Self::default() }
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`
    pub fn declaration(&mut self) {
        self.out.extend_from_slice(br#"<?xml version="1.0" encoding="UTF-8"?>"#);
    }

    /// Begins an element by its qualified name, whose prefix is the caller's affair.
    pub fn start(&mut self, qname: &str) {
        self.close_tag();
        self.open.push(Open { name: self.names.len(), bindings: self.bindings.len() });
        self.names.push_str(qname);
        self.out.push(b'<');
        self.out.extend_from_slice(qname.as_bytes());
        self.in_tag = true;
    }

    /// Begins an element of a namespace, empty for none. Where no prefix stands for it, `hint` is declared, or becomes
    /// the default namespace's when it is empty.
    pub fn start_in(&mut self, namespace: &str, local: &str, hint: &str) {
        if namespace.is_empty() {
            self.start(local);
            if !self.uri_of("").unwrap_or_default().is_empty() {
                self.declare("", "");
            }
            return;
        }
        if let Some(prefix) = self.prefix_of(namespace, true).map(str::to_owned) {
            self.start(&qualified(&prefix, local));
            return;
        }
        self.start(&qualified(hint, local));
        self.declare(hint, namespace);
    }

    /// Declares a namespace on the element that was begun last.
    pub fn declare(&mut self, prefix: &str, uri: &str) {
        let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        // A namespace is text that was read or configured, and holds no illegal character.
        let _ = self.attribute(&name, uri);
        self.bindings.push(Binding { prefix: prefix.into(), uri: uri.into() });
    }

    /// Adds an attribute to the element that was begun last, by its qualified name.
    ///
    /// # Errors
    /// When the value cannot be written in XML. The document is unusable then.
    pub fn attribute(&mut self, qname: &str, value: &str) -> Result<(), IllegalChar> {
        self.out.push(b' ');
        self.out.extend_from_slice(qname.as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape_attribute(value, &mut self.out)?;
        self.out.push(b'"');
        Ok(())
    }

    /// Adds an attribute of a namespace, empty for none, with a prefix that stands for it or that is made from `hint`.
    ///
    /// # Errors
    /// When the value cannot be written in XML. The document is unusable then.
    pub fn attribute_in(
        &mut self,
        namespace: &str,
        local: &str,
        hint: &str,
        value: &str,
    ) -> Result<(), IllegalChar> {
        if namespace.is_empty() {
            return self.attribute(local, value);
        }
        let prefix = self.prefix_for(namespace, hint);
        self.attribute(&qualified(&prefix, local), value)
    }

    /// A qualified name as a value, for an attribute or a text of the element that was begun last: declares the
    /// prefix if need be.
    pub fn qname(&mut self, namespace: &str, local: &str, hint: &str) -> String {
        if namespace.is_empty() {
            if !self.uri_of("").unwrap_or_default().is_empty() {
                self.declare("", "");
            }
            return local.to_owned();
        }
        let prefix = self.prefix_for(namespace, hint);
        qualified(&prefix, local)
    }

    /// Adds text.
    ///
    /// # Errors
    /// When it cannot be written in XML. The document is unusable then.
    pub fn text(&mut self, text: &str) -> Result<(), IllegalChar> {
        if text.is_empty() {
            return Ok(());
        }
        self.close_tag();
        escape_text(text, &mut self.out)
    }

    /// Adds well-formed content as it is: what was read and is passed on byte for byte.
    pub fn verbatim(&mut self, xml: &str) {
        self.close_tag();
        self.out.extend_from_slice(xml.as_bytes());
    }

    /// Ends the element that was begun last.
    pub fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(self.names.as_bytes().get(open.name..).unwrap_or_default());
            self.out.push(b'>');
        }
        self.names.truncate(open.name);
        self.bindings.truncate(open.bindings);
    }

    /// What was written so far; the last start tag may be unfinished.
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// Ends all that is open and gives what was written.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    /// The namespace that a prefix stands for at the element that was begun last.
    pub fn uri_of(&self, prefix: &str) -> Option<&str> {
        let bound = self.bindings.iter().rev().find(|binding| *binding.prefix == *prefix);
        bound.map(|binding| &*binding.uri)
    }

    /// A prefix that stands for a namespace; the empty one only where it may.
    fn prefix_of(&self, namespace: &str, default_too: bool) -> Option<&str> {
        if namespace == XML {
            return Some("xml");
        }
        let mut bound = self.bindings.iter().rev().filter(|binding| *binding.uri == *namespace);
        let usable = bound.find(|binding| {
            (default_too || !binding.prefix.is_empty())
                && self.uri_of(&binding.prefix) == Some(namespace)
        });
        usable.map(|binding| &*binding.prefix)
    }

    /// A prefix that is not the empty one, declared here if need be.
    fn prefix_for(&mut self, namespace: &str, hint: &str) -> String {
        if let Some(prefix) = self.prefix_of(namespace, false) {
            return prefix.to_owned();
        }
        let hint = if hint.is_empty() { "n" } else { hint };
        let mut prefix = hint.to_owned();
        let mut number = 1;
        while self.uri_of(&prefix).is_some() {
            number += 1;
            prefix = format!("{hint}{number}");
        }
        self.declare(&prefix, namespace);
        prefix
    }

    #[inline]
    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }
}

fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

/// What a byte needs in text and in the value of an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// In the value of an attribute only.
    Attribute,
    /// In text only.
    Text,
    Both,
    /// It may begin a character that is not one of XML.
    Look,
}

const NEEDS: [Need; 256] = {
    let mut table = [Need::Nothing; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\t' | b'\n' | b'"' => Need::Attribute,
            b'>' => Need::Text,
            b'&' | b'<' | b'\r' => Need::Both,
            0..0x20 | 0xEF => Need::Look,
            _ => Need::Nothing,
        };
        byte += 1;
    }
    table
};

/// Appends text as it stands between tags.
///
/// # Errors
/// When it holds a character that XML cannot.
pub fn escape_text(text: &str, out: &mut Vec<u8>) -> Result<(), IllegalChar> {
    escape(text, out, Need::Text)
}

/// Appends text as it stands between double quotes.
///
/// # Errors
/// When it holds a character that XML cannot.
pub fn escape_attribute(value: &str, out: &mut Vec<u8>) -> Result<(), IllegalChar> {
    escape(value, out, Need::Attribute)
}

fn escape(text: &str, out: &mut Vec<u8>, place: Need) -> Result<(), IllegalChar> {
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let need = NEEDS.get(usize::from(byte)).copied().unwrap_or(Need::Nothing);
        if need == Need::Nothing {
            continue;
        }
        if need == Need::Look {
            let c = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            if !is_char(c) {
                return Err(IllegalChar(c));
            }
        } else if need == Need::Both || need == place {
            out.extend_from_slice(bytes.get(run..at).unwrap_or_default());
            out.extend_from_slice(reference(byte));
            run = at + 1;
        }
    }
    out.extend_from_slice(bytes.get(run..).unwrap_or_default());
    Ok(())
}

/// The forms of canonical XML (section 2.3).
fn reference(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'"' => b"&quot;",
        b'\t' => b"&#x9;",
        b'\n' => b"&#xA;",
        _ => b"&#xD;",
    }
}
