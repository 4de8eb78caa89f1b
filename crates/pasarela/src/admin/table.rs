//! The administration API as a table: one line a verb. Routes, checks and the document are made from it.

use pasarela_control::{
    ApplicationChange, Decision, MemberChange, NewInvitation, NewKey, NewPlan, NewSubscription,
    OrganisationChange, PlanChange, RateTerms,
};
use pasarela_model::OrganisationKind;
use pasarela_store::{ApiState, PAGE_MAX, PlanState, Role, Standing, SubscriptionState};

use super::{
    apis,
    ask::Run,
    fields::{Field, Kind},
};

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

const NAME: Kind = Kind::Text { max: 63, pattern: Some("^[a-z][a-z0-9-]*$") };
const LABEL: Kind = Kind::Text { max: 100, pattern: Some("^[^\\u0000-\\u001f\\u007f-\\u009f]*$") };
const EMAIL: Kind = Kind::Text { max: 254, pattern: Some("^[!-?A-~]+@[!-?A-~]+$") };
const API_PATTERN: &str = "^[a-z][a-z0-9-]*/v[1-9][0-9]*$";
const API: Kind = Kind::Text { max: 100, pattern: Some(API_PATTERN) };
const ANY_TEXT: Kind = Kind::Text { max: 300, pattern: None };
const ROLE: Kind = Kind::Word(Role::WORDS);
const STANDING: Kind = Kind::Word(Standing::WORDS);
const COUNT: Kind = Kind::Integer { min: 1, max: 1_000_000_000 };
const VERSION: Field = Field::need(
    "version",
    Kind::Integer { min: 1, max: i64::MAX },
    "Rises with each change; the number in its ETag.",
);
const ID: Field = Field::need("id", ANY_TEXT, "Its id.");
const CREATED: Field = Field::need("created", Kind::Time, "When it was made.");

const PAGE: &[Field] = &[
    Field::may("after", ANY_TEXT, "The `next` of the page before."),
    Field::may(
        "limit",
        Kind::Integer { min: 1, max: PAGE_MAX },
        "How many at most; 50 unless said.",
    ),
];
const STATES: &[Field] = &[
    Field::may("after", ANY_TEXT, "The `next` of the page before."),
    Field::may(
        "limit",
        Kind::Integer { min: 1, max: PAGE_MAX },
        "How many at most; 50 unless said.",
    ),
    Field::may("state", Kind::Word(SubscriptionState::WORDS), "Those in this state only."),
];

const RATE: &[Field] = &[
    Field::need("count", COUNT, "Calls…"),
    Field::need("per_ms", Kind::Integer { min: 1, max: 86_400_000 }, "…in so many milliseconds…"),
    Field::may("burst", COUNT, "…and so many at once; `count` unless said."),
];
const RATE_SHOWN: &[Field] = &[
    Field::need("count", COUNT, "Calls…"),
    Field::need("per_ms", Kind::Integer { min: 1, max: 86_400_000 }, "…in so many milliseconds…"),
    Field::need("burst", COUNT, "…and so many at once."),
];
const APIS: Kind = Kind::Texts { max_items: 1_000, pattern: Some(API_PATTERN) };

