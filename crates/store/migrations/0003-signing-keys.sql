-- What the gateway signs its tokens with: private keys, the same on all nodes. Seconds since 1970.

CREATE TABLE signing_keys (
    pkcs8 BLOB NOT NULL PRIMARY KEY,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL
) STRICT;
