"""Why a job has no place, in words: for rejections and for the reasons of policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dcsim.policies.view import Request
from dcsim.scenario.spec import Pool
from dcsim.sim.fleet import Fleet
from dcsim.units import human_si


def why_never(fleet: Fleet, request: Request, pools: Sequence[Pool]) -> str:
    """Why no job with these needs can ever run in these pools, or the empty text."""
    if not request.pools:
        return "asks for a pool or an accelerator that the scenario does not have"
    if fleet.could_fit(request):
        return ""
    beside = _beside(request.cpus, request.memory_b) if fleet.shared else []
    on_each = f" with {' and '.join(beside)} on each node" if beside else ""
    sizes = ", ".join(_size(pools[n], request if fleet.shared else None) for n in request.pools)
    return f"can never fit: it needs {_accelerators(request)}{on_each}, {sizes}"


def lacking(fleet: Fleet, request: Request) -> str:
    """What there is too little of now for a job with these needs that has no place.

    That is accelerators or, where nodes are shared in parts, also CPU cores or memory of a node: what is short alone,
    or else what is not there together.
    """
    free = max((fleet.pools[n].free_total for n in request.pools), default=0)
    if not fleet.shared and free < request.accelerators:
        return f"fewer than {_accelerators(request)} free" if free else "no free accelerators"
    if fleet.fits_now(request):
        return "the placement has no place for it"
    short = [words for words, part in _parts(request).items() if not fleet.fits_now(part)]
    missing = " or ".join(short) or " and ".join(_parts(request))
    many = request.accelerators > max(fleet.pools[n].width for n in request.pools)
    return f"{'too few nodes have' if many else 'no node has'} {missing} free"


def _parts(request: Request) -> dict[str, Request]:
    """Each thing that a request asks for, in words, and a request for it alone."""
    bare = replace(request, accelerators=0, share=1.0, cpus=0.0, memory_b=0.0)
    parts = {_accelerators(request): replace(request, cpus=0.0, memory_b=0.0)} if request.accelerators else {}
    for words in _beside(request.cpus, 0.0):
        parts[words] = replace(bare, cpus=request.cpus)
    for words in _beside(0.0, request.memory_b):
        parts[words] = replace(bare, memory_b=request.memory_b)
    return parts


def _accelerators(request: Request) -> str:
    if request.share < 1.0:
        return f"{request.share:g} of an accelerator"
    return f"{request.accelerators} accelerator{'s' * (request.accelerators != 1)}"


def _beside(cpus: float | None, memory_b: float | None) -> list[str]:
    """CPU cores and memory in words, where there is a number of them."""
    cores = [f"{cpus:g} CPU cores"] if cpus else []
    return [*cores, f"{human_si(memory_b, 'B')} of memory"] if memory_b else cores


def _size(pool: Pool, request: Request | None) -> str:
    """Nodes and accelerators of a pool, with what each node has of the cores and the memory that are asked for."""
    size = f"{pool.name} has {pool.nodes} x {pool.accelerators_per_node}"
    if request is None:
        return size
    has = _beside(request.cpus and pool.cpus_per_node, request.memory_b and pool.memory_per_node)
    return f"{size} with {' and '.join(has)} each" if has else size
