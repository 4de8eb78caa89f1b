//! The rules of the WS-I Basic Profile 1.1 for descriptions, each as a warning with its number, its cause and its cure.
//!
//! They are checked on the documents as they are written, so that what the catalog leaves out is looked at, too.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::{
    WSDL, WSDL_MIME, WSDL_SOAP11, WSDL_SOAP12,
    definitions::{Definitions, Item, RawMessage},
    documents::{Files, Source, attribute, child, children},
};
use crate::{ExpandedName, Fault, FaultKind, Place, name::XML};

/// Checks every rule.
pub(super) fn check(all: &Definitions<'_, '_>, files: &Files, faults: &mut Vec<Fault>) {
    for (source, file) in all.sources.iter().zip(&files.wsdl) {
        encoding(source, file.encoding.as_deref(), faults);
        declarations(source, &file.text, faults);
        imports(source, faults);
    }
    for message in all.messages.values() {
        both_element_and_type(message, faults);
    }
    for (_, item) in &all.bindings {
        for soap in [WSDL_SOAP11, WSDL_SOAP12] {
            if let Some(extension) = child(item.node, soap, "binding") {
                Lint { all, binding: *item, soap, extension }.check(faults);
            }
        }
    }
}

/// R4003: UTF-8 or UTF-16.
fn encoding(source: &Source<'_>, declared: Option<&str>, faults: &mut Vec<Fault>) {
    let fine =
        |label: &str| ["utf-8", "utf-16"].iter().any(|fine| label.eq_ignore_ascii_case(fine));
    if let Some(label) = declared.filter(|label| !fine(label)) {
        let fault = Fault::warning(FaultKind::Wsdl, format!("the document is encoded in {label}"));
        let place = Place::document(std::sync::Arc::clone(&source.url));
        faults.push(fault.rule("R4003").at(place).cure("save it as UTF-8"));
    }
}

/// R4004: XML 1.0; R4005: `xml` is declared by nobody.
fn declarations(source: &Source<'_>, text: &str, faults: &mut Vec<Fault>) {
    let declaration = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let version = declaration.is_none_or(|(inside, _)| {
        inside.contains("version=\"1.0\"") || inside.contains("version='1.0'")
    });
    if !version {
        let fault = source.warning(source.root, "the document is not of XML version 1.0");
        faults.push(fault.rule("R4004").cure("declare version=\"1.0\""));
    }
    let mut nodes = source.root.descendants().filter(Node::is_element);
    let declares = |node: &Node<'_, '_>| {
        let text = text.get(node.range()).unwrap_or_default();
        let tag = text.get(..text.find('>').unwrap_or(text.len())).unwrap_or_default();
        tag.contains("xmlns:xml=") && tag.contains(XML)
    };
    if let Some(node) = nodes.find(declares) {
        let fault = source.warning(node, "the prefix xml is declared, which everybody knows");
        faults.push(fault.rule("R4005").cure("take xmlns:xml out"));
    }
}

/// R2007: an import says where.
fn imports(source: &Source<'_>, faults: &mut Vec<Fault>) {
    for import in children(source.root, WSDL, "import") {
        if attribute(import, "location").unwrap_or_default().is_empty() {
            let fault = source.warning(import, "an import without a location");
            faults.push(fault.rule("R2007").cure("say in location where the document is"));
        }
    }
}

/// R2306: a part is an element or of a type.
fn both_element_and_type(message: &RawMessage<'_, '_>, faults: &mut Vec<Fault>) {
    for part in &message.parts {
        if part.element.is_some() && part.ty.is_some() {
            let text = format!("the part {} has both element and type", part.name);
            let fault = message.item.source.warning(part.node, text);
            faults.push(fault.rule("R2306").cure("keep the one that is meant"));
        }
    }
}

