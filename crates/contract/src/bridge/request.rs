//! A message's JSON as a call of HTTP: path, query, header fields, cookies, body.
//!
//! Each value is written by the rules of the place where it stands, so that nothing in it can be read as more than a value (T50).

use super::{
    RestContract,
    values::{Mismatch, Values},
};
use crate::{
    described::{BODY, Content, Described, How, Parameter, Style, Where},
    shapes::{Base, Field, Kind, Use},
    tree::{Node, Syntax, TreeLimits, Value, parse},
};

/// A call as the service is to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path below the service's address, percent-encoded.
    pub path: String,
    /// Its query, without the question mark.
    pub query: Option<String>,
    /// Header fields, by name.
    pub fields: Vec<(String, String)>,
    /// The media type of its body, and the body.
    pub body: Option<(String, Vec<u8>)>,
}

type Result<T = ()> = std::result::Result<T, Mismatch>;

fn wrong<T>(name: &str, why: impl Into<String>) -> Result<T> {
    Err(Mismatch { pointer: format!("/{name}"), why: why.into() })
}

/// JSON that was made here, or by the transcoders.
fn read(json: &[u8]) -> Result<Node> {
    let text = String::from_utf8_lossy(json);
    parse(&text, Syntax::Json, TreeLimits::default()).map_err(|faults| Mismatch {
        pointer: String::new(),
        why: faults.first().map_or_else(String::new, |fault| fault.message.clone()),
    })
}

impl RestContract {
    /// The call that the JSON of a request's message means. `random` makes borders between parts that nobody can foresee.
    ///
    /// # Errors
    /// Where the request is not what the contract says.
    pub fn call(&self, operation: &Described, json: &[u8], random: u128) -> Result<Call> {
        let message = read(json)?;
        let mut made = Made {
            contract: self,
            path: literal(&operation.path),
            query: Vec::new(),
            fields: Vec::new(),
            cookies: Vec::new(),
        };
        for parameter in &operation.parameters {
            let Some(value) = message.get(&parameter.field.name) else {
                // No items and no member look alike in XML.
                continue;
            };
            made.parameter(parameter, value)?;
        }
        let body = match &operation.body {
            Some(content) => made.body(content, &message, random)?,
            None => None,
        };
        if !made.cookies.is_empty() {
            made.fields.push(("Cookie".to_owned(), made.cookies.join("; ")));
        }
        let query = (!made.query.is_empty()).then(|| made.query.join("&"));
        let method = operation.method.clone();
        Ok(Call { method, path: made.path, query, fields: made.fields, body })
    }
}

struct Made<'c> {
    contract: &'c RestContract,
    path: String,
    /// Names and values, encoded.
    query: Vec<String>,
    fields: Vec<(String, String)>,
    cookies: Vec<String>,
}

