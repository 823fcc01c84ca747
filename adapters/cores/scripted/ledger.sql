-- name: schema
-- The ledger of a scripted core. Times are microseconds since 1970 UTC, amounts minor units.
-- One row of `booking` per booking made: a payment booked twice is two rows. One row of `attempt` per order that arrived.
CREATE TABLE IF NOT EXISTS booking (
    sequence     INTEGER PRIMARY KEY CHECK (sequence > 0),
    reference    TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    amount       INTEGER NOT NULL CHECK (amount > 0),
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    kind         TEXT    NOT NULL CHECK (kind IN ('payment', 'reversal')),
    reverses     INTEGER NOT NULL CHECK ((kind = 'reversal') = (reverses > 0)),
    service      TEXT    NOT NULL,
    paid_at      TEXT    NOT NULL,
    booked_at_us INTEGER NOT NULL,
    protocol     TEXT    NOT NULL CHECK (protocol IN ('osmp', 'json'))
) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
    sequence      INTEGER PRIMARY KEY,
    arrived_at_us INTEGER NOT NULL,
    protocol      TEXT    NOT NULL,
    operation     TEXT    NOT NULL,
    reference     TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    done          TEXT    NOT NULL,
    booking       INTEGER NOT NULL,
    in_flight     INTEGER NOT NULL CHECK (in_flight >= 0),
    abandoned     INTEGER NOT NULL CHECK (abandoned >= 0),
    fault         TEXT    NOT NULL
) STRICT;

-- name: wall_clock_ms
-- Milliseconds since 1970 by the machine's clock.
SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER);

-- name: insert_booking
-- Book.
INSERT INTO booking VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_attempt
-- Log an order that arrived.
INSERT INTO attempt VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: bookings
-- Every booking in order, its columns as the fields of `Booking`.
SELECT * FROM booking ORDER BY sequence;

-- name: attempts
-- Every attempt in the order in which they were done, its columns as the fields of `Attempt`.
SELECT arrived_at_us, protocol, operation, reference, account, done, booking, in_flight, abandoned, fault
FROM attempt ORDER BY sequence;

-- name: sums
-- How many bookings of each kind and currency, and how much they come to.
SELECT kind, currency, count(*), sum(amount) FROM booking GROUP BY kind, currency ORDER BY kind, currency;

-- name: doubled
-- References under which a payment was booked more than once.
SELECT reference, count(*) FROM booking WHERE kind = 'payment'
GROUP BY reference HAVING count(*) > 1 ORDER BY reference;

-- name: doubled_reversals
-- Payments that were given back more than once.
SELECT reverses, count(*) FROM booking WHERE kind = 'reversal'
GROUP BY reverses HAVING count(*) > 1 ORDER BY reverses;

-- name: crowding
-- How many attempts there were, and the most that were ever unanswered on one account beside another.
SELECT count(*), coalesce(max(in_flight), 0), coalesce(max(abandoned), 0) FROM attempt;