/// What comes back, by name.
pub(super) const SHAPES: &[(&str, &[Field])] = &[
    (
        "Organisation",
        &[
            ID,
            VERSION,
            Field::need("name", ANY_TEXT, "Its name, that nobody else has."),
            Field::need(
                "kind",
                Kind::Word(&["owner", "partner", "customer"]),
                "What it is to whoever runs the gateway.",
            ),
            Field::need("standing", STANDING, "A suspended one calls nothing and changes nothing."),
            CREATED,
        ],
    ),
    ("Member", MEMBER),
    ("Token", TOKEN),
    ("NewToken", &[ID, VERSION, TOKEN[2], TOKEN[3], CREATED, TOKEN[5], TOKEN[6], SECRET]),
    ("Invitation", INVITATION),
    (
        "NewInvitation",
        &[ID, VERSION, INVITATION[2], INVITATION[3], INVITATION[4], CREATED, INVITATION[6], SECRET],
    ),
    (
        "Me",
        &[
            Field::need("member", Kind::Shape("Member"), "Who asks."),
            Field::need("organisation", Kind::Shape("Organisation"), "Where they belong."),
            Field::need("token", Kind::Shape("Token"), "What they have shown."),
        ],
    ),
    (
        "Welcome",
        &[
            Field::need("member", Kind::Shape("Member"), "Who they are now."),
            Field::need("token", Kind::Shape("Token"), "Their first token."),
            SECRET,
        ],
    ),
    (
        "Application",
        &[
            ID,
            VERSION,
            Field::need("organisation", ANY_TEXT, "Whose it is."),
            Field::need("name", ANY_TEXT, "Its name, once in an organisation."),
            Field::need("standing", STANDING, "A suspended one is not let in."),
            CREATED,
        ],
    ),
    ("Key", KEY),
    ("NewKey", &[ID, VERSION, KEY[2], KEY[3], KEY[4], CREATED, KEY[6], KEY[7], SECRET]),
    (
        "Plan",
        &[
            ID,
            VERSION,
            Field::need("name", ANY_TEXT, "Its name, that no other plan has."),
            Field::need(
                "state",
                Kind::Word(PlanState::WORDS),
                "Whether it can still be subscribed to.",
            ),
            Field::need("apis", APIS, "The APIs it is offered for."),
            Field::need(
                "latest",
                Kind::Integer { min: 1, max: i64::MAX },
                "The number of its newest terms.",
            ),
            Field::null("rate", Kind::Object(RATE_SHOWN), "The rate limit of its newest terms."),
            CREATED,
        ],
    ),
    (
        "Terms",
        &[
            Field::need("number", Kind::Integer { min: 1, max: i64::MAX }, "From 1."),
            Field::null("rate", Kind::Object(RATE_SHOWN), "The rate limit."),
            CREATED,
        ],
    ),
    (
        "Subscription",
        &[
            ID,
            VERSION,
            Field::need("organisation", ANY_TEXT, "Whose application it is."),
            Field::need("application", ANY_TEXT, "Who calls."),
            Field::need("api", ANY_TEXT, "What is called."),
            Field::null("plan", ANY_TEXT, "The plan, where it is one of the store's…"),
            Field::null(
                "plan_version",
                Kind::Integer { min: 1, max: i64::MAX },
                "…in these terms;",
            ),
            Field::null("file_plan", ANY_TEXT, "or the name of one of the configuration file's."),
            Field::need("state", Kind::Word(SubscriptionState::WORDS), "Where it stands."),
            CREATED,
            Field::null("decided", Kind::Time, "When it came to stand there."),
        ],
    ),
    (
        "Admission",
        &[
            Field::need("organisation", ANY_TEXT, "The partner."),
            Field::need("api", ANY_TEXT, "The API it may see and ask for."),
            Field::may("created", Kind::Time, "Since when."),
        ],
    ),
    (
        "Api",
        &[
            Field::null("id", ANY_TEXT, "Its id; null where it is the configuration file's."),
            Field::need("api", ANY_TEXT, "How subscriptions name it."),
            STORED_API[4],
            STORED_API[5],
            STORED_API[3],
        ],
    ),
    ("StoredApi", STORED_API),
    (
        "ChangedApi",
        &[
            STORED_API[0],
            STORED_API[1],
            STORED_API[2],
            STORED_API[3],
            STORED_API[4],
            STORED_API[5],
            STORED_API[6],
            STORED_API[7],
            STORED_API[8],
            STORED_API[9],
            Field::may("warnings", Kind::Objects(REMARK), "What its author may not expect."),
        ],
    ),
    ("Revision", REVISION),
    (
        "RevisionWithDocuments",
        &[
            REVISION[0],
            REVISION[1],
            REVISION[2],
            REVISION[3],
            REVISION[4],
            Field::need("documents", Kind::Objects(DOCUMENT_SHOWN), "All of them."),
        ],
    ),
    (
        "AuditEntry",
        &[
            Field::need(
                "number",
                Kind::Integer { min: 1, max: i64::MAX },
                "From 1, without a gap.",
            ),
            Field::need("at", Kind::Time, "When."),
            Field::need("actor", ANY_TEXT, "Who: a member's id, or `system`."),
            Field::null(
                "organisation",
                ANY_TEXT,
                "Whose affair it was; none: the whole gateway's.",
            ),
            Field::need("verb", ANY_TEXT, "What was done."),
            Field::need("object", ANY_TEXT, "To what."),
            Field::null("before", Kind::Any, "What it was."),
            Field::null("after", Kind::Any, "What it became."),
            Field::need("request", ANY_TEXT, "The X-Request-Id of the answer."),
            Field::need("seal", ANY_TEXT, "SHA-256 over the seal before it and all of this."),
        ],
    ),
];

