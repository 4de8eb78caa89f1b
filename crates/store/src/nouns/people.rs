//! Members of organisations, how they come to be, and how they prove who they are.

use pasarela_model::{InvitationId, KeyDigest, MemberId, OrganisationId, Timestamp, TokenId};

use crate::{Error, Organisation, Role, Tx, column::Column as _, noun::noun};

noun! {
    /// A person (or a program that acts as one) in an organisation.
    Member = "member" in "members", by ["organisation"] {
        /// Its id.
        id: MemberId,
        /// Rises with each change.
        version: i64,
        /// Where it belongs.
        organisation: OrganisationId,
        /// Where it can be written to; once in an organisation.
        email: String,
        /// What it may do there.
        role: Role,
        /// Since when.
        created: Timestamp,
    }
}

noun! {
    /// What a member shows to the administration API. Only its digest is kept.
    Token = "token" in "tokens", by ["member", "digest"] {
        /// Its id.
        id: TokenId,
        /// Rises with each change.
        version: i64,
        /// Whose it is.
        member: MemberId,
        /// What the member calls it.
        label: String,
        /// SHA-256 of it.
        digest: KeyDigest,
        /// When it was given.
        created: Timestamp,
        /// From when on it is of no use; `None`: until it is revoked.
        expires: Option<Timestamp>,
        /// Since when it is of no use.
        revoked: Option<Timestamp>,
    }
}

noun! {
    /// A secret with which somebody becomes a member, once.
    Invitation = "invitation" in "invitations", by ["organisation", "digest"] {
        /// Its id.
        id: InvitationId,
        /// Rises with each change.
        version: i64,
        /// Where it leads.
        organisation: OrganisationId,
        /// Whom it is for.
        email: String,
        /// What they will be.
        role: Role,
        /// By what the secret is known ([`Tx::peppered`]).
        digest: KeyDigest,
        /// When it was written.
        created: Timestamp,
        /// From when on it is of no use.
        expires: Timestamp,
    }
}

impl Tx {
    /// Whose token has this SHA-256, and where they belong.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn bearer(
        &mut self,
        digest: KeyDigest,
    ) -> Result<Option<(Token, Member, Organisation)>, Error> {
        let digest = self.peppered(&digest);
        let Some(token) = self.find::<Token>("digest", digest.to_value()).await? else {
            return Ok(None);
        };
        let member: Member = self.get(token.member.as_str()).await?;
        let organisation = self.get(member.organisation.as_str()).await?;
        Ok(Some((token, member, organisation)))
    }

    /// The invitation whose secret has this SHA-256.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn invited(&mut self, digest: KeyDigest) -> Result<Option<Invitation>, Error> {
        let digest = self.peppered(&digest);
        self.find("digest", digest.to_value()).await
    }

    /// Forgets the invitations that an address has to an organisation.
    ///
    /// # Errors
    /// What every change to the store may meet.
    pub async fn withdraw_invitations_to(
        &mut self,
        organisation: &OrganisationId,
        email: &str,
    ) -> Result<(), Error> {
        let sql = "DELETE FROM invitations WHERE organisation = $1 AND email = $2";
        let values = vec![organisation.to_value(), email.to_owned().to_value()];
        self.execute(sql, values).await.map(drop)
    }

    /// How many members of an organisation have the role of its owner.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn owners(&mut self, organisation: &OrganisationId) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM members WHERE organisation = $1 AND role = 'owner'";
        let rows = self.query(sql, vec![organisation.to_value()]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.take())
    }
}
