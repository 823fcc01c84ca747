"""What keeps the entries: how an engine is set up, and opened to work or to look."""
