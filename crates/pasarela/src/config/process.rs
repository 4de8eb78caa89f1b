//! Reads the sections about the process: listeners, TLS, storage, limits, logs, traces.

use std::{net::SocketAddr, num::NonZeroUsize};

use pasarela_model::{ClientAuth, IpNet, Limits, UpstreamTls};

use super::{
    address,
    apis::upstream_tls,
    fault::Code,
    mail, pem,
    settings::{AccessLog, Listen, Settings, Storage, Tls, Traces},
    tree::Node,
    units,
    walk::{Fields, Shape, Walk},
};

/// Reads everything but the lists of the file. Where something is wrong, the default stands in:
/// the fault is written down and the file will be refused.
pub(crate) fn settings(walk: &Walk<'_>, root: &Fields<'_>) -> Settings {
    let default = Settings::default();
    let listen = root.get("listen").and_then(|node| listen(walk, node)).unwrap_or_default();
    let tls = tls(walk, root, (listen.tls.is_some(), listen.smtp.is_some()));
    let storage = root.get("storage").and_then(|node| storage(walk, node));
    let stored = root.get("storage").is_some();
    let mail = mail::settings(walk, root, listen.smtp.is_some(), stored);
    Settings {
        workers: root.get("workers").and_then(|node| workers(walk, node)),
        tls: tls.unwrap_or_default(),
        administered: storage.is_some(),
        storage: storage.unwrap_or(default.storage),
        shared_limits: root.get("shared_limits").and_then(|node| shared_limits(walk, node)),
        access_log: root.get("logs").and_then(|node| access_log(walk, node)).unwrap_or_default(),
        traces: root.get("traces").and_then(|node| traces(walk, node)),
        mail: mail.unwrap_or_default(),
        listen,
    }
}

fn workers(walk: &Walk<'_>, node: &Node) -> Option<NonZeroUsize> {
    let workers = walk.integer(node, "`workers`", 1..=1024)?;
    NonZeroUsize::new(usize::try_from(workers).ok()?)
}

fn listen(walk: &Walk<'_>, node: &Node) -> Option<Listen> {
    const KEYS: [&str; 5] = ["gateway", "tls", "console", "internal", "smtp"];
    let fields = walk.fields(node, "`listen`", &KEYS)?;
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    let default = Listen::default();
    let mut read = |key: &'static str, default: Option<SocketAddr>| {
        let node = fields.get(key);
        let address = match node {
            Some(node) => walk.parse(node, &format!("`{key}`"), &address::LISTEN, address::listen),
            None => default,
        }?;
        if let Some((other, _)) = taken.iter().find(|(_, other)| overlap(*other, address)) {
            walk.fault(
                Code::ListenTwice,
                node.map_or(fields.span, |node| node.span),
                format!("`{key}` wants {address}, which `{other}` already has."),
                "Give each listener a port of its own.",
            );
        }
        taken.push((key, address));
        Some(address)
    };
    let listen = Listen {
        gateway: read("gateway", Some(default.gateway)).unwrap_or(default.gateway),
        tls: read("tls", None),
        console: read("console", Some(default.console)).unwrap_or(default.console),
        internal: read("internal", None),
        smtp: read("smtp", None),
    };
    Some(listen)
}

/// Whether two listeners cannot both be opened. Port 0 is chosen by the system and never clashes.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || any)
}

