-- name: insert_entries
-- Record new entries, but for those whose hash (column 18) is in the table of keys: whether they are new, their row says.
-- One recorded in flight (2) waits aside, with its first attempt begun; one ready (1) in arrival order; the rest nowhere.
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy,
    reverses, key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, rank
)
SELECT
    column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12, column13,
    column14, column15, column12, (column12 = 1) + 2 * (column12 = 2), column12 = 2, column12 = 2, column11, column16, column16,
    column17, column19, column20
FROM (VALUES /*rows*/) WHERE NOT EXISTS (SELECT 1 FROM key WHERE hash = column18);

-- name: index_keys
-- Take keys into the table. After a restart some are there already.
INSERT INTO key (hash, number) VALUES /*rows*/ ON CONFLICT DO NOTHING;

-- name: mark_keys
-- Every entry up to this number is in the table of keys.
UPDATE key_mark SET indexed_to = ?;

-- name: key_mark
SELECT salt, indexed_to FROM key_mark;

-- name: keys_above
-- Entries that may not be in the table of keys yet.
SELECT channel, key, number FROM entry WHERE number > ? AND owns_key = 1 ORDER BY number;

-- name: forget_key
-- Who was given back is no candidate any more.
DELETE FROM key WHERE hash = ? AND number = ?;

-- name: stretch
-- Entries of a stretch, and whether each is over: it is final and so for a while, nothing of it is owed back (refused, 8, after posted or
-- provisional, 1, 2), its payment is gone, if it is a reversal, and the same holds of each reversal of it: one that was refused may
-- be sent again by persons, and whoever sends it looks at the payment.
SELECT /*entry*/, leaf,
    place = 0 AND changed_at_us < ? AND leaf IS NOT NULL AND NOT (state = 8 AND told IN (1, 2))
    AND NOT EXISTS (SELECT 1 FROM entry AS payment WHERE payment.number = entry.reverses)
    AND NOT EXISTS (
        SELECT 1 FROM entry AS reversal INDEXED BY entry_reverses
        WHERE reversal.reverses = entry.number AND reversal.reverses <> 0 AND (
            reversal.place > 0 OR reversal.changed_at_us >= ? OR (reversal.state = 8 AND reversal.told IN (1, 2))
        )
    )
FROM entry WHERE number > ? AND number < ? ORDER BY number LIMIT ?;

-- name: forget_entry
DELETE FROM entry WHERE number = ?;

-- name: forget_events
-- What happened to an entry; tells the places in the log.
DELETE FROM event WHERE number = ? RETURNING sequence;

-- name: move_entries
-- Make moves: each row is (number, state, epoch and told expected; then what they become). Tells which were made, and the
-- key of each.
UPDATE entry SET
    state = m.column5, epoch = m.column6, told = m.column7, attempts = m.column8, place = m.column9,
    due_at_us = m.column10, changed_at_us = m.column11, reason = m.column12, core_id = m.column13
FROM (VALUES /*rows*/) AS m
WHERE entry.number = m.column1 AND entry.state = m.column2 AND entry.epoch = m.column3 AND entry.told = m.column4
RETURNING number, key_id;

-- name: reseal
-- A content sealed anew, in the place of the one that was sealed under the key expected.
UPDATE entry SET key_id = ?, sealed = ? WHERE number = ? AND key_id = ?;

-- name: reseal_note
-- The same of what a core said of an account.
UPDATE account SET key_id = ?, sealed = ? WHERE lane = ? AND key_id = ?;

-- name: release_key
-- Let an entry that was given back go of its key.
UPDATE entry SET owns_key = 0 WHERE number = ?;

-- name: insert_events
-- Tell what the moves did; an event's sequence is its place in the log.
INSERT INTO event (number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, sequence) VALUES /*rows*/;

-- name: insert_block
-- The evidence of one commit.
INSERT INTO block (first, size, at_us, peaks, leaves) VALUES (?, ?, ?, ?, ?);

