"""Bad and odd files: a clear error with file, line, column and value, or the same jobs as a clean file."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile

import pytest

from dcsim.errors import ScenarioError, TraceError
from dcsim.workloads.reading.stream import Source

HEADER = "job_id,submit_s,accelerators,service_s"
CLEAN = f"{HEADER}\na,0,1,10\nb,5,2,20.5\nc,5,8,0\n"


def refusal(load, name="t.csv", **keys):
    """The one error line that loading a csv gives."""
    with pytest.raises(TraceError) as caught:
        load("csv", name, **keys)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def facts(jobs):
    return (
        list(jobs.job_ids),
        jobs.submit_s.tolist(),
        jobs.accelerators.tolist(),
        jobs.service_s.tolist(),
        jobs.warnings,
    )


@pytest.mark.parametrize(
    "data",
    [
        CLEAN.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + CLEAN.encode(),
        (CLEAN + "\n\n  \n\r\n").encode(),
        CLEAN.rstrip("\n").encode(),
        CLEAN.replace("b,5", '"b",5').encode(),
        CLEAN.replace(HEADER, " job_id, submit_s ,accelerators,service_s").encode(),
        gzip.compress(CLEAN.encode()),
        gzip.compress(CLEAN[:30].encode()) + gzip.compress(CLEAN[30:].encode()) + b"\0" * 512,
    ],
    ids=[
        "CRLF",
        "BOM",
        "blank lines",
        "no last line end",
        "quotes",
        "blanks in header",
        "gzip",
        "gzip members",
    ],
)
def test_an_odd_but_good_file_gives_the_same_jobs_as_a_clean_one(load, tmp_path, data):
    (tmp_path / "clean.csv").write_text(CLEAN)
    (tmp_path / "t.csv").write_bytes(data)
    assert facts(load("csv", "t.csv")) == facts(load("csv", "clean.csv"))
    assert facts(load("csv", "clean.csv")) == (["a", "b", "c"], [0, 5, 5], [1, 2, 8], [10, 20.5, 0], ())


def test_pieces_may_end_anywhere(load, tmp_path, monkeypatch):
    text = HEADER + "\r\n" + "".join(f"jöb-{i},{i},1,{i}\r\n" for i in range(50))
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    for size in range(3, 40):
        monkeypatch.setattr("dcsim.workloads.reading.stream.PIECE", size)
        jobs = load("csv", "t.csv")
        assert list(jobs.job_ids) == [f"jöb-{i}" for i in range(50)]
        assert jobs.service_s.tolist() == list(range(50))


def test_the_name_of_a_file_does_not_matter(load, tmp_path):
    (tmp_path / "plain.gz").write_text(CLEAN)
    (tmp_path / "packed.csv").write_bytes(gzip.compress(CLEAN.encode()))
    assert facts(load("csv", "plain.gz")) == facts(load("csv", "packed.csv"))


def test_a_missing_column_is_named_with_the_header(load, tmp_path):
    (tmp_path / "t.csv").write_text("job_id,submit,accelerators,service_s\na,0,1,1\n")
    header = "job_id, submit, accelerators, service_s"
    assert refusal(load) == f"t.csv: submit_s: no such column (got header '{header}'); did you mean 'submit'?"


def test_all_missing_columns_are_told_at_once(load, tmp_path):
    (tmp_path / "t.csv").write_text("a;b;c\n1;2;3\n")
    with pytest.raises(TraceError) as caught:
        load("csv", "t.csv")
    assert [p.key for p in caught.value.problems] == ["job_id", "submit_s", "service_s", "accelerators"]


def test_a_column_that_comes_twice_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_text(HEADER + ",submit_s\na,0,1,1,0\n")
    assert refusal(load) == "t.csv: submit_s: the header has this column 2 times"


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-inf", "-1", "1e400", "0x10", "1,000"])
def test_a_bad_run_time_at_row_5017_is_named(load, tmp_path, value):
    cell = f'"{value}"' if "," in value else value
    rows = [f"j{i},{i},1,10" for i in range(1, 6001)]
    rows[5016] = f"j5017,5017,1,{cell}"
    rows[5500] = "j5501,x,1,10"
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *rows]))
    what = "has a bad value" if value else "has no value"
    assert refusal(load) == (
        f"t.csv:5018: service_s: row 5017 {what} (got '{value}', expected a finite number >= 0); "
        "bad rows in this file: 2"
    )


@pytest.mark.parametrize("value", ["1.5", "-1", "3000000000", "two", ""])
def test_a_bad_accelerator_count_is_named(load, tmp_path, value):
    (tmp_path / "t.csv").write_text(f"{HEADER}\na,0,8.0,1\nb,0,{value},1\n")
    assert refusal(load).startswith("t.csv:3: accelerators: row 2 has")


def test_a_file_of_bad_rows_only_is_given_up_early(load, tmp_path):
    (tmp_path / "t.csv").write_text(HEADER + "\n" + "a,0,1,nan\n" * 5000)
    message = refusal(load)
    assert message.startswith("t.csv:2: service_s: row 1 has a bad value (got 'nan'")
    assert message.endswith("bad rows in this file: at least 1000")


def test_lines_are_counted_with_blank_lines_and_rows_without(load, tmp_path):
    (tmp_path / "t.csv").write_text(f"\n{HEADER}\n\na,0,1,1\n\nb,0,1,x\n")
    assert refusal(load).startswith("t.csv:6: service_s: row 2 has a bad value")


@pytest.mark.parametrize("row", ["a,0,1", "a,0,1,1,1", "a", '"a,0,1,1', 'a,0,1,1"x"y', '"a\nb",0,1,1'])
def test_a_row_of_another_shape_is_an_error(load, tmp_path, row):
    (tmp_path / "t.csv").write_text(f"{HEADER}\nz,0,1,1\n{row}\ny,0,1,1\n")
    assert refusal(load).startswith("t.csv:3: ")


def test_the_second_of_two_equal_ids_is_named_with_the_first(load, tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEADER}\n\na,0,1,1\nb,0,1,1\na,0,1,1\n")
    assert refusal(load) == (
        "t.csv:5: job_id: row 3 has the id of row 1 (line 3) (got 'a', expected an id of its own for every job)"
    )


def test_a_job_without_an_id_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEADER}\n,0,1,1\n")
    assert refusal(load).startswith("t.csv:2: job_id: row 1 has no value")


def test_falling_submission_times_are_sorted_with_one_warning(load, tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEADER}\na,5,1,1\nb,3,1,1\nc,5,1,1\nd,3,1,1\n")
    jobs = load("csv", "t.csv")
    assert list(jobs.job_ids) == ["b", "d", "a", "c"]  # ties keep the order of the file
    assert jobs.warnings == (
        "t.csv: rows that fall behind the time of the row before: 2, first job 'b'; sorted by submission",
    )


def test_falling_submission_times_are_an_error_when_strict(load, tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEADER}\na,5,1,1\nb,3,1,1\n")
    assert "rows that fall behind the time of the row before: 1, first job 'b'" in refusal(load, strict=True)


def test_names_with_markup_and_control_characters_are_plain_text(load, tmp_path):
    name = "<script>alert(1)</script>\x1b[31m\x0b\u2028"
    (tmp_path / "t.csv").write_text(f"{HEADER},tenant\n{name},0,1,1,{name}\nb,0,1,x,y\n", encoding="utf-8")
    assert "\x1b" not in refusal(load)
    (tmp_path / "t.csv").write_text(f"{HEADER},tenant\n{name},0,1,1,{name}\n", encoding="utf-8")
    jobs = load("csv", "t.csv")
    assert (jobs.job_id(0), jobs.tenant.name(0)) == (name, name)


def test_a_truncated_gzip_is_an_error(load, tmp_path):
    packed = gzip.compress(("".join([HEADER, *(f"\nj{i},{i},1,{i * 7919 % 1000}" for i in range(9999))])).encode())
    for cut in (len(packed) // 2, len(packed) - 1, len(packed) - 9, 12):
        (tmp_path / "t.csv").write_bytes(packed[:cut])
        assert refusal(load) == "t.csv: the gzip file is truncated; fetch it again"


def test_a_damaged_gzip_is_an_error(load, tmp_path):
    packed = bytearray(gzip.compress(CLEAN.encode()))
    packed[-5] ^= 0xFF  # its check sum
    (tmp_path / "t.csv").write_bytes(packed)
    assert refusal(load).startswith("t.csv: the gzip file is damaged: CRC check failed")


def test_rubbish_after_a_gzip_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_bytes(gzip.compress(CLEAN.encode()) + b"rubbish")
    assert refusal(load).startswith("t.csv: the gzip file is damaged")


def test_a_zip_named_csv_is_an_error(load, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("t.csv", CLEAN)
    assert refusal(load) == "t.csv: not a text file (got a ZIP archive, expected text or gzip of text)"


@pytest.mark.parametrize(
    ("data", "what"), [(b"PAR1\x15\x04\x15", "a Parquet file"), (b"\x28\xb5\x2f\xfd\x04", "a Zstandard file")]
)
def test_other_binary_formats_are_named(load, tmp_path, data, what):
    (tmp_path / "t.csv").write_bytes(data)
    assert what in refusal(load)


def test_a_nul_byte_is_an_error_with_its_place(load, tmp_path):
    (tmp_path / "t.csv").write_bytes(CLEAN.encode() + b"d,9,1\0,1\n")
    assert f"NUL byte at byte {len(CLEAN) + 5}" in refusal(load)


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_that_are_not_utf8_are_an_error_with_their_place(load, tmp_path, packed):
    data = CLEAN.encode() + b"caf\xe9,9,1,1\n"
    (tmp_path / "t.csv").write_bytes(gzip.compress(data) if packed else data)
    assert refusal(load) == f"t.csv: not UTF-8 text at byte {len(CLEAN) + 3} (got byte 0xe9)"


def test_a_character_that_is_cut_off_at_the_end_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_bytes(CLEAN.encode() + "é".encode()[:1])
    assert refusal(load) == f"t.csv: not UTF-8 text at byte {len(CLEAN)} (got byte 0xc3)"


def test_the_place_of_a_bad_byte_counts_from_the_front_of_a_large_file(load, tmp_path):
    rows = "".join(f"ö{i},{i},1,1\n" for i in range(60_000)).encode()
    (tmp_path / "t.csv").write_bytes(HEADER.encode() + b"\n" + rows + b"\xff\n")
    assert f"at byte {len(HEADER) + 1 + len(rows)} " in refusal(load)


def test_an_empty_file_is_an_error(load, tmp_path):
    for data in (b"", gzip.compress(b"")):
        (tmp_path / "t.csv").write_bytes(data)
        assert refusal(load) == "t.csv: the file is empty"


def test_a_file_without_rows_is_an_error(load, tmp_path):
    for text in (HEADER, HEADER + "\n\n", "\n\n"):
        (tmp_path / "t.csv").write_text(text)
        assert "the file has no rows" in refusal(load)


def test_a_folder_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").mkdir()
    assert refusal(load) == "t.csv: is a folder (expected a file)"


def test_a_file_that_is_not_there_is_an_error(load):
    with pytest.raises(ScenarioError):
        load("csv", "t.csv")


def test_an_endless_line_is_an_error_before_it_takes_memory(load, tmp_path):
    a_mebibyte = gzip.compress(b"a" * 2**20)
    (tmp_path / "t.csv").write_bytes(gzip.compress((HEADER + "\n").encode()) + a_mebibyte * 300)
    tracemalloc.start()
    message = refusal(load)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == "t.csv:2: the line is too long (expected at most 1 MiB)"
    assert peak < 2**24


def test_a_gzip_bomb_of_good_rows_is_an_error_before_it_takes_memory(load, tmp_path):
    rows = ("x" * 1000 + ",0,1,1\n") * 1000
    (tmp_path / "t.csv").write_bytes(
        gzip.compress((HEADER + "\n").encode()) + gzip.compress(rows.encode()) * 1000  # 1 GB
    )
    tracemalloc.start()
    message = refusal(load)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == "t.csv: unpacks more than 200-fold; unpack it yourself if you trust it"
    assert peak < 2**27


def test_zeros_are_an_error_at_once(load, tmp_path):
    (tmp_path / "t.csv").write_bytes(gzip.compress(b"\0" * 10_000_000))
    assert "NUL byte at byte 0" in refusal(load)


def test_the_origin_has_the_sum_of_the_file_as_sha256sum_gives_it(load, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"job_id,submit_s,accelerators,service_s\na,0,1,1\n")
    assert load("csv", "t.csv").origin == {
        "format": "csv",
        "file": "t.csv",
        "sha256": "d6ec74cf2e25a5c3f928496a35490c3c7c0d19d846c600986474a56b87ec1f53",
        "rows": 1,
    }


def test_a_window_starts_the_clock_anew(load, tmp_path):
    rows = "\n".join(f"j{i},{i * 10},1,1" for i in range(10))
    (tmp_path / "t.csv").write_text(f"{HEADER}\n{rows}\n")
    jobs = load("csv", "t.csv", since=20.0, until=60.0, limit=3)
    assert list(jobs.job_ids) == ["j2", "j3", "j4"]
    assert jobs.submit_s.tolist() == [0, 10, 20]
    assert jobs.origin["rows"] == 10
    assert list(load("csv", "t.csv", until=20.0).job_ids) == ["j0", "j1"]


def test_a_window_without_jobs_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_text(CLEAN)
    assert refusal(load, since=6.0).startswith("t.csv: no job is left")


def test_a_source_gives_its_head_again(tmp_path):
    (tmp_path / "t").write_text("first\nsecond\n")
    source = Source(tmp_path / "t", "t")
    assert source.head.startswith("first")
    assert "".join(source.text()) == "first\nsecond\n"
