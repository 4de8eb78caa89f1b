//! The administration API as a table: one line a verb. Routes, checks and the document are made from it.

mod shapes;

use pasarela_control::{
    ApplicationChange, Decision, MemberChange, NewClient, NewInvitation, NewKey, NewPlan,
    NewSubscription, OrganisationChange, PlanChange, RateTerms,
};
use pasarela_model::OrganisationKind;
use pasarela_store::{ApiState, PlanState, Role};

use super::{
    apis,
    ask::Run,
    fields::{Field, Kind},
};
use shapes::*;
pub(super) use shapes::{REMARK, SHAPES};

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// One thing that can be asked.
pub(super) struct Route {
    pub(super) method: Verb,
    /// Below `/admin/v1`.
    pub(super) path: &'static str,
    /// `operationId`.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static [Field],
    /// `None`: there is no body.
    pub(super) body: Option<&'static [Field]>,
    /// `If-Match` is needed.
    pub(super) versioned: bool,
    /// The name of the shape that comes back…
    pub(super) answer: &'static str,
    /// …or a page of it.
    pub(super) page: bool,
    /// The status is 201.
    pub(super) creates: bool,
    /// Where what was made can be read.
    pub(super) lies_at: Option<&'static str>,
    /// The answer shows a secret, once.
    pub(super) secret: bool,
    /// The bearer is an invitation, not a token.
    pub(super) invitation: bool,
    /// What is sent may be a contract.
    pub(super) large: bool,
    pub(super) run: Run,
}

const fn route(
    method: Verb,
    path: &'static str,
    (id, summary): (&'static str, &'static str),
    answer: &'static str,
    run: Run,
) -> Route {
    Route {
        method,
        path,
        id,
        summary,
        query: &[],
        body: None,
        versioned: false,
        answer,
        page: false,
        creates: false,
        lies_at: None,
        secret: false,
        invitation: false,
        large: false,
        run,
    }
}

impl Route {
    const fn page(self) -> Self {
        Self { query: PAGE, page: true, ..self }
    }

    const fn whole(self) -> Self {
        Self { page: true, ..self }
    }

    const fn body(self, fields: &'static [Field]) -> Self {
        Self { body: Some(fields), ..self }
    }

    const fn versioned(self) -> Self {
        Self { versioned: true, ..self }
    }

    const fn creates(self, lies_at: Option<&'static str>) -> Self {
        Self { creates: true, lies_at, ..self }
    }

