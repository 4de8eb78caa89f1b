//! Reads `oauth`, by which the gateway issues tokens itself, and `clients` of applications, to which it does.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use pasarela_gateway::oauth::ADDRESSES;
use pasarela_model::{Api, Credential, HostPattern, Issuing, LIFETIME_MAX, StoredKey, TokenIssuer};

use super::{
    address,
    fault::Code,
    names::Section,
    parties::digest_of,
    tree::Node,
    units,
    walk::{Shape, Text, Walk, start_of},
};

const KEYS: [&str; 3] = ["issuer", "audience", "lifetime"];

const ISSUER: Shape = Shape {
    code: Code::Url,
    noun: "an address that tokens can be issued under",
    cure: "Write the address under which callers reach the gateway, without a path: https://api.example.com.",
};

/// Where a file says nothing.
const LIFETIME: Duration = Duration::from_secs(600);
/// Bytes of a client's name.
const CLIENT_BYTES_MAX: usize = 256;
/// Secrets of a client that are good at a time: one, and the one after it.
const SECRETS_MAX: usize = 2;

/// The section itself.
pub(crate) fn read(
    walk: &Walk<'_>,
    node: &Node,
    issuers: &[Option<TokenIssuer>],
) -> Option<Issuing> {
    let fields = walk.fields(node, "`oauth`", &KEYS)?;
    let cure = "Write the address under which callers reach the gateway: `issuer: https://api.example.com`.";
    let issuer = walk.need(&fields, "issuer", cure).and_then(|node| issuer(walk, node, issuers));
    let audience = match fields.get("audience") {
        None => issuer.as_ref().map(|(issuer, _)| issuer.clone()),
        Some(node) => walk.text(node, "`audience`").and_then(|text| filled(walk, text)),
    };
    let lifetime = fields.get("lifetime").map_or(Some(LIFETIME), |node| lifetime(walk, node));
    let (issuer, host) = issuer?;
    Some(Issuing {
        issuer,
        host,
        audience: audience?,
        lifetime: lifetime?,
        // They are no part of the file.
        keys: Arc::default(),
    })
}

/// The issuer, and its host.
fn issuer(
    walk: &Walk<'_>,
    node: &Node,
    others: &[Option<TokenIssuer>],
) -> Option<(String, String)> {
    let text = walk.text(node, "`issuer`")?;
    let (issuer, host) = walk.parse_text(&text, &ISSUER, origin)?;
    if let Some(other) = others.iter().flatten().find(|other| other.issuer == issuer) {
        let message = format!("The issuer {} has the same `iss`.", other.name);
        let cure = "Tokens are either issued here or by somebody else.";
        walk.fault(Code::DuplicateName, text.span, message, cure);
        return None;
    }
    Some((issuer, host))
}

fn origin(text: &str) -> Result<(String, String), String> {
    let url = address::url(text, &["https", "http"])?;
    if url.user.is_some() || url.password.is_some() {
        return Err("nobody's name or password belongs into it".into());
    }
    if !url.path.is_empty() || url.query.is_some() {
        return Err("it has a path or a query".into());
    }
    let here = url.host == "localhost" || url.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if url.scheme == "http" && !here {
        return Err("secrets and tokens travel by https; plain http is for this machine".into());
    }
    let issuer = String::from_utf8_lossy(url.text().expose()).into_owned();
    Ok((issuer, url.host))
}

fn lifetime(walk: &Walk<'_>, node: &Node) -> Option<Duration> {
    let text = walk.text(node, "`lifetime`")?;
    let lifetime = walk.parse_text(&text, &units::DURATION, units::duration)?;
    if (Duration::from_secs(1)..=LIFETIME_MAX).contains(&lifetime) {
        return Some(lifetime);
    }
    let message = format!("{} is out of range for `lifetime`.", text.shown);
    let cure = "Write a duration from 1s to 1h: whoever has a stolen token has it for so long.";
    walk.fault(Code::Impossible, text.span, message, cure);
    None
}

fn filled(walk: &Walk<'_>, text: Text) -> Option<String> {
    if text.value.is_empty() {
        let cure = "Write what tokens have as `aud`, or take the key away.";
        walk.fault(Code::Impossible, text.span, "This text is empty.", cure);
        return None;
    }
    Some(text.value)
}