-- name: insert_act
INSERT INTO act (leaf, at_us, name, subject, detail, actor, note) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: last_block
SELECT first, size, at_us, peaks, leaves FROM block ORDER BY first DESC LIMIT 1;

-- name: blocks
SELECT first, size, at_us, peaks, leaves FROM block WHERE first >= ? ORDER BY first LIMIT ?;

-- name: block_at
-- The last block that begins at an index or below.
SELECT first, size, at_us, peaks, leaves FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1;

-- name: kept_entries
-- Entries with what proves them: their place in the log, the hash that is there, and whether a repeat would find them
-- (as far as the row says; the table of keys is asked besides).
SELECT /*entry*/, leaf, recorded_as, told_as, owns_key, (
    SELECT substr(leaves, 1 + 32 * (entry.leaf - first), 32) FROM block WHERE first <= entry.leaf ORDER BY first DESC LIMIT 1
)
FROM entry WHERE number > ? ORDER BY number LIMIT ?;

-- name: kept_events
-- Events of a stretch of entries, with the hash that is at their place in the log.
SELECT number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, sequence, (
    SELECT substr(leaves, 1 + 32 * (event.sequence - first), 32) FROM block WHERE first <= event.sequence
    ORDER BY first DESC LIMIT 1
)
FROM event INDEXED BY event_number WHERE number BETWEEN ? AND ? ORDER BY number, sequence;

-- name: has_key
-- Would the table of keys name this entry?
SELECT 1 FROM key WHERE hash = ? AND number = ?;

-- name: strays
-- Events of entries that aren't there.
SELECT number, at_us, name, source, target, attempt, reason, actor, note, told, core_id, sequence, (
    SELECT substr(leaves, 1 + 32 * (event.sequence - first), 32) FROM block WHERE first <= event.sequence
    ORDER BY first DESC LIMIT 1
)
FROM event WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.number = event.number) ORDER BY sequence LIMIT ?;

-- name: kept_acts
SELECT at_us, name, subject, detail, actor, note, leaf, (
    SELECT substr(leaves, 1 + 32 * (act.leaf - first), 32) FROM block WHERE first <= act.leaf ORDER BY first DESC LIMIT 1
)
FROM act WHERE leaf >= ? ORDER BY leaf LIMIT ?;

-- name: is_adopting
-- Whether entries from before the log are still to be taken into it.
SELECT adopting FROM log;

-- name: end_adopting
UPDATE log SET adopting = 0;

-- name: unproven
-- Entries that have no place in the log yet.
SELECT /*entry*/, recorded_as FROM entry INDEXED BY entry_unproven WHERE leaf IS NULL ORDER BY number LIMIT ?;

-- name: adopt
UPDATE entry SET leaf = ?, told_as = ? WHERE number = ?;
-- name: add_to_tally
-- Add to (or, with negative figures, take from) the sums the entries are counted in.
INSERT INTO tally (route, channel, currency, kind, state, told, entries, amount) VALUES /*rows*/
ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, amount = amount + excluded.amount;

-- name: add_to_key_uses
-- Add to (or take from) what data keys are needed for.
INSERT INTO key_use (key_id, entries, waiting, changed_at_us) VALUES /*rows*/
ON CONFLICT DO UPDATE SET
    entries = entries + excluded.entries, waiting = waiting + excluded.waiting,
    changed_at_us = max(changed_at_us, excluded.changed_at_us);

-- name: get_entry
SELECT /*entry*/ FROM entry WHERE number = ?;

-- name: find_entry
-- Who owns a key, of those its hash names: the one held in memory (0 = none), and those in the table.
SELECT /*entry*/ FROM entry
WHERE number IN (SELECT ? UNION ALL SELECT number FROM key WHERE hash = ?) AND channel = ? AND key = ? AND owns_key = 1;

-- name: find_entry_unaided
-- Who owns a key, without anything held in memory: entries that may not be in the table are looked through.
SELECT /*entry*/ FROM entry
WHERE number IN (SELECT number FROM key WHERE hash = :hash) AND channel = :channel AND key = :key AND owns_key = 1
UNION ALL
SELECT /*entry*/ FROM entry
WHERE number > (SELECT indexed_to FROM key_mark) AND channel = :channel AND key = :key AND owns_key = 1
LIMIT 1;

