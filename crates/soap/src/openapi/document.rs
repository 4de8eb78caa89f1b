//! The document: paths, requests, answers and problems of a face, and the schemas that they need.

use super::components::{Components, reference_to};
use super::face::{
    Face, Location, Parameter, Route, body_of, header_faults_of, headers_of, operation_of,
};
use super::fields::{Field, Source, fields};
use super::json::{Json, Object};
use super::{Info, Options, binary, prune};
use crate::name::NsId;
use crate::transcode::outline::Outline;
use crate::transcode::{Body, PartType, Plan};
use crate::wsdl::catalog::{
    Binding, Catalog, Exchange, FaultMessage, Header, Message, Operation, PartContent, SoapVersion,
    Style,
};
use crate::xsd::model::{ElementId, TypeId};

/// Where SOAP headers are in a body, or in a problem.
const HEADERS: &str = "$headers";

/// The OpenAPI document of a face.
#[must_use]
pub fn document(catalog: &Catalog, plan: &Plan, face: &Face, options: &Options) -> Json {
    let mut writer = Writer { components: Components::new(plan), plan };
    let mut paths: Vec<(String, Object)> = Vec::new();
    let many = count_port_types(catalog, face) > 1;
    for route in &face.routes {
        let Some((binding, operation)) = operation_of(catalog, route) else { continue };
        let described = writer.operation(route, binding, operation, many);
        let at = paths.iter().position(|(path, _)| *path == route.path).unwrap_or_else(|| {
            paths.push((route.path.clone(), Object::new()));
            paths.len() - 1
        });
        paths[at].1.set(route.method.name(), described);
    }
    let mut all = Object::new();
    for (path, item) in paths {
        all.push(path, item);
    }
    writer.components.add_problem();
    let (schemas, used) = writer.components.finish();
    let mut components = Object::new();
    let mut named = Object::new();
    for (name, schema) in schemas {
        named.push(name, schema);
    }
    components.set("schemas", named);
    components.set("responses", responses());
    let mut out = Object::new()
        .with("openapi", "3.1.0")
        .with("info", info(catalog, &options.info))
        .with("servers", servers(&options.info));
    if many {
        out.set("tags", tags(catalog, face));
    }
    out.with("paths", all)
        .with("components", components)
        .with("x-xml-namespaces", namespaces(plan, &used))
        .into()
}

/// The JSON Schema of one body by itself, as a document of its own.
#[must_use]
pub fn schema_of(plan: &Plan, body: &Body) -> Json {
    let mut writer = Writer { components: Components::new(plan), plan };
    let schema = writer.plain(body, &[], true);
    let mut named = Object::new();
    for (name, schema) in writer.components.finish().0 {
        named.push(name, schema);
    }
    let mut out = Object::new().with("$schema", "https://json-schema.org/draft/2020-12/schema");
    schema.0.into_iter().for_each(|(key, value)| out.push(key, value));
    out.with("components", Object::new().with("schemas", named)).into()
}

struct Writer<'p> {
    components: Components<'p>,
    plan: &'p Plan,
}

