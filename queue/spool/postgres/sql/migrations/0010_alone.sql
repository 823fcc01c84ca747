-- works beside programs from version 6
-- A node may be set to take payments into a spool of its own while it can't reach this database. Its seat is nobody else's
-- as long as it may have some that aren't here yet, as numbers are made by seats.

-- 0 it never does, 1 it does and has none now, 2 it may have some.
ALTER TABLE node ADD COLUMN alone smallint NOT NULL DEFAULT 0;
