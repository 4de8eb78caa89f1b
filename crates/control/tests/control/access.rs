//! Every verb × role × kind of organisation × whose thing it is, done for real and compared with `access.txt` (T28).

use pasarela_control::{
    Answer, ApiTerms, ApplicationChange, Call, Decision, Error, MemberChange, NewClient,
    NewInvitation, NewKey, NewPlan, NewSubscription, OrganisationChange, Verb,
};
use pasarela_model::{
    ApiId, ApplicationId, ClientId, InvitationId, KeyDigest, KeyId, MemberId, OrganisationKind,
    SubscriptionId, Timestamp,
};
use pasarela_store::{
    Application, ApplicationKey, Client, Invitation, Organisation, Role, Slice, Standing,
    Subscription, SubscriptionState,
};

use crate::{
    on_both,
    world::{World, id, letter, member, read_api, seed},
};

on_both! { t28_every_cell_of_the_access_table_is_what_it_says }

const TABLE: &str = include_str!("access.txt");

/// All verbs; `perform` has an arm for each, so none can be forgotten there.
const VERBS: [Verb; 31] = [
    Verb::ReadOrganisation,
    Verb::CreateOrganisation,
    Verb::RenameOrganisation,
    Verb::SuspendOrganisation,
    Verb::DeleteOrganisation,
    Verb::ReadMembers,
    Verb::ChangeMember,
    Verb::RemoveMember,
    Verb::ReadInvitations,
    Verb::Invite,
    Verb::WithdrawInvitation,
    Verb::ReadApplications,
    Verb::WriteApplications,
    Verb::SuspendApplication,
    Verb::ReadKeys,
    Verb::IssueKeys,
    Verb::RevokeKeys,
    Verb::ReadClients,
    Verb::IssueClients,
    Verb::RevokeClients,
    Verb::ReadPlans,
    Verb::WritePlans,
    Verb::ReadSubscriptions,
    Verb::Subscribe,
    Verb::DecideSubscription,
    Verb::EndSubscription,
    Verb::ReadAdmissions,
    Verb::WriteAdmissions,
    Verb::ReadAudit,
    Verb::ReadApis,
    Verb::WriteApis,
];

