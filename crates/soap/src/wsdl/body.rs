//! What a message looks like on the wire: body, headers, attachments.

use roxmltree::Node;

use super::{
    WSDL, WSDL_MIME,
    catalog::{Attachment, Header, Message, Part, PartContent, Style, Use},
    definitions::{Definitions, Item, RawMessage, RawPart, missing},
    documents::{attribute, child, children},
    policy,
};
use crate::{
    ExpandedName, Fault,
    xsd::{
        Schemas,
        model::{Compositor, Content, Term},
    },
};

/// What is known around a message.
pub(super) struct Context<'c, 's, 'd> {
    pub(super) all: &'c Definitions<'s, 'd>,
    pub(super) schemas: &'c Schemas,
    /// The namespace of the binding's extensions.
    pub(super) soap: &'c str,
}

/// What an operation gives to its messages.
pub(super) struct Shape<'c> {
    pub(super) style: Style,
    pub(super) operation: &'c str,
    /// What default actions begin with.
    pub(super) prefix: String,
    pub(super) one_way: bool,
}

/// Where in a binding the parts of a message are said to go.
struct Extensions<'d> {
    body: Option<Node<'d, 'd>>,
    headers: Vec<Node<'d, 'd>>,
    contents: Vec<Node<'d, 'd>>,
}

/// Makes the `input` or the `output` of an operation.
pub(super) fn message<'d>(
    context: &Context<'_, '_, 'd>,
    shape: &Shape<'_>,
    abstract_: Item<'_, 'd>,
    bound: Item<'_, 'd>,
    direction: &str,
    faults: &mut Vec<Fault>,
) -> Option<Message> {
    let node = child(abstract_.node, WSDL, direction)?;
    let described = Item { source: abstract_.source, node };
    let (name, raw) = context.all.message(described, faults)?;
    let carrier = child(bound.node, WSDL, direction);
    let extensions = carrier.map(|node| extensions(node, context.soap));
    let extensions =
        extensions.unwrap_or(Extensions { body: None, headers: Vec::new(), contents: Vec::new() });
    let header_item = |node| Item { source: bound.source, node };
    let headers: Vec<_> = extensions
        .headers
        .iter()
        .filter_map(|node| header(context, header_item(*node), faults))
        .collect();
    let attachments = attachments(context, raw, &extensions.contents, faults);
    let elsewhere = |part: &RawPart<'_>| {
        headers.iter().any(|h| h.message == name && h.part.name == part.name)
            || attachments.iter().any(|a| a.part.name == part.name)
    };
    let listed = extensions.body.and_then(|body| attribute(body, "parts"));
    let mut body = Vec::new();
    for raw_part in &raw.parts {
        let chosen = match listed {
            Some(listed) => listed.split_whitespace().any(|name| name == raw_part.name),
            None => !elsewhere(raw_part),
        };
        if chosen {
            body.push(part(context, raw, raw_part, faults)?);
        }
    }
    for name in listed.unwrap_or_default().split_whitespace() {
        if !raw.parts.iter().any(|part| part.name == name) {
            let message = format!("the message {} has no part {name}", described_name(raw));
            let at = extensions.body.unwrap_or(bound.node);
            faults.push(bound.source.fault(at, message).rule("R2101"));
        }
    }
    let namespace = extensions.body.and_then(|body| attribute(body, "namespace"));
    Some(Message {
        use_: extensions.body.map_or(Use::Literal, use_of),
        wire: wire(shape, direction, namespace, &body),
        wsa_action: wsa_action(context, shape, node, bound, direction),
        name,
        body,
        headers,
        attachments,
    })
}

fn described_name<'d>(message: &RawMessage<'_, 'd>) -> &'d str {
    attribute(message.item.node, "name").unwrap_or_default()
}

fn extensions<'d>(carrier: Node<'d, 'd>, soap: &str) -> Extensions<'d> {
    let mut found = Extensions { body: None, headers: Vec::new(), contents: Vec::new() };
    let related = children(carrier, WSDL_MIME, "multipartRelated");
    let parts = related.flat_map(|related| children(related, WSDL_MIME, "part"));
    for place in std::iter::once(carrier).chain(parts) {
        found.body = found.body.or_else(|| child(place, soap, "body"));
        found.headers.extend(children(place, soap, "header"));
        found.contents.extend(children(place, WSDL_MIME, "content"));
    }
    found
}

/// `use` and `encodingStyle` of a body, header or fault.
pub(super) fn use_of(node: Node<'_, '_>) -> Use {
    match node.attribute("use").map(str::trim) {
        Some("encoded") => {
            Use::Encoded(node.attribute("encodingStyle").unwrap_or_default().trim().to_owned())
        }
        _ => Use::Literal,
    }
}

/// The child of the body.
fn wire(
    shape: &Shape<'_>,
    direction: &str,
    namespace: Option<&str>,
    body: &[Part],
) -> Option<ExpandedName> {
    if shape.style == Style::Rpc {
        let suffix = if direction == "output" { "Response" } else { "" };
        let local = format!("{}{suffix}", shape.operation);
        return Some(ExpandedName::new(namespace.unwrap_or_default(), local));
    }
    body.iter().find_map(|part| match &part.content {
        PartContent::Element(_, name) => Some(name.clone()),
        PartContent::Type(..) => None,
    })
}

