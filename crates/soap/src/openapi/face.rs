//! The REST face of a catalog: which operation answers at which path, and where the fields of its request come from.
//!
//! The document describes this face and the gateway serves it, so that both are made from it. By default an operation
//! is `POST /{operation}` with a JSON body; a [`Mapping`] says otherwise for some of them.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::fault::{Fault, FaultKind};
use crate::transcode::{Body, Part, PartType, Plan};
use crate::wsdl::catalog::{
    Binding, Catalog, Exchange, Header, Message, Operation, PartContent, Style,
};

use super::fields::{Field, fields};

/// What an API says about its face, by the name of the operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Those that are not to be as they are by default.
    pub operations: BTreeMap<String, OperationMapping>,
}

/// What is said about one operation. What is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationMapping {
    /// The path, with parameters in braces: `/orders/{id}`.
    pub path: Option<String>,
    /// The verb.
    pub method: Option<Method>,
    /// The status of an answer that went well.
    pub status: Option<u16>,
    /// Parameters by name. Those in the path need not be named when a field has their name.
    pub parameters: BTreeMap<String, ParameterMapping>,
    /// The status of a declared fault, by its name.
    pub faults: BTreeMap<String, u16>,
    /// Whether it is left out.
    pub hidden: bool,
}

/// Where a parameter is and what it fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterMapping {
    /// Where it is.
    pub location: Location,
    /// The field of the request: `orderId`, `@version`; by default the one of the parameter's name.
    pub field: Option<String>,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
}

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Method {
    Get,
    Put,
    #[default]
    Post,
    Delete,
    Patch,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Put, Self::Post, Self::Delete, Self::Patch];

    /// As OpenAPI writes it, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Post => "post",
            Self::Delete => "delete",
            Self::Patch => "patch",
        }
    }

    /// Whether its requests have a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Put | Self::Post | Self::Patch)
    }
}

/// The face of a catalog.
#[derive(Debug, Clone, Default)]
pub struct Face {
    /// Its routes, in the order of the catalog.
    pub routes: Vec<Route>,
}

/// An operation at its path.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name of the operation, made unique.
    pub id: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// The verb.
    pub method: Method,
    /// Index in [`Catalog::bindings`].
    pub binding: usize,
    /// Index in [`Binding::operations`].
    pub operation: usize,
    /// The status of an answer that went well: 200, or 202 where there is no answer.
    pub status: u16,
    /// Fields of the request that are not in the body.
    pub parameters: Vec<Parameter>,
    /// Statuses of declared faults, by name; others are 400 or 500, as the fault's code says.
    pub faults: BTreeMap<String, u16>,
}

/// A field of the request that stands in the path or the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// The key of the field in the JSON body of the default face.
    pub key: String,
    /// Whether it may be given several times.
    pub array: bool,
    /// Whether it has to be given.
    pub required: bool,
}

impl Face {
    /// Lays a catalog out. The faults say which parts of the mapping cannot be; the routes are then as far as they can.
    #[must_use]
    pub fn new(catalog: &Catalog, plan: &Plan, mapping: &Mapping) -> (Self, Vec<Fault>) {
        let (mut face, mut faults) = (Self::default(), Vec::new());
        let mut known = FxHashSet::default();
        let mut ids: FxHashSet<String> = FxHashSet::default();
        let mut paths: FxHashSet<(Method, String)> = FxHashSet::default();
        for (binding, operation, id) in operations(catalog, &mut ids) {
            let Some(said) = catalog.bindings.get(binding).zip(Some(operation)) else { continue };
            let Some(op) = said.0.operations.get(operation) else { continue };
            known.insert(id.clone());
            let wanted = mapping.operations.get(&id);
            if wanted.is_some_and(|wanted| wanted.hidden) {
                continue;
            }
            let path = default_path(&said.0.port_type.local, &id);
            let route = route(op, (binding, operation), (id, path), plan, wanted, &mut faults);
            if let Some((_, whose)) = TAKEN.iter().find(|(path, _)| *path == route.path) {
                let why = format!("{} is the address of {whose}", route.path);
                faults.push(wrong(&route.id, why).cure("choose another path"));
                continue;
            }
            if !paths.insert((route.method, shape_of(&route.path))) {
                let verb = route.method.name().to_uppercase();
                faults.push(wrong(
                    &route.id,
                    format!("{verb} {} is another operation's already", route.path),
                ));
                continue;
            }
            face.routes.push(route);
        }
        for name in mapping.operations.keys().filter(|name| !known.contains(*name)) {
            let fault = wrong(name, "the service has no operation of this name".to_owned());
            let mut all: Vec<&str> = known.iter().map(String::as_str).collect();
            all.sort_unstable();
            all.truncate(20);
            faults.push(fault.cure(format!("it has {}", all.join(", "))));
        }
        (face, faults)
    }
}