impl Writer<'_> {
    fn operation(
        &mut self,
        route: &Route,
        binding: &Binding,
        operation: &Operation,
        tagged: bool,
    ) -> Object {
        let mut out = Object::new().with("operationId", &*route.id);
        if !operation.documentation.is_empty() {
            out.set("description", &*operation.documentation);
        }
        if tagged {
            out.set("tags", Json::strings([&*binding.port_type.local]));
        }
        let input = body_of(operation, &operation.input);
        let all = fields(self.plan, &input);
        let parameters: Vec<Json> =
            route.parameters.iter().map(|p| self.parameter(p, &all).into()).collect();
        if !parameters.is_empty() {
            out.set("parameters", parameters);
        }
        if route.method.has_body() {
            let bound: Vec<&str> = route.parameters.iter().map(|p| p.key.as_str()).collect();
            if bound.is_empty()
                || bound.len() < all.len()
                || !operation.input.headers.is_empty()
                || !operation.input.attachments.is_empty()
            {
                let schema = self.body(&input, &operation.input, &bound);
                let required = all.iter().any(|f| f.required && !bound.contains(&&*f.key));
                let content = self.content(schema, &input, &operation.input);
                let body = Object::new().with("required", required).with("content", content);
                out.set("requestBody", body);
            }
        }
        out.set("responses", self.responses(route, operation));
        let style = match operation.style {
            Style::Document => "document",
            Style::Rpc => "rpc",
        };
        let version = match binding.version {
            SoapVersion::V11 => "1.1",
            SoapVersion::V12 => "1.2",
        };
        let soap = Object::new()
            .with("operation", &*operation.name)
            .with("action", &*operation.action)
            .with("style", style)
            .with("version", version);
        out.with("x-soap", soap)
    }

    fn parameter(&mut self, parameter: &Parameter, all: &[Field]) -> Object {
        let place = match parameter.location {
            Location::Path => "path",
            Location::Query => "query",
        };
        let mut out = Object::new()
            .with("name", &*parameter.name)
            .with("in", place)
            .with("required", parameter.required);
        let source = all.iter().find(|field| field.key == parameter.key).map(|field| field.source);
        let mut schema = match source {
            Some(Source::Element(element)) => self.components.once(element),
            Some(Source::Type(ty)) => self.components.simple(ty),
            _ => Object::new(),
        };
        if let Some(at) = schema.0.iter().position(|(key, _)| key == "description") {
            out.0.push(schema.0.remove(at));
        }
        if parameter.array {
            out = out.with("style", "form").with("explode", true);
            schema = Object::new().with("type", "array").with("items", schema);
        }
        out.set("schema", schema);
        if parameter.key != parameter.name {
            out.set("x-soap-field", &*parameter.key);
        }
        out
    }

    /// The JSON body of a message, less the fields that are parameters.
    fn body(&mut self, body: &Body, message: &Message, bound: &[&str]) -> Json {
        let headers = self.headers(message);
        let mut out = self.plain(body, bound, headers.is_none());
        for attachment in &message.attachments {
            let media = attachment.media_types.first().filter(|m| !m.contains('*'));
            let mut value = Object::new().with("type", "string").with("contentEncoding", "base64");
            if let Some(media) = media {
                value.set("contentMediaType", &**media);
            }
            add_property(&mut out, &attachment.part.name, value.into());
        }
        if let Some(headers) = headers {
            add_property(&mut out, HEADERS, headers);
        }
        out.into()
    }

    /// What a body becomes, by itself: `alone` if no headers come to it.
    fn plain(&mut self, body: &Body, bound: &[&str], alone: bool) -> Object {
        match body {
            Body::Element(element) => self.element_body(*element, bound, alone),
            Body::Parts(parts) | Body::Rpc { parts, .. } => {
                let (mut properties, mut required) = (Object::new(), Vec::new());
                for part in parts.iter().filter(|part| !bound.contains(&&*part.name)) {
                    let value = match part.ty {
                        PartType::Element(element) => self.components.element(element),
                        PartType::Type(ty) => self.typed(ty),
                    };
                    properties.set(part.name.clone(), value);
                    required.push(part.name.clone());
                }
                let mut out = Object::new().with("type", "object");
                if !properties.is_empty() {
                    out = out.with("properties", properties);
                    out.set("required", Json::strings(required));
                }
                out.with("additionalProperties", false)
            }
            Body::OneOf(elements) => {
                let mut properties = Object::new();
                for &element in elements {
                    let (_, local) =
                        self.plan.schemas().symbols.name(self.plan.schemas()[element].name);
                    properties.set(local.to_owned(), self.components.element(element));
                }
                let one = Object::new().with("type", "object").with("properties", properties);
                super::complex::one_member(one).with("additionalProperties", false)
            }
            Body::Empty => Object::new().with("type", "object").with("additionalProperties", false),
        }
    }

    /// The value of a type in a position of its own.
    fn typed(&mut self, ty: TypeId) -> Object {
        let variants = self.plan.variants(ty, crate::xsd::model::DerivationSet::NONE);
        self.components.position(ty, variants)
    }

    /// The value of the body's element: always an object, or the array that it collapses to.
    fn element_body(&mut self, element: ElementId, bound: &[&str], alone: bool) -> Object {
        let members: Vec<ElementId> = self.plan.schemas().substitutes(element).collect();
        if bound.is_empty() && (members.len() > 1 || members.first() != Some(&element)) {
            let each = members.iter().map(|&member| self.own_body(member, bound, alone).into());
            return Object::new().with("anyOf", each.collect::<Vec<Json>>());
        }
        self.own_body(element, bound, alone)
    }

    /// The same of this element itself, whatever may stand for it.
    fn own_body(&mut self, element: ElementId, bound: &[&str], alone: bool) -> Object {
        let schemas = self.plan.schemas();
        let ty = schemas[element].ty;
        match self.plan.outline(ty) {
            Outline::Scalar => {
                let value = self.components.element(element);
                let whole = !bound.contains(&"$value");
                let mut out = Object::new().with("type", "object");
                if whole {
                    out.set("properties", Object::new().with("$value", value));
                    out.set("required", Json::strings(["$value"]));
                }
                out.with("additionalProperties", false)
            }
            Outline::Object(object) if !bound.is_empty() => {
                let root = match &object.body {
                    crate::transcode::outline::Body::Members(members) => {
                        members.root.and_then(|root| prune::without(root, &members.members, bound))
                    }
                    _ => None,
                };
                let object = prune::object(object, bound, root.as_ref());
                let out = self.components.members_of(&object, 0, 0);
                out.with("unevaluatedProperties", false)
            }
            Outline::Object(_) if !alone => {
                let variants = self.plan.variants(ty, schemas[element].block);
                if variants == [ty] {
                    return self.components.position(ty, variants);
                }
                self.components.variants(ty, &variants)
            }
            _ => self.components.element(element),
        }
    }

    fn headers(&mut self, message: &Message) -> Option<Json> {
        self.blocks(&headers_of(message))
    }

    /// An object of header blocks by key.
    fn blocks(&mut self, headers: &[(String, &Header)]) -> Option<Json> {
        let mut properties = Object::new();
        for (key, header) in headers {
            let value = match header.part.content {
                PartContent::Element(element, _) => self.components.element(element),
                PartContent::Type(ty, _) => self.typed(ty),
            };
            properties.set(key.clone(), value);
        }
        (!properties.is_empty()).then(|| {
            Object::new()
                .with("type", "object")
                .with("properties", properties)
                .with("additionalProperties", false)
                .into()
        })
    }

    fn content(&mut self, schema: Json, body: &Body, message: &Message) -> Object {
        let mut content =
            Object::new().with("application/json", Object::new().with("schema", schema));
        if binary::is_in(self.plan, body) || !message.attachments.is_empty() {
            let root = "As application/json, except that {\"$cid\": \"…\"} may stand for a \
                        base64Binary and name the part that holds its bytes.";
            let schema = Object::new()
                .with("type", "object")
                .with(
                    "properties",
                    Object::new().with("root", Object::new().with("description", root)),
                )
                .with("required", Json::strings(["root"]))
                .with("additionalProperties", Object::new().with("format", "binary"));
            let root = Object::new().with("contentType", "application/json");
            let related = Object::new()
                .with("schema", schema)
                .with("encoding", Object::new().with("root", root));
            content.set("multipart/related", related);
        }
        content
    }

    fn responses(&mut self, route: &Route, operation: &Operation) -> Object {
        let mut out = Object::new();
        let success = match &operation.output {
            Some(message) if operation.exchange == Exchange::RequestResponse => {
                let body = body_of(operation, message);
                let schema = self.body(&body, message, &[]);
                let content = self.content(schema, &body, message);
                Object::new()
                    .with("description", "What the service answers.")
                    .with("content", content)
            }
            _ => Object::new()
                .with("description", "The service has the message; it does not answer."),
        };
        out.set(route.status.to_string(), success);
        // Statuses in ascending order, faults in that of the WSDL.
        let open = Failing::new(operation, |name| !route.faults.contains_key(name));
        let mut statuses: Vec<u16> = vec![400, 405, 500];
        statuses.extend(route.faults.values());
        statuses.sort_unstable();
        statuses.dedup();
        let shared = (!open.is_empty()).then(|| self.problem(&route.id, "faults", &open));
        for status in statuses {
            let mut here = Failing::new(operation, |name| route.faults.get(name) == Some(&status));
            let with_open = matches!(status, 400 | 500);
            let response = match (&shared, here.is_empty(), with_open) {
                (_, true, false) | (None, true, true) => reference_response(status),
                (Some(shared), true, true) => problem_response(shared.clone(), &open),
                _ => {
                    if with_open {
                        here.extend(&open);
                    }
                    let schema = self.problem(&route.id, &status.to_string(), &here);
                    problem_response(schema, &here)
                }
            };
            out.set(status.to_string(), response);
        }
        out.with("default", Object::new().with("$ref", "#/components/responses/Problem"))
    }

    /// A problem whose details, or header blocks, are those of these faults.
    fn problem(&mut self, id: &str, what: &str, failing: &Failing<'_>) -> Object {
        let mut details = Object::new();
        for fault in &failing.faults {
            let (key, value) = match &fault.part.content {
                PartContent::Element(element, name) => {
                    (name.local.to_string(), self.components.element(*element))
                }
                PartContent::Type(ty, _) => (fault.part.name.clone(), self.typed(*ty)),
            };
            details.set(key, value);
        }
        let mut properties = Object::new();
        if !details.is_empty() {
            let details = Object::new().with("type", "object").with("properties", details);
            properties.set("details", details);
        }
        if let Some(headers) = self.blocks(&failing.headers) {
            properties.set(HEADERS, headers);
        }
        let own = Object::new().with("type", "object").with("properties", properties);
        let schema = Object::new().with("allOf", vec![reference_to("Problem").into(), own.into()]);
        self.components.add(&format!("{}.{what}", super::names::clean(id)), schema.into())
    }
}

