"""Sends what waits: lanes, claims, attempts, inquiries."""
