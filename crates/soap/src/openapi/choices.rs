//! Which members must, may and may not be there together: `required`, and a rule for each choice.

use super::json::{Json, Object};
use crate::transcode::outline::{Fields, Member, Node};

/// Beyond so many members named in its branches, a choice of single members is said the short way.
const LONG: usize = 600;

/// What holds for the members of an object together.
#[derive(Debug, Default)]
pub(super) struct Together {
    pub(super) required: Vec<String>,
    /// Each has to hold.
    pub(super) rules: Vec<Object>,
}

/// The rules of an object, of its own part if the members before `from` are inherited.
pub(super) fn together(fields: &Fields<'_>, from: usize) -> Together {
    let mut rules = Rules { members: &fields.members, uses: vec![0; fields.members.len()] };
    let mut together = Together::default();
    let Some(root) = fields.root else { return together };
    count(root, &mut rules.uses);
    match root {
        // The base's node is the first, and the base's rules are the base's.
        Node::Sequence { nodes, .. } if from > 0 => {
            for node in nodes.iter().skip(1) {
                rules.node(node, &mut together);
            }
        }
        _ => rules.node(root, &mut together),
    }
    together
}

/// Which members have a place in the object, by number.
pub(super) fn mentioned(fields: &Fields<'_>) -> Vec<bool> {
    let mut uses = vec![0; fields.members.len()];
    if let Some(root) = fields.root {
        count(root, &mut uses);
    }
    uses.into_iter().map(|uses| uses > 0).collect()
}

/// Adds the rules to a schema.
pub(super) fn set(mut rules: Vec<Object>, out: &mut Object) {
    let fits = |rule: &Object| rule.0.iter().all(|(key, _)| out.get(key).is_none());
    match &*rules {
        [] => {}
        [only] if fits(only) => {
            rules.remove(0).0.into_iter().for_each(|(key, value)| out.push(key, value));
        }
        _ => out.set("allOf", rules.into_iter().map(Json::from).collect::<Vec<_>>()),
    }
}

/// Whether an object has exactly one member, whichever.
pub(super) fn is_one_of_singles(fields: &Fields<'_>) -> bool {
    let Some(Node::Choice { optional: false, nodes }) = fields.root else { return false };
    nodes.len() == fields.members.len()
        && nodes.iter().all(|node| matches!(node, Node::Member { min: 1.., .. }))
}

struct Rules<'f> {
    members: &'f [Member<'f>],
    /// At how many nodes a member stands.
    uses: Vec<u32>,
}

fn count(node: &Node, uses: &mut [u32]) {
    match node {
        Node::Member { member, .. } => {
            if let Some(uses) = uses.get_mut(*member as usize) {
                *uses += 1;
            }
        }
        Node::Sequence { nodes, .. } | Node::Some { nodes, .. } | Node::Choice { nodes, .. } => {
            nodes.iter().for_each(|node| count(node, uses));
        }
    }
}

