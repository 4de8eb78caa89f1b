//! Reads what is said about mail: `mail` of the process, of an API and of an application.

use std::{collections::HashMap, time::Duration};

use pasarela_model::{
    Api, Application, Credential, Face, IpNet, MailAddress, Password, UpstreamTls, is_domain,
};

use super::{
    address,
    apis::upstream_tls,
    fault::Code,
    names::Section,
    process::{hide_password, long},
    proofs,
    settings::{Encryption, Interrupted, Mail, Relay},
    tree::Node,
    units,
    walk::{Fields, Shape, Walk, start_of},
};

const ADDRESS: Shape = Shape {
    code: Code::MailAddress,
    noun: "an address of mail",
    cure: "Write one such as orders@gw.example.com: plain ASCII, without quotes.",
};
const NAME: Shape = Shape {
    code: Code::Host,
    noun: "a name for a mail server",
    cure: "Write the host name that mail is sent to, such as gw.example.com.",
};
const RELAY_URL: Shape = Shape {
    code: Code::Relay,
    noun: "the address of a relay",
    cure: "Write smtp://user@mail.example.com:587 (STARTTLS) or smtps://user@mail.example.com (TLS at once).",
};

const KEYS: [&str; 9] = [
    "name",
    "relay",
    "bounces",
    "trusted_relays",
    "login_without_tls",
    "message_bytes",
    "idle",
    "patience",
    "interrupted",
];

/// `mail` at the top. `listening`: where the SMTP listener stands, if there is one; `stored`: there is a store.
pub(super) fn settings(
    walk: &Walk<'_>,
    root: &Fields<'_>,
    listening: bool,
    stored: bool,
) -> Option<Mail> {
    if listening && !stored {
        let listen = root.get("listen").and_then(|node| walk.entries(node, "`listen`"));
        let key = listen.and_then(|keys| keys.iter().find(|entry| entry.key == "smtp"));
        walk.fault(
            Code::MailStore,
            key.map_or(root.span, |entry| entry.key_span),
            "Mail is acknowledged once it is kept, and there is nowhere to keep it.",
            "Add `storage: sqlite:./pasarela-data`, or a PostgreSQL server.",
        );
    }
    let mut mail = Mail::default();
    let Some(node) = root.get("mail") else { return Some(mail) };
    if !listening {
        walk.warn(
            Code::NoEffect,
            root.key_span("mail"),
            "`mail` has no effect: no SMTP listener is open.",
            "Add `smtp: 0.0.0.0:2525` under `listen`.",
        );
    }
    let fields = walk.fields(node, "`mail`", &KEYS)?;
    let nets = |key: &str| networks(walk, fields.get(key));
    let relay = fields.get("relay").map(|node| relay(walk, node));
    let name = fields.get("name").map(|node| {
        walk.parse(node, "`name`", &NAME, |text| match is_domain(text) && text.contains('.') {
            true => Ok(text.to_ascii_lowercase()),
            false => Err("it is no host name with a domain".to_owned()),
        })
    });
    let bounces = fields.get("bounces").map(|node| mailbox(walk, node, "`bounces`"));
    let time = |key: &str, default: Duration| {
        fields.get(key).map_or(Some(default), |node| {
            walk.parse(node, &format!("`{key}`"), &units::DURATION, units::duration)
        })
    };
    let words = [("retry", Interrupted::Retry), ("fault", Interrupted::Fault)];
    let interrupted = fields
        .get("interrupted")
        .map_or(Some(mail.interrupted), |node| walk.word(node, "`interrupted`", &words));
    let bytes = fields.get("message_bytes").map_or(Some(mail.message_bytes), |node| {
        long(walk, node, "`message_bytes`", 1 << 10..=256 << 20)
    });
    let (trusted, open) = (nets("trusted_relays"), nets("login_without_tls"));
    let (idle, patience) = (time("idle", mail.idle), time("patience", mail.patience));
    mail.name = name.map_or(Some(None), |name| name.map(Some))?;
    mail.relay = relay.map_or(Some(None), |relay| relay.map(Some))?;
    mail.bounces = bounces.map_or(Some(None), |address| address.map(Some))?;
    (mail.trusted, mail.open_login) = (trusted?, open?);
    (mail.message_bytes, mail.idle, mail.patience) = (bytes?, idle?, patience?);
    mail.interrupted = interrupted?;
    Some(mail)
}