/// Addresses below an API that are not for operations.
const TAKEN: [(&str, &str); 3] = [
    ("/soap", "the SOAP face"),
    ("/mcp", "the face for agents"),
    ("/openapi.json", "the description of the REST face"),
];

/// `/{operation}`; with its port type before it where that is taken.
fn default_path(port_type: &str, id: &str) -> String {
    let path = format!("/{}", percent(id));
    match TAKEN.iter().any(|(taken, _)| *taken == path) {
        true => format!("/{}.{}", percent(port_type), percent(id)),
        false => path,
    }
}

/// Every operation once, however many ports offer it, with a name that no other has: by binding and number.
fn operations(catalog: &Catalog, ids: &mut FxHashSet<String>) -> Vec<(usize, usize, String)> {
    let mut order: Vec<usize> = catalog.ports().map(|(_, port, _)| port.binding).collect();
    if order.is_empty() {
        order = (0..catalog.bindings.len()).collect();
    }
    let mut seen = FxHashSet::default();
    let mut found = Vec::new();
    for binding in order {
        let Some(bound) = catalog.bindings.get(binding) else { continue };
        for (number, operation) in bound.operations.iter().enumerate() {
            // The same port type over SOAP 1.1 and 1.2 is the same operation; an overloaded one has another request.
            let what = (&bound.port_type, &operation.name, &operation.input.name);
            if !seen.insert(what) {
                continue;
            }
            let mut id = operation.name.clone();
            if ids.contains(&id) {
                id = format!("{}.{}", bound.port_type.local, operation.name);
            }
            let wanted = id.clone();
            let mut count = 2;
            while !ids.insert(id.clone()) {
                id = format!("{wanted}-{count}");
                count += 1;
            }
            found.push((binding, number, id));
        }
    }
    found
}

fn route(
    operation: &Operation,
    (binding, number): (usize, usize),
    (id, path): (String, String),
    plan: &Plan,
    wanted: Option<&OperationMapping>,
    faults: &mut Vec<Fault>,
) -> Route {
    let one_way = operation.exchange == Exchange::OneWay;
    let status = if one_way { 202 } else { 200 };
    let mut route = Route {
        id,
        path,
        method: Method::Post,
        binding,
        operation: number,
        status,
        parameters: Vec::new(),
        faults: BTreeMap::new(),
    };
    let Some(wanted) = wanted else { return route };
    route.method = wanted.method.unwrap_or_default();
    route.status = wanted.status.unwrap_or(status);
    if !(200..300).contains(&route.status) {
        faults.push(wrong(&route.id, format!("{} is no status of success", route.status)));
        route.status = status;
    }
    if let Some(path) = &wanted.path {
        route.path.clone_from(path);
    }
    for (name, status) in &wanted.faults {
        let in_header = header_faults_of(operation).iter().any(|(key, _)| key == name);
        if !in_header && !operation.faults.iter().any(|fault| fault.name == *name) {
            faults.push(wrong(&route.id, format!("it declares no fault {name:?}")));
        } else if !(400..600).contains(status) {
            faults.push(wrong(&route.id, format!("{status} is no status of an error")));
        } else {
            route.faults.insert(name.clone(), *status);
        }
    }
    let all = fields(plan, &body_of(operation, &operation.input));
    parameters(&mut route, wanted, &all, faults);
    route
}