/// Faults that an operation declares, and header blocks that it declares for faults.
#[derive(Clone)]
struct Failing<'o> {
    faults: Vec<&'o FaultMessage>,
    headers: Vec<(String, &'o Header)>,
}

impl<'o> Failing<'o> {
    fn new(operation: &'o Operation, wanted: impl Fn(&str) -> bool) -> Self {
        let mut headers = header_faults_of(operation);
        headers.retain(|(key, _)| wanted(key));
        let faults = operation.faults.iter().filter(|fault| wanted(&fault.name)).collect();
        Self { faults, headers }
    }

    fn extend(&mut self, others: &Self) {
        self.faults.extend(&others.faults);
        self.headers.extend(others.headers.iter().cloned());
    }

    const fn is_empty(&self) -> bool {
        self.faults.is_empty() && self.headers.is_empty()
    }
}

/// Adds a property to an object that is closed in one of the ways in which bodies are.
fn add_property(schema: &mut Object, key: &str, value: Json) {
    if let Some((_, Json::Array(branches))) =
        schema.0.iter_mut().find(|(key, _)| key == "oneOf" || key == "anyOf")
    {
        for branch in branches {
            if let Json::Object(branch) = branch {
                add_property(branch, key, value.clone());
            }
        }
        return;
    }
    let at = schema.0.iter().position(|(key, _)| key == "properties");
    match at.and_then(|at| schema.0.get_mut(at)) {
        Some((_, Json::Object(properties))) => properties.set(key.to_owned(), value),
        _ => schema.set("properties", Object::new().with(key.to_owned(), value)),
    }
}

