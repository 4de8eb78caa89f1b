//! Messages between XML and JSON, both ways: each file of `tests/cases/transcode` is a story.
//!
//! A file has four parts between lines of dashes: what to do, the schema, the XML, the JSON. Lines of the first part:
//! `element: name`, `options: …`, `way: json|xml` where only one direction holds. A last part that begins with
//! `error:` holds a piece of the fault that has to come.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use pasarela_soap::transcode::{Body, Dates, Decoder, Encoder, Numbers, Options, Plan};
use pasarela_soap::xsd::Schemas;
use pasarela_soap::{ExpandedName, Limits, json, xml};

#[test]
fn every_case_is_told_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transcode");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        if let Err(why) = Case::parse(&text).run() {
            let _ = writeln!(wrong, "\n{}: {why}", file.file_name().unwrap().to_string_lossy());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(files.len() > 20, "the cases are there");
}

struct Case<'t> {
    element: &'t str,
    options: Options,
    way: &'t str,
    schema: String,
    xml: &'t str,
    json: &'t str,
}

impl<'t> Case<'t> {
    fn parse(text: &'t str) -> Self {
        let parts: Vec<_> = text.split("\n-----\n").collect();
        let &[head, schema, xml, json] = parts.as_slice() else { panic!("four parts: {text}") };
        let line = |key: &str| head.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
        Self {
            element: line("element:").unwrap_or("root"),
            options: options(line("options:").unwrap_or("")),
            way: line("way:").unwrap_or("both"),
            schema: whole(schema.trim()),
            xml: xml.trim(),
            json: json.trim(),
        }
    }

    fn run(&self) -> Result<(), String> {
        let (schemas, faults) = Schemas::from_bytes("case.xsd", self.schema.as_bytes());
        if let Some(fault) = faults.iter().find(|fault| fault.is_error()) {
            return Err(format!("schema: {fault}"));
        }
        let element = schemas
            .element_named(&ExpandedName::new("urn:t", self.element))
            .ok_or("no such element")?;
        let plan = Plan::new(Arc::new(schemas), self.options.clone());
        let message = plan.message(Body::Element(element));
        if self.way != "xml" {
            let mut decoder = Decoder::new(&plan, &message);
            let limits = Limits::default();
            let mut reader =
                xml::Reader::with(self.xml.as_bytes(), None, &plan.schemas().symbols, &limits)
                    .unwrap();
            let got =
                decoder.document(&mut reader).map(|json| String::from_utf8(json.to_vec()).unwrap());
            expect("XML to JSON", got.map_err(|f| f.to_string()), self.json, compact)?;
        }
        if self.way != "json" {
            let mut encoder = Encoder::new(&plan, &message);
            let mut reader = json::Reader::new(self.json.as_bytes(), &Limits::default()).unwrap();
            let got =
                encoder.document(&mut reader).map(|xml| String::from_utf8(xml.to_vec()).unwrap());
            expect("JSON to XML", got.map_err(|f| f.to_string()), self.xml, canonical)?;
        }
        Ok(())
    }
}

fn expect(
    what: &str,
    got: Result<String, String>,
    wanted: &str,
    form: impl Fn(&str) -> String,
) -> Result<(), String> {
    match (got, wanted.strip_prefix("error:")) {
        (Err(fault), Some(piece)) if fault.contains(piece.trim()) => Ok(()),
        (Err(fault), Some(piece)) => {
            Err(format!("{what}: another fault\n  got    {fault}\n  wanted {}", piece.trim()))
        }
        (Ok(got), None) => {
            let (got, wanted) = (form(&got), form(wanted));
            if got == wanted {
                Ok(())
            } else {
                Err(format!("{what}:\n  got    {got}\n  wanted {wanted}"))
            }
        }
        (Err(fault), None) => Err(format!("{what}: {fault}")),
        (Ok(got), Some(_)) => Err(format!("{what}: a fault has to come, and this came: {got}")),
    }
}

pub(crate) fn options(text: &str) -> Options {
    let mut options = Options::default();
    for word in text.split_whitespace() {
        match word {
            "numbers=number" => options.numbers = Numbers::Number,
            "numbers=string" => options.numbers = Numbers::String,
            "dates=rfc3339" => options.dates = Dates::Rfc3339,
            "emit_empty_arrays" => options.emit_empty_arrays = true,
            "coerce_scalar" => options.coerce_scalar = true,
            "null_as_absent" => options.null_as_absent = true,
            "empty_as_null" => options.empty_as_null = true,
            "ignore_unknown" => options.ignore_unknown = true,
            "collapse_wrapped_arrays" => options.collapse_wrapped_arrays = true,
            "xml_string" => options.xml_string = vec!["*".to_owned()],
            "xml_string=P" => options.xml_string = vec!["P".to_owned(), "o.note".to_owned()],
            "grouped" => options.grouped = true,
            "apply_defaults" => options.apply_defaults = true,
            _ => panic!("no option {word}"),
        }
    }
    options
}

/// A schema of the namespace `urn:t`, unless the text is one of its own.
pub(crate) fn whole(schema: &str) -> String {
    if schema.starts_with("<xs:schema") {
        return schema.to_owned();
    }
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='urn:t' targetNamespace='urn:t' \
         elementFormDefault='qualified'>{schema}</xs:schema>"
    )
}

/// JSON without white space between its tokens.
fn compact(json: &str) -> String {
    let mut out = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string || !c.is_whitespace() {
            out.push(c);
        }
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    out
}

/// XML with expanded names, sorted attributes and no white space between elements.
pub(crate) fn canonical(xml: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|fault| panic!("{fault}: {xml}"));
    let mut out = String::new();
    write_node(document.root_element(), &mut out);
    out
}

fn write_node(node: roxmltree::Node<'_, '_>, out: &mut String) {
    let expanded = |namespace: Option<&str>, local: &str| match namespace {
        Some(namespace) if !namespace.is_empty() => format!("{{{namespace}}}{local}"),
        _ => local.to_owned(),
    };
    let name = expanded(node.tag_name().namespace(), node.tag_name().name());
    let _ = write!(out, "<{name}");
    let mut attributes: Vec<_> = node
        .attributes()
        .map(|a| {
            let key = expanded(a.namespace(), a.name());
            let value = match (a.name(), a.value().split_once(':')) {
                ("type", Some((prefix, local))) if a.namespace().is_some() => {
                    expanded(node.lookup_namespace_uri(Some(prefix)), local)
                }
                _ => a.value().to_owned(),
            };
            (key, value)
        })
        .collect();
    attributes.sort();
    for (key, value) in attributes {
        let _ = write!(out, " {key}={value:?}");
    }
    out.push('>');
    let has_text =
        node.children().any(|c| c.is_text() && !c.text().unwrap_or("").trim().is_empty());
    let only_text = !node.children().any(|c| c.is_element());
    for child in node.children() {
        if child.is_element() {
            write_node(child, out);
        } else if child.is_text() && (has_text || only_text) {
            out.push_str(child.text().unwrap_or(""));
        }
    }
    let _ = write!(out, "</{name}>");
}
