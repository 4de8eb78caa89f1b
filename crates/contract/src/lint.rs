//! What an OpenAPI document could do better: rules of OpenAPI that reading it does not need, and the constraints of REST that
//! a description can break.
//!
//! Only what the document shows by itself is judged; what takes traffic or a look into schemas is not. Each rule has its
//! line in `docs/reference/lint.md`. `operations` has the rules for what an operation takes and gives, `names` those for
//! how paths are written.

mod names;
mod operations;

use std::collections::BTreeMap;

use crate::{
    Position,
    tree::{self, Node, Syntax, TreeLimits},
};

/// One rule that is broken in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

macro_rules! rules {
    ($($(#[$about:meta])* $variant:ident = $name:literal, $must:literal;)*) => {
        /// The rules. `OA…` are of OpenAPI, the others of REST.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$about])* $variant,)*
        }

        impl Rule {
            /// Every rule, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// `OA2`
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether OpenAPI itself forbids it.
            pub const fn is_must(self) -> bool {
                match self { $(Self::$variant => $must,)* }
            }
        }
    };
}

rules! {
    /// An operation has no `operationId`.
    OperationId = "OA1", false;
    /// A parameter of the path is declared nowhere.
    PathParameter = "OA2", true;
    /// A parameter is declared for the path and does not stand in it.
    StrayParameter = "OA3", true;
    /// A path parameter is not `required: true`.
    OptionalPath = "OA4", true;
    /// A parameter is declared twice.
    TwinParameters = "OA5", true;
    /// GET, HEAD or DELETE with a body.
    Body = "OA6", false;
    /// No answer is described.
    Responses = "OA7", true;
    /// No success is described.
    Success = "OA8", false;
    /// A `$ref` leads nowhere.
    Reference = "OA9", true;
    /// Nothing says what an operation does.
    Summary = "OA10", false;
    /// A tag that the document does not declare, where it declares others.
    Tag = "OA11", false;
    /// Every answer is a page for people.
    HtmlOnly = "C1", false;
    /// A credential travels in a cookie.
    Cookie = "L1", false;
    /// Capital letters in a path.
    Capitals = "I1", false;
    /// Underscores in a path.
    Underscores = "I2", false;
    /// A path names a file format.
    Extension = "I3", false;
    /// A path ends in a slash.
    TrailingSlash = "I4", false;
    /// A path says what is done.
    Verb = "I5", false;
    /// What is made has no address.
    Location = "R2", false;
    /// PATCH does not say how the patch is meant.
    Patch = "R3", false;
    /// The method stands in a parameter.
    Tunnel = "R6", false;
    /// An operation says nothing of what can go wrong.
    Errors = "D2", false;
}

/// Findings kept of one document.
const FINDINGS_MAX: usize = 500;

/// Judges a document that [`crate::openapi::read`] takes; of another, what can be judged.
pub fn openapi(text: &str, syntax: Syntax) -> Vec<Lint> {
    let Ok(root) = tree::parse(text, syntax, TreeLimits::default()) else { return Vec::new() };
    let mut look = Look { root: &root, found: BTreeMap::new() };
    look.references();
    look.security();
    for (path, item) in look.members(look.root.get("paths")) {
        if path.key.starts_with('/') {
            names::check(&mut look, path);
            operations::check(&mut look, path, item);
        }
    }
    look.found.into_values().take(FINDINGS_MAX).collect()
}

/// A document that is looked at, and what was found: once a rule and place, in the order of the document.
struct Look<'a> {
    root: &'a Node,
    found: BTreeMap<(u32, u32, Rule, String), Lint>,
}

impl<'a> Look<'a> {
    fn say(&mut self, rule: Rule, at: Position, message: String, cure: &str) {
        let key = (at.line, at.column, rule, message.clone());
        self.found.entry(key).or_insert_with(|| Lint { rule, at, message, cure: cure.to_owned() });
    }

    /// The members of an object, with what their values lead to.
    fn members(&self, node: Option<&'a Node>) -> Vec<(&'a tree::Member, &'a Node)> {
        let object = node.and_then(Node::as_object);
        let members = object.into_iter().flat_map(|object| object.iter());
        members.map(|member| (member, self.resolved(&member.value))).collect()
    }

    /// What a node stands for, through its `$ref`.
    fn resolved(&self, node: &'a Node) -> &'a Node {
        let mut node = node;
        for _ in 0..20 {
            let target = node.get("$ref").and_then(Node::as_str).and_then(|text| self.target(text));
            match target {
                Some(target) => node = target,
                None => break,
            }
        }
        node
    }

    fn target(&self, reference: &str) -> Option<&'a Node> {
        self.root.pointer(&crate::openapi::percent_decoded(reference.strip_prefix('#')?))
    }

    /// Every `$ref` into this document leads somewhere. Examples and extensions may say what they like.
    fn references(&mut self) {
        let mut open = vec![self.root];
        while let Some(node) = open.pop() {
            if let tree::Value::Array(items) = &node.value {
                open.extend(items);
            }
            let Some(object) = node.as_object() else { continue };
            for member in object.iter() {
                let key = member.key.as_str();
                if ["example", "examples", "default", "const", "enum", "value"].contains(&key)
                    || key.starts_with("x-")
                {
                    continue;
                }
                let text = member.value.as_str().filter(|text| text.starts_with("#/"));
                match text.filter(|_| key == "$ref") {
                    Some(text) if self.target(text).is_none() => self.say(
                        Rule::Reference,
                        member.value.at,
                        format!("`{text}` does not exist in this document"),
                        "correct the pointer, or add what it names",
                    ),
                    Some(_) => (),
                    None => open.push(&member.value),
                }
            }
        }
    }

    /// L1: who calls is said by each request, not by what a browser remembers.
    fn security(&mut self) {
        let schemes = self.root.pointer("/components/securitySchemes");
        for (member, scheme) in self.members(schemes) {
            if scheme.get("in").and_then(Node::as_str) == Some("cookie") {
                self.say(
                    Rule::Cookie,
                    member.key_at,
                    format!("the credential `{}` travels in a cookie", member.key),
                    "take it in a header field: a cookie is state that the client does not control",
                );
            }
        }
    }
}
