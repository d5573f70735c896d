"""Any two files of links and flows are read, however they are written; finish times by hand."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.flow_accuracy import relative_errors, report
from dcsim.errors import TraceError

LINKS = "case,link,capacity_Bps\nA,x,1e9\nA,y,2e9\nB,x,1e6\n"
# Two flows share x from second 1 on: 0.5 GB are left of the first, both get half of 1 GB/s, the first ends at 2 s, and
# the second has x to itself for its last half second. The third has y to itself.
FLOWS = """case,flow,size_bytes,start_s,path,finish_s_simgrid
A,0,1500000000,0.0,x,2.0
A,1,1000000000,1.0,x,2.5
A,2,2000000000,0.5,y,1.5
"""


def errors(tmp_path: Path, links: str, flows: str) -> dict[str, list[float]]:
    files = [tmp_path / "links.csv", tmp_path / "flows.csv"]
    for path, text in zip(files, (links, flows), strict=True):
        path.write_bytes(text.encode("utf-8"))
    return {case: found.tolist() for case, found in relative_errors(*files).items()}


def test_shares_change_when_flows_come_and_go(tmp_path: Path) -> None:
    assert errors(tmp_path, LINKS, FLOWS) == {"A": pytest.approx([0.0, 0.0, 0.0], abs=1e-12)}


def test_a_flow_inside_a_host_is_done_when_it_starts(tmp_path: Path) -> None:
    local = "A,3,1000,0.25,,0.25\nC,0,1000,3.0,,3.0\nC,1,1000,3.0,,6.0\n"
    found = errors(tmp_path, LINKS, FLOWS + local)
    assert found["A"] == pytest.approx([0.0] * 4, abs=1e-12)
    assert found["C"] == [0.0, 0.5]  # the second file says twice as long


def test_rows_may_be_written_in_any_way_that_csv_has(tmp_path: Path) -> None:
    links = '\ufeffcapacity_Bps, note ,link,case\r\n1e9,"a, b",x,A\r\n\r\n2e9,,"y",A\r\n'
    rows = [line.split(",") for line in FLOWS.split()]
    turned = "\r\n".join(",".join(f'"{cell}"' for cell in [*row[::-1], "z"]) for row in rows) + "\r\n,,,,,,\r\n\r\n"
    turned = turned.replace('"z"', '"extra"', 1).replace('"x"', '" x "')
    assert errors(tmp_path, links, turned) == {"A": pytest.approx([0.0, 0.0, 0.0], abs=1e-12)}


def test_every_mistake_of_both_files_is_told(tmp_path: Path) -> None:
    flows = FLOWS + "A,3,-1,0,x>z,1\nA,4,1,soon,y\n"
    with pytest.raises(TraceError) as raised:
        errors(tmp_path, LINKS + "A,x,inf\n", flows)
    told = "\n".join(raised.value.lines())
    for words in ("no such link in case A", "size_bytes", "start_s", "comes twice", "capacity_Bps", "finish_s_simgrid"):
        assert words in told
    with pytest.raises(TraceError, match="path"):
        errors(tmp_path, LINKS, FLOWS.replace(",path", ",way"))


def test_the_last_line_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    errors(tmp_path, LINKS, FLOWS)
    report(Namespace(links=tmp_path / "links.csv", flows=tmp_path / "flows.csv"))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["cases"], told["flows"]) == (1, 3)
    assert told["max_relative_error"] < 1e-12
