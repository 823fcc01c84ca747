-- One index for all that waits in arrival order: what the forwarder reads, what persons list, and what a backlog's shape is
-- counted from without the rows. It is written only for what waits.
DROP INDEX entry_arrival;
DROP INDEX entry_turn;
CREATE INDEX entry_turn ON entry (route, rank, number, lane, channel, currency, kind, amount) WHERE place = 1;
