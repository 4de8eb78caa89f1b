//! The OpenAPI 3.1 document of the administration API, made from the table.

use serde_json::{Map, Value, json};

use super::{
    fields::{self, Field},
    problem::Code,
    table::{ROUTES, Route, SHAPES, Verb},
};

/// The document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let method = match route.method {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method.to_owned(), operation(route));
        }
    }
    let mut schemas: Map<String, Value> =
        SHAPES.iter().map(|(name, fields)| ((*name).to_owned(), fields::object(fields))).collect();
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pasarela administration",
            "version": "1",
            "description": "Organisations, members, applications, keys, plans, subscriptions, and the log of every change. \
                Send the ETag you got as If-Match where a request changes what you have read; send an Idempotency-Key with a POST that you may have to repeat.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/admin/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let (Some(body), Some(object)) = (route.body, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": fields::object(body) } });
        object.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = names.map(|name| {
        json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 },
        })
    });
    let query = route.query.iter().map(|field| {
        let schema = fields::object(std::slice::from_ref(field));
        let schema = schema.pointer(&format!("/properties/{}", field.name)).cloned();
        json!({ "name": field.name, "in": "query", "description": field.about, "schema": schema })
    });
    let mut all: Vec<_> = path.chain(query).collect();
    if route.versioned {
        all.push(json!({
            "name": "If-Match", "in": "header", "required": true,
            "description": "The ETag of what was read.",
            "schema": { "type": "string", "pattern": "^\"[0-9]{1,18}\"$" },
        }));
    }
    if route.method == Verb::Post && !route.invitation {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "Repeated with the same request it changes nothing more; kept for 24 hours.",
            "schema": { "type": "string", "pattern": "^[!-~]{1,128}$" },
        }));
    }
    all
}

fn responses(route: &Route) -> Value {
    let one = json!({ "$ref": format!("#/components/schemas/{}", route.answer) });
    let schema = match route.page {
        false => one,
        true => json!({
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": one },
                "next": { "type": ["string", "null"], "description": "Give it as `after`; null at the end." },
            },
            "required": ["items", "next"],
            "additionalProperties": false,
        }),
    };
    let status = if route.creates { "201" } else { "200" };
    let mut all = Map::new();
    all.insert(
        status.to_owned(),
        json!({ "description": route.summary, "content": { "application/json": { "schema": schema } } }),
    );
    for code in Code::ALL.iter().filter(|code| meets(route, **code)) {
        let status = code.status().as_u16().to_string();
        let about = all.get(&status).and_then(|known| known["description"].as_str());
        let about = match about {
            Some(known) => format!("{known}; {} ({})", code.title(), code.code()),
            None => format!("{} ({})", code.title(), code.code()),
        };
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        all.insert(status, json!({ "description": about, "content": content }));
    }
    Value::Object(all)
}

/// Whether a route can answer with a code.
fn meets(route: &Route, code: Code) -> bool {
    let reads = route.method == Verb::Get;
    match code {
        Code::Unauthenticated
        | Code::Malformed
        | Code::Unavailable
        | Code::TooLarge
        | Code::Broken
        | Code::Elsewhere => true,
        Code::Forbidden => !route.invitation,
        Code::NotFound => route.path.contains('{') || !reads,
        Code::Stale | Code::VersionNeeded => !reads,
        Code::MediaType => route.body.is_some(),
        Code::Faulty => route.large,
        Code::KeyReused | Code::Suspended | Code::Unknown | Code::State | Code::Clash => !reads,
        Code::Impossible => !reads || route.path == "/audit",
    }
}

fn problem() -> Value {
    const FIELDS: &[Field] = &[
        Field::need("type", TEXT, "Its code as a URN."),
        Field::need("title", TEXT, "What it is."),
        Field::need("status", fields::Kind::Integer { min: 400, max: 599 }, "The status."),
        Field::need("detail", TEXT, "What about it, this time."),
        Field::need("code", TEXT, "The code; `pasarela explain` has its page."),
        Field::need("instance", TEXT, "The X-Request-Id of this answer, as a URN."),
        Field::may(
            "errors",
            fields::Kind::Objects(super::table::REMARK),
            "Each thing that is wrong.",
        ),
    ];
    const TEXT: fields::Kind = fields::Kind::Text { max: 100_000, pattern: None };
    fields::object(FIELDS)
}
