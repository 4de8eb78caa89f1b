//! A schema as the sum of what applies to it: its own keywords, those of its `allOf`, and of what its `$ref` leads to.

use super::Inexpressible;
use crate::{
    openapi::percent_decoded,
    tree::{Member, Node, Value},
};

/// How many `$ref` may lead from one to the next, and `allOf` stand in one another.
const STEPS_MAX: usize = 40;
/// How many schemas may apply to one value.
const PARTS_MAX: usize = 500;

/// Keywords that say nothing about what a value is.
const ANNOTATIONS: [&str; 17] = [
    "title",
    "description",
    "default",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "nullable",
    "xml",
    "externalDocs",
    "$comment",
    "$id",
    "$schema",
    "$anchor",
    "$defs",
    "definitions",
];

/// A document whose references are followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) root: &'a Node,
    /// The minor version of OpenAPI 3.
    pub(crate) minor: u8,
}

impl<'a> Seen<'a> {
    /// What a reference within the document leads to.
    pub(crate) fn resolve(self, reference: &'a Node) -> Result<&'a Node, Inexpressible> {
        let text = reference.as_str().unwrap_or_default();
        let target = text.strip_prefix('#').map(percent_decoded);
        let target = target.and_then(|pointer| self.root.pointer(&pointer));
        target.ok_or_else(|| {
            Inexpressible::new(reference.at, format!("`{text}` does not exist in this document"))
        })
    }

    /// Follows `$ref` from anything that is no schema.
    pub(crate) fn followed(self, node: &'a Node) -> Result<&'a Node, Inexpressible> {
        let mut at = node;
        for _ in 0..STEPS_MAX {
            match at.get("$ref") {
                None => return Ok(at),
                Some(reference) => at = self.resolve(reference)?,
            }
        }
        Err(circle(node))
    }

    /// The schema that this one is another name of, as far as that goes: the last reference, and what it leads to.
    pub(crate) fn alias(
        self,
        node: &'a Node,
    ) -> Result<(Option<&'a str>, &'a Node), Inexpressible> {
        let (mut name, mut at) = (None, node);
        for _ in 0..STEPS_MAX {
            let reference = self.sole_reference(at);
            let Some(reference) = reference else { return Ok((name, at)) };
            name = reference.as_str();
            at = self.resolve(reference)?;
        }
        Err(circle(node))
    }

    /// The only thing that a schema says, where that is a reference.
    fn sole_reference(self, node: &'a Node) -> Option<&'a Node> {
        let substance = substance(node);
        match substance.as_slice() {
            // Up to OpenAPI 3.0 what stands beside a `$ref` is ignored.
            _ if self.minor == 0 && node.get("$ref").is_some() => node.get("$ref"),
            [only] if only.key == "$ref" => Some(&only.value),
            [only] if matches!(&*only.key, "allOf" | "oneOf" | "anyOf") => {
                match &only.value.value {
                    Value::Array(items) => match items.as_slice() {
                        [item] => self.sole_reference(item),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// All schemas that apply to a value of this one; without those that `leave` names by their reference.
    pub(crate) fn parts(
        self,
        node: &'a Node,
        leave: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<&'a Node>, Inexpressible> {
        let mut parts = Vec::new();
        self.collect(node, leave, 0, &mut parts)?;
        Ok(parts)
    }

    fn collect(
        self,
        node: &'a Node,
        leave: &dyn Fn(&str) -> bool,
        depth: usize,
        parts: &mut Vec<&'a Node>,
    ) -> Result<(), Inexpressible> {
        if depth > STEPS_MAX || parts.len() > PARTS_MAX {
            return Err(circle(node));
        }
        if let Some(reference) = node.get("$ref") {
            if !reference.as_str().is_some_and(leave) {
                let target = self.resolve(reference)?;
                self.collect(target, leave, depth + 1, parts)?;
            }
            if self.minor == 0 {
                return Ok(());
            }
        }
        parts.push(node);
        if let Some(Node { value: Value::Array(items), .. }) = node.get("allOf") {
            for item in items {
                self.collect(item, leave, depth + 1, parts)?;
            }
        }
        Ok(())
    }

    /// Whether `null` is among the values.
    pub(crate) fn nullable(self, node: &'a Node) -> bool {
        self.may_be_null(node, 0)
    }

    fn may_be_null(self, node: &'a Node, depth: usize) -> bool {
        if depth > STEPS_MAX {
            return false;
        }
        let inner = |node: &'a Node| self.may_be_null(node, depth + 1);
        let target = node.get("$ref").and_then(|reference| self.resolve(reference).ok());
        if let Some(target) = target.filter(|_| self.minor == 0) {
            return inner(target);
        }
        let listed = |key: &str| match node.get(key) {
            Some(Node { value: Value::Array(items), .. }) => Some(items),
            _ => None,
        };
        if node.get("nullable").is_some_and(|node| node.value == Value::Bool(true)) {
            return true;
        }
        if let Some(ty) = node.get("type") {
            return match &ty.value {
                Value::Array(types) => types.iter().any(|ty| ty.as_str() == Some("null")),
                _ => ty.as_str() == Some("null"),
            };
        }
        if let Some(values) = listed("enum") {
            return values.iter().any(|value| value.value == Value::Null);
        }
        if let Some(branches) = listed("oneOf").or(listed("anyOf")) {
            return branches.iter().any(inner);
        }
        if let Some(all) = listed("allOf") {
            return !all.is_empty() && all.iter().all(inner) && target.is_none_or(inner);
        }
        target.is_some_and(inner)
    }
}

/// The keywords of a schema that say what a value is.
pub(super) fn substance(node: &Node) -> Vec<&Member> {
    let Some(object) = node.as_object() else { return Vec::new() };
    let says = |member: &&Member| {
        !ANNOTATIONS.contains(&member.key.as_str()) && !member.key.starts_with("x-")
    };
    object.iter().filter(says).collect()
}

fn circle(node: &Node) -> Inexpressible {
    Inexpressible::new(node.at, "the schema is explained by itself")
}
