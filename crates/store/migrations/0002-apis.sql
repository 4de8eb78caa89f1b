-- APIs that the store keeps, beside those of the configuration file.

CREATE TABLE apis (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    major INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'published', 'deprecated', 'retired')),
    visibility TEXT NOT NULL CHECK (visibility IN ('private', 'partner', 'public')),
    -- Names of plans, a space between two.
    plans TEXT NOT NULL,
    -- Where it answers: host, path and header fields in one text.
    route TEXT NOT NULL,
    -- What the configuration file would say about it, as JSON.
    definition TEXT NOT NULL,
    -- The revision of its documents that is in force, and their digest.
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (name, major)
) STRICT;
-- A request has one answer.
CREATE UNIQUE INDEX apis_one_route ON apis (route) WHERE state IN ('published', 'deprecated');

-- The contract with what it imports, and the other files that a definition names: as one text a revision, kept once.
CREATE TABLE api_documents (
    digest BLOB NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE api_revisions (
    api TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL REFERENCES api_documents (digest),
    -- The URL that they were fetched from.
    source TEXT,
    created INTEGER NOT NULL,
    PRIMARY KEY (api, number)
) STRICT;
CREATE INDEX api_revisions_digest ON api_revisions (digest);
