"""Measured collectives read by rule, constants by generation with source and grade, and the command's answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dcsim.__main__ import main
from dcsim.errors import TraceError
from dcsim.kernels.tuning import Tuned
from dcsim.performance.collective_fit import CONSTANTS, bench, fit, shipped, starts
from dcsim.performance.collective_rows import NEEDED, measured_rows, read
from dcsim.performance.collectives import LIBRARY, TPU, generation_of, generations, group_of
from dcsim.scenario import presets

COMMAND = ["collective", "--accelerator", "H100-SXM"]
LINE = re.compile(r"dcsim: error: command line: --\S+: \S.*")


def row(**changes: str) -> dict[str, str]:
    names = "source_id gpu nodes gpus_per_node nranks intra_link inter_link collective algorithm size_bytes time_us"
    plain = dict.fromkeys([*names.split(), "busbw_GBps", "note"], "")
    given = {"source_id": "S", "gpu": "H100", "nodes": "1", "nranks": "8", "collective": "all_reduce"}
    return plain | given | {"size_bytes": "1048576", "time_us": "30", "busbw_GBps": "61.17"} | changes


def test_every_constant_has_a_value_a_source_and_a_grade() -> None:
    for name in presets.names("collectives"):
        facts = presets.table("collectives", name)
        if name in (LIBRARY, TPU):
            assert set(facts["provenance"]) == set(facts) - {"notes", "provenance"}
            origins = facts["provenance"].values()
        else:
            assert set(Tuned._fields) == set(facts) - {"accelerators", "in_network"}
            origins = [facts[field] for field in Tuned._fields]
        for origin in origins:
            assert origin["grade"] in ("measured", "vendor", "paper", "weak", "assumed")
            assert len(origin["source"]) > 8


def test_accelerators_take_the_constants_of_their_generation() -> None:
    names = {"A100-SXM4-80GB": "ampere", "H200-SXM": "hopper", "GB200": "blackwell", "MI300X": "cdna", "Gaudi3": "all"}
    assert {name: generation_of(name).name for name in names} == names


def test_servers_fill_domains_and_a_rack_is_one() -> None:
    h100, gb200 = presets.accelerator("H100-SXM"), presets.accelerator("GB200")
    assert group_of(h100, 32, 8).domains == 4
    assert [group_of(gb200, ranks, 4).domains for ranks in (72, 128, 1440)] == [1, 2, 20]
    assert [group_of(gb200, ranks, 4).in_network for ranks in (72, 128)] == [1, 0]
    assert group_of(h100, 32, 8).nic_b_per_s == 50e9  # 3,200 Gbit/s for eight


def test_a_time_that_its_bandwidth_contradicts_is_taken_from_the_bandwidth() -> None:
    found = measured_rows([row(), row(time_us="0.5"), row(time_us="0.5", busbw_GBps="0.01"), row(collective="h2d")])
    assert [each.time_s for each in found.rows] == pytest.approx([30e-6, 1048576 * 1.75 / 61.17e9])
    assert (found.mended, found.total, sum(found.excluded.values())) == (1, 4, 2)


def test_a_time_is_what_the_rounding_of_both_its_bandwidths_leaves() -> None:
    # nccl-tests prints two decimals. 512 B of an all-reduce over 8 at 0.01 and 0.03 GB/s: 34.1 us at least, by the
    # first, and 35.8 us at most, by the second. At 0.03 and 0.05 GB/s 1 KiB took 32.6 to 39.8 us: too wide to tell.
    told = row(size_bytes="512", time_us="0.94", algbw_GBps="0.01", busbw_GBps="0.03")
    wide = row(size_bytes="1024", time_us="0.07", algbw_GBps="0.03", busbw_GBps="0.05")
    found = measured_rows([told, wide])
    assert [each.time_s for each in found.rows] == pytest.approx([(512 / 15e6 + 512 * 1.75 / 25e6) / 2])
    assert (found.mended, found.excluded.total()) == (1, 1)


def test_networks_are_read_from_their_text() -> None:
    texts = {
        "EFA 4x100Gbps per node": 4 * 12.5e9 / 8,
        "RoCE 1600Gbps per node (BM.GPU.B4.8)": 25e9,
        "CX7 400Gbps": 50e9,
        "InfiniBand (rate not stated)": 50e9,  # the usual server's
    }
    rows = [row(nodes="2", nranks="16", inter_link=text) for text in texts]
    assert [each.group.nic_b_per_s for each in measured_rows(rows).rows] == list(texts.values())


def test_nodes_or_ranks_that_a_row_leaves_out_follow_from_accelerators_a_node() -> None:
    full = row(nodes="2", nranks="16", gpus_per_node="8")
    found = measured_rows([full, full | {"nodes": ""}, full | {"nranks": ""}]).rows
    assert found[0].nodes == 2
    assert found[0] == found[1] == found[2]
    assert measured_rows([row(nodes="", gpus_per_node="")]).excluded.total() == 1


def test_sums_in_switches_that_a_source_saw_are_there_on_unknown_devices_too() -> None:
    found = measured_rows([row(gpu="X1", algorithm="NVLS")])
    assert len(bench(found.rows).rows) == 1


def test_a_forced_algorithm_is_the_only_one_allowed() -> None:
    texts = {"Ring (NVLS off)": ("ring",), "NVLSTree (forced)": ("in_network",), "Tree": ("tree",)}
    found = measured_rows([row(algorithm=text) for text in texts])
    assert [each.algorithms for each in found.rows] == list(texts.values())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"gpu,nodes\nH100,1\n", "source_id, nranks.* no such column"),
        (",".join(NEEDED).encode() + b"\n,,\n\n", "has no rows"),
        (",".join(NEEDED).encode() + b"\n\xe9\n", "cannot be read as CSV"),
        (b"", "no such column"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=said):
        read(path)


def test_a_file_is_read_however_its_columns_stand_and_are_written(tmp_path: Path) -> None:
    plain = row(note="a, b")
    names = [*reversed(plain), "extra"]
    lines = [names, [*reversed(plain.values()), "1"], [], [""] * 3]
    text = "\r\n".join(", ".join(f'"{cell} "' for cell in line) for line in lines)
    path = tmp_path / "rows.csv"
    path.write_text("\ufeff" + text, encoding="utf-8", newline="")
    assert read(path) == measured_rows([plain])


def test_a_fit_finds_the_constants_that_made_its_rows() -> None:
    sizes = [str(2**power) for power in range(20, 35)]
    text = {"size_bytes": "", "time_us": "1", "busbw_GBps": ""}
    plain = [
        row(source_id=s, gpu=gpu, **(text | {"size_bytes": size}))
        for s, gpu in zip("AB", ("H100", "H200"), strict=True)
        for size in sizes
    ]
    at = bench(measured_rows(plain).rows)
    true = shipped()
    hopper = [generation.name for generation in generations()].index("hopper")
    true[hopper, 1] = 0.6
    made = at.predict(true)
    rows = [row | {"time_us": str(1e6 * time)} for row, time in zip(plain, made, strict=True)]
    again = bench(measured_rows(rows).rows)
    error = np.abs(again.predict(fit(again)) / again.measured_s - 1.0)
    assert error.mean() < 0.05
    assert np.abs(again.predict(starts()) / again.measured_s - 1.0).mean() > error.mean()


def test_shipped_constants_stay_within_their_bounds() -> None:
    assert (shipped() <= [constant.most for constant in CONSTANTS]).all()
    assert (shipped() > 0.0).all()


def test_the_command_prints_a_table_like_nccl_tests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--nodes", "4", "--sizes", "8KiB..16GiB"]) == 0
    head, blank, columns, *rows = capsys.readouterr().out.splitlines()
    assert head == "all_reduce over 32 ranks: 4 x 8 H100-SXM"
    assert (blank, columns.split()[:2]) == ("", ["size", "(B)"])
    assert len(rows) == 22
    sizes, times, algorithm, bus = zip(*(map(float, line.split()[:4]) for line in rows), strict=True)
    assert (sizes[0], sizes[-1]) == (8192.0, 2.0**34)
    assert list(times) == sorted(times)
    assert bus[-1] == pytest.approx(algorithm[-1] * 2 * 31 / 32, rel=1e-3)


def test_a_slice_of_tpus_answers_by_its_axes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["collective", "--accelerator", "TPU-v4", "--collective", "all_gather", "--sizes", "1GiB", "--json"]
    times = []
    for shape in ("4x4x4", "4x4x2"):
        assert main([*words, "--torus", shape]) == 0
        times.append(json.loads(capsys.readouterr().out)["rows"][0]["time_s"])
    assert times == pytest.approx([2.0**30 / (6 * 45e9), 2.0**30 / (3 * 45e9)])


def test_broadcasts_of_tpus_use_all_lanes_and_a_message_one_link(capsys: pytest.CaptureFixture[str]) -> None:
    # On a torus of 4 x 4 x 4 with wrapped axes a chip has six links of 45 GB/s and six trees that share none; a message
    # to a neighbour has one link; a hop takes 1 us, and no chip of an axis of four is further away than two.
    words = ["collective", "--accelerator", "TPU-v4", "--torus", "4x4x4", "--sizes", "8B,1GiB", "--json"]
    expected = {
        "broadcast": [6e-6, 2.0**30 / 270e9],
        "reduce": [6e-6, 2.0**30 / 270e9],
        "p2p": [1e-6, 2.0**30 / 45e9],
        "send_recv": [1e-6, 2.0**30 / 45e9],
    }
    for name, times in expected.items():
        assert main([*words, "--collective", name]) == 0
        assert [row["time_s"] for row in json.loads(capsys.readouterr().out)["rows"]] == pytest.approx(times)


def test_one_rank_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tpu = ["collective", "--accelerator", "TPU-v5e", "--torus", "1x1"]
    for words in ([*COMMAND, "--per-node", "1"], tpu):
        assert main([*words, "--sizes", "1GiB"]) == 0
        head, _, _, row = capsys.readouterr().out.splitlines()
        assert head.startswith("all_reduce over 1 rank: ")
        assert row.split(maxsplit=5) == ["1073741824", "0.00", "0.00", "0.00", "none", "one rank sends nothing"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--accelerator", "H100"], "--accelerator: no accelerator preset of that name"),
        (["--nodes", "0"], "--nodes: must be > 0"),
        (["--nodes", "2.5"], "--nodes: is no whole number"),
        (["--per-node", "x"], "--per-node: is no number"),
        (["--sizes", "8"], "--sizes: 8 has no unit"),
        (["--sizes", "2MiB..1MiB"], "--sizes: must be > 0 B, from the smaller to the larger"),
        (["--sizes", "1B..1GiB..2GiB"], "--sizes: must be > 0 B"),
        (["--sizes", "1e-300 B..1EB"], "--sizes: no message is so small or so large"),
        (["--sizes", "1e308B"], "--sizes: no message is so small or so large (got '1e308B', expected 1 B to 1 EB)"),
        (["--sizes", ",".join(["1B"] * 201)], "--sizes: more than 200 sizes"),
        (["--nic", "1e-300 B/s", "--nodes", "2"], "--nic: no NIC is so slow"),
        (["--accelerator", "TPU-v5e", "--torus", "4x4x4"], "--torus: links of TPU-v5e form a torus of 2 axes"),
        (["--accelerator", "TPU-v4", "--torus", "4x4"], "--torus: links of TPU-v4 form a torus of 3 axes"),
        (["--accelerator", "TPU-v5e", "--torus", "32x16"], "--torus: a pod of TPU-v5e is 16x16"),
        (["--accelerator", "TPU-v7x", "--torus", "32x32x16"], "--torus: a pod of TPU-v7x is 9216"),
        (["--collective", "allreduce"], "--collective: is unknown"),
        (["--algorithms", "rings"], "--algorithms: is unknown"),
        (["--algorithms", "tree", "--collective", "broadcast"], "--algorithms: none of them can do broadcast"),
        (["--nic", "5"], "--nic: 5 has no unit"),
        (["--torus", "4x4"], "--torus: is for TPUs"),
        (["--accelerator", "TPU-v4"], "--torus: must be two or three sides"),
        (["--accelerator", "TPU-v4", "--torus", "4x0"], "--torus: must be two or three sides"),
        (["--accelerator", "TPU-v4", "--torus", "4x4x4", "--nodes", "2"], "--nodes: has no effect on TPUs"),
    ],
)
def test_bad_input_is_one_line_each(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert main([*COMMAND, *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert all(LINE.fullmatch(line) for line in said.err.splitlines()), said.err