/// One binding that is looked at.
struct Lint<'c, 's, 'd> {
    all: &'c Definitions<'s, 'd>,
    binding: Item<'s, 'd>,
    /// The namespace of its extensions.
    soap: &'c str,
    extension: Node<'d, 'd>,
}

/// An input or output of an operation, bound.
struct Bound<'c, 's, 'd> {
    rpc: bool,
    carrier: Node<'d, 'd>,
    body: Option<Node<'d, 'd>>,
    headers: Vec<Node<'d, 'd>>,
    contents: Vec<Node<'d, 'd>>,
    message: Option<&'c RawMessage<'s, 'd>>,
}

impl<'s, 'd> Lint<'_, 's, 'd> {
    fn warn(
        &self,
        node: Node<'_, '_>,
        rule: &'static str,
        cause: impl Into<String>,
        cure: &str,
        faults: &mut Vec<Fault>,
    ) {
        faults.push(self.binding.source.warning(node, cause).rule(rule).cure(cure));
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        let default = self.extension.attribute("style").unwrap_or("document").trim();
        let port_type = self.port_type();
        let operations: Vec<_> = children(self.binding.node, WSDL, "operation").collect();
        let style_of = |operation: Node<'d, 'd>| {
            let soap = child(operation, self.soap, "operation");
            soap.and_then(|soap| attribute(soap, "style")).unwrap_or(default)
        };
        let first = operations.first().map(|operation| style_of(*operation));
        let other = operations.iter().find(|operation| Some(style_of(**operation)) != first);
        if let Some(operation) = other {
            let cause = "a binding has operations of both styles";
            self.warn(*operation, "R2705", cause, "make two bindings of it", faults);
        }
        self.same_operations(port_type, &operations, faults);
        let mut signatures: BTreeMap<Option<ExpandedName>, &str> = BTreeMap::new();
        for operation in operations {
            let rpc = style_of(operation) == "rpc";
            let described = port_type.and_then(|item| Self::described(item, operation));
            for direction in ["input", "output"] {
                let Some(carrier) = child(operation, WSDL, direction) else { continue };
                let bound = self.bound(rpc, carrier, described, direction);
                self.check_message(&bound, faults);
                if direction == "input" {
                    self.signature(&bound, operation, &mut signatures, faults);
                }
            }
            self.check_faults(rpc, operation, described, faults);
        }
    }

    fn port_type(&self) -> Option<Item<'s, 'd>> {
        let name = self.binding.source.reference(self.binding.node, "type")?.ok()?;
        self.all.port_types.get(&name).copied()
    }

    fn described(port_type: Item<'s, 'd>, operation: Node<'d, 'd>) -> Option<Item<'s, 'd>> {
        let name = attribute(operation, "name");
        let node =
            children(port_type.node, WSDL, "operation").find(|n| attribute(*n, "name") == name)?;
        Some(Item { source: port_type.source, node })
    }

    fn bound(
        &self,
        rpc: bool,
        carrier: Node<'d, 'd>,
        described: Option<Item<'s, 'd>>,
        direction: &str,
    ) -> Bound<'_, 's, 'd> {
        let related = children(carrier, WSDL_MIME, "multipartRelated");
        let parts = related.flat_map(|related| children(related, WSDL_MIME, "part"));
        let places: Vec<_> = std::iter::once(carrier).chain(parts).collect();
        let within = |namespace: &str, local: &str| -> Vec<Node<'d, 'd>> {
            places.iter().flat_map(|place| children(*place, namespace, local)).collect()
        };
        let node =
            described.and_then(|item| Some((item.source, child(item.node, WSDL, direction)?)));
        let message = node.and_then(|(source, node)| self.message(source, node));
        Bound {
            rpc,
            carrier,
            body: within(self.soap, "body").first().copied(),
            headers: within(self.soap, "header"),
            contents: within(WSDL_MIME, "content"),
            message,
        }
    }

    fn message(&self, source: &Source<'d>, node: Node<'d, 'd>) -> Option<&RawMessage<'s, 'd>> {
        let name = source.reference(node, "message")?.ok()?;
        self.all.messages.get(&name)
    }

    /// R2718: the binding has the operations of the port type, no more and no fewer.
    fn same_operations(
        &self,
        port_type: Option<Item<'s, 'd>>,
        operations: &[Node<'d, 'd>],
        faults: &mut Vec<Fault>,
    ) {
        let Some(port_type) = port_type else { return };
        for described in children(port_type.node, WSDL, "operation") {
            let name = attribute(described, "name");
            if !operations.iter().any(|operation| attribute(*operation, "name") == name) {
                let name = name.unwrap_or_default();
                let cause = format!("the operation {name} of the port type is not bound");
                self.warn(self.binding.node, "R2718", cause, "bind it", faults);
            }
        }
    }

    fn check_message(&self, bound: &Bound<'_, 's, 'd>, faults: &mut Vec<Fault>) {
        let namespace = bound.body.and_then(|body| attribute(body, "namespace"));
        let at = bound.body.unwrap_or(bound.carrier);
        match (bound.rpc, namespace) {
            (false, Some(_)) => {
                let cause = "the body of a document has the attribute namespace";
                self.warn(at, "R2716", cause, "take it out: the element has its own", faults);
            }
            (true, None) => {
                let cause = "the body of an rpc has no attribute namespace";
                self.warn(
                    at,
                    "R2717",
                    cause,
                    "add it: the wrapper's namespace is not known otherwise",
                    faults,
                );
            }
            (true, Some(uri)) if !uri.contains(':') => {
                let cause = format!("the namespace of an rpc is {uri:?}, which is no absolute URI");
                self.warn(at, "R2717", cause, "make it one", faults);
            }
            _ => (),
        }
        for header in &bound.headers {
            self.check_header(bound.rpc, *header, faults);
            for fault in children(*header, self.soap, "headerfault") {
                self.check_header(bound.rpc, fault, faults);
            }
        }
        self.check_parts(bound, faults);
    }

    /// R2720, R2749: one `part`; R2716, R2726: no namespace; R2205: an element.
    fn check_header(&self, rpc: bool, header: Node<'d, 'd>, faults: &mut Vec<Fault>) {
        let what = header.tag_name().name();
        if attribute(header, "parts").is_some() {
            let cause = format!("a {what} has the attribute parts");
            self.warn(header, "R2749", cause, "name its one part in the attribute part", faults);
        }
        let part = attribute(header, "part").unwrap_or_default();
        if part.is_empty() || part.contains(char::is_whitespace) {
            let cause = format!("a {what} does not name one part");
            self.warn(header, "R2720", cause, "name it in the attribute part", faults);
        }
        if attribute(header, "namespace").is_some() {
            let rule = if rpc { "R2726" } else { "R2716" };
            let cause = format!("a {what} has the attribute namespace");
            self.warn(header, rule, cause, "take it out: the element has its own", faults);
        }
        let message = self.message(self.binding.source, header);
        let raw = message.and_then(|message| message.parts.iter().find(|p| p.name == part));
        if let Some(raw) = raw.filter(|raw| raw.element.is_none()) {
            let cause = format!("the part {} of a {what} is given by its type", raw.name);
            self.warn(header, "R2205", cause, "give it by an element", faults);
        }
    }

    fn check_parts(&self, bound: &Bound<'_, 's, 'd>, faults: &mut Vec<Fault>) {
        let Some(message) = bound.message else { return };
        let listed = bound.body.and_then(|body| attribute(body, "parts"));
        let in_header = |name: &str| {
            bound.headers.iter().any(|header| {
                let own = self.message(self.binding.source, *header);
                attribute(*header, "part") == Some(name)
                    && own.is_some_and(|own| std::ptr::eq(own, message))
            })
        };
        let attached =
            |name: &str| bound.contents.iter().any(|c| attribute(*c, "part") == Some(name));
        let elsewhere = |name: &str| in_header(name) || attached(name);
        let in_body = |name: &str| match listed {
            Some(listed) => listed.split_whitespace().any(|part| part == name),
            None => !elsewhere(name),
        };
        let body: Vec<_> = message.parts.iter().filter(|part| in_body(part.name)).collect();
        let at = bound.body.unwrap_or(bound.carrier);
        if !bound.rpc && body.len() > 1 {
            let rule = if listed.is_some() { "R2201" } else { "R2210" };
            let cause = format!("the body of a document has {} parts", body.len());
            self.warn(
                at,
                rule,
                cause,
                "name one of them in parts, or make one element of them",
                faults,
            );
        }
        for part in body {
            if bound.rpc && part.element.is_some() {
                let cause = format!("the part {} of an rpc is given by an element", part.name);
                self.warn(at, "R2203", cause, "give it by its type", faults);
            }
            if !bound.rpc && part.element.is_none() {
                let cause = format!("the part {} of a document is given by its type", part.name);
                self.warn(at, "R2204", cause, "give it by an element", faults);
            }
        }
        for part in &message.parts {
            if !in_body(part.name) && !elsewhere(part.name) {
                let cause = format!("the part {} is not bound to anything", part.name);
                self.warn(at, "R2209", cause, "bind it to the body or to a header", faults);
            }
        }
    }

    /// R2710: no two operations look the same on the wire.
    fn signature(
        &self,
        bound: &Bound<'_, 's, 'd>,
        operation: Node<'d, 'd>,
        signatures: &mut BTreeMap<Option<ExpandedName>, &'d str>,
        faults: &mut Vec<Fault>,
    ) {
        let name = attribute(operation, "name").unwrap_or_default();
        let signature = if bound.rpc {
            let namespace = bound.body.and_then(|body| attribute(body, "namespace"));
            Some(ExpandedName::new(namespace.unwrap_or_default(), name))
        } else {
            let Some(message) = bound.message else { return };
            let listed = bound.body.and_then(|body| attribute(body, "parts"));
            let chosen = message.parts.iter().find(|part| {
                listed.is_none_or(|listed| listed.split_whitespace().any(|name| name == part.name))
            });
            chosen.and_then(|part| part.element.clone())
        };
        let shown = signature.as_ref().map_or("an empty body".to_owned(), ToString::to_string);
        if let Some(other) = signatures.insert(signature, name) {
            let cause = format!("requests of {name} and {other} look the same: {shown}");
            let cure = "give one of them another element; until then the action decides";
            self.warn(operation, "R2710", cause, cure, faults);
        }
    }

    /// R2205, R2716 and R2726 for faults.
    fn check_faults(
        &self,
        rpc: bool,
        operation: Node<'d, 'd>,
        described: Option<Item<'s, 'd>>,
        faults: &mut Vec<Fault>,
    ) {
        for fault in children(operation, WSDL, "fault") {
            let soap = child(fault, self.soap, "fault");
            if let Some(soap) = soap.filter(|soap| attribute(*soap, "namespace").is_some()) {
                let rule = if rpc { "R2726" } else { "R2716" };
                let cause = "a fault has the attribute namespace";
                self.warn(soap, rule, cause, "take it out: the element has its own", faults);
            }
            let name = attribute(fault, "name");
            let message = described.and_then(|item| {
                let mut all = children(item.node, WSDL, "fault");
                self.message(item.source, all.find(|node| attribute(*node, "name") == name)?)
            });
            let parts = message.map(|message| message.parts.as_slice()).unwrap_or_default();
            if let Some(part) = parts.iter().find(|part| part.element.is_none()) {
                let cause = format!("the part {} of a fault is given by its type", part.name);
                self.warn(fault, "R2205", cause, "give it by an element", faults);
            }
        }
    }
}
