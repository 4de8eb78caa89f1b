//! Reads `apis`: what is put on the air, where it answers and what stands behind it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pasarela_model::{
    ActiveHealth, Api, Balance, Checks, Concurrency, Face, HashKey, HeaderMatch, HostPattern,
    HttpVersion, PassiveHealth, Retries, Timeouts, Upstream, UpstreamTarget, UpstreamTls,
    Visibility,
};
use rustls::pki_types::ServerName;

use super::{
    address, checks, contracts,
    fault::Code,
    names::{Item, Section},
    pem,
    process::{hide_password, long},
    rest, scopes,
    sight::{networks, visibility},
    tree::{Kind, Node},
    units,
    walk::{Fields, Walk, start_of},
    ws_security,
};

pub(crate) const KEYS: [&str; 29] = [
    "name",
    "version",
    "contract",
    "upstreams",
    "visibility",
    "networks",
    "mail",
    "faces",
    "rest",
    "plans",
    "host",
    "path",
    "headers",
    "balance",
    "http",
    "tls",
    "timeouts",
    "retries",
    "health",
    "concurrency",
    "upgrade",
    "body_bytes",
    "undeclared",
    "validate",
    "reply_to",
    "ws_security",
    "scopes",
    "preserve_host",
    "client_cert",
];

/// Second pass over the APIs. `None` where one has a fault: then the file is refused anyhow.
pub(crate) fn read(
    walk: &Walk<'_>,
    apis: &Section<'_>,
    plans: &Section<'_>,
    internal: bool,
) -> Vec<Option<Api>> {
    let versions = versions(walk, apis);
    let mut routes: HashMap<Route, usize> = HashMap::new();
    let mut out = Vec::with_capacity(apis.items.len());
    for (index, item) in apis.items.iter().enumerate() {
        let Some(item) = item else {
            out.push(None);
            continue;
        };
        let version = versions.get(index).copied().flatten();
        let address = Address::read(walk, item, version);
        if let Some(route) = address.route().filter(|_| version.is_some()) {
            match routes.get(&route) {
                None => {
                    routes.insert(route, index);
                }
                Some(first) => two_on_one_route(walk, apis, *first, item),
            }
        }
        out.push(one(walk, item, version, address, plans, internal));
    }
    out
}

/// Versions of all APIs, `None` for those at fault, twins of name and version among them.
fn versions(walk: &Walk<'_>, apis: &Section<'_>) -> Vec<Option<u32>> {
    let mut seen: HashMap<(&str, u32), u32> = HashMap::new();
    let mut versions = Vec::with_capacity(apis.items.len());
    for item in &apis.items {
        let version = item.as_ref().and_then(|item| {
            let cure = "Write its major version: `version: 1`.";
            let node = walk.need(&item.fields, "version", cure)?;
            let version = walk.integer(node, "the major version of an API", 1..=65_535)?;
            let version = u32::try_from(version).ok()?;
            let Some(name) = &item.name else { return Some(version) };
            match seen.get(&(name.value.as_str(), version)) {
                None => {
                    seen.insert((&name.value, version), name.span.line);
                    Some(version)
                }
                Some(line) => {
                    walk.fault(
                        Code::DuplicateName,
                        name.span,
                        format!(
                            "Version {version} of {} is already declared in line {line}.",
                            name.shown
                        ),
                        "Give one of the two another name or another version.",
                    );
                    None
                }
            }
        });
        versions.push(version);
    }
    versions
}

/// Where an API answers, as requests are compared with it.
type Route = (Option<HostPattern>, String, Vec<HeaderMatch>);

struct Address {
    host: Option<Option<HostPattern>>,
    path: Option<String>,
    headers: Option<Vec<HeaderMatch>>,
}

