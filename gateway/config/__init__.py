"""The configuration: its shape, how it is read and checked whole, how it is made, and how it is documented."""
