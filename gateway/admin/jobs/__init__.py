"""Acts on many entries: ordered, worked on step by step, paused, stopped."""
