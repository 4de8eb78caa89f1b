//! The names that WSDL documents define, whichever of them a name stands in.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::{
    WSDL,
    documents::{Source, attribute, children},
};
use crate::{ExpandedName, Fault};

/// Something that is defined, and the document it stands in.
#[derive(Clone, Copy)]
pub(super) struct Item<'s, 'd> {
    pub(super) source: &'s Source<'d>,
    pub(super) node: Node<'d, 'd>,
}

/// A message, its parts read.
pub(super) struct RawMessage<'s, 'd> {
    pub(super) item: Item<'s, 'd>,
    pub(super) parts: Vec<RawPart<'d>>,
}

/// A part as it is written.
pub(super) struct RawPart<'d> {
    pub(super) name: &'d str,
    pub(super) node: Node<'d, 'd>,
    pub(super) element: Option<ExpandedName>,
    pub(super) ty: Option<ExpandedName>,
}

/// Everything that is defined.
pub(super) struct Definitions<'s, 'd> {
    pub(super) sources: &'s [Source<'d>],
    pub(super) messages: BTreeMap<ExpandedName, RawMessage<'s, 'd>>,
    pub(super) port_types: BTreeMap<ExpandedName, Item<'s, 'd>>,
    pub(super) bindings: Vec<(ExpandedName, Item<'s, 'd>)>,
    pub(super) services: Vec<(ExpandedName, Item<'s, 'd>)>,
}

/// Collects what is defined; of two things with one name the first counts.
pub(super) fn collect<'s, 'd>(
    sources: &'s [Source<'d>],
    faults: &mut Vec<Fault>,
) -> Definitions<'s, 'd> {
    let mut all = Definitions {
        sources,
        messages: BTreeMap::new(),
        port_types: BTreeMap::new(),
        bindings: Vec::new(),
        services: Vec::new(),
    };
    for source in sources {
        for node in source.root.children().filter(Node::is_element) {
            if node.tag_name().namespace() != Some(WSDL) {
                continue;
            }
            let item = Item { source, node };
            let kind = node.tag_name().name();
            if !matches!(kind, "message" | "portType" | "binding" | "service") {
                continue;
            }
            let Some(local) = attribute(node, "name") else {
                faults.push(source.fault(node, format!("a {kind} has no name")));
                continue;
            };
            let name = ExpandedName::new(source.target, local);
            if !all.add(kind, name, item, faults) {
                let message = format!("the {kind} {local} is defined twice; the first one counts");
                faults.push(source.warning(node, message));
            }
        }
    }
    all
}

impl<'s, 'd> Definitions<'s, 'd> {
    /// Adds a definition; false when there is one of this name.
    fn add(
        &mut self,
        kind: &str,
        name: ExpandedName,
        item: Item<'s, 'd>,
        faults: &mut Vec<Fault>,
    ) -> bool {
        match kind {
            "message" if self.messages.contains_key(&name) => return false,
            "portType" if self.port_types.contains_key(&name) => return false,
            "binding" if self.binding(&name).is_some() => return false,
            "service" if self.services.iter().any(|(other, _)| *other == name) => return false,
            "message" => {
                let parts = parts(item, faults);
                self.messages.insert(name, RawMessage { item, parts });
            }
            "portType" => {
                self.port_types.insert(name, item);
            }
            "binding" => self.bindings.push((name, item)),
            _ => self.services.push((name, item)),
        }
        true
    }

    pub(super) fn binding(&self, name: &ExpandedName) -> Option<Item<'s, 'd>> {
        self.bindings.iter().find(|(other, _)| other == name).map(|(_, item)| *item)
    }

    /// The message that an attribute of a node refers to.
    pub(super) fn message(
        &self,
        item: Item<'_, 'd>,
        faults: &mut Vec<Fault>,
    ) -> Option<(ExpandedName, &RawMessage<'s, 'd>)> {
        let name = referred(item, "message", faults)?;
        let name = meant(item, "message", name, |name| self.messages.contains_key(name), faults);
        let Some(message) = self.messages.get(&name) else {
            faults.push(missing(item, "message", &name));
            return None;
        };
        Some((name, message))
    }
}

/// The name that is meant: many write names of their own without a prefix, where the default namespace is another.
pub(super) fn meant(
    item: Item<'_, '_>,
    what: &str,
    name: ExpandedName,
    exists: impl Fn(&ExpandedName) -> bool,
    faults: &mut Vec<Fault>,
) -> ExpandedName {
    let prefixed = attribute(item.node, what).is_some_and(|value| value.contains(':'));
    let own = ExpandedName::new(item.source.target, name.local.clone());
    if prefixed || exists(&name) || !exists(&own) {
        return name;
    }
    let text = format!("{} has no prefix, and is taken for one of the document's own", name.local);
    let fault = item.source.warning(item.node, text).rule("R2101");
    faults.push(fault.cure("give it the prefix of the target namespace"));
    own
}

/// The name that a required attribute holds.
pub(super) fn referred(
    item: Item<'_, '_>,
    what: &str,
    faults: &mut Vec<Fault>,
) -> Option<ExpandedName> {
    match item.source.reference(item.node, what) {
        Some(Ok(name)) => Some(name),
        Some(Err(fault)) => {
            faults.push(fault);
            None
        }
        None => {
            let element = item.node.tag_name().name();
            faults.push(
                item.source.fault(item.node, format!("the {element} has no attribute {what}")),
            );
            None
        }
    }
}

/// A reference to something that is not there.
pub(super) fn missing(item: Item<'_, '_>, what: &str, name: &ExpandedName) -> Fault {
    let fault = item.source.fault(item.node, format!("there is no {what} {name}"));
    fault.rule("R2101").cure("define or import it, or correct the reference")
}

fn parts<'d>(message: Item<'_, 'd>, faults: &mut Vec<Fault>) -> Vec<RawPart<'d>> {
    let mut parts = Vec::new();
    for node in children(message.node, WSDL, "part") {
        let mut name_of = |what| match message.source.reference(node, what)? {
            Ok(name) => Some(name),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        let (element, ty) = (name_of("element"), name_of("type"));
        let Some(name) = attribute(node, "name") else {
            faults.push(message.source.fault(node, "a part has no name"));
            continue;
        };
        parts.push(RawPart { name, node, element, ty });
    }
    parts
}
