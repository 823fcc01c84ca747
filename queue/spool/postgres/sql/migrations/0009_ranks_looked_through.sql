-- works beside programs from version 6
-- Looks through all entries, and is in nobody's way.
ALTER TABLE entry VALIDATE CONSTRAINT entry_rank_check;
