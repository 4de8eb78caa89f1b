//! A call to try: the first operation that can be called with made-up values, and a body that is valid by its schema.
//!
//! One way for all contracts: a SOAP service has an OpenAPI document, too. What is made up from its schemas is held against
//! the WSDL before it is shown (`accepts`); for an OpenAPI document its own examples come first.

use std::cell::Cell;

use pasarela_net::http1::is_token;
use pasarela_soap::xsd::regex::Regex;
use serde_json::{Map, Value, json};

/// Deeper than this only what has to be there is made up.
const OPTIONAL_DEPTH: usize = 3;
/// Deeper than this nothing is.
const DEPTH_MAX: usize = 12;
/// Values that are tried for one call: schemas may be as wide as they are deep, and strangers write them.
const VALUES_MAX: usize = 5_000;
/// Operations that are tried.
const OPERATIONS_MAX: usize = 64;
/// Characters of a text, and of a line that somebody may want to copy.
const TEXT_MAX: usize = 256;
const LINE_MAX: usize = 4_000;
/// Words that a harmless operation begins with.
const READS: [&str; 10] =
    ["get", "find", "list", "read", "search", "track", "query", "lookup", "check", "calc"];

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    /// Below the base of the API, with its query.
    pub(super) path: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl Call {
    /// As a line for a shell; `None` where it is none to be shown.
    pub(super) fn curl(&self, base: &str, key: bool) -> Option<String> {
        let mut line = String::from("curl -s");
        if !matches!((self.method.as_str(), &self.body), ("GET", None) | ("POST", Some(_))) {
            line.push_str(&format!(" -X {}", self.method));
        }
        if key {
            line.push_str(" -H \"X-API-Key: $KEY\"");
        }
        for (name, value) in &self.fields {
            line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
        }
        if let Some(body) = &self.body {
            line.push_str(&format!(" --json {}", quoted(&body.to_string())));
        }
        line.push_str(&format!(" {}", quoted(&format!("{base}{}", self.path))));
        // A terminal obeys some characters.
        (line.len() <= LINE_MAX && !line.contains(char::is_control)).then_some(line)
    }
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:.-_".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The call to try of an OpenAPI document; `accepts` has the last word on a body, by path and method.
pub(super) fn call(
    document: &Value,
    accepts: &dyn Fn(&str, &str, Option<&Value>) -> bool,
) -> Option<Call> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object()? {
        let item = target(document, item);
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                let name = operation["operationId"].as_str().unwrap_or(path).to_lowercase();
                let name = name.trim_start_matches('/');
                let reads = READS.iter().any(|word| name.starts_with(word));
                let rank = match method {
                    "get" => 0,
                    "post" if reads => 1,
                    "post" => 2,
                    _ => 3,
                };
                operations.push((rank, path, method, item, operation));
            }
        }
    }
    operations.sort_by_key(|operation| operation.0);
    operations.into_iter().take(OPERATIONS_MAX).find_map(|(_, path, method, item, operation)| {
        [true, false].into_iter().find_map(|whole| {
            let maker = Maker { document, whole, left: Cell::new(VALUES_MAX) };
            let call = maker.call(path, method, item, operation)?;
            accepts(path, method, call.body.as_ref()).then_some(call)
        })
    })
}

/// Makes values up. `whole`: with what is optional, where it is not deep.
struct Maker<'d> {
    document: &'d Value,
    whole: bool,
    /// Values that may still be tried.
    left: Cell<usize>,
}

