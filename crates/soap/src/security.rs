//! WS-Security 1.0 and 1.1 of a message that is there as a whole: who sends it, and whether it is what was signed.
//!
//! A strict profile ([ADR 0011]): users with passwords, timestamps, and signatures with X.509 certificates over parts of the
//! message. What is not understood is refused, not stepped over. Nothing is encrypted or decrypted, and nothing is signed.
//!
//! The time is an argument, and so is what was seen before: [`examine`] says what may come only once, and whoever calls it asks
//! its [`Replays`]. Reading order: [`scan`] goes over the message, [`header`] reads what it found, [`username`] and [`signature`]
//! judge it.
//!
//! [ADR 0011]: ../../../../docs/adr/0011-ws-security.md

pub mod certificate;
pub mod distinguished;
pub mod replay;

mod algorithms;
mod der;
mod header;
mod instant;
mod scan;
mod signature;
mod tree;
mod username;

use std::{borrow::Cow, collections::HashMap, fmt, ops::Range};

pub use certificate::{Certificate, authority};
pub use distinguished::DistinguishedName;
pub use replay::{Replays, Seen};
pub use rustls_pki_types::TrustAnchor;

use crate::{Fault, Limits, envelope};

/// Seconds that what a message says of its making may lie before or behind now.
pub const FRESH_S: u64 = 300;
/// Seconds for which a message is still taken after it expired: clocks differ.
const LATE_S: u64 = 60;

/// What is asked of a security header.
#[derive(Debug, Default)]
pub struct Policy {
    /// Whether users are taken, and which passwords of theirs.
    pub username: Option<Passwords>,
    /// Whether signatures are taken.
    pub x509: Option<X509>,
    /// Whether there has to be a timestamp. One that is there is always looked at.
    pub timestamp: bool,
    /// Whether signatures may use SHA-1.
    pub legacy: bool,
}

/// Which passwords are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// Passwords and digests of them.
    Any,
    /// Digests alone.
    Digests,
}

/// What is asked of a signature.
#[derive(Debug)]
pub struct X509 {
    /// Who may have issued the certificate of somebody who is known by his name.
    pub anchors: Vec<TrustAnchor<'static>>,
    /// The Body has to be signed.
    pub body: bool,
    /// There has to be a timestamp, and it has to be signed.
    pub timestamp: bool,
    /// `wsa:To` and `wsa:Action` have to be signed where they are there.
    pub addressing: bool,
}

/// Who can be known by what. A holder is a number that means something to whoever gave it.
#[derive(Debug, Default)]
pub struct Holders {
    users: HashMap<String, (KnownPassword, usize)>,
    certificates: Vec<(Certificate, usize)>,
    subjects: Vec<(DistinguishedName, usize)>,
}

/// What is known of a password.
pub enum KnownPassword {
    /// All of it.
    Text(Vec<u8>),
    /// Its SHA-256; then no digest of WS-Security can be compared with it.
    Sha256([u8; 32]),
}

impl KnownPassword {
    /// A password as text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Debug for KnownPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownPassword(…)")
    }
}

impl Holders {
    /// Somebody is known by a user's name and password.
    pub fn add_user(&mut self, name: &str, password: KnownPassword, holder: usize) {
        self.users.insert(name.to_owned(), (password, holder));
    }

    /// Somebody is known by a certificate.
    pub fn add_certificate(&mut self, certificate: Certificate, holder: usize) {
        self.certificates.push((certificate, holder));
    }

    /// Somebody is known by this subject of any certificate that is trusted.
    pub fn add_subject(&mut self, subject: DistinguishedName, holder: usize) {
        self.subjects.push((subject, holder));
    }

    /// Whose password this is, where it does not come in a message. Who is not known takes as long as who is.
    #[must_use]
    pub fn by_password(&self, name: &str, password: &[u8]) -> Option<usize> {
        username::by_password(self, name, password)
    }

    fn user(&self, name: &str) -> Option<(&KnownPassword, usize)> {
        self.users.get(name).map(|(password, holder)| (password, *holder))
    }

    fn certificate(&self, is: impl Fn(&Certificate) -> bool) -> Option<&(Certificate, usize)> {
        self.certificates.iter().find(|(certificate, _)| is(certificate))
    }

    fn subject(&self, subject: &DistinguishedName) -> Option<usize> {
        self.subjects.iter().find(|(known, _)| known == subject).map(|(_, holder)| *holder)
    }
}

/// A message that is there as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// Its bytes.
    pub bytes: &'m [u8],
    /// The charset it came with.
    pub charset: Option<&'m str>,
    /// Where the Body starts by which it was dispatched.
    pub body_at: u64,
    /// Whether nothing stands beside it (`multipart/related`). A signature covers no parts, so one that has some is not taken.
    pub alone: bool,
}