async fn t28_every_cell_of_the_access_table_is_what_it_says(world: World) {
    let mut wrong = Vec::new();
    for verb in VERBS {
        let expected = row(&format!("{verb:?}"));
        let positions = [
            (&world.gate, &world.gate),
            (&world.gate, &world.acme),
            (&world.acme, &world.acme),
            (&world.acme, &world.bolt),
        ];
        for ((who, whose), expected) in positions.into_iter().zip(expected) {
            let mut found = String::new();
            for role in Role::ALL {
                let things = Things::make(&world, whose).await;
                let done = perform(&world, verb, world.by(who, *role), &things).await;
                found.push(letter(&done));
            }
            if found != expected {
                let cell = format!("{verb:?} by {} on {}'s", who.name, whose.name);
                wrong.push(format!("{cell}: {found} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn row(verb: &str) -> [&'static str; 4] {
    let line = TABLE.lines().find(|line| line.split_whitespace().next() == Some(verb));
    let line = line.unwrap_or_else(|| panic!("access.txt has no line for {verb}"));
    let cells: Vec<_> = line.split_whitespace().skip(1).collect();
    cells.try_into().unwrap_or_else(|_| panic!("four columns: {line}"))
}

/// One of each thing that an organisation can have. The organisation itself is a fresh one too where
/// a verb would be the end of it.
struct Things {
    whose: Organisation,
    mortal: Option<Organisation>,
    member: MemberId,
    invitation: InvitationId,
    application: ApplicationId,
    key: KeyId,
    client: ClientId,
    pending: SubscriptionId,
    live: SubscriptionId,
    api: ApiId,
    name: String,
}

impl Things {
    async fn make(world: &World, whose: &Organisation) -> Self {
        let at = Timestamp::from_millis(1);
        let name = format!("n{}", u64::from_be_bytes(seed()[..8].try_into().unwrap()));
        let member = member(whose, Role::Viewer, &name);
        let invitation = Invitation {
            id: id(),
            version: 1,
            organisation: whose.id.clone(),
            email: "new@example.org".to_owned(),
            role: Role::Viewer,
            digest: KeyDigest(seed()),
            created: at,
            expires: Timestamp::from_millis(i64::MAX),
        };
        let application = Application {
            id: id(),
            version: 1,
            organisation: whose.id.clone(),
            name: name.clone(),
            standing: Standing::Active,
            created: at,
        };
        let key = ApplicationKey {
            id: id(),
            version: 1,
            application: application.id.clone(),
            label: String::new(),
            hint: String::new(),
            digest: KeyDigest(seed()),
            created: at,
            expires: None,
            revoked: None,
        };
        let client = Client {
            id: id(),
            version: 1,
            application: application.id.clone(),
            label: String::new(),
            hint: String::new(),
            digest: KeyDigest(seed()),
            retiring: None,
            retires: None,
            created: at,
            expires: None,
            revoked: None,
        };
        let subscription = |api: &str, state| Subscription {
            id: id(),
            version: 1,
            organisation: whose.id.clone(),
            application: application.id.clone(),
            api: api.to_owned(),
            plan: None,
            plan_version: None,
            file_plan: Some("carrier".to_owned()),
            state,
            created: at,
            decided: None,
        };
        let pending = subscription("tracking/v1", SubscriptionState::Pending);
        let live = subscription("other/v1", SubscriptionState::Approved);
        // A partner that may be suspended or removed without taking the actors along. Somebody else's
        // organisation is somebody else's whichever it is.
        let mortal = (whose.name == "acme" || whose.name == "bolt").then(|| Organisation {
            id: id(),
            name: name.clone(),
            ..whose.clone()
        });
        let made = Self {
            whose: whose.clone(),
            mortal: mortal.clone(),
            member: member.id.clone(),
            invitation: invitation.id.clone(),
            application: application.id.clone(),
            key: key.id.clone(),
            client: client.id.clone(),
            pending: pending.id.clone(),
            live: live.id.clone(),
            api: world.api(&name).await,
            name,
        };
        let done = world.control.store().write(move |tx| {
            Box::pin(async move {
                tx.insert(&member, "").await?;
                tx.insert(&invitation, "").await?;
                tx.insert(&application, "").await?;
                tx.insert(&key, "").await?;
                tx.insert(&client, "").await?;
                tx.insert(&pending, "").await?;
                tx.insert(&live, "").await?;
                if let Some(mortal) = mortal {
                    tx.insert(&mortal, "").await?;
                }
                Ok::<_, pasarela_store::Error>(())
            })
        });
        done.await.unwrap();
        made
    }

    /// The organisation that a verb may suspend, rename or remove: for its own people it has to be theirs.
    fn victim(&self, own: bool) -> Organisation {
        match &self.mortal {
            Some(mortal) if !own => mortal.clone(),
            _ => self.whose.clone(),
        }
    }
}

async fn perform(world: &World, verb: Verb, call: Call, things: &Things) -> Result<Answer, Error> {
    let control = &world.control;
    let of = things.whose.id.clone();
    let first = |call| World::at_version(call, 1);
    // Acme's own people are the only partners that act.
    let own = call.bearer != world.by(&world.gate, Role::Owner).bearer
        && Role::ALL.iter().any(|role| call.bearer == world.by(&things.whose, *role).bearer);
    let slice = Slice::default();
    match verb {
        Verb::ReadOrganisation => control.read_organisation(call, of).await,
        Verb::CreateOrganisation => {
            let name = format!("{}-new", things.name);
            control.create_organisation(call, name, OrganisationKind::Customer).await
        }
        Verb::RenameOrganisation => {
            let it = things.victim(own);
            let version = version_of(world, &it).await;
            let name = format!("{}-renamed", things.name);
            let change = OrganisationChange { name: Some(name), standing: None };
            let call = World::at_version(call, version);
            control.change_organisation(call, it.id.clone(), change).await
        }
        Verb::SuspendOrganisation => {
            let it = things.victim(own);
            let version = version_of(world, &it).await;
            let change = OrganisationChange { name: None, standing: Some(Standing::Suspended) };
            control.change_organisation(World::at_version(call, version), it.id, change).await
        }
        Verb::DeleteOrganisation => {
            let it = things.victim(own);
            let version = version_of(world, &it).await;
            control.delete_organisation(World::at_version(call, version), it.id).await
        }
        Verb::ReadMembers => control.list_members(call, of, slice).await,
        Verb::ChangeMember => {
            let change = MemberChange { role: Role::Developer };
            control.change_member(first(call), things.member.clone(), change).await
        }
        Verb::RemoveMember => control.remove_member(first(call), things.member.clone()).await,
        Verb::ReadInvitations => control.list_invitations(call, of, slice).await,
        Verb::Invite => {
            let new = NewInvitation { email: "n@example.org".to_owned(), role: Role::Viewer };
            control.invite(call, of, new).await
        }
        Verb::WithdrawInvitation => {
            control.withdraw_invitation(call, things.invitation.clone()).await
        }
        Verb::ReadApplications => control.read_application(call, things.application.clone()).await,
        Verb::WriteApplications => {
            control.create_application(call, of, format!("{}-app", things.name)).await
        }
        Verb::SuspendApplication => {
            let change = ApplicationChange { name: None, standing: Some(Standing::Suspended) };
            control.change_application(first(call), things.application.clone(), change).await
        }
        Verb::ReadKeys => control.list_keys(call, things.application.clone(), slice).await,
        Verb::IssueKeys => {
            control.issue_key(call, things.application.clone(), NewKey::default()).await
        }
        Verb::RevokeKeys => control.revoke_key(call, things.key.clone()).await,
        Verb::ReadClients => control.list_clients(call, things.application.clone(), slice).await,
        Verb::IssueClients if things.name.ends_with(['0', '2', '4', '6', '8']) => {
            control.create_client(call, things.application.clone(), NewClient::default()).await
        }
        // The same right.
        Verb::IssueClients => control.rotate_client(call, things.client.clone(), 0).await,
        Verb::RevokeClients => control.revoke_client(call, things.client.clone()).await,
        Verb::ReadPlans => control.list_plans(call, slice).await,
        Verb::WritePlans => {
            let new = NewPlan {
                name: format!("{}-plan", things.name),
                rate: None,
                apis: vec![],
                scopes: vec![],
            };
            control.create_plan(call, new).await
        }
        Verb::ReadSubscriptions => control.read_subscription(call, things.live.clone()).await,
        Verb::Subscribe => {
            let new = NewSubscription { api: "rates/v2".to_owned(), plan: "free".to_owned() };
            control.subscribe(call, things.application.clone(), new).await
        }
        Verb::DecideSubscription => {
            control.decide(call, things.pending.clone(), Decision::Approve).await
        }
        Verb::EndSubscription => control.decide(call, things.live.clone(), Decision::End).await,
        Verb::ReadAdmissions => control.list_admissions(call, of).await,
        Verb::WriteAdmissions => control.admit(call, of, "tracking/v1".to_owned()).await,
        Verb::ReadAudit => control.read_audit(call, slice).await,
        Verb::ReadApis => control.read_api(call, things.api.clone()).await,
        Verb::WriteApis => {
            let read = read_api(&format!("{}-new", things.name));
            control.create_api(call, read, ApiTerms::default()).await
        }
    }
}

async fn version_of(world: &World, of: &Organisation) -> i64 {
    let call = world.by(&world.gate, Role::Viewer);
    let found = world.control.read_organisation(call, of.id.clone()).await.unwrap();
    found.version.unwrap()
}