impl Maker<'_> {
    fn call(&self, path: &str, method: &str, item: &Value, operation: &Value) -> Option<Call> {
        let mut call = Call {
            method: method.to_uppercase(),
            path: path.to_owned(),
            fields: Vec::new(),
            body: None,
        };
        let mut query = Vec::new();
        let lists = [&item["parameters"], &operation["parameters"]];
        for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
            let parameter = target(self.document, parameter);
            let (name, place) = (parameter["name"].as_str()?, parameter["in"].as_str()?);
            if place != "path" && parameter["required"] != true {
                continue;
            }
            let text = text_of(&self.of_parameter(parameter)?)?;
            match place {
                "path" => call.path = call.path.replace(&format!("{{{name}}}"), &encoded(&text)),
                "query" => query.push(format!("{}={}", encoded(name), encoded(&text))),
                "header" if is_token(name.as_bytes()) => call.fields.push((name.to_owned(), text)),
                _ => return None,
            }
        }
        if !query.is_empty() {
            call.path = format!("{}?{}", call.path, query.join("&"));
        }
        let body = target(self.document, &operation["requestBody"]);
        if let Some(content) = body["content"].as_object() {
            let json = content.iter().find(|(media, _)| media.contains("json"));
            match json {
                Some((_, media)) => call.body = Some(self.of_media(media)?),
                None if body["required"] == true => return None,
                None => (),
            }
        }
        (!call.path.contains('{')).then_some(call)
    }

    fn of_parameter(&self, parameter: &Value) -> Option<Value> {
        let content = parameter["content"].as_object().and_then(|content| content.values().next());
        own_example(self.document, parameter)
            .or_else(|| self.value(parameter.get("schema")?, 0))
            .or_else(|| self.of_media(content?))
    }

    fn of_media(&self, media: &Value) -> Option<Value> {
        own_example(self.document, media).or_else(|| self.value(media.get("schema")?, 0))
    }

    fn value(&self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.left.set(self.left.get().checked_sub(1)?);
        let Some(object) = schema.as_object() else {
            return (*schema == Value::Bool(true)).then(|| json!("text"));
        };
        let given = own_example(self.document, schema)
            .or_else(|| object.get("default").cloned())
            .or_else(|| object.get("const").cloned())
            .or_else(|| object.get("enum")?.as_array()?.iter().find(|v| !v.is_null()).cloned());
        if given.is_some() {
            return given;
        }
        let mut made = match object.get("$ref") {
            Some(_) => Some(self.value(target(self.document, schema), depth + 1)?),
            None => None,
        };
        for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            made = merged(made, self.value(part, depth + 1)?);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = object.get(key).and_then(Value::as_array) {
                let null = |choice: &&Value| choice["type"] != "null";
                let mut values = choices.iter().filter(null);
                let value = values.find_map(|choice| self.value(choice, depth + 1))?;
                made = merged(made, value);
            }
        }
        let kinds = [object.get("type").and_then(Value::as_str)];
        let several = object.get("type").and_then(Value::as_array).into_iter().flatten();
        let mut kinds = kinds.into_iter().flatten().chain(several.filter_map(Value::as_str));
        let kind = kinds.find(|kind| *kind != "null");
        let object_like = object.contains_key("properties");
        match kind {
            Some("object") => Some(self.object(schema, depth)?),
            None if object_like => Some(self.object(schema, depth)?),
            None if made.is_some() => return made,
            Some("array") => self.array(schema, depth),
            Some("string") | None => string(schema).map(Value::from),
            Some("integer") => number(schema, 1.0).map(|number| json!(number.ceil() as i64)),
            Some("number") => number(schema, 1.5).map(|number| json!(number)),
            Some("boolean") => Some(json!(true)),
            Some(_) => None,
        }
        .and_then(|value| merged(made, value))
    }

    fn object(&self, schema: &Value, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        let required = |name: &str| {
            let names = schema["required"].as_array();
            names.is_some_and(|names| names.iter().any(|one| one == name))
        };
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let optional = self.whole && depth < OPTIONAL_DEPTH && !name.starts_with(['$', '@']);
            if target(self.document, property)["readOnly"] == true || !(required(name) || optional)
            {
                continue;
            }
            match self.value(property, depth + 1) {
                Some(value) => object.insert(name.clone(), value),
                None if required(name) => return None,
                None => continue,
            };
        }
        Some(Value::Object(object))
    }

    fn array(&self, schema: &Value, depth: usize) -> Option<Value> {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if least == 0 && (schema["maxItems"] == 0 || depth > OPTIONAL_DEPTH) {
            return Some(json!([]));
        }
        let item = self.value(schema.get("items").unwrap_or(&Value::Bool(true)), depth + 1);
        match item {
            Some(item) if least <= 1 || (least <= 8 && depth < OPTIONAL_DEPTH) => {
                Some(json!(vec![item; least.max(1) as usize]))
            }
            None if least == 0 => Some(json!([])),
            _ => None,
        }
    }
}

/// What a reference means; the thing itself where there is none.
fn target<'d>(document: &'d Value, thing: &'d Value) -> &'d Value {
    let mut thing = thing;
    for _ in 0..20 {
        let Some(pointer) = thing["$ref"].as_str().and_then(|text| text.strip_prefix('#')) else {
            return thing;
        };
        let Some(found) = document.pointer(pointer) else { return thing };
        thing = found;
    }
    thing
}

