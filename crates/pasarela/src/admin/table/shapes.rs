//! What is sent and what comes back, by name: the members of bodies, once for checks and documents.

use pasarela_store::{ApiState, PAGE_MAX, PlanState, Role, Standing, SubscriptionState};

use super::super::fields::{Field, Kind};

pub(super) const NAME: Kind = Kind::Text { max: 63, pattern: Some("^[a-z][a-z0-9-]*$") };
pub(super) const LABEL: Kind =
    Kind::Text { max: 100, pattern: Some("^[^\\u0000-\\u001f\\u007f-\\u009f]*$") };
pub(super) const EMAIL: Kind = Kind::Text { max: 254, pattern: Some("^[!-?A-~]+@[!-?A-~]+$") };
pub(super) const API_PATTERN: &str = "^[a-z][a-z0-9-]*/v[1-9][0-9]*$";
pub(super) const API: Kind = Kind::Text { max: 100, pattern: Some(API_PATTERN) };
pub(super) const ANY_TEXT: Kind = Kind::Text { max: 300, pattern: None };
pub(super) const ROLE: Kind = Kind::Word(Role::WORDS);
pub(super) const STANDING: Kind = Kind::Word(Standing::WORDS);
pub(super) const COUNT: Kind = Kind::Integer { min: 1, max: 1_000_000_000 };
pub(super) const VERSION: Field = Field::need(
    "version",
    Kind::Integer { min: 1, max: i64::MAX },
    "Rises with each change; the number in its ETag.",
);
pub(super) const ID: Field = Field::need("id", ANY_TEXT, "Its id.");
pub(super) const CREATED: Field = Field::need("created", Kind::Time, "When it was made.");

pub(super) const PAGE: &[Field] = &[
    Field::may("after", ANY_TEXT, "The `next` of the page before."),
    Field::may(
        "limit",
        Kind::Integer { min: 1, max: PAGE_MAX },
        "How many at most; 50 unless said.",
    ),
];
pub(super) const STATES: &[Field] = &[
    Field::may("after", ANY_TEXT, "The `next` of the page before."),
    Field::may(
        "limit",
        Kind::Integer { min: 1, max: PAGE_MAX },
        "How many at most; 50 unless said.",
    ),
    Field::may("state", Kind::Word(SubscriptionState::WORDS), "Those in this state only."),
];

pub(super) const RATE: &[Field] = &[
    Field::need("count", COUNT, "Calls…"),
    Field::need("per_ms", Kind::Integer { min: 1, max: 86_400_000 }, "…in so many milliseconds…"),
    Field::may("burst", COUNT, "…and so many at once; `count` unless said."),
];
pub(super) const RATE_SHOWN: &[Field] = &[
    Field::need("count", COUNT, "Calls…"),
    Field::need("per_ms", Kind::Integer { min: 1, max: 86_400_000 }, "…in so many milliseconds…"),
    Field::need("burst", COUNT, "…and so many at once."),
];
pub(super) const SCOPES: Kind =
    Kind::Texts { max_items: 100, pattern: Some("^[!#-\\[\\]-~]{1,100}$") };
pub(super) const APIS: Kind = Kind::Texts { max_items: 1_000, pattern: Some(API_PATTERN) };

