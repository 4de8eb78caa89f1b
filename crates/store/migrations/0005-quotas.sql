-- What was handed out of quotas: by name and window, which is the first hour since 1970.

CREATE TABLE quotas (
    name TEXT NOT NULL,
    starts INTEGER NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (name, starts)
) STRICT;