impl Address {
    fn read(walk: &Walk<'_>, item: &Item<'_>, version: Option<u32>) -> Self {
        let fields = &item.fields;
        let host = fields.get("host").map_or(Some(None), |node| {
            walk.parse(node, "`host`", &address::HOST, address::host).map(Some)
        });
        let path = match fields.get("path") {
            Some(node) => walk.parse(node, "`path`", &address::PATH, address::base_path),
            None => {
                item.name.as_ref().zip(version).map(|(name, v)| format!("/{}/v{v}", name.value))
            }
        };
        let headers = fields.get("headers").map_or(Some(Vec::new()), |node| headers(walk, node));
        Self { host, path, headers }
    }

    fn route(&self) -> Option<Route> {
        Some((self.host.clone()?, self.path.clone()?, self.headers.clone()?))
    }
}

fn headers(walk: &Walk<'_>, node: &Node) -> Option<Vec<HeaderMatch>> {
    let mut headers: Vec<HeaderMatch> = Vec::new();
    let mut fine = true;
    for entry in walk.entries(node, "`headers`")? {
        let key = super::walk::Text {
            value: entry.key.clone(),
            span: entry.key_span,
            shown: super::walk::shown_word(&entry.key),
            outside: false,
        };
        let name = walk.parse_text(&key, &address::HEADER_NAME, address::header_name);
        let what = "the value of a header field";
        let value = walk.parse(&entry.value, what, &address::HEADER_VALUE, address::header_value);
        let (Some(name), Some(value)) = (name, value) else {
            fine = false;
            continue;
        };
        if headers.iter().any(|header| header.name == name) {
            fine = false;
            walk.fault(
                Code::DuplicateKey,
                key.span,
                format!("The field {} is here twice; field names have no case.", key.shown),
                "Keep one of the two: a field has to have all the values asked for at once.",
            );
        }
        headers.push(HeaderMatch { name, value });
    }
    headers.sort();
    fine.then_some(headers)
}

fn two_on_one_route(walk: &Walk<'_>, apis: &Section<'_>, first: usize, item: &Item<'_>) {
    let span = ["path", "host", "headers"]
        .iter()
        .find(|key| item.fields.get(key).is_some())
        .map_or(item.fields.span, |key| item.fields.key_span(key));
    let other = apis.items.get(first).and_then(Option::as_ref);
    let name = other.and_then(|other| other.name.as_ref()).map_or("", |name| name.shown.as_str());
    let line = apis.name_span(first).line;
    walk.fault(
        Code::DuplicateRoute,
        span,
        format!(
            "This API would answer at the same host, path and headers as {name} in line {line}."
        ),
        "Give one of the two another `path`, a `host` or a header to be told apart by.",
    );
}

