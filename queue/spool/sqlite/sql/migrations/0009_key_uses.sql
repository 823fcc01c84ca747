-- What each data key is needed for, changed in the same commit as the entries: see spool.uses.

CREATE TABLE key_use (
    key_id        INTEGER PRIMARY KEY,
    -- Entries whose content is sealed under it, and those of them that are unfinished. No CHECK against negative figures, as
    -- in the table of sums.
    entries       INTEGER NOT NULL,
    waiting       INTEGER NOT NULL,
    -- When one that is or was sealed under it last changed.
    changed_at_us INTEGER NOT NULL
) STRICT;

INSERT INTO key_use SELECT key_id, count(*), sum(place <> 0), max(changed_at_us) FROM entry GROUP BY key_id;

-- What cores said of accounts, by the key it is sealed under.
CREATE INDEX account_said ON account (key_id) WHERE sealed IS NOT NULL;
