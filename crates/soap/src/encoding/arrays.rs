//! Types derived from the array of an encoding, written as what they mean: an element that is repeated.

use std::fmt::Write as _;

use roxmltree::{Document, Node, ParsingOptions};

use super::{ENCODING_11, ENCODING_12, ITEM};
use crate::name::XSD;

/// How many dimensions an array may have.
const DIMENSIONS: usize = 8;

/// A document in which every such type is rewritten, line for line; none where there is none. What cannot be read is left
/// to whoever reads it next.
pub(crate) fn plain(text: &str) -> Option<String> {
    // Built-in types of the encoding are those of XML Schema with attributes that no literal form has.
    if !text.contains(ENCODING_11) && !text.contains(ENCODING_12) {
        return None;
    }
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let tree = Document::parse_with_options(text, options).ok()?;
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for node in tree.descendants().filter(|node| node.is_element()) {
        if node.tag_name().namespace() != Some(XSD) {
            continue;
        }
        if let Some(content) = array(node) {
            edits.push((node.range(), content));
        }
        for name in ["type", "base"] {
            let Some(attribute) = node.attribute_node(name) else { continue };
            if let Some(builtin) = builtin(node, attribute.value()) {
                edits.push((attribute.range_value(), builtin));
            }
        }
    }
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (range, new) in edits {
        // Inside of what was replaced.
        if range.start < done {
            continue;
        }
        out.push_str(text.get(done..range.start)?);
        out.push_str(&new);
        let lines = text.get(range.clone())?.bytes().filter(|byte| *byte == b'\n').count();
        out.extend(std::iter::repeat_n('\n', lines));
        done = range.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// What stands for a `complexContent` that restricts the array.
fn array(content: Node<'_, '_>) -> Option<String> {
    if content.tag_name().name() != "complexContent" {
        return None;
    }
    let restriction = content.children().find(|child| {
        child.is_element() && matches!(child.tag_name().name(), "restriction" | "extension")
    })?;
    let (namespace, local) = expand(restriction, restriction.attribute("base")?)?;
    if local != "Array" || !super::is_encoding(namespace) {
        return None;
    }
    let declared = restriction.descendants().find_map(|node| {
        let mut all = node.attributes();
        let named =
            all.find(|a| a.name() == "arrayType" && a.namespace() == Some(crate::wsdl::WSDL));
        Some((node, named?.value()))
    });
    // Without it the only element inside says what an item is.
    let element = || {
        let mut elements = restriction.descendants().filter(|node| {
            node.is_element() && node.tag_name().name() == "element" && node.has_attribute("type")
        });
        let only = elements.next()?;
        Some((only, only.attribute("type")?))
    };
    let (at, ty) = declared.or_else(element)?;
    let (name, dimensions) = split(ty)?;
    let prefix = xsd_prefix(content)?;
    let ty = builtin(at, name).unwrap_or_else(|| name.to_owned());
    // A prefix that is declared on a node inside would be lost with it.
    let declared = at.namespaces().filter_map(|namespace| {
        let lost = content.lookup_namespace_uri(namespace.name()) != Some(namespace.uri());
        lost.then(|| match namespace.name() {
            Some(prefix) => format!(" xmlns:{prefix}=\"{}\"", namespace.uri()),
            None => String::new(),
        })
    });
    let declared: String = declared.collect();
    let mut out = String::new();
    for depth in 0..dimensions {
        let around = format!(
            "<{prefix}sequence><{prefix}element name=\"{ITEM}\" form=\"unqualified\" minOccurs=\"0\" maxOccurs=\"unbounded\" nillable=\"true\""
        );
        out.push_str(&around);
        if depth + 1 < dimensions {
            let _ = write!(out, "><{prefix}complexType>");
        }
    }
    let _ = write!(out, "{declared} type=\"{ty}\"/></{prefix}sequence>");
    for _ in 1..dimensions {
        let _ = write!(out, "</{prefix}complexType></{prefix}element></{prefix}sequence>");
    }
    Some(out)
}

/// The name of an item's type, and of how many dimensions the array is: `[]` and `[,]` of an item's array are two.
pub(super) fn split(ty: &str) -> Option<(&str, usize)> {
    let (name, rest) = ty.trim().split_once('[').unwrap_or((ty.trim(), ""));
    let dimensions = if rest.is_empty() {
        1
    } else {
        1 + rest.bytes().filter(|byte| matches!(byte, b'[' | b',')).count()
    };
    (dimensions <= DIMENSIONS).then_some((name, dimensions))
}

/// A built-in type of an encoding, as the one of XML Schema that it is.
fn builtin(at: Node<'_, '_>, name: &str) -> Option<String> {
    let (namespace, local) = expand(at, name)?;
    let is = super::is_encoding(namespace) && crate::xsd::values::Builtin::by_name(local).is_some();
    Some(format!("{}{local}", xsd_prefix(at).filter(|_| is)?))
}

fn xsd_prefix(at: Node<'_, '_>) -> Option<String> {
    at.namespaces()
        .find(|namespace| namespace.uri() == XSD)
        .map(|namespace| namespace.name().map_or_else(String::new, |prefix| format!("{prefix}:")))
}

fn expand<'n>(at: Node<'n, '_>, name: &'n str) -> Option<(&'n str, &'n str)> {
    let (prefix, local) = crate::name::split(name.trim());
    let namespace = at.lookup_namespace_uri((!prefix.is_empty()).then_some(prefix))?;
    Some((namespace, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(inside: &str) -> String {
        let text = format!(
            "<xs:schema xmlns:xs='{XSD}' xmlns:e='{ENCODING_11}' xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:t='urn:t'>\n{inside}\n</xs:schema>"
        );
        let out = plain(&text).unwrap_or(text.clone());
        assert_eq!(out.lines().count(), text.lines().count(), "{out}");
        assert!(Document::parse(&out).is_ok(), "{out}");
        out
    }

    #[test]
    fn an_array_type_becomes_a_repeated_element_of_as_many_dimensions() {
        let array = |ty: &str| {
            rewritten(&format!(
                "<xs:complexType name='A'><xs:complexContent>\n<xs:restriction base='e:Array'>\n<xs:attribute ref='e:arrayType' w:arrayType='{ty}'/></xs:restriction></xs:complexContent></xs:complexType>"
            ))
        };
        let one = array("t:Line[]");
        assert!(one.contains("type=\"t:Line\"") && one.matches("unbounded").count() == 1, "{one}");
        for two in ["xs:int[,]", "xs:int[][]"] {
            assert_eq!(array(two).matches("maxOccurs=\"unbounded\"").count(), 2, "{two}");
        }
        assert!(array("e:string[]").contains("type=\"xs:string\""));
        // More than anybody means.
        assert!(array("xs:int[][][][][][][][][]").contains("e:Array"));
    }

    #[test]
    fn what_is_no_array_stays_as_it_is() {
        let other = "<xs:complexType name='A'><xs:complexContent><xs:restriction base='t:Array'/></xs:complexContent></xs:complexType>";
        assert!(rewritten(other).contains(other));
        let typed =
            rewritten("<xs:element name='a' type='e:int'/><xs:element name='b' type='e:Array'/>");
        assert!(typed.contains("type='xs:int'") && typed.contains("type='e:Array'"), "{typed}");
    }
}
