//! Parameters of the path, the query, header fields and cookies.

use super::Reader;
use crate::{
    openapi::Place,
    shapes::{Field, Inexpressible, Items, Kind, TypeId, Types, about, xml_name},
    tree::{Node, Value},
};

/// A parameter of a call.
#[derive(Debug)]
pub struct Parameter {
    /// What it is called in HTTP.
    pub wire: String,
    /// Where it stands there.
    pub place: Where,
    /// How it is written there.
    pub style: Style,
    /// What it is in the request; its name there is its own unless others have it too.
    pub field: Field,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are called as OpenAPI calls them")]
pub enum Where {
    Path,
    Query,
    Header,
    Cookie,
}

/// How a parameter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A scalar, as it is.
    Plain,
    /// Several values with this between them.
    Joined(char),
    /// The name and a value, again and again.
    Repeated,
    /// The members of an object, each a parameter of its own.
    Members,
    /// The members of an object as `name[member]`.
    Deep,
    /// The text of its JSON.
    Json,
}

/// Fields that OpenAPI keeps out of parameters, and those that the gateway writes itself or that say how a message is to be read.
const RESERVED: [&str; 27] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "soapaction",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    "x-real-ip",
    "x-request-id",
    "range",
];

impl<'a> Reader<'a> {
    /// The parameters of an operation and of the paths that it belongs to.
    pub(super) fn parameters(
        &mut self,
        place: &Place<'a>,
        owner: &str,
    ) -> Result<Vec<Parameter>, Inexpressible> {
        let mut nodes: Vec<(Where, &'a str, &'a Node)> = Vec::new();
        let lists = place.items.iter().rev().copied().chain([place.node]);
        for list in lists.filter_map(|node| node.get("parameters")) {
            let Value::Array(items) = &list.value else { continue };
            for item in items {
                let node = self.builder.seen.followed(item)?;
                let Some((place, name)) = named(node)? else { continue };
                // Those of the operation count before those of its path.
                match nodes.iter_mut().find(|(p, n, _)| (*p, *n) == (place, name)) {
                    Some(known) => known.2 = node,
                    None => nodes.push((place, name, node)),
                }
            }
        }
        for name in template_names(place.path) {
            if !nodes.iter().any(|(place, known, _)| *place == Where::Path && *known == name) {
                let why = format!("the parameter `{name}` of its path is not described");
                return Err(Inexpressible::new(place.node.at, why));
            }
        }
        nodes.retain(|(where_, name, _)| {
            *where_ != Where::Path || template_names(place.path).any(|known| known == *name)
        });
        let twice = |name: &str| {
            name == super::BODY || nodes.iter().filter(|(_, known, _)| *known == name).count() > 1
        };
        let mut parameters: Vec<Parameter> = Vec::new();
        for (place, name, node) in &nodes {
            let local = match twice(name) {
                true => format!("{}_{}", place.word(), xml_name(name)),
                false => xml_name(name),
            };
            parameters.push(self.parameter(*place, name, local, node, owner)?);
        }
        Ok(parameters)
    }

    fn parameter(
        &mut self,
        place: Where,
        wire: &str,
        local: String,
        node: &'a Node,
        owner: &str,
    ) -> Result<Parameter, Inexpressible> {
        let name = format!("{owner}_{local}");
        let required = place == Where::Path
            || node.get("required").is_some_and(|node| node.value == Value::Bool(true));
        let content = node.get("content").and_then(Node::as_object);
        let content = content.and_then(|content| content.iter().next());
        let (used, style) = match (node.get("schema"), content) {
            (Some(schema), _) => {
                let used = self.builder.schema(schema, &name)?;
                let style = style(&self.builder.types, node, place, used.ty)?;
                (used, style)
            }
            (None, Some(media)) => {
                let schema = media.value.get("schema");
                let used = schema.map(|schema| self.builder.schema(schema, &name)).transpose()?;
                let used =
                    used.unwrap_or(crate::shapes::Use { ty: self.builder.json(), nullable: false });
                (used, Style::Json)
            }
            (None, None) => {
                let why = format!("nothing says what the parameter `{wire}` is");
                return Err(Inexpressible::new(node.at, why));
            }
        };
        let said = about(node);
        let about = match said.is_empty() {
            true => format!("In the {}.", place.said()),
            false => format!("In the {}. {said}", place.said()),
        };
        let field =
            Field { key: local.clone(), name: local, attribute: false, used, required, about };
        Ok(Parameter { wire: wire.to_owned(), place, style, field })
    }
}

