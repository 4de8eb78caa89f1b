//! Reads `issuers`: whose tokens say who calls, and by what an application is known in them.

use std::collections::HashMap;

use pasarela_gateway::jwt::KeySet;
use pasarela_model::{Credential, TokenAlgorithm, TokenIssuer, TokenKeys};

use super::{
    fault::Code,
    names::{Item, Section},
    pem,
    tree::{Kind, Node},
    walk::{Fields, Text, Walk, start_of},
};
use crate::import::Url;

pub(crate) const KEYS: [&str; 6] = ["name", "issuer", "audience", "keys", "algorithms", "client"];

/// Bytes of a key set (L33).
const SET_BYTES_MAX: u64 = 256 << 10;
/// The claims that name the client where nothing else is said: RFC 9068, OpenID Connect.
const CLIENT_CLAIMS: [&str; 2] = ["client_id", "azp"];

pub(crate) fn read(walk: &Walk<'_>, section: &Section<'_>) -> Vec<Option<TokenIssuer>> {
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut read = |item: &Item<'_>| issuer(walk, item, &mut known);
    section.items.iter().map(|item| item.as_ref().and_then(&mut read)).collect()
}

fn issuer(
    walk: &Walk<'_>,
    item: &Item<'_>,
    known: &mut HashMap<String, u32>,
) -> Option<TokenIssuer> {
    let fields = &item.fields;
    let cure =
        "Write what its tokens have as `iss`, to the letter: `issuer: https://login.example.com/`.";
    let name = walk.need(fields, "issuer", cure).and_then(|node| walk.text(node, "`issuer`"));
    if let Some(text) = &name {
        if let Some(line) = known.get(&text.value) {
            let message = format!("The issuer in line {line} has the same `iss`.");
            let cure = "Keep one of them, with all its audiences.";
            walk.fault(Code::DuplicateName, text.span, message, cure);
            return None;
        }
        known.insert(text.value.clone(), text.span.line);
    }
    let cure = "Write what its tokens for this gateway have as `aud`: a token for somebody else is none for us.";
    let audiences =
        walk.need(fields, "audience", cure).and_then(|node| texts(walk, node, "`audience`"));
    let cure =
        "Write `keys: { url: https://login.example.com/jwks.json }`, or { file: jwks.json }.";
    let keys = walk.need(fields, "keys", cure).and_then(|node| keys(walk, node));
    let algorithms = fields.get("algorithms").map_or_else(
        || Some(TokenAlgorithm::ALL.map(|(_, algorithm)| algorithm).to_vec()),
        |node| algorithms(walk, node),
    );
    let client_claims = fields.get("client").map_or_else(
        || Some(CLIENT_CLAIMS.map(str::to_owned).to_vec()),
        |node| texts(walk, node, "`client`"),
    );
    Some(TokenIssuer {
        name: item.name.as_ref()?.value.clone(),
        issuer: name?.value,
        audiences: audiences?,
        algorithms: algorithms?,
        client_claims: client_claims?,
        keys: keys?,
    })
}

/// One text, or a list of at least one.
fn texts(walk: &Walk<'_>, node: &Node, what: &str) -> Option<Vec<String>> {
    if !matches!(node.kind, Kind::List(_)) {
        return Some(vec![filled(walk, walk.text(node, what)?)?]);
    }
    let items = walk.list(node, what)?;
    let texts: Vec<_> = items.iter().map(|item| filled(walk, walk.text(item, what)?)).collect();
    let texts: Vec<String> = texts.into_iter().collect::<Option<_>>()?;
    if texts.is_empty() {
        let cure = "Write at least one.";
        walk.fault(Code::Impossible, start_of(node), format!("{what} is empty."), cure);
        return None;
    }
    Some(texts)
}

fn filled(walk: &Walk<'_>, text: Text) -> Option<String> {
    if text.value.is_empty() {
        let cure = "Write what the tokens have there.";
        walk.fault(Code::Impossible, text.span, "This text is empty.", cure);
        return None;
    }
    Some(text.value)
}

