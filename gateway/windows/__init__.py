"""Planned maintenance: when a core will be away on purpose, once or again and again."""
