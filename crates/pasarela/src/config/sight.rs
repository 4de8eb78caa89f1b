//! Reads who may see an API, and from where it and its callers are: `visibility` and `networks`.

use pasarela_model::{IpNet, Visibility};

use super::{
    address,
    fault::Code,
    walk::{Fields, Walk, start_of},
};

/// `reached`: there is an internal listener, or networks are named.
pub(super) fn visibility(
    walk: &Walk<'_>,
    fields: &Fields<'_>,
    reached: bool,
) -> Option<Visibility> {
    let words = [
        ("private", Visibility::Private),
        ("partner", Visibility::Partner),
        ("public", Visibility::Public),
    ];
    let node = fields.get("visibility");
    let visibility =
        node.map_or(Some(Visibility::default()), |node| walk.word(node, "`visibility`", &words))?;
    if visibility == Visibility::Private && !reached {
        let (is, span) = match node {
            Some(node) => ("it is private", node.span),
            None => ("it is private, as every API that says nothing else", fields.span),
        };
        walk.warn(
            Code::Unreachable,
            span,
            format!("This API answers nobody but applications of an owner's organisation: {is}, and there is no internal listener."),
            "Add `internal: 10.0.0.5:8082` under `listen`, name the `networks` that it answers, or write `visibility: public`.",
        );
    }
    Some(visibility)
}

/// `networks` of an API or an application, where it has some. An empty list would mean *from nowhere* to whoever reads it and
/// *from everywhere* to us.
pub(super) fn networks(walk: &Walk<'_>, fields: &Fields<'_>) -> Option<Vec<IpNet>> {
    let Some(node) = fields.get("networks") else { return Some(Vec::new()) };
    let items = walk.list(node, "`networks`")?;
    if items.is_empty() {
        let message = "This list of networks is empty.";
        let cure = "Write those that calls may come from, such as 10.0.0.0/8, or take the key away: then they may come from everywhere \
            that the rest allows.";
        walk.fault(Code::Network, start_of(node), message, cure);
        return None;
    }
    let read = |item| walk.parse(item, "a network", &address::NETWORK, address::network);
    items.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}
