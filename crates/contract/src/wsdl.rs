//! The operations of a WSDL 1.1 document with SOAP 1.1 and 1.2 bindings, and the document as it
//! is served.
//!
//! The way goes as in the document: `service` → `port` → `binding` → its operations, with their
//! SOAPAction; from there to `portType` → `message` → the element in the body, as far as it stands
//! in the same document (what is imported is not looked at). A WSDL without a service offers all
//! its SOAP bindings. Bindings to plain HTTP are left out, as are ports that use them.

use std::collections::HashMap;

use pasarela_model::{Operation, PathTemplate, ServedContract};
use roxmltree::{Document, Node};

use crate::{Contract, ContractFault, Faults, xml};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_20: &str = "http://www.w3.org/ns/wsdl";
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// Reads a WSDL document.
///
/// # Errors
/// All faults, in the order of the document; the first one where it is not XML.
pub fn read(text: &str) -> Result<Contract, Vec<ContractFault>> {
    let document = xml::parse(text).map_err(|fault| vec![fault])?;
    let root = document.root_element();
    let mut reader = Reader::new(&document);
    if reader.is_wsdl(root) {
        reader.index(root);
        reader.bindings_offered(root).into_iter().for_each(|binding| reader.binding(binding));
        if reader.operations.is_empty() && reader.faults.is_empty() {
            reader.fault(
                root,
                "the document offers no operation over SOAP",
                "bind a port to SOAP 1.1 or 1.2; bindings to plain HTTP are not served",
            );
        }
    }
    let title = title(root);
    let Reader { operations, faults, .. } = reader;
    let operations = faults.or(operations)?;
    let operations = operations.into_iter().map(|bound| bound.operation).collect();
    let served = ServedContract { wsdl: true, document: text.to_owned() };
    Ok(Contract { title, operations, served, soap: true })
}

/// The service's name; else that of the definitions.
fn title(root: Node<'_, '_>) -> String {
    let service = children(root, WSDL, "service").find_map(|service| service.attribute("name"));
    service.or(root.attribute("name")).unwrap_or("SOAP service").to_owned()
}

/// A part of the document by kind and local name. Everything that can be named in it is in the
/// target namespace (WSDL 1.1 §2.1.1).
type Named<'a> = HashMap<&'a str, Node<'a, 'a>>;

struct Reader<'a> {
    document: &'a Document<'a>,
    faults: Faults,
    target: Option<&'a str>,
    imports: Vec<&'a str>,
    bindings: Named<'a>,
    port_types: Named<'a>,
    messages: Named<'a>,
    operations: Vec<Bound<'a>>,
}

/// An operation with the port type it came from.
struct Bound<'a> {
    port_type: &'a str,
    operation: Operation,
}

