"""A payment's way as spans, for who follows it through several systems. Off unless configured."""