/// Who sends a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whose it is.
    pub holder: usize,
    /// What of it may come only once, as hashes. The message is good only if none came before.
    pub once: Vec<[u8; 32]>,
    /// The user whose password was right.
    pub user: Option<String>,
    /// The bytes of the message that are the security header, which is done with.
    pub header: Range<usize>,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is no message.
    Message(envelope::Refusal),
    /// The password of this user is wrong, or there is no such user.
    Password(String),
    /// Its security header.
    Security {
        /// What kind of reason.
        why: Why,
        /// In words for whoever sent it, which help nobody to send a better forgery.
        detail: Cow<'static, str>,
    },
}

/// Kinds of reasons, by what WS-Security calls them (12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// There is no header for us, or it names nobody.
    Missing,
    /// `InvalidSecurity`
    Invalid,
    /// `UnsupportedSecurityToken`
    TokenUnsupported,
    /// `UnsupportedAlgorithm`
    AlgorithmUnsupported,
    /// `FailedAuthentication`
    Authentication,
    /// `InvalidSecurityToken`
    TokenInvalid,
    /// `FailedCheck`
    Check,
    /// `MessageExpired`
    Expired,
}

impl Refused {
    fn new(why: Why, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Security { why, detail: detail.into() }
    }

    fn message(fault: Box<Fault>) -> Self {
        Self::Message(fault.into())
    }
}

/// Finds out who sends a message. `now` is in seconds since 1970.
///
/// # Errors
/// When that cannot be said, or the message is not what its sender signed.
pub fn examine(
    policy: &Policy,
    holders: &Holders,
    message: Message<'_>,
    now: u64,
    limits: &Limits,
) -> Result<Accepted, Refused> {
    let scan = scan::scan(message.bytes, message.charset, limits)?;
    if scan.envelope.body_at != message.body_at {
        return Err(Refused::new(Why::Check, "the Body is not the one that is called"));
    }
    timestamp(policy, scan.header.timestamp.as_ref(), now)?;
    let mut once = Vec::new();
    let user = match (&scan.header.user, policy.username) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(Refused::new(Why::TokenUnsupported, "users are not taken here"));
        }
        (Some(token), Some(passwords)) => {
            let (holder, new) = username::check(token, passwords, holders, now)?;
            once.extend(new);
            Some(holder)
        }
    };
    let signer = match (&scan.header.signature, &policy.x509) {
        (None, _) => None,
        (Some(_), _) if !message.alone => {
            let why = "a signature does not cover the parts beside a message";
            return Err(Refused::new(Why::TokenUnsupported, why));
        }
        (Some(_), None) => {
            return Err(Refused::new(Why::TokenUnsupported, "signatures are not taken here"));
        }
        (Some(signature), Some(x509)) => {
            let source =
                signature::Source { message: message.bytes, charset: message.charset, limits };
            let policy = (x509, policy.legacy);
            let proof = signature::verify(source, &scan, signature, policy, holders, now)?;
            signature::demand(&proof, &scan, x509)?;
            // Without a time that is signed two calls that are the same are the same message.
            let timed = scan.header.timestamp.as_ref().is_some_and(|time| proof.covers(time.at));
            once.extend(timed.then_some(proof.once));
            Some(proof.holder)
        }
    };
    match (user, signer) {
        (Some(user), Some(signer)) if user != signer => {
            let why = "the user and the certificate are not of the same application";
            Err(Refused::new(Why::Authentication, why))
        }
        (Some(holder), _) | (None, Some(holder)) => {
            let user = user.and(scan.header.user).map(|token| token.name);
            Ok(Accepted { holder, once, user, header: scan.bytes })
        }
        (None, None) => Err(Refused::new(Why::Missing, "its security header names nobody")),
    }
}

/// Whether a message is of now, as far as it says when it was made.
fn timestamp(
    policy: &Policy,
    timestamp: Option<&header::Timestamp>,
    now: u64,
) -> Result<(), Refused> {
    let Some(timestamp) = timestamp else {
        return match policy.timestamp {
            true => Err(Refused::new(Why::Invalid, "the security header has no Timestamp")),
            false => Ok(()),
        };
    };
    let read = |text: &Option<String>| match text.as_deref().map(instant::of_message) {
        None => Ok(None),
        Some(Some(moment)) => Ok(Some(moment)),
        Some(None) => Err(Refused::new(Why::Invalid, "a Timestamp holds no moment in UTC")),
    };
    let Some(created) = read(&timestamp.created)? else {
        return Err(Refused::new(Why::Invalid, "a Timestamp has no Created"));
    };
    let expires = read(&timestamp.expires)?.unwrap_or(u64::MAX);
    if !is_fresh(created, now) || expires.saturating_add(LATE_S) < now {
        return Err(Refused::new(Why::Expired, "the message was made or expires too far from now"));
    }
    Ok(())
}

fn is_fresh(created: u64, now: u64) -> bool {
    created.abs_diff(now) <= FRESH_S
}
