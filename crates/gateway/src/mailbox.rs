//! What is known at the door where mail comes in: whose address it is, who may write to it, who somebody is.
//!
//! Asked once a letter, not once a request, so that nothing is indexed for it. None of it lets a call pass: that is decided where
//! all calls are, when the letter's is made. Here is said early what would be refused late.

use std::net::IpAddr;

use pasarela_model::{Credential, MailAddress};

use crate::{
    plane::Plane,
    sight::{Place, sees},
};

/// An API that is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its name and major version.
    pub api: (String, u32),
    /// The action of the operation that the address names behind a `+`.
    pub action: Option<String>,
    /// It takes calls from nobody in particular.
    pub asks_nobody: bool,
    /// Its messages say themselves who sends them.
    pub says_itself: bool,
    index: usize,
}

/// What came of a user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// They are this application's.
    Application(String),
    /// They are nobody's.
    Nobody,
    /// Too many were wrong; no more are looked at for so many seconds.
    Wait(u64),
}

impl Plane {
    /// The API that has this address; `orders+track@…` is the operation `track` of the one at `orders@…`.
    pub fn mailbox(&self, address: &MailAddress) -> Option<Mailbox> {
        let find = |address: &MailAddress| {
            self.snapshot.apis.iter().position(|api| api.mail.contains(address))
        };
        let (index, detail) = match find(address) {
            Some(index) => (index, None),
            None => {
                let (base, detail) = address.without_detail()?;
                (find(&base)?, Some(detail))
            }
        };
        let (api, runtime) = (self.snapshot.apis.get(index)?, self.apis.get(index)?);
        let action = match detail {
            None => None,
            Some(detail) => {
                let named = |name: &str| name.eq_ignore_ascii_case(detail);
                let operation = api.operations.iter().find(|one| named(&one.name))?;
                operation.soap_action.clone().filter(|action| !action.is_empty())
            }
        };
        Some(Mailbox {
            api: (api.name.clone(), api.version),
            action,
            asks_nobody: !runtime.keyed,
            says_itself: runtime.security.is_some(),
            index,
        })
    }

    /// Whether somebody may know that the API is there.
    pub fn sees_mailbox(
        &self,
        mailbox: &Mailbox,
        application: Option<&str>,
        client: IpAddr,
    ) -> bool {
        let place = Place { internal: false, client };
        let known = || {
            let name = application?;
            self.snapshot.applications.iter().position(|one| one.name == name)
        };
        mailbox.says_itself || sees(self, mailbox.index, place, known)
    }

    /// The application that sends from this address, if what brought the letter is to be believed.
    pub fn sender(&self, address: &MailAddress) -> Option<&str> {
        let mine = Credential::Mailbox(address.clone());
        let found = self.snapshot.applications.iter().find(|one| one.credentials.contains(&mine));
        found.map(|application| application.name.as_str())
    }

    /// Whether an application may write from this address: it is one of its own, or it has none.
    pub fn may_send_as(&self, application: &str, address: &MailAddress) -> bool {
        let one = self.snapshot.applications.iter().find(|one| one.name == application);
        let credentials = one.map_or(&[][..], |one| &one.credentials);
        let own = |credential: &&Credential| matches!(credential, Credential::Mailbox(_));
        let mut own = credentials.iter().filter(own).peekable();
        own.peek().is_none() || own.any(|one| *one == Credential::Mailbox(address.clone()))
    }

    /// Whose user and password these are: a user of WS-Security, or an application with one of its keys. `now`: seconds since 1970.
    pub fn mail_login(&self, user: &str, password: &[u8], client: IpAddr, now: u64) -> Login {
        let guesses = self.remembered.guesses();
        let by_user = self.holders.by_password(user, password);
        let by_key = self.credentials.find(password);
        let name =
            |index: usize| self.snapshot.applications.get(index).map(|one| one.name.as_str());
        let found = by_user.or(by_key.filter(|index| name(*index) == Some(user))).and_then(name);
        // Whoever guessed for long enough is not told when it is right.
        match (guesses.wait(user, client, now), found) {
            (Some(seconds), _) => Login::Wait(seconds),
            (None, Some(name)) => Login::Application(name.to_owned()),
            (None, None) => {
                guesses.failed(user, client, now);
                Login::Nobody
            }
        }
    }
}