-- name: reversal_of
-- The reversal of a payment that stands in the way of another one: any that did not come to nothing.
SELECT /*entry*/ FROM entry
WHERE reverses = ? AND reverses <> 0 AND state <> 8 AND (state <> 10 OR recorded_as = 10)
ORDER BY number LIMIT 1;

-- name: reversals_of
-- All reversals of a payment there ever were.
SELECT /*entry*/ FROM entry WHERE reverses = ? AND reverses <> 0 ORDER BY number;

-- name: ready
-- Entries of one rank in arrival order; blocked tells that something earlier of the lane waits aside.
SELECT /*entry*/, EXISTS (
    SELECT 1 FROM entry AS ahead INDEXED BY entry_aside
    WHERE ahead.place = 2 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
) AS blocked
FROM entry INDEXED BY entry_turn
WHERE entry.place = 1 AND entry.route = ? AND entry.rank = ? AND entry.number > ?
ORDER BY entry.number LIMIT ?;

-- name: set_behind
-- Take a ready entry out of arrival order: its lane isn't free.
UPDATE entry SET place = 2 WHERE number = ? AND state = 1 AND place = 1 AND epoch = ?;

-- name: followers
-- Ready entries of one lane that were set behind, in order, as far as nothing else of the lane stands before them.
SELECT /*entry*/ FROM entry INDEXED BY entry_aside
WHERE place = 2 AND route = ? AND lane = ? AND state = 1 AND due_at_us = 0 AND NOT EXISTS (
    SELECT 1 FROM entry AS ahead INDEXED BY entry_aside
    WHERE ahead.place = 2 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
        AND NOT (ahead.state = 1 AND ahead.due_at_us = 0)
)
ORDER BY number LIMIT ?;

-- name: restore_arrival
-- Put an entry that was set behind into arrival order again.
UPDATE entry SET place = 1 WHERE number = ? AND state = 1 AND place = 2 AND due_at_us = 0;

-- name: restore_all_arrivals
-- At opening nobody waits behind anybody: whoever reads in arrival order finds out anew.
UPDATE entry SET place = 1 WHERE place = 2 AND state = 1 AND due_at_us = 0;

-- name: restore_times
-- At opening, what changed over a second after now was written by a clock that was ahead: nothing waits for its times.
UPDATE entry SET due_at_us = ? WHERE place = 2 AND due_at_us > ? AND changed_at_us > ? + 1000000;

-- name: due
-- Entries whose time has come and that stand first in their lane, soonest first.
SELECT /*entry*/ FROM entry INDEXED BY entry_due
WHERE place = 2 AND due_at_us > 0 AND route = ? AND due_at_us <= ? AND NOT EXISTS (
    SELECT 1 FROM entry AS ahead INDEXED BY entry_aside
    WHERE ahead.place = 2 AND ahead.route = entry.route AND ahead.lane = entry.lane AND ahead.number < entry.number
)
ORDER BY due_at_us LIMIT ?;

-- name: next_due
SELECT min(due_at_us) FROM entry INDEXED BY entry_due WHERE place = 2 AND due_at_us > 0 AND route = ?;

-- name: oldest_arrival
SELECT accepted_at_us FROM entry WHERE number = (SELECT min(first) FROM (
    SELECT min(number) AS first FROM entry INDEXED BY entry_turn WHERE place = 1 AND route = :route AND rank = 0
    UNION ALL SELECT min(number) FROM entry INDEXED BY entry_turn WHERE place = 1 AND route = :route AND rank = 1
    UNION ALL SELECT min(number) FROM entry INDEXED BY entry_turn WHERE place = 1 AND route = :route AND rank = 2
    UNION ALL SELECT min(number) FROM entry INDEXED BY entry_turn WHERE place = 1 AND route = :route AND rank = 3
));

