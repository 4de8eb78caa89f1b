//! Reads `users` and `certificates` of an application: what it proves itself with in SOAP messages.

use std::collections::HashMap;

use pasarela_model::{Credential, Password, Secret};
use pasarela_soap::security::DistinguishedName;

use super::{
    fault::{Code, Span},
    parties::{hex_digest, trimmed},
    pem,
    tree::{Kind, Node},
    walk::{Fields, Text, Walk, start_of},
};

/// Bytes of a file that holds a password.
const PASSWORD_BYTES_MAX: u64 = 4 << 10;

/// What is taken already, and by whom: the application as messages call it, and its line.
#[derive(Default)]
pub(super) struct Taken {
    users: HashMap<String, (String, u32)>,
    certificates: HashMap<Vec<u8>, (String, u32)>,
    subjects: Vec<(DistinguishedName, (String, u32))>,
}

/// All of an application that is called so.
pub(super) fn read(
    walk: &Walk<'_>,
    fields: &Fields<'_>,
    name: &str,
    taken: &mut Taken,
) -> Option<Vec<Credential>> {
    let users = fields.get("users").map_or(Some(Vec::new()), |node| {
        let Some(items) = walk.list(node, "`users`") else {
            walk.hide_all(node);
            return None;
        };
        let users: Vec<_> = items.iter().map(|item| user(walk, item, name, taken)).collect();
        users.into_iter().collect()
    });
    let certificates = fields.get("certificates").map_or(Some(Vec::new()), |node| {
        let items = walk.list(node, "`certificates`")?;
        let read: Vec<_> = items.iter().map(|item| certificate(walk, item, name, taken)).collect();
        read.into_iter().collect()
    });
    let mut all: Vec<Credential> = users?;
    all.extend(certificates?);
    Some(all)
}

fn user(walk: &Walk<'_>, node: &Node, whose: &str, taken: &mut Taken) -> Option<Credential> {
    if !matches!(node.kind, Kind::Map(_)) {
        walk.hide_all(node);
    }
    let fields = walk.fields(node, "a user", &["name", "password"])?;
    let name = walk
        .need(&fields, "name", "Write the name that is sent as `wsse:Username`.")
        .and_then(|node| walk.text(node, "`name`"))
        .and_then(|name| user_name(walk, name));
    let cure = "Write `password: { file: secrets/alice.password }`.";
    let password = walk.need(&fields, "password", cure).and_then(|node| password(walk, node));
    let (name, password) = (name?, password?);
    if let Some((other, line)) = taken.users.get(&name.value) {
        return twice(walk, name.span, other, *line, "this user");
    }
    taken.users.insert(name.value.clone(), (whose.to_owned(), name.span.line));
    Some(Credential::User { name: name.value, password })
}

fn user_name(walk: &Walk<'_>, name: Text) -> Option<Text> {
    if !name.value.trim().is_empty() {
        return Some(name);
    }
    let cure = "Write the name that is sent as `wsse:Username`.";
    walk.fault(Code::Impossible, name.span, "A user has a name.", cure);
    None
}

fn twice<T>(walk: &Walk<'_>, span: Span, other: &str, line: u32, what: &str) -> Option<T> {
    let message = format!("The application {other} in line {line} already has {what}.");
    let cure = "Give each application its own: it says who sends a message.";
    walk.fault(Code::DuplicateCredential, span, message, cure);
    None
}

pub(super) fn password(walk: &Walk<'_>, node: &Node) -> Option<Password> {
    const CURE: &str = "Write { file: path }, { env: NAME }, or { sha256: \"…\" } with its digest (printf %s PASSWORD | sha256sum); \
        of a digest no PasswordDigest can be checked.";
    let Kind::Map(entries) = &node.kind else {
        walk.hide_all(node);
        let message = "A password is not written into the file as it is.";
        walk.fault(Code::Password, start_of(node), message, CURE);
        return None;
    };
    let fields = walk.fields(node, "a password", &["sha256", "file", "env"])?;
    if entries.len() != 1 {
        walk.hide_all(node);
        let message = "A password is given in one way: sha256, file or env.";
        walk.fault(Code::Password, start_of(node), message, CURE);
        return None;
    }
    if let Some(node) = fields.get("sha256") {
        // Until it proves to be a digest it may be the password itself.
        walk.hide_all(node);
        let text = walk.text(node, "`sha256`")?;
        let digest = hex_digest(&text.value);
        if digest.is_none() {
            let message = "This is not a SHA-256 digest: it has 64 characters, 0-9 and a-f.";
            walk.fault(Code::Password, text.span, message, CURE);
        }
        return digest.map(|digest| Password::Sha256(pasarela_model::KeyDigest(digest)));
    }
    let (span, bytes) = if let Some(node) = fields.get("file") {
        let (text, bytes) = walk.file(node, "a password", PASSWORD_BYTES_MAX)?;
        (text.span, bytes)
    } else {
        let node = fields.get("env")?;
        (node.span, walk.variable(node, "`env`")?.into_bytes())
    };
    let whole = Secret::new(bytes);
    let password = trimmed(whole.expose());
    let fine = std::str::from_utf8(password).is_ok_and(|text| {
        !text.is_empty() && text.chars().all(pasarela_soap::xml::is_char) && !text.contains('\r')
    });
    if !fine {
        let message =
            "The password that is found there is empty, or is no text that a message can hold.";
        let cure = "Put the password alone there, as UTF-8 text.";
        walk.fault(Code::Password, span, message, cure);
        return None;
    }
    Some(Password::Text(Secret::new(password)))
}

fn certificate(walk: &Walk<'_>, node: &Node, whose: &str, taken: &mut Taken) -> Option<Credential> {
    const CURE: &str = "Write { file: acme.pem }, or { subject: \"CN=tracker,O=ACME\" } of one that a trusted authority issued.";
    let fields = walk.fields(node, "a certificate", &["file", "subject"])?;
    match (fields.get("file"), fields.get("subject")) {
        (Some(file), None) => {
            let (text, der) = pem::signer(walk, file)?;
            if let Some((other, line)) = taken.certificates.get(&der) {
                return twice(walk, text.span, other, *line, "this certificate");
            }
            taken.certificates.insert(der.clone(), (whose.to_owned(), text.span.line));
            Some(Credential::Certificate(der))
        }
        (None, Some(subject)) => {
            let text = walk.text(subject, "`subject`")?;
            let Some(read) = DistinguishedName::read(&text.value) else {
                let message = format!("{} is no distinguished name.", text.shown);
                let cure = "Write it as openssl x509 -noout -subject -nameopt RFC2253 shows it: CN=tracker,O=ACME.";
                walk.fault(Code::Certificate, text.span, message, cure);
                return None;
            };
            if let Some((_, (other, line))) =
                taken.subjects.iter().find(|(known, _)| *known == read)
            {
                return twice(walk, text.span, other, *line, "this subject");
            }
            taken.subjects.push((read, (whose.to_owned(), text.span.line)));
            Some(Credential::Subject(text.value))
        }
        _ => {
            let message = "A certificate is named in one way: file or subject.";
            walk.fault(Code::Certificate, start_of(node), message, CURE);
            None
        }
    }
}
