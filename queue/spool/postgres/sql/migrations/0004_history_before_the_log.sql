-- works beside programs from version 1
-- What happened before there was a log has places below 0, as in a file: a spool that was moved here may have some.
ALTER TABLE event DROP CONSTRAINT event_leaf_check;