/// What the document gives as an example.
fn own_example(document: &Value, thing: &Value) -> Option<Value> {
    if let Some(example) = thing.get("example") {
        return Some(example.clone());
    }
    match thing.get("examples")? {
        // Of a schema.
        Value::Array(values) => values.first().cloned(),
        // Of a parameter or a body.
        Value::Object(named) => target(document, named.values().next()?).get("value").cloned(),
        _ => None,
    }
}

/// Two values for one place: members of both, or else the later one.
fn merged(before: Option<Value>, after: Value) -> Option<Value> {
    match (before, after) {
        (Some(Value::Object(mut before)), Value::Object(after)) => {
            before.extend(after);
            Some(Value::Object(before))
        }
        (_, after) => Some(after),
    }
}

fn number(schema: &Value, usual: f64) -> Option<f64> {
    let bound = |key: &str| schema[key].as_f64();
    // In OpenAPI 3.0 an exclusive bound is a flag.
    let past = |key: &str, flag: &str| {
        bound(key).map(|bound| (bound, schema[flag] == true)).or_else(|| Some((bound(flag)?, true)))
    };
    let mut number = usual;
    if let Some((least, open)) = past("minimum", "exclusiveMinimum")
        && (number < least || (open && number <= least))
    {
        number = if open { least.floor() + 1.0 } else { least };
    }
    if let Some((most, open)) = past("maximum", "exclusiveMaximum")
        && (number > most || (open && number >= most))
    {
        number = if open { most.ceil() - 1.0 } else { most };
    }
    match bound("multipleOf") {
        Some(step) if step > 0.0 => Some((number / step).ceil() * step),
        _ => Some(number),
    }
}

fn string(schema: &Value) -> Option<String> {
    let length = |key: &str, usual| schema[key].as_u64().map_or(usual, |n| n as usize);
    let (least, most) = (length("minLength", 0), length("maxLength", TEXT_MAX).min(TEXT_MAX));
    if least > most {
        return None;
    }
    let pattern = schema["pattern"].as_str().map(regex);
    let usual = usual(schema);
    let padded = format!("{:x<least$}", "text").chars().take(most).collect::<String>();
    let candidates = [usual, &padded, "1", "A"].map(str::to_owned).into_iter();
    let sampled = pattern.as_ref().and_then(|pattern| pattern.as_ref());
    let sampled = sampled.map(|pattern| pattern.sample(&mut |_| 0));
    let fits = |text: &String| {
        (least..=most).contains(&text.chars().count())
            && match &pattern {
                Some(Some(pattern)) => pattern.is_match(text),
                // A pattern that is not understood may be any.
                Some(None) => text == usual && !usual.is_empty(),
                None => true,
            }
    };
    candidates.filter(|text| !text.is_empty()).chain(sampled).find(fits)
}

/// A value of what the schema says a text is; empty where it says nothing.
fn usual(schema: &Value) -> &'static str {
    let told = schema["x-xsd-type"].as_str().and_then(|name| name.strip_prefix("xs:"));
    let encoding = schema["contentEncoding"].as_str().map(|encoding| match encoding {
        "base16" => "hexBinary",
        _ => "base64Binary",
    });
    match told.or(encoding).or(schema["format"].as_str()).unwrap_or_default() {
        "date" => "2026-11-25",
        "dateTime" => "2026-11-25T12:00:00",
        "date-time" => "2026-11-25T12:00:00Z",
        "time" => "12:00:00",
        "duration" => "P1D",
        "decimal" => "10.50",
        "uuid" => "123e4567-e89b-12d3-a456-426614174000",
        "email" => "ana@example.com",
        "uri" | "url" | "anyURI" | "iri" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" | "base64Binary" => "AQID",
        "hexBinary" => "0A0B",
        "language" => "es",
        _ => "",
    }
}

/// A pattern of JSON Schema, if it is one that matches whole texts and says no more than those of XML Schema can.
fn regex(pattern: &str) -> Option<Regex> {
    let whole = pattern.strip_prefix('^')?.strip_suffix('$')?;
    Regex::new(&whole.replace("(?:", "(")).ok()
}

