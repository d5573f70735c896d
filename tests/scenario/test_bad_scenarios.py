"""Rows B01 to B17 and B29 of the list of bad inputs that today's keys can express, and their relatives."""

from __future__ import annotations

import time

import pytest

from tests.scenario.given import GOOD, Room, refused, say, validate

POOL_LINE = GOOD.splitlines().index("[[pools]]") + 1


def swap(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_the_good_scenario_is_valid(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    said = validate(capsys, here, GOOD)
    assert (said.code, said.err) == (0, "")
    expected = "valid: 1 pool, 4 nodes, 32 accelerators, workload mine, scheduler fifo, placement pack\n"
    assert said.out == f"{here.file}: {expected}"


def test_b01_a_missing_file_is_an_error(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    missing = here.folder / "scenario.toml"
    assert refused(say(capsys, "validate", missing)) == [f"dcsim: error: {missing}: no such file"]
    inside_a_file = here.file / "x.toml"
    assert "no such file" in refused(say(capsys, "validate", inside_a_file))[0]


def test_b02_a_folder_is_no_scenario(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(say(capsys, "validate", here.folder))
    assert line == f"dcsim: error: {here.folder}: is a directory, expected a TOML file"


def test_b03_an_empty_file_names_all_that_is_missing(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(validate(capsys, here, ""))
    assert f"dcsim: error: {here.file}: missing required tables: pools, workload" in lines
    assert f"dcsim: error: {here.file}: name: required key is missing" in lines
    assert len(lines) == 2


def test_b04_a_syntax_error_has_line_column_and_reason(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD.replace('accelerator = "V100-SXM2-32GB"', "accelerator V100")
    (line,) = refused(validate(capsys, here, text))
    assert line == (
        f"dcsim: error: {here.file}:7: not valid TOML: Expected '=' after a key in a key/value pair at column 13"
    )
    (line,) = refused(validate(capsys, here, GOOD + "x = [1,\n"))
    assert f"{here.file}:{GOOD.count(chr(10)) + 2}: not valid TOML: " in line


@pytest.mark.parametrize(
    ("extra", "where", "what"),
    [
        ('use = "pack"\n', "placement.use", "key is written twice"),
        ('[workload]\nuse = "x"\n', "workload", "table is written twice"),
        ("[placement.use]\nx = 1\n", "placement.use", "key is written twice"),
        ('"a b" = """\nx\n"""\n"a b" = 2\n', 'placement."a b"', "key is written twice"),
    ],
)
def test_b05_a_duplicate_key_has_its_line_and_name(
    here: Room, capsys: pytest.CaptureFixture[str], extra: str, where: str, what: str
) -> None:
    (line,) = refused(validate(capsys, here, GOOD + extra))
    number = int(line.split(":")[3])
    assert line == f"dcsim: error: {here.file}:{number}: {where}: {what}"
    assert (GOOD + extra).splitlines()[number - 1].strip() in extra


def test_b06_an_unknown_key_has_the_nearest_match(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(validate(capsys, here, swap("nodes = 4", "nodse = 4")))
    unknown = f"dcsim: error: {here.file}:{POOL_LINE + 3}: pools.0.nodse: unknown key; did you mean 'nodes'?"
    assert unknown in lines
    assert any(": pools.0.nodes: required key is missing" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"8"', 'wrong type (got string "8", expected integer)'),  # B07
        ("0", "out of range (got 0, expected >= 1)"),  # B08
        ("-4", "out of range (got -4, expected >= 1)"),
        ("8.5", "wrong type (got float 8.5, expected integer)"),  # B09
        ("true", "wrong type (got boolean true, expected integer)"),  # B10
        ("nan", "must be finite (got nan)"),
        (
            "0x" + "f" * 5000,
            "out of range (got integer of 20000 bits, expected an integer of at most 64 bits)",
        ),
        ("[4]", "wrong type (got array, expected integer)"),
        ("{ x = 1 }", "wrong type (got table, expected integer)"),
        ("2020-01-01", "wrong type (got date or time 2020-01-01, expected integer)"),
    ],
)
def test_b07_to_b10_a_count_is_a_whole_positive_number(
    here: Room, capsys: pytest.CaptureFixture[str], value: str, problem: str
) -> None:
    (line,) = refused(validate(capsys, here, swap("nodes = 4", f"nodes = {value}")))
    assert line == f"dcsim: error: {here.file}:{POOL_LINE + 3}: pools.0.nodes: {problem}"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    ("table", "key"), [("estimates", "spread"), ("scheduler", "thresholds"), ("workload", "weights")]
)
def test_b11_and_b12_a_number_is_finite_everywhere(
    here: Room, capsys: pytest.CaptureFixture[str], value: str, table: str, key: str
) -> None:
    text = GOOD.replace(f"[{table}]\n", "[gone]\n") + f'[{table}]\nuse = "mine"\n{key} = [{value}]\n'
    lines = refused(validate(capsys, here, text))
    shown = str(float(value))
    assert any(f": {table}.{key}.0: must be finite (got {shown})" in line for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("memory_bandwidth", "-5 GB/s", "must be > 0 B/s"),  # B13
        ("memory_bandwidth", "0 GB/s", "must be > 0 B/s"),
        ("tdp", "-1 W", "must be >= 0 W"),
        ("price", "-1 USD", "must be >= 0 USD"),
        ("memory_bandwidth", "inf GB/s", "is not a number with a unit"),  # B12
        ("memory_bandwidth", "1e400 GB/s", "must be finite"),
        ("memory_bandwidth", "50 GBs", "unknown unit 'GBs' for bandwidth"),  # B15
        ("memory", "50 gb", "unknown unit 'gb' for size"),
        ("memory", "50 B/s", "unknown unit 'B/s' for size"),
        ("memory", "5" + " " * 100_000 + "x", "is not a number with a unit"),
    ],
)
def test_b12_to_b15_a_physical_value_has_a_legal_unit(
    here: Room, capsys: pytest.CaptureFixture[str], key: str, value: str, problem: str
) -> None:
    device = f'{{ name = "x", {key} = "{value}" }}'
    (line,) = refused(validate(capsys, here, swap('"V100-SXM2-32GB"', device)))
    assert f": pools.0.accelerator.{key}: {problem}" in line
    assert len(line) < 500
    if "unknown unit" in problem:
        assert "known: B" in line


@pytest.mark.parametrize("value", ["5", "5.0", '"5"', "true"])
def test_a_bare_number_for_a_physical_value_is_refused_with_the_fix(
    here: Room, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    (line,) = refused(validate(capsys, here, swap('horizon = "30 d"', f"horizon = {value}")))
    assert f"{here.file}:3: horizon: " in line
    assert ('expected text with a unit, e.g. "20 min"' if value == "true" else 'write e.g. "5') in line


def test_b14_a_share_above_its_bound_is_out_of_range(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(validate(capsys, here, GOOD + "[estimates]\nspread = 1000.5\n"))
    assert line.endswith(": estimates.spread: out of range (got 1000.5, expected <= 1000.0)")


def test_b16_an_unknown_accelerator_has_the_three_nearest_names(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(validate(capsys, here, swap("V100-SXM2-32GB", "H1000")))
    what = f'{here.file}:{POOL_LINE + 2}: pools.0.accelerator: no accelerator preset of that name (got "H1000")'
    assert what in line
    names = line.split("nearest: ")[1]
    assert names.count("'") == 6
    assert "'H100-SXM'" in names


def test_an_unknown_plugin_has_the_nearest_match(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(validate(capsys, here, swap('"fifo"', '"fifo_skp"')))
    assert ": scheduler.use: no scheduler of that name (got 'fifo_skp'); did you mean 'fifo_skip'" in line


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", "mine.py", "", "a" * 10_000, "_arrivals", "base"])
def test_a_plugin_name_is_never_a_path(here: Room, capsys: pytest.CaptureFixture[str], name: str) -> None:
    lines = refused(validate(capsys, here, swap('"mine"', f'"{name}"')))
    assert any(": workload.use: " in line for line in lines)


def test_b29_bytes_that_are_not_utf8_have_their_offset(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD.encode().replace(b"small", b"sm\xffll")
    (line,) = refused(validate(capsys, here, text))
    assert line == (f"dcsim: error: {here.file}:1: is not UTF-8: byte 0xff at byte offset 10; save it as UTF-8")
    (line,) = refused(validate(capsys, here, b"\xef\xbb\xbf" + text))
    assert "at byte offset 13" in line


def test_utf16_is_not_utf8(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(validate(capsys, here, GOOD.encode("utf-16")))
    assert "is not UTF-8: byte 0xff at byte offset 0; save it as UTF-8" in line


@pytest.mark.parametrize("text", [GOOD.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + GOOD.encode()])
def test_crlf_and_a_byte_order_mark_are_accepted(here: Room, capsys: pytest.CaptureFixture[str], text: bytes) -> None:
    assert validate(capsys, here, text).code == 0
    (line,) = refused(validate(capsys, here, text.replace(b"nodes = 4", b"nodes = 0")))
    assert f"{here.file}:{POOL_LINE + 3}: pools.0.nodes: " in line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "arrays or inline tables within each other are too many"),
        ("x = " + "[" * 90 + "]" * 90, "tables or arrays more than 32 deep within each other"),
        ("x = " + "{a = " * 90 + "1" + "}" * 90, "tables or arrays more than 32 deep within each other"),
        (".".join("a" * 60) + " = 1", "tables or arrays more than 32 deep within each other"),
        (".".join("a" * 200_000) + " = 1", "a key of more than 64 parts"),
        ("[" + " . ".join(["'a'"] * 90_000) + "]", "a key of more than 64 parts"),
        ("x = " + "9" * 5000, "an integer has more than 64 bits"),
        ("# " + "x" * 1_100_000, "is larger than 1 MiB"),
    ],
)
def test_a_file_that_would_choke_the_parser_is_refused(
    here: Room, capsys: pytest.CaptureFixture[str], text: str, what: str
) -> None:
    began = time.process_time()
    (line,) = refused(validate(capsys, here, text))
    assert what in line
    assert time.process_time() - began < 30  # minutes before it was refused; not a measure of speed


def test_a_megabyte_of_mistakes_is_cut_to_twenty_lines_and_a_count(
    here: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = "".join(f'[[pools]]\nname = "p{i}"\nnodse = {i}\n' for i in range(8_000))
    lines = refused(validate(capsys, here, GOOD + pools))
    assert len(lines) == 21
    assert lines[-1] == f"dcsim: error: {here.file}: and {4 * 8_000 - 20} more problems"


def test_all_mistakes_are_listed_in_the_order_of_lines(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        GOOD.replace("seed = 1", "seed = -1")
        .replace("nodes = 4", "nodes = 4.5")
        .replace('"mine"', '"nobodys"')
        .replace('"pack"', '"pakc"')
    )
    lines = refused(validate(capsys, here, text + "[overhead]\n"))
    keys = [line.split(": ")[3] for line in lines]
    assert keys == ["seed", "pools.0.nodes", "workload.use", "placement.use", "overhead"]


def test_two_pools_of_one_name_are_refused(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    pool = GOOD[GOOD.index("[[pools]]") : GOOD.index("[workload]")]
    (line,) = refused(validate(capsys, here, GOOD + pool))
    assert line.endswith(': pools.1.name: another pool has this name (got "a")')


@pytest.mark.parametrize("value", ['"2020-03-18"', "2020-03-18", "12:00:00", "20200318"])
def test_a_start_is_a_date_with_a_time(here: Room, capsys: pytest.CaptureFixture[str], value: str) -> None:
    (line,) = refused(validate(capsys, here, f"start = {value}\n{GOOD}"))
    assert f"{here.file}:1: start: wrong type (got " in line
    assert "expected date and time, such as 2020-03-18T04:01:39+08:00)" in line


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[overheads]\ncheckpoint = "1 s"\n', "overheads.checkpoint"),
        ('[overheads]\ncheckpoint_interval = "0 s"\n', "overheads.checkpoint_interval"),
    ],
)
def test_a_key_that_could_have_no_effect_is_refused(
    here: Room, capsys: pytest.CaptureFixture[str], text: str, key: str
) -> None:
    (line,) = refused(validate(capsys, here, GOOD + text))
    assert f": {key}: " in line


def test_a_value_of_many_lines_is_shown_on_one(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = swap("V100-SXM2-32GB", "a\\nb\\u001b[31m\\t" + "c" * 1000)
    (line,) = refused(validate(capsys, here, text))
    assert 'got "a\\nb\\u001b[31m\\tccc' in line
    assert len(line) < 300


def test_pools_of_a_wrong_shape_are_named(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'name = "x"\nworkload = 3\nscheduler = []\npools = [1, { }]\n'
    lines = [line.split(": ", 3)[3] for line in refused(validate(capsys, here, text))]
    assert lines[:3] == [
        "workload: wrong type (got integer 3, expected table)",
        "scheduler: wrong type (got array, expected table)",
        "pools.0: wrong type (got integer 1, expected table)",
    ]
    assert "pools.1.name: required key is missing" in lines


def test_no_pools_are_too_few(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    text = "pools = []\n" + GOOD[: GOOD.index("[[pools]]")] + GOOD[GOOD.index("[workload]") :]
    (line,) = refused(validate(capsys, here, text))
    assert line.endswith(": pools: too short (got 0 elements, expected at least 1 elements)")


def test_an_unreadable_file_is_a_fault_of_the_environment(
    here: Room, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    said = say(capsys, "validate", here.file)
    assert (said.code, said.err) == (3, f"dcsim: error: {here.file}: cannot be read: Permission denied\n")


def test_debug_shows_the_traceback(here: Room) -> None:
    from dcsim.__main__ import main
    from dcsim.errors import ScenarioError

    with pytest.raises(ScenarioError, match="no such file"):
        main(["--debug", "validate", str(here.folder / "none.toml")])