/// `listening`: there is a TLS listener; `mail`: one for mail, which can go over to TLS.
fn tls(walk: &Walk<'_>, root: &Fields<'_>, (listening, mail): (bool, bool)) -> Option<Tls> {
    let Some(node) = root.get("tls") else {
        if listening {
            let listen = root.get("listen").and_then(|node| walk.entries(node, "`listen`"));
            let key = listen.and_then(|keys| keys.iter().find(|entry| entry.key == "tls"));
            walk.fault(
                Code::TlsIncomplete,
                key.map_or(root.span, |entry| entry.key_span),
                "`listen` has a `tls` address, but there is no certificate to show there.",
                "Add `tls: { certificates: [{ cert: site.pem, key: site.key }] }`.",
            );
        }
        return None;
    };
    if !listening && !mail {
        walk.warn(
            Code::NoEffect,
            root.key_span("tls"),
            "`tls` has no effect: no TLS listener is open.",
            "Add `tls: 0.0.0.0:8443` under `listen`.",
        );
    }
    let fields =
        walk.fields(node, "`tls`", &["certificates", "client", "client_ca", "client_crl"])?;
    let cure = "Write `certificates: [{ cert: site.pem, key: site.key }]`.";
    let certificates = walk.need(&fields, "certificates", cure).and_then(|node| {
        let items = walk.list(node, "`certificates`")?;
        if items.is_empty() {
            walk.fault(
                Code::TlsIncomplete,
                node.span,
                "There is no certificate in this list.",
                cure,
            );
        }
        let all = items.iter().map(|item| {
            let fields = walk.fields(item, "a certificate", &["cert", "key"])?;
            pem::certificate_and_key(walk, &fields)
        });
        // Each is read, so that all faults are found, before the first that failed counts.
        all.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()
    });
    let modes = [
        ("off", ClientAuth::Off),
        ("optional", ClientAuth::Optional),
        ("required", ClientAuth::Required),
    ];
    let client = fields
        .get("client")
        .map_or(Some(ClientAuth::Off), |node| walk.word(node, "`client`", &modes));
    let client_ca_pem = fields.get("client_ca").map(|node| pem::authorities(walk, node));
    let client_crl_pem = fields.get("client_crl").map(|node| pem::revocation_lists(walk, node));
    if client == Some(ClientAuth::Off) && client_crl_pem.is_some() {
        walk.warn(
            Code::NoEffect,
            fields.key_span("client_crl"),
            "`client_crl` has no effect: clients are not asked for a certificate.",
            "Add `client: required` or `client: optional`.",
        );
    }
    match (client, &client_ca_pem) {
        (Some(ClientAuth::Optional | ClientAuth::Required), None) => walk.fault(
            Code::TlsIncomplete,
            fields.key_span("client"),
            "Client certificates are asked for, but nothing says who may have issued them.",
            "Add `client_ca: ca.pem` with the certificates of the issuers.",
        ),
        (Some(ClientAuth::Off), Some(_)) => walk.warn(
            Code::NoEffect,
            fields.key_span("client_ca"),
            "`client_ca` has no effect: clients are not asked for a certificate.",
            "Add `client: required` or `client: optional`.",
        ),
        _ => (),
    }
    Some(Tls {
        certificates: certificates?,
        client: client?,
        client_ca_pem: client_ca_pem.flatten(),
        client_crl_pem: client_crl_pem.flatten(),
    })
}

fn storage(walk: &Walk<'_>, node: &Node) -> Option<Storage> {
    // `postgres://me:password@…`: what comes out of a variable may not be told either.
    let text = walk.text(node, "`storage`")?;
    let text = hide_password(walk, node, text);
    if let Some(folder) = text.value.strip_prefix("sqlite:") {
        let folder = folder.strip_prefix("//").unwrap_or(folder);
        if folder.is_empty() {
            return walk.parse_text(&text, &address::STORAGE_URL, |_| {
                Err("the folder after `sqlite:` is missing".into())
            });
        }
        return Some(Storage::Sqlite(walk.resolve(folder)));
    }
    let url = walk.parse_text(&text, &address::STORAGE_URL, |text| {
        if !text.contains("://") {
            return Err("it begins with neither `sqlite:` nor `postgres://`".into());
        }
        address::url(text, &["postgres", "postgresql"])
            .map_err(|why| why.replace("postgres or postgresql", "sqlite or postgres"))
    })?;
    Some(Storage::Postgres(url))
}