/// A parameter as it is written in a URL or a field.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(items) => {
            items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(schema: Value) -> Option<Value> {
        let document = json!({ "components": { "schemas": { "Node": {
            "type": "object", "required": ["id"],
            "properties": { "id": { "type": "integer" }, "next": { "$ref": "#/components/schemas/Node" } },
        } } } });
        Maker { document: &document, whole: false, left: Cell::new(VALUES_MAX) }.value(&schema, 0)
    }

    #[test]
    fn values_are_what_their_schemas_say() {
        for (schema, value) in [
            (json!({ "type": "integer", "minimum": 5 }), json!(5)),
            (json!({ "type": "integer", "exclusiveMinimum": 5 }), json!(6)),
            (json!({ "type": "integer", "minimum": 5, "exclusiveMinimum": true }), json!(6)),
            (json!({ "type": "integer", "maximum": -3 }), json!(-3)),
            (json!({ "type": "integer", "multipleOf": 10 }), json!(10)),
            (json!({ "type": ["null", "boolean"] }), json!(true)),
            (json!({ "type": "string", "minLength": 6 }), json!("textxx")),
            (json!({ "type": "string", "maxLength": 2 }), json!("te")),
            (json!({ "type": "string", "pattern": "^[A-Z]{3}-[0-9]+$" }), json!("AAA-0")),
            (json!({ "type": "string", "format": "date" }), json!("2026-11-25")),
            (json!({ "type": "string", "enum": ["a", "b"] }), json!("a")),
            (json!({ "enum": [null, 7] }), json!(7)),
            (json!({ "type": "array", "items": { "type": "number" } }), json!([1.5])),
            (json!({ "$ref": "#/components/schemas/Node" }), json!({ "id": 1 })),
            (json!({ "oneOf": [{ "type": "null" }, { "const": 3 }] }), json!(3)),
            (json!({ "type": "object", "example": { "a": 1 } }), json!({ "a": 1 })),
            (
                json!({ "allOf": [{ "$ref": "#/components/schemas/Node" }, { "properties": { "x": true }, "required": ["x"] }] }),
                json!({ "id": 1, "x": "text" }),
            ),
        ] {
            assert_eq!(made(schema.clone()), Some(value), "{schema}");
        }
        // Strangers write schemas.
        let wide: Map<String, Value> = (0..20)
            .map(|n| (format!("p{n}"), json!({ "$ref": "#/components/schemas/Wide" })))
            .collect();
        let wide = json!({ "type": "object", "required": wide.keys().collect::<Vec<_>>(), "properties": wide });
        let document = json!({ "components": { "schemas": { "Wide": wide } } });
        let maker = Maker { document: &document, whole: true, left: Cell::new(VALUES_MAX) };
        assert_eq!(maker.value(&json!({ "$ref": "#/components/schemas/Wide" }), 0), None);
        let mut deep = json!({ "type": "string" });
        for _ in 0..6 {
            deep = json!({ "type": "array", "minItems": 8, "items": deep });
        }
        assert_eq!(made(deep), None);
        assert_eq!(made(json!({ "type": "string", "minLength": 1_000_000_000_000_u64 })), None);
        // Whatever is a guess only is not given.
        assert_eq!(made(json!({ "type": "string", "pattern": "(?=x)" })), None);
    }

    #[test]
    fn the_call_is_the_most_harmless_one_that_can_be_made() {
        let document = json!({ "paths": {
            "/rates": { "post": { "requestBody": { "content": { "application/json": { "schema": { "type": "object" } } } } } },
            "/rates/{id}": {
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" }, "example": "a b" }],
                "delete": {},
                "get": { "parameters": [
                    { "name": "to", "in": "query", "required": true, "schema": { "enum": ["MX"] } },
                    { "name": "page", "in": "query", "schema": { "type": "integer" } },
                    { "name": "X-Region", "in": "header", "required": true, "schema": { "const": "it's" } },
                ] },
            },
        } });
        let call = call(&document, &|_, _, _| true).unwrap();
        assert_eq!(
            call.curl("http://g/r/v1", true).unwrap(),
            "curl -s -H \"X-API-Key: $KEY\" -H 'X-Region: it'\\''s' 'http://g/r/v1/rates/a%20b?to=MX'"
        );
        let call = super::call(&document, &|_, method, _| method == "post").unwrap();
        assert_eq!(
            call.curl("http://g/r/v1", false).unwrap(),
            "curl -s --json '{}' http://g/r/v1/rates"
        );
        let odd = json!({ "paths": { "/a": { "get": { "parameters": [
            { "name": "X", "in": "header", "required": true, "example": "\u{1b}[2J" },
        ] } } } });
        assert_eq!(super::call(&odd, &|_, _, _| true).unwrap().curl("http://g", false), None);
        let call = super::call(&document, &|_, method, _| method == "delete").unwrap();
        assert_eq!(
            call.curl("http://g", false).unwrap(),
            "curl -s -X DELETE 'http://g/rates/a%20b'"
        );
    }
}
