//! A JSON document in memory: members keep their order, numbers their digits. Written as JSON or as YAML.

use std::borrow::Cow;

use crate::json::{Writer, writer::escape};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as its digits.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

/// The members of an object, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object(pub Vec<(Cow<'static, str>, Json)>);

impl Object {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a member, or gives it another value.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(there, _)| *there == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same, in passing.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds a member without looking whether it is there: for keys that are known to differ.
    pub fn push(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) {
        self.0.push((key.into(), value.into()));
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|(there, _)| there == key).map(|(_, value)| value)
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Self>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(value.to_string())
    }
}

impl Json {
    /// An array of strings.
    pub fn strings<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Array(items.into_iter().map(|item| Self::String(item.into())).collect())
    }

    /// As JSON on one line.
    #[must_use]
    pub fn compact(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        self.write(&mut writer);
        writer.finish()
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Null => writer.null(),
            Self::Bool(value) => writer.bool(*value),
            Self::Number(digits) => writer.number(digits),
            Self::String(text) => writer.string(text),
            Self::Array(items) => {
                writer.begin_array();
                items.iter().for_each(|item| item.write(writer));
                writer.end_array();
            }
            Self::Object(Object(members)) => {
                writer.begin_object();
                for (key, value) in members {
                    writer.name(key);
                    value.write(writer);
                }
                writer.end_object();
            }
        }
    }

    /// As JSON for people, two spaces a level, with a line end at the end.
    #[must_use]
    pub fn pretty(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_pretty(0, &mut out);
        out.push(b'\n');
        out
    }

    fn write_pretty(&self, level: usize, out: &mut Vec<u8>) {
        match self {
            Self::Array(items) if items.is_empty() => out.extend_from_slice(b"[]"),
            // Short lists of scalars read better on a line.
            Self::Array(items) if self.is_short() => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b", " } else { b"" });
                    item.write_pretty(level, out);
                }
                out.push(b']');
            }
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    line(level + 1, at > 0, out);
                    item.write_pretty(level + 1, out);
                }
                line(level, false, out);
                out.push(b']');
            }
            Self::Object(Object(members)) if members.is_empty() => out.extend_from_slice(b"{}"),
            Self::Object(Object(members)) => {
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    line(level + 1, at > 0, out);
                    quote(key, out);
                    out.extend_from_slice(b": ");
                    value.write_pretty(level + 1, out);
                }
                line(level, false, out);
                out.push(b'}');
            }
            scalar => out.extend_from_slice(&scalar.compact()),
        }
    }

    fn is_short(&self) -> bool {
        let Self::Array(items) = self else { return false };
        let width = |item: &Self| match item {
            Self::Array(_) | Self::Object(_) => None,
            Self::String(text) => Some(text.len() + 4),
            Self::Number(digits) => Some(digits.len() + 2),
            _ => Some(7),
        };
        items.iter().try_fold(0, |sum, item| Some(sum + width(item)?)).is_some_and(|sum| sum < 80)
    }

    /// As YAML 1.2, two spaces a level.
    #[must_use]
    pub fn yaml(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_yaml(0, &mut out);
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out
    }

    /// What follows a key, a dash, or begins the document: on the same line if it fits there.
    fn write_yaml(&self, level: usize, out: &mut Vec<u8>) {
        match self {
            Self::Object(Object(members)) if !members.is_empty() => {
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        indent(level, out);
                    }
                    plain_or_quoted(key, out);
                    out.push(b':');
                    value.write_yaml_value(level, out);
                }
            }
            Self::Array(items) if !items.is_empty() && !self.is_short() => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        indent(level, out);
                    }
                    out.extend_from_slice(b"- ");
                    item.write_yaml(level + 1, out);
                }
            }
            Self::Array(items) if !items.is_empty() => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b", " } else { b"" });
                    match item {
                        Self::String(text) => quote(text, out),
                        scalar => out.extend_from_slice(&scalar.compact()),
                    }
                }
                out.extend_from_slice(b"]\n");
            }
            Self::String(text) => {
                plain_or_quoted(text, out);
                out.push(b'\n');
            }
            other => {
                out.extend_from_slice(&other.compact());
                out.push(b'\n');
            }
        }
    }

    fn write_yaml_value(&self, level: usize, out: &mut Vec<u8>) {
        let block = match self {
            Self::Object(Object(members)) => !members.is_empty(),
            Self::Array(items) => !items.is_empty() && !self.is_short(),
            _ => false,
        };
        if block {
            out.push(b'\n');
            indent(level + 1, out);
            self.write_yaml(level + 1, out);
        } else {
            out.push(b' ');
            self.write_yaml(level, out);
        }
    }
}

fn line(level: usize, comma: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if comma { b",\n" } else { b"\n" });
    indent(level, out);
}

fn indent(level: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + level * 2, b' ');
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Without quotes only what no reader of YAML, old ones included, takes for anything but this string.
fn plain_or_quoted(text: &str, out: &mut Vec<u8>) {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let simple = text.bytes().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_' | b'-' | b'.' | b'/' | b'(' | b')')
    });
    if letter
        && simple
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
    {
        out.extend_from_slice(text.as_bytes());
    } else {
        quote(text, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Json {
        let inner = Object::new()
            .with("no", "yes")
            .with("/orders/{id}", Json::strings(["a", "b"]))
            .with("empty", Vec::new())
            .with("big", Json::Number("123456789012345678901234567890.10".into()));
        Object::new()
            .with("plain", "a plain text")
            .with("lines", "one\ntwo: #three")
            .with("inner", inner)
            .with("list", vec![Object::new().with("a", 1_u32).with("b", true).into(), Json::Null])
            .into()
    }

    #[test]
    fn json_keeps_order_and_digits() {
        let text = String::from_utf8(sample().pretty()).expect("UTF-8");
        insta::assert_snapshot!(text, @r#"
        {
          "plain": "a plain text",
          "lines": "one\ntwo: #three",
          "inner": {
            "no": "yes",
            "/orders/{id}": ["a", "b"],
            "empty": [],
            "big": 123456789012345678901234567890.10
          },
          "list": [
            {
              "a": 1,
              "b": true
            },
            null
          ]
        }
        "#);
    }

    #[test]
    fn yaml_quotes_what_could_be_taken_for_something_else() {
        let text = String::from_utf8(sample().yaml()).expect("UTF-8");
        insta::assert_snapshot!(text, @r#"
        plain: a plain text
        lines: "one\ntwo: #three"
        inner:
          "no": "yes"
          "/orders/{id}": ["a", "b"]
          empty: []
          big: 123456789012345678901234567890.10
        list:
          - a: 1
            b: true
          - null
        "#);
    }
}
