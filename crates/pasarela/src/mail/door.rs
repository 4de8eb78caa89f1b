//! What is decided while a letter comes in: who may write to whom, and whether it is one.

use std::net::SocketAddr;

use pasarela_gateway::{self as gateway, Plane, overload::Level};
use pasarela_model::{MailAddress, Secret, Timestamp};
use pasarela_net::smtp::{self, Reply};
use pasarela_soap::mail::Letter;
use pasarela_store::{Error, LetterCall};
use sha2::{Digest as _, Sha256};

use super::{Office, chance, counts::Refused, new_id};
use crate::admin::{chain, now};

/// Servers that may have handed a letter on.
const HOPS: usize = 50;
/// How long a message is remembered by its Message-ID (L30).
pub(super) const REMEMBERED_MS: i64 = 7 * 86_400_000;

/// One client, as far as the door knows it.
pub(super) struct Visitor {
    pub(super) peer: SocketAddr,
    /// Whose password it knew.
    pub(super) application: Option<String>,
}

impl Office {
    /// Who sends a letter: whoever logged in, or whoever has the address, where a server brings it that lets nobody lie about that.
    fn sender(
        &self,
        plane: &Plane,
        visitor: &Visitor,
        sender: Option<&MailAddress>,
    ) -> Option<String> {
        let from = visitor.peer.ip();
        let trusted = || self.settings.trusted.iter().any(|network| network.contains(from));
        match &visitor.application {
            Some(name) => Some(name.clone()),
            None if trusted() => plane.sender(sender?).map(str::to_owned),
            None => None,
        }
    }

    /// May a letter go to this address? T53: nothing is taken for anybody else, and who may not see an API is told what everybody is
    /// told of an address that nobody has.
    pub(super) fn recipient(
        &self,
        visitor: &Visitor,
        sender: Option<&MailAddress>,
        address: &MailAddress,
    ) -> Reply {
        let plane = self.plane();
        let nobody = || {
            self.counts.refuse(Refused::Recipient);
            Reply::new(550, "5.1.1", "Nobody is reached at this address")
        };
        let Some(mailbox) = plane.mailbox(address) else { return nobody() };
        if self.shared.overload.level() >= Level::Lean {
            self.counts.refuse(Refused::Busy);
            return Reply::new(452, "4.3.1", "Memory is short; try again later");
        }
        let application = self.sender(&plane, visitor, sender);
        if !plane.sees_mailbox(&mailbox, application.as_deref(), visitor.peer.ip()) {
            return nobody();
        }
        match (&application, sender) {
            // What nobody sends is looked at when it is there: it is no call, and its sender is told so.
            (_, None) => {}
            (None, Some(_)) if !mailbox.asks_nobody && !mailbox.says_itself => {
                self.counts.refuse(Refused::Sender);
                return Reply::new(530, "5.7.0", "Authentication required");
            }
            (Some(name), Some(address)) if !plane.may_send_as(name, address) => {
                self.counts.refuse(Refused::Sender);
                return Reply::new(550, "5.7.1", "The sender's address is not yours");
            }
            _ => {}
        }
        Reply::new(250, "2.1.5", "Taken")
    }

    /// Is this the user's password?
    pub(super) fn login(&self, visitor: &mut Visitor, user: &str, password: &Secret) -> Reply {
        let seconds = u64::try_from(now().millis() / 1000).unwrap_or(0);
        let known = self.plane().mail_login(user, password.expose(), visitor.peer.ip(), seconds);
        match known {
            gateway::Login::Application(name) => {
                visitor.application = Some(name);
                return Reply::new(235, "2.7.0", "Welcome");
            }
            gateway::Login::Nobody => {}
            gateway::Login::Wait(seconds) => {
                tracing::warn!(peer = %visitor.peer, seconds, "too many wrong passwords by mail");
            }
        }
        self.counts.refuse(Refused::Login);
        Reply::new(535, "5.7.8", "The user or the password is wrong, or too many were")
    }