/// Binds the parameters that the mapping names, those of the path, and, where there is no body, all other fields.
fn parameters(
    route: &mut Route,
    wanted: &OperationMapping,
    all: &[Field],
    faults: &mut Vec<Fault>,
) {
    let in_path = match placeholders(&route.path) {
        Ok(names) => names,
        Err(why) => {
            faults.push(wrong(&route.id, format!("the path {}: {why}", route.path)));
            return;
        }
    };
    let mut pending: Vec<(String, Location, Option<&str>)> = in_path
        .iter()
        .map(|name| {
            let said = wanted.parameters.get(name).and_then(|p| p.field.as_deref());
            (name.clone(), Location::Path, said)
        })
        .collect();
    for (name, parameter) in &wanted.parameters {
        let in_path = in_path.contains(name);
        match parameter.location {
            Location::Path if !in_path => {
                let why = format!("there is no {{{name}}} in the path {}", route.path);
                faults.push(wrong(&route.id, why));
            }
            Location::Query if in_path => {
                let why = format!("the parameter {name:?} is in the path, and not in the query");
                faults.push(wrong(&route.id, why));
            }
            Location::Query => {
                pending.push((name.clone(), Location::Query, parameter.field.as_deref()));
            }
            Location::Path => {}
        }
    }
    for (name, location, field) in pending {
        match bind(&name, location, field, all, &route.parameters) {
            Ok(parameter) => route.parameters.push(parameter),
            Err(why) => faults.push(wrong(&route.id, why)),
        }
    }
    if route.method.has_body() {
        return;
    }
    for field in all {
        if route.parameters.iter().any(|parameter| parameter.key == field.key) {
            continue;
        }
        if field.scalar {
            let name = field.key.trim_start_matches(['@', '$']).to_owned();
            route.parameters.push(parameter(name, Location::Query, field));
        } else if field.required {
            let verb = route.method.name().to_uppercase();
            let why = format!(
                "{verb} has no body, and the field {:?}, which is needed, fits in no parameter",
                field.key
            );
            faults.push(wrong(&route.id, why));
        }
    }
}

fn bind(
    name: &str,
    location: Location,
    field: Option<&str>,
    all: &[Field],
    bound: &[Parameter],
) -> Result<Parameter, String> {
    let by = |key: &str| all.iter().find(|f| f.key == key);
    let found = match field {
        Some(key) => by(key),
        None => by(name).or_else(|| by(&format!("@{name}"))),
    };
    let key = field.unwrap_or(name);
    let Some(found) = found else {
        return Err(format!("the request has no field {key:?} for the parameter {name:?}"));
    };
    if !found.scalar || (found.array && location == Location::Path) {
        return Err(format!("the field {key:?} is more than a value: it fits in no parameter"));
    }
    if bound.iter().any(|parameter| parameter.key == found.key) {
        return Err(format!("the field {key:?} has two parameters"));
    }
    Ok(parameter(name.to_owned(), location, found))
}

fn parameter(name: String, location: Location, field: &Field) -> Parameter {
    let required = field.required || location == Location::Path;
    Parameter { name, location, key: field.key.clone(), array: field.array, required }
}

/// The names in braces. A brace in a path is always one of a name, which fills a segment.
fn placeholders(path: &str) -> Result<Vec<String>, &'static str> {
    if !path.starts_with('/') {
        return Err("has to begin with '/'");
    }
    let mut names: Vec<String> = Vec::new();
    for segment in path.split('/') {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if name.is_empty() || name.contains(['{', '}']) => {
                return Err("has a parameter without a name");
            }
            Some(name) if names.iter().any(|n| n == name) => return Err("has a parameter twice"),
            Some(name) => names.push(name.to_owned()),
            None if segment.contains(['{', '}']) => {
                return Err("has a parameter that is only a part of a segment");
            }
            None if segment.contains(['?', '#', ' ']) => {
                return Err("has a character that paths have not");
            }
            None => {}
        }
    }
    Ok(names)
}

