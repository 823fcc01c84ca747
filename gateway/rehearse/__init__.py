"""The outages there are, played against an operator's own configuration: `nightsafe rehearse`."""
