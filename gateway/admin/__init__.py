"""The admin side: what operators and monitoring see and steer, on a port of its own."""