fn one(
    walk: &Walk<'_>,
    item: &Item<'_>,
    version: Option<u32>,
    address: Address,
    plans: &Section<'_>,
    internal: bool,
) -> Option<Api> {
    let fields = &item.fields;
    let chosen =
        fields.get("rest").map_or(Some(rest::Chosen::default()), |node| rest::read(walk, node));
    let contract = fields.get("contract").map(|node| {
        let chosen = chosen.as_ref()?;
        contracts::read(walk, node, &chosen.face, &|subject| chosen.place(subject))
    });
    let soap = contract.as_ref().map(|contract| contract.as_ref().is_some_and(|c| c.soap));
    let networks = networks(walk, fields);
    let elsewhere = internal || fields.get("networks").is_some();
    let visibility = visibility(walk, fields, elsewhere);
    // Of a contract that cannot be read nobody knows whether it would have been a WSDL.
    let unread = matches!(contract, Some(None));
    let faces = faces(walk, fields, soap.unwrap_or(false) || unread, contract.is_some());
    if let (Some(faces), Some(Some(contract))) = (&faces, &contract)
        && faces.contains(&Face::Soap)
        && !contract.soap
    {
        contracts::soap_face(walk, fields, contract)?;
    }
    if let (Some(faces), Some(Some(contract))) = (&faces, &contract)
        && faces.contains(&Face::Rest)
    {
        contracts::warn_left_out(walk, fields, contract);
    }
    let offers_rest = faces.as_ref().is_none_or(|faces| faces.contains(&Face::Rest));
    let is_wsdl = soap == Some(true) || unread;
    if fields.get("rest").is_some() && !(is_wsdl && offers_rest) {
        walk.warn(
            Code::NoEffect,
            fields.key_span("rest"),
            "`rest` has no effect: it is about the REST face of an API with a WSDL.",
            "Name a WSDL in `contract` and `rest` in `faces`, or take the key away.",
        );
    }
    let plans = fields.get("plans").map_or(Some(Vec::new()), |node| plan_list(walk, node, plans));
    let upstream = upstream(walk, fields);
    let flag = |key: &str| {
        fields.get(key).map_or(Some(false), |node| walk.flag(node, &format!("`{key}`")))
    };
    let (upgrade, preserve_host) = (flag("upgrade"), flag("preserve_host"));
    let client_cert = flag("client_cert");
    let undeclared = fields.get("undeclared").map_or(Some(false), |node| {
        walk.word(node, "`undeclared`", &[("refuse", false), ("pass", true)])
    });
    if fields.get("undeclared").is_some() && contract.is_none() {
        walk.warn(
            Code::NoEffect,
            fields.key_span("undeclared"),
            "`undeclared` has no effect: without a contract every operation passes.",
            "Add a `contract`, or take the key away.",
        );
    }
    let checks =
        fields.get("validate").map_or(Some(Checks::default()), |node| checks::read(walk, node));
    let reply_to =
        fields.get("reply_to").map_or(Some(Vec::new()), |node| reply_addresses(walk, node));
    let ws_security =
        fields.get("ws_security").map_or(Some(None), |node| ws_security::read(walk, node));
    let scopes = fields.get("scopes").map_or(Some(None), |node| {
        let passes_others = undeclared == Some(true);
        let about = scopes::About { contract: contract.as_ref(), passes_others };
        scopes::of_api(walk, node, &about)
    });
    let offers_soap = faces.as_ref().is_none_or(|faces| faces.contains(&Face::Soap));
    if fields.get("validate").is_some()
        && (soap == Some(false) || contract.is_none() || !offers_soap)
    {
        walk.warn(
            Code::NoEffect,
            fields.key_span("validate"),
            "`validate` has no effect: it is about the SOAP face of an API with a WSDL.",
            "Name a WSDL in `contract` and `soap` in `faces`, or take the key away.",
        );
    }
    if fields.get("ws_security").is_some()
        && (soap == Some(false) || contract.is_none() || !offers_soap)
    {
        walk.warn(
            Code::NoEffect,
            fields.key_span("ws_security"),
            "`ws_security` has no effect: it is about the SOAP face of an API with a WSDL.",
            "Name a WSDL in `contract` and `soap` in `faces`, or take the key away.",
        );
    } else if matches!(ws_security, Some(Some(_)))
        && offers_rest
        && plans.as_ref().is_some_and(Vec::is_empty)
    {
        walk.fault(
            Code::Impossible,
            fields.key_span("ws_security"),
            "Messages have to say who sends them, and calls of the REST face would not: without plans no key is asked for there.",
            "Leave the REST face away (`faces: [soap]`), or offer the API under `plans`.",
        );
        return None;
    }
    let body_bytes = fields
        .get("body_bytes")
        .map_or(Some(None), |node| long(walk, node, "`body_bytes`", 0..=u64::MAX).map(Some));
    if visibility == Some(Visibility::Partner) && plans.as_ref().is_some_and(Vec::is_empty) {
        walk.warn(
            Code::Unreachable,
            fields.key_span("visibility"),
            "This API answers nobody: partners reach it by a plan, and it has none.",
            "Add `plans: [name]`, or make it public or private.",
        );
    }
    let (operations, served) = match contract {
        None => (Vec::new(), None),
        Some(contract) => {
            let contract = contract?;
            (contract.operations, Some(Arc::new(contract.served)))
        }
    };
    let mut upstream = upstream?;
    upstream.preserve_host = preserve_host?;
    Some(Api {
        name: item.name.as_ref()?.value.clone(),
        version: version?,
        visibility: visibility?,
        networks: networks?,
        host: address.host?,
        base_path: address.path?,
        headers: address.headers?,
        faces: faces?,
        operations,
        pass_undeclared: undeclared?,
        contract: served,
        checks: checks?,
        reply_to: reply_to?,
        mail: Vec::new(),
        ws_security: ws_security?,
        scopes: scopes?,
        upstream,
        plans: plans?,
        upgrade: upgrade?,
        client_cert: client_cert?,
        body_bytes: body_bytes?,
    })
}

