//! The operations of an OpenAPI document (3.0, 3.1, 3.2), and the document as it is served.
//!
//! This is a view of the tree: it looks at `openapi`, `info.title` and `paths`, and leaves
//! schemas, parameters and responses alone. What it cannot read it reports, all of it at once;
//! a path or a method that would silently not be served is a fault.

mod guard;
pub(crate) mod joined;
mod security;

use std::collections::HashMap;

use pasarela_soap::xsd::Resolver;

use pasarela_model::{Operation, PathTemplate, ServedContract};

use joined::Joined;

pub use self::guard::{Guard, TakenTokens, with_guard};
use crate::{
    Contract, ContractFault, Faults, Position, template,
    tree::{self, Member, Node, Object, Syntax, TreeLimits, Value},
};

/// Methods that have a key of their own in a path item.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Keys of a path item that are no methods.
const OTHER_KEYS: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];

/// How many `$ref` may lead from one to the next.
const REFS_MAX: usize = 20;

/// Reads an OpenAPI document, and what it refers to relative to `url`.
///
/// # Errors
/// All faults, in the order of the document.
pub fn read(
    text: &str,
    syntax: Syntax,
    url: &str,
    documents: &mut dyn Resolver,
) -> Result<Contract, Vec<ContractFault>> {
    let Joined { root, urls, faults } = joined::read(text, syntax, url, documents)?;
    let Survey { title, operations, places, .. } =
        survey(&root, faults).map_err(|faults| Joined::named(&urls, faults))?;
    let mut needs = security::Needs::new(&root);
    places.iter().for_each(|place| needs.operation(place.node));
    let security = needs.said().map_err(|faults| Joined::named(&urls, faults));
    let served =
        ServedContract { wsdl: false, document: root.to_json(), ..ServedContract::default() };
    Ok(Contract { title, operations, served, soap: false, left_out: Vec::new(), security })
}

/// A document and what it refers to relative to `url`, from bytes that are to be OpenAPI.
pub(crate) fn whole(
    bytes: &[u8],
    url: &str,
    documents: &mut dyn Resolver,
) -> Result<Joined, Vec<ContractFault>> {
    crate::size_of(bytes).map_err(|fault| vec![fault])?;
    let Some(syntax) = crate::openapi_syntax(bytes, url) else {
        let cure = "name an OpenAPI document";
        return Err(vec![ContractFault::start("this is XML, and no OpenAPI document", cure)]);
    };
    let text = crate::text_of(bytes).map_err(|fault| vec![fault])?;
    joined::read(text, syntax, url, documents)
}

/// Asks for every document that an OpenAPI document refers to. What is wrong with them is told by whoever reads them.
pub fn follow(bytes: &[u8], url: &str, documents: &mut dyn Resolver) {
    let _ = whole(bytes, url, documents);
}

/// What a document offers.
pub(crate) struct Survey<'a> {
    pub(crate) title: String,
    /// The minor version of OpenAPI 3.
    pub(crate) minor: u8,
    pub(crate) operations: Vec<Operation>,
    /// Where each of the operations stands.
    pub(crate) places: Vec<Place<'a>>,
}

/// Where an operation stands in its document.
pub(crate) struct Place<'a> {
    /// Its path as it is written.
    pub(crate) path: &'a str,
    /// The path items that it belongs to, the nearest first.
    pub(crate) items: Vec<&'a Node>,
    pub(crate) node: &'a Node,
}

/// Finds the operations of a document; `faults` are those that are known of it.
pub(crate) fn survey(root: &Node, mut faults: Faults) -> Result<Survey<'_>, Vec<ContractFault>> {
    let Some(minor) = version(root, &mut faults) else {
        // Without a version there is no saying what the rest should look like.
        return Err(faults.or(()).err().unwrap_or_default());
    };
    let title = title(root, &mut faults);
    let mut reader = Reader::new(root, minor, faults);
    reader.paths();
    let Reader { operations, places, faults, .. } = reader;
    faults.or(Survey { title, minor, operations, places })
}