fn networks(walk: &Walk<'_>, node: Option<&Node>) -> Option<Vec<IpNet>> {
    let Some(node) = node else { return Some(Vec::new()) };
    let read = |item| walk.parse(item, "a network", &address::NETWORK, address::network);
    let items = walk.list(node, "a list of networks")?;
    items.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn mailbox(walk: &Walk<'_>, node: &Node, what: &str) -> Option<MailAddress> {
    walk.parse(node, what, &ADDRESS, |text| {
        let why = "it is not `name@domain`, as plain as servers agree on";
        MailAddress::read(text).ok_or_else(|| why.to_owned())
    })
}

fn relay(walk: &Walk<'_>, node: &Node) -> Option<Relay> {
    let fields = walk.fields(node, "`relay`", &["url", "password", "tls", "encryption"])?;
    let cure = "Write `url: smtp://user@mail.example.com:587`.";
    let url = walk.need(&fields, "url", cure).and_then(|node| {
        let text = hide_password(walk, node, walk.text(node, "`url`")?);
        walk.parse_text(&text, &RELAY_URL, |text| {
            let url = address::url(text, &["smtp", "smtps"])?;
            match () {
                () if url.password.is_some() => Err("a password stands under `password`".into()),
                () if !url.path.is_empty() || url.query.is_some() => {
                    Err("a relay has no path".into())
                }
                () => Ok(url),
            }
        })
    });
    let password = fields.get("password").map(|node| match proofs::password(walk, node)? {
        Password::Text(secret) => Some(secret),
        Password::Sha256(_) => {
            let message = "A relay wants the password itself, not its digest.";
            walk.fault(
                Code::Relay,
                start_of(node),
                message,
                "Write { file: path } or { env: NAME }.",
            );
            None
        }
    });
    let tls = fields
        .get("tls")
        .map_or_else(|| Some(UpstreamTls::default()), |node| upstream_tls(walk, node));
    let words = [("on", true), ("off", false)];
    let encrypted =
        fields.get("encryption").map_or(Some(true), |node| walk.word(node, "`encryption`", &words));
    let (url, password) = (url?, password.map_or(Some(None), |read| read.map(Some))?);
    let (tls, encrypted) = (tls?, encrypted?);
    let refuse = |key: &str, message: &str, cure: &str| {
        walk.fault(Code::Relay, fields.key_span(key), message, cure);
    };
    if url.user.is_some() != password.is_some() {
        let message = "A relay is given a user and a password, or neither.";
        refuse(
            "url",
            message,
            "Write the user before the @ of `url`, and add `password: { file: … }`.",
        );
        return None;
    }
    let encryption = match (encrypted, url.scheme.as_str()) {
        (true, "smtps") => Encryption::AtOnce,
        (true, _) => Encryption::StartTls,
        (false, "smtps") => {
            refuse("encryption", "smtps:// is encrypted.", "Write smtp://, or take the key away.");
            return None;
        }
        (false, _) if password.is_some() => {
            let message = "The password would be sent for everybody to read.";
            refuse("encryption", message, "Take the key away: STARTTLS is spoken then.");
            return None;
        }
        (false, _) => Encryption::Off,
    };
    Some(Relay { url, password, tls, encryption })
}

/// `mail` of the APIs: at which addresses each is written to. `listening`: there is an SMTP listener.
pub(super) fn recipients(
    walk: &Walk<'_>,
    section: &Section<'_>,
    apis: &mut [Option<Api>],
    listening: bool,
) {
    let mut taken: HashMap<String, u32> = HashMap::new();
    for (item, api) in section.items.iter().zip(apis) {
        let Some(fields) = item.as_ref().map(|item| &item.fields) else { continue };
        let Some(node) = fields.get("mail") else { continue };
        let list = addresses(walk, node, &mut taken);
        let Some(read) = api else { continue };
        if !read.faces.contains(&Face::Soap) {
            walk.fault(
                Code::MailFace,
                fields.key_span("mail"),
                "This API has no SOAP face, and letters hold SOAP messages.",
                "Add soap to its `faces`, or take the key away.",
            );
        } else if !listening {
            walk.warn(
                Code::NoEffect,
                fields.key_span("mail"),
                "`mail` has no effect: no SMTP listener is open.",
                "Add `smtp: 0.0.0.0:2525` under `listen`.",
            );
        }
        match list {
            Some(list) => read.mail = list,
            None => *api = None,
        }
    }
}

/// `mail` of the applications: from which addresses each writes.
pub(super) fn senders(
    walk: &Walk<'_>,
    section: &Section<'_>,
    applications: &mut [Option<Application>],
) {
    let mut taken: HashMap<String, u32> = HashMap::new();
    for (item, application) in section.items.iter().zip(applications) {
        let fields = item.as_ref().map(|item| &item.fields);
        let Some(node) = fields.and_then(|fields| fields.get("mail")) else { continue };
        match (addresses(walk, node, &mut taken), application) {
            (Some(list), Some(read)) => {
                read.credentials.extend(list.into_iter().map(Credential::Mailbox));
            }
            (_, application) => *application = None,
        }
    }
}

fn addresses(
    walk: &Walk<'_>,
    node: &Node,
    taken: &mut HashMap<String, u32>,
) -> Option<Vec<MailAddress>> {
    let read = |item: &Node| {
        let address = mailbox(walk, item, "an address of mail")?;
        let span = start_of(item);
        if let Some(line) = taken.insert(address.key(), span.line) {
            walk.fault(
                Code::MailAddress,
                span,
                format!("This address stands in line {line} already."),
                "Write each address once: it says whose a letter is.",
            );
            return None;
        }
        Some(address)
    };
    let items = walk.list(node, "`mail`")?;
    items.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}
