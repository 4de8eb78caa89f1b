//! Who may do what to whom. The only place where roles are looked at.
//!
//! Every verb has a [`Rule`]: the least role that it takes in one's own organisation, and the least
//! that it takes in the owner's to do it to anybody. Nothing else gives a right. Whoever may not
//! even know that something is there is told that it is not (T28).

use pasarela_model::{OrganisationId, OrganisationKind};
use pasarela_store::{Member, Organisation, Role, Standing, Token};

/// Something that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it, and `rule` says the rest")]
pub enum Verb {
    ReadOrganisation,
    CreateOrganisation,
    RenameOrganisation,
    SuspendOrganisation,
    DeleteOrganisation,
    ReadMembers,
    ChangeMember,
    RemoveMember,
    ReadInvitations,
    Invite,
    WithdrawInvitation,
    ReadApplications,
    WriteApplications,
    SuspendApplication,
    ReadKeys,
    IssueKeys,
    RevokeKeys,
    ReadClients,
    IssueClients,
    RevokeClients,
    ReadPlans,
    WritePlans,
    ReadSubscriptions,
    Subscribe,
    DecideSubscription,
    EndSubscription,
    ReadAdmissions,
    WriteAdmissions,
    ReadAudit,
    ReadApis,
    WriteApis,
}

/// The least roles that a verb takes; `None`: no role is enough.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// To do it in one's own organisation.
    own: Option<Role>,
    /// As a member of the owner's organisation, to do it anywhere.
    gate: Option<Role>,
    /// Nothing is changed by it: a suspended organisation may still look.
    reads: bool,
}

const fn rule(verb: Verb) -> Rule {
    use Role::{Admin, Developer, Owner, Viewer};
    let (own, gate, reads) = match verb {
        Verb::ReadOrganisation
        | Verb::ReadApplications
        | Verb::ReadSubscriptions
        | Verb::ReadAdmissions
        | Verb::ReadPlans => (Some(Viewer), Some(Viewer), true),
        Verb::ReadMembers | Verb::ReadKeys | Verb::ReadClients => (Some(Viewer), Some(Admin), true),
        Verb::ReadInvitations | Verb::ReadAudit => (Some(Admin), Some(Admin), true),
        Verb::RenameOrganisation | Verb::Invite | Verb::WithdrawInvitation => {
            (Some(Admin), Some(Admin), false)
        }
        Verb::ChangeMember | Verb::RemoveMember => (Some(Admin), Some(Owner), false),
        // What is said about an API tells where its services are.
        Verb::ReadApis => (None, Some(Viewer), true),
        Verb::CreateOrganisation
        | Verb::WriteApis
        | Verb::SuspendOrganisation
        | Verb::SuspendApplication
        | Verb::WritePlans
        | Verb::DecideSubscription
        | Verb::WriteAdmissions => (None, Some(Admin), false),
        Verb::DeleteOrganisation => (None, Some(Owner), false),
        Verb::WriteApplications
        | Verb::RevokeKeys
        | Verb::RevokeClients
        | Verb::Subscribe
        | Verb::EndSubscription => (Some(Developer), Some(Admin), false),
        // Whoever runs the gateway may stop a partner's key, and never call in a partner's name.
        Verb::IssueKeys | Verb::IssueClients => (Some(Developer), None, false),
    };
    Rule { own, gate, reads }
}

/// Whose affair something is.
#[derive(Debug, Clone, Copy)]
pub enum Object<'o> {
    /// An organisation's.
    Of(&'o OrganisationId),
    /// The whole gateway's: plans, a new organisation, everybody's lists.
    Gateway,
}

/// Who acts, as proved by a token.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What was shown.
    pub token: Token,
    /// Whose it is.
    pub member: Member,
    /// Where they belong.
    pub organisation: Organisation,
}

impl Actor {
    /// Whether they belong to whoever runs the gateway.
    pub fn is_gate(&self) -> bool {
        self.organisation.kind == OrganisationKind::Owner
    }

    /// The organisation that lists are about when they may not see all: their own.
    pub fn scope(&self) -> Option<&OrganisationId> {
        (!self.is_gate()).then_some(&self.organisation.id)
    }
}

/// That something may be done. Only [`may`] makes one.
#[derive(Debug)]
pub struct Permit(());

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// They may not know that it is there.
    Hidden,
    /// Their role is not enough.
    Forbidden,
    /// Their organisation is suspended.
    Suspended,
}

/// Whether somebody may do something.
///
/// # Errors
/// Why not.
pub fn may(actor: &Actor, verb: Verb, object: Object<'_>) -> Result<Permit, Denied> {
    let rule = rule(verb);
    let own = match object {
        Object::Of(organisation) => *organisation == actor.organisation.id,
        // Everybody may read the gateway's lists, each their own part of it.
        Object::Gateway => rule.reads,
    };
    if !own && matches!(object, Object::Of(_)) && !actor.is_gate() {
        return Err(Denied::Hidden);
    }
    if actor.organisation.standing == Standing::Suspended && !rule.reads {
        return Err(Denied::Suspended);
    }
    // Roles are declared from the one that may most to the one that may least.
    let reaches = |least: Option<Role>| least.is_some_and(|least| actor.member.role <= least);
    match own && reaches(rule.own) || actor.is_gate() && reaches(rule.gate) {
        true => Ok(Permit(())),
        false => Err(Denied::Forbidden),
    }
}

/// Whether somebody may give (or take) a role: none above their own, and only an owner makes owners.
pub(crate) fn may_give(actor: &Actor, role: Role) -> Result<(), Denied> {
    match actor.member.role <= role {
        true => Ok(()),
        false => Err(Denied::Forbidden),
    }
}
