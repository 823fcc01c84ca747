-- works beside programs from version 6
-- Hashes of a block can't be made smaller, and up to some two hundred of them stay in its row, which is one write of several less.

ALTER TABLE block ALTER COLUMN leaves SET STORAGE EXTERNAL;
ALTER TABLE block SET (toast_tuple_target = 8160);
