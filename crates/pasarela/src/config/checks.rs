//! Reads `validate`: which messages are held against the contract.

use pasarela_model::{Check, Checks};

use super::{
    tree::{Kind, Node},
    walk::Walk,
};

const WORDS: [(&str, Check); 3] =
    [("off", Check::Off), ("report", Check::Report), ("enforce", Check::Enforce)];

/// One word for both directions, or one for each.
pub(super) fn read(walk: &Walk<'_>, node: &Node) -> Option<Checks> {
    if matches!(node.kind, Kind::Scalar(_)) {
        let both = walk.word(node, "`validate`", &WORDS)?;
        return Some(Checks { requests: both, answers: both });
    }
    let fields = walk.fields(node, "`validate`", &["requests", "answers"])?;
    let one = |key: &str| {
        fields
            .get(key)
            .map_or(Some(Check::Off), |node| walk.word(node, &format!("`{key}`"), &WORDS))
    };
    let (requests, answers) = (one("requests"), one("answers"));
    Some(Checks { requests: requests?, answers: answers? })
}
