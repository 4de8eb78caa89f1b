//! What is wrong with a document, where, and what to do about it.
//!
//! Documents that somebody wrote (WSDL, XSD) are read to their end and give all their faults; a message gives its first.

use std::{fmt, sync::Arc};

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Which document: the URL or file it came from; none for a message.
    pub document: Option<Arc<str>>,
    /// Bytes before the place, in the document as UTF-8.
    pub offset: u64,
    /// From 1; 0 when the place is the document as a whole.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Place {
    /// A document as a whole.
    pub fn document(document: impl Into<Arc<str>>) -> Self {
        Self { document: Some(document.into()), ..Self::default() }
    }

    /// The place after `offset` bytes of `text`.
    pub fn within(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count();
        let last = before.rsplit('\n').next().unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            document: None,
            offset: before.len() as u64,
            line: count(line),
            column: count(last.chars().count()),
        }
    }

    /// The place that is `after` this one, when `after` was counted from here.
    pub(crate) fn plus(&self, after: &Self) -> Self {
        let column = if after.line > 1 { 0 } else { self.column.saturating_sub(1) };
        Self {
            document: self.document.clone(),
            offset: self.offset + after.offset,
            line: self.line.saturating_add(after.line.saturating_sub(1)),
            column: column.saturating_add(after.column),
        }
    }

    /// The same place, of this document.
    #[must_use]
    pub fn of(mut self, document: &Arc<str>) -> Self {
        self.document = Some(Arc::clone(document));
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.document, self.line) {
            (Some(document), 0) => write!(f, "{document}"),
            (Some(document), line) => write!(f, "{document}:{line}:{}", self.column),
            (None, 0) => write!(f, "the document"),
            (None, line) => write!(f, "{line}:{}", self.column),
        }
    }
}

/// What sort of fault it is, for those who answer differently to different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// The bytes are not the text they claim to be, or of an encoding we do not read.
    Encoding,
    /// Not well-formed XML, or not JSON.
    Syntax,
    /// Well-formed, but not by Namespaces in XML.
    Namespace,
    /// A bound of [`Limits`](crate::Limits) was met.
    Limit,
    /// Correct, and refused all the same: a DOCTYPE.
    Refused,
    /// Something that is referred to is not there.
    Reference,
    /// A schema says something that it may not.
    Schema,
    /// A WSDL says something that it may not.
    Wsdl,
    /// A SOAP message is not one.
    Message,
    /// A value or an element is not what the schema says.
    Invalid,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Severity {
    /// The document can be used.
    Warning,
    /// It cannot.
    #[default]
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How much it matters.
    pub severity: Severity,
    /// What sort of fault it is.
    pub kind: FaultKind,
    /// The rule that is broken, where it has a name (`R2716`, `cvc-elt.1`).
    pub rule: Option<&'static str>,
    /// Where.
    pub place: Place,
    /// The elements that are open at the place, `/soap:Envelope/soap:Body`; a JSON Pointer in JSON. May be empty.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub cure: Option<String>,
}

impl Fault {
    /// An error without a place, for whoever knows the place to complete.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind,
            rule: None,
            place: Place::default(),
            path: String::new(),
            message: message.into(),
            cure: None,
        }
    }

    /// A warning without a place.
    pub fn warning(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(kind, message) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Says inside which elements.
    #[must_use]
    pub fn inside(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Names the rule.
    #[must_use]
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// Whether the document cannot be used for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::default() {
            write!(f, "{}: ", self.place)?;
        }
        if let Some(rule) = self.rule {
            write!(f, "{rule}: ")?;
        }
        write!(f, "{}", self.message)?;
        if !self.path.is_empty() {
            write!(f, " (in {})", self.path)?;
        }
        match &self.cure {
            Some(cure) => write!(f, "; {cure}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "añb\nc\u{1F600}d";
        assert_eq!(Place::within(text, 0).to_string(), "1:1");
        assert_eq!(Place::within(text, 3).to_string(), "1:3");
        assert_eq!(Place::within(text, 5).to_string(), "2:1");
        assert_eq!(Place::within(text, 10).to_string(), "2:3");
        assert_eq!(Place::within(text, 99).to_string(), "2:4");
    }

    #[test]
    fn a_fault_is_one_line_for_a_person() {
        let fault = Fault::new(FaultKind::Wsdl, "a document body has two parts")
            .rule("R2201")
            .at(Place { line: 3, column: 7, ..Place::document("a.wsdl") })
            .cure("name one of them in parts=");
        assert_eq!(
            fault.to_string(),
            "a.wsdl:3:7: R2201: a document body has two parts; name one of them in parts="
        );
    }
}