impl Made<'_> {
    /// The service's JSON of a value of the message.
    fn value(&self, used: Use, name: &str, node: &Node) -> Result<Vec<u8>> {
        let types = &self.contract.description.types;
        let mut values = Values::new(types, &format!("/{name}"));
        let listed = types.repeated(used).is_some();
        match listed {
            // Where items stand in place of a member, they are its value.
            true => values.items(used, node)?,
            false => values.for_service(used, node)?,
        }
        Ok(values.out.finish())
    }

    fn parameter(&mut self, parameter: &Parameter, node: &Node) -> Result {
        let name = parameter.field.name.as_str();
        let json = self.value(parameter.field.used, name, node)?;
        let value = read(&json)?;
        let pairs: Vec<(String, String)> = match parameter.style {
            Style::Json => {
                vec![(parameter.wire.clone(), String::from_utf8(json).unwrap_or_default())]
            }
            Style::Plain => vec![(parameter.wire.clone(), text(&value))],
            Style::Repeated => {
                items(&value).map(|item| (parameter.wire.clone(), text(item))).collect()
            }
            Style::Joined(between) => {
                let texts: Vec<String> = items(&value).map(text).collect();
                let clash = texts.iter().any(|text| text.contains(between));
                if clash && !matches!(parameter.place, Where::Path | Where::Query) {
                    return wrong(
                        name,
                        format!(
                            "an item has the character {between:?}, which stands between items"
                        ),
                    );
                }
                return self.joined(parameter, &texts, between);
            }
            Style::Members | Style::Deep => members(&value)
                .map(|(key, item)| match parameter.style {
                    Style::Deep => (format!("{}[{key}]", parameter.wire), text(item)),
                    _ => (key.to_owned(), text(item)),
                })
                .collect(),
        };
        for (wire, value) in pairs {
            self.put(parameter, &wire, &value)?;
        }
        Ok(())
    }

    /// Items that are encoded one by one, so that what stands between them is not in them.
    fn joined(&mut self, parameter: &Parameter, texts: &[String], between: char) -> Result {
        let encoded: Vec<String> = texts.iter().map(|text| percent(text)).collect();
        match parameter.place {
            Where::Path => self.in_path(parameter, &encoded.join(&between.to_string())),
            Where::Query => {
                let between =
                    if between == ',' { ",".to_owned() } else { percent(&between.to_string()) };
                self.query.push(format!("{}={}", percent(&parameter.wire), encoded.join(&between)));
                Ok(())
            }
            Where::Header | Where::Cookie => {
                self.put(parameter, &parameter.wire, &texts.join(&between.to_string()))
            }
        }
    }

    fn put(&mut self, parameter: &Parameter, wire: &str, value: &str) -> Result {
        let name = parameter.field.name.as_str();
        match parameter.place {
            Where::Path => self.in_path(parameter, &percent(value)),
            Where::Query => {
                self.query.push(format!("{}={}", percent(wire), percent(value)));
                Ok(())
            }
            Where::Header => {
                // RFC 9110 §5.5: nothing in a value may end it, and what is around it is not part of it.
                if value.chars().any(|c| c.is_control() && c != '\t') || value.trim() != value {
                    return wrong(name, "the value cannot stand in a header field");
                }
                self.fields.push((wire.to_owned(), value.to_owned()));
                Ok(())
            }
            Where::Cookie => {
                self.cookies.push(format!("{wire}={}", percent(value)));
                Ok(())
            }
        }
    }

    fn in_path(&mut self, parameter: &Parameter, encoded: &str) -> Result {
        let name = parameter.field.name.as_str();
        // A path in which such a value stood would be another path (RFC 3986 §3.3, §6.2.2.3).
        if encoded.is_empty() || matches!(encoded, "." | "..") {
            return wrong(name, "the value cannot stand in a path");
        }
        self.path = self.path.replacen(&format!("{{{}}}", parameter.wire), encoded, 1);
        Ok(())
    }

    fn body(
        &self,
        content: &Content,
        message: &Node,
        random: u128,
    ) -> Result<Option<(String, Vec<u8>)>> {
        let types = &self.contract.description.types;
        let node = match message.get(BODY) {
            Some(node) => node,
            // An array without items.
            None if content.required && types.repeated(content.used).is_some() => {
                return Ok(Some((content.media.clone(), b"[]".to_vec())));
            }
            None => return Ok(None),
        };
        let json = self.value(content.used, BODY, node)?;
        let utf8 = |media: &str| format!("{media}; charset=utf-8");
        Ok(Some(match content.how {
            How::Json => (content.media.clone(), json),
            How::Text => (utf8(&content.media), text(&read(&json)?).into_bytes()),
            How::Bytes => match bytes(&text(&read(&json)?)) {
                Some(bytes) => (content.media.clone(), bytes),
                None => return wrong(BODY, "the value is no base64"),
            },
            How::Form => (content.media.clone(), form(&read(&json)?)),
            How::Multipart => {
                let border = format!("pasarela-{random:032x}");
                let fields = types.fields(content.used.ty);
                let body = self.multipart(&fields, &read(&json)?, &border)?;
                (format!("{}; boundary={border}", content.media), body)
            }
        }))
    }

    /// RFC 7578.
    fn multipart(&self, fields: &[&Field], value: &Node, border: &str) -> Result<Vec<u8>> {
        let types = &self.contract.description.types;
        let mut out = Vec::new();
        for (key, value) in members(value) {
            let field = fields.iter().find(|field| field.key == key);
            let kind = field.map(|field| match types.kind(field.used.ty) {
                Kind::Array(items) => types.kind(items.used.ty),
                kind => kind,
            });
            let is_file = matches!(kind, Some(Kind::Scalar(scalar)) if scalar.base == Base::Base64);
            let listed: Vec<&Node> = match &value.value {
                Value::Array(items) => items.iter().collect(),
                Value::Null => continue,
                _ => vec![value],
            };
            for item in listed {
                let name = quoted(key);
                out.extend_from_slice(
                    format!("--{border}\r\nContent-Disposition: form-data; name=\"{name}\"")
                        .as_bytes(),
                );
                match (&item.value, is_file) {
                    (_, true) => {
                        out.extend_from_slice(format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes());
                        match bytes(&text(item)) {
                            Some(bytes) => out.extend_from_slice(&bytes),
                            None => return wrong(BODY, format!("the member {key} is no base64")),
                        }
                    }
                    (Value::Object(_) | Value::Array(_), false) => {
                        out.extend_from_slice(b"\r\nContent-Type: application/json\r\n\r\n");
                        out.extend_from_slice(item.to_json().as_bytes());
                    }
                    _ => {
                        out.extend_from_slice(b"\r\n\r\n");
                        out.extend_from_slice(text(item).as_bytes());
                    }
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(format!("--{border}--\r\n").as_bytes());
        Ok(out)
    }
}

fn form(value: &Node) -> Vec<u8> {
    let mut pairs = Vec::new();
    for (key, value) in members(value) {
        match &value.value {
            Value::Array(items) => {
                pairs.extend(
                    items.iter().map(|item| format!("{}={}", percent(key), percent(&text(item)))),
                );
            }
            Value::Null => {}
            _ => pairs.push(format!("{}={}", percent(key), percent(&text(value)))),
        }
    }
    pairs.join("&").into_bytes()
}

/// A path's own text as the gateway sees paths: what may stand in one as it is, everything else as its bytes.
fn literal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside = c == '{' || inside && c != '}';
        let plain = c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%{}".contains(c);
        match plain || inside {
            true => out.push(c),
            false => out.push_str(&percent(&c.to_string())),
        }
    }
    out
}

/// A scalar as text.
fn text(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => node.to_json(),
    }
}

fn items(node: &Node) -> impl Iterator<Item = &Node> {
    let items = match &node.value {
        Value::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter()
}

fn members(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let members = node.as_object().into_iter().flat_map(|object| object.iter());
    members.map(|member| (member.key.as_str(), &member.value))
}

/// Everything but what is a name in any part of a URI (RFC 3986 §2.3) as its bytes.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A name between quotes of a part's head (RFC 7578 §2).
fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            c => out.push(c),
        }
    }
    out
}

fn bytes(base64: &str) -> Option<Vec<u8>> {
    pasarela_soap::transcode::base64(base64)
}
