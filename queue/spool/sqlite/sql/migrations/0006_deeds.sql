-- What persons did to entries, in the order of the log; the machine's own moves are not in it.
CREATE INDEX event_by_hand ON event (sequence) WHERE actor <> '';
