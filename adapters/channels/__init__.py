"""One file per protocol that payment channels speak."""
