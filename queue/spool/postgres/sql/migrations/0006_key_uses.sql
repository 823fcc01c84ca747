-- works beside programs from version 6
-- What each data key is needed for, changed in the same transaction as the entries, by whoever holds the log's end.

CREATE TABLE key_use (
    key_id        bigint PRIMARY KEY,
    -- Entries whose content is sealed under it, and those of them that are unfinished.
    entries       bigint NOT NULL,
    waiting       bigint NOT NULL,
    -- When one that is or was sealed under it last changed.
    changed_at_us bigint NOT NULL
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

INSERT INTO key_use
SELECT key_id, count(*), count(*) FILTER (WHERE place <> 0), max(changed_at_us) FROM entry GROUP BY key_id;

-- What cores said of accounts, by the key it is sealed under.
CREATE INDEX account_said ON account (key_id) WHERE sealed IS NOT NULL;
