-- works beside programs from version 6
-- What a sender was told isn't there must not come after all, though another node has it under way. Whoever tells so bars the
-- key, and numbers the bar: a request is recorded under it only by a node that had heard of this bar before the request came.

ALTER TABLE log ADD COLUMN bars bigint NOT NULL DEFAULT 0;

CREATE TABLE barred (
    nth     bigint PRIMARY KEY,
    channel text   NOT NULL,
    key     text   NOT NULL,
    at_us   bigint NOT NULL,
    UNIQUE (channel, key)
);
