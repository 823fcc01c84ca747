-- works beside programs from version 6
-- outside a transaction
-- What the forwarders read in arrival order, by rank.
CREATE INDEX CONCURRENTLY entry_by_rank ON entry (route, rank, number) WHERE place = 1;
