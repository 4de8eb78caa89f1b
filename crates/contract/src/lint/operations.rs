//! Rules for what an operation takes and gives.

use std::collections::HashSet;

use super::{Look, Rule};
use crate::tree::{Member, Node, Value};

/// Methods that have a key of their own in a path item.
const METHODS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// Query parameters by which a method is carried past HTTP.
const TUNNELS: [&str; 4] = ["_method", "method", "action", "cmd"];

/// One operation.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    member: &'a Member,
    node: &'a Node,
}

pub(super) fn check<'a>(look: &mut Look<'a>, path: &'a Member, item: &'a Node) {
    let shared = list(item.get("parameters"));
    twins(look, shared);
    let additional = look.members(item.get("additionalOperations"));
    let own = look.members(Some(item)).into_iter();
    let own = own.filter(|(member, _)| METHODS.contains(&member.key.as_str()));
    for (member, node) in own.chain(additional) {
        if node.as_object().is_none() {
            continue;
        }
        let operation = Operation { method: &member.key, path: &path.key, member, node };
        about(look, &operation);
        parameters(look, &operation, shared);
        body(look, &operation);
        responses(look, &operation);
    }
}

impl Operation<'_> {
    fn name(&self) -> String {
        format!("`{}` of `{}`", self.method, self.path)
    }
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn about(look: &mut Look<'_>, operation: &Operation<'_>) {
    let (node, at) = (operation.node, operation.member.key_at);
    if node.get("operationId").is_none() {
        let message = format!("{} has no `operationId`", operation.name());
        look.say(Rule::OperationId, at, message, "name it: generated clients call it by this name");
    }
    if node.get("summary").is_none() && node.get("description").is_none() {
        let message = format!("{} has neither `summary` nor `description`", operation.name());
        look.say(Rule::Summary, at, message, "say in a sentence what it does");
    }
    let declared = list(look.root.get("tags"));
    let names: Vec<&str> = declared.iter().filter_map(|tag| tag.get("name")?.as_str()).collect();
    for tag in list(node.get("tags")) {
        let unknown = tag.as_str().filter(|text| !names.is_empty() && !names.contains(text));
        if let Some(text) = unknown {
            let message = format!("the tag `{text}` is not among the document's `tags`");
            look.say(Rule::Tag, tag.at, message, "add it there, or use one that is");
        }
    }
}

/// Where a parameter is and what it is called.
fn key<'a>(look: &Look<'a>, parameter: &'a Node) -> Option<(&'a str, &'a str)> {
    let node = look.resolved(parameter);
    Some((node.get("in")?.as_str()?, node.get("name")?.as_str()?))
}

fn twins<'a>(look: &mut Look<'a>, parameters: &'a [Node]) {
    let mut seen = HashSet::new();
    for parameter in parameters {
        let Some(key) = key(look, parameter) else { continue };
        if !seen.insert(key) {
            let message = format!("the parameter `{}` is declared twice", key.1);
            look.say(Rule::TwinParameters, parameter.at, message, "keep one of the two");
        }
    }
}

fn parameters<'a>(look: &mut Look<'a>, operation: &Operation<'a>, shared: &'a [Node]) {
    let own = list(operation.node.get("parameters"));
    twins(look, own);
    let all: Vec<&'a Node> = own.iter().chain(shared).collect();
    let keys: Vec<_> = all.iter().map(|parameter| key(look, parameter)).collect();
    let templated = templated(operation.path);
    for name in &templated {
        if !keys.contains(&Some(("path", name))) {
            let message = format!("{} declares no path parameter `{name}`", operation.name());
            let cure = "add it to `parameters` with `in: path` and `required: true`";
            look.say(Rule::PathParameter, operation.member.key_at, message, cure);
        }
    }
    for (parameter, key) in all.iter().zip(keys) {
        let Some((place, name)) = key else { continue };
        let node = look.resolved(parameter);
        if place == "path" && !templated.contains(&name) {
            let message =
                format!("the path parameter `{name}` does not stand in `{}`", operation.path);
            look.say(
                Rule::StrayParameter,
                parameter.at,
                message,
                "put it into the path, or take it out",
            );
        }
        let required = node.get("required").is_some_and(|node| node.value == Value::Bool(true));
        if place == "path" && !required {
            let message = format!("the path parameter `{name}` is not `required: true`");
            look.say(
                Rule::OptionalPath,
                node.at,
                message,
                "a path without it is another path: say so",
            );
        }
        if place == "query" && TUNNELS.contains(&name) {
            let message = format!("the parameter `{name}` says what is done");
            look.say(
                Rule::Tunnel,
                node.at,
                message,
                "let the method say it, on an address of its own",
            );
        }
    }
}

