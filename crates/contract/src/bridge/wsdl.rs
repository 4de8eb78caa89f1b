//! A description as a WSDL 1.1 document: document/literal, wrapped, by the Basic Profile, a port for SOAP 1.1 and one for 1.2.
//!
//! The same description gives the same bytes. Types have names wherever languages make classes of them; their order is that in
//! which the messages need them.

use std::collections::BTreeSet;

use pasarela_soap::xml::Writer;

use super::{PROBLEM, schema};
use crate::{
    described::{Described, Description},
    shapes::ncname,
};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// The document, with the address that callers are to send to.
pub(super) fn document(description: &Description, address: &str) -> String {
    let mut pen = Pen::new();
    let name = service(description);
    pen.open("wsdl:definitions", &[("name", &name), ("targetNamespace", &description.namespace)]);
    for (prefix, uri) in [
        ("wsdl", WSDL),
        ("soap", SOAP11),
        ("soap12", SOAP12),
        ("xs", XSD),
        ("tns", description.namespace.as_str()),
    ] {
        pen.writer.declare(prefix, uri);
    }
    pen.about("wsdl:documentation", &description.about);
    pen.open("wsdl:types", &[]);
    schema::write(description, &mut pen);
    pen.close();
    messages(description, &mut pen);
    port_type(description, &name, &mut pen);
    for (suffix, prefix) in [("Soap11", "soap"), ("Soap12", "soap12")] {
        binding(description, &name, suffix, prefix, &mut pen);
    }
    pen.open("wsdl:service", &[("name", &name)]);
    for (suffix, prefix) in [("Soap11", "soap"), ("Soap12", "soap12")] {
        let binding = format!("tns:{name}{suffix}");
        pen.open("wsdl:port", &[("name", &format!("{name}{suffix}")), ("binding", &binding)]);
        pen.empty(&format!("{prefix}:address"), &[("location", address)]);
        pen.close();
    }
    pen.close();
    pen.close();
    pen.finish()
}

/// What the service is called: the title, without spaces.
fn service(description: &Description) -> String {
    let words = description.title.split(|c: char| !c.is_alphanumeric());
    let mut name = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        let mut chars = word.chars();
        name.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(chars.as_str());
    }
    ncname(if name.is_empty() { "Service" } else { &name })
}

/// The elements of an operation's faults, each once.
pub(super) fn faults(operation: &Described) -> BTreeSet<&str> {
    operation.faults.iter().map(|fault| fault.element.as_str()).chain([PROBLEM]).collect()
}

fn messages(description: &Description, pen: &mut Pen) {
    let mut elements = BTreeSet::new();
    for operation in &description.operations {
        for element in [&operation.name, &operation.answer] {
            message(element, "parameters", pen);
        }
        elements.extend(faults(operation));
    }
    elements.into_iter().for_each(|element| message(element, "fault", pen));
}

fn message(element: &str, part: &str, pen: &mut Pen) {
    pen.open("wsdl:message", &[("name", element)]);
    pen.empty("wsdl:part", &[("name", part), ("element", &format!("tns:{element}"))]);
    pen.close();
}

fn port_type(description: &Description, name: &str, pen: &mut Pen) {
    pen.open("wsdl:portType", &[("name", name)]);
    for operation in &description.operations {
        pen.open("wsdl:operation", &[("name", &operation.name)]);
        pen.about("wsdl:documentation", &operation.about);
        pen.empty("wsdl:input", &[("message", &format!("tns:{}", operation.name))]);
        pen.empty("wsdl:output", &[("message", &format!("tns:{}", operation.answer))]);
        for fault in faults(operation) {
            let message = format!("tns:{fault}");
            pen.empty("wsdl:fault", &[("name", fault), ("message", &message)]);
        }
        pen.close();
    }
    pen.close();
}

fn binding(description: &Description, name: &str, suffix: &str, prefix: &str, pen: &mut Pen) {
    let tag = |local: &str| format!("{prefix}:{local}");
    let attributes = [("name", format!("{name}{suffix}")), ("type", format!("tns:{name}"))];
    pen.open("wsdl:binding", &attributes.each_ref().map(|(key, value)| (*key, value.as_str())));
    pen.empty(&tag("binding"), &[("style", "document"), ("transport", HTTP)]);
    for operation in &description.operations {
        pen.open("wsdl:operation", &[("name", &operation.name)]);
        let action = action(description, operation);
        pen.empty(&tag("operation"), &[("soapAction", &action), ("style", "document")]);
        for side in ["wsdl:input", "wsdl:output"] {
            pen.open(side, &[]);
            pen.empty(&tag("body"), &[("use", "literal")]);
            pen.close();
        }
        for fault in faults(operation) {
            pen.open("wsdl:fault", &[("name", fault)]);
            pen.empty(&tag("fault"), &[("name", fault), ("use", "literal")]);
            pen.close();
        }
        pen.close();
    }
    pen.close();
}

fn action(description: &Description, operation: &Described) -> String {
    format!("{}#{}", description.namespace, operation.name)
}

/// Writes a document with an element a line.
pub(super) struct Pen {
    pub(super) writer: Writer,
    depth: usize,
    /// Whether the element that is open has something in it.
    filled: Vec<bool>,
}

impl Pen {
    fn new() -> Self {
        let mut writer = Writer::new(Vec::new());
        writer.declaration();
        Self { writer, depth: 0, filled: Vec::new() }
    }

    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        if let Some(filled) = self.filled.last_mut() {
            *filled = true;
        }
        self.line();
        self.writer.start(name);
        for (key, value) in attributes {
            // What cannot be written was sorted out where names and texts are read.
            let _ = self.writer.attribute(key, value);
        }
        self.depth += 1;
        self.filled.push(false);
    }

    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.filled.pop().unwrap_or_default() {
            self.line();
        }
        self.writer.end();
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.open(name, attributes);
        self.close();
    }

    /// What is said about something, where something is.
    pub(super) fn about(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.open(name, &[]);
            let _ = self.writer.text(text);
            self.close();
        }
    }

    fn line(&mut self) {
        let indent = format!("\n{}", "  ".repeat(self.depth));
        // Outside of the root there is no text.
        match self.depth {
            0 if self.filled.is_empty() => self.writer.verbatim("\n"),
            _ => self.writer.verbatim(&indent),
        }
    }

    fn finish(self) -> String {
        let mut text = String::from_utf8(self.writer.finish()).unwrap_or_default();
        text.push('\n');
        text
    }
}
