//! Reads `organisations`, `applications` and `plans`: who calls, and under which terms.

use std::collections::HashMap;

use pasarela_model::{
    Api, Application, Credential, KeyDigest, Organisation, OrganisationKind, Plan, Subscription,
};
use sha2::{Digest as _, Sha256};

use super::{
    client_certificates,
    fault::{Code, Span},
    issuers,
    names::{Item, Section},
    oauth,
    price::Price,
    proofs, scopes,
    sight::networks,
    signatures,
    tree::{Kind, Node},
    walk::{Walk, start_of},
};

pub(crate) const ORGANISATION_KEYS: [&str; 2] = ["name", "kind"];
pub(crate) const APPLICATION_KEYS: [&str; 13] = [
    "name",
    "organisation",
    "subscriptions",
    "keys",
    "mail",
    "tokens",
    "client_certificates",
    "signatures",
    "users",
    "certificates",
    "networks",
    "scopes",
    "clients",
];

/// Bytes of a file that holds an API key.
const KEY_BYTES_MAX: u64 = 4 << 10;

pub(crate) fn organisations(walk: &Walk<'_>, section: &Section<'_>) -> Vec<Option<Organisation>> {
    let kinds = [
        ("owner", OrganisationKind::Owner),
        ("partner", OrganisationKind::Partner),
        ("customer", OrganisationKind::Customer),
    ];
    let read = |item: &Item<'_>| {
        let kind = walk.need(&item.fields, "kind", "Write `kind: partner`, owner or customer.");
        let kind = kind.and_then(|node| walk.word(node, "`kind`", &kinds));
        Some(Organisation { name: item.name.as_ref()?.value.clone(), kind: kind? })
    };
    section.items.iter().map(|item| item.as_ref().and_then(read)).collect()
}

/// What the applications are checked against.
pub(crate) struct Offer<'o, 'n> {
    pub(crate) organisations: &'o Section<'n>,
    pub(crate) plans: &'o Section<'n>,
    pub(crate) apis: &'o Section<'n>,
    pub(crate) issuers: &'o Section<'n>,
    /// The gateway issues tokens itself.
    pub(crate) issued: bool,
    pub(crate) read_apis: &'o [Option<Api>],
    pub(crate) read_plans: &'o [Option<(Plan, Option<Price>)>],
}

/// What an application has that no other may have.
#[derive(Default)]
struct Taken {
    /// By which application, as messages call it, and in which line.
    keys: HashMap<KeyDigest, (String, u32)>,
    proofs: proofs::Taken,
    client_certificates: client_certificates::Taken,
    signatures: signatures::Taken,
    clients: issuers::Clients,
    own_clients: oauth::Clients,
}

pub(crate) fn applications(
    walk: &Walk<'_>,
    section: &Section<'_>,
    offer: &Offer<'_, '_>,
) -> Vec<Option<Application>> {
    let mut taken = Taken::default();
    let mut bills = Bills::default();
    let mut out = Vec::with_capacity(section.items.len());
    for (index, item) in section.items.iter().enumerate() {
        let application = item.as_ref().and_then(|item| {
            let application = application(walk, item, offer, &mut taken)?;
            bills.add(walk, index, item, &application, offer);
            Some(application)
        });
        out.push(application);
    }
    out
}

fn application(
    walk: &Walk<'_>,
    item: &Item<'_>,
    offer: &Offer<'_, '_>,
    taken: &mut Taken,
) -> Option<Application> {
    let fields = &item.fields;
    let organisation = fields
        .get("organisation")
        .map(|node| offer.organisations.refer_one(walk, node, "`organisation`"));
    let subscriptions = fields
        .get("subscriptions")
        .map_or(Some(Vec::new()), |node| subscriptions(walk, node, offer));
    let credentials = fields.get("keys").map_or(Some(Vec::new()), |node| {
        let Some(items) = walk.list(node, "`keys`") else {
            walk.hide_all(node);
            return None;
        };
        let digests: Vec<_> = items
            .iter()
            .map(|key| {
                let digest = digest_of(walk, key, "key")?;
                let name = item.name.as_ref().map_or("", |name| name.shown.as_str());
                let span = start_of(key);
                if let Some((other, line)) = taken.keys.get(&digest) {
                    walk.fault(
                        Code::DuplicateCredential,
                        span,
                        format!("The application {other} in line {line} already has this key."),
                        "Give each application a key of its own: a key says who calls.",
                    );
                    return None;
                }
                taken.keys.insert(digest, (name.to_owned(), span.line));
                Some(Credential::ApiKey(digest))
            })
            .collect();
        digests.into_iter().collect()
    });
    let name = item.name.as_ref().map_or("", |name| name.shown.as_str());
    let proofs = proofs::read(walk, fields, name, &mut taken.proofs);
    let certificates =
        client_certificates::read(walk, fields, name, &mut taken.client_certificates);
    let signatures = signatures::read(walk, fields, name, &mut taken.signatures);
    let tokens = fields
        .get("tokens")
        .map_or(Some(Vec::new()), |node| taken.clients.read(walk, node, name, offer.issuers));
    let clients = fields
        .get("clients")
        .map_or(Some(Vec::new()), |node| taken.own_clients.read(walk, node, name, offer.issued));
    let networks = networks(walk, fields);
    let scopes = scopes::granted(walk, fields);
    Some(Application {
        name: item.name.as_ref()?.value.clone(),
        organisation: organisation.map_or(Some(None), |found| found.map(Some))?,
        subscriptions: subscriptions?,
        credentials: [credentials?, proofs?, certificates?, signatures?, tokens?, clients?]
            .concat(),
        networks: networks?,
        scopes: scopes?,
        ..Application::default()
    })
}