/// The minor version of OpenAPI 3.
fn version(root: &Node, faults: &mut Faults) -> Option<u8> {
    let Some(object) = root.as_object() else {
        faults.push(
            root.at,
            format!("an OpenAPI document is an object, this is {}", root.kind()),
            "name a file that holds an OpenAPI or WSDL document",
        );
        return None;
    };
    if let Some(swagger) = object.get("swagger") {
        faults.push(
            swagger.key_at,
            "this is Swagger 2.0, which is not served",
            "convert it to OpenAPI 3.0 or later (API editors and converters export it) and name the result",
        );
        return None;
    }
    let Some(openapi) = object.get("openapi") else {
        faults.push(
            root.at,
            "the key `openapi` is missing, so this is not an OpenAPI document",
            "add `openapi: \"3.0.3\"` (or the version it follows) at the top, or name another file",
        );
        return None;
    };
    let text = openapi.value.as_str();
    let minor = match text.map(|text| text.split('.').collect::<Vec<_>>()).as_deref() {
        Some(["3", "0", ..]) => Some(0),
        Some(["3", "1", ..]) => Some(1),
        Some(["3", "2", ..]) => Some(2),
        _ => None,
    };
    if minor.is_none() {
        let message = match &openapi.value.value {
            Value::String(text) => format!("OpenAPI `{text}` is not known here"),
            Value::Number(text) => {
                format!("the version of OpenAPI is the number {text}, not a string")
            }
            _ => format!("the version of OpenAPI is {}, not a string", openapi.value.kind()),
        };
        faults.push(
            openapi.value.at,
            message,
            "use a version like `\"3.0.3\"`, `\"3.1.1\"` or `\"3.2.0\"`",
        );
    }
    minor
}

fn title(root: &Node, faults: &mut Faults) -> String {
    let (at, message) = match root.get("info").map(|info| (info.at, info.get("title"))) {
        Some((_, Some(title))) => match title.as_str() {
            Some(text) => return text.to_owned(),
            None => (title.at, format!("`info.title` is {}, not a string", title.kind())),
        },
        Some((at, None)) => (at, "`info` has no `title`".to_owned()),
        None => (root.at, "`info` is missing".to_owned()),
    };
    faults.push(
        at,
        message,
        "give the API a name, as in `info: { title: \"Orders\", version: \"1\" }`",
    );
    String::new()
}

