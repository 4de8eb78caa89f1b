-- Clients of applications: what they get tokens with from the gateway's own token endpoint. A secret that
-- was replaced lives on beside the new one until `retires`.
CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    retiring BLOB,
    retires INTEGER,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER,
    CHECK ((retiring IS NULL) = (retires IS NULL))
) STRICT;
CREATE INDEX clients_application ON clients (application, id);
