//! What an outside document may cost us: every bound, its unit and its default (L27, L28).
//!
//! A bound is checked inside the loop that would exceed it, before memory is taken for it.

/// What becomes of a document type declaration. Entities are never declared by one, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Doctype {
    /// The document is refused (T47).
    #[default]
    Refuse,
    /// It is stepped over, unread; a reference to an entity that it declares is a fault all the same. For imports only.
    StepOver,
}

/// The bounds of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document as it arrives.
    pub document_bytes: u64,
    /// Elements inside each other (L27).
    pub depth: u32,
    /// Attributes of an element, namespace declarations not counted (L27).
    pub attributes: u32,
    /// Namespace declarations of an element (L27).
    pub declarations: u32,
    /// Namespace declarations in scope at any point; one that repeats what is in scope costs nothing.
    pub declarations_in_scope: u32,
    /// Bytes of a qualified name or of a target (L27).
    pub name_bytes: u32,
    /// Bytes of an attribute's value (L27).
    pub value_bytes: u32,
    /// Bytes of a tag, a comment or a processing instruction as a whole: what a streaming reader has to hold.
    pub markup_bytes: u32,
    /// Elements, attributes, comments and instructions of a document (L27).
    pub nodes: u64,
    /// What becomes of a DOCTYPE.
    pub doctype: Doctype,
    /// Whether ISO-8859-1 and US-ASCII are read beside UTF-8 and UTF-16. For imports only.
    pub legacy_encodings: bool,
    /// Arrays and objects of JSON inside each other (L28).
    pub json_depth: u32,
    /// Bytes of a JSON number (L28): numbers are kept as text, of any size up to this.
    pub json_number_bytes: u32,
    /// Bytes of a JSON name.
    pub json_name_bytes: u32,
    /// Members of one JSON object; their names are remembered to refuse a second one.
    pub json_members: u32,
    /// Values of a JSON document, at any depth.
    pub json_values: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 10 << 20,
            depth: 100,
            attributes: 128,
            declarations: 64,
            declarations_in_scope: 256,
            name_bytes: 1 << 10,
            value_bytes: 64 << 10,
            markup_bytes: 1 << 20,
            nodes: 1_000_000,
            doctype: Doctype::Refuse,
            legacy_encodings: false,
            json_depth: 64,
            json_number_bytes: 4 << 10,
            json_name_bytes: 4 << 10,
            json_members: 10_000,
            json_values: 1_000_000,
        }
    }
}

impl Limits {
    /// For WSDL and schema documents, which somebody chose to read: larger, and old encodings are understood.
    pub fn import() -> Self {
        Self {
            document_bytes: 64 << 20,
            markup_bytes: 4 << 20,
            legacy_encodings: true,
            ..Self::default()
        }
    }
}