/// Two templates with the same shape take the same paths.
fn shape_of(path: &str) -> String {
    let blank = |segment: &str| if segment.starts_with('{') { "{}" } else { segment }.to_owned();
    path.split('/').map(blank).collect::<Vec<_>>().join("/")
}

/// A name as a segment of a path.
fn percent(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn wrong(operation: &str, why: String) -> Fault {
    Fault::new(FaultKind::Reference, why).inside(format!("operations/{operation}"))
}

/// What the body of a message holds. Encoded parts look in JSON as literal ones do.
#[must_use]
pub fn body_of(operation: &Operation, message: &Message) -> Body {
    if let Ok(body) = Body::of_message(operation.style, message) {
        return body;
    }
    let part = |part: &crate::wsdl::catalog::Part| Part {
        name: part.name.clone(),
        ty: match &part.content {
            PartContent::Element(element, _) => PartType::Element(*element),
            PartContent::Type(ty, _) => PartType::Type(*ty),
        },
    };
    let parts: Vec<Part> = message.body.iter().map(part).collect();
    if let (Style::Rpc, Some(wrapper)) = (operation.style, &message.wire) {
        return Body::Rpc { wrapper: wrapper.clone(), parts };
    }
    Body::Parts(parts)
}

/// The headers of a message that callers see, by their key under `$headers`. Those of security and of addressing are
/// the gateway's affair.
#[must_use]
pub fn headers_of(message: &Message) -> Vec<(String, &Header)> {
    seen(message.headers.iter())
}

/// The header blocks that faults of an operation may have, which say what is wrong with one of a request or of an answer, and their keys.
pub fn header_faults_of(operation: &Operation) -> Vec<(String, &Header)> {
    let headers = operation.input.headers.iter();
    let headers = headers.chain(operation.output.iter().flat_map(|output| &output.headers));
    seen(headers.flat_map(|header| &header.faults))
}

fn seen<'h>(headers: impl Iterator<Item = &'h Header>) -> Vec<(String, &'h Header)> {
    const HIDDEN: [&str; 5] = [
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
        "http://www.w3.org/2005/08/addressing",
        "http://schemas.xmlsoap.org/ws/2004/08/addressing",
        "http://www.w3.org/2000/09/xmldsig#",
    ];
    let mut found: Vec<(String, &Header)> = Vec::new();
    for header in headers {
        let (key, namespace) = match &header.part.content {
            PartContent::Element(_, name) => (&*name.local, &*name.namespace),
            PartContent::Type(..) => (header.part.name.as_str(), ""),
        };
        if HIDDEN.contains(&namespace) {
            continue;
        }
        // The headers of an operation mostly fail in the same ways.
        if found.iter().any(|(_, there)| {
            there.message == header.message && there.part.name == header.part.name
        }) {
            continue;
        }
        let taken = found.iter().any(|(there, _)| there == key);
        let key = if taken { header.part.name.clone() } else { key.to_owned() };
        if !found.iter().any(|(there, _)| *there == key) {
            found.push((key, header));
        }
    }
    found
}

/// The operation of a route.
#[must_use]
pub fn operation_of<'c>(
    catalog: &'c Catalog,
    route: &Route,
) -> Option<(&'c Binding, &'c Operation)> {
    let binding = catalog.bindings.get(route.binding)?;
    Some((binding, binding.operations.get(route.operation)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_fills_a_segment() {
        assert_eq!(placeholders("/orders/{id}/lines/{line}"), Ok(vec!["id".into(), "line".into()]));
        for wrong in ["orders", "/o/{}", "/o/{id", "/o/x{id}", "/o/{a}/{a}", "/o?x=1", "/o/{a}{b}"]
        {
            assert!(placeholders(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn templates_that_take_the_same_paths_are_the_same() {
        assert_eq!(shape_of("/orders/{id}"), shape_of("/orders/{number}"));
        assert_ne!(shape_of("/orders/{id}"), shape_of("/orders/all"));
    }
}
