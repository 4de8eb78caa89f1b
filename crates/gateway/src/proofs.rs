//! By what the senders of signed messages are known: a snapshot's WS-Security made ready to be asked.
//!
//! Keys, which stand outside of a message, are known by [`crate::credentials`]; who asks this is `mediate::sender`.

use std::sync::{Arc, OnceLock};

use pasarela_model::{Application, Credential, Pages, Password, UserPasswords, WsSecurity};
use pasarela_soap::security::{
    Certificate, DistinguishedName, Holders, KnownPassword, Passwords, Policy, Replays, X509,
    authority,
};

use crate::guesses::Guesses;

/// Messages that are remembered, 8 bytes each: 8 MiB, of which nothing is taken before the first. Those of ten minutes have to fit
/// into half of them: eight hundred a second.
const REPLAY_PLACES: usize = 1 << 20;

/// What is known of senders beside the configuration; survives a reload. Takes no memory before it is needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered(Arc<(OnceLock<Replays>, OnceLock<Guesses>)>);

impl Remembered {
    /// What came and may not come again.
    pub(crate) fn replays(&self) -> &Replays {
        self.0.0.get_or_init(|| Replays::new(REPLAY_PLACES))
    }

    /// Who guessed passwords.
    pub(crate) fn guesses(&self) -> &Guesses {
        self.0.1.get_or_init(Guesses::default)
    }
}

/// Who can be known by what; a holder is an application's index. `Err`: this application has something that is none.
pub(crate) fn holders(applications: &Pages<Application>) -> Result<Holders, usize> {
    let mut holders = Holders::default();
    for (index, application) in applications.iter().enumerate() {
        for credential in &application.credentials {
            match credential {
                Credential::ApiKey(_)
                | Credential::TlsCertificate(_)
                | Credential::Signature { .. }
                | Credential::Mailbox(_)
                | Credential::Token { .. }
                | Credential::Client { .. } => (),
                Credential::User { name, password } => {
                    let password = match password {
                        Password::Text(text) => KnownPassword::text(text.expose()),
                        Password::Sha256(digest) => KnownPassword::Sha256(digest.0),
                    };
                    holders.add_user(name, password, index);
                }
                Credential::Certificate(der) => {
                    holders.add_certificate(Certificate::read(der).ok_or(index)?, index);
                }
                Credential::Subject(subject) => {
                    holders.add_subject(DistinguishedName::read(subject).ok_or(index)?, index);
                }
            }
        }
    }
    Ok(holders)
}

/// What an API asks of messages. `None`: an authority that it trusts is none.
pub(crate) fn policy(wanted: &WsSecurity) -> Option<Policy> {
    let x509 = match &wanted.x509 {
        None => None,
        Some(x509) => Some(X509 {
            anchors: x509.trust.iter().map(|der| authority(der)).collect::<Option<_>>()?,
            body: x509.body,
            timestamp: x509.timestamp,
            addressing: x509.addressing,
        }),
    };
    Some(Policy {
        username: wanted.username.map(|passwords| match passwords {
            UserPasswords::Any => Passwords::Any,
            UserPasswords::Digest => Passwords::Digests,
        }),
        x509,
        timestamp: wanted.timestamp,
        legacy: wanted.legacy,
    })
}
