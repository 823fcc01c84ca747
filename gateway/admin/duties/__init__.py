"""What waits for a person: returns, endings by hand, and proposals to a second one."""
