-- The same conditions on entries, spelt with comparisons. For each IN over more than two constants SQLite makes a table of
-- them, for each row that is written: together these cost a new entry as much as half of its row.

-- Checks can't be altered, only be said anew, as sqlite.org/lang_altertable.html has it: nothing of the rows changes.
PRAGMA writable_schema = 1;
UPDATE sqlite_schema SET sql = replace(replace(replace(replace(replace(sql,
    'CHECK (kind IN (1, 2))', 'CHECK (kind BETWEEN 1 AND 2)'),
    'CHECK (recorded_as IN (1, 2, 10))', 'CHECK (recorded_as = 1 OR recorded_as = 2 OR recorded_as = 10)'),
    'CHECK (place IN (0, 1, 2))', 'CHECK (place BETWEEN 0 AND 2)'),
    'CHECK (owns_key IN (0, 1))', 'CHECK (owns_key BETWEEN 0 AND 1)'),
    'CHECK ((place = 0) = (state IN (7, 8, 9, 10)))', 'CHECK ((place = 0) = (state BETWEEN 7 AND 10))')
WHERE type = 'table' AND name = 'entry';
PRAGMA writable_schema = RESET;

DROP INDEX entry_apart;
CREATE INDEX entry_apart ON entry (state, number) WHERE state > 2 AND state <> 7;
