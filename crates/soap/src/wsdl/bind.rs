//! From definitions to the catalog: services, ports, bindings and their operations.

use std::{collections::BTreeMap, sync::Arc};

use roxmltree::Node;

use super::{
    WSDL, WSDL_SOAP11, WSDL_SOAP12,
    body::{self, Context},
    catalog::{
        Binding, Catalog, Exchange, FaultMessage, Operation, Port, Service, SoapVersion, Style,
    },
    definitions::{Definitions, Item, meant, missing, referred},
    documents::{attribute, child, children, documentation},
    policy,
};
use crate::{ExpandedName, Fault, FaultKind, Place, xsd::Schemas};

/// The namespaces of extensions, and which SOAP they are of.
const VERSIONS: [(&str, SoapVersion); 2] =
    [(WSDL_SOAP11, SoapVersion::V11), (WSDL_SOAP12, SoapVersion::V12)];

/// Makes the catalog.
pub(super) fn catalog(
    all: &Definitions<'_, '_>,
    schemas: Arc<Schemas>,
    faults: &mut Vec<Fault>,
) -> Catalog {
    let first = all.sources.first();
    let mut catalog = Catalog {
        name: first.and_then(|s| attribute(s.root, "name")).unwrap_or_default().to_owned(),
        target_namespace: first.map_or("", |s| s.target).to_owned(),
        documentation: first.map(|s| documentation(s.root)).unwrap_or_default(),
        schemas,
        services: Vec::new(),
        bindings: Vec::new(),
        documents: all.sources.iter().map(|s| Arc::clone(&s.url)).collect(),
    };
    for (name, item) in &all.bindings {
        if let Some(binding) = binding(all, name, *item, &catalog.schemas, faults) {
            catalog.bindings.push(binding);
        }
    }
    for (name, item) in &all.services {
        let ports = ports(all, *item, &mut catalog.bindings, faults);
        catalog.services.push(Service {
            name: name.clone(),
            documentation: documentation(item.node),
            ports,
            place: item.source.place(item.node),
        });
    }
    if let Some(source) = first
        && catalog.is_empty()
        && !faults.iter().any(Fault::is_error)
    {
        let fault = Fault::warning(
            FaultKind::Wsdl,
            "nothing here is bound to SOAP: there is nothing to call",
        );
        faults.push(fault.at(Place::document(Arc::clone(&source.url))));
    }
    catalog
}

fn ports(
    all: &Definitions<'_, '_>,
    service: Item<'_, '_>,
    bindings: &mut [Binding],
    faults: &mut Vec<Fault>,
) -> Vec<Port> {
    let mut ports = Vec::new();
    for node in children(service.node, WSDL, "port") {
        let item = Item { source: service.source, node };
        let Some(name) = referred(item, "binding", faults) else { continue };
        let exists = |name: &ExpandedName| all.binding(name).is_some();
        let name = meant(item, "binding", name, exists, faults);
        let Some(index) = bindings.iter().position(|binding| binding.name == name) else {
            if all.binding(&name).is_none() {
                faults.push(missing(item, "binding", &name));
            }
            continue;
        };
        if let Some(binding) = bindings.get_mut(index) {
            policy::collect(item, &mut binding.policies);
            settle(binding);
        }
        let addresses = VERSIONS.iter().filter_map(|(ns, _)| child(node, ns, "address"));
        let address = addresses.into_iter().find_map(|address| attribute(address, "location"));
        ports.push(Port {
            name: attribute(node, "name").unwrap_or_default().to_owned(),
            binding: index,
            address: address.unwrap_or_default().to_owned(),
            place: item.source.place(node),
        });
    }
    ports
}

/// Draws conclusions from a binding's policies.
fn settle(binding: &mut Binding) {
    binding.addressing = policy::addressing(&binding.policies);
    binding.mtom = policy::mtom(&binding.policies);
}