fn shared_limits(walk: &Walk<'_>, node: &Node) -> Option<address::Url> {
    let text = walk.text(node, "`shared_limits`")?;
    let text = hide_password(walk, node, text);
    let url = walk
        .parse_text(&text, &address::REDIS_URL, |text| address::url(text, &["redis", "rediss"]))?;
    walk.warn(
        Code::SharedLimitsUnused,
        node.span,
        "Limits are not shared between nodes by this version; each node counts its own.",
        "Nothing has to be done; take the line away to silence this.",
    );
    Some(url)
}

/// A URL that may carry a password is not told, and its line not shown. A user's plain name is
/// left out of lines anyhow.
pub(crate) fn hide_password(
    walk: &Walk<'_>,
    node: &Node,
    mut text: super::walk::Text,
) -> super::walk::Text {
    if let Some((before, _)) = text.value.rsplit_once('@') {
        let user = before.rsplit_once("//").map_or(before, |(_, user)| user);
        if !user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            walk.hide(node.span);
        }
        text.keep_secret();
    }
    text
}

fn access_log(walk: &Walk<'_>, node: &Node) -> Option<AccessLog> {
    let fields = walk.fields(node, "`logs`", &["access"])?;
    let text = walk.text(fields.get("access")?, "`access`")?;
    match text.value.as_str() {
        "stdout" => Some(AccessLog::Stdout),
        "off" => Some(AccessLog::Off),
        "" | "stderr" | "on" => {
            walk.fault(
                Code::Impossible,
                text.span,
                format!("{} is not possible for the access log.", text.shown),
                "Write stdout, off or the path of a file.",
            );
            None
        }
        path => {
            let path = walk.resolve(path);
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) {
                walk.fault(
                    Code::File,
                    text.span,
                    format!("{} cannot be written: its folder does not exist.", text.shown),
                    "Make the folder, or write another path; paths are relative to this file.",
                );
                return None;
            }
            Some(AccessLog::File(path))
        }
    }
}

fn traces(walk: &Walk<'_>, node: &Node) -> Option<Traces> {
    const SAMPLE: Shape = Shape {
        code: Code::Impossible,
        noun: "a share of requests",
        cure: "Write a number from 0 to 1, such as 1.0 for every request or 0.01 for one in a hundred.",
    };
    let fields = walk.fields(node, "`traces`", &["otlp", "tls", "sample", "service"])?;
    let otlp = walk
        .need(&fields, "otlp", "Write where they go, such as `otlp: http://127.0.0.1:4318`.")
        .and_then(|node| {
            let text = hide_password(walk, node, walk.text(node, "`otlp`")?);
            if text.value.contains('?') {
                // Hosted collectors are given tokens there.
                walk.hide(node.span);
                let cure = "Take it away; a user and a password before an `@` are sent.";
                let message = "The collector's address has a `?…` part, which would not be sent.";
                walk.fault(address::OTLP_URL.code, text.span, message, cure);
                return None;
            }
            walk.parse_text(&text, &address::OTLP_URL, |text| {
                address::url(text, &["http", "https"])
            })
        });
    let tls = fields.get("tls").map_or(Some(UpstreamTls::default()), |node| {
        if otlp.as_ref().is_some_and(|url| url.scheme != "https") {
            let span = fields.key_span("tls");
            let cure = "Make the collector's address an https:// one, or take `tls` away.";
            walk.warn(
                Code::NoEffect,
                span,
                "`tls` has no effect: spans are sent over http://.",
                cure,
            );
        }
        upstream_tls(walk, node)
    });
    let sample = fields
        .get("sample")
        .map_or(Some(1_000_000), |node| walk.parse(node, "`sample`", &SAMPLE, units::fraction));
    let service = fields.get("service").map_or(Some("pasarela".to_owned()), |node| {
        let text = walk.text(node, "`service`")?;
        if text.value.trim().is_empty() {
            let cure = "Write a name such as pasarela.";
            walk.fault(Code::Impossible, text.span, "The name of the service is empty.", cure);
            return None;
        }
        Some(text.value)
    });
    Some(Traces { otlp: otlp?, tls: tls?, sample_per_million: sample?, service: service? })
}

