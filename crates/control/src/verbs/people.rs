//! Members, invitations and tokens; and the first owner of a new gateway.

use pasarela_model::{
    InvitationId, MemberId, OrganisationId, OrganisationKind, Timestamp, TokenId,
};
use pasarela_store::{
    AuditEntry, Invitation, Member, Organisation, Role, Slice, Standing, Token, Tx,
};
use serde_json::json;

use super::{email, label};
use crate::{
    Answer, Call, Control, Error, Object, Seed, Verb,
    dice::Dice,
    secret::{Kind, digest, secret},
    view,
};

/// Days in which an invitation can be taken up.
const INVITED_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// The first one is printed on a screen: a day has to do.
const FIRST_INVITED_MS: i64 = 24 * 60 * 60 * 1000;
const FIRST_EMAIL: &str = "owner@localhost";

/// Who is invited.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Where they can be written to.
    pub email: String,
    /// What they will be.
    pub role: Role,
}

/// What may be changed about a member.
#[derive(Debug, Clone)]
pub struct MemberChange {
    /// What they are from now on.
    pub role: Role,
}

impl Control {
    /// Who one is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn who_am_i(&self, call: Call) -> Result<Answer, Error> {
        self.look(call, |_, desk| {
            Box::pin(async move {
                Ok(Answer::list(json!({
                    "member": view::member(&desk.actor.member),
                    "organisation": view::organisation(&desk.actor.organisation),
                    "token": view::token(&desk.actor.token),
                })))
            })
        })
        .await
    }

    /// The members of an organisation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_members(
        &self,
        call: Call,
        of: OrganisationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadMembers, Object::Of(&of), "organisation", of.as_str())?;
                tx.get::<Organisation>(of.as_str()).await?;
                let page = tx.page_by("organisation", of.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::member)))
            })
        })
        .await
    }

    /// One member.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_member(&self, call: Call, id: MemberId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it: Member = tx.get(id.as_str()).await?;
                desk.may(Verb::ReadMembers, Object::Of(&it.organisation), "member", id.as_str())?;
                Ok(Answer::of(view::member(&it), it.version))
            })
        })
        .await
    }

    /// Another role for a member.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_member(
        &self,
        call: Call,
        id: MemberId,
        change: MemberChange,
    ) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let mut it: Member = tx.get(id.as_str()).await?;
                let whose = it.organisation.clone();
                desk.may(Verb::ChangeMember, Object::Of(&whose), "member", id.as_str())?;
                desk.may_give(it.role)?;
                desk.may_give(change.role)?;
                desk.fresh(it.version)?;
                if it.role == Role::Owner && change.role != Role::Owner {
                    not_the_last_owner(tx, &whose).await?;
                }
                let before = view::member(&it);
                it.role = change.role;
                tx.update(&mut it, "").await?;
                let now = view::member(&it);
                let both = (Some(before), Some(now.clone()));
                desk.record(tx, "member.change", Some(&whose), id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// Removes a member and their tokens.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_member(&self, call: Call, id: MemberId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it: Member = tx.get(id.as_str()).await?;
                let whose = it.organisation.clone();
                desk.may(Verb::RemoveMember, Object::Of(&whose), "member", id.as_str())?;
                desk.may_give(it.role)?;
                desk.fresh(it.version)?;
                if it.role == Role::Owner {
                    not_the_last_owner(tx, &whose).await?;
                }
                let before = view::member(&it);
                tx.delete(&it).await?;
                let change = (Some(before.clone()), None);
                desk.record(tx, "member.remove", Some(&whose), id.as_str(), change).await?;
                Ok(Answer::list(before))
            })
        })
        .await
    }

    /// Invitations that were not taken up.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_invitations(
        &self,
        call: Call,
        of: OrganisationId,
        slice: Slice,
    ) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::ReadInvitations, Object::Of(&of), "organisation", of.as_str())?;
                tx.get::<Organisation>(of.as_str()).await?;
                let page = tx.page_by("organisation", of.as_str(), &slice).await?;
                Ok(Answer::list(view::page(&page, view::invitation)))
            })
        })
        .await
    }

    /// Invites somebody. The secret is shown this once; whoever has it can become a member, once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn invite(
        &self,
        call: Call,
        into: OrganisationId,
        new: NewInvitation,
    ) -> Result<Answer, Error> {
        email(&new.email)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::Invite, Object::Of(&into), "organisation", into.as_str())?;
                // The first member of a new organisation is made by the gateway's people.
                let first = desk.actor.is_gate() && into != desk.actor.organisation.id;
                if !first {
                    desk.may_give(new.role)?;
                }
                tx.get::<Organisation>(into.as_str()).await?;
                let shown = secret(Kind::Invitation, desk.call.dice.bits());
                let made = Invitation {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    organisation: into.clone(),
                    email: new.email,
                    role: new.role,
                    digest: tx.peppered(&digest(&shown)),
                    created: desk.call.at,
                    expires: desk.call.at.plus_millis(INVITED_MS),
                };
                tx.insert(&made, &made.email).await?;
                let now = view::invitation(&made);
                let change = (None, Some(now.clone()));
                desk.record(tx, "invitation.create", Some(&into), made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created().with_secret(shown))
            })
        })
        .await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn withdraw_invitation(&self, call: Call, id: InvitationId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it: Invitation = tx.get(id.as_str()).await?;
                let whose = Object::Of(&it.organisation);
                desk.may(Verb::WithdrawInvitation, whose, "invitation", id.as_str())?;
                let before = view::invitation(&it);
                tx.delete(&it).await?;
                let (verb, change) = ("invitation.withdraw", (Some(before.clone()), None));
                desk.record(tx, verb, Some(&it.organisation), id.as_str(), change).await?;
                Ok(Answer::list(before))
            })
        })
        .await
    }

    /// Becomes a member by an invitation, which is shown as a token is and used up by it; with a first token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where there is no such invitation any more.
    pub async fn accept_invitation(&self, call: Call) -> Result<Answer, Error> {
        let Call { bearer, at, request, dice, .. } = call;
        let done = self.store.write(move |tx| {
            Box::pin(async move {
                let Some(invitation) = tx.invited(bearer).await? else {
                    return Err(Error::Unauthenticated);
                };
                if invitation.expires <= at {
                    return Err(Error::Unauthenticated);
                }
                let whose = invitation.organisation.clone();
                let member = Member {
                    id: dice.id(at),
                    version: 1,
                    organisation: whose.clone(),
                    email: invitation.email.clone(),
                    role: invitation.role,
                    created: at,
                };
                tx.delete(&invitation).await?;
                // Several nodes, or several starts, have invited a first owner: one was meant.
                if invitation.email == FIRST_EMAIL {
                    tx.withdraw_invitations_to(&whose, FIRST_EMAIL).await?;
                }
                tx.insert(&member, &member.email).await?;
                let (token, shown) = new_token(tx, &dice, at, &member.id, "first".to_owned(), None);
                tx.insert(&token, "").await?;
                let now = json!({ "member": view::member(&member), "token": view::token(&token) });
                tx.audit(&AuditEntry {
                    at,
                    actor: member.id.to_string(),
                    organisation: Some(whose),
                    verb: "invitation.accept".to_owned(),
                    object: invitation.id.to_string(),
                    before: Some(view::invitation(&invitation).to_string()),
                    after: Some(now.to_string()),
                    request,
                })
                .await?;
                Ok(Answer::of(now, member.version).created().with_secret(shown))
            })
        });
        done.await
    }

    /// One's own tokens.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_tokens(&self, call: Call, slice: Slice) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let mine = desk.actor.member.id.as_str();
                let page = tx.page_by("member", mine, &slice).await?;
                Ok(Answer::list(view::page(&page, view::token)))
            })
        })
        .await
    }

    /// Another token for oneself; shown this once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_token(
        &self,
        call: Call,
        called: String,
        expires: Option<Timestamp>,
    ) -> Result<Answer, Error> {
        label("label", &called)?;
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let (dice, at) = (&desk.call.dice, desk.call.at);
                if expires.is_some_and(|end| end <= at) {
                    return Err(Error::invalid("expires", "this is past"));
                }
                let member = &desk.actor.member;
                let (token, shown) = new_token(tx, dice, at, &member.id, called, expires);
                tx.insert(&token, "").await?;
                let now = view::token(&token);
                let (whose, change) = (&desk.actor.organisation.id, (None, Some(now.clone())));
                desk.record(tx, "token.create", Some(whose), token.id.as_str(), change).await?;
                Ok(Answer::of(now, token.version).created().with_secret(shown))
            })
        })
        .await
    }

    /// Ends one of one's own tokens; it may be the one that is used to say so.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_token(&self, call: Call, id: TokenId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let mut it: Token = tx.get(id.as_str()).await?;
                if it.member != desk.actor.member.id {
                    return Err(Error::NotFound { noun: "token", id: id.to_string() });
                }
                let before = view::token(&it);
                it.revoked = it.revoked.or(Some(desk.call.at));
                tx.update(&mut it, "").await?;
                let now = view::token(&it);
                let both = (Some(before), Some(now.clone()));
                let whose = &desk.actor.organisation.id;
                desk.record(tx, "token.revoke", Some(whose), id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// An invitation for whoever runs the gateway: on the first start, and again for whoever can read
    /// the store itself and has lost every token. `None` where there are members and `again` is not said.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn first_invitation(
        &self,
        at: Timestamp,
        seed: Seed,
        again: bool,
    ) -> Result<Option<String>, Error> {
        let dice = Dice::new(seed);
        let done = self.store.write(move |tx| {
            Box::pin(async move {
                let owner = match tx.owner().await? {
                    Some(owner) => owner,
                    None => {
                        let made = Organisation {
                            id: dice.id(at),
                            version: 1,
                            name: "owner".to_owned(),
                            kind: OrganisationKind::Owner,
                            standing: Standing::Active,
                            created: at,
                        };
                        tx.insert(&made, &made.name).await?;
                        made
                    }
                };
                if !again && tx.owners(&owner.id).await? > 0 {
                    return Ok(None);
                }
                let shown = secret(Kind::Invitation, dice.bits());
                let id: InvitationId = dice.id(at);
                // A second owner would meet the first one's address.
                let email = match again {
                    false => FIRST_EMAIL.to_owned(),
                    true => format!("{}@localhost", id.as_str()),
                };
                let made = Invitation {
                    id,
                    version: 1,
                    organisation: owner.id.clone(),
                    email,
                    role: Role::Owner,
                    digest: tx.peppered(&digest(&shown)),
                    created: at,
                    expires: at.plus_millis(FIRST_INVITED_MS),
                };
                tx.insert(&made, "").await?;
                tx.audit(&AuditEntry {
                    at,
                    actor: "system".to_owned(),
                    organisation: Some(owner.id),
                    verb: "invitation.create".to_owned(),
                    object: made.id.to_string(),
                    before: None,
                    after: Some(view::invitation(&made).to_string()),
                    request: String::new(),
                })
                .await?;
                Ok::<_, Error>(Some(shown))
            })
        });
        done.await
    }
}

fn new_token(
    tx: &Tx,
    dice: &Dice,
    at: Timestamp,
    member: &MemberId,
    label: String,
    expires: Option<Timestamp>,
) -> (Token, String) {
    let shown = secret(Kind::Token, dice.bits());
    let token = Token {
        id: dice.id(at),
        version: 1,
        member: member.clone(),
        label,
        digest: tx.peppered(&digest(&shown)),
        created: at,
        expires,
        revoked: None,
    };
    (token, shown)
}

async fn not_the_last_owner(tx: &mut pasarela_store::Tx, of: &OrganisationId) -> Result<(), Error> {
    match tx.owners(of).await? {
        0 | 1 => Err(Error::State {
            noun: "member",
            state: "the last owner",
            why: "make another owner first",
        }),
        _ => Ok(()),
    }
}
