-- works beside programs from version 1
-- outside a transaction
-- What persons did to entries, in the order of the log; the machine's own moves are not in it.
CREATE INDEX CONCURRENTLY event_by_hand ON event (leaf) WHERE actor <> '';
