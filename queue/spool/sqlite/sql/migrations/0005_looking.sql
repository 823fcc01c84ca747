-- Entries that went another way than ready (1), in flight (2), posted (7): few, and what persons look for.
CREATE INDEX entry_apart ON entry (number) WHERE state NOT IN (1, 2, 7);

-- By the core's own id of the booking, as a bank or the core's own people name it.
CREATE INDEX entry_core_id ON entry (core_id) WHERE core_id <> '';

-- As it was, and what a backlog's shape is counted from: it is written only for what waits, and read without the rows.
DROP INDEX entry_arrival;
CREATE INDEX entry_arrival ON entry (route, number, lane, channel, currency, kind, amount) WHERE place = 1;
