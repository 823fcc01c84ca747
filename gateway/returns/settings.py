"""What an operator may set about money owed back."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DAY_S: Final = 86_400


class ReturnSettings(BaseModel):
    """How soon money that is owed back has to be on its way: `[returns]`.

    A return is due from the moment a payment is refused whose channel had a yes. Nothing happens to it by itself, however
    late it is: it ends when a person says, with evidence, that the money went back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    late_after_s: Annotated[
        int, Field(ge=1, le=366 * DAY_S, description="Seconds after which a return that is still due is shown as late.")
    ] = DAY_S
    overdue_after_s: Annotated[
        int,
        Field(
            ge=1,
            le=366 * DAY_S,
            description="Seconds after which it is overdue: what the law or the contract with the channel allows.",
        ),
    ] = 3 * DAY_S
    channel_after_s: Annotated[
        int,
        Field(
            ge=0,
            le=366 * DAY_S,
            description="Seconds after which a channel is told of it, where it has a sink of its own, and shown it where it asks: until then a refusal that was billing's fault can be taken back.",
        ),
    ] = 3600

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.late_after_s > self.overdue_after_s:
            raise ValueError("late_after_s must not exceed overdue_after_s")
        return self
