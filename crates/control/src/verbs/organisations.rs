//! Organisations: making, naming, suspending, removing.

use pasarela_model::{OrganisationId, OrganisationKind};
use pasarela_store::{Organisation, Slice, Standing};

use super::name;
use crate::{Answer, Call, Control, Error, Object, Verb, view};

/// What may be changed about an organisation.
#[derive(Debug, Clone, Default)]
pub struct OrganisationChange {
    /// Another name.
    pub name: Option<String>,
    /// Suspended, or active again.
    pub standing: Option<Standing>,
}

const NOUN: &str = "organisation";

impl Control {
    /// All organisations, or one's own.
    ///
    /// # Errors
    /// See [`Error`]; this holds for every verb.
    pub async fn list_organisations(&self, call: Call, slice: Slice) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadOrganisation, Object::Gateway, NOUN, "")?;
                let body = match desk.actor.scope() {
                    None => view::page(&tx.page(&slice).await?, view::organisation),
                    Some(_) => view::whole(
                        std::slice::from_ref(&desk.actor.organisation),
                        view::organisation,
                    ),
                };
                Ok(Answer::list(body))
            })
        })
        .await
    }

    /// One organisation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_organisation(&self, call: Call, id: OrganisationId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadOrganisation, Object::Of(&id), NOUN, id.as_str())?;
                let found: Organisation = tx.get(id.as_str()).await?;
                Ok(Answer::of(view::organisation(&found), found.version))
            })
        })
        .await
    }

    /// A new partner or customer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_organisation(
        &self,
        call: Call,
        called: String,
        kind: OrganisationKind,
    ) -> Result<Answer, Error> {
        name("name", &called)?;
        if kind == OrganisationKind::Owner {
            return Err(Error::invalid("kind", "there is one owner; write partner or customer"));
        }
        self.not_the_files("name", &called)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::CreateOrganisation, Object::Gateway, NOUN, "")?;
                let made = Organisation {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    name: called,
                    kind,
                    standing: Standing::Active,
                    created: desk.call.at,
                };
                tx.insert(&made, &made.name).await?;
                let now = view::organisation(&made);
                let change = (None, Some(now.clone()));
                desk.record(tx, "organisation.create", Some(&made.id), made.id.as_str(), change)
                    .await?;
                Ok(Answer::of(now, made.version).created())
            })
        })
        .await
    }

    /// Another name; suspended, or active again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_organisation(
        &self,
        call: Call,
        id: OrganisationId,
        change: OrganisationChange,
    ) -> Result<Answer, Error> {
        if let Some(called) = &change.name {
            name("name", called)?;
            self.not_the_files("name", called)?;
        }
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                if change.name.is_some() || change.standing.is_none() {
                    desk.may(Verb::RenameOrganisation, Object::Of(&id), NOUN, id.as_str())?;
                }
                if change.standing.is_some() {
                    desk.may(Verb::SuspendOrganisation, Object::Of(&id), NOUN, id.as_str())?;
                }
                let mut it: Organisation = tx.get(id.as_str()).await?;
                desk.fresh(it.version)?;
                let before = view::organisation(&it);
                if change.standing == Some(Standing::Suspended) {
                    not_the_owner(&it, "it runs the gateway and stays active")?;
                }
                it.name = change.name.unwrap_or(it.name);
                it.standing = change.standing.unwrap_or(it.standing);
                let called = it.name.clone();
                tx.update(&mut it, &called).await?;
                let now = view::organisation(&it);
                let both = (Some(before), Some(now.clone()));
                desk.record(tx, "organisation.change", Some(&id), id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// Removes an organisation with its members and applications.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Clash`] while it has live subscriptions.
    pub async fn delete_organisation(
        &self,
        call: Call,
        id: OrganisationId,
    ) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::DeleteOrganisation, Object::Of(&id), NOUN, id.as_str())?;
                let it: Organisation = tx.get(id.as_str()).await?;
                desk.fresh(it.version)?;
                not_the_owner(&it, "it runs the gateway and stays")?;
                let before = view::organisation(&it);
                tx.remove_organisation(&it).await?;
                let change = (Some(before.clone()), None);
                desk.record(tx, "organisation.delete", Some(&id), id.as_str(), change).await?;
                Ok(Answer::list(before))
            })
        })
        .await
    }

    /// What the file declares is the file's.
    fn not_the_files(&self, field: &'static str, called: &str) -> Result<(), Error> {
        match self.offer().organisations.iter().any(|other| other == called) {
            true => Err(Error::invalid(field, "the configuration file has one of this name")),
            false => Ok(()),
        }
    }
}

fn not_the_owner(it: &Organisation, why: &'static str) -> Result<(), Error> {
    match it.kind {
        OrganisationKind::Owner => Err(Error::State { noun: NOUN, state: "the owner's", why }),
        OrganisationKind::Partner | OrganisationKind::Customer => Ok(()),
    }
}