fn binding(
    all: &Definitions<'_, '_>,
    name: &ExpandedName,
    item: Item<'_, '_>,
    schemas: &Schemas,
    faults: &mut Vec<Fault>,
) -> Option<Binding> {
    let soap = VERSIONS
        .iter()
        .find_map(|(ns, version)| Some((child(item.node, ns, "binding")?, *version)));
    let Some((soap, version)) = soap else {
        let message = format!("the binding {} is not one to SOAP, and is left out", name.local);
        faults.push(item.source.warning(item.node, message));
        return None;
    };
    let port_type_name = referred(item, "type", faults)?;
    let exists = |name: &ExpandedName| all.port_types.contains_key(name);
    let port_type_name = meant(item, "type", port_type_name, exists, faults);
    let Some(port_type) = all.port_types.get(&port_type_name).copied() else {
        faults.push(missing(item, "portType", &port_type_name));
        return None;
    };
    let mut binding = Binding {
        name: name.clone(),
        documentation: documentation(port_type.node),
        version,
        transport: attribute(soap, "transport").unwrap_or_default().to_owned(),
        operations: Vec::new(),
        signatures: BTreeMap::new(),
        policies: Vec::new(),
        addressing: false,
        mtom: false,
        place: item.source.place(item.node),
        port_type: port_type_name,
    };
    policy::collect(item, &mut binding.policies);
    for node in children(item.node, WSDL, "operation") {
        let bound = Item { source: item.source, node };
        policy::collect(bound, &mut binding.policies);
        let default = style(soap).unwrap_or(Style::Document);
        let context =
            Context { all, schemas, soap: soap.tag_name().namespace().unwrap_or_default() };
        if let Some(operation) = operation(&context, &binding, port_type, bound, default, faults) {
            binding.operations.push(operation);
        }
    }
    for (index, operation) in binding.operations.iter().enumerate() {
        binding.signatures.entry(operation.input.wire.clone()).or_default().push(index);
    }
    settle(&mut binding);
    Some(binding)
}

fn style(node: Node<'_, '_>) -> Option<Style> {
    match node.attribute("style")?.trim() {
        "rpc" => Some(Style::Rpc),
        _ => Some(Style::Document),
    }
}

fn operation(
    context: &Context<'_, '_, '_>,
    binding: &Binding,
    port_type: Item<'_, '_>,
    bound: Item<'_, '_>,
    default: Style,
    faults: &mut Vec<Fault>,
) -> Option<Operation> {
    let name = attribute(bound.node, "name").unwrap_or_default();
    let Some(abstract_) = abstract_operation(port_type, bound, name) else {
        let message = format!("the port type {} has no operation {name}", binding.port_type);
        let fault = bound.source.warning(bound.node, message).rule("R2718");
        faults
            .push(fault.cure("take the operation out of the binding, or add it to the port type"));
        return None;
    };
    let soap = child(bound.node, context.soap, "operation");
    let style = soap.and_then(style).unwrap_or(default);
    let exchange = exchange(abstract_, faults)?;
    let shape = body::Shape {
        style,
        operation: name,
        prefix: action_prefix(port_type, &binding.port_type.local),
        one_way: exchange == Exchange::OneWay,
    };
    let input = body::message(context, &shape, abstract_, bound, "input", faults)?;
    let output = match exchange {
        Exchange::OneWay => None,
        Exchange::RequestResponse => {
            Some(body::message(context, &shape, abstract_, bound, "output", faults)?)
        }
    };
    let order = attribute(abstract_.node, "parameterOrder").unwrap_or_default();
    let wrapped = style == Style::Document
        && body::is_wrapper(context.schemas, &input, Some(name))
        && output.as_ref().is_none_or(|output| body::is_wrapper(context.schemas, output, None));
    Some(Operation {
        name: name.to_owned(),
        documentation: documentation(abstract_.node),
        style,
        exchange,
        action: soap.and_then(|soap| attribute(soap, "soapAction")).unwrap_or_default().to_owned(),
        wrapped,
        parameter_order: order.split_whitespace().map(str::to_owned).collect(),
        faults: fault_messages(context, &shape, abstract_, bound, faults),
        input,
        output,
        place: bound.source.place(bound.node),
    })
}

