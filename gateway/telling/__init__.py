"""Telling people: what stands against all being well, who is told of it, and by what way."""
