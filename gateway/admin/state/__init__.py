"""How the service stands: for people, for monitoring, and what of it is stuck."""
