//! What the gateway asks of callers, said in an OpenAPI document that it serves (Security Requirement Object, OpenAPI 3.0–3.2).
//!
//! Each way in to us (a key, a token with scopes) stands together with each that the service asks for itself, since both are asked.
//! Where an operation asks for scopes here, the service's own OAuth schemes are left out of it: it is us who look at the token.

use std::collections::BTreeSet;

use pasarela_model::Scopes;

use super::{METHODS, change_members, each_member};
use crate::{
    Position,
    tree::{self, Member, Node, Object, Syntax, TreeLimits, Value},
};

const KEY: &str = "pasarelaKey";
const TOKEN: &str = "pasarelaToken";

/// What the gateway asks for.
#[derive(Clone, Copy)]
pub struct Guard<'g> {
    /// A key or a token, for every operation.
    pub keyed: bool,
    /// Which tokens are taken.
    pub tokens: TakenTokens<'g>,
    /// The scopes that an operation asks for, by its name.
    pub asked: &'g dyn Fn(&str) -> &'g [Scopes],
}

/// Which tokens are taken.
#[derive(Debug, Clone, Copy)]
pub enum TakenTokens<'g> {
    /// None.
    None,
    /// Those of somebody else.
    Issuers,
    /// Ours, which are got at this URL.
    Ours(&'g str),
}

/// Says it in a document; what cannot be read as one comes back as it is.
pub fn with_guard(document: &str, guard: &Guard<'_>) -> String {
    let Ok(mut root) = tree::parse(document, Syntax::Json, TreeLimits::default()) else {
        return document.to_owned();
    };
    let asked = scopes_asked(&root, guard);
    let Some(scopes) = asked.or(guard.keyed.then(BTreeSet::new)) else { return root.to_json() };
    let says = Says { own: root.get("security").cloned(), oauth: oauth_schemes(&root), guard };
    change_members(&mut root, |members| {
        for member in members.iter_mut().filter(|member| member.key == "paths") {
            each_member(&mut member.value, |path| {
                let text = path.key.clone();
                each_member(&mut path.value, |operation| says.operation(&text, operation));
            });
        }
        if guard.keyed {
            set(members, "security", says.both(&[], says.own.as_ref(), &BTreeSet::new()));
        }
        declare(members, guard.tokens, &scopes);
    });
    root.to_json()
}

/// All scopes that operations of the document ask for; `None`: no operation asks for anything.
fn scopes_asked(root: &Node, guard: &Guard<'_>) -> Option<BTreeSet<String>> {
    let paths = root.get("paths").and_then(Node::as_object).into_iter().flat_map(Object::iter);
    let sets = paths.flat_map(|path| {
        let parts = path.value.as_object().into_iter().flat_map(Object::iter);
        parts.filter_map(|part| Some((guard.asked)(&name(&path.key, part)?))).flatten()
    });
    let sets: Vec<&Scopes> = sets.collect();
    let all = || sets.iter().flat_map(|set| set.iter()).map(str::to_owned).collect();
    (!sets.is_empty()).then(all)
}

/// What an operation of a path is called; `None`: it is none.
fn name(path: &str, part: &Member) -> Option<String> {
    if !METHODS.contains(&part.key.as_str()) && part.key != "query" {
        return None;
    }
    let id = part.value.get("operationId").and_then(Node::as_str);
    Some(id.map_or_else(|| format!("{} {path}", part.key.to_ascii_uppercase()), str::to_owned))
}

/// The document's own schemes that are about OAuth.
fn oauth_schemes(root: &Node) -> BTreeSet<String> {
    let schemes = root.pointer("/components/securitySchemes").and_then(Node::as_object);
    let is_oauth = |scheme: &&Member| {
        let kind = scheme.value.get("type").and_then(Node::as_str);
        matches!(kind, Some("oauth2" | "openIdConnect"))
    };
    let all = schemes.into_iter().flat_map(Object::iter);
    all.filter(is_oauth).map(|scheme| scheme.key.clone()).collect()
}

struct Says<'a, 'g> {
    /// What the document asks for where an operation says nothing.
    own: Option<Node>,
    oauth: BTreeSet<String>,
    guard: &'a Guard<'g>,
}

