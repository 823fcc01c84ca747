-- The spool as first laid out. Times are microseconds since 1970 UTC, amounts minor units, enums as in spool.lifecycle.

-- One row per payment or reversal. The row's id is its number, which rises with time, so rows and indexes stay local.
CREATE TABLE entry (
    number         INTEGER PRIMARY KEY CHECK (number > 0),
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2)),
    channel        TEXT    NOT NULL,
    key            TEXT    NOT NULL CHECK (key <> ''),
    fingerprint    BLOB    NOT NULL,
    route          TEXT    NOT NULL,
    lane           INTEGER NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount > 0),
    currency       TEXT    NOT NULL CHECK (length(currency) = 3),
    accepted_at_us INTEGER NOT NULL,
    -- The state it was recorded in, for its history.
    recorded_as    INTEGER NOT NULL CHECK (recorded_as IN (1, 2, 10)),
    policy         TEXT    NOT NULL,
    reverses       INTEGER NOT NULL CHECK ((kind = 2) = (reverses <> 0)),
    key_id         INTEGER NOT NULL,

    state          INTEGER NOT NULL CHECK (state BETWEEN 1 AND 10),
    -- Where it waits: 0 nowhere (final), 1 in arrival order, 2 aside (anything else).
    place          INTEGER NOT NULL CHECK (place IN (0, 1, 2)),
    epoch          INTEGER NOT NULL CHECK (epoch >= 0),
    attempts       INTEGER NOT NULL CHECK (attempts >= 0),
    due_at_us      INTEGER NOT NULL DEFAULT 0 CHECK (due_at_us >= 0),
    changed_at_us  INTEGER NOT NULL,
    told           INTEGER NOT NULL CHECK (told BETWEEN 0 AND 3),
    reason         TEXT    NOT NULL DEFAULT '',
    core_id        TEXT    NOT NULL DEFAULT '',
    -- 1 while the entry owns its key; 0 once it was given back to its channel.
    owns_key       INTEGER NOT NULL DEFAULT 1 CHECK (owns_key IN (0, 1)),

    sealed         BLOB    NOT NULL,

    CHECK ((place = 0) = (state IN (7, 8, 9, 10))),
    CHECK (place <> 1 OR (state = 1 AND due_at_us = 0)),
    CHECK (state <> 2 OR attempts > 0)
) STRICT;

-- Entries by the hash of (channel, key); those above key_mark.indexed_to need not be here yet. See spool.sqlite.keys.
CREATE TABLE key (
    hash   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (hash, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_mark (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    -- What keys are hashed with.
    salt       BLOB    NOT NULL CHECK (length(salt) = 16),
    -- Every entry up to this number that owns its key is in the table of keys.
    indexed_to INTEGER NOT NULL
) STRICT;

INSERT INTO key_mark VALUES (1, randomblob(16), 0);

-- What the forwarder reads in arrival order; the lane comes along so that lanes can be counted from the index alone.
CREATE INDEX entry_arrival ON entry (route, number, lane) WHERE place = 1;

-- What holds its lane: in flight, in doubt, held, parked, quarantined, waiting for a time, or behind one of these.
CREATE INDEX entry_aside ON entry (route, lane, number) WHERE place = 2;

-- What waits for a time.
CREATE INDEX entry_due ON entry (route, due_at_us) WHERE place = 2 AND due_at_us > 0;

-- Reversals by the payment they undo.
CREATE INDEX entry_reverses ON entry (reverses) WHERE reverses <> 0;

-- Every change of state after the recording, in the order of commits.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    number   INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    source   INTEGER NOT NULL,
    target   INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    note     TEXT    NOT NULL
) STRICT;

CREATE INDEX event_number ON event (number);

-- Counts and sums by where entries are, changed in the same commit as the entries.
CREATE TABLE tally (
    route    TEXT    NOT NULL,
    channel  TEXT    NOT NULL,
    currency TEXT    NOT NULL,
    kind     INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    told     INTEGER NOT NULL,
    -- No CHECK against negative figures: a damaged amount must be told by verify, not stop its neighbours' commits.
    entries  INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (route, channel, currency, kind, state, told)
) STRICT, WITHOUT ROWID;

-- Small named values of the service: check values of keys, states to be kept across restarts.
CREATE TABLE memo (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
