"""What a node knows of lanes without asking: that it can't know them clear, as others write as well."""


class LanesUnknown:
    """In the place of a filter: no lane is surely clear, and each may be."""

    def __init__(self) -> None:
        """Nothing is counted, so nothing is to be loaded."""
        self.complete = True

    def add(self, route: str, lane: int) -> None:
        """Nothing is counted."""

    def remove(self, route: str, lane: int) -> None:
        """Nothing is counted."""

    def finish_loading(self) -> None:
        """Nothing was loaded."""

    def is_clear(self, route: str, lane: int) -> bool:  # noqa: ARG002 - whichever
        """Never surely."""
        return False