/// Addresses that answers may be sent to: whole ones, or beginnings that hold the host.
fn reply_addresses(walk: &Walk<'_>, node: &Node) -> Option<Vec<String>> {
    let items = walk.list(node, "`reply_to`")?;
    let read = |item: &Node| {
        let text = walk.text(item, "`reply_to`")?;
        let whole = match text.value.split_once("://") {
            // A beginning without the slash behind the host would let other hosts in.
            Some((_, rest)) => rest.split_once('/').is_some_and(|(host, _)| !host.is_empty()),
            None => text.value.starts_with("mailto:"),
        };
        if !whole {
            let message = format!("{} is no address for answers.", text.shown);
            let cure = "Write an absolute URL; with a slash at its end all addresses below it are meant: https://partner.example/replies/";
            walk.fault(Code::Impossible, text.span, message, cure);
            return None;
        }
        Some(text.value)
    };
    let addresses: Vec<_> = items.iter().map(read).collect();
    addresses.into_iter().collect()
}

fn faces(walk: &Walk<'_>, fields: &Fields<'_>, soap: bool, contract: bool) -> Option<Vec<Face>> {
    let both = [Face::Rest, Face::Soap];
    let own = if contract { &both[..] } else { &both[..1] };
    let Some(node) = fields.get("faces") else {
        // A SOAP service is offered over REST without a word; a REST service over SOAP where its owner says so.
        return Some(if soap { both.to_vec() } else { vec![Face::Rest] });
    };
    let items = walk.list(node, "`faces`")?;
    if items.is_empty() {
        let cure = "Write rest, soap or mcp in it, or take the key away.";
        walk.fault(Code::Impossible, node.span, "An API without a face cannot be called.", cure);
        return None;
    }
    let words = [("rest", Face::Rest), ("soap", Face::Soap), ("mcp", Face::Mcp)];
    let mut faces = Vec::new();
    let mut fine = true;
    for item in items {
        let Some(face) = walk.word(item, "`faces`", &words) else {
            fine = false;
            continue;
        };
        if faces.contains(&face) {
            fine = false;
            let message = "This face is in the list twice.";
            walk.fault(Code::Impossible, item.span, message, "Keep one of the two.");
        }
        if !own.contains(&face) {
            let (name, why) = match face {
                Face::Mcp => ("mcp", "tools for agents come in a later version"),
                _ => ("soap", "without a contract nobody knows what its messages would be"),
            };
            walk.warn(
                Code::FaceUnused,
                item.span,
                format!("The face {name} is not offered yet: {why}."),
                "Nothing has to be done; take it out of the list to silence this.",
            );
        }
        faces.push(face);
    }
    fine.then_some(faces)
}

fn plan_list(walk: &Walk<'_>, node: &Node, plans: &Section<'_>) -> Option<Vec<usize>> {
    let mut list = Vec::new();
    let mut fine = true;
    for item in walk.list(node, "`plans`")? {
        match plans.refer_one(walk, item, "`plans`") {
            None => fine = false,
            Some(plan) if list.contains(&plan) => {
                fine = false;
                let message = "This plan is in the list twice.";
                walk.fault(Code::Impossible, item.span, message, "Keep one of the two.");
            }
            Some(plan) => list.push(plan),
        }
    }
    fine.then_some(list)
}

// ---- upstreams -------------------------------------------------------------------------------

