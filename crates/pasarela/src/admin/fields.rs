//! What bodies are made of: one description, by which a body is checked and its schema is written.

use pasarela_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::sent;

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// It has to be there. In answers everything is.
    pub(super) required: bool,
    /// `null` is a value of it.
    pub(super) nullable: bool,
    pub(super) about: &'static str,
}

/// What a member can be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text of at most so many characters that a pattern describes.
    Text { max: usize, pattern: Option<&'static str> },
    /// One of these.
    Word(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// An instant, RFC 3339.
    Time,
    /// A list of texts.
    Texts { max_items: usize, pattern: Option<&'static str> },
    /// An object.
    Object(&'static [Field]),
    /// A list of objects.
    Objects(&'static [Field]),
    /// What the configuration file may say about an API.
    Definition,
    /// In answers: one of the named shapes.
    Shape(&'static str),
    /// In answers: whatever it was.
    Any,
}

impl Field {
    pub(super) const fn need(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: true, nullable: false, about }
    }

    pub(super) const fn may(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, nullable: false, about }
    }

    pub(super) const fn null(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: true, nullable: true, about }
    }

    pub(super) const fn may_null(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, nullable: true, about }
    }

    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if let Some(object) = schema.as_object_mut() {
            if self.nullable {
                match object.get("type").cloned() {
                    Some(kind) => {
                        object.insert("type".into(), json!([kind, "null"]));
                    }
                    None if object.contains_key("$ref") => {
                        let reference = std::mem::take(object);
                        object.insert("anyOf".into(), json!([reference, { "type": "null" }]));
                    }
                    None => {}
                }
            }
            object.insert("description".into(), self.about.into());
        }
        schema
    }
}

impl Kind {
    fn schema(&self) -> Value {
        match self {
            Self::Text { max, pattern } => {
                let mut schema = json!({ "type": "string", "maxLength": max });
                if let (Some(pattern), Some(object)) = (pattern, schema.as_object_mut()) {
                    object.insert("pattern".into(), (*pattern).into());
                }
                schema
            }
            // A `null` among the words is for the field to say.
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Self::Flag => json!({ "type": "boolean" }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
            Self::Texts { max_items, pattern } => {
                let item = Self::Text { max: 100, pattern: *pattern }.schema();
                json!({ "type": "array", "maxItems": max_items, "items": item })
            }
            Self::Object(fields) => object(fields),
            Self::Objects(fields) => json!({ "type": "array", "items": object(fields) }),
            Self::Definition => definition(),
            Self::Shape(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
            Self::Any => json!({}),
        }
    }

    /// Why a value is none of these.
    pub(super) fn refuses(&self, at: &str, value: &Value) -> Option<String> {
        let wrong = |what: String| Some(format!("{at}: {what}"));
        match (self, value) {
            (Self::Text { max, .. }, Value::String(text)) if text.chars().count() > *max => {
                wrong(format!("write at most {max} characters"))
            }
            (Self::Text { .. }, Value::String(_)) | (Self::Any | Self::Shape(_), _) => None,
            (Self::Text { .. }, _) => wrong("write a text".to_owned()),
            (Self::Word(words), value) => match value.as_str() {
                Some(word) if words.contains(&word) => None,
                _ => wrong(format!("write one of {}", words.join(", "))),
            },
            (Self::Integer { min, max }, value) => match value.as_i64() {
                Some(number) if (*min..=*max).contains(&number) => None,
                _ => wrong(format!("write a whole number from {min} to {max}")),
            },
            (Self::Flag, Value::Bool(_)) => None,
            (Self::Flag, _) => wrong("write true or false".to_owned()),
            (Self::Time, value) => match value.as_str().map(str::parse::<Timestamp>) {
                Some(Ok(_)) => None,
                _ => wrong("write a time as 2026-11-25T09:30:00Z".to_owned()),
            },
            (Self::Texts { max_items, .. }, Value::Array(items)) => {
                match items.len() <= *max_items && items.iter().all(Value::is_string) {
                    true => None,
                    false => wrong(format!("write a list of at most {max_items} texts")),
                }
            }
            (Self::Texts { .. }, _) => wrong("write a list of texts".to_owned()),
            (Self::Object(fields), Value::Object(members)) => {
                let faults = faults(at, fields, members);
                (!faults.is_empty()).then(|| faults.join("; "))
            }
            (Self::Objects(fields), Value::Array(items)) => {
                let all = items.iter().enumerate().filter_map(|(place, item)| {
                    Self::Object(fields).refuses(&format!("{at}.{place}"), item)
                });
                let all: Vec<_> = all.collect();
                (!all.is_empty()).then(|| all.join("; "))
            }
            (Self::Objects(_), _) => wrong("write a list of objects".to_owned()),
            // What is wrong in it is told with a code and a place for each thing.
            (Self::Definition, Value::Object(_)) => None,
            (Self::Object(_) | Self::Definition, _) => wrong("write an object".to_owned()),
        }
    }
}

/// The file's keys; what each may be is said in the reference of the configuration.
fn definition() -> Value {
    let properties: Map<String, Value> =
        sent::KEYS.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
    json!({
        "type": "object", "properties": properties, "additionalProperties": false,
        "required": ["name", "version", "upstreams"],
    })
}

/// The schema of an object with these members and no others (T29).
pub(super) fn object(fields: &[Field]) -> Value {
    let required: Vec<_> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
    let mut schema = json!({
        "type": "object", "properties": properties, "additionalProperties": false,
    });
    if let (false, Some(object)) = (required.is_empty(), schema.as_object_mut()) {
        object.insert("required".into(), json!(required));
    }
    schema
}

/// Everything that keeps an object from being what these fields say.
pub(super) fn faults(at: &str, fields: &[Field], members: &Map<String, Value>) -> Vec<String> {
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let mut faults = Vec::new();
    for (name, value) in members {
        match fields.iter().find(|field| field.name == name) {
            None => {
                let shown: String = name.chars().take(40).collect();
                faults.push(format!("{}: there is no such member", path(&shown)));
            }
            Some(field) if value.is_null() && field.nullable => {}
            Some(field) => faults.extend(field.kind.refuses(&path(name), value)),
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if !members.contains_key(field.name) {
            faults.push(format!("{}: it is missing", path(field.name)));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        Field::need("name", Kind::Text { max: 3, pattern: None }, "n"),
        Field::may("kind", Kind::Word(&["a", "b"]), "k"),
        Field::may_null(
            "rate",
            Kind::Object(&[Field::need("count", Kind::Integer { min: 1, max: 9 }, "c")]),
            "r",
        ),
        Field::may("end", Kind::Time, "e"),
    ];

    #[test]
    fn t29_every_fault_of_a_body_is_named_and_what_is_not_known_is_one() {
        let check = |value: Value| faults("", FIELDS, value.as_object().unwrap());
        assert!(check(json!({ "name": "abc", "kind": "a", "rate": null })).is_empty());
        assert!(check(json!({ "name": "é", "end": "2026-11-25T09:30:00Z" })).is_empty());
        let all =
            check(json!({ "name": "abcd", "kind": "c", "rate": { "count": 10 }, "role": "owner" }));
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.iter().any(|fault| fault.starts_with("rate.count: ")), "{all:?}");
        assert!(all.iter().any(|fault| fault.starts_with("role: there is no such")), "{all:?}");
        assert_eq!(check(json!({})), ["name: it is missing"]);
        assert_eq!(check(json!({ "name": null, "end": "today" })).len(), 2);
        assert_eq!(check(json!({ "name": "a", "rate": { "count": 1.5 } })).len(), 1);
    }
}
