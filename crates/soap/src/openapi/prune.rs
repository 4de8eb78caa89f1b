//! A body without the fields that stand elsewhere.

use crate::transcode::outline::{Body, Fields, Member, Node, Object};

/// The node without some members; nothing when nothing is left.
pub(super) fn without(node: &Node, members: &[Member<'_>], keys: &[&str]) -> Option<Node> {
    let inner = |nodes: &[Node]| -> Vec<Node> {
        nodes.iter().filter_map(|node| without(node, members, keys)).collect()
    };
    match node {
        Node::Member { member, .. } => {
            let key = members.get(*member as usize).map_or("", |member| member.key);
            (!keys.contains(&key)).then(|| node.clone())
        }
        Node::Sequence { optional, nodes } => {
            let nodes = inner(nodes);
            (!nodes.is_empty()).then_some(Node::Sequence { optional: *optional, nodes })
        }
        Node::Some { optional, nodes } => {
            let left = inner(nodes);
            let optional = *optional || left.len() < nodes.len();
            (!left.is_empty()).then_some(Node::Some { optional, nodes: left })
        }
        Node::Choice { optional, nodes } => {
            let left = inner(nodes);
            // A branch that is a parameter now may have been taken.
            let optional = *optional || left.len() < nodes.len();
            (!left.is_empty()).then_some(Node::Choice { optional, nodes: left })
        }
    }
}

/// The object without some keys, written out: nothing of it is a base's.
pub(super) fn object<'p>(object: Object<'p>, keys: &[&str], root: Option<&'p Node>) -> Object<'p> {
    let attributes =
        object.attributes.into_iter().filter(|(key, _)| !keys.contains(&&**key)).collect();
    let body = match object.body {
        Body::Value(_) if keys.contains(&"$value") => Body::Empty,
        // Members keep their numbers; those that are gone have no node and get no property.
        Body::Members(fields) => Body::Members(Fields { members: fields.members, root }),
        body => body,
    };
    Object { attributes, any_attribute: object.any_attribute, body, extends: None }
}
