//! Applications and their keys.

use pasarela_model::{ApplicationId, KeyId, OrganisationId, Timestamp};
use pasarela_store::{Application, ApplicationKey, Organisation, Slice, Standing, Tx};

use super::{label, name};
use crate::{
    Answer, Call, Control, Error, Object, Verb,
    call::Desk,
    secret::{Kind, digest, hint, secret},
    view,
};

/// What may be changed about an application.
#[derive(Debug, Clone, Default)]
pub struct ApplicationChange {
    /// Another name.
    pub name: Option<String>,
    /// Suspended, or active again.
    pub standing: Option<Standing>,
}

/// A key that is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its holders call it.
    pub label: String,
    /// From when on it is of no use.
    pub expires: Option<Timestamp>,
}

/// Keys of use that an application may have at a time.
const KEYS_MAX: i64 = 50;
/// Longest time that an old key lives beside the new one.
const OVERLAP_MAX_S: i64 = 90 * 24 * 60 * 60;

impl Control {
    /// The applications of an organisation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_applications(
        &self,
        call: Call,
        of: OrganisationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadApplications, Object::Of(&of), "organisation", of.as_str())?;
                tx.get::<Organisation>(of.as_str()).await?;
                let page = tx.page_by("organisation", of.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::application)))
            })
        })
        .await
    }

    /// One application.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_application(&self, call: Call, id: ApplicationId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::ReadApplications, &id).await?;
                Ok(Answer::of(view::application(&it), it.version))
            })
        })
        .await
    }

    /// A new application.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_application(
        &self,
        call: Call,
        of: OrganisationId,
        called: String,
    ) -> Result<Answer, Error> {
        name("name", &called)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let whose = Object::Of(&of);
                desk.may(Verb::WriteApplications, whose, "organisation", of.as_str())?;
                tx.get::<Organisation>(of.as_str()).await?;
                let made = Application {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    organisation: of.clone(),
                    name: called,
                    standing: Standing::Active,
                    created: desk.call.at,
                };
                tx.insert(&made, &made.name).await?;
                let now = view::application(&made);
                let change = (None, Some(now.clone()));
                desk.record(tx, "application.create", Some(&of), made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created())
            })
        })
        .await
    }

    /// Another name; suspended, or active again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_application(
        &self,
        call: Call,
        id: ApplicationId,
        change: ApplicationChange,
    ) -> Result<Answer, Error> {
        if let Some(called) = &change.name {
            name("name", called)?;
        }
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let mut it = match (&change.name, change.standing) {
                    (None, Some(_)) => application(tx, desk, Verb::SuspendApplication, &id).await?,
                    (_, None) => application(tx, desk, Verb::WriteApplications, &id).await?,
                    (Some(_), Some(_)) => {
                        application(tx, desk, Verb::SuspendApplication, &id).await?;
                        application(tx, desk, Verb::WriteApplications, &id).await?
                    }
                };
                desk.fresh(it.version)?;
                let before = view::application(&it);
                it.name = change.name.unwrap_or(it.name);
                it.standing = change.standing.unwrap_or(it.standing);
                let called = it.name.clone();
                tx.update(&mut it, &called).await?;
                let now = view::application(&it);
                let (whose, both) = (Some(&it.organisation), (Some(before), Some(now.clone())));
                desk.record(tx, "application.change", whose, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// Removes an application with its keys.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Clash`] while it has live subscriptions.
    pub async fn delete_application(&self, call: Call, id: ApplicationId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::WriteApplications, &id).await?;
                desk.fresh(it.version)?;
                let before = view::application(&it);
                tx.remove_application(&it).await?;
                let (whose, change) = (Some(&it.organisation), (Some(before.clone()), None));
                desk.record(tx, "application.delete", whose, id.as_str(), change).await?;
                Ok(Answer::list(before))
            })
        })
        .await
    }

    /// The keys of an application, as far as they can be shown.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_keys(
        &self,
        call: Call,
        of: ApplicationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::ReadKeys, &of).await?;
                let page = tx.page_by("application", it.id.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::key)))
            })
        })
        .await
    }

    /// A new key; shown this once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn issue_key(
        &self,
        call: Call,
        of: ApplicationId,
        new: NewKey,
    ) -> Result<Answer, Error> {
        label("label", &new.label)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it = application(tx, desk, Verb::IssueKeys, &of).await?;
                not_past(new.expires, desk.call.at)?;
                issue(tx, desk, &it, new, "key.issue").await
            })
        })
        .await
    }

    /// A new key in place of an old one, which lives on for some seconds.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rotate_key(&self, call: Call, id: KeyId, overlap_s: i64) -> Result<Answer, Error> {
        let end = overlap_end(call.at, overlap_s)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (mut old, it) = key(tx, desk, Verb::IssueKeys, &id).await?;
                if old.revoked.is_some() {
                    let (noun, state) = ("key", "revoked");
                    return Err(Error::State { noun, state, why: "issue a new one" });
                }
                let before = view::key(&old);
                old.expires = Some(old.expires.map_or(end, |planned| planned.min(end)));
                tx.update(&mut old, "").await?;
                let both = (Some(before), Some(view::key(&old)));
                desk.record(tx, "key.retire", Some(&it.organisation), id.as_str(), both).await?;
                let new = NewKey { label: old.label, expires: None };
                issue(tx, desk, &it, new, "key.rotate").await
            })
        })
        .await
    }

    /// Ends a key, at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_key(&self, call: Call, id: KeyId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (mut it, application) = key(tx, desk, Verb::RevokeKeys, &id).await?;
                let before = view::key(&it);
                it.revoked = it.revoked.or(Some(desk.call.at));
                tx.update(&mut it, "").await?;
                let now = view::key(&it);
                let whose = Some(&application.organisation);
                let both = (Some(before), Some(now.clone()));
                desk.record(tx, "key.revoke", whose, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }
}