/// The names between braces.
fn templated(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

fn body<'a>(look: &mut Look<'a>, operation: &Operation<'a>) {
    let Some(body) = operation.node.get("requestBody") else { return };
    let at = operation.node.as_object().and_then(|node| node.get("requestBody"));
    let at = at.map_or(body.at, |member| member.key_at);
    if matches!(operation.method, "get" | "head" | "delete") {
        let message = format!("{} has a body", operation.name());
        let cure = "use query parameters, or POST: many programs drop or refuse such a body";
        look.say(Rule::Body, at, message, cure);
    }
    let types = look.members(look.resolved(body).get("content"));
    let plain = |(member, _): &(&Member, &Node)| {
        matches!(member.key.as_str(), "application/json" | "application/xml" | "text/xml" | "*/*")
    };
    if operation.method == "patch" && !types.is_empty() && types.iter().all(plain) {
        let message =
            format!("{} does not say how its body changes the resource", operation.name());
        let cure = "declare `application/merge-patch+json` or `application/json-patch+json`";
        look.say(Rule::Patch, at, message, cure);
    }
}

fn responses<'a>(look: &mut Look<'a>, operation: &Operation<'a>) {
    let at = operation.member.key_at;
    let all = look.members(operation.node.get("responses"));
    let all: Vec<_> = all.into_iter().filter(|(m, _)| !m.key.starts_with("x-")).collect();
    if all.is_empty() {
        let message = format!("{} describes no answer", operation.name());
        return look.say(
            Rule::Responses,
            at,
            message,
            "describe what it answers under `responses`",
        );
    }
    let has = |first: &[char]| all.iter().any(|(member, _)| member.key.starts_with(first));
    if !has(&['2', '3', 'd']) && !has(&['1']) {
        let message = format!("{} describes no success", operation.name());
        look.say(Rule::Success, at, message, "describe the answer of a call that goes well");
    }
    if !has(&['4', '5', 'd']) {
        let message = format!("{} says nothing of what can go wrong", operation.name());
        let cure = "describe a problem (RFC 9457) under `4XX` or `default`";
        look.say(Rule::Errors, at, message, cure);
    }
    let types: Vec<&str> = all
        .iter()
        .filter(|(member, _)| member.key.starts_with('2'))
        .flat_map(|(_, answer)| look.members(answer.get("content")))
        .map(|(member, _)| member.key.as_str())
        .collect();
    if !types.is_empty() && types.iter().all(|kind| kind.starts_with("text/html")) {
        let message = format!("{} answers only pages for people", operation.name());
        look.say(Rule::HtmlOnly, at, message, "offer the data, too: `application/json`");
    }
    let created = all.iter().find(|(member, _)| member.key == "201");
    if let Some((member, answer)) = created
        && operation.method == "post"
    {
        let headers = look.members(answer.get("headers"));
        if !headers.iter().any(|(member, _)| member.key.eq_ignore_ascii_case("location")) {
            let message =
                format!("{} makes something and does not say where it is", operation.name());
            look.say(Rule::Location, member.key_at, message, "declare the header `Location`");
        }
    }
}
