"""`explain`: on lists of three or four jobs the story is known by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.cli.story import lines
from dcsim.metrics.room import Room
from dcsim.metrics.spent import Spent
from dcsim.metrics.story import Cause, Story, Teller, wanted_nodes
from dcsim.policies.placement.locality import Locality
from dcsim.run import Run
from dcsim.scenario.load import load
from dcsim.scenario.spec import Overheads, PluginTable, Pool
from dcsim.sim.nodes import Counts
from tests.conftest import ROOT
from tests.simulate import V100, Simulated, pools, simulate, table


def story(sim: Simulated, job: int) -> Story:
    return Teller(sim.scenario, sim.jobs, sim.log, sim.outcome.end_s).story(job)


def told(cause: Cause) -> tuple[Any, ...]:
    """A cause as (from, to, kind, free, jobs before, ids of the first in line, ids of the holders)."""
    names = ["".join(other.job_id for other in others) for others in (cause.first, cause.holders)]
    return (cause.start_s, cause.end_s, cause.kind, tuple(cause.free), tuple(cause.before), *names)


def causes(sim: Simulated, job: int) -> list[tuple[Any, ...]]:
    return [told(cause) for cause in story(sim, job).causes]


def in_line(scheduler: str = "fifo", **fields: Any) -> Simulated:
    """One node of 4: a holds 3 to 100 s, b (4, for 30 s) comes at 10 s, c (1, for 200 s) at 20 s."""
    jobs = table([0, 10, 20], [100, 30, 200], [3, 4, 1], job_ids=tuple("abc"))
    return simulate(jobs, 1, 4, scheduler, **fields)


def test_a_job_that_found_too_few_accelerators_waited_for_those_that_held_them():
    sim = simulate(table([0, 10], [100, 50], [4, 2], job_ids=tuple("ab")), 1, 4)
    assert causes(sim, 1) == [(10.0, 100.0, "short", (0, 0), (0, 0), "", "a")]
    assert causes(sim, 0) == []


def test_enough_accelerators_on_two_nodes_are_fragmentation():
    # a holds 2 of node 0 to 100 s, b 3 of node 1 to 60 s: 3 are free from 10 s on, but 2 and 1.
    sim = simulate(table([0, 0, 10], [100, 60, 5], [2, 3, 3], job_ids=tuple("abc")), 2, 4)
    assert causes(sim, 2) == [(10.0, 60.0, "fragmented", (3, 3), (0, 0), "", "ba")]
    assert tuple(story(sim, 2).causes[0].on_node) == (2, 2)


def test_a_gang_that_lacks_whole_nodes_is_told_how_many_were_empty():
    # a holds 1 of node 0, b 1 of node 0 as well (best fit): 6 of 8 are free, one node is empty, c needs two.
    sim = simulate(table([0, 0, 10], [50, 80, 5], [1, 1, 8], job_ids=tuple("abc")), 2, 4)
    assert causes(sim, 2) == [(10.0, 80.0, "short", (6, 7), (0, 0), "", "ba")]
    sim = simulate(table([0, 10], [50, 5], [1, 6], job_ids=tuple("ab")), 2, 4)  # one whole node and 2 of another
    assert causes(sim, 1) == []
    sim = simulate(table([0, 0, 10], [50, 60, 5], [3, 3, 6], job_ids=tuple("abc")), 3, 4)  # 1, 1 and 4 free
    assert causes(sim, 2) == [(10.0, 50.0, "fragmented", (6, 6), (0, 0), "", "ab")]
    assert tuple(story(sim, 2).causes[0].empty) == (1, 1)


def test_a_job_with_room_waits_behind_the_head_of_a_strict_queue():
    sim = in_line()
    assert causes(sim, 2) == [
        (20.0, 100.0, "behind", (1, 1), (1, 1), "b", "a"),
        (100.0, 130.0, "short", (0, 0), (0, 0), "", "b"),
    ]
    assert story(sim, 2).spent == Spent(waiting_s=110.0, useful_s=200.0)


def test_the_pool_has_no_fragments():
    sim = simulate(table([0, 0, 10], [100, 60, 5], [2, 3, 3], job_ids=tuple("abc")), 2, 4, placement="pool")
    assert causes(sim, 2) == []


def test_backfill_names_the_reservation_and_not_the_jobs_that_slipped_by():
    # d (1, for 50 s) comes at 30 s and ends before b's reservation at 100 s; c would not.
    jobs = table([0, 10, 20, 30], [100, 30, 200, 50], [3, 4, 1, 1], job_ids=tuple("abcd"))
    assert causes(simulate(jobs, 1, 4, "easy"), 2) == [
        (20.0, 30.0, "behind", (1, 1), (1, 1), "b", "a"),
        (30.0, 80.0, "short", (0, 0), (1, 1), "b", "ad"),
        (80.0, 100.0, "behind", (1, 1), (1, 1), "b", "a"),
        (100.0, 130.0, "short", (0, 0), (0, 0), "", "b"),
    ]


def test_the_first_in_line_are_named_by_the_time_they_stood_there():
    # b leads from 20 to 50 s, c from 50 to 60 s; d waits behind both on a single accelerator.
    jobs = table([0, 5, 10, 20], [50, 10, 30, 1], job_ids=tuple("abcd"))
    assert causes(simulate(jobs, 1, 1), 3) == [(20.0, 90.0, "short", (0, 0), (0, 2), "bc", "ac" + "b")]


def test_what_was_free_elsewhere_does_not_help_a_job_that_asked_for_a_pool():
    jobs = table([0, 10], [100, 5], [4, 2], pool=["a", "a"], job_ids=("x", "y"))
    sim = simulate(jobs, 1, 4, pools=pools((1, 4), (1, 8)))
    assert causes(sim, 1) == [(10.0, 100.0, "short", (0, 0), (0, 0), "", "x")]
    assert story(sim, 1).unseen == ()


def test_what_a_job_asked_for_and_where_it_ran_is_said():
    jobs = table([0], [5], [1], pool=["b"], cpus=np.array([4.0]), memory_b=np.array([2e9]), accelerator_names=["V100"])
    sim = simulate(jobs, 1, 4, pools=pools((1, 4), (1, 8)))
    assert lines(story(sim, 0), sim.scenario)[:4] == [
        "job 0: 1 accelerator, 4 CPU cores, 2 GB of memory, on V100, in pool b, 5 s of service; completed",
        "  submitted  00:00:00",
        "  started    00:00:00  0 s after submission",
        "  ran in     b",
    ]


def preempted(**overheads: float) -> Simulated:
    """One accelerator under SRTF: a (100 s) runs from 0 s, b (10 s) stops it at 20 s."""
    jobs = table([0, 20], [100, 10], job_ids=tuple("ab"))
    return simulate(jobs, 1, 1, "srtf", overheads=Overheads(start=2.0, preemption=5.0, restore=3.0, **overheads))


def test_the_time_of_a_preempted_job_adds_up():
    # a: start-up 0-2, work 2-20, saves 20-25, waits 25-37 (b: start-up 2, work 10), start-up and restore 37-42, work
    # 42-124.
    sim = preempted()
    assert sim.end_s == [124.0, 37.0]
    assert story(sim, 0).spent == Spent(waiting_s=12.0, startup_s=7.0, useful_s=100.0, saving_s=5.0)
    assert causes(sim, 0) == [(25.0, 37.0, "short", (0, 0), (0, 0), "", "b")]
    assert causes(sim, 1) == [(20.0, 25.0, "short", (0, 0), (0, 0), "", "a")]
    assert [(s.time_s, s.kind) for s in story(sim, 0).steps] == [
        (0.0, "submit"), (0.0, "start"), (20.0, "save"), (25.0, "release"), (37.0, "start"), (124.0, "complete")
    ]  # fmt: skip


def test_work_lost_since_the_last_checkpoint_is_told():
    # Of 18 s of work before the preemption, 10 are safe.
    sim = preempted(checkpoint_interval=10.0)
    assert story(sim, 0).spent == Spent(waiting_s=12.0, startup_s=7.0, useful_s=100.0, lost_s=8.0, saving_s=5.0)
    assert sim.end_s[0] == 132.0


def test_pauses_for_checkpoints_are_neither_work_nor_waiting():
    # 25 s of work with a checkpoint of 1 s after 10 and after 20 s.
    sim = simulate(table([0], [25]), 1, 1, overheads=Overheads(checkpoint=1.0, checkpoint_interval=10.0))
    assert story(sim, 0).spent == Spent(useful_s=25.0, other_s=2.0)


def test_time_shared_jobs_do_not_wait_but_run_slower():
    sim = simulate(table([0, 0], [10, 10]), 1, 1, "processor_sharing")
    assert story(sim, 0).spent == Spent(useful_s=10.0, other_s=10.0)
    assert causes(sim, 0) == []


def test_a_job_that_never_started_waited_to_the_end_of_the_run():
    sim = in_line(horizon=50.0)
    assert story(sim, 1).state == "unfinished"
    assert causes(sim, 2) == [(20.0, 50.0, "behind", (1, 1), (1, 1), "b", "a")]
    assert story(sim, 2).spent == Spent(waiting_s=30.0)


def test_a_job_that_came_after_the_end_has_no_story():
    sim = simulate(table([0, 90], [100, 1]), 1, 1, horizon=50.0)
    late = story(sim, 1)
    assert (late.state, late.steps, late.causes) == ("not submitted before the run stopped", (), ())
    assert len(lines(late, sim.scenario)) == 1


def test_a_rejected_job_says_why():
    sim = simulate(table([5], [1], [9], job_ids=("big",)), 1, 4)
    assert lines(story(sim, 0), sim.scenario) == [
        "job big: 9 accelerators, 1 s of service; rejected",
        "  submitted  00:00:05",
        "  rejected   00:00:05  can never fit: it needs 9 accelerators, a has 1 x 4",
    ]


def test_the_text_is_the_story():
    sim = in_line()
    assert lines(story(sim, 2), sim.scenario) == [
        "job c: 1 accelerator, 3.33 min of service; completed",
        "  submitted  00:00:20",
        "  started    00:02:10  110 s after submission",
        "  ended      00:05:30  5.17 min after submission",
        "it waited 110 s in all",
        "   27 %  too few free accelerators",
        "   73 %  there was room for it, but others go first",
        "  from       for  what was missing",
        "  00:00:20  80 s  room for it (1 free); behind 1 job, led by b (4); held by a (3)",
        "  00:01:40  30 s  needs 1, 0 free; held by b (4)",
        "where its time went (5.17 min)",
        "  waiting         110 s  35 %",
        "  useful work  3.33 min  65 %",
    ]


def test_a_long_story_is_cut_to_its_longest_parts():
    # One accelerator; each of twenty short jobs makes the room of two accelerators come and go for the last job.
    submit = [0.0, *np.arange(1.0, 41.0, 2.0), 0.5]
    jobs = table(submit, [100.0] + [1.0] * 20 + [5.0], [1] * 21 + [2])
    sim = simulate(jobs, 2, 2, "fifo_skip", placement="pool", pools=pools((1, 3)))
    told = lines(story(sim, 1), sim.scenario)
    assert len(told) <= 25
    sim = simulate(table([0, 0, 1], [50, 80, 5], [2, 3, 4]), 2, 4)
    assert not any(line.startswith("  ...") for line in lines(story(sim, 2), sim.scenario))


def test_room_is_what_the_simulation_calls_room():
    random = np.random.default_rng(1)
    pool = Pool(name="a", accelerator=V100, nodes=4, accelerators_per_node=4)
    for _ in range(200):
        free = random.integers(0, 5, 4)
        room, counts = Room(pool, walls=True, parts=False), Counts(4, 4, True)
        room.change(float(16 - free.sum()), [(n, int(4 - f)) for n, f in enumerate(free)], -1)
        having = np.bincount(free, minlength=5).tolist()
        counts.adopt(free.tolist(), having)
        counts.free_total = int(free.sum())
        for need in range(1, 17):
            assert room.fits(need) == counts.fits(need), (free, need)


def test_parts_of_devices_are_told_apart_from_room():
    # Two devices on two nodes: a and b hold 0.6 of one each, c asks for 0.5 and d for 0.3.
    jobs = table([0, 0, 1], [10, 20, 5], share=np.array([0.6, 0.6, 0.5]), job_ids=tuple("abc"))
    sim = simulate(jobs, 2, 1)
    assert causes(sim, 2) == [(1.0, 10.0, "fragmented", (0.8, 0.8), (0, 0), "", "ab")]
    assert story(sim, 2).unseen == ("parts of devices",)


def test_a_placement_that_waits_for_near_nodes_may_be_the_reason():
    jobs = table([0, 10], [100, 5], [4, 2])
    assert story(simulate(jobs, 1, 4, placement="locality"), 1).unseen == ("nodes near each other",)
    assert story(simulate(jobs, 1, 4, placement="topology_aware"), 1).unseen == ()


def test_a_gang_that_waits_for_near_nodes_is_told_so_and_those_behind_it_that_it_goes_first():
    # Four nodes of one under two leaves: nodes 1 and 2 are free from 5 s on, and a gang of two waits for node 0 until
    # 7 s. A single that comes at 5 s stands behind it.
    placement = Locality("forever")
    placement.blocks = [[np.array([0, 0, 1, 1])]]
    jobs = table([0, 0, 0, 0, 4, 5], [7, 3, 5, 100, 10, 9], [1, 1, 1, 1, 2, 1], job_ids=tuple("abcdef"))
    sim = simulate(jobs, 4, 1, "fifo", placement)
    scenario = sim.scenario.model_copy(update={"placement": PluginTable(use="locality")})
    sim = replace(sim, scenario=scenario)
    short, apart = (4.0, 5.0, "short", (1, 1), (0, 0), "", "acd"), (5.0, 7.0, "apart", (2, 2), (0, 0), "", "ad")
    assert causes(sim, 4) == [short, apart]
    assert causes(sim, 5) == [(5.0, 7.0, "behind", (2, 2), (1, 1), "e", "ad")]
    shown = "\n".join(lines(story(sim, 4), scenario))
    assert "67 %  there was room for it, but not on nodes near each other" in shown
    assert "room for it (2 free), but not on nodes near each other; held by a (1), d (1)" in shown
    assert "others go first" not in shown


@pytest.mark.parametrize(
    ("use", "on_failure", "wanted"),
    [
        ("locality", "reroute", "near each other and joined by working links"),
        ("topology_aware", "stop", "joined by working links"),
        ("topology_aware", "slow", ""),
        ("pack", "stop", ""),
    ],
)
def test_what_a_placement_wants_of_nodes(use: str, on_failure: str, wanted: str):
    failure = f"network.failures.0.on_failure={on_failure}"
    left = ("network.failures.0.bandwidth=0.5",) if on_failure == "slow" else ()
    found = load(ROOT / "scenarios" / "spine-down.toml", overrides=(f"placement.use={use}", failure, *left))
    assert wanted_nodes(found.scenario) == wanted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jobs = table([0, 10, 20], [100, 30, 200], [3, 4, 1], job_ids=("first", "<b>\x1b[31m\nsecond", "third"))
    sim = simulate(jobs, 1, 4)
    return results.save(Run(sim.scenario, sim.jobs, sim.log, sim.outcome.end_s, 1, 0.0), tmp_path)


def test_the_command_reads_the_run_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain", str(folder), "third"]) == 0
    said = capsys.readouterr().out
    assert "  00:00:20  80 s  room for it (1 free); behind 1 job, led by <b>" in said
    assert "\x1b" not in said
    assert "[31m second (4); held by first (3)" in said


def test_json_is_the_same_as_data(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain", str(folder), "third", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(c["start_s"], c["end_s"], c["kind"]) for c in told["causes"]] == [
        (20.0, 100.0, "behind"),
        (100.0, 130.0, "short"),
    ]
    assert told["spent"]["waiting_s"] == 110.0


def test_an_unknown_job_is_an_error_with_the_nearest_id(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain", str(folder), "thrid"]) == 2
    assert capsys.readouterr().err == (
        f"dcsim: error: {folder}: JOB: no job of that id (got 'thrid'); did you mean 'third'?\n"
    )


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain", str(tmp_path / "none"), "third"]) == 2
    assert "no such folder" in capsys.readouterr().err