/// The application, if they may do this to it.
pub(super) async fn application(
    tx: &mut Tx,
    desk: &Desk,
    verb: Verb,
    id: &ApplicationId,
) -> Result<Application, Error> {
    let it: Application = tx.get(id.as_str()).await?;
    desk.may(verb, Object::Of(&it.organisation), "application", id.as_str())?;
    Ok(it)
}

async fn key(
    tx: &mut Tx,
    desk: &Desk,
    verb: Verb,
    id: &KeyId,
) -> Result<(ApplicationKey, Application), Error> {
    let it: ApplicationKey = tx.get(id.as_str()).await?;
    let application: Application = tx.get(it.application.as_str()).await?;
    desk.may(verb, Object::Of(&application.organisation), "key", id.as_str())?;
    Ok((it, application))
}

async fn issue(
    tx: &mut Tx,
    desk: &Desk,
    of: &Application,
    new: NewKey,
    verb: &str,
) -> Result<Answer, Error> {
    let at = desk.call.at;
    if tx.live_keys(&of.id, at).await? >= KEYS_MAX {
        let (noun, state) = ("application", "full of keys");
        return Err(Error::State { noun, state, why: "revoke some; 50 may live at a time" });
    }
    let shown = secret(Kind::ApiKey, desk.call.dice.bits());
    let made = ApplicationKey {
        id: desk.call.dice.id(at),
        version: 1,
        application: of.id.clone(),
        label: new.label,
        hint: hint(&shown),
        digest: tx.peppered(&digest(&shown)),
        created: at,
        expires: new.expires,
        revoked: None,
    };
    tx.insert(&made, "").await?;
    let now = view::key(&made);
    let change = (None, Some(now.clone()));
    desk.record(tx, verb, Some(&of.organisation), made.id.as_str(), change).await?;
    Ok(Answer::of(now, made.version).created().with_secret(shown))
}

/// When a secret ends that lives on for so long beside the new one.
pub(super) fn overlap_end(now: Timestamp, seconds: i64) -> Result<Timestamp, Error> {
    match (0..=OVERLAP_MAX_S).contains(&seconds) {
        true => Ok(now.plus_millis(seconds * 1000)),
        false => Err(Error::invalid("overlap_seconds", "write 0 to 7,776,000 (90 days)")),
    }
}

pub(super) fn not_past(end: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    match end {
        Some(end) if end <= now => Err(Error::invalid("expires", "this is past")),
        _ => Ok(()),
    }
}
