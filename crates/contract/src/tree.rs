//! JSON and YAML documents as trees of values that know where they stand.
//!
//! The tree is the store: whatever a document holds survives in it, in order, with the numbers
//! as they were written. Typed views (such as [`crate::openapi`]) read from it and never replace
//! it. YAML is 1.2 with the core schema; what it can say beyond JSON (keys that are no scalars,
//! tags of its own, infinities) is a fault, because the tree has to have a JSON form.

mod json;
mod yaml;

use crate::{ContractFault, Faults, Position};

/// The two ways to write a tree down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// RFC 8259.
    Json,
    /// YAML 1.2, core schema, one document.
    Yaml,
}

/// Bounds that keep a document from growing beyond its size (YAML aliases) or the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Arrays and objects in one another.
    pub depth: usize,
    /// Values in all, each copy made by an alias counted.
    pub values: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { depth: 100, values: 2_000_000 }
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins. For a copy made by a YAML alias: where the original stands.
    pub at: Position,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as a JSON number lexeme; digits are kept as they were written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object.
    Object(Object),
}

/// The members of an object, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    members: Vec<Member>,
    /// Indices of `members`, sorted by key.
    by_key: Vec<u32>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub key_at: Position,
    /// The value.
    pub value: Node,
}

/// Reads a document.
///
/// # Errors
/// The faults of its syntax: all duplicate keys, and the first of the others.
pub fn parse(text: &str, syntax: Syntax, limits: TreeLimits) -> Result<Node, Vec<ContractFault>> {
    let mut faults = Faults::default();
    let node = match syntax {
        Syntax::Json => json::parse(text, limits, &mut faults),
        Syntax::Yaml => yaml::parse(text, limits, &mut faults),
    };
    let empty = Node { at: Position::START, value: Value::Null };
    faults.or(node.unwrap_or(empty))
}

impl Node {
    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match &self.value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key).map(|member| &member.value)
    }

    /// What a JSON pointer leads to (RFC 6901; the form without `#`).
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |node, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Value::Array(items) => items.get(token.parse::<usize>().ok()?),
                _ => node.get(&token),
            }
        })
    }

    /// What kind of value it is, for faults: "a string".
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// The JSON form, without white space.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        json::write(self, &mut out);
        out
    }
}

impl Object {
    /// Puts members together. Where a key comes twice, [`Self::get`] finds one of them; readers
    /// have reported the other.
    pub fn new(members: Vec<Member>) -> Self {
        // The limits keep documents far below 2³² members.
        let mut by_key: Vec<u32> = (0..u32::try_from(members.len()).unwrap_or(u32::MAX)).collect();
        by_key.sort_by(|&a, &b| key_at(&members, a).cmp(&key_at(&members, b)));
        Self { members, by_key }
    }

    /// A member by its key.
    pub fn get(&self, key: &str) -> Option<&Member> {
        let found = self.by_key.binary_search_by(|&i| key_at(&self.members, i).cmp(&Some(key)));
        self.members.get(*self.by_key.get(found.ok()?)? as usize)
    }

    /// The members in the order of the document.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// The members, to be changed and put together again.
    pub fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// Members whose key stood before, in the order of the document.
    fn duplicates(&self) -> impl Iterator<Item = &Member> {
        let key = |i: u32| key_at(&self.members, i);
        let mut later: Vec<u32> = (self.by_key.windows(2))
            .filter_map(|pair| match *pair {
                // The sort is stable, so the second of a pair is the later one.
                [a, b] if key(a) == key(b) => Some(b),
                _ => None,
            })
            .collect();
        later.sort_unstable();
        later.into_iter().filter_map(|i| self.members.get(i as usize))
    }
}

fn key_at(members: &[Member], index: u32) -> Option<&str> {
    members.get(index as usize).map(|member| member.key.as_str())
}

/// An object from its members, with a fault for each key that comes twice.
fn object(members: Vec<Member>, faults: &mut Faults) -> Value {
    let object = Object::new(members);
    faults.extend(object.duplicates().map(|member| {
        ContractFault::new(
            member.key_at,
            format!("the key `{}` stands here a second time", member.key),
            "keep one of the two",
        )
    }));
    Value::Object(object)
}

fn too_deep(limits: TreeLimits) -> (String, &'static str) {
    let message = format!("the document nests more than {} levels deep", limits.depth);
    (message, "move inner parts out and refer to them with `$ref`")
}

fn too_many(limits: TreeLimits) -> (String, &'static str) {
    let message = format!("the document holds more than {} values", limits.values);
    (message, "split it, or use fewer YAML aliases")
}