/// L14: networks whose forwarding headers are believed.
pub(crate) fn trusted_proxies(walk: &Walk<'_>, node: &Node) -> Vec<IpNet> {
    let items = walk.list(node, "`trusted_proxies`").unwrap_or_default();
    let read = |item| walk.parse(item, "a trusted proxy", &address::NETWORK, address::network);
    items.iter().filter_map(read).collect()
}

/// Reads a list of fields into `Limits`, each by its kind; the names are those of the fields.
macro_rules! limits {
    ($walk:ident, $fields:ident, $limits:ident, { $($field:ident: $kind:ident $range:expr,)* }) => {
        $(if let Some(node) = $fields.get(stringify!($field)) {
            let what = concat!("`", stringify!($field), "`");
            if let Some(value) = $kind($walk, node, what, $range) {
                $limits.$field = value;
            }
        })*
        /// The keys of `limits`.
        const KEYS: &[&str] = &[$(stringify!($field),)*];
    };
}

/// Reads `limits`. The ranges keep out what would stop the gateway from serving anybody or let one
/// connection eat the machine; within them the operator decides.
pub(crate) fn limits(walk: &Walk<'_>, node: &Node) -> Limits {
    const KI: u64 = 1 << 10;
    const MI: u64 = 1 << 20;
    const MANY: u64 = 1_000_000;
    let mut limits = Limits::default();
    let Some(fields) = walk.fields(node, "`limits`", KEYS) else { return limits };
    limits!(walk, fields, limits, {
        tls_handshake: time (),
        keep_alive_idle: time (),
        connections_per_ip: count 1..=MANY,
        connections: count 0..=100 * MANY,
        request_line_bytes: bytes 64..=MI,
        header_bytes: bytes 256..=16 * MI,
        header_fields: count 1..=10_000,
        header_time: time (),
        body_rate_bytes: bytes 0..=1024 * MI,
        body_rate_grace: time (),
        write_stall: time (),
        drain_bytes: bytes 0..=1024 * MI,
        drain_time: time (),
        body_bytes: long 0..=u64::MAX,
        h2_streams: count 1..=10_000,
        h2_stream_window: bytes 16 * KI..=1024 * MI,
        h2_connection_window: bytes 64 * KI - 1..=1024 * MI,
        h2_window_stall: time (),
        h2_resets_per_10s: count 1..=MANY,
        h2_control_frames_per_10s: count 1..=MANY,
        h2_empty_data_frames: count 0..=MANY,
        websocket_frame_bytes: bytes 125..=1024 * MI,
        websocket_message_bytes: bytes 125..=1024 * MI,
        websocket_ping: time (),
        tcp_user_timeout: time (),
        upstream_header_bytes: bytes 256..=16 * MI,
        upstream_interim: count 0..=1_000,
        upstream_idle: time (),
        upstream_idle_connections: count 0..=MANY,
        log_ring_bytes: bytes 64 * KI..=1024 * MI,
        drain: time (),
        memory_bytes: long 0..=u64::MAX,
    });
    limits
}

fn time(walk: &Walk<'_>, node: &Node, what: &str, (): ()) -> Option<std::time::Duration> {
    walk.parse(node, what, &units::DURATION, units::duration)
}

fn count(
    walk: &Walk<'_>,
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u32> {
    walk.integer(node, what, range).and_then(|value| u32::try_from(value).ok())
}

fn bytes(
    walk: &Walk<'_>,
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u32> {
    long(walk, node, what, range).and_then(|value| u32::try_from(value).ok())
}

/// A size within a range.
pub(crate) fn long(
    walk: &Walk<'_>,
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u64> {
    let text = walk.text(node, what)?;
    let value = walk.parse_text(&text, &units::SIZE, units::size)?;
    if range.contains(&value) {
        return Some(value);
    }
    let (least, most) = (units::grouped(*range.start()), units::grouped(*range.end()));
    walk.fault(
        Code::Impossible,
        text.span,
        format!("{} is out of range for {what}.", text.shown),
        format!("Write a size from {least} to {most} bytes."),
    );
    None
}
