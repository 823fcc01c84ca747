"""The way out: claim, send, outcome, record; in order by lane, at a pace the core bears."""
