-- name: make_lock
-- What migrations are applied under: a row's lock, as advisory locks are not everywhere.
CREATE TABLE IF NOT EXISTS migration (
    version       integer     PRIMARY KEY,
    -- The oldest program that can work beside it.
    programs_from integer     NOT NULL,
    applied       timestamptz NOT NULL DEFAULT now()
);

-- name: begin_lock
INSERT INTO migration (version, programs_from) VALUES (0, 0) ON CONFLICT DO NOTHING;

-- name: limit_lock_wait
-- Whoever comes behind a migration in the queue for a table waits as long as it does, so payments too: it gives up soon.
SET LOCAL lock_timeout = '2s';

-- name: limit_wait_for_others
-- Making an index beside those who write waits for transactions that began before it. It is in nobody's way meanwhile.
SET lock_timeout = '60s';

-- name: limit_no_wait
RESET lock_timeout;

-- name: index_state
-- Whether an index is fit for use; nothing where there is none.
SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass($1::text);

-- name: is_being_made
-- Another node is making it right now.
SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE index_relid = to_regclass($1::text);

-- name: drop_index
-- The name is one of a migration's. Another node that starts may have dropped it a moment ago.
DROP INDEX CONCURRENTLY IF EXISTS /*index*/;

-- name: wait_a_second
SELECT pg_sleep(1);

-- name: nothing
-- For a migration whose steps are done.
SELECT 1;

-- name: lock_migrations
SELECT version FROM migration WHERE version = 0 FOR UPDATE;

-- name: migrated
SELECT max(version), max(programs_from) FROM migration;

-- name: note_migration
INSERT INTO migration (version, programs_from) VALUES ($1, $2);

-- name: is_there
-- Whether anybody has laid out a spool here.
SELECT to_regclass('migration') IS NOT NULL;

-- name: facts
-- What the server says of itself.
SELECT current_setting('synchronous_commit'), current_setting('server_version');

-- name: time
-- That of the server, microseconds since 1970.
SELECT (extract(epoch FROM now()) * 1000000)::bigint;

-- name: synchronous_standbys
-- How many standbys commits wait for now. A server may show fewer to users that may not look at others.
SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum');

-- name: size
SELECT pg_total_relation_size('entry') + pg_total_relation_size('event');

-- name: seats
-- Who is there, in order of seats; gone are those whose claims were taken over and whose seat is kept for them, and unheard
-- those that may have taken payments that aren't here.
SELECT
    seat, name, lease, expires > now() AS lives, closed, expires = '-infinity' AS gone,
    name <> '' AND (alone = 2 OR (alone = 1 AND expires <= now())) AS unheard,
    (extract(epoch FROM now()) * 1000000)::bigint AS now_us, (SELECT bars FROM log) AS bars
FROM node ORDER BY seat;

-- name: hold_log
SELECT one FROM log FOR UPDATE;

-- name: my_seat
SELECT seat, expires > now() AS lives FROM node WHERE name = $1 FOR UPDATE;

-- name: sit_down
-- Take a seat that was one's own, or nobody's: whatever was claimed under its former lease is nobody's from now on.
UPDATE node SET name = $2, lease = lease + 1, session = session + 1, closed = '{}', alone = $4,
    expires = now() + $3 * interval '1 second'
WHERE seat = $1 RETURNING lease, session;

-- name: empty_seat
SELECT seat FROM node WHERE name = '' ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: add_seat
-- One more, if there is room.
INSERT INTO node (seat, name, lease, session, expires)
SELECT coalesce(max(seat), -1) + 1, '', 1, 1, now() FROM node HAVING coalesce(max(seat), -1) < 63
ON CONFLICT DO NOTHING;

-- name: begin_anew
-- The same node, after a commit nobody knows of: waits until that one's transaction has ended, whatever became of it.
UPDATE node SET
    session = session + 1, expires = now() + $4 * interval '1 second', alone = CASE alone WHEN 0 THEN 0 ELSE 2 END
WHERE seat = $1 AND lease = $2 AND session = $3 RETURNING session;

-- name: renew
-- First of each transaction: the lease still holds, and goes on.
UPDATE node SET expires = now() + $4 * interval '1 second' WHERE seat = $1 AND lease = $2 AND session = $3;

-- name: stand_up
-- A node that ends in good order leaves its seat to others at once; one that has payments that aren't here, or that may
-- take some by itself at its next start, keeps it.
UPDATE node SET
    lease = lease + 1, session = session + 1, alone = $4::smallint,
    name = CASE $4::smallint WHEN 0 THEN '' ELSE name END,
    expires = CASE $4::smallint WHEN 0 THEN now() ELSE '-infinity' END
WHERE seat = $1 AND lease = $2 AND session = $3;

-- name: say_heard
-- It has no payments any more that aren't here.
UPDATE node SET alone = 1 WHERE seat = $1 AND alone = 2;

-- name: say_closed
UPDATE node SET closed = $2 WHERE seat = $1;

-- name: take_over
-- Nodes that did not renew in time hold nothing any more.
UPDATE node SET
    lease = lease + 1, session = session + 1, name = CASE alone WHEN 0 THEN '' ELSE name END,
    expires = CASE alone WHEN 0 THEN expires ELSE '-infinity' END
WHERE name <> '' AND expires < now() AND expires > '-infinity';

-- name: late_nodes
SELECT count(*) FROM node WHERE name <> '' AND expires < now();

-- name: orphans
-- Attempts of nodes that lost their lease, or of a former run.
SELECT /*entry*/ FROM entry WHERE state = 2 AND NOT EXISTS (
    SELECT 1 FROM node WHERE node.seat = entry.seat AND node.lease = entry.lease AND node.name <> ''
) ORDER BY route, lane LIMIT $1;

-- name: renew_for_log
-- As renew, and the log's end, held until the commit: whoever else adds to it waits, and then sees what we did.
WITH mine AS (
    UPDATE node SET expires = now() + $4 * interval '1 second' WHERE seat = $1 AND lease = $2 AND session = $3 RETURNING seat
)
SELECT log.size, log.peaks, log.bars FROM mine, log FOR UPDATE OF log;

