//! The mapping file of a REST face: which paths, verbs and status codes are not the default ones.
//!
//! ```yaml
//! version: 1
//! operations:
//!   GetOrder:
//!     method: get
//!     path: /orders/{id}
//!     parameters:
//!       id: { field: orderId }
//!       expand: { in: query }
//!     status: 200
//!     faults: { UnknownOrder: 404 }
//!   Ping: { hidden: true }
//! ```

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pasarela_contract::Position;
use pasarela_contract::tree::{self, Member, Node, Syntax, TreeLimits, Value};
use pasarela_soap::{
    Fault, FaultKind, Place,
    openapi::face::{Location, Mapping, Method, OperationMapping, ParameterMapping},
};

/// A mapping, and where it says what.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) mapping: Mapping,
    pub(crate) operations: BTreeMap<String, Position>,
}

impl Said {
    /// Faults of the mapping with the place of the operation that they are about.
    pub(crate) fn placed(&self, path: &Path, faults: Vec<Fault>) -> Vec<Fault> {
        let document: Arc<str> = path.display().to_string().into();
        let placed = |fault: Fault| {
            let operation = fault.path.strip_prefix("operations/").unwrap_or_default();
            let at = self.operations.get(operation).copied();
            fault.at(place(&document, at.unwrap_or(Position::START)))
        };
        faults.into_iter().map(placed).collect()
    }
}

/// Reads a mapping to its end.
pub(crate) fn read(text: &str, path: &Path) -> Result<Said, Vec<Fault>> {
    let document: Arc<str> = path.display().to_string().into();
    let mut reader = Reader { document, faults: Vec::new() };
    let root = match tree::parse(text, Syntax::Yaml, TreeLimits { depth: 16, values: 100_000 }) {
        Ok(root) => root,
        Err(faults) => {
            for fault in faults {
                let at = Position { line: fault.line, column: fault.column, ..Position::START };
                reader.wrong(at, fault.message, &fault.cure);
            }
            return Err(reader.faults);
        }
    };
    let mut said = Said { mapping: Mapping::default(), operations: BTreeMap::new() };
    for member in reader.members(&root, "the mapping") {
        match &*member.key {
            "version" if member.value.value == Value::Number("1".into()) => {}
            "version" => {
                reader.wrong(member.value.at, "this version is not known".into(), "write 1");
            }
            "operations" => {
                for operation in reader.members(&member.value, "operations") {
                    let read = reader.operation(&operation.value);
                    said.operations.insert(operation.key.clone(), operation.key_at);
                    said.mapping.operations.insert(operation.key.clone(), read);
                }
            }
            _ => reader.unknown(member, "version, operations"),
        }
    }
    if reader.faults.is_empty() { Ok(said) } else { Err(reader.faults) }
}

struct Reader {
    document: Arc<str>,
    faults: Vec<Fault>,
}

impl Reader {
    fn operation(&mut self, node: &Node) -> OperationMapping {
        let mut out = OperationMapping::default();
        for member in self.members(node, "an operation") {
            let value = &member.value;
            match &*member.key {
                "path" => out.path = self.text(value, "a path"),
                "method" => out.method = self.method(value),
                "status" => out.status = self.status(value),
                "hidden" => match value.value {
                    Value::Bool(hidden) => out.hidden = hidden,
                    _ => self.wrong(value.at, "hidden is true or false".into(), ""),
                },
                "parameters" => {
                    let in_path = out
                        .path
                        .clone()
                        .or_else(|| node.get("path").and_then(Node::as_str).map(str::to_owned));
                    for parameter in self.members(value, "parameters") {
                        let token = format!("{{{}}}", parameter.key);
                        let found = in_path.as_ref().is_some_and(|path| path.contains(&token));
                        let read = self.parameter(&parameter.value, found);
                        out.parameters.insert(parameter.key.clone(), read);
                    }
                }
                "faults" => {
                    for fault in self.members(value, "faults") {
                        if let Some(status) = self.status(&fault.value) {
                            out.faults.insert(fault.key.clone(), status);
                        }
                    }
                }
                _ => self.unknown(member, "path, method, status, parameters, faults, hidden"),
            }
        }
        out
    }

    fn parameter(&mut self, node: &Node, in_path: bool) -> ParameterMapping {
        let location = if in_path { Location::Path } else { Location::Query };
        let mut out = ParameterMapping { location, field: None };
        if node.value == Value::Null {
            return out;
        }
        for member in self.members(node, "a parameter") {
            match (&*member.key, member.value.as_str()) {
                ("in", Some("path")) => out.location = Location::Path,
                ("in", Some("query")) => out.location = Location::Query,
                ("in", _) => {
                    let at = member.value.at;
                    self.wrong(
                        at,
                        "a parameter is in the path or in the query".into(),
                        "write path or query",
                    );
                }
                ("field", _) => out.field = self.text(&member.value, "a field"),
                _ => self.unknown(member, "in, field"),
            }
        }
        out
    }

    fn method(&mut self, node: &Node) -> Option<Method> {
        let name = self.text(node, "a method")?.to_ascii_lowercase();
        let found = Method::ALL.into_iter().find(|method| method.name() == name);
        if found.is_none() {
            let known = "write get, put, post, delete or patch";
            self.wrong(node.at, format!("{name:?} is no method for an operation"), known);
        }
        found
    }

    fn status(&mut self, node: &Node) -> Option<u16> {
        let status = match &node.value {
            Value::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        let found = status.filter(|status| (100..600).contains(status));
        if found.is_none() {
            self.wrong(node.at, "a status is a number from 100 to 599".into(), "");
        }
        found
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(node.at, format!("{what} is a text, and this is {}", node.kind()), "");
        }
        text
    }

    fn members<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Member] {
        static NONE: [Member; 0] = [];
        match node.as_object() {
            Some(object) => object.iter().as_slice(),
            None => {
                if node.value != Value::Null {
                    let message =
                        format!("{what}: keys and values belong here, not {}", node.kind());
                    self.wrong(node.at, message, "");
                }
                &NONE
            }
        }
    }

    fn unknown(&mut self, member: &Member, known: &str) {
        let message = format!("there is no key {:?} here", member.key);
        self.wrong(member.key_at, message, &format!("known: {known}"));
    }

    fn wrong(&mut self, at: Position, message: String, cure: &str) {
        let fault = Fault::new(FaultKind::Reference, message).at(place(&self.document, at));
        self.faults.push(if cure.is_empty() { fault } else { fault.cure(cure) });
    }
}

fn place(document: &Arc<str>, at: Position) -> Place {
    Place { line: at.line, column: at.column, ..Place::document(Arc::clone(document)) }
}
