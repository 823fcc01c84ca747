"""Who keeps the master key, and what is done with the keys it wraps: made each day, wrapped anew, destroyed in time."""
