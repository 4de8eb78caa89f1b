//! The documents of a WSDL as callers load them from us.

use std::ops::Range;

use pasarela_model::{Reference, ServedContract};
use pasarela_soap::wsdl::WSDL;
use roxmltree::{Document, Node, ParsingOptions};

const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// Where documents stand that everybody may load, and that tell nothing of anybody.
const PUBLIC: [&str; 4] = [
    "http://www.w3.org/",
    "https://www.w3.org/",
    "http://schemas.xmlsoap.org/",
    "http://docs.oasis-open.org/",
];

/// A document of a contract with the gateway's addresses in place of the service's own: in every port, and in what it
/// imports. Everything else keeps its bytes. `name` is that of an imported document, or empty for the WSDL itself; `soap`
/// is the address of the SOAP face. `None`: there is no such document.
pub fn served(contract: &ServedContract, name: &str, soap: &str) -> Option<String> {
    let (document, references) = match name {
        "" => (&contract.document, &contract.references),
        _ => {
            let found = contract.imports.iter().find(|document| document.name == name)?;
            (&found.document, &found.references)
        }
    };
    // It was read before, by a reader with bounds.
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    let Ok(tree) = Document::parse_with_options(document, options) else {
        return Some(document.clone());
    };
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    for node in tree.root_element().descendants() {
        if node.has_tag_name((WSDL, "port")) {
            let addresses = node.descendants().filter_map(address);
            changes.extend(addresses.map(|range| (range, escaped(soap))));
        }
        if let Some(attribute) = location(node) {
            changes.extend(relocated(node, attribute, contract, references, soap));
        }
    }
    // None lies inside another one.
    changes.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(document.len() + 64 * changes.len());
    let mut done = 0;
    for (range, text) in changes {
        out.push_str(document.get(done..range.start).unwrap_or_default());
        out.push_str(&text);
        done = range.end;
    }
    out.push_str(document.get(done..).unwrap_or_default());
    Some(out)
}

/// Where an element holds an address, as a range of bytes.
fn address(node: Node<'_, '_>) -> Option<Range<usize>> {
    match node.tag_name().name() {
        "address" => Some(node.attribute_node("location")?.range_value()),
        "Address" => node.children().find(Node::is_text).map(|text| text.range()),
        _ => None,
    }
}

/// The attribute by which an element imports a document.
fn location(node: Node<'_, '_>) -> Option<&'static str> {
    let name = node.tag_name();
    match (name.namespace(), name.name()) {
        (Some(WSDL), "import") => Some("location"),
        (Some(XSD), "import" | "include" | "redefine") => Some("schemaLocation"),
        _ => None,
    }
}

/// What becomes of an import. One that led to nothing is no use to callers either, and may name what is behind us.
fn relocated(
    node: Node<'_, '_>,
    attribute: &str,
    contract: &ServedContract,
    references: &[Reference],
    soap: &str,
) -> Option<(Range<usize>, String)> {
    let found = node.attribute_node(attribute)?;
    let location = found.value().trim();
    let Some(meant) = references.iter().find(|said| said.location.trim() == location) else {
        let public = PUBLIC.iter().any(|known| location.starts_with(known));
        return (!public).then(|| (found.range(), String::new()));
    };
    let import = contract.imports.iter().find(|document| document.name == meant.name);
    let url = match import {
        None => format!("{soap}?wsdl"),
        Some(import) if import.schema => format!("{soap}?xsd={}", import.name),
        Some(import) => format!("{soap}?wsdl={}", import.name),
    };
    Some((found.range_value(), escaped(&url)))
}

/// A text as it may stand in an attribute with either quote, and between tags.
fn escaped(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use pasarela_model::ImportedDocument;

    use super::*;

    fn contract(document: &str) -> ServedContract {
        let reference = |location: &str, name: &str| Reference {
            location: location.to_owned(),
            name: name.to_owned(),
        };
        let import = |name: &str, schema: bool, text: &str, references| ImportedDocument {
            name: name.to_owned(),
            schema,
            document: text.to_owned(),
            references,
        };
        ServedContract {
            wsdl: true,
            document: document.to_owned(),
            references: vec![reference("../in/abstract.wsdl", "abstract.wsdl")],
            imports: vec![
                import(
                    "abstract.wsdl",
                    false,
                    ABSTRACT,
                    vec![reference("types.xsd", "types.xsd"), reference("main.wsdl", "")],
                ),
                import("types.xsd", true, "<x/>", Vec::new()),
            ],
            rest: Default::default(),
        }
    }

    const ABSTRACT: &str = r#"<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:x="http://www.w3.org/2001/XMLSchema">
<w:import namespace="a" location="main.wsdl"/><w:types><x:schema><x:import namespace="t" schemaLocation="types.xsd"/>
<x:import namespace="l" schemaLocation="http://10.0.0.1/lost.xsd"/><x:import schemaLocation="http://www.w3.org/2001/xml.xsd"/></x:schema></w:types></w:definitions>"#;

    #[test]
    fn only_addresses_change() {
        let document = r#"<?xml version="1.0"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:a="http://www.w3.org/2005/08/addressing">
  <!-- location="http://10.0.0.1/comment" --><w:import namespace="i" location="../in/abstract.wsdl"/>
  <w:service name="ü"><w:port name="a" binding="x"><s:address  location = 'http://10.0.0.1/a?b&amp;c'/></w:port>
    <w:port name="b" binding="x"><s12:address location="http://10.0.0.1/"/>
      <a:EndpointReference><a:Address>http://10.0.0.1/</a:Address></a:EndpointReference></w:port>
    <w:port name="c" binding="x"/></w:service>
</w:definitions>"#;
        let result = served(&contract(document), "", "https://api.test/a?b&c='\"<>").unwrap();
        let address = "https://api.test/a?b&amp;c=&#39;&quot;&lt;&gt;";
        let expected = document
            .replace("http://10.0.0.1/a?b&amp;c", address)
            .replace("\"http://10.0.0.1/\"", &format!("\"{address}\""))
            .replace(">http://10.0.0.1/<", &format!(">{address}<"))
            .replace("../in/abstract.wsdl", &format!("{address}?wsdl=abstract.wsdl"));
        assert_eq!(result, expected);
        assert_eq!(served(&contract("not xml"), "", "x").unwrap(), "not xml");
    }

    #[test]
    fn what_is_imported_is_loaded_from_us_too() {
        let result = served(&contract("<x/>"), "abstract.wsdl", "http://g/s").unwrap();
        assert!(result.contains("namespace=\"a\" location=\"http://g/s?wsdl\""), "{result}");
        assert!(
            result.contains("namespace=\"t\" schemaLocation=\"http://g/s?xsd=types.xsd\""),
            "{result}"
        );
        assert!(result.contains("schemaLocation=\"http://www.w3.org/2001/xml.xsd\""), "{result}");
        assert!(!result.contains("10.0.0.1"), "{result}");
        assert_eq!(served(&contract("<x/>"), "types.xsd", "http://g/s").unwrap(), "<x/>");
        assert_eq!(served(&contract("<x/>"), "other.xsd", "http://g/s"), None);
    }
}