fn subscriptions(walk: &Walk<'_>, node: &Node, offer: &Offer<'_, '_>) -> Option<Vec<Subscription>> {
    let mut list: Vec<Subscription> = Vec::new();
    let mut fine = true;
    for item in walk.list(node, "`subscriptions`")? {
        let Some(found) = subscription(walk, item, offer) else {
            fine = false;
            continue;
        };
        for subscription in found {
            if list.iter().any(|other| other.api == subscription.api) {
                fine = false;
                walk.fault(
                    Code::Subscription,
                    start_of(item),
                    "This application already subscribes to this API.",
                    "Keep one subscription to each version of an API: a call counts on one plan.",
                );
                break;
            }
            list.push(subscription);
        }
    }
    fine.then_some(list)
}

/// One entry of `subscriptions`: every version of the API that offers the plan, or the one named.
fn subscription(walk: &Walk<'_>, node: &Node, offer: &Offer<'_, '_>) -> Option<Vec<Subscription>> {
    let fields = walk.fields(node, "a subscription", &["api", "version", "plan"])?;
    let api = walk
        .need(&fields, "api", "Write the API's name: `api: rates`.")
        .and_then(|node| walk.text(node, "`api`"));
    let found = api.as_ref().and_then(|api| offer.apis.refer(walk, api));
    let plan_node = walk.need(&fields, "plan", "Write one of the API's plans: `plan: free`.");
    let plan = plan_node.and_then(|node| offer.plans.refer_one(walk, node, "`plan`"));
    let version = fields.get("version").map_or(Some(None), |node| {
        walk.integer(node, "the major version of an API", 1..=65_535).map(Some)
    });
    let (api, found, plan, version) = (api?, found?, plan?, version?);

    let known = |index: &usize| offer.read_apis.get(*index).and_then(Option::as_ref);
    if found.iter().any(|index| known(index).is_none()) {
        // The API itself is at fault; nothing can be said about who subscribes to it.
        return Some(Vec::new());
    }
    let wanted = |api: &Api| version.is_none_or(|version| u64::from(api.version) == version);
    let of_version: Vec<usize> =
        found.iter().copied().filter(|index| known(index).is_some_and(wanted)).collect();
    if of_version.is_empty() {
        walk.fault(
            Code::Subscription,
            fields.get("version").map_or(fields.span, |node| node.span),
            format!("{} has no version {}.", api.shown, version.unwrap_or_default()),
            "Write a version that is declared under `apis`, or none to mean all of them.",
        );
        return None;
    }
    let offering: Vec<Subscription> = of_version
        .iter()
        .filter(|index| known(index).is_some_and(|api| api.plans.contains(&plan)))
        .map(|index| Subscription { api: *index, plan })
        .collect();
    if offering.is_empty() {
        let mut names: Vec<&str> = of_version
            .iter()
            .filter_map(known)
            .flat_map(|api| &api.plans)
            .filter_map(|plan| offer.plans.items.get(*plan)?.as_ref()?.name.as_ref())
            .map(|name| name.value.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let cure = if names.is_empty() {
            "Add it to the API's `plans`; an API without plans needs no subscription.".to_owned()
        } else {
            format!("Write one it has ({}), or add this one to its `plans`.", names.join(", "))
        };
        walk.fault(
            Code::Subscription,
            plan_node.map_or(fields.span, |node| node.span),
            format!("The API {} does not offer this plan.", api.shown),
            cure,
        );
        return None;
    }
    Some(offering)
}

/// The digest of a key, or of a client's secret: `what` it is called.
pub(super) fn digest_of(walk: &Walk<'_>, node: &Node, what: &str) -> Option<KeyDigest> {
    let code = if what == "key" { Code::ApiKey } else { Code::Issuing };
    let cure = &format!(
        "Write {{ sha256: \"…\" }} with its digest (printf %s {} | sha256sum), {{ file: path }} or {{ env: NAME }}.",
        what.to_ascii_uppercase()
    );
    let named = if what == "key" { "a key" } else { "a secret" };
    if let Kind::Scalar(_) = node.kind {
        walk.hide(node.span);
        let message = format!("A {what} is not written into the file as it is.");
        walk.fault(code, node.span, message, cure);
        return None;
    }
    let Kind::Map(entries) = &node.kind else {
        walk.hide_all(node);
        return walk.wrong_type(node, named, "one of sha256, file and env", cure);
    };
    let fields = walk.fields(node, named, &["sha256", "file", "env"])?;
    if entries.len() != 1 {
        if let Some(digest) = fields.get("sha256") {
            walk.hide_all(digest);
        }
        let message = format!("A {what} is given in one way: sha256, file or env.");
        walk.fault(code, start_of(node), message, cure);
        return None;
    }
    if let Some(node) = fields.get("sha256") {
        return digest_from_hex(walk, node, (code, cure));
    }
    let (span, key) = if let Some(node) = fields.get("file") {
        let (text, bytes) = walk.file(node, named, KEY_BYTES_MAX)?;
        (text.span, bytes)
    } else {
        let node = fields.get("env")?;
        (node.span, walk.variable(node, "`env`")?.into_bytes())
    };
    let key = pasarela_model::Secret::new(key);
    let key = trimmed(key.expose());
    match key_fault(key) {
        None => Some(KeyDigest(Sha256::digest(key).into())),
        Some(why) => {
            let message = format!("The {what} that is found there {why}.");
            let cure = format!("Put the {what} alone there: visible ASCII characters on one line.");
            walk.fault(code, span, message, cure);
            None
        }
    }
}

fn digest_from_hex(walk: &Walk<'_>, node: &Node, (code, cure): (Code, &str)) -> Option<KeyDigest> {
    // Until it proves to be a digest it may be the key itself.
    let raw_is_digest = matches!(&node.kind, Kind::Scalar(raw) if hex_digest(raw).is_some());
    if !raw_is_digest {
        walk.hide_all(node);
    }
    let text = walk.text(node, "`sha256`")?;
    if let Some(digest) = hex_digest(&text.value) {
        return Some(KeyDigest(digest));
    }
    let length = text.value.chars().count();
    let why = if length == 64 {
        "it has characters other than 0-9 and a-f".to_owned()
    } else {
        format!("it has {length} characters instead of 64")
    };
    walk.fault(code, text.span, format!("This is not a SHA-256 digest: {why}."), cure);
    None
}

pub(super) fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit))
        .map(u8::try_from)
        .collect::<Result<_, _>>()
        .ok()?;
    (digits.len() == 64).then(|| bytes.try_into().ok())?
}