const STORED_API: &[Field] = &[
    ID,
    VERSION,
    Field::need("api", ANY_TEXT, "How subscriptions name it."),
    Field::need("state", Kind::Word(ApiState::WORDS), "Where it stands."),
    Field::need("visibility", Kind::Word(&["private", "partner", "public"]), "Who may see it."),
    Field::need(
        "plans",
        Kind::Texts { max_items: 1_000, pattern: None },
        "The plans that it names.",
    ),
    Field::need("definition", Kind::Definition, "What is said about it."),
    Field::need("revision", COUNT, "The revision of its documents that is in force."),
    Field::need("documents", ANY_TEXT, "Their SHA-256."),
    CREATED,
];
const REVISION: &[Field] = &[
    Field::need("number", COUNT, "From 1."),
    Field::need("in_force", Kind::Flag, "The API is served with it."),
    Field::need("sha256", ANY_TEXT, "Of all documents together."),
    Field::null("source", ANY_TEXT, "The URL that they were fetched from."),
    CREATED,
];
const LONG_TEXT: Kind = Kind::Text { max: 16 << 20, pattern: None };
const BASE64: Kind = Kind::Text { max: 24 << 20, pattern: Some("^[A-Za-z0-9+/]*={0,2}$") };
const PLACE: Kind =
    Kind::Text { max: 2_000, pattern: Some("^[^\\u0000-\\u001f\\u007f-\\u009f]+$") };
const DOCUMENT: &[Field] = &[
    Field::need("name", PLACE, "What the definition calls it: `contract: orders.wsdl`."),
    Field::may("url", PLACE, "Where it came from, if what others import it by is not its name."),
    Field::may("found", PLACE, "Where it was found, if redirects led elsewhere."),
    Field::may("text", LONG_TEXT, "It; or"),
    Field::may("base64", BASE64, "it, where it is not UTF-8."),
];
const DOCUMENT_SHOWN: &[Field] = &[
    Field::need("name", ANY_TEXT, "What the definition calls it."),
    Field::need("url", ANY_TEXT, "Where it came from."),
    Field::null("found", ANY_TEXT, "Where it was found, if redirects led elsewhere."),
    Field::need("bytes", Kind::Integer { min: 0, max: 16 << 20 }, "Its length."),
    Field::need("secret", Kind::Flag, "It holds a private key, and is not shown."),
    Field::null("text", LONG_TEXT, "It; or"),
    Field::null("base64", BASE64, "it, where it is not UTF-8."),
];
/// A fault or a warning about an API.
pub(super) const REMARK: &[Field] = &[
    Field::need("code", ANY_TEXT, "The code; `pasarela explain` has its page."),
    Field::need("severity", Kind::Word(&["error", "warning"]), "How bad it is."),
    Field::need("pointer", LONG_TEXT, "Where in the body, as a JSON pointer."),
    Field::null("document", LONG_TEXT, "The document that it is in…"),
    Field::null("line", Kind::Integer { min: 0, max: i64::MAX }, "…in this line…"),
    Field::null("column", Kind::Integer { min: 0, max: i64::MAX }, "…and column."),
    Field::need("message", LONG_TEXT, "What is wrong and why."),
    Field::need("cure", LONG_TEXT, "What to do about it."),
];

const SECRET: Field =
    Field::null("secret", ANY_TEXT, "Shown this once; null when a request is repeated.");
const ENDS: Field = Field::null("expires", Kind::Time, "From when on it is of no use.");
const REVOKED: Field = Field::null("revoked", Kind::Time, "Since when it is of no use.");
const MEMBER: &[Field] = &[
    ID,
    VERSION,
    Field::need("organisation", ANY_TEXT, "Where they belong."),
    Field::need("email", ANY_TEXT, "Where they can be written to."),
    Field::need("role", ROLE, "What they may do there."),
    CREATED,
];
const TOKEN: &[Field] = &[
    ID,
    VERSION,
    Field::need("member", ANY_TEXT, "Whose it is."),
    Field::need("label", ANY_TEXT, "What they call it."),
    CREATED,
    ENDS,
    REVOKED,
];
const INVITATION: &[Field] = &[
    ID,
    VERSION,
    Field::need("organisation", ANY_TEXT, "Where it leads."),
    Field::need("email", ANY_TEXT, "Whom it is for."),
    Field::need("role", ROLE, "What they will be."),
    CREATED,
    Field::need("expires", Kind::Time, "From when on it is of no use."),
];
const KEY: &[Field] = &[
    ID,
    VERSION,
    Field::need("application", ANY_TEXT, "Whose it is."),
    Field::need("label", ANY_TEXT, "What its holders call it."),
    Field::need("hint", ANY_TEXT, "How it begins."),
    CREATED,
    ENDS,
    REVOKED,
];

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
                },
            )
        }),
    )
    .body(&[
        Field::need("name", NAME, "Its name."),
        Field::may_null("rate", Kind::Object(RATE), "Its rate limit; none unless said."),
        Field::need("apis", APIS, "The APIs it is offered for."),
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
                state: asked.word("state"),
            };
            c.change_plan(call, asked.id("plan")?, change)
        }),
    )
    .body(&[
        Field::may_null("rate", Kind::Object(RATE), "New terms; null: without a limit."),
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
