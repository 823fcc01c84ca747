-- works beside programs from version 6
-- An index answers alone only for pages that the server knows to be seen by all: it looks after new entries as often as after
-- changed ones, and not only once there are a fifth more.
ALTER TABLE entry SET (autovacuum_vacuum_insert_scale_factor = 0.02);
