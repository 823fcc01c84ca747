"""What the service does with its evidence: signs heads of the log, shows them to witnesses, and compares."""
