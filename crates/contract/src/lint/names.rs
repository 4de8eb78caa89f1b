//! Rules for how a path is written (identification of resources).

use super::{Look, Rule};
use crate::tree::Member;

/// Verbs that are no nouns.
const VERBS: [&str; 14] = [
    "get", "create", "update", "delete", "add", "remove", "fetch", "retrieve", "insert", "modify",
    "save", "find", "do", "execute",
];
/// Verbs that are nouns, too, where they stand alone.
const VERBS_BEFORE_NOUNS: [&str; 6] = ["list", "set", "make", "edit", "read", "write"];
const EXTENSIONS: [&str; 8] = ["json", "xml", "html", "csv", "yaml", "txt", "php", "aspx"];

pub(super) fn check(look: &mut Look<'_>, path: &Member) {
    let (text, at) = (path.key.as_str(), path.key_at);
    if text.len() > 1 && text.ends_with('/') {
        let message = format!("the path `{text}` ends in a slash");
        look.say(
            Rule::TrailingSlash,
            at,
            message,
            "leave it away: it is another address without it",
        );
    }
    let literals: Vec<&str> =
        text.split('/').filter(|segment| !segment.contains(['{', '}'])).collect();
    let any = |found: fn(char) -> bool| literals.iter().any(|segment| segment.contains(found));
    if any(|c| c.is_uppercase()) {
        let message = format!("there are capital letters in the path `{text}`");
        look.say(Rule::Capitals, at, message, "write it in small letters, words joined by `-`");
    }
    if any(|c| c == '_') {
        let message = format!("there are underscores in the path `{text}`");
        look.say(Rule::Underscores, at, message, "join words by `-`: links are often underlined");
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    let extension = last.rsplit_once('.').map(|(_, extension)| extension);
    if let Some(extension) = extension.filter(|e| EXTENSIONS.contains(&&*e.to_ascii_lowercase())) {
        let message = format!("the path `{text}` names the file format `{extension}`");
        look.say(Rule::Extension, at, message, "let the caller choose by `Accept`");
    }
    for segment in literals {
        if let Some(verb) = verb(segment) {
            let message = format!("the path `{text}` says what is done: `{verb}`");
            look.say(
                Rule::Verb,
                at,
                message,
                "name the thing; the method says what is done with it",
            );
        }
    }
}

/// The verb that a segment begins with.
fn verb(segment: &str) -> Option<String> {
    let end = |(at, c): (usize, char)| {
        (at > 0 && (c.is_uppercase() || !c.is_alphanumeric())).then_some(at)
    };
    let at = segment.char_indices().find_map(end).unwrap_or(segment.len());
    let first = segment.get(..at)?.to_lowercase();
    let alone = at == segment.len();
    let is_verb = VERBS.contains(&&*first) || (!alone && VERBS_BEFORE_NOUNS.contains(&&*first));
    is_verb.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_told_from_nouns() {
        for (segment, expected) in [
            ("getOrders", Some("get")),
            ("get-orders", Some("get")),
            ("get_orders", Some("get")),
            ("create", Some("create")),
            ("listOrders", Some("list")),
            ("list", None),
            ("settings", None),
            ("set", None),
            ("additions", None),
            ("getaways", None),
            ("orders", None),
            ("document", None),
            ("", None),
        ] {
            assert_eq!(verb(segment).as_deref(), expected, "{segment}");
        }
    }
}
