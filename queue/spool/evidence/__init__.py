"""Evidence: a log of everything that happened, as a Merkle tree whose signed heads strangers can keep."""
