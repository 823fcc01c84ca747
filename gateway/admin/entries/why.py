"""Why an entry stayed as it was: a bounded vocabulary."""

import enum


class Why(enum.StrEnum):
    """Why an entry did not change."""

    STATE = "state"
    """It is in a state this can't be done from."""
    CHANGED = "changed"
    """It moved on between looking and acting."""

    # Of what its core is to be asked about, besides:
    CLEAR = "clear"
    """It is parked, and not for an answer that nobody heard: there is nothing to ask."""
    BLIND = "blind"
    """Its core can't be asked what became of it."""
    SENDS = "sends"
    """Its core is asked by sending the same again: that is `retry`."""

    # Of what a core refused, besides:
    TOLD = "told"
    """Its channel asked and was told of the refusal, or its payer was."""
    RETURNING = "returning"
    """Somebody has proposed to end it: its money may have gone back."""
    NO_YES = "no_yes"
    """Its channel never had a yes, so nobody expects it to be booked."""
    BY_HAND = "by_hand"
    """A person said the no, and not the core."""
    DOUBT = "doubt"
    """An earlier attempt went unheard, and its core can't tell one payment sent twice from two."""
    REVERSED = "reversed"
    """Its channel has asked to undo it."""
    SEALED = "sealed"
    """Its record does not open, or its account's place was changed with the index key."""
    LANE = "lane"
    """Something of its account is under way: order it again afterwards."""
