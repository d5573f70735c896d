"""Fragmentation gradient descent on nodes small enough to sum by hand (Weng et al., USENIX ATC 2023, section 3)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dcsim.policies.decisions import Allocation
from dcsim.policies.fragments import States, TaskMix
from dcsim.policies.placement.fgd import Fgd
from dcsim.policies.view import Request
from dcsim.scenario.spec import Accelerator, Pool
from tests.simulate import simulate, table

HALF, WHOLE, PAIR, CORES = Request(1, 0.5, 2.0), Request(1, cpus=4.0), Request(2, cpus=4.0), Request(0, cpus=1.0)
TASKS = ((HALF, 4), (WHOLE, 3), (PAIR, 2), (CORES, 1))


def fragments(mix: TaskMix, *nodes: tuple[list[int], float, int]) -> list[float]:
    """Of nodes as (thousandths free of each accelerator, cores free, pool)."""
    milli, cpus, pool = zip(*nodes, strict=True)
    return mix.fragments(States(np.array(milli), 1000.0 * np.array(cpus), np.array(pool))).tolist()


def test_fragments_of_two_nodes_are_those_of_a_hand_sum():
    # Node A, accelerators 1000 + 400 free, 8 cores: the halves cannot use 400, nor can the wholes; pairs and cores
    # nothing of 1400: 4 x 400 + 3 x 400 + 2 x 1400 + 1 x 1400 = 7000.
    # Node B, 1000 + 1000 free, 3 cores: halves use all; wholes and pairs lack cores; cores never use accelerators:
    # 0 + 3 x 2000 + 2 x 2000 + 1 x 2000 = 12000.
    mix = TaskMix(TASKS, 1)
    assert fragments(mix, ([1000, 400], 8, 0), ([1000, 1000], 3, 0)) == [7000, 12000]
    assert mix.weight == 10


def test_what_a_task_may_not_use_is_all_a_fragment():
    mix = TaskMix([(Request(1, pools=(1,)), 3), (Request(1, pools=(0, 1)), 1)], 2)
    assert fragments(mix, ([1000, 0], 1, 0), ([1000, 0], 1, 1)) == [3000, 0]


def test_a_full_node_has_no_fragment_and_an_accelerator_that_is_not_there_changes_nothing():
    assert fragments(TaskMix(TASKS, 1), ([0, 0], 8, 0)) == [0]
    assert fragments(TaskMix(TASKS, 1), ([700, 300, 0], 8, 0)) == fragments(TaskMix(TASKS, 1), ([700, 300], 8, 0))


def test_the_tasks_that_most_jobs_ask_for_are_counted_and_memory_makes_no_other_task():
    # 4 + 3 of 10 jobs reach 70 %.
    mix = TaskMix([(Request(1, 0.5, 2.0, memory_b=m), 2) for m in (1.0, 2.0)] + list(TASKS[1:]), 1, 0.7)
    assert mix.weight == 7
    assert fragments(mix, ([1000, 400], 8, 0)) == [4 * 400 + 3 * 400]


def test_a_half_goes_beside_a_half_where_whole_tasks_are_to_come():
    # One half somewhere; the second one on the same accelerator: any other place makes 500 more useless to the wholes.
    jobs = table([0, 1, 2, 3, 4], [9, 9, 9, 9, 9], [1, 1, 1, 1, 1], share=np.array([0.5, 0.5, 1, 1, 1]))
    assert simulate(jobs, 2, 2, placement="fgd").start_s == [0, 1, 2, 3, 4]


def test_whole_accelerators_fill_nodes_that_pairs_could_not_use():
    # Four accelerators on two nodes: after one, the second single goes beside it, so that the pair has room.
    jobs = table([0, 1, 2], [9, 9, 9], [1, 1, 2])
    assert simulate(jobs, 2, 2, placement="fgd").start_s == [0, 1, 2]


def test_gangs_larger_than_a_node_go_where_pack_puts_them():
    jobs = table([0, 1, 2], [9, 9, 9], [1, 5, 2])
    assert simulate(jobs, 4, 2, placement="fgd").start_s == simulate(jobs, 4, 2, placement="pack").start_s


class Checked(Fgd):
    """Compares each choice with scores from scratch, in plain Python."""

    def expect(self, tasks: Any, pools: int) -> None:
        super().expect(tasks, pools)
        self.tasks = tasks
        self.choices = self.gangs = 0

    def place_shared(self, request: Request, pools: Any) -> Allocation | None:
        found = super().place_shared(request, pools)
        if found is None or len(found.nodes) > 1:
            self.gangs += found is not None
            return found
        scores = {
            (int(node), devices): self.score(request, pools, int(node), devices)
            for node in pools.fitting(request)
            for devices in self.choices_on(request, pools, int(node))
        }
        node = next(n for n in range(len(pools.pool)) if pools.locate(n) == (found.pool, found.nodes[0]))
        best = max(scores.values())
        assert scores[node, found.devices] == best
        assert node == min((n for n, d in scores if scores[n, d] == best), key=lambda n: self._rank[n])
        self.choices += 1
        return found

    def choices_on(self, request: Request, pools: Any, node: int) -> list[tuple[int, ...]]:
        free = pools.milli[node].tolist()
        if request.share < 1.0:
            return [(d,) for d, milli in enumerate(free) if milli >= request.share * 1000]
        return [tuple([d for d, milli in enumerate(free) if milli == 1000][: request.accelerators])]

    def score(self, request: Request, pools: Any, node: int, devices: tuple[int, ...]) -> int:
        before = pools.milli[node].tolist()
        after = [milli - round(1000 * request.share) * (d in devices) for d, milli in enumerate(before)]
        cores = pools.milli_cpus[node] / 1000
        growth = self.fragment(after, cores - request.cpus, pools.pool[node])
        growth -= self.fragment(before, cores, pools.pool[node])
        return math.floor(100 / (1 + math.exp(growth)))

    def fragment(self, free: list[int], cores: float, pool: int) -> float:
        total = 0.0
        for task, jobs in self.tasks:
            milli = round(1000 * task.share)
            room = [f for f in free if f >= milli]
            fits = task.accelerators and len(room) >= task.accelerators and cores >= task.cpus and pool in task.pools
            total += jobs * (sum(free) - sum(room) if fits else sum(free))
        return total / sum(jobs for _, jobs in self.tasks) / 1000


def test_every_choice_is_the_best_from_scratch_while_jobs_come_and_leave():
    random = np.random.default_rng(5)
    share = random.choice([0.25, 0.5, 0.7, 1.0], 120)
    jobs = table(
        np.sort(random.integers(0, 200, 120)), random.integers(5, 60, 120),
        np.where(share < 1.0, 1, random.choice([0, 1, 1, 2, 4], 120)),
        share=share, cpus=random.choice([0.5, 1.0, 3.0], 120),
        accelerator_names=random.choice(["", "V100", "T4"], 120).tolist(),
    )  # fmt: skip
    kinds = [("V100", 3, 4), ("T4", 4, 2)]
    pools = tuple(
        Pool(name=name, accelerator=Accelerator(name=name), nodes=n, accelerators_per_node=width, cpus_per_node=8.0)
        for name, n, width in kinds
    )
    checked = Checked(popularity=1.0)
    started = np.isfinite(simulate(jobs, 0, 0, "fifo_skip", checked, pools=pools).start_s)
    assert checked.choices + checked.gangs >= np.count_nonzero(started) > 100


@pytest.mark.parametrize("popularity", [0.0, -1.0, 1.5, float("nan")])
def test_a_popularity_that_is_no_share_is_refused(popularity: float):
    with pytest.raises(ValueError, match="popularity"):
        Fgd(popularity)
