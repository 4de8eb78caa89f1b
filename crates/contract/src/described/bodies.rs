//! Bodies of requests and answers: of which media type, and what is in them.

use super::Reader;
use crate::{
    shapes::{Base, Field, Inexpressible, Kind, Scalar, Use, about},
    tree::{Member, Node, Value},
};

/// A body.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its media type, without a wildcard.
    pub media: String,
    /// How it is written.
    pub how: How,
    /// What is in it.
    pub used: Use,
    /// Whether it has to be there.
    pub required: bool,
    /// What the document says about it.
    pub about: String,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// JSON.
    Json,
    /// Text, as it is.
    Text,
    /// Bytes, as they are.
    Bytes,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
}

impl Content {
    /// As a member of a message.
    pub(super) fn field(&self, name: &str) -> Field {
        Field {
            key: name.to_owned(),
            name: name.to_owned(),
            attribute: false,
            used: self.used,
            required: self.required,
            about: self.about.clone(),
        }
    }
}

impl<'a> Reader<'a> {
    /// The body of a request.
    pub(super) fn body(
        &mut self,
        node: &'a Node,
        name: &str,
    ) -> Result<Option<Content>, Inexpressible> {
        let node = self.builder.seen.followed(node)?;
        let Some(media) = self.media(node.get("content"), name, false)? else { return Ok(None) };
        let required = node.get("required").is_some_and(|node| node.value == Value::Bool(true));
        Ok(Some(Content { required, about: about(node), ..media }))
    }

    /// The media type that is spoken, of those that a message may have; none where it has no body.
    pub(super) fn media(
        &mut self,
        content: Option<&'a Node>,
        name: &str,
        answer: bool,
    ) -> Result<Option<Content>, Inexpressible> {
        let Some(content) = content.and_then(Node::as_object) else { return Ok(None) };
        let rank = |member: &&Member| {
            let how = how(&member.key, answer);
            let order = [How::Json, How::Form, How::Multipart, How::Text, How::Bytes];
            // Among equals the first one counts, and JSON of its own name before others.
            let exact = usize::from(essence(&member.key) != "application/json");
            (order.iter().position(|known| Some(*known) == how).unwrap_or(order.len()), exact)
        };
        let Some(member) = content.iter().min_by_key(rank) else { return Ok(None) };
        let Some(how) = how(&member.key, answer) else {
            let why = format!("a body of the type `{}` is a stream without an end", member.key);
            return Err(Inexpressible::new(member.key_at, why));
        };
        if let Some(stream) = member.value.get("itemSchema") {
            return Err(Inexpressible::new(stream.at, "the body is a stream without an end"));
        }
        let schema = member.value.get("schema").filter(|schema| schema.as_object().is_some());
        let used = match (how, schema) {
            (How::Json, None) => Use { ty: self.builder.json(), nullable: true },
            (How::Json | How::Form | How::Multipart, Some(schema)) => {
                self.builder.schema(schema, name)?
            }
            (How::Text, _) => {
                let scalar = Scalar { base: Base::String, facets: Vec::new() };
                Use { ty: self.builder.builtin(scalar), nullable: false }
            }
            (How::Bytes, _) => {
                let scalar = Scalar { base: Base::Base64, facets: Vec::new() };
                Use { ty: self.builder.builtin(scalar), nullable: false }
            }
            (How::Form | How::Multipart, None) => {
                let why = format!("nothing says what is in its body of the type `{}`", member.key);
                return Err(Inexpressible::new(member.key_at, why));
            }
        };
        if matches!(how, How::Form | How::Multipart) && !self.is_flat(used, how) {
            let why = format!(
                "the members of a body of the type `{}` are not all values or files",
                member.key
            );
            return Err(Inexpressible::new(member.key_at, why));
        }
        let essence = essence(&member.key);
        // It is written into a header field.
        if !essence.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"')) {
            let why = format!("`{}` is no media type", member.key.escape_debug());
            return Err(Inexpressible::new(member.key_at, why));
        }
        let media = match how {
            _ if !essence.contains('*') => essence,
            How::Text => "text/plain".to_owned(),
            How::Json => "application/json".to_owned(),
            _ => "application/octet-stream".to_owned(),
        };
        let about = String::new();
        Ok(Some(Content { media, how, used, required: false, about }))
    }

    /// Whether a form can hold it: an object of scalars and of arrays of these; in parts there may be JSON too.
    fn is_flat(&self, used: Use, how: How) -> bool {
        let types = &self.builder.types;
        let Some(object) = types.object(used.ty) else { return false };
        if used.nullable || object.tag.is_some() || object.extra.is_some() {
            return false;
        }
        let plain = |used: Use| matches!(types.kind(used.ty), Kind::Scalar(_));
        types.fields(used.ty).iter().all(|field| {
            how == How::Multipart
                || plain(field.used)
                || matches!(types.kind(field.used.ty), Kind::Array(items) if plain(items.used))
        })
    }
}

/// A media type without its parameters, in small letters.
fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How a body of a media type is written; none for a stream without an end.
fn how(media: &str, answer: bool) -> Option<How> {
    let essence = essence(media);
    Some(match essence.as_str() {
        "text/event-stream"
        | "application/jsonl"
        | "application/x-ndjson"
        | "application/json-seq"
        | "application/x-jsonlines"
        | "multipart/mixed" => return None,
        "application/x-www-form-urlencoded" if !answer => How::Form,
        "multipart/form-data" if !answer => How::Multipart,
        "application/json" => How::Json,
        _ if essence.ends_with("+json") => How::Json,
        "application/xml" | "application/yaml" => How::Text,
        _ if essence.ends_with("+xml") || essence.starts_with("text/") => How::Text,
        _ => How::Bytes,
    })
}