/// What a reference to a named part leads to.
enum Reference<'a> {
    Here(Node<'a, 'a>),
    /// In a document that this one imports.
    Imported,
    /// Nowhere; the fault has been reported.
    Broken,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Document<'a>) -> Self {
        Self {
            document,
            faults: Faults::default(),
            target: None,
            imports: Vec::new(),
            bindings: HashMap::new(),
            port_types: HashMap::new(),
            messages: HashMap::new(),
            operations: Vec::new(),
        }
    }

    fn fault(&mut self, node: Node<'a, 'a>, message: impl Into<String>, cure: impl Into<String>) {
        if !self.faults.is_full() {
            let at = xml::position(self.document, node.range().start);
            self.faults.push(at, message, cure);
        }
    }

    fn is_wsdl(&mut self, root: Node<'a, 'a>) -> bool {
        if root.has_tag_name((WSDL, "definitions")) {
            return true;
        }
        let name = root.tag_name();
        if name.namespace() == Some(WSDL_20) {
            self.fault(
                root,
                "this is WSDL 2.0, which is not served",
                "name the WSDL 1.1 of the service",
            );
        } else {
            let message = format!("this is XML with the root `{}`, not WSDL", name.name());
            self.fault(root, message, format!("name a document with `definitions` of {WSDL}"));
        }
        false
    }

    /// Takes note of everything that has a name.
    fn index(&mut self, root: Node<'a, 'a>) {
        self.target = root.attribute("targetNamespace");
        for node in root.children().filter(|node| node.tag_name().namespace() == Some(WSDL)) {
            let kind = node.tag_name().name();
            if kind == "import" {
                self.imports.extend(node.attribute("namespace"));
                continue;
            }
            if !matches!(kind, "binding" | "portType" | "message") {
                continue;
            }
            let Some(name) = self.required(node, "name") else { continue };
            let named = match kind {
                "binding" => &mut self.bindings,
                "portType" => &mut self.port_types,
                _ => &mut self.messages,
            };
            if named.insert(name, node).is_some() {
                let message = format!("there is a second `{kind}` with the name `{name}`");
                self.fault(node, message, "give it a name of its own");
            }
        }
    }

    fn required(&mut self, node: Node<'a, 'a>, attribute: &str) -> Option<&'a str> {
        let value = node.attribute(attribute).map(str::trim).filter(|value| !value.is_empty());
        if value.is_none() {
            let message = format!("`{}` has no `{attribute}`", node.tag_name().name());
            self.fault(node, message, "add it");
        }
        value
    }

    /// Where `attribute` of `node` leads; `kind` is what it names.
    fn follow(&mut self, node: Node<'a, 'a>, attribute: &str, kind: &str) -> Reference<'a> {
        let Some(value) = self.required(node, attribute) else { return Reference::Broken };
        let (namespace, local) = match xml::qname(node, value) {
            Ok(name) => name,
            Err(prefix) => {
                self.fault(
                    node,
                    format!("the prefix `{prefix}` of `{value}` is not declared"),
                    format!("declare it with `xmlns:{prefix}`"),
                );
                return Reference::Broken;
            }
        };
        let named = match kind {
            "binding" => &self.bindings,
            "portType" => &self.port_types,
            _ => &self.messages,
        };
        let in_target = namespace.unwrap_or_default() == self.target.unwrap_or_default();
        if in_target && let Some(&found) = named.get(local) {
            return Reference::Here(found);
        }
        if self.imports.iter().any(|&imported| imported == namespace.unwrap_or_default()) {
            return Reference::Imported;
        }
        let wrong_namespace = !in_target && named.contains_key(local);
        let message =
            format!("there is no {kind} `{}` in this document", xml::clark((namespace, local)));
        let cure = match (wrong_namespace, self.target) {
            (true, Some(target)) => {
                format!(
                    "put a prefix before `{local}` that stands for the target namespace {target}"
                )
            }
            _ => "add it, or correct the name".to_owned(),
        };
        self.fault(node, message, cure);
        Reference::Broken
    }

    /// The bindings that ports lead to, each once; all where there is no service.
    fn bindings_offered(&mut self, root: Node<'a, 'a>) -> Vec<Node<'a, 'a>> {
        let mut offered: Vec<Node<'a, 'a>> = Vec::new();
        let mut services = children(root, WSDL, "service").peekable();
        if services.peek().is_none() {
            return children(root, WSDL, "binding").collect();
        }
        for port in services.flat_map(|service| children(service, WSDL, "port")) {
            match self.follow(port, "binding", "binding") {
                Reference::Here(binding) if !offered.contains(&binding) => offered.push(binding),
                Reference::Imported => self.fault(
                    port,
                    "the binding of this port is in a document that this one imports",
                    "put the WSDL and what it imports into one document",
                ),
                Reference::Here(_) | Reference::Broken => {}
            }
        }
        offered
    }

    fn binding(&mut self, binding: Node<'a, 'a>) {
        let Some(soap) = soap_child(binding, "binding") else { return };
        let style = soap.attribute("style").unwrap_or("document");
        let port_type = match self.follow(binding, "type", "portType") {
            Reference::Here(node) => Some(node),
            Reference::Imported => None,
            Reference::Broken => return,
        };
        for operation in children(binding, WSDL, "operation") {
            self.operation(operation, port_type, style);
        }
    }

    fn operation(&mut self, bound: Node<'a, 'a>, port_type: Option<Node<'a, 'a>>, style: &str) {
        let Some(name) = self.required(bound, "name") else { return };
        let soap = soap_child(bound, "operation");
        let style = soap.and_then(|soap| soap.attribute("style")).unwrap_or(style);
        let action = soap.and_then(|soap| soap.attribute("soapAction")).unwrap_or_default().trim();
        let input = children(bound, WSDL, "input").next();
        let body = input.and_then(|input| {
            // Also where MIME parts stand in between.
            input.descendants().find(|node| is_soap(*node, "body"))
        });
        let body_name = match style {
            "rpc" => {
                let namespace = body.and_then(|body| body.attribute("namespace"));
                Some(xml::clark((namespace, name)))
            }
            "document" => match port_type {
                Some(port_type) => self.document_body(name, bound, port_type, body),
                None => None,
            },
            other => {
                let message =
                    format!("the style `{other}` of the operation `{name}` does not exist");
                return self.fault(bound, message, "write `document` or `rpc`");
            }
        };
        let port_type = port_type.and_then(|node| node.attribute("name")).unwrap_or_default();
        self.add(port_type, name, action, body_name);
    }

    /// The element that a document-style message carries in its body; `None` where the document
    /// does not tell, or the body is empty.
    fn document_body(
        &mut self,
        name: &str,
        bound: Node<'a, 'a>,
        port_type: Node<'a, 'a>,
        body: Option<Node<'a, 'a>>,
    ) -> Option<String> {
        let input_name = children(bound, WSDL, "input").next().and_then(|i| i.attribute("name"));
        let of_name = |node: &Node<'a, 'a>| node.attribute("name") == Some(name);
        let of_input = |node: &Node<'a, 'a>| {
            let input = children(*node, WSDL, "input").next();
            input_name.is_some() && input.and_then(|i| i.attribute("name")) == input_name
        };
        let declared = || children(port_type, WSDL, "operation").filter(of_name);
        // Overloaded operations are told apart by the name of their input (WSDL 1.1 §2.4.5).
        let Some(declared) = declared().find(of_input).or_else(|| declared().next()) else {
            let port_type = port_type.attribute("name").unwrap_or_default();
            let message = format!("the portType `{port_type}` has no operation `{name}`");
            self.fault(bound, message, "add it there, or take it out of the binding");
            return None;
        };
        let input = children(declared, WSDL, "input").next()?;
        let message = match self.follow(input, "message", "message") {
            Reference::Here(message) => message,
            Reference::Imported | Reference::Broken => return None,
        };
        let wanted = body.and_then(|body| body.attribute("parts"));
        let in_header = |part: &str| {
            let headers = bound.descendants().filter(|node| is_soap(*node, "header"));
            headers.filter_map(|header| header.attribute("part")).any(|header| header == part)
        };
        let part = children(message, WSDL, "part").find(|part| {
            let name = part.attribute("name").unwrap_or_default();
            match wanted {
                Some(parts) => parts.split_whitespace().any(|wanted| wanted == name),
                None => !in_header(name),
            }
        })?;
        let element = part.attribute("element")?;
        match xml::qname(part, element) {
            Ok(name) => Some(xml::clark(name)),
            Err(prefix) => {
                let message = format!("the prefix `{prefix}` of `{element}` is not declared");
                self.fault(part, message, format!("declare it with `xmlns:{prefix}`"));
                None
            }
        }
    }

    /// SOAP 1.1 and 1.2 bindings of one port type offer the same operation twice: it is one. The
    /// same name in another port type is another operation, with the port type before its name.
    fn add(&mut self, port_type: &'a str, name: &str, action: &str, body: Option<String>) {
        let qualified = format!("{port_type}.{name}");
        for known in &mut self.operations {
            let same = known.port_type == port_type
                && (known.operation.name == name || known.operation.name == qualified)
                && known.operation.soap_body == body;
            let known_action = known.operation.soap_action.get_or_insert_default();
            if same && (known_action == action || action.is_empty()) {
                return;
            }
            if same && known_action.is_empty() {
                action.clone_into(known_action);
                return;
            }
        }
        let clash = self
            .operations
            .iter()
            .any(|known| known.port_type != port_type && known.operation.name == name);
        let operation = Operation {
            name: if clash { qualified } else { name.to_owned() },
            method: "POST".to_owned(),
            path: PathTemplate::default(),
            soap_action: Some(action.to_owned()),
            soap_body: body,
        };
        self.operations.push(Bound { port_type, operation });
    }
}

