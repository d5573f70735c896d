"""The coefficients of a law that ties loss to parameters and tokens; presets stand in `presets/scaling_laws/`."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from dcsim.scenario.facts import Facts, Provenance

Positive = Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)]
Exponent = Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)]


class ScalingLaw(Facts):
    """Loss = `irreducible` + (`a` / N^`alpha` + `b` / D^`beta`)^`power`, N parameters trained on D tokens, in nats.

    `power` 1 is the form of Hoffmann 2022 (arXiv 2203.15556); irreducible 0 that of Kaplan 2020 (arXiv 2001.08361).
    """

    model_config = ConfigDict(defer_build=True)  # most runs name no law

    name: str
    """Name of the law; the key of its preset."""
    irreducible: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    """Loss that no model and no amount of data undercut."""
    a: Positive
    """Coefficient of parameters."""
    alpha: Exponent
    """Exponent of parameters."""
    b: Positive
    """Coefficient of tokens."""
    beta: Exponent
    """Exponent of tokens."""
    power: Exponent = 1.0
    """Exponent of both terms together."""
    embeddings: bool = True
    """Whether parameters of embeddings and head count."""
    least_parameters: Positive | None = None
    """Parameters of the smallest model that it was fitted to; none: not known."""
    most_parameters: Positive | None = None
    """Parameters of the largest model that it was fitted to."""
    least_tokens: Positive | None = None
    """Tokens of the shortest training that it was fitted to."""
    most_tokens: Positive | None = None
    """Tokens of the longest training that it was fitted to."""
    notes: str = ""
    """What a careful user should know."""
    provenance: dict[str, Provenance] = Field(default_factory=dict)
    """Source and grade of each value above, by key."""
