//! What stands in a tag, written down again as it was read: the prefixes of a message are kept.

use super::writer::escape_attribute;

/// ` xmlns="…"`, or with a prefix.
pub(crate) fn declaration(prefix: &str, uri: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
    out.extend_from_slice(prefix.as_bytes());
    value(uri, out);
}

/// `="…"`. It was read from XML, so it has nothing that XML cannot hold.
pub(crate) fn value(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"=\"");
    let _ = escape_attribute(text, out);
    out.push(b'"');
}

/// A name with its prefix, if it has one.
pub(crate) fn name(prefix: &str, local: &str, out: &mut Vec<u8>) {
    if !prefix.is_empty() {
        out.extend_from_slice(prefix.as_bytes());
        out.push(b':');
    }
    out.extend_from_slice(local.as_bytes());
}
