"""How many calls at once a core was seen to bear: what a whole round of good answers speaks for. Pure."""

from collections import Counter


class Proof:
    """The highest level that is proved: by as many good answers to calls begun at it or above as it is high."""

    def __init__(self) -> None:
        """Nothing is."""
        self.level = 0
        #: Good answers to calls begun at a level above that, by level.
        self._witnesses: Counter[int] = Counter()

    def bear(self, level: int, nodes: int = 1) -> None:
        """A call that was the `level`-th at once was answered well; of so many nodes each hears one answer in so many."""
        if level <= self.level:
            return
        self._witnesses[level] += 1
        while self._witnesses.total() * nodes > self.level:
            self.level += 1
            del self._witnesses[self.level]

    def doubt(self) -> None:
        """A call failed: what isn't proved yet begins anew."""
        self._witnesses.clear()

    def forget(self) -> None:
        """As in the beginning."""
        self.level = 0
        self._witnesses.clear()