-- name: in_the_way
-- Of new entries, those whose key has an owner or is barred, those in flight whose lane isn't clear, and those whose lane ends
-- with an entry of a worse rank.
SELECT w.number, w.owner, w.taken, w.worst, w.barred FROM (
    SELECT
        n.number,
        (SELECT e.number FROM entry AS e WHERE e.owns_key AND e.channel = n.channel AND e.key = n.key LIMIT 1) AS owner,
        n.state = 2 AND (
            SELECT e.number FROM entry AS e WHERE e.lane = n.lane AND e.route = n.route AND e.place > 0 LIMIT 1
        ) IS NOT NULL AS taken,
        n.rank,
        (
            SELECT e.rank FROM entry AS e WHERE e.lane = n.lane AND e.route = n.route AND e.place > 0
            ORDER BY e.number DESC LIMIT 1
        ) AS worst,
        (SELECT b.nth FROM barred AS b WHERE b.channel = n.channel AND b.key = n.key) AS barred
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::smallint[], $7::smallint[])
        AS n (number, channel, key, route, lane, state, rank)
    OFFSET 0
) AS w WHERE w.owner IS NOT NULL OR w.taken OR w.worst > w.rank OR w.barred IS NOT NULL;

-- name: bar
-- This key is nobody's; from now on only whoever has heard of this records something under it.
WITH one AS (UPDATE log SET bars = bars + 1 RETURNING bars)
INSERT INTO barred (nth, channel, key, at_us) SELECT bars, $1, $2, $3 FROM one
ON CONFLICT (channel, key) DO UPDATE SET nth = excluded.nth, at_us = excluded.at_us RETURNING nth;

-- name: may_be_elsewhere
-- A node may have taken payments by itself that aren't here: at this moment, however long the transaction waited for its turn.
SELECT count(*) > 0 FROM node
WHERE name <> '' AND (alone = 2 OR (alone = 1 AND expires <= clock_timestamp()));

-- name: unbar
-- Of the oldest bars those from before this time: nothing is under way for so long.
DELETE FROM barred WHERE nth IN (
    SELECT oldest.nth FROM (SELECT nth, at_us FROM barred ORDER BY nth LIMIT 100) AS oldest WHERE oldest.at_us < $1
);

-- name: reseal
-- A content sealed anew, in the place of the one before it.
UPDATE entry SET key_id = $1, sealed = $2 WHERE number = $3;

-- name: reseal_note
-- The same of what a core said of an account.
UPDATE account SET key_id = $1, sealed = $2 WHERE lane = $3 AND key_id = $4;

-- name: key_uses
-- What each data key is needed for: entries as they were counted, and notes of accounts.
SELECT key_id, sum(entries)::bigint, sum(waiting)::bigint, max(changed_at_us), sum(notes)::bigint FROM (
    SELECT key_id, entries, waiting, changed_at_us, 0 AS notes FROM key_use
    UNION ALL
    SELECT key_id, 0, 0, 0, count(*) FROM account WHERE sealed IS NOT NULL GROUP BY key_id
) AS uses GROUP BY key_id HAVING sum(entries) <> 0 OR sum(notes) <> 0;

-- name: lanes
-- Lanes of a stretch of unfinished entries, from the index alone.
SELECT lane, route, number FROM entry WHERE place > 0 AND (lane, route, number) > ($1, $2, $3)
ORDER BY lane, route, number LIMIT 2000;

-- name: get_entries
SELECT /*entry*/ FROM entry WHERE number = ANY ($1::bigint[]);

-- name: newcomers
-- New entries as they come: what each has of its own, and by `kin` what many have in common. No statement, but a part of those
-- that record them. Whole numbers come as the text of an array, ids one behind the other; leaves follow each other.
unnest(
    $1::text::bigint[], $2::text[], $3::bytea[], $4::text::bigint[], $5::text::bigint[], $6::text::bigint[], $7::bytea[],
    $8::text::integer[]
) WITH ORDINALITY AS n (number, key, fingerprint, lane, amount, accepted_at_us, sealed, kin, nth), LATERAL (
    SELECT
        substring($19::bytea, 16 * n.nth::integer - 15, 16) AS id, $20::bigint + n.nth - 1 AS leaf,
        ($9::smallint[])[n.kin] AS kind, ($10::text[])[n.kin] AS channel, ($11::text[])[n.kin] AS route,
        ($12::text[])[n.kin] AS currency, ($13::smallint[])[n.kin] AS state, ($14::text[])[n.kin] AS policy,
        ($15::bigint[])[n.kin] AS reverses, ($16::bigint[])[n.kin] AS key_id, ($17::smallint[])[n.kin] AS told,
        ($18::smallint[])[n.kin] AS rank
) AS k;

-- name: entries
-- What records new entries; no statement, but a part of those that do.
-- One recorded in flight (2) waits aside, with its first attempt begun; one ready (1) in arrival order; the rest nowhere.
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy,
    reverses, key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, rank, seat, lease
)
SELECT
    n.number, k.id, k.kind, k.channel, n.key, n.fingerprint, k.route, n.lane, n.amount, k.currency, n.accepted_at_us,
    k.state, k.policy, k.reverses, k.key_id, k.state, CASE k.state WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 0 END,
    (k.state = 2)::int, (k.state = 2)::int, n.accepted_at_us, k.told, k.told, n.sealed, k.leaf, k.rank,
    $21::smallint, $22::bigint
FROM going, /*newcomers*/;

-- name: insert_keyless
-- New entries that are ready, and whose keys are others'.
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy,
    reverses, key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, rank, seat, lease, owns_key
)
SELECT
    n.number, k.id, k.kind, k.channel, n.key, n.fingerprint, k.route, n.lane, n.amount, k.currency, n.accepted_at_us,
    k.state, k.policy, k.reverses, k.key_id, k.state, 1, 0, 0, n.accepted_at_us, k.told, k.told, n.sealed, k.leaf, k.rank,
    $21::smallint, $22::bigint, false
