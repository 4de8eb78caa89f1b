-- SOAP messages that came by mail. What a letter holds is kept until all its calls are done; that a call came, for a week.

CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    -- The envelope's; empty for none.
    sender TEXT NOT NULL,
    -- Who proved to be the sender when it came.
    application TEXT,
    client TEXT NOT NULL,
    received INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE letter_calls (
    id TEXT NOT NULL PRIMARY KEY,
    letter TEXT NOT NULL,
    recipient TEXT NOT NULL,
    -- The same for each time the same message comes.
    mark BLOB NOT NULL UNIQUE,
    received INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'begun', 'done')),
    tries INTEGER NOT NULL,
    due INTEGER NOT NULL,
    -- Which process sees to it, and until when nobody else does.
    holder TEXT,
    until INTEGER
) STRICT;
CREATE INDEX letter_calls_due ON letter_calls (due, id) WHERE state <> 'done';
CREATE INDEX letter_calls_letter ON letter_calls (letter, state);
CREATE INDEX letter_calls_received ON letter_calls (received) WHERE state = 'done';

-- What is to be mailed. The id is the call's.
CREATE TABLE letter_answers (
    id TEXT NOT NULL PRIMARY KEY,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    bytes BLOB NOT NULL,
    created INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due INTEGER NOT NULL,
    holder TEXT,
    until INTEGER
) STRICT;
CREATE INDEX letter_answers_due ON letter_answers (due, id);