fn problem_response(schema: Object, failing: &Failing<'_>) -> Object {
    let mut names: Vec<&str> = failing.faults.iter().map(|fault| fault.name.as_str()).collect();
    names.extend(failing.headers.iter().map(|(key, _)| key.as_str()));
    let content =
        Object::new().with("application/problem+json", Object::new().with("schema", schema));
    Object::new()
        .with("description", format!("The request failed, perhaps with {}.", names.join(", ")))
        .with("content", content)
}

fn reference_response(status: u16) -> Object {
    let name = if status == 405 { "MethodNotAllowed" } else { "Problem" };
    Object::new().with("$ref", format!("#/components/responses/{name}"))
}

fn responses() -> Object {
    let content = || {
        let schema = Object::new().with("schema", reference_to("Problem"));
        Object::new().with("application/problem+json", schema)
    };
    let allow = Object::new()
        .with("description", "The verbs that the path knows.")
        .with("schema", Object::new().with("type", "string"));
    Object::new()
        .with(
            "MethodNotAllowed",
            Object::new()
                .with("description", "The path does not know this verb.")
                .with("headers", Object::new().with("Allow", allow))
                .with("content", content()),
        )
        .with(
            "Problem",
            Object::new().with("description", "The request failed.").with("content", content()),
        )
}

