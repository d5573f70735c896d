"""What an experiment may ask beside its table: where the optimum is, and what an output is sensitive to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dcsim.metrics.summary import NAMES
from dcsim.scenario.facts import Count, Facts
from dcsim.scenario.mistakes import Mistakes, hint, quoted, shown
from dcsim.scenario.positions import KeyPath

Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Keys = Annotated[tuple[str, ...], Field(min_length=1)]


class Bounds(Facts):
    """Where a key of the summary must lie, mean over seeds; the bounds themselves are outside."""

    above: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """It must be above this."""
    below: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """It must be below this."""


class Optimize(Facts):
    """Objectives and constraints of `dcsim optimize`, which searches the axes of `[sweep]`: whole ranges, lists.

    Each point counts with the means over the experiment's seeds.
    """

    minimize: Keys | None = None
    """Keys of summary.json that should be small."""
    maximize: Keys | None = None
    """Keys of summary.json that should be large."""
    constraints: dict[str, Bounds] = Field(default={})
    """Keys of summary.json that must lie within bounds."""
    trials: Count = 100
    """Number of points to try; more than last time go on where the search ended."""
    batch: Count = 8
    """Points that are chosen at a time, before the results of any is known; so many can run side by side."""
    sampler: Literal["tpe", "random", "nsga2"] = "tpe"
    """How points are chosen: `tpe` models which settings are good, `nsga2` breeds a population (for several objectives
    and many trials), `random` does not learn."""
    seed: Seed = 0
    """Seed of the choices; the runs' own seeds are those of `[sweep]`."""

    @property
    def directions(self) -> dict[str, str]:
        """`minimize` or `maximize` by objective."""
        return dict.fromkeys(self.minimize or (), "minimize") | dict.fromkeys(self.maximize or (), "maximize")

    def violations(self, outputs: dict[str, float]) -> dict[str, float]:
        """How far outside each bound the outputs are, as a share of the bound; at most 0 where it is kept."""
        found = {}
        for key, bounds in self.constraints.items():
            for name, bound, sign in (("above", bounds.above, -1.0), ("below", bounds.below, 1.0)):
                if bound is not None:
                    beyond = sign * (outputs[key] - bound) / (abs(bound) or 1.0)
                    found[f"{key} {name} {bound:.12g}"] = beyond or TINY  # on the bound is outside
        return found


TINY = 1e-300


class Sensitivity(Facts):
    """How `dcsim sensitivity` finds out which axes of `[sweep]` matter.

    Each point counts with the means over the experiment's seeds.
    """

    method: Literal["morris", "sobol"] = "morris"
    """`morris`: mean effect of moving one key through its range, from few runs; `sobol`: shares of the variance."""
    trajectories: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] | None = None
    """Morris: paths through the space, each of (keys + 1) points; 10 if not given."""
    levels: Annotated[int, Field(ge=2, le=1000, multiple_of=2, strict=True)] | None = None
    """Morris: positions on each axis, an even number; 4 if not given. A list must have as many values."""
    samples: Annotated[int, Field(ge=2, le=2**20, strict=True)] | None = None
    """Sobol: base samples, a power of two, each of (keys + 2) points; 256 if not given."""
    outputs: Keys | None = None
    """Keys of summary.json; those of `[outputs]` if not given."""
    seed: Seed = 0
    """Seed of the samples and of the confidence intervals; the runs' own seeds are those of `[sweep]`."""


def check_optimize(spec: Optimize, mistakes: Mistakes) -> None:
    """Note what is wrong with `[optimize]`."""
    if not spec.directions:
        mistakes.add(("optimize",), "has no objective", fix='write one, such as minimize = ["wait_s_mean"]')
    for name in ("minimize", "maximize"):
        check_outputs(getattr(spec, name) or (), ("optimize", name), mistakes)
    for number, key in enumerate(spec.maximize or ()):
        if key in (spec.minimize or ()):
            mistakes.add(("optimize", "maximize", number), "is minimized too", quoted(key))
    for key, bounds in spec.constraints.items():
        place = ("optimize", "constraints", key)
        if key not in NAMES:
            mistakes.add(place, "no such key of the summary", quoted(key), fix=hint(key, NAMES))
        if bounds.above is None and bounds.below is None:
            mistakes.add(place, "has no bound", fix="write { below = 600 } or { above = 0.5 }")
        elif bounds.above is not None and bounds.below is not None and bounds.above >= bounds.below:
            mistakes.add(place, "above must be less than below: nothing lies between them")


def check_sensitivity(spec: Sensitivity, mistakes: Mistakes) -> None:
    """Note what is wrong with `[sensitivity]`."""
    check_outputs(spec.outputs or (), ("sensitivity", "outputs"), mistakes)
    for name in ("samples",) if spec.method == "morris" else ("trajectories", "levels"):
        if getattr(spec, name) is not None:
            mistakes.add(("sensitivity", name), f"has no effect with method {quoted(spec.method)}")
    if spec.samples is not None and spec.samples & (spec.samples - 1):
        power = 1 << spec.samples.bit_length()
        mistakes.add(
            ("sensitivity", "samples"), "not a power of two", shown(spec.samples), fix=f"write {power // 2} or {power}"
        )


def check_outputs(outputs: tuple[str, ...], place: KeyPath, mistakes: Mistakes) -> None:
    """Note outputs that a summary does not have."""
    for number, output in enumerate(outputs):
        if output not in NAMES:
            mistakes.add((*place, number), "no such key of the summary", quoted(output), fix=hint(output, NAMES))