/// What comes back, by name.
pub(in crate::admin) const SHAPES: &[(&str, &[Field])] = &[
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
    ("Client", CLIENT),
    (
        "NewClient",
        &[
            ID, VERSION, CLIENT[2], CLIENT[3], CLIENT[4], CREATED, CLIENT[6], CLIENT[7], CLIENT[8],
            SECRET,
        ],
    ),
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
            Field::need("scopes", SCOPES, "The scopes that its newest terms grant."),
            CREATED,
        ],
    ),
    (
        "Terms",
        &[
            Field::need("number", Kind::Integer { min: 1, max: i64::MAX }, "From 1."),
            Field::null("rate", Kind::Object(RATE_SHOWN), "The rate limit."),
            Field::need("scopes", SCOPES, "The scopes that they grant."),
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

pub(super) const STORED_API: &[Field] = &[
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
pub(super) const REVISION: &[Field] = &[
    Field::need("number", COUNT, "From 1."),
    Field::need("in_force", Kind::Flag, "The API is served with it."),
    Field::need("sha256", ANY_TEXT, "Of all documents together."),
    Field::null("source", ANY_TEXT, "The URL that they were fetched from."),
    CREATED,
];
pub(super) const LONG_TEXT: Kind = Kind::Text { max: 16 << 20, pattern: None };
pub(super) const BASE64: Kind =
    Kind::Text { max: 24 << 20, pattern: Some("^[A-Za-z0-9+/]*={0,2}$") };
pub(super) const PLACE: Kind =
    Kind::Text { max: 2_000, pattern: Some("^[^\\u0000-\\u001f\\u007f-\\u009f]+$") };
pub(super) const DOCUMENT: &[Field] = &[
    Field::need("name", PLACE, "What the definition calls it: `contract: orders.wsdl`."),
    Field::may("url", PLACE, "Where it came from, if what others import it by is not its name."),
    Field::may("found", PLACE, "Where it was found, if redirects led elsewhere."),
    Field::may("text", LONG_TEXT, "It; or"),
    Field::may("base64", BASE64, "it, where it is not UTF-8."),
];
pub(super) const DOCUMENT_SHOWN: &[Field] = &[
    Field::need("name", ANY_TEXT, "What the definition calls it."),
    Field::need("url", ANY_TEXT, "Where it came from."),
    Field::null("found", ANY_TEXT, "Where it was found, if redirects led elsewhere."),
    Field::need("bytes", Kind::Integer { min: 0, max: 16 << 20 }, "Its length."),
    Field::need("secret", Kind::Flag, "It holds a private key, and is not shown."),
    Field::null("text", LONG_TEXT, "It; or"),
    Field::null("base64", BASE64, "it, where it is not UTF-8."),
];
/// A fault or a warning about an API.
pub(in crate::admin) const REMARK: &[Field] = &[
    Field::need("code", ANY_TEXT, "The code; `pasarela explain` has its page."),
    Field::need("severity", Kind::Word(&["error", "warning"]), "How bad it is."),
    Field::need("pointer", LONG_TEXT, "Where in the body, as a JSON pointer."),
    Field::null("document", LONG_TEXT, "The document that it is in…"),
    Field::null("line", Kind::Integer { min: 0, max: i64::MAX }, "…in this line…"),
    Field::null("column", Kind::Integer { min: 0, max: i64::MAX }, "…and column."),
    Field::need("message", LONG_TEXT, "What is wrong and why."),
    Field::need("cure", LONG_TEXT, "What to do about it."),
];

pub(super) const SECRET: Field =
    Field::null("secret", ANY_TEXT, "Shown this once; null when a request is repeated.");
pub(super) const ENDS: Field = Field::null("expires", Kind::Time, "From when on it is of no use.");
pub(super) const REVOKED: Field = Field::null("revoked", Kind::Time, "Since when it is of no use.");
pub(super) const MEMBER: &[Field] = &[
    ID,
    VERSION,
    Field::need("organisation", ANY_TEXT, "Where they belong."),
    Field::need("email", ANY_TEXT, "Where they can be written to."),
    Field::need("role", ROLE, "What they may do there."),
    CREATED,
];
pub(super) const TOKEN: &[Field] = &[
    ID,
    VERSION,
    Field::need("member", ANY_TEXT, "Whose it is."),
    Field::need("label", ANY_TEXT, "What they call it."),
    CREATED,
    ENDS,
    REVOKED,
];
pub(super) const INVITATION: &[Field] = &[
    ID,
    VERSION,
    Field::need("organisation", ANY_TEXT, "Where it leads."),
    Field::need("email", ANY_TEXT, "Whom it is for."),
    Field::need("role", ROLE, "What they will be."),
    CREATED,
    Field::need("expires", Kind::Time, "From when on it is of no use."),
];
pub(super) const KEY: &[Field] = &[
    ID,
    VERSION,
    Field::need("application", ANY_TEXT, "Whose it is."),
    Field::need("label", ANY_TEXT, "What its holders call it."),
    Field::need("hint", ANY_TEXT, "How it begins."),
    CREATED,
    ENDS,
    REVOKED,
];
pub(super) const CLIENT: &[Field] = &[
    Field::need("id", ANY_TEXT, "Its id: the client_id at the token endpoint."),
    VERSION,
    Field::need("application", ANY_TEXT, "Whose it is."),
    Field::need("label", ANY_TEXT, "What its holders call it."),
    Field::need("hint", ANY_TEXT, "How its secret begins."),
    CREATED,
    ENDS,
    REVOKED,
    Field::null("retires", Kind::Time, "Until when the secret before lives on beside the new one."),
];
