"""Outages, from their beginning until everything they left is settled: followed, and reported."""