fn upstream(walk: &Walk<'_>, fields: &Fields<'_>) -> Option<Upstream> {
    let cure = "Write where its requests go: `upstreams: [http://10.1.0.9:7000]`.";
    let targets = walk.need(fields, "upstreams", cure).and_then(|node| targets(walk, node, cure));
    let balance =
        fields.get("balance").map_or(Some(Balance::default()), |node| balance(walk, node));
    let http = fields.get("http").map_or(Some(HttpVersion::default()), |node| {
        walk.word(node, "`http`", &[("1", HttpVersion::Http1), ("2", HttpVersion::Http2)])
    });
    let tls = fields.get("tls").map_or(Some(UpstreamTls::default()), |node| {
        if targets.as_ref().is_some_and(|targets| !targets.iter().any(|target| target.tls)) {
            walk.warn(
                Code::NoEffect,
                fields.key_span("tls"),
                "`tls` has no effect: no upstream of this API is an https:// URL.",
                "Write https:// in `upstreams`, or take the key away.",
            );
        }
        upstream_tls(walk, node)
    });
    let timeouts =
        fields.get("timeouts").map_or(Some(Timeouts::default()), |node| timeouts(walk, node));
    let retries =
        fields.get("retries").map_or(Some(Retries::default()), |node| retries(walk, node));
    let health = fields
        .get("health")
        .map_or(Some((PassiveHealth::default(), None)), |node| health(walk, node));
    let concurrency = fields
        .get("concurrency")
        .map_or(Some(Concurrency::default()), |node| concurrency(walk, node));
    let (passive, active) = health?;
    Some(Upstream {
        targets: targets?,
        balance: balance?,
        http: http?,
        tls: tls?,
        timeouts: timeouts?,
        retries: retries?,
        passive,
        active,
        preserve_host: false,
        concurrency: concurrency?,
    })
}

fn targets(walk: &Walk<'_>, node: &Node, cure: &str) -> Option<Vec<UpstreamTarget>> {
    let items = walk.list(node, "`upstreams`")?;
    if items.is_empty() {
        walk.fault(Code::Impossible, node.span, "There is no upstream in this list.", cure);
        return None;
    }
    let all: Vec<_> = items.iter().map(|item| target(walk, item)).collect();
    let targets: Vec<UpstreamTarget> = all.into_iter().collect::<Option<_>>()?;
    if targets.iter().all(|target| target.weight == 0) {
        walk.fault(
            Code::Impossible,
            start_of(node),
            "Every upstream of this API has the weight 0, so no request could go anywhere.",
            "Give at least one of them a weight of 1 or more.",
        );
        return None;
    }
    Some(targets)
}

fn target(walk: &Walk<'_>, node: &Node) -> Option<UpstreamTarget> {
    let (url, weight) = if matches!(node.kind, Kind::Map(_)) {
        let fields = walk.fields(node, "an upstream", &["url", "weight"])?;
        let url = walk.need(&fields, "url", "Write `url: http://10.1.0.9:7000`.");
        let weight =
            fields.get("weight").map_or(Some(1), |node| walk.integer(node, "`weight`", 0..=65_535));
        (url, weight)
    } else {
        (Some(node), Some(1))
    };
    let node = url?;
    let text = hide_password(walk, node, walk.text(node, "an upstream")?);
    let url = walk.parse_text(&text, &address::UPSTREAM_URL, |text| {
        let url = address::url(text, &["http", "https"])?;
        if url.user.is_some() || url.password.is_some() {
            return Err("a user name or password in it would not be sent".into());
        }
        if url.query.is_some() {
            return Err("an upstream has no `?…` part; that comes from the request".into());
        }
        if !url.path.is_empty() {
            address::base_path(&url.path).map_err(|why| format!("in its path, {why}"))?;
        }
        Ok(url)
    })?;
    let tls = url.scheme == "https";
    let slash = if !url.path.is_empty() && text.value.ends_with('/') { "/" } else { "" };
    Some(UpstreamTarget {
        tls,
        host: url.host,
        port: url.port.unwrap_or(if tls { 443 } else { 80 }),
        path: url.path + slash,
        weight: u16::try_from(weight?).ok()?,
    })
}

