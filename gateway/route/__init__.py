"""A route's health: noticing that a core is dead, slow or back, and saying who may be sent."""
