"""What all tables of facts have in common: frozen, typed, unknown keys refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import InitErrorDetails, PydanticCustomError

from dcsim.scenario.explain import RULE

Grade = Literal["measured", "vendor", "paper", "weak", "assumed"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=100)]
Count = Annotated[int, Field(ge=1, le=100_000_000, strict=True)]


class Facts(BaseModel):
    """Base of all tables: frozen, unknown keys refused, no silent conversion from text or booleans to numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Provenance(Facts):
    """Where one preset value comes from."""

    source: str
    """Publication or page, with version or date."""
    grade: Grade
    """How far to trust it: measured, vendor, paper, weak (third-hand) or assumed."""


def broken_rule(key: str, text: str) -> InitErrorDetails:
    """A rule about several keys that one of them breaks, as an error of pydantic."""
    return InitErrorDetails(
        type=PydanticCustomError(RULE, "{text}", {"text": text}), loc=tuple(key.split(".")), input=None
    )