impl Components<'_> {
    /// The schema of all problems (RFC 9457), with what a SOAP fault says.
    fn add_problem(&mut self) {
        let text = || Object::new().with("type", "string");
        let fault = Object::new().with("type", "object").with(
            "properties",
            Object::new()
                .with("code", text())
                .with("subcodes", Object::new().with("type", "array").with("items", text()))
                .with("role", text())
                .with("node", text()),
        );
        let status = Object::new().with("type", "integer").with("minimum", 100_u32);
        let properties = Object::new()
            .with("type", text().with("format", "uri-reference"))
            .with("title", text())
            .with("status", status.with("maximum", 599_u32))
            .with("detail", text())
            .with("instance", text().with("format", "uri-reference"))
            .with("fault", fault.with("description", "What the SOAP fault says."))
            .with(
                "details",
                Object::new()
                    .with("type", "object")
                    .with("description", "The details of the SOAP fault, by element."),
            );
        let schema = Object::new().with("type", "object").with("properties", properties);
        self.set("Problem", schema.into());
    }
}

fn info(catalog: &Catalog, wanted: &Info) -> Object {
    let service = catalog.services.first();
    let title = wanted
        .title
        .clone()
        .or_else(|| service.map(|service| service.name.local.to_string()))
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| match &*catalog.name {
            "" => "SOAP service".to_owned(),
            name => name.to_owned(),
        });
    let mut out = Object::new().with("title", title);
    let says = service.map_or("", |service| &*service.documentation);
    let text = if says.is_empty() { &*catalog.documentation } else { says };
    if !text.is_empty() {
        out.set("description", text);
    }
    out.with("version", wanted.version.as_deref().unwrap_or("1.0.0"))
}

fn servers(wanted: &Info) -> Json {
    let urls: &[String] = &wanted.servers;
    let server = |url: &str| Object::new().with("url", url).into();
    if urls.is_empty() {
        return Json::Array(vec![server("/")]);
    }
    Json::Array(urls.iter().map(|url| server(url)).collect())
}

fn count_port_types(catalog: &Catalog, face: &Face) -> usize {
    tag_names(catalog, face).len()
}

/// The port types of the routes, in their order, with what they say about themselves.
fn tag_names<'c>(catalog: &'c Catalog, face: &Face) -> Vec<(&'c str, &'c str)> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for route in &face.routes {
        let Some(binding) = catalog.bindings.get(route.binding) else { continue };
        let name = &*binding.port_type.local;
        if !names.iter().any(|(there, _)| *there == name) {
            names.push((name, &binding.documentation));
        }
    }
    names
}

fn tags(catalog: &Catalog, face: &Face) -> Json {
    let tag = |(name, text): (&str, &str)| {
        let mut out = Object::new().with("name", name);
        if !text.is_empty() {
            out.set("description", text);
        }
        out.into()
    };
    Json::Array(tag_names(catalog, face).into_iter().map(tag).collect())
}

/// Aliases of the namespaces that schemas define, and of others that are spoken of.
fn namespaces(plan: &Plan, used: &[NsId]) -> Object {
    let schemas = plan.schemas();
    let mut out = Object::new();
    for (alias, namespace) in plan.names().aliases() {
        if used.contains(&namespace) || schemas.namespaces.contains(&namespace) {
            out.push(alias.to_owned(), schemas.symbols.uri(namespace));
        }
    }
    out
}