struct Reader<'a> {
    root: &'a Node,
    minor: u8,
    faults: Faults,
    operations: Vec<Operation>,
    places: Vec<Place<'a>>,
    /// The path items that are read, from the path's own to what it refers to.
    items: Vec<&'a Node>,
    /// Where each `operationId` was seen first.
    ids: HashMap<&'a str, Position>,
    /// Where each shape of a path was seen first, and how it was written.
    shapes: HashMap<String, (&'a str, Position)>,
    /// Where each path and method that the router can tell apart was seen first.
    routes: HashMap<String, (&'a str, Position)>,
}

/// A path while its methods are read.
struct Path<'a> {
    text: &'a str,
    at: Position,
    template: PathTemplate,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Node, minor: u8, faults: Faults) -> Self {
        Self {
            root,
            minor,
            faults,
            operations: Vec::new(),
            places: Vec::new(),
            items: Vec::new(),
            ids: HashMap::new(),
            shapes: HashMap::new(),
            routes: HashMap::new(),
        }
    }

    fn paths(&mut self) {
        let root = self.root;
        let Some(paths) = root.get("paths") else {
            self.no_operations(root.at);
            return;
        };
        let Some(object) = self.object(paths, "`paths`") else { return };
        let before = self.operations.len();
        for member in object.iter().filter(|member| !member.key.starts_with("x-")) {
            self.path(member);
        }
        // An API without operations lets everything through: not what a contract is for.
        if self.operations.len() == before && !object.iter().any(|m| m.key.starts_with('/')) {
            self.no_operations(paths.at);
        }
    }

    fn no_operations(&mut self, at: Position) {
        self.faults.push(
            at,
            "the document declares no operation",
            "describe the paths of the API under `paths`",
        );
    }

    fn object(&mut self, node: &'a Node, what: &str) -> Option<&'a Object> {
        let object = node.as_object();
        if object.is_none() {
            let message = format!("{what} is {}, not an object", node.kind());
            self.faults.push(node.at, message, "write it as an object with one key a line");
        }
        object
    }

    fn path(&mut self, member: &'a Member) {
        let at = member.key_at;
        let template = match template::parse(&member.key) {
            Ok(template) => template,
            Err((message, cure)) => return self.faults.push(at, message, cure),
        };
        let path = Path { text: &member.key, at, template: template.segments };
        if let Some((other, first)) = self.shapes.get(&template.shape) {
            let message = format!(
                "the paths `{}` and `{other}` (line {}) match the same requests",
                path.text, first.line
            );
            self.faults.push(at, message, "put their methods under one of them");
            return;
        }
        self.shapes.insert(template.shape, (path.text, at));
        let before = self.operations.len();
        let faults_before = self.faults.len();
        self.path_item(&path, &member.value);
        let elsewhere = member.value.get("$ref").is_some_and(is_elsewhere);
        if self.operations.len() == before && self.faults.len() == faults_before && !elsewhere {
            let message = format!("the path `{}` has no method", path.text);
            self.faults.push(at, message, "add one, such as `get`, or take the path out");
        }
    }

    /// The item's own keys, then those of what its `$ref` leads to, as far as they are new.
    fn path_item(&mut self, path: &Path<'a>, item: &'a Node) {
        let mut node = item;
        let mut seen: Vec<&str> = Vec::new();
        self.items.clear();
        for _ in 0..REFS_MAX {
            self.items.push(node);
            let Some(object) = self.object(node, &format!("the path `{}`", path.text)) else {
                return;
            };
            for member in object.iter() {
                if !seen.contains(&member.key.as_str()) {
                    self.path_item_key(path, member);
                    seen.push(&member.key);
                }
            }
            match object.get("$ref") {
                None => return,
                Some(reference) => match self.resolve(&reference.value) {
                    Some(target) => node = target,
                    None => return,
                },
            }
        }
        let message = format!("the `$ref` of the path `{}` leads in a circle", path.text);
        self.faults.push(item.at, message, "write the path item out in one place");
    }

    fn resolve(&mut self, reference: &Node) -> Option<&'a Node> {
        let Some(text) = reference.as_str() else {
            let message = format!("`$ref` is {}, not a string", reference.kind());
            self.faults.push(reference.at, message, "write it like `#/components/pathItems/name`");
            return None;
        };
        // What leads elsewhere still has been told to lead nowhere.
        let pointer = text.strip_prefix('#')?;
        let target = self.root.pointer(&percent_decoded(pointer));
        if target.is_none() {
            let message = format!("`{text}` does not exist in this document");
            self.faults.push(reference.at, message, "correct the pointer, or add what it names");
        }
        target
    }

    fn path_item_key(&mut self, path: &Path<'a>, member: &'a Member) {
        let key = member.key.as_str();
        if METHODS.contains(&key) || (key == "query" && self.minor >= 2) {
            self.operation(path, &key.to_ascii_uppercase(), member);
        } else if key == "additionalOperations" && self.minor >= 2 {
            let Some(methods) = self.object(&member.value, "`additionalOperations`") else {
                return;
            };
            for member in methods.iter() {
                self.additional_operation(path, member);
            }
        } else if !OTHER_KEYS.contains(&key) && !key.starts_with("x-") {
            let lower = key.to_ascii_lowercase();
            let (message, cure) = if METHODS.contains(&&*lower) {
                (format!("the method `{key}` is not in lower case"), format!("write `{lower}`"))
            } else if matches!(key, "query" | "additionalOperations") {
                (
                    format!("`{key}` came with OpenAPI 3.2"),
                    "raise the version at the top to `\"3.2.0\"`".to_owned(),
                )
            } else {
                (
                    format!("`{key}` is not a key of a path"),
                    "correct it, take it out, or let it begin with `x-`".to_owned(),
                )
            };
            self.faults.push(member.key_at, message, cure);
        }
    }

    fn additional_operation(&mut self, path: &Path<'a>, member: &'a Member) {
        let method = member.key.as_str();
        let lower = method.to_ascii_lowercase();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if METHODS.contains(&method.to_ascii_lowercase().as_str()) || lower == "query" {
            let message = format!("`{method}` does not belong into `additionalOperations`");
            self.faults.push(member.key_at, message, format!("describe it under `{lower}`"));
        } else if method.is_empty() || !method.bytes().all(is_token) {
            let message = format!("`{method}` cannot be a method");
            self.faults.push(member.key_at, message, "use a name of letters, like `COPY`");
        } else {
            self.operation(path, method, member);
        }
    }

    fn operation(&mut self, path: &Path<'a>, method: &str, member: &'a Member) {
        let what = format!("`{method}` of `{}`", path.text);
        if self.object(&member.value, &what).is_none() {
            return;
        }
        let name = match member.value.get("operationId") {
            None => format!("{method} {}", path.text),
            Some(id) => match self.operation_id(id) {
                Some(id) => id.to_owned(),
                None => return,
            },
        };
        let route = format!("{method} {:?}", path.template);
        if let Some((other, first)) = self.routes.get(&route) {
            let message = format!(
                "`{}` and `{other}` (line {}) differ only in the text between parameters, which routing does not look at",
                path.text, first.line
            );
            self.faults.push(
                path.at,
                message,
                "make them differ in another segment, or describe one path",
            );
            return;
        }
        self.routes.insert(route, (path.text, path.at));
        let items = self.items.iter().rev().copied().collect();
        self.places.push(Place { path: path.text, items, node: &member.value });
        self.operations.push(Operation {
            name,
            method: method.to_owned(),
            path: path.template.clone(),
            soap_action: None,
            soap_body: None,
        });
    }

    fn operation_id(&mut self, id: &'a Node) -> Option<&'a str> {
        let Some(text) = id.as_str().filter(|text| !text.is_empty()) else {
            let message = match id.value {
                Value::String(_) => "`operationId` is empty".to_owned(),
                _ => format!("`operationId` is {}, not a string", id.kind()),
            };
            self.faults.push(id.at, message, "give the operation a name, or take the key out");
            return None;
        };
        if let Some(first) = self.ids.get(text) {
            let message = format!("the `operationId` `{text}` is taken (line {})", first.line);
            self.faults.push(id.at, message, "give each operation an id of its own");
            return None;
        }
        self.ids.insert(text, id.at);
        Some(text)
    }
}