fn balance(walk: &Walk<'_>, node: &Node) -> Option<Balance> {
    let Kind::Map(_) = node.kind else {
        if let Kind::Scalar(text) = &node.kind
            && text == "hash"
        {
            walk.fault(
                Code::Impossible,
                node.span,
                "`hash` has to say of what.",
                "Write { hash: client_address }, application, path or \"header:X-Session\".",
            );
            return None;
        }
        let words = [("round_robin", false), ("least_requests", true)];
        let least = walk.word(node, "`balance`", &words)?;
        return Some(if least { Balance::LeastRequests } else { Balance::RoundRobin });
    };
    let fields = walk.fields(node, "`balance`", &["hash"])?;
    let text = walk.text(walk.need(&fields, "hash", "Write `hash: client_address`.")?, "`hash`")?;
    let key = match text.value.as_str() {
        "client_address" => HashKey::ClientAddress,
        "application" => HashKey::Application,
        "path" => HashKey::Path,
        other => match other.strip_prefix("header:") {
            Some(name) => HashKey::Header(walk.parse_text(
                &super::walk::Text { value: name.trim().to_owned(), ..text.clone() },
                &address::HEADER_NAME,
                address::header_name,
            )?),
            None => {
                walk.fault(
                    Code::Impossible,
                    text.span,
                    format!("{} is not possible for `hash`.", text.shown),
                    "Write client_address, application, path or \"header:X-Session\".",
                );
                return None;
            }
        },
    };
    Some(Balance::ConsistentHash(key))
}

/// `adaptive`, `off`, or a number.
fn concurrency(walk: &Walk<'_>, node: &Node) -> Option<Concurrency> {
    const WHAT: &str = "`concurrency`";
    match &node.kind {
        Kind::Scalar(text) if text.starts_with(|first: char| first.is_ascii_digit()) => {
            let most = walk.integer(node, WHAT, 1..=1_000_000)?;
            u32::try_from(most).ok().map(Concurrency::Fixed)
        }
        _ => {
            let words = [("adaptive", Concurrency::Adaptive), ("off", Concurrency::Off)];
            walk.word(node, WHAT, &words)
        }
    }
}

/// Also of the collector that traces go to.
pub(crate) fn upstream_tls(walk: &Walk<'_>, node: &Node) -> Option<UpstreamTls> {
    let fields = walk.fields(node, "`tls`", &["ca", "cert", "key", "server_name"])?;
    let ca_pem = fields.get("ca").map(|node| pem::authorities(walk, node));
    let with_client = fields.get("cert").is_some() || fields.get("key").is_some();
    let client = with_client.then(|| pem::certificate_and_key(walk, &fields));
    let server_name = fields.get("server_name").map(|node| {
        let text = walk.text(node, "`server_name`")?;
        match ServerName::try_from(text.value.as_str()) {
            Ok(_) => Some(text.value.to_ascii_lowercase()),
            Err(_) => {
                let message = format!("{} is not a name that a certificate can have.", text.shown);
                let cure = "Write a host name such as inner.example, without scheme and port.";
                walk.fault(Code::Host, text.span, message, cure);
                None
            }
        }
    });
    Some(UpstreamTls {
        ca_pem: ca_pem.map_or(Some(None), |ca| ca.map(Some))?,
        client: client
            .map_or(Some(None), |client| client.map(Some))?
            .map(|client| (client.chain_pem, client.key_pem)),
        server_name: server_name.map_or(Some(None), |name| name.map(Some))?,
    })
}

/// A duration under a key, or what holds without it.
fn time(walk: &Walk<'_>, fields: &Fields<'_>, key: &str, default: Duration) -> Option<Duration> {
    fields.get(key).map_or(Some(default), |node| {
        walk.parse(node, &format!("`{key}`"), &units::DURATION, units::duration)
    })
}