/// An editor's line break at the end does not belong to the key.
pub(super) fn trimmed(key: &[u8]) -> &[u8] {
    let key = key.strip_suffix(b"\n").unwrap_or(key);
    key.strip_suffix(b"\r").unwrap_or(key)
}

/// Why bytes can never arrive as a key in a header field.
fn key_fault(key: &[u8]) -> Option<&'static str> {
    if key.is_empty() {
        Some("is empty")
    } else if key.contains(&b'\n') {
        Some("has several lines")
    } else if !key.iter().all(u8::is_ascii_graphic) {
        Some("has spaces or characters that no header field can carry")
    } else {
        None
    }
}

/// An application without an organisation pays for itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Payer {
    Organisation(usize),
    Application(usize),
}

/// Who pays for what: one customer is billed in one currency (monetisation reference §1).
#[derive(Default)]
struct Bills {
    /// The currency each pays in, and the line that first said so.
    currency: HashMap<Payer, (&'static str, u32)>,
}

impl Bills {
    fn add(
        &mut self,
        walk: &Walk<'_>,
        index: usize,
        item: &Item<'_>,
        application: &Application,
        offer: &Offer<'_, '_>,
    ) {
        let payer = match application.organisation {
            Some(organisation) => Payer::Organisation(organisation),
            None => Payer::Application(index),
        };
        let span: Span = item.fields.key_span("subscriptions");
        for subscription in &application.subscriptions {
            let plan = offer.read_plans.get(subscription.plan).and_then(Option::as_ref);
            let Some(price) = plan.and_then(|(_, price)| price.as_ref()) else { continue };
            let code = price.currency.code;
            let (first, line) = *self.currency.entry(payer).or_insert((code, span.line));
            if first != code {
                let whose = match payer {
                    Payer::Organisation(_) => "organisation",
                    Payer::Application(_) => "application",
                };
                let at = if line == span.line { "here".into() } else { format!("in line {line}") };
                walk.fault(
                    Code::CurrencyMix,
                    span,
                    format!("This {whose} would pay in {code}, but {at} already pays in {first}."),
                    "Offer it plans in one currency; one invoice has one currency.",
                );
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let hex = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        let digest = hex_digest(hex).unwrap();
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(b"password")));
        assert_eq!(hex_digest(&hex.to_uppercase()), Some(digest));
        assert_eq!(hex_digest(&hex[1..]), None);
        assert_eq!(hex_digest(&format!("{hex}00")), None);
        assert_eq!(hex_digest(&hex.replace('5', "é")), None);
    }

    #[test]
    fn an_editor_s_line_break_is_no_part_of_a_key() {
        assert_eq!(trimmed(b"k\r\n"), b"k");
        assert_eq!(trimmed(b"k\n\n"), b"k\n");
        assert!(
            key_fault(b"").is_some() && key_fault(b"a b").is_some() && key_fault(b"ok").is_none()
        );
    }
}
