//! Which scopes an operation asks for: `security` (OpenAPI 3.0–3.2, Security Requirement Object), as far as it is about OAuth 2 and
//! OpenID Connect. Other schemes, an API key say, are none of it.
//!
//! What cannot be read is not passed over: a scope that is not seen is one that nobody has to have.

use pasarela_model::{Asked, Scopes, scope_fault};

use crate::{
    ContractFault, Faults,
    tree::{Member, Node, Value},
};

/// What the operations ask for, one after the other.
pub(super) struct Needs<'a> {
    root: &'a Node,
    operations: Vec<Asked>,
    faults: Faults,
}

impl<'a> Needs<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        Self { root, operations: Vec::new(), faults: Faults::default() }
    }

    /// The next operation: its own `security`, or else the document's.
    pub(super) fn operation(&mut self, operation: &'a Node) {
        let asked = match operation.get("security").or_else(|| self.root.get("security")) {
            None => Asked::new(),
            Some(security) => self.requirements(security),
        };
        self.operations.push(asked);
    }

    pub(super) fn said(self) -> Result<Vec<Asked>, Vec<ContractFault>> {
        self.faults.or(self.operations)
    }

    /// Of several requirements one is enough; of one, all of it is needed.
    fn requirements(&mut self, security: &'a Node) -> Asked {
        let Value::Array(requirements) = &security.value else {
            let message = format!("`security` is {}, not a list", security.kind());
            self.faults.push(security.at, message, "write `security: [{ oauth: [read] }]`");
            return Asked::new();
        };
        let mut asked = Asked::new();
        for requirement in requirements {
            let Some(schemes) = requirement.as_object() else {
                let message =
                    format!("a security requirement is {}, not an object", requirement.kind());
                self.faults.push(requirement.at, message, "write it as `{ oauth: [read] }`");
                continue;
            };
            if schemes.iter().next().is_none() {
                // Anonymous callers are welcome.
                return Asked::new();
            }
            let mut scopes: Option<Vec<&str>> = None;
            for scheme in schemes.iter() {
                if self.is_oauth(scheme) {
                    scopes.get_or_insert_default().extend(self.scopes(&scheme.value));
                }
            }
            asked.extend(scopes.map(|scopes| scopes.into_iter().collect::<Scopes>()));
        }
        asked
    }

    fn is_oauth(&mut self, scheme: &'a Member) -> bool {
        let schemes = self.root.get("components").and_then(|all| all.get("securitySchemes"));
        let declared = schemes.and_then(|schemes| schemes.get(&scheme.key));
        let declared = match declared.and_then(|declared| declared.get("$ref")) {
            None => declared,
            Some(reference) => {
                let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
                pointer.and_then(|pointer| self.root.pointer(&super::percent_decoded(pointer)))
            }
        };
        match declared.and_then(|declared| declared.get("type")).and_then(Node::as_str) {
            Some(kind) => matches!(kind, "oauth2" | "openIdConnect"),
            None => {
                let message = format!("the security scheme `{}` is not declared", scheme.key);
                let cure = "declare it under `components.securitySchemes`, with its `type`";
                self.faults.push(scheme.key_at, message, cure);
                false
            }
        }
    }

    fn scopes(&mut self, node: &'a Node) -> Vec<&'a str> {
        let Value::Array(items) = &node.value else {
            let message = format!("the scopes are {}, not a list", node.kind());
            self.faults.push(node.at, message, "write them as a list: `[read, write]`");
            return Vec::new();
        };
        let mut scopes = Vec::new();
        for item in items {
            let why = match item.as_str() {
                None => Some(format!("it is {}, not a string", item.kind())),
                Some(text) => {
                    scopes.push(text);
                    scope_fault(text).map(str::to_owned)
                }
            };
            if let Some(why) = why {
                let cure = "write scopes as RFC 6749 has them: `read`, `orders:write`";
                self.faults.push(item.at, format!("this is not a scope: {why}"), cure);
            }
        }
        scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{openapi::read, tree::Syntax};

    const SCHEMES: &str = "openapi: 3.0.3\ninfo: { title: t, version: \"1\" }\ncomponents:\n  securitySchemes:\n    \
        key: { type: apiKey, in: header, name: x }\n    login: { $ref: \"#/components/securitySchemes/oidc\" }\n    \
        oidc: { type: openIdConnect, openIdConnectUrl: https://x }\n    oauth: { type: oauth2, flows: {} }\n";

    fn asked(security: &str, own: &str) -> Result<Vec<String>, String> {
        let text = format!("{SCHEMES}{security}\npaths: {{ /a: {{ get: {{ {own} }} }} }}\n");
        let nothing = &mut pasarela_soap::xsd::NoDocuments;
        let security = read(&text, Syntax::Yaml, "a.yaml", nothing).unwrap().security;
        let texts = |needs: Vec<Asked>| needs[0].iter().map(ToString::to_string).collect();
        security.map(texts).map_err(|faults| faults[0].message.clone())
    }

    #[test]
    fn an_operation_asks_for_the_scopes_of_its_own_security_or_the_documents() {
        let none: &[&str] = &[];
        for (security, own, expected) in [
            ("", "", none),
            ("security: [{ oauth: [b, a] }]", "", &["a b"][..]),
            ("security: [{ oauth: [a] }]", "security: [{ login: [c] }]", &["c"]),
            ("security: [{ oauth: [a] }]", "security: []", none),
            ("", "security: [{ oauth: [a] }, { oidc: [b], key: [] }, { key: [] }]", &["a", "b"]),
            ("", "security: [{ oauth: [a], oidc: [b] }]", &["a b"]),
            ("", "security: [{ oauth: [a] }, {}]", none),
            ("", "security: [{ key: [] }]", none),
            ("", "security: [{ oauth: [] }]", &[""]),
        ] {
            let expected = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(asked(security, own), Ok(expected), "{security} {own}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_passed_over() {
        for (own, why) in [
            ("security: [{ ouath: [a] }]", "the security scheme `ouath` is not declared"),
            ("security: { oauth: [a] }", "`security` is an object, not a list"),
            ("security: [oauth]", "a security requirement is a string, not an object"),
            ("security: [{ oauth: a }]", "the scopes are a string, not a list"),
            (
                "security: [{ oauth: [\"a b\"] }]",
                "this is not a scope: it may have visible ASCII characters alone, and neither `\"` nor `\\`",
            ),
        ] {
            assert_eq!(asked("", own), Err(why.to_owned()), "{own}");
        }
    }
}
