"""The way in: request, decision, record, answer."""
