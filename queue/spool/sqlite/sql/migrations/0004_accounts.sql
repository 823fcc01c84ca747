-- What is known of accounts, by lane; and what each was promised in a day. Times and amounts as in the first migration.

CREATE TABLE account (
    lane       INTEGER PRIMARY KEY,
    -- Billing has it; on the negative list. NULL was never said, and counts as no.
    known      INTEGER CHECK (known IN (0, 1)),
    denied     INTEGER CHECK (denied IN (0, 1)),
    seen_at_us INTEGER NOT NULL,
    -- What the core said of it last.
    key_id     INTEGER NOT NULL,
    sealed     BLOB
) STRICT;

CREATE INDEX account_denied ON account (lane) WHERE denied = 1;

CREATE TABLE spent (
    day     INTEGER NOT NULL,
    lane    INTEGER NOT NULL,
    entries INTEGER NOT NULL CHECK (entries >= 0),
    amount  INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (day, lane)
) STRICT, WITHOUT ROWID;
