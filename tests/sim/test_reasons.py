"""What a job that is lost is told: what was missing, and nothing that was there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dcsim.eventlog.schema import REJECT
from dcsim.policies.placement.pack import Pack
from dcsim.scenario.spec import Pool
from tests.simulate import V100, simulate, table

PARTS = Pool(name="a", accelerator=V100, nodes=2, accelerators_per_node=4, cpus_per_node=16.0, memory_per_node=64e9)


def told(accelerators: list[int], placement: Any = "pack", pools: tuple[Pool, ...] = (), **columns: Any) -> list[str]:
    """Reasons of the jobs that were lost, of those that come one a second to two nodes of four and stay."""
    count = len(accelerators)
    asked = {name: np.array(values) for name, values in columns.items()}
    run = simulate(table(range(count), [99.0] * count, accelerators, **asked), 2, 4, "loss", placement, pools=pools)
    return [run.log.reasons[code] for code in run.log.reason[run.log.of_kind(REJECT)]]


def test_accelerators_that_are_short_in_all_or_on_a_node():
    # 3 and 3 leave one on each node: no room for 3, and none for 2 on one node; one and one more take the rest.
    assert told([3, 3, 3, 2, 1, 1, 1]) == [
        "fewer than 3 accelerators free", "no node has 2 accelerators free", "no free accelerators"
    ]  # fmt: skip
    assert told([3, 3, 3, 2, 1], "pool") == ["fewer than 3 accelerators free", "no free accelerators"]


def test_whole_nodes_that_are_short():
    assert told([1, 1, 7]) == ["fewer than 7 accelerators free"]
    assert told([1, 6], "spread", cpus=[0.0, 1.0], pools=(PARTS,)) == []
    assert told([1, 1, 6], "spread", cpus=[0.0, 0.0, 1.0], pools=(PARTS,)) == ["too few nodes have 6 accelerators free"]


@pytest.mark.parametrize(
    ("cpus", "memory_b", "why"),
    [
        ((12.0, 12.0, 8.0), (0, 0, 1e9), "no node has 8 CPU cores free"),
        ((0, 0, 8.0), (60e9, 60e9, 8e9), "no node has 8 GB of memory free"),
        ((12.0, 12.0, 8.0), (60e9, 60e9, 8e9), "no node has 8 CPU cores or 8 GB of memory free"),
        ((12.0, 0, 8.0), (0, 60e9, 8e9), "no node has 1 accelerator and 8 CPU cores and 8 GB of memory free"),
    ],
)
def test_cores_and_memory_that_are_short_while_accelerators_are_free(cpus: Any, memory_b: Any, why: str):
    assert told([1, 1, 1], "spread", (PARTS,), cpus=cpus, memory_b=memory_b) == [why]


def test_a_share_that_no_accelerator_has_free():
    share = [0.75] * 8 + [0.5]
    assert told([1] * 9, share=share) == ["no node has 0.5 of an accelerator free"]


class Stubborn(Pack):
    """Places nothing on a node."""

    def place(self, *_: Any) -> None:
        """Nowhere."""


def test_a_placement_that_has_no_place_although_there_is_room():
    assert told([1], Stubborn()) == ["the placement has no place for it"]
