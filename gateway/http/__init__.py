"""The listeners: HTTP in, with limits on everything a stranger can send."""
