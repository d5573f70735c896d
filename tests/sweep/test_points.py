"""Points of an experiment: grids, zips, samples, variants, filters, and what is no experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.sweep.prepared import Prepared, prepare
from tests.sweep.given import BASE, experiment

HEAD = 'name = "e"\nbase = "queue.toml"\n'


def prepared(folder: Path, text: str, **options) -> Prepared:
    return prepare(experiment(folder, HEAD + text), **options)


def values(of: Prepared) -> list[tuple]:
    return [tuple(point.values.values()) for point in of.points]


def problems(folder: Path, text: str, **options) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        prepared(folder, text, **options)
    return [line.removeprefix(f"{folder}/") for line in caught.value.lines()]


def test_a_grid_has_every_combination_in_the_order_of_the_file(tmp_path):
    of = prepared(tmp_path, '[sweep]\n"pools.0.nodes" = [2, 3]\n"scheduler.use" = ["fifo", "srtf"]\nseeds = [7, 5]\n')
    assert of.axes == ["pools.0.nodes", "scheduler.use"]
    assert values(of) == [(2, "fifo"), (2, "srtf"), (3, "fifo"), (3, "srtf")]
    assert [seed for _, seed in of.runs] == [7, 5] * 4
    scenarios = [of.loaded(number).scenario for number in range(8)]
    assert [(s.pools[0].nodes, s.scheduler.use, s.seed) for s in scenarios[::3]] == [
        (2, "fifo", 7),
        (2, "srtf", 5),
        (3, "srtf", 7),
    ]


def test_a_number_of_seeds_counts_from_the_seed_of_the_base(tmp_path):
    assert [s for _, s in prepared(tmp_path, "[sweep]\nseeds = 3\n", overrides=["seed=40"]).runs] == [40, 41, 42]


def test_zip_takes_values_together(tmp_path):
    text = '[sweep]\nmethod = "zip"\n"pools.0.nodes" = [2, 3]\n"workload.jobs" = [10, 20]\n'
    assert values(prepared(tmp_path, text)) == [(2, 10), (3, 20)]


def test_a_whole_table_is_swept_and_shown_as_toml(tmp_path):
    of = prepared(
        tmp_path,
        '[sweep]\n"scheduler" = [{ use = "fifo" }, { use = "least_attained_service", thresholds = ["9 s"] }]\n',
    )
    assert of.loaded(1).scenario.scheduler.model_dump()["thresholds"] == ("9 s",)
    assert of.points[1].values == {"scheduler": {"use": "least_attained_service", "thresholds": ["9 s"]}}


def test_variants_are_crossed_with_the_points_and_come_first(tmp_path):
    text = (
        '[sweep]\n"pools.0.nodes" = [2, 3]\n[variants.plain]\n'
        '[variants.fast]\n"scheduler.use" = "srtf"\n"overheads.preemption" = "5 s"\n'
    )
    of = prepared(tmp_path, text)
    assert of.axes == ["variant", "pools.0.nodes"]
    assert values(of) == [("plain", 2), ("plain", 3), ("fast", 2), ("fast", 3)]
    assert of.loaded(3).scenario.overheads.preemption == 5.0


def test_excluded_points_meet_every_condition_of_a_table(tmp_path):
    text = (
        '[sweep]\n"pools.0.nodes" = [2, 3, 4]\n"scheduler.use" = ["fifo", "srtf", "sjf"]\n'
        '[[exclude]]\n"pools.0.nodes" = { above = 2 }\n"scheduler.use" = ["srtf", "sjf"]\n'
        '[[exclude]]\n"pools.0.nodes" = 4\n'
    )
    assert values(prepared(tmp_path, text)) == [(2, "fifo"), (2, "srtf"), (2, "sjf"), (3, "fifo")]


@pytest.mark.parametrize("method", ["latin_hypercube", "sobol", "uniform"])
def test_samples_fill_their_ranges_and_are_the_same_each_time(tmp_path, method):
    text = (
        f'[sweep]\nmethod = "{method}"\nsamples = 64\nsampling_seed = 3\n"pools.0.nodes" = {{ from = 2, to = 9 }}\n'
        '"overheads.start" = { from = "1 s", to = "100 s", scale = "log" }\n"scheduler.use" = ["fifo", "sjf"]\n'
    )
    of = prepared(tmp_path, text)
    assert values(of) == values(prepared(tmp_path, text))
    nodes, starts, names = zip(*values(of), strict=True)
    assert set(nodes) == set(range(2, 10))
    seconds = np.array([scenario.scenario.overheads.start for scenario in of.scenarios])
    assert [float(s.removesuffix(" s")) for s in starts] == seconds.tolist()
    assert 1.0 <= seconds.min() < 1.5
    assert 70.0 < seconds.max() <= 100.0
    if method != "uniform":  # as many on each half of the logarithm, and of the names
        assert abs(np.sum(seconds < 10.0) - 32) <= 1
        assert names.count("fifo") == 32


def test_a_range_in_a_grid_has_its_ends_and_equal_steps_or_ratios(tmp_path):
    text = (
        '[sweep]\n"pools.0.nodes" = { from = 1, to = 64, count = 4, scale = "log" }\n'
        '"overheads.start" = { from = "0 s", to = "1 s", count = 3 }\n'
    )
    of = values(prepared(tmp_path, text))
    assert list(dict.fromkeys(nodes for nodes, _ in of)) == [1, 4, 16, 64]
    assert list(dict.fromkeys(start for _, start in of)) == ["0.0 s", "0.5 s", "1.0 s"]


def test_mistakes_of_all_points_are_told_together_with_their_lines(tmp_path):
    text = '[sweep]\n"pools.0.nodes" = [2, "three", -4]\n"scheduler.use" = ["fifo", "sjff"]\n"pools.0.nodez" = [1]\n'
    found = problems(tmp_path, text)
    assert [line.split(": ")[:3] for line in found] == [
        ["experiment.toml:6", "pools.0.nodez", "unknown key; did you mean 'nodes'?"],
        [
            "experiment.toml:5",
            "scheduler.use",
            "no scheduler of that name (got 'sjff'); did you mean 'sjf' or 'ljf' or 'srtf'?",
        ],
        ["experiment.toml:4", "pools.0.nodes", 'wrong type (got string "three", expected integer)'],
        ["experiment.toml:4", "pools.0.nodes", "out of range (got -4, expected >= 1)"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "experiment.toml: sweep: nothing is swept; write keys"),
        ('[sweep]\n"pools.0.nodes" = []\n', 'experiment.toml:4: sweep."pools.0.nodes": has no values'),
        ('[sweep]\n"pools.0.nodes" = 3\n', 'experiment.toml:4: sweep."pools.0.nodes": wrong type (got integer 3'),
        ('[sweep]\n"pools.9.nodes" = [3]\n', "experiment.toml:4: pools.9: no such element (got 9, expected an index"),
        ('[sweep]\n"seed" = [3]\n', "experiment.toml:4: sweep.seed: cannot be swept"),
        ("[sweep]\nseeds = 0\n", "experiment.toml:4: sweep.seeds: out of range (got 0"),
        ("[sweep]\nseeds = []\n", "experiment.toml:4: sweep.seeds: "),
        ('[sweep]\nmethod = "sobol"\nseeds = 2\n', "experiment.toml:3: sweep.samples: required key is missing"),
        ('[sweep]\nmethod = "griid"\nseeds = 2\n', "experiment.toml:4: sweep.method: not one of the known values"),
        ("[sweep]\nsamples = 3\nseeds = 2\n", "experiment.toml:4: sweep.samples: has no effect with method"),
        (
            '[sweep]\nmethod = "zip"\n"pools.0.nodes" = [1, 2]\n"workload.jobs" = [1]\n',
            'experiment.toml:4: sweep.method: zip needs as many values for each key (got "pools.0.nodes": 2, ',
        ),
        ('[sweep]\n"pools.0.nodes" = { from = 3, to = 2, count = 2 }\n', "from must be below to"),
        ('[sweep]\n"pools.0.nodes" = { from = 3, to = 9 }\n', "count: required key is missing"),
        ('[sweep]\n"overheads.start" = { from = "1 s", to = "2 h", count = 2 }\n', "both ends must have the same unit"),
        ('[sweep]\nseeds = 2\n[[exclude]]\n"pools.0.nodes" = 2\n', "is not swept"),
        ('[sweep]\n"pools.0.nodes" = [2]\n[[exclude]]\n"pools.0.nodes" = 2\n', "leaves none of 1 points"),
        ('[sweep]\nseeds = 2\n[outputs]\nsummary = ["wait_mean"]\n', "no such key of the summary"),
        ('[sweep]\n"nodes" = [2, 3]\n', "experiment.toml:4: nodes: unknown key; did you mean 'pools.0.nodes'?"),
        ("[sweep]\nseeds = 2\n[sweeps]\n", "experiment.toml:5: sweeps: unknown key; did you mean 'sweep'?"),
    ],
)
def test_what_is_no_experiment_is_said_with_file_line_and_key(tmp_path, text, expected):
    assert expected in "\n".join(problems(tmp_path, text))


def test_a_billion_points_are_refused_before_they_are_made(tmp_path):
    axes = "".join(
        f'"overheads.{key}" = {{ from = "0 s", to = "9 s", count = 1000 }}\n' for key in ("start", "restore", "save")
    )
    assert "too many runs (got 1,000,000,000, expected at most 1,000,000)" in problems(tmp_path, f"[sweep]\n{axes}")[0]


def test_a_change_on_the_command_line_goes_below_the_points_and_may_not_be_swept_too(tmp_path):
    text = '[sweep]\n"pools.0.nodes" = [2, 3]\n'
    of = prepared(tmp_path, text, overrides=["workload.jobs=5"])
    assert {s.scenario.workload.model_dump()["jobs"] for s in of.scenarios} == {5}
    assert "is swept by the experiment" in problems(tmp_path, text, overrides=["pools.0.nodes=5"])[0]


def test_a_base_that_is_not_there_is_said(tmp_path):
    (tmp_path / "e.toml").write_text('name = "e"\nbase = "no.toml"\n[sweep]\nseeds = 2\n')
    with pytest.raises(ScenarioError, match=r'e.toml:2: base: no such file \(got "no.toml"'):
        prepare(tmp_path / "e.toml")


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (
            '[sweep]\n"scheduler" = [{ use = "fifo" }]\n"scheduler.use" = ["easy", "fifo"]\n',
            {},
            "is set by scheduler.use",
        ),
        ('[sweep]\n"pools.0.nodes" = [2, 3]\n"pools.00.nodes" = [4]\n', {}, "is set by pools.0.nodes too"),
        (
            '[sweep]\n"scheduler.use" = ["easy", "fifo"]\n[variants.a]\n"scheduler" = { use = "srtf" }\n',
            {},
            """experiment.toml:6: variants.a.scheduler: is set by "scheduler.use" of [sweep] too""",
        ),
        (
            '[sweep]\n"scheduler.use" = ["easy", "fifo"]\n',
            {"overrides": ['scheduler={ use = "srtf" }']},
            "--set: scheduler: is swept by the experiment",
        ),
        ('[sweep]\n"pools.0.nodes" = [2, 2]\n', {}, "has a value twice (got 2)"),
        ("[sweep]\nseeds = [1, 1]\n", {}, "sweep.seeds: has a seed twice"),
        ('[sweep]\n"pools.0.nodes" = [2, 3]\n[[exclude]]\n"pools.0.nodes" = "2"\n', {}, "no point has such a value"),
        (
            '[sweep]\n"overheads.start" = { from = "0 s", to = "9 s", count = 1000000 }\n'
            '"overheads.restore" = { from = "0 s", to = "9 s", count = 1000000 }\n',
            {},
            "too many runs (got 1,000,000,000,000",
        ),
    ],
)
def test_a_table_that_would_say_what_was_not_run_is_refused(tmp_path, text, options, expected):
    assert expected in "\n".join(problems(tmp_path, text, **options))


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("sampels = 2", "did you mean 'samples' or "),
        ('methods = "sobol"', "did you mean 'method' or "),
        ("pools.0.nodes = [7, 8]", 'write the key in quotes: "pools.0.nodes"'),
        ("workload.rate = { from = 1, to = 2 }", 'write the key in quotes: "workload.rate"'),
        ("xyzzy = 3", "or { from = ..., to = ... })"),
    ],
)
def test_a_key_that_has_no_values_is_told_what_was_meant(tmp_path, line, fix):
    (found,) = problems(tmp_path, f"[sweep]\n{line}\n")
    assert found.rpartition("; ")[2].startswith(fix) or found.endswith(fix)


def test_a_swept_key_that_is_called_as_a_result_has_a_column_of_its_own(tmp_path):
    text = '[sweep]\n"jobs" = [[], []]\n'
    assert "has a value twice" in "\n".join(problems(tmp_path, text))
    job = '{ name = "%s", model = "gpt-2", steps = 1, global_batch = 8, accelerators = 1 }'
    of = prepared(tmp_path, f'[sweep]\n"jobs" = [[{job % "a"}], [{job % "b"}]]\n')
    assert of.axes == ["scenario.jobs"]


@pytest.mark.parametrize(
    ("swept", "excluded"),
    [
        ('"reject_oversize" = [true, false]', '"reject_oversize" = 1'),
        ('"reject_oversize" = [true, false]', '"reject_oversize" = { above = 0 }'),
        ('"estimates.spread" = [1.0, 2.0]', '"estimates.spread" = 1'),
        ('"scheduler" = [{ use = "easy", depth = 1 }]', '"scheduler" = { use = "easy", depth = true }'),
    ],
)
def test_a_value_of_another_type_excludes_nothing(tmp_path, swept, excluded):
    found = problems(tmp_path, f"[sweep]\n{swept}\n[[exclude]]\n{excluded}\n")
    assert "no point has such a value" in found[0]


def test_a_float_and_a_table_exclude_the_points_that_have_them(tmp_path):
    text = (
        '[sweep]\n"scheduler" = [{ use = "fifo" }, { use = "easy", depth = 8 }]\n"overheads.start" = ["1 s", "2 s"]\n'
        '[[exclude]]\n"scheduler" = { use = "easy", depth = 8 }\n"overheads.start" = "2 s"\n'
    )
    assert values(prepared(tmp_path, text))[1:] == [({"use": "fifo"}, "2 s"), ({"use": "easy", "depth": 8}, "1 s")]
    text = '[sweep]\n"pools.0.clock" = [0.5, 0.75]\n[[exclude]]\n"pools.0.clock" = 0.5\n'
    assert values(prepared(tmp_path, text)) == [(0.75,)]


def test_a_scenario_is_no_experiment_and_the_error_names_the_command(tmp_path):
    path = experiment(tmp_path)
    for command in ("sweep", "optimize", "sensitivity"):
        with pytest.raises(ScenarioError) as caught:
            getattr(dcsim, command)(tmp_path / "queue.toml", tmp_path / "out")
        (line,) = caught.value.lines()
        assert line.startswith(
            f"{tmp_path}/queue.toml:3: pools: makes this a scenario, which is no experiment; run it wi"
        )
        assert f"python -m dcsim run {tmp_path}/queue.toml" in line
    with pytest.raises(ScenarioError) as caught:
        dcsim.run(path)
    (line,) = caught.value.lines()
    assert line.startswith(f"{path}:4: sweep: makes this an experiment, which is no scenario")
    assert line.endswith(f"python -m dcsim sweep {path}")


def test_an_experiment_inside_a_scenario_is_sent_to_a_file_of_its_own(tmp_path):
    path = experiment(tmp_path, base=BASE + "[sweep]\nseeds = 3\n")
    with pytest.raises(ScenarioError, match=r"sweep: belongs into an experiment.*begin it with base = \"queue.toml\""):
        dcsim.sweep(path, tmp_path / "out")