-- name: in_flight
-- Attempts a former run left in hand.
SELECT /*entry*/ FROM entry INDEXED BY entry_aside WHERE place = 2 AND state = 2 AND number > ? ORDER BY number LIMIT 512;

-- name: lanes_in_arrival
-- Lanes and ranks of all entries in arrival order, from the index alone.
SELECT route, lane, rank FROM entry INDEXED BY entry_turn WHERE place = 1;

-- name: lanes_aside
SELECT route, lane, rank FROM entry INDEXED BY entry_aside WHERE place = 2;

-- name: has_late
-- Whether any unfinished entry has the worst rank.
SELECT EXISTS (SELECT 1 FROM entry INDEXED BY entry_late WHERE place > 0 AND rank = 3);

-- name: tally
SELECT route, channel, currency, kind, state, told, entries, amount FROM tally;

-- name: recount
-- Counts and sums of a stretch of entries, from the entries themselves.
SELECT route, channel, currency, kind, state, told, count(*), sum(amount), max(number) FROM (
    SELECT route, channel, currency, kind, state, told, amount, number FROM entry WHERE number > ?
    ORDER BY number LIMIT 20000
) GROUP BY route, channel, currency, kind, state, told;

-- name: key_uses
-- What each data key is needed for: entries as they were counted, and notes of accounts, from their index alone.
SELECT key_id, sum(entries), sum(waiting), max(changed_at_us), sum(notes) FROM (
    SELECT key_id, entries, waiting, changed_at_us, 0 AS notes FROM key_use
    UNION ALL
    SELECT key_id, 0, 0, 0, count(*) FROM account INDEXED BY account_said WHERE sealed IS NOT NULL GROUP BY key_id
) GROUP BY key_id HAVING sum(entries) <> 0 OR sum(notes) <> 0;

-- name: filter
-- What a page narrows by; no statement, but a part of those that say so.
    AND (:states = 0 OR (:states >> state) & 1)
    AND (:route = '' OR route = :route)
    AND (:channel = '' OR channel = :channel)
    AND (:kind = 0 OR kind = :kind)
    AND (:key = '' OR key = :key)
    AND (:any_lane OR lane = :lane)
    AND (:reason = '' OR reason = :reason)
    AND (:currency = '' OR currency = :currency)
    AND amount >= :amount_min AND (:amount_max = 0 OR amount <= :amount_max)
    AND accepted_at_us >= :accepted_from_us
    AND (:accepted_before_us = 0 OR accepted_at_us < :accepted_before_us);

-- name: recount_keys
-- What a stretch of entries needs each data key for, from the entries themselves.
SELECT key_id, count(*), sum(place <> 0), max(changed_at_us), max(number) FROM (
    SELECT key_id, place, changed_at_us, number FROM entry WHERE number > ? ORDER BY number LIMIT 20000
) GROUP BY key_id;

-- name: page_ascending
SELECT /*entry*/ FROM entry WHERE number > :after AND number < :before
/*filter*/
ORDER BY number LIMIT :limit;

-- name: page_descending
SELECT /*entry*/ FROM entry WHERE number > :after AND number < :before
/*filter*/
ORDER BY number DESC LIMIT :limit;

-- name: page_apart_ascending
-- The same of those that went another way than most, of one state.
SELECT /*entry*/ FROM entry INDEXED BY entry_apart WHERE number > :after AND number < :before
    AND state = :own AND state > 2 AND state <> 7
/*filter*/
ORDER BY number LIMIT :limit;

-- name: page_apart_descending
SELECT /*entry*/ FROM entry INDEXED BY entry_apart WHERE number > :after AND number < :before
    AND state = :own AND state > 2 AND state <> 7
/*filter*/
ORDER BY number DESC LIMIT :limit;

-- name: page_arrival_ascending
-- The same of those that wait in arrival order on a route, of one rank.
SELECT /*entry*/ FROM entry INDEXED BY entry_turn WHERE number > :after AND number < :before
    AND place = 1 AND route = :own AND rank = :rank
