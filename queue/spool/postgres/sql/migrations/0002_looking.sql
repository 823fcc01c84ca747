-- works beside programs from version 1
-- outside a transaction
-- Entries that went another way than ready (1), in flight (2), posted (7): few, and what persons look for.
CREATE INDEX CONCURRENTLY entry_apart ON entry (number) WHERE state NOT IN (1, 2, 7);

-- By the core's own id of the booking, as a bank or the core's own people name it.
CREATE INDEX CONCURRENTLY entry_core_id ON entry (core_id) WHERE core_id <> '';