fn children<'a>(
    node: Node<'a, 'a>,
    namespace: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.has_tag_name((namespace, name)))
}

fn is_soap(node: Node<'_, '_>, name: &str) -> bool {
    node.has_tag_name((SOAP_11, name)) || node.has_tag_name((SOAP_12, name))
}

fn soap_child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| is_soap(*child, name))
}

/// The document with the gateway's address in every port, in place of the service's own: in the
/// `location` of `address` elements and in the `Address` of WS-Addressing endpoint references.
/// Everything else keeps its bytes.
///
/// `document` is [`ServedContract::document`] of a WSDL contract; what cannot be read as such
/// comes back as it is.
pub fn with_address(document: &str, url: &str) -> String {
    let Ok(tree) = xml::parse(document) else { return document.to_owned() };
    let url = xml::escaped(url);
    let mut out = String::with_capacity(document.len() + url.len());
    let mut done = 0;
    for port in tree.root_element().descendants().filter(|n| n.has_tag_name((WSDL, "port"))) {
        for range in port.descendants().filter_map(address) {
            // In the order of the document and never one inside the other.
            out.push_str(document.get(done..range.start).unwrap_or_default());
            out.push_str(&url);
            done = range.end;
        }
    }
    out.push_str(document.get(done..).unwrap_or_default());
    out
}

