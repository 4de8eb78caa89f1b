-- The nouns of the access model. Written in words that both engines know (see `migrate::text`).

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, number) VALUES ('generation', 0);

CREATE TABLE organisations (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('owner', 'partner', 'customer')),
    standing TEXT NOT NULL CHECK (standing IN ('active', 'suspended')),
    created INTEGER NOT NULL
) STRICT;
-- Whose gateway it is has one answer.
CREATE UNIQUE INDEX organisations_one_owner ON organisations (kind) WHERE kind = 'owner';

CREATE TABLE members (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created INTEGER NOT NULL,
    UNIQUE (organisation, email)
) STRICT;

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    member TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;
CREATE INDEX tokens_member ON tokens (member, id);

CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation TEXT NOT NULL REFERENCES organisations (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    digest BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX invitations_organisation ON invitations (organisation, id);

CREATE TABLE applications (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    name TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('active', 'suspended')),
    created INTEGER NOT NULL,
    UNIQUE (organisation, name)
) STRICT;

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;
CREATE INDEX api_keys_application ON api_keys (application, id);

CREATE TABLE plans (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('offered', 'retired')),
    -- Names of APIs, a space between two.
    apis TEXT NOT NULL,
    latest INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- What was agreed stays as it was agreed: a change makes the next one.
CREATE TABLE plan_versions (
    plan TEXT NOT NULL REFERENCES plans (id),
    number INTEGER NOT NULL,
    rate_count INTEGER,
    rate_per_ms INTEGER,
    rate_burst INTEGER,
    created INTEGER NOT NULL,
    PRIMARY KEY (plan, number)
) STRICT;
-- append-only: plan_versions

-- An API is named as the configuration names it. The plan is one of the store's, in one of its
-- versions, or one of the file's.
CREATE TABLE subscriptions (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    application TEXT NOT NULL REFERENCES applications (id),
    api TEXT NOT NULL,
    plan TEXT,
    plan_version INTEGER,
    file_plan TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'suspended', 'ended')),
    created INTEGER NOT NULL,
    decided INTEGER,
    CHECK ((plan IS NULL) = (plan_version IS NULL) AND (plan IS NULL) <> (file_plan IS NULL)),
    FOREIGN KEY (plan, plan_version) REFERENCES plan_versions (plan, number)
) STRICT;
-- A call counts on one plan.
CREATE UNIQUE INDEX subscriptions_one_live ON subscriptions (application, api)
    WHERE state IN ('pending', 'approved', 'suspended');
CREATE INDEX subscriptions_application ON subscriptions (application, id);
CREATE INDEX subscriptions_organisation ON subscriptions (organisation, id);
CREATE INDEX subscriptions_state ON subscriptions (state, id);
CREATE INDEX subscriptions_plan ON subscriptions (plan, plan_version);

-- Partners that may see an API and ask for it.
CREATE TABLE admissions (
    organisation TEXT NOT NULL REFERENCES organisations (id) ON DELETE CASCADE,
    api TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (organisation, api)
) STRICT;

CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    organisation TEXT,
    verb TEXT NOT NULL,
    object TEXT NOT NULL,
    before TEXT,
    after TEXT,
    request TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_organisation ON audit (organisation, number);
-- append-only: audit

-- Answers that were given, so that asking again changes nothing twice.
CREATE TABLE answers (
    member TEXT NOT NULL,
    key TEXT NOT NULL,
    question BLOB NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (member, key)
) STRICT;
CREATE INDEX answers_at ON answers (at);