/// The operation of the port type that is meant: overloaded ones are told apart by the names of their messages.
fn abstract_operation<'s, 'd>(
    port_type: Item<'s, 'd>,
    bound: Item<'_, '_>,
    name: &str,
) -> Option<Item<'s, 'd>> {
    let source = port_type.source;
    let same = children(port_type.node, WSDL, "operation");
    let same: Vec<_> = same.filter(|node| attribute(*node, "name") == Some(name)).collect();
    let wanted = |what| {
        bound
            .node
            .children()
            .find(|node| super::documents::is(*node, WSDL, what))?
            .attribute("name")
    };
    let fits = |node: &Node<'d, 'd>| {
        ["input", "output"].iter().all(|what| {
            let theirs = child(*node, WSDL, what).and_then(|node| attribute(node, "name"));
            wanted(what).is_none_or(|wanted| theirs.is_none_or(|theirs| theirs == wanted.trim()))
        })
    };
    let node = if same.len() > 1 { same.iter().find(|node| fits(node)) } else { None };
    node.or(same.first()).map(|node| Item { source, node: *node })
}

/// What is exchanged; operations that the service begins are none of ours.
fn exchange(operation: Item<'_, '_>, faults: &mut Vec<Fault>) -> Option<Exchange> {
    let is = |node: &Node<'_, '_>, what| super::documents::is(*node, WSDL, what);
    let mut messages = operation.node.children().filter(|n| is(n, "input") || is(n, "output"));
    let (first, second) = (messages.next(), messages.next());
    let name = operation.node.attribute("name").unwrap_or_default();
    match (first, second) {
        (Some(first), None) if is(&first, "input") => Some(Exchange::OneWay),
        (Some(first), Some(_)) if is(&first, "input") => Some(Exchange::RequestResponse),
        (None, _) => {
            let message = format!("the operation {name} has neither input nor output");
            faults.push(operation.source.fault(operation.node, message));
            None
        }
        _ => {
            let message = format!("the operation {name} is begun by the service, and is left out");
            faults.push(operation.source.warning(operation.node, message).rule("R2303"));
            None
        }
    }
}

/// What the default actions of WS-Addressing begin with (WS-Addressing 1.0 Metadata, 4.4.4).
fn action_prefix(port_type: Item<'_, '_>, name: &str) -> String {
    let target = port_type.source.target;
    let delimiter = if target.starts_with("urn:") { ':' } else { '/' };
    let target = target.strip_suffix(delimiter).unwrap_or(target);
    format!("{target}{delimiter}{name}{delimiter}")
}

fn fault_messages(
    context: &Context<'_, '_, '_>,
    shape: &body::Shape<'_>,
    abstract_: Item<'_, '_>,
    bound: Item<'_, '_>,
    faults: &mut Vec<Fault>,
) -> Vec<FaultMessage> {
    let mut messages = Vec::new();
    for node in children(abstract_.node, WSDL, "fault") {
        let item = Item { source: abstract_.source, node };
        let name = attribute(node, "name").unwrap_or_default();
        let Some((_, message)) = context.all.message(item, faults) else { continue };
        let Some(raw) = message.parts.first() else {
            let text = format!("the message of the fault {name} has no part");
            faults.push(item.source.warning(node, text));
            continue;
        };
        let Some(part) = body::part(context, message, raw, faults) else { continue };
        let bound =
            children(bound.node, WSDL, "fault").find(|n| attribute(*n, "name") == Some(name));
        let soap = bound.and_then(|bound| child(bound, context.soap, "fault"));
        let default = format!("{}{}/Fault/{name}", shape.prefix, shape.operation);
        let default = if shape.prefix.starts_with("urn:") {
            default.replace("/Fault/", ":Fault:")
        } else {
            default
        };
        messages.push(FaultMessage {
            name: name.to_owned(),
            part,
            use_: soap.map_or(super::catalog::Use::Literal, body::use_of),
            wsa_action: policy::action(node).map_or(default, str::to_owned),
        });
    }
    messages
}
