"""The durable encrypted queue: entries, states, engines, sealing. Knows no protocol."""
