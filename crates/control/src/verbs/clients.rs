//! Clients of applications: what they get tokens with.

use pasarela_model::{ApplicationId, ClientId, Timestamp};
use pasarela_store::{Application, Client, Slice, Tx};

use super::{
    applications::{application, not_past, overlap_end},
    label,
};
use crate::{
    Answer, Call, Control, Error, Object, Verb,
    call::Desk,
    secret::{Kind, digest, hint, secret},
    view,
};

/// A client that is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewClient {
    /// What its holders call it.
    pub label: String,
    /// From when on it is of no use.
    pub expires: Option<Timestamp>,
}

/// Clients of use that an application may have at a time.
const CLIENTS_MAX: i64 = 20;

impl Control {
    /// The clients of an application, as far as they can be shown.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_clients(
        &self,
        call: Call,
        of: ApplicationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::ReadClients, &of).await?;
                let page = tx.page_by("application", it.id.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::client)))
            })
        })
        .await
    }

    /// A new client; its secret is shown this once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_client(
        &self,
        call: Call,
        of: ApplicationId,
        new: NewClient,
    ) -> Result<Answer, Error> {
        label("label", &new.label)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::IssueClients, &of).await?;
                let at = desk.call.at;
                not_past(new.expires, at)?;
                if tx.live_clients(&it.id, at).await? >= CLIENTS_MAX {
                    let (noun, state) = ("application", "full of clients");
                    let why = "revoke some; 20 may live at a time";
                    return Err(Error::State { noun, state, why });
                }
                let shown = secret(Kind::ClientSecret, desk.call.dice.bits());
                let made = Client {
                    id: desk.call.dice.id(at),
                    version: 1,
                    application: it.id.clone(),
                    label: new.label,
                    hint: hint(&shown),
                    digest: digest(&shown),
                    retiring: None,
                    retires: None,
                    created: at,
                    expires: new.expires,
                    revoked: None,
                };
                tx.insert(&made, "").await?;
                let now = view::client(&made);
                let change = (None, Some(now.clone()));
                let whose = Some(&it.organisation);
                desk.record(tx, "client.create", whose, made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created().with_secret(shown))
            })
        })
        .await
    }

    /// A new secret in place of the one before, which lives on for some seconds. One that still lived on from an earlier
    /// rotation ends at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rotate_client(
        &self,
        call: Call,
        id: ClientId,
        overlap_s: i64,
    ) -> Result<Answer, Error> {
        let end = overlap_end(call.at, overlap_s)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (mut it, application) = client(tx, desk, Verb::IssueClients, &id).await?;
                let over = it.expires.is_some_and(|end| end <= desk.call.at);
                if it.revoked.is_some() || over {
                    let (noun, state) = ("client", if over { "expired" } else { "revoked" });
                    return Err(Error::State { noun, state, why: "make a new one" });
                }
                let before = view::client(&it);
                let shown = secret(Kind::ClientSecret, desk.call.dice.bits());
                let old = std::mem::replace(&mut it.digest, digest(&shown));
                it.hint = hint(&shown);
                (it.retiring, it.retires) = match overlap_s {
                    0 => (None, None),
                    _ => (Some(old), Some(end)),
                };
                tx.update(&mut it, "").await?;
                let now = view::client(&it);
                let both = (Some(before), Some(now.clone()));
                let whose = Some(&application.organisation);
                desk.record(tx, "client.rotate", whose, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version).with_secret(shown))
            })
        })
        .await
    }

    /// Ends a client at once, and with it every token that was issued to it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_client(&self, call: Call, id: ClientId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (mut it, application) = client(tx, desk, Verb::RevokeClients, &id).await?;
                let before = view::client(&it);
                it.revoked = it.revoked.or(Some(desk.call.at));
                tx.update(&mut it, "").await?;
                let now = view::client(&it);
                let both = (Some(before), Some(now.clone()));
                let whose = Some(&application.organisation);
                desk.record(tx, "client.revoke", whose, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }
}

async fn client(
    tx: &mut Tx,
    desk: &Desk,
    verb: Verb,
    id: &ClientId,
) -> Result<(Client, Application), Error> {
    let it: Client = tx.get(id.as_str()).await?;
    let application: Application = tx.get(it.application.as_str()).await?;
    desk.may(verb, Object::Of(&application.organisation), "client", id.as_str())?;
    Ok((it, application))
}
