-- Evidence: each row knows its place in a log of everything that happened, and each commit has a block (spool.evidence).

-- Where the entry's acceptance is in the log; NULL while an entry from before the log waits to be taken into it.
ALTER TABLE entry ADD COLUMN leaf INTEGER CHECK (leaf >= 0);
-- What its channel was told at that moment.
ALTER TABLE entry ADD COLUMN told_as INTEGER CHECK (told_as BETWEEN 0 AND 3);

CREATE INDEX entry_unproven ON entry (number) WHERE leaf IS NULL;

-- What the entry's channel had been told after it, and the core's id of the booking where known; neither was kept before.
ALTER TABLE event ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND 3);
ALTER TABLE event ADD COLUMN core_id TEXT NOT NULL DEFAULT '';

-- An event's sequence is its place in the log; what happened before there was one has places below 0, in the same order.
UPDATE event SET sequence = sequence - 1 - (SELECT max(sequence) FROM event);

-- What moves no entry: a person's word for a route, limits that changed, keys.
CREATE TABLE act (
    leaf    INTEGER PRIMARY KEY CHECK (leaf >= 0),
    at_us   INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    note    TEXT    NOT NULL
) STRICT;

-- One for each commit that tells of anything: hashes of its leaves, and the peaks of the tree after it.
CREATE TABLE block (
    first  INTEGER PRIMARY KEY CHECK (first >= 0),
    size   INTEGER NOT NULL CHECK (size > first),
    at_us  INTEGER NOT NULL,
    peaks  BLOB    NOT NULL CHECK (length(peaks) % 32 = 0),
    leaves BLOB    NOT NULL CHECK (length(leaves) = 32 * (size - first))
) STRICT;

CREATE TABLE log (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    -- 1 while entries from before the log are being taken into it.
    adopting INTEGER NOT NULL CHECK (adopting IN (0, 1))
) STRICT;

INSERT INTO log VALUES (1, EXISTS (SELECT 1 FROM entry));
