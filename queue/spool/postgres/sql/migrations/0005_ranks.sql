-- works beside programs from version 1
-- Some go before others (spool.rank): in arrival order by rank, and by number within it. A program that doesn't know ranks
-- records every entry as usual (2) and sends what it finds by number: the order in a lane is the same.

ALTER TABLE entry ADD COLUMN rank smallint NOT NULL DEFAULT 2;

-- What is there needn't be looked through for it: it is 2. Layout 9 says so.
ALTER TABLE entry ADD CONSTRAINT entry_rank_check CHECK (rank BETWEEN 0 AND 3) NOT VALID;

-- The account's service is cut off, or about to be: what is paid for it is urgent. NULL was never said, and counts as no.
ALTER TABLE account ADD COLUMN urgent boolean;
