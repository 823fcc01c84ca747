"""Entries: looked for, shown, exported, moved by a person."""