impl Where {
    const fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }

    const fn said(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header of HTTP",
            Self::Cookie => "cookie",
        }
    }
}

/// Where a parameter stands, and its name; none for one that OpenAPI says is not one.
fn named(node: &Node) -> Result<Option<(Where, &str)>, Inexpressible> {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let Some(name) = text("name").filter(|name| !name.is_empty()) else {
        return Err(Inexpressible::new(node.at, "a parameter has no name"));
    };
    let place = match text("in") {
        Some("path") => Where::Path,
        Some("query") => Where::Query,
        Some("header") => Where::Header,
        Some("cookie") => Where::Cookie,
        other => {
            let place = other.unwrap_or("nowhere");
            let why = format!("the parameter `{name}` stands in {place}, which is not understood");
            return Err(Inexpressible::new(node.at, why));
        }
    };
    if place == Where::Header {
        let lower = name.to_ascii_lowercase();
        let token =
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token {
            let why = format!("`{name}` cannot be the name of a header field");
            return Err(Inexpressible::new(node.at, why));
        }
        let ours = RESERVED.contains(&lower.as_str())
            || ["x-forwarded-", "x-pasarela-", "sec-"].iter().any(|start| lower.starts_with(start));
        if ours {
            return Ok(None);
        }
    }
    let odd =
        |byte: u8| byte.is_ascii_control() || matches!(byte, b' ' | b';' | b',' | b'=' | b'"');
    if place == Where::Cookie && name.bytes().any(odd) {
        let why = format!("`{name}` cannot be the name of a cookie");
        return Err(Inexpressible::new(node.at, why));
    }
    Ok(Some((place, name)))
}

/// The names between braces.
pub(crate) fn template_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// How a parameter is written, by its type (OpenAPI 3.1 §4.8.12.3).
fn style(types: &Types, node: &Node, place: Where, ty: TypeId) -> Result<Style, Inexpressible> {
    let said = node.get("style").and_then(Node::as_str);
    let usual = match place {
        Where::Path | Where::Header => "simple",
        Where::Query | Where::Cookie => "form",
    };
    let said = said.unwrap_or(usual);
    let explode = match node.get("explode").map(|node| &node.value) {
        Some(Value::Bool(explode)) => *explode,
        _ => said == "form",
    };
    let plain = |ty: TypeId| matches!(types.kind(ty), Kind::Scalar(_)) || of_scalars(types, ty);
    let unknown = || {
        let name = node.get("name").and_then(Node::as_str).unwrap_or_default();
        let why = format!(
            "the parameter `{name}` is written in the style `{said}`, which cannot be done for its type"
        );
        Err(Inexpressible::new(node.at, why))
    };
    match types.kind(ty) {
        _ if plain(ty) => match said {
            "simple" | "form" => Ok(Style::Plain),
            _ => unknown(),
        },
        Kind::Array(Items { used, .. }) if plain(used.ty) => match (said, explode) {
            ("form", true) => Ok(Style::Repeated),
            ("simple", _) | ("form", false) => Ok(Style::Joined(',')),
            ("spaceDelimited", false) => Ok(Style::Joined(' ')),
            ("pipeDelimited", false) => Ok(Style::Joined('|')),
            _ => unknown(),
        },
        Kind::Object(object) if place == Where::Query && object.tag.is_none() => {
            let simple = types.fields(ty).iter().all(|field| plain(field.used.ty))
                && object.extra.as_ref().is_none_or(|extra| plain(extra.used.ty));
            match (said, explode) {
                ("form", true) if simple => Ok(Style::Members),
                ("deepObject", _) if simple => Ok(Style::Deep),
                _ => unknown(),
            }
        }
        _ => unknown(),
    }
}

/// Whether all branches of a choice are scalars.
fn of_scalars(types: &Types, ty: TypeId) -> bool {
    match types.kind(ty) {
        Kind::Choice(branches) => {
            branches.iter().all(|branch| matches!(types.kind(branch.ty), Kind::Scalar(_)))
        }
        _ => false,
    }
}
