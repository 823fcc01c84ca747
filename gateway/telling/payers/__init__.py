"""Payers: told that a payment was taken and will be credited, and then that it was."""