/*filter*/
ORDER BY number LIMIT :limit;

-- name: page_arrival_descending
SELECT /*entry*/ FROM entry INDEXED BY entry_turn WHERE number > :after AND number < :before
    AND place = 1 AND route = :own AND rank = :rank
/*filter*/
ORDER BY number DESC LIMIT :limit;

-- name: page_aside_ascending
-- The same of those that are under way or wait aside: sorted, as they are indexed by lane.
SELECT /*entry*/ FROM entry INDEXED BY entry_aside WHERE number > :after AND number < :before
    AND place = 2
/*filter*/
ORDER BY number LIMIT :limit;

-- name: page_aside_descending
SELECT /*entry*/ FROM entry INDEXED BY entry_aside WHERE number > :after AND number < :before
    AND place = 2
/*filter*/
ORDER BY number DESC LIMIT :limit;

-- name: horizon_ascending
-- The entry that is so many further on.
SELECT number FROM entry WHERE number > :after AND number < :before
ORDER BY number LIMIT 1 OFFSET :count;

-- name: horizon_descending
SELECT number FROM entry WHERE number > :after AND number < :before
ORDER BY number DESC LIMIT 1 OFFSET :count;

-- name: horizon_apart_ascending
SELECT number FROM entry INDEXED BY entry_apart WHERE number > :after AND number < :before
    AND state = :own AND state > 2 AND state <> 7
ORDER BY number LIMIT 1 OFFSET :count;

-- name: horizon_apart_descending
SELECT number FROM entry INDEXED BY entry_apart WHERE number > :after AND number < :before
    AND state = :own AND state > 2 AND state <> 7
ORDER BY number DESC LIMIT 1 OFFSET :count;

-- name: horizon_arrival_ascending
SELECT number FROM entry INDEXED BY entry_turn WHERE number > :after AND number < :before
    AND place = 1 AND route = :own AND rank = :rank
ORDER BY number LIMIT 1 OFFSET :count;

-- name: horizon_arrival_descending
SELECT number FROM entry INDEXED BY entry_turn WHERE number > :after AND number < :before
    AND place = 1 AND route = :own AND rank = :rank
ORDER BY number DESC LIMIT 1 OFFSET :count;

-- name: routes
SELECT DISTINCT route FROM tally;

-- name: find_core_id
SELECT /*entry*/ FROM entry INDEXED BY entry_core_id WHERE core_id = ? AND core_id <> '' ORDER BY number LIMIT ?;

-- name: shape_arrival
-- Counts and sums of a stretch of what waits in arrival order, from the index alone.
SELECT channel, currency, kind, count(*), sum(amount), max(number) FROM (
    SELECT channel, currency, kind, amount, number FROM entry INDEXED BY entry_turn
    WHERE place = 1 AND route = ? AND rank = ? AND number > ? AND number < ? ORDER BY number LIMIT 50000
) GROUP BY channel, currency, kind;

-- name: shape_aside
-- A stretch of what is under way or waits aside.
SELECT channel, currency, kind, state, reason, number, amount, lane FROM entry INDEXED BY entry_aside
WHERE place = 2 AND route = ? AND (lane, number) > (?, ?) ORDER BY lane, number LIMIT 5000;

-- name: returns_due
-- Refused after a positive answer: the money is owed back.
SELECT /*entry*/ FROM entry INDEXED BY entry_owed
WHERE state = 8 AND told IN (1, 2) AND route = ? AND (changed_at_us, number) > (?, ?) AND ? IN ('', channel)
ORDER BY changed_at_us, number LIMIT ?;

-- name: history
SELECT at_us, name, source, target, attempt, reason, actor, note, told, core_id, sequence
FROM event WHERE number = ? ORDER BY sequence;

-- name: deeds_acts
SELECT at_us, name, subject, detail, actor, note, leaf FROM act WHERE leaf >= ? AND actor <> '' ORDER BY leaf LIMIT ?;