/// Where an element holds an address, as a range of bytes.
fn address(node: Node<'_, '_>) -> Option<std::ops::Range<usize>> {
    match node.tag_name().name() {
        "address" => Some(node.attribute_node("location")?.range_value()),
        "Address" => node.children().find(Node::is_text).map(|text| text.range()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_change() {
        let document = r#"<?xml version="1.0"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:a="http://www.w3.org/2005/08/addressing">
  <!-- location="http://10.0.0.1/comment" -->
  <w:service name="ü"><w:port name="a" binding="x"><s:address  location = 'http://10.0.0.1/a?b&amp;c'/></w:port>
    <w:port name="b" binding="x"><s12:address location="http://10.0.0.1/"/>
      <a:EndpointReference><a:Address>http://10.0.0.1/</a:Address></a:EndpointReference></w:port>
    <w:port name="c" binding="x"/></w:service>
</w:definitions>"#;
        let served = with_address(document, "https://api.test/a?b&c='\"<>");
        let address = "https://api.test/a?b&amp;c=&#39;&quot;&lt;&gt;";
        let expected = document
            .replace("http://10.0.0.1/a?b&amp;c", address)
            .replace("\"http://10.0.0.1/\"", &format!("\"{address}\""))
            .replace(">http://10.0.0.1/<", &format!(">{address}<"));
        assert_eq!(served, expected);
        assert_eq!(with_address("not xml", "x"), "not xml");
    }

    #[test]
    fn t47_nothing_outside_the_document_is_looked_at() {
        for text in [
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY x \"y\">]>\n<a>&x;</a>",
        ] {
            let faults = read(text).unwrap_err();
            assert!(faults[0].message.contains("DOCTYPE"), "{faults:?}");
        }
        assert!(read("<a>&x;</a>").unwrap_err()[0].message.contains("not XML"));
    }

    #[test]
    fn t47_size_is_bounded() {
        let deep = "<a>".repeat(200_000);
        assert!(read(&deep).unwrap_err()[0].message.contains("levels deep"));
        let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
        let wide = format!("<a{attributes}/>");
        assert!(read(&wide).unwrap_err()[0].message.contains("attributes"));
    }
}
