//! XML documents within bounds, with positions (L27, T47).
//!
//! No DOCTYPE is read, so there are no entities beyond the predefined ones and nothing outside
//! the document is ever looked at.

use roxmltree::{Document, Node, ParsingOptions};

use crate::{ContractFault, Position};

const DEPTH_MAX: usize = 100;
const ATTRIBUTES_MAX: usize = 192;
const NODES_MAX: u32 = 1_000_000;

/// Reads an XML document.
///
/// # Errors
/// The fault that makes it unreadable.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, ContractFault> {
    check_bounds(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        if matches!(error, roxmltree::Error::DtdDetected) {
            let at = text.find("<!DOCTYPE").unwrap_or_default();
            return ContractFault::new(
                Position::after(text.get(..at).unwrap_or_default()),
                "the document has a DOCTYPE, which is never read",
                "take the DOCTYPE out and write out the entities it declares",
            );
        }
        let place = error.pos();
        let at = Position { line: place.row, column: place.col };
        // The place is told apart from the cause.
        let message = error.to_string();
        let message = message.strip_suffix(&format!(" at {place}")).unwrap_or(&message);
        ContractFault::new(at, format!("this is not XML: {message}"), "correct the XML here")
    })
}

/// Where a node or an attribute begins.
pub(crate) fn position(document: &Document<'_>, offset: usize) -> Position {
    let place = document.text_pos_at(offset);
    Position { line: place.row, column: place.col }
}

/// A qualified name in the value of an attribute, as namespace and local name.
///
/// # Errors
/// The prefix that is not declared.
pub(crate) fn qname<'a>(
    node: Node<'a, '_>,
    value: &'a str,
) -> Result<(Option<&'a str>, &'a str), &'a str> {
    match value.trim().split_once(':') {
        Some((prefix, local)) => match node.lookup_namespace_uri(Some(prefix)) {
            Some(namespace) => Ok((Some(namespace), local)),
            None => Err(prefix),
        },
        None => Ok((node.lookup_namespace_uri(None), value.trim())),
    }
}

/// `{namespace}local`, or only the local name where there is no namespace.
pub(crate) fn clark((namespace, local): (Option<&str>, &str)) -> String {
    match namespace {
        Some(namespace) if !namespace.is_empty() => format!("{{{namespace}}}{local}"),
        _ => local.to_owned(),
    }
}

/// Text for an attribute's value or an element's content.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A look at the tags alone. The parser behind us takes any depth and compares each attribute of
/// an element with all others, so a document made for that has to be stopped here. What is not
/// well-formed may be counted wrongly; the parser refuses it in any case.
fn check_bounds(text: &str) -> Result<(), ContractFault> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + found;
        let rest = text.get(start..).unwrap_or_default();
        let fault = |message: String, cure: &str| {
            Err(ContractFault::new(
                Position::after(text.get(..start).unwrap_or_default()),
                message,
                cure,
            ))
        };
        let after = |end: &str| rest.find(end).map_or(rest.len(), |found| found + end.len());
        let length = if rest.starts_with("<!--") {
            after("-->")
        } else if rest.starts_with("<![CDATA[") {
            after("]]>")
        } else if rest.starts_with("<?") {
            after("?>")
        } else if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
            after(">")
        } else {
            let tag = tag(rest);
            if tag.attributes > ATTRIBUTES_MAX {
                return fault(
                    format!("an element has more than {ATTRIBUTES_MAX} attributes"),
                    "take attributes out",
                );
            }
            depth += usize::from(!tag.closed);
            if depth > DEPTH_MAX {
                return fault(
                    format!("the document nests more than {DEPTH_MAX} levels deep"),
                    "move inner parts out into types of their own",
                );
            }
            tag.length
        };
        at = start + length.max(1);
    }
    Ok(())
}

struct Tag {
    length: usize,
    attributes: usize,
    /// `<a/>`
    closed: bool,
}

fn tag(text: &str) -> Tag {
    let mut quote = None;
    let mut attributes = 0;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'=') => attributes += 1,
            (None, b'>') => return Tag { length: at + 1, attributes, closed: before == b'/' },
            _ => {}
        }
        before = byte;
    }
    Tag { length: text.len(), attributes, closed: false }
}