impl Says<'_, '_> {
    fn operation(&self, path: &str, part: &mut Member) {
        let Some(name) = name(path, part) else { return };
        let asked = (self.guard.asked)(&name);
        let own = part.value.get("security").cloned();
        let security = match (asked.is_empty(), own) {
            (false, own) => self.both(asked, own.as_ref().or(self.own.as_ref()), &self.oauth),
            (true, Some(own)) if self.guard.keyed => self.both(&[], Some(&own), &BTreeSet::new()),
            // It goes by what the document says for all.
            _ => return,
        };
        change_members(&mut part.value, |members| set(members, "security", security));
    }

    /// Each of our requirements together with each of the service's, but for some of its schemes.
    fn both(&self, asked: &[Scopes], own: Option<&Node>, without: &BTreeSet<String>) -> Node {
        let theirs: Vec<Vec<Member>> = match own.map(|own| &own.value) {
            Some(Value::Array(all)) if !all.is_empty() => {
                let members = |one: &Node| {
                    let members = one.as_object().into_iter().flat_map(Object::iter);
                    members.filter(|scheme| !without.contains(&scheme.key)).cloned().collect()
                };
                all.iter().map(members).collect()
            }
            _ => vec![Vec::new()],
        };
        let mut all: Vec<Node> = Vec::new();
        for our in self.ours(asked) {
            for their in &theirs {
                let one = [vec![our.clone()], their.clone()].concat();
                let one = node(Value::Object(Object::new(one)));
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        node(Value::Array(all))
    }

    /// A key; or a token, with one of the sets of scopes.
    fn ours(&self, asked: &[Scopes]) -> Vec<Member> {
        let key = member(KEY, Value::Array(Vec::new()));
        let token = |scopes: &Scopes| {
            let text = |scope: &str| node(Value::String(scope.to_owned()));
            let scopes = match self.guard.tokens {
                TakenTokens::Ours(_) => scopes.iter().map(text).collect(),
                // Before 3.1 a scheme of another type has no list to put them into.
                TakenTokens::Issuers | TakenTokens::None => Vec::new(),
            };
            member(TOKEN, Value::Array(scopes))
        };
        let tokens: Vec<Member> = match (self.guard.tokens, asked) {
            (TakenTokens::None, _) => Vec::new(),
            (_, []) => vec![token(&Scopes::default())],
            (_, asked) => asked.iter().map(token).collect(),
        };
        [vec![key], tokens].concat()
    }
}

/// Declares our schemes among the document's.
fn declare(members: &mut Vec<Member>, tokens: TakenTokens<'_>, scopes: &BTreeSet<String>) {
    let text = |text: &str| Value::String(text.to_owned());
    let object = |members| Value::Object(Object::new(members));
    let key = vec![
        member("type", text("apiKey")),
        member("in", text("header")),
        member("name", text("X-API-Key")),
    ];
    let token = match tokens {
        TakenTokens::None => None,
        TakenTokens::Issuers => Some(vec![
            member("type", text("http")),
            member("scheme", text("bearer")),
            member("bearerFormat", text("JWT")),
        ]),
        TakenTokens::Ours(url) => {
            let scopes = scopes.iter().map(|scope| member(scope, text(""))).collect();
            let flow = vec![member("tokenUrl", text(url)), member("scopes", object(scopes))];
            let flows = vec![member("clientCredentials", object(flow))];
            Some(vec![member("type", text("oauth2")), member("flows", object(flows))])
        }
    };
    if !members.iter().any(|member| member.key == "components") {
        members.push(member("components", object(Vec::new())));
    }
    for components in members.iter_mut().filter(|member| member.key == "components") {
        change_members(&mut components.value, |parts| {
            if !parts.iter().any(|part| part.key == "securitySchemes") {
                parts.push(member("securitySchemes", object(Vec::new())));
            }
            for schemes in parts.iter_mut().filter(|part| part.key == "securitySchemes") {
                change_members(&mut schemes.value, |schemes| {
                    set(schemes, KEY, node(object(key.clone())));
                    if let Some(token) = &token {
                        set(schemes, TOKEN, node(object(token.clone())));
                    }
                });
            }
        });
    }
}

fn node(value: Value) -> Node {
    Node { at: Position::START, value }
}

fn member(key: &str, value: Value) -> Member {
    Member { key: key.to_owned(), key_at: Position::START, value: node(value) }
}

/// Puts a member in place of the one with its key, or at the end.
fn set(members: &mut Vec<Member>, key: &str, value: Node) {
    match members.iter_mut().find(|member| member.key == key) {
        Some(member) => member.value = value,
        None => members.push(Member { key: key.to_owned(), key_at: Position::START, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: &str = r#""components":{"securitySchemes":{"basic":{"type":"http","scheme":"basic"},"login":{"type":"oauth2","flows":{}}}}"#;

    /// The requirements of the document and of its two operations, `a` and `GET /b`, of which `a` asks for `scopes`.
    fn said(
        guard: (bool, TakenTokens<'_>),
        scopes: &[Scopes],
        own: &str,
        of_b: &str,
    ) -> [String; 3] {
        let document = format!(
            r#"{{"openapi":"3.0.3","info":{{}},{own}"paths":{{"/a":{{"get":{{"operationId":"a"}}}},"/b":{{"get":{{{of_b}}},"summary":"b"}}}},{SCHEMES}}}"#
        );
        let asked = |name: &str| if name == "a" { scopes } else { &[] };
        let text = with_guard(&document, &Guard { keyed: guard.0, tokens: guard.1, asked: &asked });
        let root = tree::parse(&text, Syntax::Json, TreeLimits::default()).unwrap();
        let at = |pointer: &str| root.pointer(pointer).map_or("-".to_owned(), Node::to_json);
        ["/security", "/paths/~1a/get/security", "/paths/~1b/get/security"].map(at)
    }

    #[test]
    fn each_way_in_stands_with_each_that_the_service_asks_for() {
        let read = [Scopes::of_text("read write"), Scopes::of_text("admin")];
        let ours = TakenTokens::Ours("https://a/oauth/token");
        let (key, none) = (r#"{"pasarelaKey":[]}"#, "-");
        let with_basic = r#"[{"pasarelaKey":[],"basic":[]},{"pasarelaToken":[],"basic":[]}]"#;
        let basic = r#""security":[{"basic":[]}]"#;
        for (guard, scopes, own, of_b, expected) in [
            ((false, TakenTokens::None), &[][..], "", "", [none, none, none].map(str::to_owned)),
            (
                (true, TakenTokens::None),
                &[],
                "",
                "",
                [&format!("[{key}]"), none, none].map(str::to_owned),
            ),
            (
                (true, TakenTokens::Issuers),
                &[],
                r#""security":[{"basic":[]}],"#,
                r#""security":[]"#,
                [with_basic, none, r#"[{"pasarelaKey":[]},{"pasarelaToken":[]}]"#]
                    .map(str::to_owned),
            ),
            (
                (false, ours),
                &read,
                r#""security":[{"login":["read"]}],"#,
                basic,
                [
                    r#"[{"login":["read"]}]"#.to_owned(),
                    format!(
                        r#"[{key},{{"pasarelaToken":["read","write"]}},{{"pasarelaToken":["admin"]}}]"#
                    ),
                    r#"[{"basic":[]}]"#.to_owned(),
                ],
            ),
        ] {
            assert_eq!(said(guard, scopes, own, of_b), expected, "{own} {of_b}");
        }
    }

    #[test]
    fn schemes_are_declared_beside_the_service_s_own() {
        let read = [Scopes::of_text("read")];
        let asked = |_: &str| &read[..];
        let tokens = TakenTokens::Ours("https://a/oauth/token");
        let document =
            format!(r#"{{"openapi":"3.0.3","paths":{{"/a":{{"get":{{}}}}}},{SCHEMES}}}"#);
        let text = with_guard(&document, &Guard { keyed: false, tokens, asked: &asked });
        let root = tree::parse(&text, Syntax::Json, TreeLimits::default()).unwrap();
        let schemes = root.pointer("/components/securitySchemes").unwrap().to_json();
        let ours = r#""pasarelaKey":{"type":"apiKey","in":"header","name":"X-API-Key"},"pasarelaToken":{"type":"oauth2","flows":{"clientCredentials":{"tokenUrl":"https://a/oauth/token","scopes":{"read":""}}}}"#;
        assert!(schemes.contains(ours) && schemes.contains(r#""basic""#), "{schemes}");
        assert_eq!(with_guard("[", &Guard { keyed: true, tokens, asked: &asked }), "[");
        let open = Guard { keyed: false, tokens, asked: &|_| &[] };
        assert_eq!(with_guard(&document, &open), document, "who asks for nothing says nothing");
    }
}
