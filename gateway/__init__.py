"""The running service: joins channels, cores and the spool; the only part that knows the others."""