    const fn large(self) -> Self {
        Self { large: true, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

use Verb::{Delete, Get, Patch, Post, Put};

/// Runs a verb of `control` on what was asked.
macro_rules! run {
    (|$control:ident, $call:ident, $asked:ident| $verb:expr) => {
        |$control, $call, $asked| {
            Box::pin(async move {
                let answer = $verb.await?;
                Ok(answer)
            })
        }
    };
}

/// All of it.
pub(super) const ROUTES: &[Route] = &[
    route(Get, "/me", ("whoAmI", "Who you are"), "Me", run!(|c, call, _asked| c.who_am_i(call))),
    route(
        Get,
        "/organisations",
        ("listOrganisations", "The organisations you may see"),
        "Organisation",
        run!(|c, call, asked| c.list_organisations(call, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/organisations",
        ("createOrganisation", "Make a partner or customer"),
        "Organisation",
        run!(|c, call, asked| {
            let kind = match asked.text("kind").as_str() {
                "partner" => OrganisationKind::Partner,
                _ => OrganisationKind::Customer,
            };
            c.create_organisation(call, asked.text("name"), kind)
        }),
    )
    .body(&[
        Field::need("name", NAME, "Its name."),
        Field::need("kind", Kind::Word(&["partner", "customer"]), "What it is to you."),
    ])
    .creates(Some("organisations")),
    route(
        Get,
        "/organisations/{organisation}",
        ("readOrganisation", "One organisation"),
        "Organisation",
        run!(|c, call, asked| c.read_organisation(call, asked.id("organisation")?)),
    ),
    route(
        Patch,
        "/organisations/{organisation}",
        ("changeOrganisation", "Rename, suspend or resume it"),
        "Organisation",
        run!(|c, call, asked| {
            let change = OrganisationChange {
                name: asked.text_or_none("name"),
                standing: asked.word("standing"),
            };
            c.change_organisation(call, asked.id("organisation")?, change)
        }),
    )
    .body(&[
        Field::may("name", NAME, "Another name."),
        Field::may("standing", STANDING, "Suspended, or active again."),
    ])
    .versioned(),
    route(
        Delete,
        "/organisations/{organisation}",
        ("deleteOrganisation", "Remove it, with its members and applications"),
        "Organisation",
        run!(|c, call, asked| c.delete_organisation(call, asked.id("organisation")?)),
    )
    .versioned(),
    route(
        Get,
        "/organisations/{organisation}/members",
        ("listMembers", "Its members"),
        "Member",
        run!(|c, call, asked| c.list_members(call, asked.id("organisation")?, asked.slice()?)),
    )
    .page(),
    route(
        Get,
        "/members/{member}",
        ("readMember", "One member"),
        "Member",
        run!(|c, call, asked| c.read_member(call, asked.id("member")?)),
    ),
    route(
        Patch,
        "/members/{member}",
        ("changeMember", "Give them another role"),
        "Member",
        run!(|c, call, asked| {
            let role = asked.word("role").unwrap_or(Role::Viewer);
            c.change_member(call, asked.id("member")?, MemberChange { role })
        }),
    )
    .body(&[Field::need("role", ROLE, "What they are from now on.")])
    .versioned(),
    route(
        Delete,
        "/members/{member}",
        ("removeMember", "Remove them, with their tokens"),
        "Member",
        run!(|c, call, asked| c.remove_member(call, asked.id("member")?)),
    )
    .versioned(),
    route(
        Get,
        "/organisations/{organisation}/invitations",
        ("listInvitations", "Invitations that were not taken up"),
        "Invitation",
        run!(|c, call, asked| c.list_invitations(call, asked.id("organisation")?, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/organisations/{organisation}/invitations",
        ("invite", "Invite somebody"),
        "NewInvitation",
        run!(|c, call, asked| {
            let role = asked.word("role").unwrap_or(Role::Viewer);
            c.invite(
                call,
                asked.id("organisation")?,
                NewInvitation { email: asked.text("email"), role },
            )
        }),
    )
    .body(&[
        Field::need("email", EMAIL, "Where they can be written to."),
        Field::need("role", ROLE, "What they will be."),
    ])
    .creates(None)
    .secret(),
    route(
        Delete,
        "/invitations/{invitation}",
        ("withdrawInvitation", "Take an invitation back"),
        "Invitation",
        run!(|c, call, asked| c.withdraw_invitation(call, asked.id("invitation")?)),
    ),
    Route {
        invitation: true,
        ..route(
            Post,
            "/invitations/accept",
            ("acceptInvitation", "Become a member: the bearer is the invitation, which is used up"),
            "Welcome",
            run!(|c, call, _asked| c.accept_invitation(call)),
        )
        .creates(None)
        .secret()
    },
    route(
        Get,
        "/tokens",
        ("listTokens", "Your tokens"),
        "Token",
        run!(|c, call, asked| c.list_tokens(call, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/tokens",
        ("createToken", "Another token for yourself"),
        "NewToken",
        run!(|c, call, asked| c.create_token(call, asked.text("label"), asked.time("expires"))),
    )
    .body(&[
        Field::need("label", LABEL, "What you call it."),
        Field::may_null("expires", Kind::Time, "From when on it is of no use; never unless said."),
    ])
    .creates(None)
    .secret(),
    route(
        Delete,
        "/tokens/{token}",
        ("revokeToken", "End one of your tokens"),
        "Token",
        run!(|c, call, asked| c.revoke_token(call, asked.id("token")?)),
    ),
    route(
        Get,
        "/organisations/{organisation}/applications",
        ("listApplications", "Its applications"),
        "Application",
        run!(|c, call, asked| c.list_applications(call, asked.id("organisation")?, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/organisations/{organisation}/applications",
        ("createApplication", "Make an application"),
        "Application",
        run!(|c, call, asked| c.create_application(
            call,
            asked.id("organisation")?,
            asked.text("name")
        )),
    )
    .body(&[Field::need("name", NAME, "Its name.")])
    .creates(Some("applications")),
    route(
        Get,
        "/applications/{application}",
        ("readApplication", "One application"),
        "Application",
        run!(|c, call, asked| c.read_application(call, asked.id("application")?)),
    ),
    route(
        Patch,
        "/applications/{application}",
        ("changeApplication", "Rename it; suspend or resume it"),
        "Application",
        run!(|c, call, asked| {
            let change = ApplicationChange {
                name: asked.text_or_none("name"),
                standing: asked.word("standing"),
            };
            c.change_application(call, asked.id("application")?, change)
        }),
    )
    .body(&[
        Field::may("name", NAME, "Another name."),
        Field::may("standing", STANDING, "Suspended, or active again."),
    ])
    .versioned(),
    route(
        Delete,
        "/applications/{application}",
        ("deleteApplication", "Remove it, with its keys"),
        "Application",
        run!(|c, call, asked| c.delete_application(call, asked.id("application")?)),
    )
    .versioned(),
    route(
        Get,
        "/applications/{application}/keys",
        ("listKeys", "Its keys, as far as they can be shown"),
        "Key",
        run!(|c, call, asked| c.list_keys(call, asked.id("application")?, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/applications/{application}/keys",
        ("issueKey", "Issue a key"),
        "NewKey",
        run!(|c, call, asked| {
            let new = NewKey { label: asked.text("label"), expires: asked.time("expires") };
            c.issue_key(call, asked.id("application")?, new)
        }),
    )
    .body(&[
        Field::need("label", LABEL, "What you call it."),
        Field::may_null("expires", Kind::Time, "From when on it is of no use; never unless said."),
    ])
    .creates(None)
    .secret(),
    route(
        Post,
        "/keys/{key}/rotate",
        ("rotateKey", "A new key in place of one, which lives on for a while"),
        "NewKey",
        run!(|c, call, asked| {
            let overlap = asked.integer("overlap_seconds").unwrap_or(0);
            c.rotate_key(call, asked.id("key")?, overlap)
        }),
    )
    .body(&[Field::need(
        "overlap_seconds",
        Kind::Integer { min: 0, max: 7_776_000 },
        "How long the old one lives on.",
    )])
    .creates(None)
    .secret(),
    route(
        Delete,
        "/keys/{key}",
        ("revokeKey", "End a key, at once"),
        "Key",
        run!(|c, call, asked| c.revoke_key(call, asked.id("key")?)),
    ),
    route(
        Get,
        "/applications/{application}/clients",
        ("listClients", "Its clients, as far as they can be shown"),
        "Client",
        run!(|c, call, asked| c.list_clients(call, asked.id("application")?, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/applications/{application}/clients",
        ("createClient", "Make a client, to get tokens with"),
        "NewClient",
        run!(|c, call, asked| {
            let new = NewClient { label: asked.text("label"), expires: asked.time("expires") };
            c.create_client(call, asked.id("application")?, new)
        }),
    )
    .body(&[
        Field::need("label", LABEL, "What you call it."),
        Field::may_null("expires", Kind::Time, "From when on it is of no use; never unless said."),
    ])
    .creates(None)
    .secret(),
    route(
        Post,
        "/clients/{client}/rotate",
        ("rotateClient", "A new secret in place of one, which lives on for a while"),
        "NewClient",
        run!(|c, call, asked| {
            let overlap = asked.integer("overlap_seconds").unwrap_or(0);
            c.rotate_client(call, asked.id("client")?, overlap)
        }),
    )
    .body(&[Field::need(
        "overlap_seconds",
        Kind::Integer { min: 0, max: 7_776_000 },
        "How long the secret before lives on.",
    )])
    .secret(),
    route(
        Delete,
        "/clients/{client}",
        ("revokeClient", "End a client at once, with all its tokens"),
        "Client",
        run!(|c, call, asked| c.revoke_client(call, asked.id("client")?)),
    ),
    route(
        Get,
        "/plans",
        ("listPlans", "All plans of the store"),
        "Plan",
        run!(|c, call, asked| c.list_plans(call, asked.slice()?)),
    )
    .page(),
    route(
        Post,
        "/plans",
        ("createPlan", "Make a plan"),
        "Plan",
        run!(|c, call, asked| {
            let rate = asked.object("rate").and_then(rate);
            c.create_plan(
                call,
                NewPlan {
                    name: asked.text("name"),
                    rate,
                    apis: asked.texts("apis").unwrap_or_default(),
                    scopes: asked.texts("scopes").unwrap_or_default(),
                },
            )
        }),
    )
    .body(&[
        Field::need("name", NAME, "Its name."),
        Field::may_null("rate", Kind::Object(RATE), "Its rate limit; none unless said."),
        Field::need("apis", APIS, "The APIs it is offered for."),
        Field::may("scopes", SCOPES, "Scopes that its subscribers are granted."),
    ])
    .creates(Some("plans")),
    route(
        Get,
        "/plans/{plan}",
        ("readPlan", "One plan, in its newest terms"),
        "Plan",
        run!(|c, call, asked| c.read_plan(call, asked.id("plan")?)),
    ),
    route(
        Patch,
        "/plans/{plan}",
        (
            "changePlan",
            "New terms, other APIs, retired or offered again; who subscribes keeps their terms",
        ),
        "Plan",
        run!(|c, call, asked| {
            let change = PlanChange {
                rate: asked.object("rate").map(rate),
                apis: asked.texts("apis"),
                scopes: asked.texts("scopes"),
                state: asked.word("state"),
            };
            c.change_plan(call, asked.id("plan")?, change)
        }),
    )
    .body(&[
        Field::may_null("rate", Kind::Object(RATE), "New terms; null: without a limit."),
        Field::may("scopes", SCOPES, "New terms: scopes that subscribers are granted."),
        Field::may("apis", APIS, "The APIs it is offered for."),
        Field::may("state", Kind::Word(PlanState::WORDS), "Whether it can be subscribed to."),
    ])
    .versioned(),
    route(
        Get,
        "/plans/{plan}/versions",
        ("listPlanVersions", "All terms it has had"),
        "Terms",
        run!(|c, call, asked| c.list_plan_versions(call, asked.id("plan")?)),
    )
    .whole(),
    route(
        Get,
        "/apis",
        ("listApis", "The APIs you can see"),
        "Api",
        run!(|c, call, _asked| c.list_apis(call)),
    )
    .whole(),
    route(
        Post,
        "/apis",
        ("createApi", "Put an API on the air, or draft one"),
        "ChangedApi",
        run!(|c, call, asked| apis::create(c, call, asked)),
    )
    .body(&[
        Field::need(
            "definition",
            Kind::Definition,
            "What the configuration file would say about it.",
        ),
        Field::may(
            "documents",
            Kind::Objects(DOCUMENT),
            "Its contract with what it imports, and the other files that the definition names.",
        ),
        Field::may("state", Kind::Word(&["draft", "published"]), "Published unless said."),
    ])
    .creates(Some("apis"))
    .large(),
    route(
        Get,
        "/apis/{api_id}",
        ("readApi", "One API of the store"),
        "StoredApi",
        run!(|c, call, asked| c.read_api(call, asked.id("api_id")?)),
    ),
    route(
        Patch,
        "/apis/{api_id}",
        ("changeApi", "Another definition, other documents, another state"),
        "ChangedApi",
        run!(|c, call, asked| apis::change(c, call, asked)),
    )
    .body(&[
        Field::may("definition", Kind::Definition, "All of it, in the place of what was said."),
        Field::may("documents", Kind::Objects(DOCUMENT), "All of them, as a new revision; or"),
        Field::may("revision", COUNT, "an earlier revision of them."),
        Field::may("state", Kind::Word(ApiState::WORDS), "Where it comes to stand."),
    ])
    .versioned()
    .large(),
    route(
        Delete,
        "/apis/{api_id}",
        ("deleteApi", "Remove it, where nobody subscribes to it"),
        "StoredApi",
        run!(|c, call, asked| c.delete_api(call, asked.id("api_id")?)),
    )
    .versioned(),
    route(
        Post,
        "/apis/{api_id}/import",
        ("importContract", "Fetch its contract, with what that imports, as a new revision"),
        "ChangedApi",
        run!(|c, call, asked| apis::import(c, call, asked)),
    )
    .body(&[
        Field::need("url", PLACE, "Where the contract is."),
        Field::may(
            "allow_hosts",
            Kind::Texts { max_items: 20, pattern: None },
            "Other hosts whose documents may be fetched, where the contract names them.",
        ),
    ])
    .versioned()
    .large(),
    route(
        Get,
        "/apis/{api_id}/revisions",
        ("listRevisions", "The revisions of its documents"),
        "Revision",
        run!(|c, call, asked| c.list_revisions(call, asked.id("api_id")?)),
    )
    .whole(),
    route(
        Get,
        "/apis/{api_id}/revisions/{revision}",
        ("readRevision", "A revision, with its documents"),
        "RevisionWithDocuments",
        run!(|c, call, asked| apis::revision(c, call, asked)),
    ),
    route(
        Get,
        "/organisations/{organisation}/admissions",
        ("listAdmissions", "The partner APIs it was admitted to"),
        "Admission",
        run!(|c, call, asked| c.list_admissions(call, asked.id("organisation")?)),
    )
    .whole(),
    route(
        Put,
        "/organisations/{organisation}/admissions/{api}/{version}",
        ("admit", "Let a partner see an API and ask for it"),
        "Admission",
        run!(|c, call, asked| c.admit(
            call,
            asked.id("organisation")?,
            format!("{}/{}", asked.part("api"), asked.part("version"))
        )),
    ),
    route(
        Delete,
        "/organisations/{organisation}/admissions/{api}/{version}",
        ("dismiss", "Take an admission back"),
        "Admission",
        run!(|c, call, asked| c.dismiss(
            call,
            asked.id("organisation")?,
            format!("{}/{}", asked.part("api"), asked.part("version"))
        )),
    ),
    Route {
        query: STATES,
        ..route(
            Get,
            "/subscriptions",
            ("listSubscriptions", "The subscriptions you may see"),
            "Subscription",
            run!(|c, call, asked| c.list_subscriptions(
                call,
                asked.word_of_query("state")?,
                asked.slice()?
            )),
        )
        .page()
    },
    route(
        Get,
        "/applications/{application}/subscriptions",
        ("listSubscriptionsOf", "What it subscribes to"),
        "Subscription",
        run!(|c, call, asked| c.list_subscriptions_of(
            call,
            asked.id("application")?,
            asked.slice()?
        )),
    )
    .page(),
    route(
        Post,
        "/applications/{application}/subscriptions",
        ("subscribe", "Ask for a subscription"),
        "Subscription",
        run!(|c, call, asked| {
            let new = NewSubscription { api: asked.text("api"), plan: asked.text("plan") };
            c.subscribe(call, asked.id("application")?, new)
        }),
    )
    .body(&[
        Field::need("api", API, "The API, as `GET /apis` names it."),
        Field::need(
            "plan",
            Kind::Text { max: 100, pattern: None },
            "A plan's id, or the name of one of the configuration file's.",
        ),
    ])
    .creates(Some("subscriptions")),
    route(
        Get,
        "/subscriptions/{subscription}",
        ("readSubscription", "One subscription"),
        "Subscription",
        run!(|c, call, asked| c.read_subscription(call, asked.id("subscription")?)),
    ),
    route(
        Post,
        "/subscriptions/{subscription}/approve",
        ("approveSubscription", "Grant it"),
        "Subscription",
        run!(|c, call, asked| c.decide(call, asked.id("subscription")?, Decision::Approve)),
    ),
    route(
        Post,
        "/subscriptions/{subscription}/refuse",
        ("refuseSubscription", "Do not grant it"),
        "Subscription",
        run!(|c, call, asked| c.decide(call, asked.id("subscription")?, Decision::Refuse)),
    ),
    route(
        Post,
        "/subscriptions/{subscription}/suspend",
        ("suspendSubscription", "Stop it for a while"),
        "Subscription",
        run!(|c, call, asked| c.decide(call, asked.id("subscription")?, Decision::Suspend)),
    ),
    route(
        Post,
        "/subscriptions/{subscription}/resume",
        ("resumeSubscription", "Let it go on"),
        "Subscription",
        run!(|c, call, asked| c.decide(call, asked.id("subscription")?, Decision::Resume)),
    ),
    route(
        Post,
        "/subscriptions/{subscription}/end",
        ("endSubscription", "End it, for good"),
        "Subscription",
        run!(|c, call, asked| c.decide(call, asked.id("subscription")?, Decision::End)),
    ),
    route(
        Get,
        "/audit",
        ("readAudit", "The audit log, newest first"),
        "AuditEntry",
        run!(|c, call, asked| c.read_audit(call, asked.slice()?)),
    )
    .page(),
];

fn rate(value: &serde_json::Value) -> Option<RateTerms> {
    Some(RateTerms {
        count: value.get("count")?.as_i64()?,
        per_ms: value.get("per_ms")?.as_i64()?,
        burst: value.get("burst").and_then(serde_json::Value::as_i64),
    })
}
