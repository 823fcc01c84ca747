-- works beside programs from version 6
-- outside a transaction
-- What waits in arrival order, with all that is counted of it: the shape of a backlog is told from the index alone.
CREATE INDEX CONCURRENTLY entry_turn ON entry (route, rank, number) INCLUDE (channel, currency, kind, amount) WHERE place = 1;

-- What went another way than most, state by state: some that were parked are not looked for among all that were refused.
CREATE INDEX CONCURRENTLY entry_by_state ON entry (state, number) WHERE state NOT IN (1, 2, 7);

-- What was given back and waits for its time, in the order of persons' lists.
CREATE INDEX CONCURRENTLY entry_later ON entry (route, number) WHERE place = 2 AND state = 1 AND due_at_us > 0;

-- Their places are taken by those above.
DROP INDEX CONCURRENTLY entry_by_rank;
DROP INDEX CONCURRENTLY entry_apart;