    /// Keeps a letter. It is acknowledged only after that.
    pub(super) async fn keep(&self, visitor: &Visitor, letter: smtp::Letter) -> Reply {
        use std::sync::atomic::Ordering::Relaxed;
        let smtp::Letter { sender, recipients, bytes } = letter;
        let read = match self.readable(&bytes) {
            Ok(read) => read,
            Err(reply) => return reply,
        };
        let automatic = read.auto_submitted.as_deref();
        let Some(sender) =
            sender.filter(|_| matches!(automatic, None | Some("no" | "auto-generated")))
        else {
            // A bounce, or somebody's automatic answer: it is taken, so that it does not come again, and leads to nothing.
            self.counts.dropped.fetch_add(1, Relaxed);
            return Reply::new(250, "2.6.0", "Taken; it is no call");
        };
        if let Err(fault) = read.message(&bytes, chance()) {
            self.counts.refuse(Refused::Letter);
            return Reply::new(554, "5.6.1", format!("It holds no SOAP message: {fault}"));
        }
        let application = self.sender(&self.plane(), visitor, Some(&sender));
        let mark = |recipient: &MailAddress| {
            mark(&read, read.body(&bytes), application.as_deref(), (&sender, recipient))
        };
        let call = |recipient: &MailAddress| LetterCall {
            id: new_id(),
            recipient: recipient.to_string(),
            mark: mark(recipient),
        };
        let calls: Vec<_> = recipients.iter().map(call).collect();
        let kept = pasarela_store::Letter {
            id: new_id(),
            sender: sender.to_string(),
            application: application.clone(),
            client: visitor.peer.to_string(),
            received: now(),
            bytes,
        };
        let id = kept.id.to_string();
        match self.write(kept, calls).await {
            Ok(0) => {
                self.counts.repeated.fetch_add(1, Relaxed);
                Reply::new(250, "2.6.0", "It came before, and counts once")
            }
            Ok(_) => {
                self.counts.received.fetch_add(1, Relaxed);
                self.kept.notify_one();
                Reply::new(250, "2.6.0", format!("Kept as {id}"))
            }
            Err(why) => {
                self.counts.refuse(Refused::Store);
                tracing::error!(error = %why, "a letter cannot be kept");
                // F6: whoever has it keeps it and comes again.
                match why.contains("full") {
                    true => Reply::new(452, "4.3.1", "There is no room; try again later"),
                    false => Reply::new(451, "4.3.0", "It cannot be kept now; try again later"),
                }
            }
        }
    }

    fn readable(&self, bytes: &[u8]) -> Result<Letter, Reply> {
        let read = Letter::read(bytes).map_err(|fault| {
            self.counts.refuse(Refused::Letter);
            Reply::new(554, "5.6.0", format!("It is no letter: {fault}"))
        })?;
        if read.hops > HOPS {
            self.counts.refuse(Refused::Loop);
            return Err(Reply::new(554, "5.4.6", "It was handed on too often: a loop"));
        }
        Ok(read)
    }

    async fn write(
        &self,
        letter: pasarela_store::Letter,
        calls: Vec<LetterCall>,
    ) -> Result<usize, String> {
        let store = self.store().ok_or("the store is not open yet")?;
        let kept = store
            .write(move |tx| {
                Box::pin(async move { tx.keep_letter(&letter, &calls).await })
                    as pasarela_store::Boxed<'_, _>
            })
            .await;
        kept.map_err(|error: Error| chain(&error))
    }
}

/// What is the same each time the same message comes to the same recipient from the same sender, and never for others: nobody can
/// have somebody else's message taken for a repeated one. Without a Message-ID it is made of what a sender would not repeat.
fn mark(
    letter: &Letter,
    body: &[u8],
    application: Option<&str>,
    (sender, recipient): (&MailAddress, &MailAddress),
) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(application.unwrap_or_default().as_bytes());
    add(sender.key().as_bytes());
    add(recipient.key().as_bytes());
    match letter.answered_id() {
        Some(id) => add(id.as_bytes()),
        None => {
            for field in [&letter.from, &letter.to, &letter.date, &letter.subject] {
                add(field.as_deref().unwrap_or_default().as_bytes());
            }
            add(body);
        }
    }
    hash.finalize().into()
}

/// What came before this is forgotten.
pub(super) fn forgotten(now: Timestamp) -> Timestamp {
    now.plus_millis(-REMEMBERED_MS)
}
