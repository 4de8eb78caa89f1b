//! Reads `ws_security`: whether WS-Security ends at the gateway, and what it asks of messages then.

use pasarela_model::{UserPasswords, WsSecurity, X509};

use super::{
    fault::Code,
    pem,
    tree::{Kind, Node},
    walk::{Fields, Walk, start_of},
};

/// `pass`, or what `terminate` holds.
pub(super) fn read(walk: &Walk<'_>, node: &Node) -> Option<Option<WsSecurity>> {
    if matches!(node.kind, Kind::Scalar(_)) {
        walk.word(node, "`ws_security`", &[("pass", ())])?;
        return Some(None);
    }
    let fields = walk.fields(node, "`ws_security`", &["terminate"])?;
    let cure = "Write `terminate: { username: digest }`, or `ws_security: pass`.";
    let node = walk.need(&fields, "terminate", cure)?;
    terminate(walk, node).map(Some)
}

fn terminate(walk: &Walk<'_>, node: &Node) -> Option<WsSecurity> {
    let known = ["username", "x509", "timestamp", "legacy"];
    let fields = walk.fields(node, "`terminate`", &known)?;
    let words = [("any", UserPasswords::Any), ("digest", UserPasswords::Digest)];
    let username = fields
        .get("username")
        .map_or(Some(None), |node| walk.word(node, "`username`", &words).map(Some));
    let x509 = fields.get("x509").map_or(Some(None), |node| x509(walk, node).map(Some));
    let words = [("optional", false), ("required", true)];
    let timestamp =
        fields.get("timestamp").map_or(Some(false), |node| walk.word(node, "`timestamp`", &words));
    let legacy = fields.get("legacy").map_or(Some(false), |node| walk.flag(node, "`legacy`"));
    if fields.get("username").is_none() && fields.get("x509").is_none() {
        let message =
            "Nobody could say who sends a message: neither users nor certificates are taken.";
        let cure = "Add `username: digest`, `x509: { trust: partners.pem }`, or both.";
        walk.fault(Code::Impossible, start_of(node), message, cure);
        return None;
    }
    Some(WsSecurity { username: username?, x509: x509?, timestamp: timestamp?, legacy: legacy? })
}

fn x509(walk: &Walk<'_>, node: &Node) -> Option<X509> {
    let fields = walk.fields(node, "`x509`", &["trust", "require"])?;
    let trust = fields.get("trust").map_or(Some(Vec::new()), |node| pem::issuers(walk, node));
    let require = require(walk, &fields);
    let (trust, [body, timestamp, addressing]) = (trust?, require?);
    Some(X509 { trust, body, timestamp, addressing })
}

/// Which parts of a message have to be signed: Body, Timestamp, the blocks of WS-Addressing.
fn require(walk: &Walk<'_>, fields: &Fields<'_>) -> Option<[bool; 3]> {
    let Some(node) = fields.get("require") else { return Some([true; 3]) };
    let words = [("body", 0), ("timestamp", 1), ("addressing", 2)];
    let mut parts = [false; 3];
    let mut fine = true;
    for item in walk.list(node, "`require`")? {
        match walk.word(item, "`require`", &words).and_then(|at| parts.get_mut(at)) {
            Some(part) => *part = true,
            None => fine = false,
        }
    }
    if fine && !parts[0] {
        let message = "What a message asks for stands in its Body: a signature that leaves it out proves nothing about it.";
        walk.fault(Code::Impossible, node.span, message, "Add `body` to the list.");
        return None;
    }
    fine.then_some(parts)
}
