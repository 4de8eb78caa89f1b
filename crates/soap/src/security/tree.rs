//! A security header as a small tree: the only part of a message that is held as one.

use std::ops::Range;

use super::{Refused, Why};
use crate::{
    name::XML,
    xml::{Event, Reader},
};

/// The namespace of `wsu:Id`.
pub(super) const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// Elements of a security header; a signature over ten parts has about eighty.
const ELEMENTS_MAX: usize = 400;
/// Bytes of its texts and attributes; certificates take the most.
const TEXT_BYTES_MAX: usize = 128 << 10;

/// An element with all that is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) local: String,
    attributes: Vec<(String, String, String)>,
    /// The texts in it, one after the other; comments between them are nothing.
    pub(super) text: String,
    pub(super) children: Vec<Self>,
    /// Where it lies in the message.
    pub(super) span: Range<u64>,
}

impl Element {
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }

    /// Its attribute of this name.
    pub(super) fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        let named = |(n, l, _): &&(String, String, String)| l == local && n == namespace;
        self.attributes.iter().find(named).map(|(_, _, value)| value.as_str())
    }

    /// Its children of this name.
    pub(super) fn all<'e>(
        &'e self,
        namespace: &'e str,
        local: &'e str,
    ) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.is(namespace, local))
    }

    /// Its child of this name.
    ///
    /// # Errors
    /// When there are two.
    pub(super) fn only(&self, namespace: &str, local: &str) -> Result<Option<&Self>, Refused> {
        let mut all = self.children.iter().filter(|child| child.is(namespace, local));
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(Refused::new(Why::Invalid, format!("{local} is there twice"))),
            (one, None) => Ok(one),
        }
    }

    /// Its child of this name, which has to be there.
    ///
    /// # Errors
    /// When it is not, or twice.
    pub(super) fn need(&self, namespace: &str, local: &str) -> Result<&Self, Refused> {
        self.only(namespace, local)?
            .ok_or_else(|| Refused::new(Why::Invalid, format!("{} has no {local}", self.local)))
    }

    /// Its text without the blanks around it.
    pub(super) fn trimmed(&self) -> &str {
        self.text.trim_matches([' ', '\t', '\r', '\n'])
    }

    /// Its text as Base64.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Refused> {
        base64_simd::forgiving_decode_to_vec(self.text.as_bytes())
            .map_err(|_| Refused::new(Why::Invalid, format!("{} is not Base64", self.local)))
    }
}

/// Builds a tree out of what a reader reads.
#[derive(Debug, Default)]
pub(super) struct Builder {
    open: Vec<Element>,
    elements: usize,
    text_bytes: usize,
}

impl Builder {
    /// Takes an event; the tree when it was its end.
    ///
    /// # Errors
    /// When it is larger than such headers are.
    pub(super) fn take(
        &mut self,
        reader: &Reader<'_>,
        event: Event,
    ) -> Result<Option<Element>, Refused> {
        match event {
            Event::Start => self.open.push(element(reader)),
            Event::Text => {
                if let Some(element) = self.open.last_mut() {
                    element.text.push_str(reader.text());
                }
            }
            Event::End => {
                let Some(mut closed) = self.open.pop() else { return Ok(None) };
                closed.span.end = reader.span().end;
                match self.open.last_mut() {
                    Some(around) => around.children.push(closed),
                    None => return Ok(Some(closed)),
                }
            }
            _ => (),
        }
        match event {
            Event::Start => {
                self.elements += 1;
                let attributes = reader.attributes();
                self.text_bytes += attributes.map(|attribute| attribute.value.len()).sum::<usize>();
            }
            Event::Text => self.text_bytes += reader.text().len(),
            _ => (),
        }
        if self.elements > ELEMENTS_MAX || self.text_bytes > TEXT_BYTES_MAX {
            return Err(Refused::new(Why::Invalid, "the security header is too large"));
        }
        Ok(None)
    }
}

fn element(reader: &Reader<'_>) -> Element {
    let name = reader.name();
    let attributes = reader.attributes().map(|attribute| {
        let namespace = reader.uri(attribute.name.namespace).to_owned();
        (namespace, attribute.name.local.to_owned(), attribute.value.to_owned())
    });
    Element {
        namespace: reader.uri(name.namespace).to_owned(),
        local: name.local.to_owned(),
        attributes: attributes.collect(),
        span: reader.span(),
        ..Element::default()
    }
}

/// Everything that somebody takes for the id of the element that starts here. Whether it is one depends on who reads the
/// message, and an id that two elements have for two readers is what wrapping attacks are made of. With each comes whether a
/// signature may refer to it.
pub(super) fn ids<'r>(reader: &'r Reader<'_>) -> impl Iterator<Item = (&'r str, bool)> {
    reader.attributes().filter_map(|attribute| {
        let namespace = reader.uri(attribute.name.namespace);
        // `Id` in no namespace is what senders write who know XML Signature and not WS-Security.
        let proper = matches!(namespace, WSU | "") && attribute.name.local == "Id";
        let looks = match namespace {
            WSU | XML => attribute.name.local.eq_ignore_ascii_case("id"),
            // SAML 1.1 has `AssertionID`, and SOAP 1.1 and XML Signature have `id` and `Id`.
            _ => {
                let tail = attribute.name.local.len().checked_sub(2);
                let tail = tail.and_then(|at| attribute.name.local.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case("id"))
            }
        };
        looks.then_some((attribute.value, proper))
    })
}
