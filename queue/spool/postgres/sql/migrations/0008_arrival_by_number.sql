-- works beside programs from version 6
-- outside a transaction
-- Its place is taken by the one by rank, which is there now.
DROP INDEX CONCURRENTLY entry_arrival;
