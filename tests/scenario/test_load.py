"""Loading: bases, overrides, paths, devices."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dcsim.errors import ScenarioError
from dcsim.scenario import Loaded, build, load
from tests.scenario.given import GOOD, Room, refused, say


def loaded(here: Room, text: str = GOOD, **options: Any) -> Loaded:
    return load(here.write(text), plugins=here.plugins, **options)


def problems(here: Room, text: str = GOOD, **options: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loaded(here, text, **options)
    return caught.value.lines()


# Facts


def test_a_scenario_becomes_facts_in_base_units(here: Room) -> None:
    scenario = loaded(here).scenario
    (pool,) = scenario.pools
    assert scenario.horizon == 30 * 24 * 3600
    assert (pool.nodes, pool.accelerators_per_node) == (4, 8)
    assert pool.accelerator.name == "V100-SXM2-32GB"
    assert pool.accelerator.memory == 32e9
    assert pool.accelerator.provenance["memory"].source
    assert (scenario.scheduler.use, scenario.placement.use) == ("fifo", "pack")


def test_scheduler_and_placement_have_defaults(here: Room) -> None:
    text = GOOD[: GOOD.index("[scheduler]")]
    assert loaded(here, text).scenario == loaded(here).scenario


def test_what_is_loaded_knows_its_places(here: Room, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    found = loaded(here, data=data)
    assert found.file == str(here.file)
    assert (found.folder, found.data) == (here.folder.resolve(), data.resolve())
    assert found.plugins == (here.folder.resolve() / "plugins",)


def test_facts_made_in_python_have_the_current_folder(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here.folder)
    found = Loaded.of(loaded(here).scenario, plugins=["plugins"])
    assert (found.file, found.folder) == ("small", here.folder.resolve())
    assert found.resolve("s.toml") == here.folder.resolve() / "s.toml"
    assert build("workload", found.scenario.workload, found).jobs == 10


# Dates


def test_a_start_without_a_zone_is_taken_as_utc_and_said_so(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    found = loaded(here, "start = 2020-03-18T04:01:39\n" + GOOD)
    assert found.scenario.start == datetime(2020, 3, 18, 4, 1, 39, tzinfo=UTC)
    assert found.notes == ("start has no time zone; it is taken as UTC",)
    said = say(capsys, "validate", here.file, "--plugins", *here.plugins)
    assert said.code == 0
    assert said.err == f"dcsim: note: {here.file}: start has no time zone; it is taken as UTC\n"


def test_a_start_keeps_its_zone(here: Room) -> None:
    found = loaded(here, "start = 2020-03-18T04:01:39+08:00\n" + GOOD)
    zone = timezone(timedelta(hours=8))
    assert found.scenario.start == datetime(2020, 3, 18, 4, 1, 39, tzinfo=zone)
    assert found.notes == ()


# Bases


def test_tables_of_a_base_merge_and_arrays_replace(here: Room) -> None:
    here.write(GOOD + '[overheads]\nstart = "5 s"\nrestore = "7 s"\n', "base.toml")
    text = (
        'base = "base.toml"\n[overheads]\nrestore = "9 s"\n[[pools]]\nname = "b"\n'
        'accelerator = "T4"\nnodes = 1\naccelerators_per_node = 1\n'
    )
    scenario = loaded(here, text).scenario
    assert (scenario.name, scenario.overheads.start, scenario.overheads.restore) == ("small", 5, 9)
    assert [p.name for p in scenario.pools] == ["b"]


def test_bases_have_bases(here: Room) -> None:
    here.write(GOOD, "one.toml")
    here.write('base = "one.toml"\nseed = 2\nname = "two"\n', "sub/two.toml")
    scenario = loaded(here, 'base = "sub/two.toml"\nname = "three"\n').scenario
    assert (scenario.name, scenario.seed) == ("three", 2)


def test_another_plugin_drops_the_keys_of_the_base(here: Room) -> None:
    here.write(GOOD.replace('"fifo"', '"priority"\npreempts = true'), "base.toml")
    scenario = loaded(here, 'base = "base.toml"\n[scheduler]\nuse = "sjf"\n').scenario
    assert (scenario.scheduler.use, scenario.scheduler.parameters) == ("sjf", {})
    kept = loaded(here, 'base = "base.toml"\n[scheduler]\nuse = "priority"\n').scenario
    assert kept.scheduler.parameters == {"preempts": True}


def test_a_circle_of_bases_is_named(here: Room) -> None:
    here.write('base = "b.toml"', "a.toml")
    here.write('\nbase = "a.toml"', "b.toml")
    (line,) = problems(here, 'base = "a.toml"')
    at = here.folder
    assert line == (
        f"{at / 'b.toml'}:2: base: bases form a circle: "
        f"{at / 's.toml'} -> {at / 'a.toml'} -> {at / 'b.toml'} -> {at / 'a.toml'}"
    )
    (line,) = problems(here, 'base = "s.toml"')
    assert "bases form a circle" in line


@pytest.mark.parametrize(
    ("base", "what"),
    [
        ('"none.toml"', "base: no such file"),
        ('"../x.toml"', "base: leads outside the scenario's folder"),
        ("3", "base: wrong type (got integer 3, expected string, the path of a TOML file)"),
        ('"plugins"', "plugins: is a directory, expected a TOML file"),
    ],
)
def test_a_base_that_cannot_be_read_is_an_error(here: Room, base: str, what: str) -> None:
    (line,) = problems(here, f"base = {base}\n{GOOD}")
    assert what in line


def test_a_mistake_in_a_base_has_the_file_and_line_of_the_base(here: Room) -> None:
    base = here.write(GOOD.replace("seed = 1", "seed = -1"), "base.toml")
    text = 'base = "base.toml"\n\nname = "a b"\n[[pools]]\nname = "b"\n'
    lines = problems(here, text)
    assert f"{base}:2: seed: out of range (got -1, expected >= 0)" in lines
    assert f"{here.file}:4: pools.0.nodes: required key is missing" in lines
    assert any(line.startswith(f"{here.file}:3: name: has a wrong form") for line in lines)


# Overrides


def test_overrides_change_values_of_every_depth(here: Room) -> None:
    changes = [
        "pools.0.nodes=10",
        "horizon=3 h",
        'name="other"',
        "overheads.start=5 s",
        "workload.weights=[1, 2.5]",
        "start=2020-01-01T00:00:00Z",
        "pools.0.accelerator=T4",
    ]
    scenario = loaded(here, overrides=changes).scenario
    assert (scenario.pools[0].nodes, scenario.horizon, scenario.name) == (10, 3 * 3600, "other")
    assert (scenario.overheads.start, scenario.start) == (5, datetime(2020, 1, 1, tzinfo=UTC))
    assert scenario.workload.parameters["weights"] == (1.0, 2.5)
    assert scenario.pools[0].accelerator.name == "T4"


def test_the_last_override_of_a_key_counts(here: Room) -> None:
    assert loaded(here, overrides=["seed=5", "seed=6"]).scenario.seed == 6


def test_the_same_unknown_key_in_two_tables_is_no_hint_for_either(here: Room) -> None:
    text = "\n".join([GOOD, *(f'[[jobs]]\nname = "{name}"\nlengthy = 3' for name in "ab")])
    with pytest.raises(ScenarioError) as caught:
        loaded(here, text)
    told = [str(p) for p in caught.value.problems if "lengthy" in p.key]
    assert len(told) == 2
    assert not any("lengthy" in line.partition("unknown key")[2] for line in told)


def test_an_override_of_use_drops_the_keys_of_the_other_plugin(here: Room) -> None:
    text = GOOD.replace('"fifo"', '"priority"\npreempts = true')
    scenario = loaded(here, text, overrides=["scheduler.use=sjf"]).scenario
    assert (scenario.scheduler.use, scenario.scheduler.parameters) == ("sjf", {})
    both = ["scheduler.preempts=true", "scheduler.use=priority"]
    assert loaded(here, overrides=both).scenario.scheduler.parameters == {"preempts": True}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("pools.0.nodse=4", "pools.0.nodse: unknown key; did you mean 'nodes'?"),
        ("pool.0.nodes=4", "pool: unknown key; did you mean 'pools.0.nodes'?"),
        ("nodes=4", "nodes: unknown key; did you mean 'pools.0.nodes'?"),
        ("cluster.nodes=4", "cluster: unknown key; did you mean 'pools.0.nodes'?"),
        (
            "pools.nodes=4",
            'pools.nodes: no such element (got "nodes", expected an index from 0 to 0); '
            "did you mean 'pools.0.nodes'?",
        ),
        ("overhead.restore='3 s'", "overhead: unknown key; did you mean 'overheads.restore'?"),
        ("workload.weigts=[1]", "workload.weigts: unknown key; did you mean 'weights'?"),
        ("scheduler.x=1", "scheduler.x: unknown key; known: use"),
        ("pools.1.nodes=4", "pools.1: no such element (got 1, expected an index from 0 to 0)"),
        ("pools.-1.nodes=4", "pools.-1: no such element (got -1, expected an index from 0 to 0)"),
        ("pools.x.nodes=4", 'pools.x: no such element (got "x", expected an index from 0 to 0)'),
        (
            "pools.0.accelerator.tdp=5 W",
            "pools.0.accelerator.tdp: no such key: pools.0.accelerator is a string",
        ),
        ("pools.0.nodes=0", "pools.0.nodes: out of range (got 0, expected >= 1)"),
        ("pools.0.nodes=many", 'pools.0.nodes: wrong type (got string "many", expected integer)'),
        ("seed", 'not a change (got "seed", expected KEY.PATH=VALUE)'),
        ("=3", 'not a change (got "=3", expected KEY.PATH=VALUE)'),
        ("a..b=3", 'not a change (got "a..b=3", expected KEY.PATH=VALUE)'),
        ("base=x.toml", "base: can be written in a file only"),
        ("seed=1\nname = 'x'", "seed: wrong type"),
        ("name=a\udcffb", "name: is not Unicode text"),
        ("workload.jobs=" + "9" * 5000, "workload.jobs: wrong type"),
        ("workload.weights=" + "[" * 5000 + "]" * 5000, "workload.weights: wrong type"),
    ],
)
def test_an_override_that_cannot_be_is_an_error(here: Room, change: str, what: str) -> None:
    (line,) = problems(here, overrides=[change])
    assert line.startswith(f"--set: {what}")


def test_all_overrides_that_lead_nowhere_are_listed(here: Room) -> None:
    assert len(problems(here, overrides=["pools.5.nodes=1", "pools.6.nodes=1"])) == 2


# Paths


@pytest.fixture
def places(here: Room, tmp_path_factory: pytest.TempPathFactory) -> tuple[Room, Path, Path]:
    """A room, a data folder and a folder outside both."""
    data, outside = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("outside")
    here.write("x", "near.csv")
    (data / "far.csv").write_text("x")
    (data / "near.csv").write_text("hidden by the scenario's folder")
    (outside / "secret.csv").write_text("x")
    return here, data, outside


def test_paths_are_looked_up_in_the_folder_then_in_the_data(places: tuple[Room, Path, Path]) -> None:
    here, data, _ = places
    found = loaded(here, data=data)
    assert found.resolve("near.csv") == here.folder / "near.csv"
    assert found.resolve("far.csv") == data / "far.csv"
    assert found.resolve("plugins/../near.csv") == here.folder / "near.csv"
    assert found.resolve(str(data / "far.csv")) == data / "far.csv"


def test_the_data_folder_may_come_from_the_environment(
    places: tuple[Room, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, data, outside = places
    monkeypatch.setenv("DCSIM_DATA", str(data))
    assert loaded(here).resolve("far.csv") == data / "far.csv"
    assert loaded(here, data=outside).resolve("secret.csv") == outside / "secret.csv"


def test_no_path_leads_outside(places: tuple[Room, Path, Path]) -> None:
    here, data, outside = places
    os.symlink(outside / "secret.csv", here.folder / "link.csv")
    os.symlink(outside, here.folder / "linked")
    os.symlink("loop", here.folder / "loop")
    secret = str(outside / "secret.csv")
    for text in (
        secret,
        os.path.relpath(secret, here.folder),
        "link.csv",
        "linked/secret.csv",
        "/etc/passwd",
    ):
        with pytest.raises(ScenarioError, match="trace: leads outside the scenario's folder and the data"):
            loaded(here, data=data).resolve(text, "trace")
    for text in ("nul\0byte", "x" * 10_000, "loop"):
        with pytest.raises(ScenarioError, match=r"is not a usable path|no such file"):
            loaded(here, data=data).resolve(text)


def test_a_link_inside_the_folder_may_be_used(places: tuple[Room, Path, Path]) -> None:
    here, _, _ = places
    os.symlink("near.csv", here.folder / "link.csv")
    assert loaded(here).resolve("link.csv") == here.folder / "near.csv"


def test_a_link_from_the_folder_into_the_data_may_be_used(places: tuple[Room, Path, Path]) -> None:
    here, data, _ = places
    os.symlink(data / "far.csv", here.folder / "link.csv")
    assert loaded(here, data=data).resolve("link.csv") == data / "far.csv"
    with pytest.raises(ScenarioError, match="leads outside the scenario's folder"):
        loaded(here).resolve("link.csv")


def test_a_missing_file_names_the_places_and_the_option(places: tuple[Room, Path, Path]) -> None:
    here, data, _ = places
    (line,) = problems(here, data=data, overrides=["workload.path=none.csv"])
    assert line == (
        f'--set: workload.path: no such file (got "none.csv"); looked in {here.folder} and {data}; '
        "--data DIR names another"
    )


def test_a_data_or_plugin_folder_must_exist(here: Room) -> None:
    assert problems(here, data="/none") == ["--data: no such folder (got '/none')"]
    with pytest.raises(ScenarioError, match="--plugins: no such folder"):
        load(here.file, plugins=["/none"])


# Devices


def test_an_accelerator_may_be_a_file_or_a_table(here: Room) -> None:
    here.write('name = "mine"\ntdp = "300 W"\n', "devices/mine.toml")
    by_path = loaded(here, GOOD.replace("V100-SXM2-32GB", "devices/mine.toml")).scenario
    table = '{ name = "mine", tdp = "300 W" }'
    by_table = loaded(here, GOOD.replace('"V100-SXM2-32GB"', table)).scenario
    assert by_path == by_table
    assert by_path.pools[0].accelerator.tdp == 300


def test_mistakes_in_an_accelerator_file_name_that_file(here: Room) -> None:
    device = here.write('\ntpd = "300 W"\nmemory = 5\nfp16 = nan\n', "mine.toml")
    assert problems(here, GOOD.replace("V100-SXM2-32GB", "mine.toml")) == [
        f"{device}: name: required key is missing",
        f"{device}:2: tpd: unknown key; did you mean 'tdp'?",
        f'{device}:3: memory: 5 has no unit; write e.g. "5 B" '
        "(units: B, kB, MB, GB, TB, PB, EB, KiB, MiB, GiB, TiB, PiB)",
        f"{device}:4: fp16: must be finite (got nan)",
    ]


def test_a_missing_accelerator_file_is_an_error(here: Room) -> None:
    (line,) = problems(here, GOOD.replace("V100-SXM2-32GB", "none.toml"))
    assert ": pools.0.accelerator: no such file" in line


def test_a_wrong_provenance_is_an_error(here: Room) -> None:
    table = '{ name = "x", provenance = { tdp = { sourc = "y", grade = "good" } } }'
    lines = problems(here, GOOD.replace('"V100-SXM2-32GB"', table))
    assert any("provenance.tdp.sourc: unknown key; did you mean 'source'?" in line for line in lines)
    assert any("provenance.tdp.grade: not one of the known values" in line for line in lines)


def test_a_scenario_cannot_name_a_plugin_folder(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(say(capsys, "validate", here.file))
    assert ": workload.use: no workload of that name (got 'mine')" in line