-- name: deeds_moves
SELECT at_us, name, source, target, attempt, reason, actor, note, told, core_id, sequence, number
FROM event INDEXED BY event_by_hand WHERE actor <> '' AND sequence >= ? ORDER BY sequence LIMIT ?;

-- name: recorded
SELECT accepted_at_us, recorded_as, told_as, leaf FROM entry WHERE number = ?;

-- name: highest_number
SELECT coalesce(max(number), 0) FROM entry;

-- name: remember
INSERT INTO memo (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value;

-- name: recall
SELECT value FROM memo WHERE name = ?;

-- name: recall_some
SELECT name, value FROM memo WHERE substr(name, 1, length(:prefix)) = :prefix AND name > :after ORDER BY name LIMIT :limit;

-- name: spent
SELECT entries, amount FROM spent WHERE day = ? AND lane = ?;

-- name: spend
INSERT INTO spent (day, lane, entries, amount) VALUES (?, ?, 1, ?)
ON CONFLICT DO UPDATE SET entries = entries + 1, amount = amount + excluded.amount;

-- name: refund
UPDATE spent SET entries = entries - 1, amount = amount - ? WHERE day = ? AND lane = ? AND entries > 0;

-- name: forget_days
-- Some of what was promised before a day; the rest with the next promises.
DELETE FROM spent WHERE (day, lane) IN (SELECT day, lane FROM spent WHERE day < ? LIMIT 64);

-- name: note_accounts
-- What is not said leaves what was known.
INSERT INTO account (lane, known, denied, seen_at_us, key_id, sealed, urgent) VALUES /*rows*/
ON CONFLICT DO UPDATE SET
    known = coalesce(excluded.known, known), denied = coalesce(excluded.denied, denied),
    seen_at_us = max(seen_at_us, excluded.seen_at_us),
    key_id = iif(excluded.sealed IS NULL, key_id, excluded.key_id), sealed = coalesce(excluded.sealed, sealed),
    urgent = coalesce(excluded.urgent, urgent);

-- name: account
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account WHERE lane = ?;

-- name: notes_under
-- What cores said of accounts under one key.
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account INDEXED BY account_said
WHERE sealed IS NOT NULL AND key_id = ? ORDER BY lane LIMIT ?;

-- name: accounts_counted
SELECT count(*) FILTER (WHERE known = 1), count(*) FILTER (WHERE denied = 1) FROM account;

-- name: denies
SELECT EXISTS (SELECT 1 FROM account INDEXED BY account_denied WHERE denied = 1);

-- name: things
-- How many tables and indexes there are: none in a file that is new.
SELECT count(*) FROM sqlite_master;

-- name: memos
SELECT name, value FROM memo WHERE name > ? ORDER BY name LIMIT ?;

-- name: accounts
SELECT lane, known, denied, seen_at_us, key_id, sealed, urgent FROM account WHERE ? OR lane > ? ORDER BY lane LIMIT ?;

-- name: promised
SELECT day, lane, entries, amount FROM spent WHERE (day, lane) > (?, ?) ORDER BY day, lane LIMIT ?;

-- name: fill_entry
-- An entry from another engine, as it was there.
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, state, epoch, attempts,
    due_at_us, changed_at_us, told, reason, policy, reverses, core_id, key_id, sealed, rank, recorded_as, told_as, leaf, owns_key,
    place
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: fill_account
INSERT INTO account (lane, known, denied, seen_at_us, key_id, sealed, urgent) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: fill_promised
INSERT INTO spent (day, lane, entries, amount) VALUES (?, ?, ?, ?);

-- name: sum_up_keys
-- What data keys are needed for.
INSERT INTO key_use (key_id, entries, waiting, changed_at_us)
SELECT key_id, count(*), sum(place <> 0), max(changed_at_us) FROM entry GROUP BY key_id;

-- name: sum_up
-- The sums of all entries.
INSERT INTO tally (route, channel, currency, kind, state, told, entries, amount)
SELECT route, channel, currency, kind, state, told, count(*), sum(amount) FROM entry
GROUP BY route, channel, currency, kind, state, told;