/// Whether a reference leads to another document.
fn is_elsewhere(reference: &Node) -> bool {
    reference.as_str().is_some_and(|text| !text.starts_with('#'))
}

/// A pointer in a URI fragment may be percent-encoded (RFC 6901 §6).
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digit = |b: Option<&u8>| b.and_then(|&b| char::from(b).to_digit(16));
        match (byte, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The document with the gateway as its only server: `servers` at the top is replaced, and those
/// of paths and operations, which would override it, are taken out (Y1: no inside address leaves).
///
/// `document` is [`ServedContract::document`] of an OpenAPI contract; what cannot be read as such
/// comes back as it is.
pub fn with_server(document: &str, url: &str) -> String {
    let Ok(mut root) = tree::parse(document, Syntax::Json, TreeLimits::default()) else {
        return document.to_owned();
    };
    let server = |value| Node { at: Position::START, value };
    let url = server(Value::Object(Object::new(vec![Member {
        key: "url".to_owned(),
        key_at: Position::START,
        value: server(Value::String(url.to_owned())),
    }])));
    let servers = Member {
        key: "servers".to_owned(),
        key_at: Position::START,
        value: server(Value::Array(vec![url])),
    };
    change_members(&mut root, |members| {
        members.retain(|member| member.key != "servers");
        let info = members.iter().position(|member| member.key == "info");
        members.insert(info.map_or(0, |at| at + 1).min(members.len()), servers);
        for member in members {
            match member.key.as_str() {
                "paths" => each_member(&mut member.value, without_servers),
                "components" => each_member(&mut member.value, |part| {
                    if part.key == "pathItems" {
                        each_member(&mut part.value, without_servers);
                    }
                }),
                _ => {}
            }
        }
    });
    root.to_json()
}

/// Takes `servers` out of a path item and its operations.
fn without_servers(item: &mut Member) {
    let drop_servers = |node: &mut Node| {
        change_members(node, |members| members.retain(|member| member.key != "servers"));
    };
    drop_servers(&mut item.value);
    each_member(&mut item.value, |operation| {
        drop_servers(&mut operation.value);
        if operation.key == "additionalOperations" {
            each_member(&mut operation.value, |operation| drop_servers(&mut operation.value));
        }
    });
}

fn each_member(node: &mut Node, change: impl Fn(&mut Member)) {
    change_members(node, |members| members.iter_mut().for_each(change));
}

fn change_members(node: &mut Node, change: impl FnOnce(&mut Vec<Member>)) {
    if let Value::Object(object) = &mut node.value {
        let mut members = std::mem::take(object).into_members();
        change(&mut members);
        *object = Object::new(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_served_document_names_only_our_server() {
        let document = r##"{"openapi":"3.2.0","servers":[{"url":"http://10.0.0.1"}],
            "info":{"title":"t","x-servers":1},
            "paths":{"/servers":{"servers":[{"url":"http://10.0.0.2"}],
                "get":{"servers":[{"url":"http://10.0.0.3"}],"responses":{}},
                "additionalOperations":{"COPY":{"servers":[]}}}},
            "components":{"pathItems":{"a":{"servers":[],"get":{"servers":[]}}},
                "schemas":{"servers":{"type":"object","maximum":1.10}}}}"##;
        assert_eq!(
            with_server(document, "https://api.example.com/\"x\""),
            r##"{"openapi":"3.2.0","info":{"title":"t","x-servers":1},"servers":[{"url":"https://api.example.com/\"x\""}],"paths":{"/servers":{"get":{"responses":{}},"additionalOperations":{"COPY":{}}}},"components":{"pathItems":{"a":{"get":{}}},"schemas":{"servers":{"type":"object","maximum":1.10}}}}"##
        );
        assert_eq!(with_server("not json", "x"), "not json");
        assert_eq!(with_server("{}", "x"), r#"{"servers":[{"url":"x"}]}"#);
    }

    #[test]
    fn pointers_in_fragments_are_decoded() {
        assert_eq!(percent_decoded("/paths/~1a%7Bb%7d/%"), "/paths/~1a{b}/%");
    }
}
