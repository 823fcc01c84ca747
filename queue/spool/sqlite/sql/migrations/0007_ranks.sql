-- Some go before others (spool.rank): in arrival order by rank, and by number within it.

ALTER TABLE entry ADD COLUMN rank INTEGER NOT NULL DEFAULT 2 CHECK (rank BETWEEN 0 AND 3);

-- What the forwarder reads; the lane comes along so that lanes can be counted from the index alone.
CREATE INDEX entry_turn ON entry (route, rank, number, lane) WHERE place = 1;

-- The rank comes along for the same.
DROP INDEX entry_aside;
CREATE INDEX entry_aside ON entry (route, lane, number, rank) WHERE place = 2;

-- Whether any unfinished entry has the worst rank.
CREATE INDEX entry_late ON entry (number) WHERE place > 0 AND rank = 3;

-- The account's service is cut off, or about to be: what is paid for it is urgent. NULL was never said, and counts as no.
ALTER TABLE account ADD COLUMN urgent INTEGER CHECK (urgent IN (0, 1));
