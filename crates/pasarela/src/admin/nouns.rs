//! The words of the command line for the verbs of the table: `pasarela org create`.

/// A noun, what is under it, and its verbs with the operation that each one is.
pub(super) struct Noun {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) verbs: &'static [(&'static str, &'static str)],
}

const fn noun(
    name: &'static str,
    about: &'static str,
    verbs: &'static [(&'static str, &'static str)],
) -> Noun {
    Noun { name, about, verbs }
}

/// All of them. An operation that no verb here is can be asked for by its id: `pasarela admin`.
pub(super) const NOUNS: &[Noun] = &[
    noun(
        "api",
        "APIs of the store (`pasarela publish` makes one of a contract)",
        &[
            ("list", "listApis"),
            ("show", "readApi"),
            ("create", "createApi"),
            ("change", "changeApi"),
            ("delete", "deleteApi"),
            ("import", "importContract"),
            ("revisions", "listRevisions"),
            ("revision", "readRevision"),
        ],
    ),
    noun(
        "app",
        "Applications",
        &[
            ("list", "listApplications"),
            ("show", "readApplication"),
            ("create", "createApplication"),
            ("change", "changeApplication"),
            ("delete", "deleteApplication"),
        ],
    ),
    noun("audit", "The audit log", &[("list", "readAudit")]),
    noun(
        "client",
        "Clients of an application, which get tokens",
        &[
            ("list", "listClients"),
            ("create", "createClient"),
            ("rotate", "rotateClient"),
            ("revoke", "revokeClient"),
        ],
    ),
    noun(
        "key",
        "API keys of an application",
        &[
            ("list", "listKeys"),
            ("create", "issueKey"),
            ("rotate", "rotateKey"),
            ("revoke", "revokeKey"),
        ],
    ),
    noun(
        "member",
        "Members of an organisation, and invitations to it",
        &[
            ("list", "listMembers"),
            ("show", "readMember"),
            ("change", "changeMember"),
            ("remove", "removeMember"),
            ("invite", "invite"),
            ("invitations", "listInvitations"),
            ("withdraw", "withdrawInvitation"),
        ],
    ),
    noun(
        "org",
        "Organisations, and what partners are admitted to",
        &[
            ("list", "listOrganisations"),
            ("show", "readOrganisation"),
            ("create", "createOrganisation"),
            ("change", "changeOrganisation"),
            ("delete", "deleteOrganisation"),
            ("admissions", "listAdmissions"),
            ("admit", "admit"),
            ("dismiss", "dismiss"),
        ],
    ),
    noun(
        "plan",
        "Plans",
        &[
            ("list", "listPlans"),
            ("show", "readPlan"),
            ("create", "createPlan"),
            ("change", "changePlan"),
            ("terms", "listPlanVersions"),
        ],
    ),
    noun(
        "subscription",
        "Subscriptions",
        &[
            ("list", "listSubscriptions"),
            ("of", "listSubscriptionsOf"),
            ("create", "subscribe"),
            ("show", "readSubscription"),
            ("approve", "approveSubscription"),
            ("refuse", "refuseSubscription"),
            ("suspend", "suspendSubscription"),
            ("resume", "resumeSubscription"),
            ("end", "endSubscription"),
        ],
    ),
    noun(
        "token",
        "Your tokens",
        &[("list", "listTokens"), ("create", "createToken"), ("revoke", "revokeToken")],
    ),
];
