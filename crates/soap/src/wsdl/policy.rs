//! WS-Policy in a WSDL: which assertions apply, by name. What they mean is others' affair.

use roxmltree::Node;

use super::definitions::Item;
use crate::ExpandedName;

const POLICY: [&str; 3] = [
    "http://www.w3.org/ns/ws-policy",
    "http://schemas.xmlsoap.org/ws/2004/09/policy",
    "http://schemas.xmlsoap.org/ws/2002/12/policy",
];
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const ADDRESSING: [&str; 3] = [
    "http://www.w3.org/2006/05/addressing/wsdl",
    "http://www.w3.org/2006/02/addressing/wsdl",
    "http://www.w3.org/2007/05/addressing/metadata",
];
const MTOM: [&str; 2] = [
    "http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization",
    "http://www.w3.org/2007/08/soap12-mtom-policy",
];

/// Adds the assertions of policies that stand in a node or that it refers to.
pub(super) fn collect(item: Item<'_, '_>, found: &mut Vec<ExpandedName>) {
    for child in item.node.children().filter(Node::is_element) {
        let namespace = child.tag_name().namespace().unwrap_or_default();
        match child.tag_name().name() {
            "Policy" if POLICY.contains(&namespace) => assertions(child, found),
            "PolicyReference" if POLICY.contains(&namespace) => refer(item, child, found),
            // An assertion may stand in a binding without a policy around it.
            name if ADDRESSING.contains(&namespace) => add(namespace, name, found),
            _ => (),
        }
    }
    for attribute in item.node.attributes() {
        if attribute.namespace().is_some_and(|ns| POLICY.contains(&ns))
            && attribute.name() == "PolicyURIs"
        {
            for uri in attribute.value().split_whitespace() {
                by_id(item, uri, found);
            }
        }
    }
}

fn refer(item: Item<'_, '_>, reference: Node<'_, '_>, found: &mut Vec<ExpandedName>) {
    by_id(item, reference.attribute("URI").unwrap_or_default(), found);
}

/// The policy with an id in the same document; one elsewhere is not looked for.
fn by_id(item: Item<'_, '_>, uri: &str, found: &mut Vec<ExpandedName>) {
    let Some(id) = uri.trim().strip_prefix('#') else { return };
    let policies = item.source.root.descendants().filter(|node| node.tag_name().name() == "Policy");
    let named = policies.into_iter().find(|node| {
        node.attribute((UTILITY, "Id")) == Some(id) || node.attribute("Name") == Some(id)
    });
    if let Some(policy) = named {
        assertions(policy, found);
    }
}

/// Names of assertions, through the operators around them but not into assertions themselves.
fn assertions(node: Node<'_, '_>, found: &mut Vec<ExpandedName>) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        for child in node.children().filter(Node::is_element) {
            let namespace = child.tag_name().namespace().unwrap_or_default();
            match (POLICY.contains(&namespace), child.tag_name().name()) {
                (true, "All" | "ExactlyOne" | "Policy") => open.push(child),
                (true, _) => (),
                (false, name) => add(namespace, name, found),
            }
        }
    }
}

fn add(namespace: &str, local: &str, found: &mut Vec<ExpandedName>) {
    let name = ExpandedName::new(namespace, local);
    if !found.contains(&name) {
        found.push(name);
    }
}

/// Whether WS-Addressing is among them.
pub(super) fn addressing(assertions: &[ExpandedName]) -> bool {
    let is = |name: &ExpandedName| ADDRESSING.contains(&&*name.namespace);
    assertions
        .iter()
        .any(|name| is(name) && matches!(&*name.local, "UsingAddressing" | "Addressing"))
}

/// Whether MTOM is among them.
pub(super) fn mtom(assertions: &[ExpandedName]) -> bool {
    let local = |name: &ExpandedName| matches!(&*name.local, "OptimizedMimeSerialization" | "MTOM");
    assertions.iter().any(|name| local(name) && MTOM.contains(&&*name.namespace))
}

/// The action that an input, output or fault of a port type gives by WS-Addressing.
pub(super) fn action<'d>(node: Node<'d, 'd>) -> Option<&'d str> {
    let mut attributes = node.attributes();
    let given = attributes.find(|attribute| {
        attribute.name() == "Action"
            && attribute.namespace().is_some_and(|ns| ADDRESSING.contains(&ns))
    });
    given.map(|attribute| attribute.value())
}
