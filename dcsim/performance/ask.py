"""A planner's question about any model: names become facts, and the options are read as its kind wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dcsim.errors import nearest
from dcsim.performance import network_request, request
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.reader import Reader
from dcsim.performance.request import Options, Request, found
from dcsim.scenario import presets
from dcsim.scenario.model import Network


def read(
    model: str | None,
    accelerator: str | None,
    options: Mapping[str, Any],
    where: str = "estimate",
    needs: Iterable[str] = (),
) -> Request | NetworkRequest:
    """The question that names and options make; ScenarioError with every mistake in them.

    `model` and `accelerator` are names of presets, or paths of TOML files that end with `.toml`. `needs` are the
    options that must be given.
    """
    reader = Reader(where, options)
    for name in options:
        if name not in Options.__annotations__:
            reader.wrong(name, "is no option", options[name], fix=nearest(name, Options.__annotations__))
    net = reader.named("model", model, lambda name: found(name, presets.model, presets.model_of))
    chip = reader.named("accelerator", accelerator, lambda n: found(n, presets.accelerator, presets.accelerator_of))
    if isinstance(net, Network):
        return network_request.asked(reader, net, chip, needs)
    return request.asked(reader, net, chip, needs)
