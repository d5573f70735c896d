"""Tables of a terminal keep to its width, lose nothing that they do not tell, and say where the rest is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from dcsim.cli.tables import fitted
from dcsim.sweep.columns import told_apart
from tests.conftest import ROOT
from tests.report.sweeps import FIVE, swept
from tests.report.test_sweep_page import saved
from tests.sweep.given import BASE, command, experiment


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("keys", [1, 2, 5])
def test_no_line_is_longer_than_the_terminal(width: int, keys: int):
    head = [f"some.key_{n}" for n in range(keys)] + ["wait_s_mean", "difference"] * 3
    rows = [head, *[["a value that is long"] * keys + ["1,234 ± 12", "+12 ± 3 % *"] * 3 for _ in range(4)]]
    found = fitted(rows, keys, width, per=2)
    assert max(len(line) for piece in found.pieces for line in piece) <= width
    assert [name for heads in found.heads for name in heads] == head[keys:]


def test_a_table_that_fits_is_left_as_it_is():
    rows = [["scheduler.use", "wait_s_mean"], ["fifo", "12 ± 3"]]
    found = fitted(rows, 1, 80)
    assert found.pieces == [["scheduler.use  wait_s_mean", "fifo                12 ± 3"]]
    assert not found.shortened


def test_names_are_broken_before_they_are_cut():
    rows = [["network.uplink_bandwidth", "scheduler.use", "wait_s_mean"], ["400 GB/s", "fifo", "12"]]
    whole = fitted(rows, 2, 35)
    assert whole.pieces == [
        [
            "network",
            ".uplink     scheduler",
            "_bandwidth  .use       wait_s_mean",
            "400 GB/s    fifo                12",
        ]
    ]
    assert not whole.shortened
    cut = fitted(rows, 2, 31)
    assert cut.shortened
    assert cut.pieces[0][-1] == "400 GB/s  fifo               12"
    assert cut.pieces[0][-2] == "_ba…idth  .use      wait_s_mean"


def test_the_commands_keep_to_eighty_letters_where_there_is_no_terminal(tmp_path):
    folder = saved(tmp_path, swept({key: FIVE[key] for key in list(FIVE)[:4]}))
    done = command("compare", folder, "--baseline", "fifo")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.count("16…B/s") == done.stdout.count("40…B/s") == 16  # two pieces, of 16 variants each
    assert "utilization_allocated" in done.stdout
    six = "".join(f'"{key}" = [{value}]\n' for key, value in SIX.items())
    path = experiment(tmp_path, f'name = "six"\nbase = "queue.toml"\n[sweep]\n{six}', BASE)
    made = command("sweep", path, "--out", tmp_path / "out", "--workers", 0)
    assert made.returncode == 0, made.stderr
    told = [line for line in made.stdout.splitlines() if "table.csv" not in line]
    assert max(map(len, told)) <= 80
    assert "no room for utilization_allocated: `compare` shows them" in made.stdout
    assert "keys are shortened to fit: the table has them whole" in made.stdout


SIX = {
    "pools.0.nodes": 3,
    "pools.0.accelerators_per_node": 4,
    "scheduler.use": '"fifo"',
    "placement.use": '"spread"',
    "workload.offered_load": 0.8,
    "workload.service.mean": '"10 min"',
}


def test_a_terminal_is_used_to_its_width(tmp_path):
    folder = saved(tmp_path, swept({key: FIVE[key] for key in list(FIVE)[:4]}))
    main, other = pty.openpty()
    size = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    words = f"stty cols 200 <&1; exec {sys.executable} -m dcsim compare {folder} --baseline fifo"
    done = subprocess.Popen(
        ["sh", "-c", words], stdout=other, stdin=other, env=size | {"PYTHONPATH": str(ROOT)}, close_fds=True
    )
    os.close(other)
    text = b""
    try:
        while piece := os.read(main, 65536):
            text += piece
    except OSError:  # how Linux ends a pseudo-terminal
        pass
    os.close(main)
    assert done.wait(timeout=60) == 0
    first = text.decode().splitlines()[0]
    assert len(first) > 100
    assert first.split()[-2:] == ["utilization_allocated", "difference"]


TABLES = ('{ use = "fifo" }', '{ use = "easy", depth = 8 }', '{ use = "easy", depth = 16 }', '{ use = "easy" }')


@pytest.mark.parametrize("width", [34, 40, 60])
def test_tables_that_are_shortened_show_what_they_differ_in_and_stay_different(width: int):
    rows = [["scheduler", "wait_s_mean"], *([text, "1,234 ± 12"] for text in TABLES)]
    (lines,) = fitted(rows, 1, width).pieces
    shown = [line[: -len("1,234 ± 12")].strip() for line in lines[1:]]
    assert len(set(shown)) == len(TABLES)
    if width >= 40:
        assert shown[0] == ('{ use = "fifo" }' if width == 60 else "fifo")
        assert shown[2] == ('{ use = "easy", depth = 16 }' if width == 60 else "easy, depth=16")


@pytest.mark.parametrize(
    "texts", [[f"data/{n}/a/very/long/path.csv" for n in range(30)], [f"{'x' * 40}{n}{'y' * 40}" for n in range(30)]]
)
def test_no_two_texts_are_cut_to_the_same(texts: list[str]):
    (lines,) = fitted([["path", "wait_s_mean"], *([text, "1"] for text in texts)], 1, 30).pieces
    assert len({line.split()[0] for line in lines[1:]}) == len(texts)
    assert max(map(len, lines)) <= 30


def test_drawn_numbers_are_rounded_as_far_as_they_stay_different():
    assert told_apart([0.434989123456, 0.104096, 1]) == ["0.435", "0.104096", "1"]
    assert told_apart(["1.69634881637 d", "1.7 d", "2.04895110233 d"]) == ["1.70 d", "1.7 d", "2.05 d"]
    assert told_apart([0.434989123456, 0.434689123456]) == ["0.4350", "0.4347"]
    assert told_apart([123456.789, True, None, "0.434989123456"]) == ["123457", "true", "(not set)", "0.434989123456"]


def test_truths_stand_in_the_answer_as_in_the_file(tmp_path):
    path = experiment(tmp_path, 'name = "t"\nbase = "queue.toml"\n[sweep]\nreject_oversize = [true, false]\n', BASE)
    made = command("sweep", path, "--out", tmp_path / "out", "--workers", 0)
    assert made.returncode == 0, made.stderr
    assert [line.split()[0] for line in made.stdout.splitlines()[2:4]] == ["true", "false"]
