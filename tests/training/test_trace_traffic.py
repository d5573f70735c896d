"""`[network.traffic]`: gangs of a trace that share links, by the closed form, and what is wrong with the table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.cli.answer import answer
from dcsim.errors import ScenarioError
from dcsim.report.figures import figures
from dcsim.run import Run, run, verify
from dcsim.scenario.load import load
from dcsim.scenario.write import to_toml
from tests.training.given import job, loaded, pool, ran

CSV = '[workload]\nuse = "csv"\npath = "trace.csv"\n'
POOL = pool("a", '"A100-SXM4-80GB"', nodes=6, width=2)
# Leaves of two nodes. Gangs of three nodes get 0 to 2 and 3 to 5: hop 2 -> 0 of the one and 3 -> 4 of the other go up
# the one uplink of the second leaf.
SPINE = """\
use = "leaf_spine"
leaves = 3
spines = 1
hosts_per_leaf = 2
bandwidth = "100 GB/s"
uplink_bandwidth = "8 GB/s"
latency = "1 us"
"""


def network(bandwidth: str = "4 GB/s", exposed: float = 0.25, contention: str = "fair") -> str:
    head = f'[network]\ncontention = "{contention}"\ntraffic = {{ bandwidth = "{bandwidth}", exposed = {exposed} }}\n'
    return f"{head}[network.topology]\n{SPINE}"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    rows = ["job_id,submit_s,accelerators,service_s", "first,0,6,1000", "second,100,6,1000"]
    (tmp_path / "trace.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def end_s(of: Run) -> list[float]:
    return of.results.end_s.tolist()


@pytest.mark.parametrize("exposed", [0.25, 0.5, 1.0])
def test_two_gangs_of_a_trace_halve_each_other_on_one_uplink_by_the_closed_form(here: Path, exposed: float):
    # Each node sends 2 x 4 GB/s, so that each of two gets half of 8 GB/s: rate 1 / (1 - e + e / s) with s = 1/2.
    rate = 1.0 / (1.0 - exposed + exposed / 0.5)
    first_s = 100.0 + 900.0 / rate
    second_s = first_s + 1000.0 - (first_s - 100.0) * rate  # slowed down until then, what is left alone
    assert end_s(ran(here, POOL, CSV, network(exposed=exposed))) == pytest.approx([first_s, second_s], rel=1e-12)


def test_the_answer_and_explain_tell_the_slow_down_of_jobs_of_a_trace(here: Path, capsys: pytest.CaptureFixture[str]):
    # Exposed 1: both at half their speed for 1,800 s, and alone for 100 s: 1.90 times as long as alone.
    found = ran(here, POOL, CSV, network(exposed=1.0))
    folder = results.save(found, here / "results")
    said = "contention      2 jobs slowed down; run time over time alone: mean 1.90 x, max 1.90 x"
    assert said in answer(found, folder, report=False)
    assert main(["explain", str(folder), "second"]) == 0
    assert "others on its links made it run 1.90 times as long as alone there\n" in capsys.readouterr().out
    assert main(["explain", str(folder), "second", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contention_slowdown"] == pytest.approx(1.9)
    wide = ran(here, POOL, CSV, network("1 GB/s"))  # two nodes fill half of the uplink
    folder = results.save(wide, here / "wide")
    assert "contention      0 jobs slowed down\n" in answer(wide, folder, report=False)
    assert main(["explain", str(folder), "second"]) == 0
    assert "others on its links did not slow it down\n" in capsys.readouterr().out


@pytest.mark.parametrize("exposed", [0.25, 0.5, 1.0])
def test_their_slow_down_is_the_closed_form_too(here: Path, exposed: float):
    # Both take as long, for 1000 s of work each.
    found = ran(here, POOL, CSV, network(exposed=exposed))
    assert found.slowdown is not None
    assert found.slowdown.tolist() == pytest.approx([(end_s(found)[0] - 0.0) / 1000.0] * 2, rel=1e-12)
    folder = results.save(found, here / "results")
    assert results.read(folder).slowdown.tolist() == found.slowdown.tolist()


def carried_b(of: Run) -> dict[tuple[str, int, str, int], float]:
    """What each link carried, by the nodes that it goes from and to."""
    found, graph = of.traffic(np.array([0.0, of.end_s])), of.interconnect
    assert found is not None
    assert graph is not None
    return {sum(graph.name(link), ()): carried for link, carried in enumerate(found.carried_b.tolist())}


@pytest.mark.parametrize("exposed", [0.25, 1.0])
def test_the_uplink_that_two_gangs_fill_is_full_until_the_last_is_done(here: Path, exposed: float):
    # Each sends 8 GB/s alone and 4 GB/s beside the other, over the uplink of leaf 1 as over links of its own.
    found = ran(here, POOL, CSV, network(exposed=exposed))
    carried, (first_s, second_s) = carried_b(found), end_s(found)
    apart_s, together_s = 100.0 + second_s - first_s, first_s - 100.0
    assert carried["leaf", 1, "spine", 0] == pytest.approx(8e9 * second_s, rel=1e-12)
    assert carried["host", 0, "leaf", 0] == pytest.approx(8e9 * 100.0 + 4e9 * together_s, rel=1e-12)
    assert carried["host", 4, "leaf", 2] == pytest.approx(8e9 * (apart_s - 100.0) + 4e9 * together_s, rel=1e-12)
    assert carried["spine", 0, "leaf", 0] == pytest.approx(carried["host", 0, "leaf", 0], rel=1e-12)


def test_gangs_that_find_room_carry_their_bandwidth_whether_they_wait_for_it_or_not(here: Path):
    for exposed in (0.0, 0.25):
        job = '[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 1\naccelerators = 1\nsubmit = "1 h"\n'
        found = ran(here, POOL, CSV, network("2 GB/s", exposed), job)
        assert carried_b(found)["leaf", 1, "spine", 0] == pytest.approx(2 * 4e9 * 1000.0, rel=1e-12)


def test_the_report_draws_them_and_names_them(here: Path):
    found = {figure.key: figure for figure in figures(ran(here, POOL, CSV, network()))}
    assert {"topology", "switches", "contention"} <= set(found)
    assert "what jobs of the trace sent" in found["topology"].caption


@pytest.mark.parametrize("use", ["topology_aware", "locality", "least_contention"])
def test_gangs_of_a_trace_take_no_turns_and_alone_none_are_asked_for(here: Path, use: str):
    policy = f'[placement]\nuse = "{use}"\ninterleave = {{}}\n'
    with pytest.raises(ScenarioError, match=r"placement\.interleave: has no effect without contention of \[\[jobs\]\]"):
        ran(here, POOL, CSV, network(), policy.format("true"))
    job = '[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 1\naccelerators = 1\nsubmit = "1 h"\n'
    turns, none = (ran(here, POOL, CSV, network(), policy.format(word), job) for word in ("true", "false"))
    assert end_s(turns) == end_s(none)
    assert turns.summary["contention_slowdown_max"] > 1.1


def test_gangs_that_leave_each_other_room_or_meet_nowhere_are_not_slowed_down(here: Path):
    assert end_s(ran(here, POOL, CSV, network("2 GB/s"))) == [1000.0, 1100.0]
    rows = ["job_id,submit_s,accelerators,service_s", "first,0,4,1000", "second,100,4,1000", "single,0,1,50"]
    (here / "trace.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert sorted(end_s(ran(here, POOL, CSV, network("12 GB/s")))) == [50.0, 1000.0, 1100.0]


def test_a_link_slower_than_one_gang_sends_slows_it_down_alone(here: Path):
    # 2 x 8 GB/s asked for, 8 there: half of it alone, a quarter for two; exposed 0.25: 1.25 and 1.75 times as long.
    first_s = 100.0 + (1000.0 - 100.0 / 1.25) * 1.75
    second_s = first_s + (1000.0 - (first_s - 100.0) / 1.75) * 1.25
    assert end_s(ran(here, POOL, CSV, network("8 GB/s"))) == pytest.approx([first_s, second_s], rel=1e-12)


def test_traffic_that_nics_cannot_carry_is_an_error(here: Path):
    # Two accelerators share 8 GB/s: 4 of each. The one node of the other pool sends nothing to others.
    slow = pool("a", '"A100-SXM4-80GB"', nodes=6, width=2, more='nic_bandwidth = "8 GB/s"')
    alone = pool("b", '"A100-SXM4-80GB"', nodes=1, width=2, more='nic_bandwidth = "1 GB/s"')
    seven = 'use = "single_switch"\nhosts = 7\nbandwidth = "100 GB/s"\nlatency = "1 us"\n'
    verify(loaded(here, slow, alone, CSV, network("4 GB/s").replace(SPINE, seven)))
    said = (
        r"network\.traffic\.bandwidth: NICs of pool 'a' carry less of each accelerator \(got 4\.1 GB/s, "
        r"expected at most 4 GB/s\); write less, or a larger nic_bandwidth of the pool"
    )
    for act in (run, verify):
        with pytest.raises(ScenarioError, match=said) as raised:
            act(loaded(here, slow, alone, CSV, network("4.1 GB/s").replace(SPINE, seven)))
        assert len(raised.value.problems) == 1


def test_without_the_table_a_trace_loads_nothing_and_runs_as_ever(here: Path):
    job = '[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 1\naccelerators = 1\nsubmit = "1 h"\n'
    fair = f'[network]\ncontention = "fair"\n[network.topology]\n{SPINE}'
    assert end_s(ran(here, POOL, CSV, fair, job))[:2] == [1000.0, 1100.0]


def test_a_trace_that_does_not_wait_for_its_traffic_still_slows_training_jobs_down(here: Path):
    (here / "trace.csv").write_text("job_id,submit_s,accelerators,service_s\nfirst,0,6,1000\n", encoding="utf-8")
    plan = '{ micro_batch = 1, tp = 1, pp = 1, sharding = "none" }'
    job = '[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 100\nglobal_batch = 6\naccelerators = 6\nplan = ' + plan
    both = [ran(here, POOL, CSV, network(rate, exposed=0.0), job).results.run_s for rate in ("1 MB/s", "4 GB/s")]
    assert both[0][0] == both[1][0] == 1000.0
    assert both[1][1] > 1.1 * both[0][1]


def test_the_clock_slows_computing_and_contention_what_is_sent(here: Path):
    (here / "trace.csv").write_text("job_id,submit_s,accelerators,service_s\nfirst,0,6,1000\n", encoding="utf-8")
    slow = pool("a", '"A100-SXM4-80GB"', nodes=6, width=2, more="clock = 0.5")
    # All of the time doubles, and a quarter of the nominal one comes once more for half of the bandwidth.
    assert end_s(ran(here, slow, CSV, network("8 GB/s"))) == pytest.approx([2250.0], rel=1e-12)


def test_the_resolved_scenario_runs_again(here: Path):
    source = loaded(here, POOL, CSV, network())
    (here / "again.toml").write_text(to_toml(source.scenario), encoding="utf-8")
    assert load(here / "again.toml").scenario == source.scenario
    assert end_s(run(here / "again.toml")) == end_s(run(source))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((CSV, network(contention="none")), r"network.traffic: has no effect without contention; write contention = "),
        ((CSV, network("0 GB/s")), r"network.traffic.bandwidth: "),
        ((CSV, network("4")), r"network.traffic.bandwidth: .*unit"),
        ((CSV, network(exposed=1.5)), r"network.traffic.exposed: "),
        ((CSV, network(exposed=0.0)), r"network.traffic.exposed: slows nobody down without \[\[jobs\]\]"),
        ((network(),), r"missing required table: workload"),
    ],
)
def test_what_is_wrong_with_the_table_is_an_error_line(here: Path, parts: tuple[str, ...], said: str):
    with pytest.raises(ScenarioError, match=said):
        loaded(here, POOL, *parts)


# Hosts of four TPUs, a row of a mesh each.
TPUS = pool("a", '"TPU-v5e"', nodes=6, width=4)
MESH = """\
[network]
contention = "fair"
TRAFFIC
[network.topology]
use = "torus"
sides = [6, 4]
wrap = "never"
bandwidth = "1 GB/s"
latency = "1 us"
"""


def test_gangs_of_a_trace_send_over_the_links_of_a_torus(here: Path):
    # Six on a row and a half: two times 2 GB/s each way between them, over two cables of 1 GB/s.
    traffic = 'traffic = { bandwidth = "2 GB/s", exposed = 0.5 }'
    run = ran(here, CSV, TPUS, MESH.replace("TRAFFIC", traffic))
    assert end_s(run) == pytest.approx([1000 * (1 - 0.5 + 0.5 / 0.5), 100 + 1500])
    found = run.traffic(np.array([0.0, run.end_s]))
    assert found is not None
    # Two gangs, two directions, 1500 s of 2 GB/s over two cables, and over those in a row on the way there.
    assert found.carried_b.sum() >= 2 * 2 * 1500 * 2e9 * (1 - 1e-9)


def test_training_jobs_on_tpus_alone_have_no_contention_to_look_for(here: Path):
    llama = job("j", '"llama-3-8b"', global_batch=8, sequence_length=2048, accelerators=8)
    with pytest.raises(ScenarioError, match=r"jobs\.0\.model: trains on TPUs, in a slice.*contention = 'none'"):
        verify(loaded(here, TPUS, MESH.replace("TRAFFIC", ""), llama))