FROM /*newcomers*/;

-- name: insert_entries
-- Record new entries that nothing is in the way of.
WITH going AS (SELECT 1)
/*entries*/;

-- name: recording
-- New entries and the end of their commit; no statement, but a part of those that do both.
entries AS (
    /*entries*/
), sums AS (
    INSERT INTO tally (seat, route, channel, currency, kind, state, told, entries, amount)
    SELECT $21::smallint, d.* FROM going, unnest(
        $23::text[], $24::text[], $25::text[], $26::smallint[], $27::smallint[], $28::smallint[], $29::bigint[],
        $30::bigint[]
    ) AS d
    ON CONFLICT (seat, route, channel, currency, kind, state, told)
    DO UPDATE SET entries = tally.entries + excluded.entries, amount = tally.amount + excluded.amount
), uses AS (
    INSERT INTO key_use (key_id, entries, waiting, changed_at_us)
    SELECT d.* FROM going, unnest($36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[]) AS d
    ON CONFLICT (key_id) DO UPDATE SET
        entries = key_use.entries + excluded.entries, waiting = key_use.waiting + excluded.waiting,
        changed_at_us = greatest(key_use.changed_at_us, excluded.changed_at_us)
), block AS (
    INSERT INTO block (first, size, at_us, peaks, leaves)
    SELECT $31::bigint, $32::bigint, $33::bigint, $34::bytea, $35::bytea FROM going
), done AS (
    UPDATE log SET size = $32::bigint, peaks = $34::bytea FROM going RETURNING log.size
);

-- name: clear
-- One row if nothing is in the way of any new entry, and no limit is broken by all of them; no statement, but a part of those
-- that look for themselves.
SELECT one FROM held WHERE (
    SELECT n.key
    FROM unnest($2::text[], $4::text::bigint[], $8::text::integer[]) AS n (key, lane, kin)
    WHERE (
            SELECT e.number FROM entry AS e
            WHERE e.owns_key AND e.channel = ($10::text[])[n.kin] AND e.key = n.key LIMIT 1
        ) IS NOT NULL
        OR (
            SELECT ($13::smallint[])[n.kin] = 2 OR e.rank > ($18::smallint[])[n.kin] FROM entry AS e
            WHERE e.lane = n.lane AND e.route = ($11::text[])[n.kin] AND e.place > 0 ORDER BY e.number DESC LIMIT 1
        )
    LIMIT 1
) IS NULL AND (
    SELECT l.route
    FROM unnest($40::text[], $41::text[], $42::bigint[], $43::bigint[], $44::bigint[], $45::bigint[])
        AS l (route, channel, entries, amount, entries_max, amount_max)
    WHERE (
        SELECT coalesce(sum(t.entries), 0) + l.entries > l.entries_max
            OR coalesce(sum(t.amount), 0) + l.amount > l.amount_max
        FROM tally AS t
        WHERE t.kind = 1 AND t.told = 2 AND t.state < 7 AND t.route = l.route AND l.channel IN ('', t.channel)
    )
    LIMIT 1
) IS NULL;

-- name: record_and_end
-- The last statement of a transaction that does nothing else than record new entries.
WITH going AS (SELECT 1), /*recording*/
SELECT size FROM done;

-- name: record_in_turn
-- The same where nothing is in the way of any of them, and no limit is broken by all; else nothing, and no row comes back.
WITH held AS (SELECT 1 AS one), going AS (
    /*clear*/
), /*recording*/
SELECT size FROM done;

-- name: record_at_once
-- A transaction by itself: new entries, if the log still ends where this node left it, no key was barred, nothing is in the way,
-- and no limit is broken by all of them; else nothing but the lease. No row comes back where the log has gone on or the lease
-- is lost, and none of new entries (-1) where something is in the way.
WITH mine AS (
    UPDATE node SET expires = now() + $47 * interval '1 second' WHERE seat = $21 AND lease = $22 AND session = $46
    RETURNING seat
), held AS (
    SELECT log.one FROM mine, log WHERE log.size = $31 AND log.bars = $48 FOR UPDATE OF log
), going AS (
    /*clear*/
), /*recording*/
SELECT coalesce((SELECT size FROM done), -1) FROM held;

-- name: move_entries
-- Make moves: (number, state, epoch and told expected; then what they become). One that begins an attempt is not made
-- while another of its lane is in flight; nor, in turn, while an earlier one is unfinished.
UPDATE entry SET
    state = m.state, epoch = m.epoch, told = m.told, attempts = m.attempts, place = m.place, due_at_us = m.due_at_us,
    changed_at_us = m.changed_at_us, reason = m.reason, core_id = m.core_id,
    owns_key = entry.owns_key AND NOT m.given_back,
    seat = CASE m.state WHEN 2 THEN $16::smallint ELSE entry.seat END,
    lease = CASE m.state WHEN 2 THEN $17::bigint ELSE entry.lease END
FROM unnest(
    $1::bigint[], $2::smallint[], $3::integer[], $4::smallint[], $5::smallint[], $6::integer[], $7::smallint[],
    $8::integer[], $9::smallint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::boolean[],
    $15::boolean[]
) AS m (
    number, state_known, epoch_known, told_known, state, epoch, told, attempts, place, due_at_us, changed_at_us, reason,
    core_id, given_back, in_turn
)
WHERE entry.number = m.number AND entry.state = m.state_known AND entry.epoch = m.epoch_known
    AND entry.told = m.told_known AND (m.state <> 2 OR (
        SELECT other.number FROM entry AS other
        WHERE other.lane = entry.lane AND other.route = entry.route AND other.place > 0
            AND (other.state = 2 OR (m.in_turn AND other.number < entry.number)) LIMIT 1
    ) IS NULL)
RETURNING entry.number, entry.key_id;

