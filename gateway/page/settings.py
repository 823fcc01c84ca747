"""What an operator may set about the page."""

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class PageSettings(BaseModel):
    """The page of the admin side: `[admin.page]`.

    Who signs in with a token gets a session, which ends by itself: soon where nobody uses it, and in any case after a shift.
    A screen on a wall is a viewer's: as it may do nothing, looking on counts as using it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    session_s: Annotated[
        int,
        Field(ge=60, le=31 * 86_400, description="Seconds after which one has to sign in again, whatever one does."),
    ] = 43_200
    idle_s: Annotated[
        int,
        Field(
            ge=60,
            le=31 * 86_400,
            description=(
                "Seconds without use after which one has to sign in again. A page that is only looked at counts as used"
                " for roles that may do nothing: screens on walls."
            ),
        ),
    ] = 1_800
    time_zone: Annotated[
        str,
        Field(
            max_length=64,
            description="Zone in which the page shows times and days of reports begin, by its IANA name.",
        ),
    ] = "UTC"
    language: Annotated[
        Literal["en", "ru"], Field(description="Language of who has chosen none and whose browser names none of ours.")
    ] = "en"

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("no time zone of this name: write one as Europe/Moscow") from None
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.idle_s > self.session_s:
            raise ValueError("idle_s must not exceed session_s")
        return self