/// The action of a message: given, or the binding's, or made by the pattern.
fn wsa_action<'d>(
    context: &Context<'_, '_, '_>,
    shape: &Shape<'_>,
    node: Node<'d, 'd>,
    bound: Item<'_, '_>,
    direction: &str,
) -> String {
    if let Some(action) = policy::action(node) {
        return action.to_owned();
    }
    let operation =
        bound.node.children().find(|n| super::documents::is(*n, context.soap, "operation"));
    let soap_action = operation.and_then(|operation| operation.attribute("soapAction"));
    if let Some(action) = soap_action.filter(|action| direction == "input" && !action.is_empty()) {
        return action.to_owned();
    }
    let suffix = match (direction, shape.one_way) {
        ("input", true) => "",
        ("input", false) => "Request",
        _ => "Response",
    };
    let default = format!("{}{suffix}", shape.operation);
    format!("{}{}", shape.prefix, node.attribute("name").unwrap_or(&default))
}

/// A part with what it is in the schemas.
pub(super) fn part(
    context: &Context<'_, '_, '_>,
    message: &RawMessage<'_, '_>,
    raw: &RawPart<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Part> {
    let source = message.item.source;
    let item = Item { source, node: raw.node };
    let content = match (&raw.element, &raw.ty) {
        (Some(name), _) => match context.schemas.element_named(name) {
            Some(id) => PartContent::Element(id, name.clone()),
            None => {
                faults.push(missing(item, "element", name));
                return None;
            }
        },
        (None, Some(name)) => match context.schemas.type_named(name) {
            Some(id) => PartContent::Type(id, name.clone()),
            None => {
                faults.push(missing(item, "type", name));
                return None;
            }
        },
        (None, None) => {
            let fault = source
                .fault(raw.node, format!("the part {} has neither element nor type", raw.name));
            faults.push(fault.cure("say which element or type it is"));
            return None;
        }
    };
    Some(Part { name: raw.name.to_owned(), content, place: source.place(raw.node) })
}

fn header<'d>(
    context: &Context<'_, '_, 'd>,
    item: Item<'_, 'd>,
    faults: &mut Vec<Fault>,
) -> Option<Header> {
    let (message, raw) = context.all.message(item, faults)?;
    let name = attribute(item.node, "part").unwrap_or_default();
    let Some(raw_part) = raw.parts.iter().find(|part| part.name == name) else {
        let text = format!("the message {} has no part {name:?}", message.local);
        faults.push(item.source.fault(item.node, text).rule("R2101"));
        return None;
    };
    let of_header = children(item.node, context.soap, "headerfault");
    let of_header: Vec<_> = of_header
        .filter_map(|node| header(context, Item { source: item.source, node }, faults))
        .collect();
    let part = part(context, raw, raw_part, faults)?;
    Some(Header { message, part, use_: use_of(item.node), faults: of_header })
}

/// What travels beside the envelope: several contents of one part are alternatives.
fn attachments(
    context: &Context<'_, '_, '_>,
    message: &RawMessage<'_, '_>,
    contents: &[Node<'_, '_>],
    faults: &mut Vec<Fault>,
) -> Vec<Attachment> {
    let mut attachments: Vec<Attachment> = Vec::new();
    for content in contents {
        let name = content.attribute("part").unwrap_or_default().trim();
        let Some(raw) = message.parts.iter().find(|part| part.name == name) else { continue };
        let media_type = content.attribute("type").map(|t| t.trim().to_owned());
        if let Some(known) = attachments.iter_mut().find(|known| known.part.name == name) {
            known.media_types.extend(media_type);
        } else if let Some(part) = part(context, message, raw, faults) {
            attachments.push(Attachment { part, media_types: media_type.into_iter().collect() });
        }
    }
    attachments
}

/// Whether a body is an element that wraps parameters: a sequence of elements and nothing else. `name` is the name it
/// has to have.
pub(super) fn is_wrapper(schemas: &Schemas, message: &Message, name: Option<&str>) -> bool {
    let [Part { content: PartContent::Element(id, element), .. }] = message.body.as_slice() else {
        return false;
    };
    if name.is_some_and(|name| *element.local != *name) {
        return false;
    }
    let Some(complex) = schemas[schemas[*id].ty].complex() else { return false };
    if !complex.attributes.is_empty() || complex.any_attribute.is_some() {
        return false;
    }
    match &complex.content {
        Content::Empty => true,
        Content::Elements { particle: None, mixed, .. } => !mixed,
        Content::Elements { particle: Some(particle), mixed: false, .. } => {
            match schemas[*particle].term {
                Term::Group(group) => schemas[group].compositor == Compositor::Sequence,
                Term::Element(_) => true,
                Term::Any(_) => false,
            }
        }
        _ => false,
    }
}