/// A count under a key, or what holds without it.
fn count(walk: &Walk<'_>, fields: &Fields<'_>, key: &str, least: u64, default: u32) -> Option<u32> {
    fields.get(key).map_or(Some(default), |node| {
        let value = walk.integer(node, &format!("`{key}`"), least..=1_000)?;
        u32::try_from(value).ok()
    })
}

fn timeouts(walk: &Walk<'_>, node: &Node) -> Option<Timeouts> {
    let fields = walk.fields(node, "`timeouts`", &["connect", "first_byte", "idle", "total"])?;
    let default = Timeouts::default();
    let connect = time(walk, &fields, "connect", default.connect);
    let first_byte = time(walk, &fields, "first_byte", default.first_byte);
    let idle = time(walk, &fields, "idle", default.idle);
    let total = fields.get("total").map(|_| time(walk, &fields, "total", Duration::ZERO));
    Some(Timeouts {
        connect: connect?,
        first_byte: first_byte?,
        idle: idle?,
        total: total.map_or(Some(None), |total| total.map(Some))?,
    })
}

fn retries(walk: &Walk<'_>, node: &Node) -> Option<Retries> {
    let fields = walk.fields(node, "`retries`", &["attempts", "budget"])?;
    let default = Retries::default();
    let attempts = fields
        .get("attempts")
        .map_or(Some(u64::from(default.attempts)), |node| walk.integer(node, "`attempts`", 0..=10));
    let budget = fields.get("budget").map_or(Some(default.budget_percent), |node| {
        walk.parse(node, "`budget`", &units::PERCENT, units::whole_percent)
    });
    Some(Retries { attempts: u8::try_from(attempts?).ok()?, budget_percent: budget? })
}

fn health(walk: &Walk<'_>, node: &Node) -> Option<(PassiveHealth, Option<ActiveHealth>)> {
    let fields = walk.fields(node, "`health`", &["passive", "active"])?;
    let passive =
        fields.get("passive").map_or(Some(PassiveHealth::default()), |node| passive(walk, node));
    let active = fields.get("active").map(|node| active(walk, node));
    Some((passive?, active.map_or(Some(None), |active| active.map(Some))?))
}

fn passive(walk: &Walk<'_>, node: &Node) -> Option<PassiveHealth> {
    let fields = walk.fields(node, "`passive`", &["failures", "eject", "eject_max"])?;
    let default = PassiveHealth::default();
    let failures = count(walk, &fields, "failures", 0, default.failures);
    let eject = time(walk, &fields, "eject", default.eject);
    let eject_max = time(walk, &fields, "eject_max", default.eject_max.max(eject?));
    let (eject, eject_max) = (eject?, eject_max?);
    if eject_max < eject {
        walk.fault(
            Code::Impossible,
            fields.key_span("eject_max"),
            "`eject_max` is shorter than `eject`, the first ejection.",
            "Make it at least as long: ejections double from `eject` up to `eject_max`.",
        );
        return None;
    }
    Some(PassiveHealth { failures: failures?, eject, eject_max })
}

fn active(walk: &Walk<'_>, node: &Node) -> Option<ActiveHealth> {
    const KEYS: [&str; 5] = ["path", "interval", "timeout", "healthy_after", "unhealthy_after"];
    let fields = walk.fields(node, "`active`", &KEYS)?;
    let path = walk
        .need(&fields, "path", "Write the path to ask for: `path: /health`.")
        .and_then(|node| walk.parse(node, "`path`", &address::PATH, health_path));
    let interval = time(walk, &fields, "interval", Duration::from_secs(5));
    let timeout = time(walk, &fields, "timeout", Duration::from_secs(1));
    let healthy_after = count(walk, &fields, "healthy_after", 1, 2);
    let unhealthy_after = count(walk, &fields, "unhealthy_after", 1, 3);
    Some(ActiveHealth {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        healthy_after: healthy_after?,
        unhealthy_after: unhealthy_after?,
    })
}

/// A path to ask for; unlike a base path it may end in a slash and have a query.
fn health_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err("there is a character in it that cannot stand in a request line".into());
    }
    Ok(text.to_owned())
}
