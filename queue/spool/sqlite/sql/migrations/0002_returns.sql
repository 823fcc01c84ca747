-- Money that is owed back: refused (8) after its channel was told posted or provisional (1, 2), refused first first.
CREATE INDEX entry_owed ON entry (route, changed_at_us, number) WHERE state = 8 AND told IN (1, 2);