fn algorithms(walk: &Walk<'_>, node: &Node) -> Option<Vec<TokenAlgorithm>> {
    let items = walk.list(node, "`algorithms`")?;
    let read: Vec<_> =
        items.iter().map(|item| walk.word(item, "an algorithm", &TokenAlgorithm::ALL)).collect();
    let read: Vec<TokenAlgorithm> = read.into_iter().collect::<Option<_>>()?;
    if read.is_empty() {
        let cure = "Write those that it signs with: `algorithms: [RS256]`.";
        walk.fault(Code::Impossible, start_of(node), "No algorithm is allowed.", cure);
        return None;
    }
    Some(read)
}

fn keys(walk: &Walk<'_>, node: &Node) -> Option<TokenKeys> {
    let fields = walk.fields(node, "`keys`", &["file", "url", "ca"])?;
    match (fields.get("file"), fields.get("url")) {
        (Some(file), None) => {
            let (text, json) = walk.file(file, "a JSON Web Key Set", SET_BYTES_MAX)?;
            if let Err(why) = KeySet::read(&json) {
                let message = format!("{} cannot be used: {why}.", text.shown);
                let cure = "Save what the issuer publishes as its `jwks_uri`.";
                walk.fault(Code::Keys, text.span, message, cure);
                return None;
            }
            Some(TokenKeys::Set(json))
        }
        (None, Some(url)) => at(walk, url, &fields),
        _ => {
            let cure = "Write `keys: { url: https://login.example.com/jwks.json }`, or { file: jwks.json }.";
            walk.fault(Code::Keys, start_of(node), "Keys are in one place: url or file.", cure);
            None
        }
    }
}

fn at(walk: &Walk<'_>, node: &Node, fields: &Fields<'_>) -> Option<TokenKeys> {
    let text = walk.text(node, "`url`")?;
    let ca_pem = fields.get("ca").map_or(Some(None), |node| pem::authorities(walk, node).map(Some));
    let fault = |message: String, cure: &str| {
        walk.fault(Code::Url, text.span, message, cure);
        None
    };
    let url = match Url::parse(&text.value) {
        Ok(url) => url,
        Err(why) => {
            let cure = "Write the whole address: https://login.example.com/jwks.json.";
            return fault(format!("{} is no URL that can be asked: {why}.", text.shown), cure);
        }
    };
    // Whoever can change the answer on its way says who calls.
    let here = url.host == "localhost"
        || url.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if !url.secure && !here {
        let cure = "Use https; plain http is taken from this machine only.";
        return fault("Keys that come by plain http could be anybody's.".to_owned(), cure);
    }
    Some(TokenKeys::At { url: text.value.clone(), ca_pem: ca_pem? })
}

/// `tokens` of an application: what issuers call it.
#[derive(Default)]
pub(crate) struct Clients(HashMap<(usize, String), (String, u32)>);

impl Clients {
    pub(crate) fn read(
        &mut self,
        walk: &Walk<'_>,
        node: &Node,
        whose: &str,
        issuers: &Section<'_>,
    ) -> Option<Vec<Credential>> {
        let items = walk.list(node, "`tokens`")?;
        let read: Vec<_> = items.iter().map(|item| self.one(walk, item, whose, issuers)).collect();
        read.into_iter().collect()
    }

    fn one(
        &mut self,
        walk: &Walk<'_>,
        node: &Node,
        whose: &str,
        issuers: &Section<'_>,
    ) -> Option<Credential> {
        let fields = walk.fields(node, "a token", &["issuer", "client"])?;
        let cure = "Write the name of one of the `issuers`: `issuer: login`.";
        let issuer = walk
            .need(&fields, "issuer", cure)
            .and_then(|node| issuers.refer_one(walk, node, "`issuer`"));
        let cure = "Write what its tokens call this application: `client: acme-tracker`.";
        let client = walk
            .need(&fields, "client", cure)
            .and_then(|node| walk.text(node, "`client`"))
            .and_then(|text| Some((text.span, filled(walk, text)?)));
        let (issuer, (span, client)) = (issuer?, client?);
        if let Some((other, line)) = self.0.get(&(issuer, client.clone())) {
            let message =
                format!("The application {other} in line {line} already goes by this client.");
            let cure = "Give each application a client of its own: a token says who calls.";
            walk.fault(Code::DuplicateCredential, span, message, cure);
            return None;
        }
        self.0.insert((issuer, client.clone()), (whose.to_owned(), span.line));
        Some(Credential::Token { issuer, client })
    }
}