-- name: insert_events
-- Tell what the moves did.
INSERT INTO event (number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, leaf)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::smallint[], $5::smallint[], $6::integer[], $7::text[], $8::text[],
    $9::text[], $10::smallint[], $11::text[], $12::bigint[]
);

-- name: stretch
-- Entries of a stretch, and whether each is over: it is final and so for a while, nothing of it is owed back (refused, 8, after posted or
-- provisional, 1, 2), its payment is gone, if it is a reversal, and the same holds of each reversal of it: one that was refused may
-- be sent again by persons, and whoever sends it looks at the payment.
SELECT /*entry*/, leaf,
    place = 0 AND changed_at_us < $4 AND NOT (state = 8 AND told IN (1, 2))
    AND (SELECT payment.number FROM entry AS payment WHERE payment.number = entry.reverses) IS NULL
    AND (
        SELECT reversal.number FROM entry AS reversal
        WHERE reversal.reverses = entry.number AND reversal.reverses <> 0 AND (
            reversal.place > 0 OR reversal.changed_at_us >= $4 OR (reversal.state = 8 AND reversal.told IN (1, 2))
        ) LIMIT 1
    ) IS NULL AS over
FROM entry WHERE number > $1 AND number < $2 ORDER BY number LIMIT $3;

-- name: forget_entries
DELETE FROM entry WHERE number = ANY ($1::bigint[]);

-- name: forget_events
-- What happened to entries; tells the places in the log.
DELETE FROM event WHERE number = ANY ($1::bigint[]) RETURNING leaf;

