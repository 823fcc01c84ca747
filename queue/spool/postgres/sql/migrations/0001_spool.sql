-- works beside programs from version 1
-- The spool as first laid out. Times are microseconds since 1970 UTC, amounts minor units, enums as in spool.lifecycle.

-- The processes that share this spool. A node writes only under its lease: each of its transactions begins by renewing the
-- row's time, which fails once somebody else has taken its claims away (another lease) or it has begun anew itself
-- (another session). The row's lock also makes whoever takes over wait until a transaction under way has ended.
CREATE TABLE node (
    seat    smallint    PRIMARY KEY CHECK (seat BETWEEN 0 AND 63),
    -- What the operator calls it; empty on a seat nobody holds.
    name    text        NOT NULL,
    lease   bigint      NOT NULL CHECK (lease > 0),
    session bigint      NOT NULL CHECK (session > 0),
    -- By the database's clock.
    expires timestamptz NOT NULL,
    -- Routes whose backlog it does not send now, in words: its way to their core is closed.
    closed  text[]      NOT NULL DEFAULT '{}'
) WITH (fillfactor = 20);

CREATE UNIQUE INDEX node_name ON node (name) WHERE name <> '';

-- One row per payment or reversal.
CREATE TABLE entry (
    number         bigint   PRIMARY KEY CHECK (number > 0),
    id             bytea    NOT NULL CHECK (octet_length(id) = 16),
    kind           smallint NOT NULL CHECK (kind IN (1, 2)),
    channel        text     COLLATE "C" NOT NULL,
    key            text     COLLATE "C" NOT NULL CHECK (key <> ''),
    fingerprint    bytea    NOT NULL,
    route          text     COLLATE "C" NOT NULL,
    lane           bigint   NOT NULL,
    amount         bigint   NOT NULL CHECK (amount > 0),
    currency       text     COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    accepted_at_us bigint   NOT NULL,
    -- The state it was recorded in, for its history.
    recorded_as    smallint NOT NULL CHECK (recorded_as IN (1, 2, 10)),
    policy         text     NOT NULL,
    reverses       bigint   NOT NULL CHECK ((kind = 2) = (reverses <> 0)),
    key_id         bigint   NOT NULL,

    state          smallint NOT NULL CHECK (state BETWEEN 1 AND 10),
    -- Where it waits: 0 nowhere (final), 1 in arrival order, 2 aside (anything else).
    place          smallint NOT NULL CHECK (place IN (0, 1, 2)),
    epoch          integer  NOT NULL CHECK (epoch >= 0),
    attempts       integer  NOT NULL CHECK (attempts >= 0),
    due_at_us      bigint   NOT NULL DEFAULT 0 CHECK (due_at_us >= 0),
    changed_at_us  bigint   NOT NULL,
    told           smallint NOT NULL CHECK (told BETWEEN 0 AND 3),
    reason         text     NOT NULL DEFAULT '',
    core_id        text     NOT NULL DEFAULT '',
    -- False once it was given back to its channel: then another entry may own its key.
    owns_key       boolean  NOT NULL DEFAULT true,
    -- Where its acceptance is in the log, and what its channel was told at that moment.
    leaf           bigint   NOT NULL CHECK (leaf >= 0),
    told_as        smallint NOT NULL CHECK (told_as BETWEEN 0 AND 3),
    -- Who began its last attempt, and under which lease.
    seat           smallint NOT NULL,
    lease          bigint   NOT NULL,

    sealed         bytea    NOT NULL,

    CHECK ((place = 0) = (state IN (7, 8, 9, 10))),
    CHECK (place <> 1 OR (state = 1 AND due_at_us = 0)),
    CHECK (state <> 2 OR attempts > 0)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- One entry per key, whichever node it came to.
CREATE UNIQUE INDEX entry_key ON entry (channel, key) WHERE owns_key;

-- One attempt in flight per lane, whichever node makes it.
CREATE UNIQUE INDEX entry_in_flight ON entry (route, lane) WHERE state = 2;

-- What holds a lane.
CREATE INDEX entry_lane ON entry (lane, route, number) WHERE place > 0;

-- What the forwarders read in arrival order.
CREATE INDEX entry_arrival ON entry (route, number) WHERE place = 1;

-- What waits for a time.
CREATE INDEX entry_due ON entry (route, due_at_us) WHERE place = 2 AND due_at_us > 0;

-- What was set behind others of its lane.
CREATE INDEX entry_behind ON entry (route, number) WHERE place = 2 AND state = 1 AND due_at_us = 0;

-- Reversals by the payment they undo.
CREATE INDEX entry_reverses ON entry (reverses) WHERE reverses <> 0;

-- Money that is owed back: refused (8) after its channel was told posted or provisional (1, 2), refused first first.
CREATE INDEX entry_owed ON entry (route, changed_at_us, number) WHERE state = 8 AND told IN (1, 2);

-- Every change of state after the recording, in order.
CREATE TABLE event (
    number  bigint   NOT NULL,
    -- Its place in the log.
    leaf    bigint   NOT NULL CHECK (leaf >= 0),
    at_us   bigint   NOT NULL,
    name    text     NOT NULL,
    source  smallint NOT NULL,
    target  smallint NOT NULL,
    attempt integer  NOT NULL,
    reason  text     NOT NULL,
    actor   text     NOT NULL,
    note    text     NOT NULL,
    -- What the entry's channel had been told after it, and the core's id of the booking where known.
    told    smallint NOT NULL CHECK (told BETWEEN 0 AND 3),
    core_id text     NOT NULL,
    PRIMARY KEY (number, leaf)
);

-- What moves no entry: a person's word for a route, limits that changed, keys.
CREATE TABLE act (
    leaf    bigint PRIMARY KEY CHECK (leaf >= 0),
    at_us   bigint NOT NULL,
    name    text   NOT NULL,
    subject text   NOT NULL,
    detail  text   NOT NULL,
    actor   text   NOT NULL,
    note    text   NOT NULL
);

-- One for each commit that tells of anything: hashes of its leaves, and the peaks of the tree after it (spool.evidence).
CREATE TABLE block (
    first  bigint PRIMARY KEY CHECK (first >= 0),
    size   bigint NOT NULL CHECK (size > first),
    at_us  bigint NOT NULL,
    peaks  bytea  NOT NULL CHECK (octet_length(peaks) % 32 = 0),
    leaves bytea  NOT NULL CHECK (octet_length(leaves) = 32 * (size - first))
);

-- The log's end. Whoever adds to the log holds this row until its commit: one log has one order.
CREATE TABLE log (
    one   smallint PRIMARY KEY CHECK (one = 1),
    size  bigint   NOT NULL CHECK (size >= 0),
    peaks bytea    NOT NULL
) WITH (fillfactor = 10);

INSERT INTO log VALUES (1, 0, '');

-- Counts and sums by where entries are, changed in the same commit as the entries. Each node adds to rows of its own, so
-- that no two wait for one row; what holds is the sum over all seats.
CREATE TABLE tally (
    seat     smallint NOT NULL,
    route    text     COLLATE "C" NOT NULL,
    channel  text     COLLATE "C" NOT NULL,
    currency text     COLLATE "C" NOT NULL,
    kind     smallint NOT NULL,
    state    smallint NOT NULL,
    told     smallint NOT NULL,
    -- A row may be below zero: one node takes what another put there.
    entries  bigint   NOT NULL,
    amount   bigint   NOT NULL,
    PRIMARY KEY (seat, route, channel, currency, kind, state, told)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What is known of accounts, by lane; NULL was never said, and counts as no.
CREATE TABLE account (
    lane       bigint PRIMARY KEY,
    known      boolean,
    denied     boolean,
    seen_at_us bigint NOT NULL,
    -- What the core said of it last.
    key_id     bigint NOT NULL,
    sealed     bytea
);

CREATE INDEX account_denied ON account (lane) WHERE denied;

-- What each account was promised in a day.
CREATE TABLE spent (
    day     bigint NOT NULL,
    lane    bigint NOT NULL,
    entries bigint NOT NULL CHECK (entries >= 0),
    amount  bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (day, lane)
);

-- Small named values of the service: check values of keys, states to be kept across restarts.
CREATE TABLE memo (
    name  text  COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);
