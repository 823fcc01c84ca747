"""What may be set while running: policies, windows, accounts, keys, sinks; and what was."""