impl Rules<'_> {
    fn node(&self, node: &Node, out: &mut Together) {
        match node {
            Node::Member { member, min, .. } => {
                if *min > 0 {
                    let key = self.key(*member as usize);
                    if !out.required.iter().any(|there| there == key) {
                        out.required.push(key.to_owned());
                    }
                }
            }
            Node::Sequence { optional: true, nodes } => {
                let all = Node::Sequence { optional: false, nodes: nodes.clone() };
                self.choice(std::slice::from_ref(&all), true, out);
            }
            Node::Sequence { nodes, .. } => nodes.iter().for_each(|node| self.node(node, out)),
            Node::Choice { optional, nodes } => self.choice(nodes, *optional, out),
            Node::Some { nodes, .. } => {
                for node in nodes {
                    match node {
                        Node::Member { .. } => {}
                        Node::Sequence { optional: true, .. } => self.node(node, out),
                        _ => self.choice(std::slice::from_ref(node), true, out),
                    }
                }
                if !is_emptiable(node) {
                    let mut any = Vec::new();
                    members(node, &mut any);
                    let any = any.into_iter().map(|member| self.demand(member));
                    out.rules.push(Object::new().with("anyOf", any.collect::<Vec<_>>()));
                }
            }
        }
    }

    /// One of the branches, or none of them.
    fn choice(&self, branches: &[Node], optional: bool, out: &mut Together) {
        if let ([only], false) = (branches, optional) {
            return self.node(only, out);
        }
        let mut keys: Vec<Vec<usize>> = Vec::with_capacity(branches.len());
        for branch in branches {
            let mut found = Vec::new();
            members(branch, &mut found);
            keys.push(found);
        }
        let mut all: Vec<usize> = keys.iter().flatten().copied().collect();
        let before = all.len();
        all.sort_unstable();
        all.dedup();
        // A member that stands elsewhere too tells nothing about the branch.
        let shared = all.len() < before || all.iter().any(|&member| self.uses[member] > 1);
        all.retain(|&member| self.uses[member] == 1);
        let short = all.len() * branches.len() > LONG
            && branches.iter().all(|b| matches!(b, Node::Member { min: 1.., .. }));
        let mut rules: Vec<Json> = Vec::new();
        let mut empty_taken = false;
        for (branch, own) in branches.iter().zip(&keys) {
            let mut inner = Together::default();
            self.node(branch, &mut inner);
            let mut rule = Object::new();
            let may_be_empty = is_emptiable(branch);
            if !inner.required.is_empty() {
                rule.set("required", Json::strings(inner.required));
            }
            if !short {
                let others = all.iter().filter(|member| !own.contains(member));
                self.forbid(others.copied(), &mut rule);
            }
            if may_be_empty && empty_taken && !shared {
                // No key at all is the first branch that may be empty, and not this one.
                let any = own.iter().map(|&member| self.demand(member)).collect::<Vec<_>>();
                inner.rules.push(Object::new().with("anyOf", any));
            }
            empty_taken |= may_be_empty;
            set(inner.rules, &mut rule);
            rules.push(rule.into());
        }
        if optional && !empty_taken {
            let mut none = Object::new();
            if short {
                let any = all.iter().map(|&member| self.demand(member)).collect::<Vec<_>>();
                none.set("not", Object::new().with("anyOf", any));
            } else {
                self.forbid(all.iter().copied(), &mut none);
            }
            rules.push(none.into());
        }
        // A rule that holds always says nothing.
        if rules.len() == 1 {
            if let Some(Json::Object(only)) = rules.pop()
                && !only.is_empty()
            {
                out.rules.push(only);
            }
            return;
        }
        out.rules.push(Object::new().with(if shared { "anyOf" } else { "oneOf" }, rules));
    }

    fn demand(&self, member: usize) -> Json {
        Object::new().with("required", Json::strings([self.key(member)])).into()
    }

    fn forbid(&self, members: impl Iterator<Item = usize>, rule: &mut Object) {
        let mut properties = Object::new();
        for member in members {
            properties.push(self.key(member).to_owned(), false);
        }
        if !properties.is_empty() {
            rule.set("properties", properties);
        }
    }

    fn key(&self, member: usize) -> &str {
        self.members.get(member).map_or("", |member| member.key)
    }
}

fn members(node: &Node, found: &mut Vec<usize>) {
    match node {
        Node::Member { member, .. } => {
            let member = *member as usize;
            if !found.contains(&member) {
                found.push(member);
            }
        }
        Node::Sequence { nodes, .. } | Node::Some { nodes, .. } | Node::Choice { nodes, .. } => {
            nodes.iter().for_each(|node| members(node, found));
        }
    }
}

fn is_emptiable(node: &Node) -> bool {
    match node {
        Node::Member { min, .. } => *min == 0,
        Node::Sequence { optional: true, .. }
        | Node::Some { optional: true, .. }
        | Node::Choice { optional: true, .. } => true,
        Node::Sequence { nodes, .. } => nodes.iter().all(is_emptiable),
        Node::Some { nodes, .. } | Node::Choice { nodes, .. } => nodes.iter().any(is_emptiable),
    }
}
