"""Money owed back: what was refused after a yes, how long it has been owed, and who is told."""
