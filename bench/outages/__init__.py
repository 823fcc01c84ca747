"""Outages on simulated time: how a route's brain, and the rules people use in its place, get through the same script."""