/// Warns of APIs whose addresses the gateway answers at itself.
pub(crate) fn warn_shadowed(
    walk: &Walk<'_>,
    issuing: &Issuing,
    section: &Section<'_>,
    apis: &[Option<Api>],
) {
    for (index, api) in apis.iter().enumerate() {
        let Some(api) = api else { continue };
        let host = match &api.host {
            None => true,
            Some(HostPattern::Exact(host)) => *host == issuing.host,
            Some(HostPattern::Wildcard(suffix)) => {
                issuing.host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        };
        let below = |address: &str| {
            let rest = address.strip_prefix(api.base_path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Some(address) = ADDRESSES.into_iter().find(|address| below(address)) else { continue };
        if host {
            let message = format!(
                "At {}{address} the gateway answers itself, and not this API.",
                issuing.issuer
            );
            let cure = "Give the API another `path` or `host`, or `oauth` an `issuer` on a host of its own.";
            walk.warn(Code::Shadowed, section.name_span(index), message, cure);
        }
    }
}

/// `clients` of applications: by whom each is taken, and in which line.
#[derive(Default)]
pub(super) struct Clients(HashMap<String, (String, u32)>);

impl Clients {
    /// All of an application that is called so. `issued`: there is an `oauth`.
    pub(super) fn read(
        &mut self,
        walk: &Walk<'_>,
        node: &Node,
        whose: &str,
        issued: bool,
    ) -> Option<Vec<Credential>> {
        let Some(items) = walk.list(node, "`clients`") else {
            walk.hide_all(node);
            return None;
        };
        if !issued && !items.is_empty() {
            let message = "Clients get tokens, but this gateway issues none.";
            let cure = "Add `oauth: { issuer: https://api.example.com }` with the address under which callers reach it.";
            walk.fault(Code::Issuing, start_of(node), message, cure);
        }
        let read: Vec<_> = items.iter().map(|item| self.one(walk, item, whose)).collect();
        read.into_iter().collect::<Option<Vec<_>>>().filter(|all| issued || all.is_empty())
    }

    fn one(&mut self, walk: &Walk<'_>, node: &Node, whose: &str) -> Option<Credential> {
        let fields = walk.fields(node, "a client", &["id", "secrets"])?;
        let cure = "Write what it calls itself: `id: acme-tracker`.";
        let id = walk
            .need(&fields, "id", cure)
            .and_then(|node| walk.text(node, "`id`"))
            .and_then(|text| client_id(walk, text));
        let cure = "Write `secrets: [{ file: secrets/acme.secret }]`.";
        let secrets = walk.need(&fields, "secrets", cure).and_then(|node| secrets(walk, node));
        let (id, secrets) = (id?, secrets?);
        if let Some((other, line)) = self.0.get(&id.value) {
            let message =
                format!("The application {other} in line {line} already has this client.");
            let cure = "Give each application a client of its own: it says who calls.";
            walk.fault(Code::DuplicateCredential, id.span, message, cure);
            return None;
        }
        self.0.insert(id.value.clone(), (whose.to_owned(), id.span.line));
        Some(Credential::Client { id: id.value, secrets })
    }
}

fn client_id(walk: &Walk<'_>, id: Text) -> Option<Text> {
    let fine = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if !id.value.is_empty() && id.value.len() <= CLIENT_BYTES_MAX && id.value.bytes().all(fine) {
        return Some(id);
    }
    let message = format!("{} cannot be the name of a client.", id.shown);
    let cure = "Write visible ASCII characters without `:`, at most 256.";
    walk.fault(Code::Impossible, id.span, message, cure);
    None
}

fn secrets(walk: &Walk<'_>, node: &Node) -> Option<Vec<StoredKey>> {
    let Some(items) = walk.list(node, "`secrets`") else {
        walk.hide_all(node);
        return None;
    };
    let read = |item| digest_of(walk, item, "secret");
    let read: Vec<_> = items.iter().map(read).collect();
    let digests: Vec<_> = read.into_iter().collect::<Option<_>>()?;
    if !(1..=SECRETS_MAX).contains(&digests.len()) {
        let message = format!("A client has one secret or two, and here are {}.", digests.len());
        let cure = "Keep the one that is used; while it is changed, the new one too.";
        walk.fault(Code::Impossible, start_of(node), message, cure);
        return None;
    }
    Some(digests.into_iter().map(|digest| StoredKey::new(digest, None)).collect())
}