-- name: insert_act
INSERT INTO act (leaf, at_us, name, subject, detail, actor, note) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: end_commit
-- Last of each transaction that tells of anything: add to (or take from) the sums of one's own seat and what data keys are
-- needed for, write the block, and move the log's end.
WITH sums AS (
    INSERT INTO tally (seat, route, channel, currency, kind, state, told, entries, amount)
    SELECT $1::smallint, d.* FROM unnest(
        $2::text[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::smallint[], $8::bigint[], $9::bigint[]
    ) AS d
    ON CONFLICT (seat, route, channel, currency, kind, state, told)
    DO UPDATE SET entries = tally.entries + excluded.entries, amount = tally.amount + excluded.amount
), uses AS (
    INSERT INTO key_use (key_id, entries, waiting, changed_at_us)
    SELECT * FROM unnest($15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
    ON CONFLICT (key_id) DO UPDATE SET
        entries = key_use.entries + excluded.entries, waiting = key_use.waiting + excluded.waiting,
        changed_at_us = greatest(key_use.changed_at_us, excluded.changed_at_us)
), block AS (
    INSERT INTO block (first, size, at_us, peaks, leaves) VALUES ($10, $11, $12, $13, $14)
)
UPDATE log SET size = $11, peaks = $13;

-- name: exposed
-- Payments told provisional and not finished, over all nodes.
SELECT route, channel, sum(entries)::bigint, sum(amount)::bigint FROM tally
WHERE kind = 1 AND told = 2 AND state < 7 AND route = ANY ($1) GROUP BY route, channel;

-- name: get_entry
SELECT /*entry*/ FROM entry WHERE number = $1;

-- name: hold_entry
-- The same, with its row held until the commit.
SELECT /*entry*/ FROM entry WHERE number = $1 FOR UPDATE;

-- name: find_entry
SELECT /*entry*/ FROM entry WHERE owns_key AND channel = $1 AND key = $2;

-- name: reversal_of
-- The reversal of a payment that stands in the way of another one: any that did not come to nothing.
SELECT /*entry*/ FROM entry
WHERE reverses = $1 AND reverses <> 0 AND state <> 8 AND (state <> 10 OR recorded_as = 10)
ORDER BY number LIMIT 1;

-- name: reversals_of
-- All reversals of a payment there ever were.
SELECT /*entry*/ FROM entry WHERE reverses = $1 AND reverses <> 0 ORDER BY number;

-- name: ready
-- Entries of one rank in arrival order, of one's own share of lanes; blocked tells that something earlier of the lane waits
-- aside, or in a worse rank (a program that knows no ranks, or two nodes at once, may have put it there).
-- Here and below the index of arrivals is asked for a stretch of all its columns: of an order by number alone the server may
-- think that the table's own order is as good, and go through all that was settled before.
SELECT /*entry*/, (
    SELECT ahead.number FROM entry AS ahead
    WHERE ahead.lane = entry.lane AND ahead.route = entry.route AND ahead.number < entry.number
        AND (ahead.place = 2 OR (ahead.place = 1 AND ahead.rank > entry.rank))
    LIMIT 1
) IS NOT NULL AS blocked
FROM entry
WHERE place = 1 AND (route, rank, number) > ($1, $6::smallint, $2)
    AND (route, rank, number) < ($1, $6::smallint, 9223372036854775807) AND (lane & 1023) % $4::bigint = $5::bigint
ORDER BY route, rank, number LIMIT $3;

-- name: set_behind
-- Take ready entries out of arrival order: their lane isn't free.
UPDATE entry SET place = 2 FROM unnest($1::bigint[], $2::integer[]) AS b (number, epoch)
WHERE entry.number = b.number AND entry.epoch = b.epoch AND entry.state = 1 AND entry.place = 1;

-- name: followers
-- Ready entries of one lane that were set behind, in order, as far as nothing else of the lane stands before them.
SELECT /*entry*/ FROM entry
WHERE place = 2 AND route = $1 AND lane = $2 AND state = 1 AND due_at_us = 0 AND (
    SELECT ahead.number FROM entry AS ahead
    WHERE ahead.place = 2 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
        AND NOT (ahead.state = 1 AND ahead.due_at_us = 0)
    LIMIT 1
) IS NULL
ORDER BY number LIMIT $3;

-- name: restore_arrivals
-- Put entries that were set behind into arrival order again.
UPDATE entry SET place = 1 WHERE number = ANY ($1) AND state = 1 AND place = 2 AND due_at_us = 0;

-- name: restore_all_arrivals
-- When the first node opens nobody waits behind anybody: whoever reads in arrival order finds out anew.
UPDATE entry SET place = 1 WHERE place = 2 AND state = 1 AND due_at_us = 0;

-- name: waiting_for_nobody
-- Entries set behind, with nothing before them in their lane that isn't: whoever they waited for has finished, on another
-- node perhaps.
SELECT number FROM entry
WHERE place = 2 AND state = 1 AND due_at_us = 0 AND (
    SELECT ahead.number FROM entry AS ahead
    WHERE ahead.place > 0 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
        AND NOT (ahead.place = 2 AND ahead.state = 1 AND ahead.due_at_us = 0)
    LIMIT 1
) IS NULL
ORDER BY route, number LIMIT $1;

-- name: restore_times
-- When the first node opens, what changed over a second after now was written by a clock that was ahead: nothing waits for
-- its times.
UPDATE entry SET due_at_us = $1
WHERE place = 2 AND due_at_us > 0 AND due_at_us > $1 AND changed_at_us > $1 + 1000000;

-- name: due
-- Entries of one's own share of lanes whose time has come and that stand first in their lane, soonest first.
SELECT /*entry*/ FROM entry
WHERE place = 2 AND due_at_us > 0 AND route = $1 AND due_at_us <= $2 AND (lane & 1023) % $4::bigint = $5::bigint AND (
    SELECT ahead.number FROM entry AS ahead
    WHERE ahead.place = 2 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
    LIMIT 1
) IS NULL
ORDER BY due_at_us, number LIMIT $3;

-- name: next_due
SELECT min(due_at_us) FROM entry WHERE place = 2 AND due_at_us > 0 AND route = $1;

-- name: oldest_arrival
-- The oldest of each rank, and the oldest of these.
SELECT min(oldest.accepted_at_us) FROM generate_series(0, 3) AS r (rank), LATERAL (
    SELECT accepted_at_us FROM entry WHERE place = 1 AND (entry.route, entry.rank, number) > ($1, r.rank::smallint, 0)
        AND (entry.route, entry.rank, number) < ($1, r.rank::smallint, 9223372036854775807)
    ORDER BY entry.route, entry.rank, number LIMIT 1
) AS oldest;

-- name: tally
-- The sums over all nodes.
SELECT route, channel, currency, kind, state, told, sum(entries)::bigint, sum(amount)::bigint FROM tally
GROUP BY route, channel, currency, kind, state, told HAVING sum(entries) <> 0 OR sum(amount) <> 0;

-- name: tally_of_others
-- The sums over all nodes but one.
SELECT route, channel, currency, kind, state, told, sum(entries)::bigint, sum(amount)::bigint FROM tally
WHERE seat <> $1 GROUP BY route, channel, currency, kind, state, told;

-- name: recount
-- Counts and sums of a stretch of entries, from the entries themselves.
SELECT route, channel, currency, kind, state, told, count(*), sum(amount)::bigint, max(number) FROM (
    SELECT route, channel, currency, kind, state, told, amount, number FROM entry WHERE number > $1
    ORDER BY number LIMIT 20000
) AS stretch GROUP BY route, channel, currency, kind, state, told;

-- name: filter
-- What a page narrows by; no statement, but a part of those that say so.
    AND state = ANY ($3::smallint[]) AND ($4::text = '' OR route = $4) AND ($5::text = '' OR channel = $5)
    AND ($6::smallint = 0 OR kind = $6)
    AND ($7::text = '' OR key = $7) AND ($8::boolean OR lane = $9) AND accepted_at_us >= $10
    AND ($11::bigint = 0 OR accepted_at_us < $11)
    AND ($12::text = '' OR reason = $12) AND ($13::text = '' OR currency = $13)
    AND amount >= $14 AND ($15::bigint = 0 OR amount <= $15);

-- name: recount_keys
-- What a stretch of entries needs each data key for, from the entries themselves.
SELECT key_id, count(*), count(*) FILTER (WHERE place <> 0), max(changed_at_us), max(number) FROM (
    SELECT key_id, place, changed_at_us, number FROM entry WHERE number > $1 ORDER BY number LIMIT 20000
) AS stretch GROUP BY key_id;

-- name: in_order
-- Of what stands in order in an index a page is to be read and no more: of a few that it expects the server would rather take
-- another index and sort what that brings, and they may be a million. For the rest of a transaction.
SET LOCAL enable_sort = off;
SET LOCAL enable_incremental_sort = off;

-- name: in_any_order
SET LOCAL enable_sort TO DEFAULT;
SET LOCAL enable_incremental_sort TO DEFAULT;

-- name: page_ascending
SELECT /*entry*/ FROM entry WHERE number > $1 AND number < $2
/*filter*/
ORDER BY number LIMIT $16;

-- name: page_descending
SELECT /*entry*/ FROM entry WHERE number > $1 AND number < $2
/*filter*/
ORDER BY number DESC LIMIT $16;

-- name: page_apart_ascending
-- Of what went another way than most, state by state: by their own index, which a plan for any states would not know to hold
-- them, and of which a plan for several states at once would read all of each.
SELECT /*entry*/ FROM (
    SELECT found.* FROM unnest($3::smallint[]) AS own (state), LATERAL (
        SELECT * FROM entry
        WHERE entry.state NOT IN (1, 2, 7) AND (entry.state, number) > (own.state, $1) AND (entry.state, number) < (own.state, $2)
        /*filter*/
        ORDER BY entry.state, number LIMIT $16
    ) AS found
) AS entry
ORDER BY number LIMIT $16;

-- name: page_apart_descending
SELECT /*entry*/ FROM (
    SELECT found.* FROM unnest($3::smallint[]) AS own (state), LATERAL (
        SELECT * FROM entry
        WHERE entry.state NOT IN (1, 2, 7) AND (entry.state, number) > (own.state, $1) AND (entry.state, number) < (own.state, $2)
        /*filter*/
        ORDER BY entry.state DESC, number DESC LIMIT $16
    ) AS found
) AS entry
ORDER BY number DESC LIMIT $16;

-- name: page_flight_ascending
-- Of what is under way, sorted out of all of it: no more than cores are sent at once.
SELECT /*entry*/ FROM (
    SELECT * FROM entry WHERE entry.state = 2 AND number > $1 AND number < $2
    /*filter*/
    OFFSET 0
) AS entry
ORDER BY number LIMIT $16;

-- name: page_flight_descending
SELECT /*entry*/ FROM (
    SELECT * FROM entry WHERE entry.state = 2 AND number > $1 AND number < $2
    /*filter*/
    OFFSET 0
) AS entry
ORDER BY number DESC LIMIT $16;

-- name: page_waiting_ascending
-- Of what is ready or under way: in arrival order by rank, behind others, for its time, under way; an index for each.
WITH way AS (SELECT DISTINCT tally.route FROM tally WHERE $4::text = '' OR tally.route = $4)
SELECT /*entry*/ FROM (
    SELECT found.* FROM way, generate_series(0, 3) AS r (rank), LATERAL (
        SELECT * FROM entry
        WHERE place = 1 AND (entry.route, entry.rank, number) > (way.route, r.rank::smallint, $1)
            AND (entry.route, entry.rank, number) < (way.route, r.rank::smallint, $2)
        /*filter*/
        ORDER BY entry.route, entry.rank, number LIMIT $16
    ) AS found
    UNION ALL
    SELECT found.* FROM way, LATERAL (
        SELECT * FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us = 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        /*filter*/
        ORDER BY entry.route, number LIMIT $16
    ) AS found
    UNION ALL
    SELECT found.* FROM way, LATERAL (
        SELECT * FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us > 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        /*filter*/
        ORDER BY entry.route, number LIMIT $16
    ) AS found
    UNION ALL
    SELECT * FROM entry WHERE entry.state = 2 AND number > $1 AND number < $2
    /*filter*/
) AS entry
ORDER BY number LIMIT $16;

-- name: page_waiting_descending
WITH way AS (SELECT DISTINCT tally.route FROM tally WHERE $4::text = '' OR tally.route = $4)
SELECT /*entry*/ FROM (
    SELECT found.* FROM way, generate_series(0, 3) AS r (rank), LATERAL (
        SELECT * FROM entry
        WHERE place = 1 AND (entry.route, entry.rank, number) > (way.route, r.rank::smallint, $1)
            AND (entry.route, entry.rank, number) < (way.route, r.rank::smallint, $2)
        /*filter*/
        ORDER BY entry.route DESC, entry.rank DESC, number DESC LIMIT $16
    ) AS found
    UNION ALL
    SELECT found.* FROM way, LATERAL (
        SELECT * FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us = 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        /*filter*/
        ORDER BY entry.route DESC, number DESC LIMIT $16
    ) AS found
    UNION ALL
    SELECT found.* FROM way, LATERAL (
        SELECT * FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us > 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        /*filter*/
        ORDER BY entry.route DESC, number DESC LIMIT $16
    ) AS found
    UNION ALL
    SELECT * FROM entry WHERE entry.state = 2 AND number > $1 AND number < $2
    /*filter*/
) AS entry
ORDER BY number DESC LIMIT $16;

-- name: horizon_ascending
-- The entry that is so many further on.
SELECT number FROM entry WHERE number > $1 AND number < $2
ORDER BY number LIMIT 1 OFFSET $3;

-- name: horizon_descending
SELECT number FROM entry WHERE number > $1 AND number < $2
ORDER BY number DESC LIMIT 1 OFFSET $3;

-- name: horizon_apart_ascending
-- The same among those that went another way than most; where one state's stretch ends, the others' may go on.
SELECT coalesce(min(far.number), 0) FROM unnest($4::smallint[]) AS own (state), LATERAL (
    SELECT number FROM entry
    WHERE entry.state NOT IN (1, 2, 7) AND (entry.state, number) > (own.state, $1) AND (entry.state, number) < (own.state, $2)
    ORDER BY entry.state, number LIMIT 1 OFFSET $3
) AS far;

-- name: horizon_apart_descending
SELECT coalesce(max(far.number), 0) FROM unnest($4::smallint[]) AS own (state), LATERAL (
    SELECT number FROM entry
    WHERE entry.state NOT IN (1, 2, 7) AND (entry.state, number) > (own.state, $1) AND (entry.state, number) < (own.state, $2)
    ORDER BY entry.state DESC, number DESC LIMIT 1 OFFSET $3
) AS far;

-- name: horizon_waiting_ascending
-- The same among those that wait, but for what is under way; where one way's stretch ends, the others' may go on.
WITH way AS (SELECT DISTINCT tally.route FROM tally WHERE $4::text = '' OR tally.route = $4)
SELECT coalesce(min(far.number), 0) FROM (
    SELECT one.number FROM way, generate_series(0, 3) AS r (rank), LATERAL (
        SELECT number FROM entry
        WHERE place = 1 AND (entry.route, entry.rank, number) > (way.route, r.rank::smallint, $1)
            AND (entry.route, entry.rank, number) < (way.route, r.rank::smallint, $2)
        ORDER BY entry.route, entry.rank, number LIMIT 1 OFFSET $3
    ) AS one
    UNION ALL
    SELECT one.number FROM way, LATERAL (
        SELECT number FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us = 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        ORDER BY entry.route, number LIMIT 1 OFFSET $3
    ) AS one
    UNION ALL
    SELECT one.number FROM way, LATERAL (
        SELECT number FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us > 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        ORDER BY entry.route, number LIMIT 1 OFFSET $3
    ) AS one
) AS far;

-- name: horizon_waiting_descending
WITH way AS (SELECT DISTINCT tally.route FROM tally WHERE $4::text = '' OR tally.route = $4)
SELECT coalesce(max(far.number), 0) FROM (
    SELECT one.number FROM way, generate_series(0, 3) AS r (rank), LATERAL (
        SELECT number FROM entry
        WHERE place = 1 AND (entry.route, entry.rank, number) > (way.route, r.rank::smallint, $1)
            AND (entry.route, entry.rank, number) < (way.route, r.rank::smallint, $2)
        ORDER BY entry.route DESC, entry.rank DESC, number DESC LIMIT 1 OFFSET $3
    ) AS one
    UNION ALL
    SELECT one.number FROM way, LATERAL (
        SELECT number FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us = 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        ORDER BY entry.route DESC, number DESC LIMIT 1 OFFSET $3
    ) AS one
    UNION ALL
    SELECT one.number FROM way, LATERAL (
        SELECT number FROM entry
        WHERE place = 2 AND entry.state = 1 AND due_at_us > 0 AND (entry.route, number) > (way.route, $1)
            AND (entry.route, number) < (way.route, $2)
        ORDER BY entry.route DESC, number DESC LIMIT 1 OFFSET $3
    ) AS one
) AS far;

-- name: find_core_id
SELECT /*entry*/ FROM entry WHERE core_id = $1 AND core_id <> '' ORDER BY number LIMIT $2;

-- name: deeds_acts
SELECT at_us, name, subject, detail, actor, note, leaf FROM act WHERE leaf >= $1 AND actor <> '' ORDER BY leaf LIMIT $2;

-- name: deeds_moves
SELECT at_us, name, source, target, attempt, reason, actor, note, told, core_id, leaf, number
FROM event WHERE actor <> '' AND leaf >= $1 ORDER BY leaf LIMIT $2;

-- name: shape_arrival
-- A stretch of what waits in arrival order, of one rank and age: counted from the index alone, and how far that goes.
SELECT channel, currency, kind, count(*), sum(amount)::bigint, max(number) FROM (
    SELECT channel, currency, kind, amount, number FROM entry
    WHERE place = 1 AND (entry.route, entry.rank, number) > ($1, $2::smallint, $3)
        AND (entry.route, entry.rank, number) < ($1, $2::smallint, $4)
    ORDER BY entry.route, entry.rank, number LIMIT 20000
) AS stretch GROUP BY channel, currency, kind;

-- name: shape_behind
-- A stretch of what waits behind others of its lane, counted by age, and how far that goes.
SELECT channel, currency, kind, state, reason AS why, width_bucket(number, $2::bigint[]) AS bucket, count(*), sum(amount)::bigint,
    max(ARRAY[0, number]) AS reached
FROM (
    SELECT channel, currency, kind, state, reason, amount, number FROM entry
    WHERE place = 2 AND state = 1 AND due_at_us = 0 AND entry.route = $1 AND $3::bigint = 0 AND number > $4
    ORDER BY entry.route, number LIMIT 20000
) AS stretch GROUP BY channel, currency, kind, state, why, bucket;

-- name: shape_later
-- A stretch of what waits for its time, counted by age, and how far that goes.
SELECT channel, currency, kind, state, reason AS why, width_bucket(number, $2::bigint[]) AS bucket, count(*), sum(amount)::bigint,
    max(ARRAY[0, number]) AS reached
FROM (
    SELECT channel, currency, kind, state, reason, amount, number FROM entry
    WHERE place = 2 AND state = 1 AND due_at_us > 0 AND entry.route = $1 AND $3::bigint = 0 AND number > $4
    ORDER BY entry.route, number LIMIT 20000
) AS stretch GROUP BY channel, currency, kind, state, why, bucket;

-- name: shape_in_flight
-- A stretch of what is under way, counted by age, and how far that goes.
SELECT channel, currency, kind, state, reason AS why, width_bucket(number, $2::bigint[]) AS bucket, count(*), sum(amount)::bigint,
    max(ARRAY[lane::bigint, number]) AS reached
FROM (
    SELECT channel, currency, kind, state, reason, amount, lane, number FROM entry
    WHERE state = 2 AND entry.route = $1 AND (lane, number) > ($3::bigint, $4::bigint)
    ORDER BY entry.route, lane, number LIMIT 20000
) AS stretch GROUP BY channel, currency, kind, state, why, bucket;

-- name: shape_apart
-- A stretch of what is unfinished and went another way than most, of which the route's own is counted.
SELECT channel, currency, kind, state, reason AS why, width_bucket(number, $2::bigint[]) AS bucket,
    count(*) FILTER (WHERE counts), coalesce(sum(amount) FILTER (WHERE counts), 0)::bigint,
    max(ARRAY[state::bigint, number]) AS reached
FROM (
    SELECT channel, currency, kind, state, reason, amount, number, route = $1 AS counts FROM entry
    WHERE state NOT IN (1, 2, 7) AND (state, number) > ($3::smallint, $4::bigint) AND state < 7
    ORDER BY state, number LIMIT 20000
) AS stretch GROUP BY channel, currency, kind, state, why, bucket;

-- name: last_block
SELECT first, size, at_us, peaks, leaves FROM block ORDER BY first DESC LIMIT 1;

-- name: blocks
SELECT first, size, at_us, peaks, leaves FROM block WHERE first >= $1 ORDER BY first LIMIT $2;

-- name: block_at
-- The last block that begins at an index or below.
SELECT first, size, at_us, peaks, leaves FROM block WHERE first <= $1 ORDER BY first DESC LIMIT 1;

-- name: kept_entries
-- Entries with what proves them: their place in the log, the hash that is there, and whether a repeat would find them.
SELECT /*entry*/, leaf, recorded_as, told_as, owns_key, (
    SELECT substr(leaves, (1 + 32 * (entry.leaf - first))::int, 32) FROM block WHERE first <= entry.leaf
    ORDER BY first DESC LIMIT 1
) AS hash
FROM entry WHERE number > $1 ORDER BY number LIMIT $2;

-- name: kept_events
-- Events of a stretch of entries, with the hash that is at their place in the log.
SELECT number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, leaf, (
    SELECT substr(leaves, (1 + 32 * (event.leaf - first))::int, 32) FROM block WHERE first <= event.leaf
    ORDER BY first DESC LIMIT 1
) AS hash
FROM event WHERE number BETWEEN $1 AND $2 ORDER BY number, leaf;

-- name: strays
-- Events of entries that aren't there.
SELECT number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, leaf, (
    SELECT substr(leaves, (1 + 32 * (event.leaf - first))::int, 32) FROM block WHERE first <= event.leaf
    ORDER BY first DESC LIMIT 1
) AS hash
FROM event WHERE (SELECT entry.number FROM entry WHERE entry.number = event.number) IS NULL ORDER BY number, leaf LIMIT $1;

-- name: kept_acts
SELECT at_us, name, subject, detail, actor, note, leaf, (
    SELECT substr(leaves, (1 + 32 * (act.leaf - first))::int, 32) FROM block WHERE first <= act.leaf
    ORDER BY first DESC LIMIT 1
) AS hash
FROM act WHERE leaf >= $1 ORDER BY leaf LIMIT $2;

-- name: spent
SELECT entries, amount FROM spent WHERE day = $1 AND lane = $2;

-- name: spend
INSERT INTO spent (day, lane, entries, amount) VALUES ($1, $2, 1, $3)
ON CONFLICT (day, lane) DO UPDATE SET entries = spent.entries + 1, amount = spent.amount + excluded.amount;

-- name: refund
UPDATE spent SET entries = entries - 1, amount = amount - $3 WHERE day = $1 AND lane = $2 AND entries > 0;

-- name: forget_days
-- Some of what was promised before a day; the rest with the next promises.
DELETE FROM spent WHERE (day, lane) IN (SELECT day, lane FROM spent WHERE day < $1 LIMIT 64);

-- name: note_account
-- What is not said leaves what was known.
INSERT INTO account (lane, known, denied, seen_at_us, key_id, sealed, urgent) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (lane) DO UPDATE SET
    known = coalesce(excluded.known, account.known), denied = coalesce(excluded.denied, account.denied),
    seen_at_us = greatest(account.seen_at_us, excluded.seen_at_us),
    key_id = CASE WHEN excluded.sealed IS NULL THEN account.key_id ELSE excluded.key_id END,
    sealed = coalesce(excluded.sealed, account.sealed), urgent = coalesce(excluded.urgent, account.urgent);

-- name: account
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account WHERE lane = $1;

-- name: notes_under
-- What cores said of accounts under one key.
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account
WHERE sealed IS NOT NULL AND key_id = $1 ORDER BY lane LIMIT $2;

-- name: accounts_counted
SELECT count(*) FILTER (WHERE known), count(*) FILTER (WHERE denied) FROM account;

-- name: denies
SELECT EXISTS (SELECT 1 FROM account WHERE denied)::int;

-- name: history
SELECT at_us, name, source, target, attempt, reason, actor, note, told, core_id, leaf FROM event
WHERE number = $1 ORDER BY leaf;

-- name: recorded
SELECT accepted_at_us, recorded_as, told_as, leaf FROM entry WHERE number = $1;

-- name: returns_due
-- Refused after a positive answer: the money is owed back.
SELECT /*entry*/ FROM entry
WHERE state = 8 AND told IN (1, 2) AND route = $1 AND (changed_at_us, number) > ($2, $3) AND $4 IN ('', channel)
ORDER BY changed_at_us, number LIMIT $5;

-- name: highest_number
SELECT coalesce(max(number), 0) FROM entry;

-- name: remember
INSERT INTO memo (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: remember_new
INSERT INTO memo (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: exchange
UPDATE memo SET value = $3 WHERE name = $1 AND value = $2;

-- name: recall_some
SELECT name, value FROM memo WHERE starts_with(name, $1) AND name > $2 ORDER BY name LIMIT $3;

-- name: recall
SELECT value FROM memo WHERE name = $1;

-- name: key_store_is_there
SELECT to_regclass('key_store') IS NOT NULL;

-- name: lay_out_key_store
-- Keys of all nodes, wrapped by a master; perhaps in a database of their own.
CREATE TABLE IF NOT EXISTS key_store (
    one     smallint PRIMARY KEY CHECK (one = 1),
    content bytea    NOT NULL
);

-- name: key_store
SELECT content FROM key_store;

-- name: make_key_store
INSERT INTO key_store (one, content) VALUES (1, $1) ON CONFLICT DO NOTHING;

-- name: change_key_store
UPDATE key_store SET content = $2 WHERE content = $1;

-- name: memos
SELECT name, value FROM memo WHERE name > $1 ORDER BY name LIMIT $2;

-- name: accounts
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account WHERE $1 OR lane > $2 ORDER BY lane LIMIT $3;

-- name: promised
SELECT day, lane, entries, amount FROM spent WHERE (day, lane) > ($1, $2) ORDER BY day, lane LIMIT $3;

-- name: is_empty
-- Nothing was ever taken here.
SELECT NOT EXISTS (SELECT 1 FROM entry) AND NOT EXISTS (SELECT 1 FROM block) AND NOT EXISTS (SELECT 1 FROM memo);

-- name: clear_entries
TRUNCATE entry, event, act, block, tally, key_use, account, spent, memo;

-- name: sum_up_keys
-- What data keys are needed for.
INSERT INTO key_use (key_id, entries, waiting, changed_at_us)
SELECT key_id, count(*), count(*) FILTER (WHERE place <> 0), max(changed_at_us) FROM entry GROUP BY key_id;

-- name: sum_up
-- The sums of all entries, as rows of the first seat.
INSERT INTO tally (seat, route, channel, currency, kind, state, told, entries, amount)
SELECT 0, route, channel, currency, kind, state, told, count(*), sum(amount) FROM entry
GROUP BY route, channel, currency, kind, state, told;

-- name: set_log
UPDATE log SET size = $1, peaks = $2;

-- name: forget
DELETE FROM memo WHERE name = $1;
