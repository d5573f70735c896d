"""`estimate --rows` as a planner runs it: a prediction for each row of a file, and every mistake of every other row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from dcsim.__main__ import main
from tests.performance.test_planning_commands import refused

HEADER = "id,accelerator,n_accelerators,layers,hidden,heads,seq_len,vocab,precision,tp,pp,dp,micro_batch,global_batch\n"


def test_rows_of_a_file_are_predicted_one_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(HEADER + "a,H100-SXM,8,32,4096,32,2048,50304,bf16,2,1,4,1,64\nb,None-9,8,32,4096,32,2048,,,,,,,\n")
    assert main(["estimate", "--rows", str(file)]) == 0
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["id"] for row in rows] == ["a"]
    assert float(rows[0]["step_time_s"]) * float(rows[0]["tokens_per_s_per_accelerator"]) == pytest.approx(
        64 * 2048 / 8, rel=1e-4
    )
    told = "accelerator: no accelerator preset of that name (got 'None-9'); nearest: '"
    assert said.err.startswith(f"dcsim: left out: {file}:3: {told}")


def test_a_row_whose_plan_cannot_be_is_left_out_with_every_rule_that_it_breaks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "rows.csv"
    run = "H100-SXM,8,32,4096,32,2048,50304,bf16,{},1,4,1,{}\n"
    file.write_text(HEADER + "a," + run.format(2, 64) + "b," + run.format(3, 65))
    assert main(["estimate", "--rows", str(file)]) == 0
    said = capsys.readouterr()
    assert [row["id"] for row in csv.DictReader(io.StringIO(said.out))] == ["a"]
    assert f"{file}:3: tp: does not divide the attention heads (got 3, expected a divisor of 32 heads)" in said.err
    assert f"{file}:3: dp: tp x pp x cp x dp is not the number of accelerators" in said.err
    file.write_text(HEADER + "b," + run.format(3, 65))
    assert main(["estimate", "--rows", str(file)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.startswith(f"dcsim: error: {file}:2: tp: ")) == ("", True)


NAMED = "id,model,accelerator,n_accelerators,global_batch,seq_len"


def test_what_a_row_asks_for_that_cannot_be_is_told_with_line_column_and_fix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "rows.csv"
    asked = ["a,llama-3-8b,H100-SXM,64,512,8192,", "b,llama-3-8b,H100-SXM,64,0,8192,fp4"]
    asked += ["c,llama-3-8b,V100-SXM2-32GB,64,512,16384,fp16", "d,llama-3-8b,V100-SXM2-32GB,64,512,4096,fp8"]
    file.write_text("\n".join([f"{NAMED},precision", *asked, ""]))
    assert main(["estimate", "--rows", str(file)]) == 0
    said = capsys.readouterr()
    assert [row["id"] for row in csv.DictReader(io.StringIO(said.out))] == ["a"]
    has, empty = "fp32, tf32, fp16, bf16, fp8", "leave it empty where it is not known"
    whole = "a whole number from 1 to 1000000000"
    longer = "longer than the positions of llama-3-8b allow"
    assert said.err.splitlines() == [
        f"dcsim: left out: {file}:{line}"
        for line in (
            f"3: precision: H100-SXM lacks this precision (got 'fp4', expected one of {has}); write fp8",
            f"3: global_batch: must be > 0 (got '0', expected {whole}); {empty}",
            f"4: seq_len: {longer} (got '16384', expected at most 8192); write 8192",
            "5: precision: V100-SXM2-32GB lacks this precision (got 'fp8', expected one of fp32, fp16); write fp16",
        )
    ]


def told_of_rows(capsys: pytest.CaptureFixture[str], file: Path, text: str) -> list[str]:
    """What is said of a file none of whose rows can be told, without its name."""
    file.write_text(text)
    return [line.removeprefix(f"dcsim: error: {file}:") for line in refused(capsys, ["estimate", "--rows", str(file)])]


def test_every_mistake_of_every_row_is_told_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    rows = ["a,llama-3-8b,H100-SXM,64,nan,-5,bf16,3,7", "b,llama-3-99b,H101,512,inf,8192,bf99,1.5,"]
    lines = told_of_rows(capsys, tmp_path / "rows.csv", "\n".join([f"{NAMED},precision,tp,pp", *rows, ""]))
    whole = "a whole number from 1 to 1000000000"
    assert [line.partition("; nearest: ")[0] for line in lines] == [
        f"2: seq_len: is not a finite number >= 0 (got '-5', expected {whole})",
        f"2: global_batch: is not a finite number >= 0 (got 'nan', expected {whole})",
        "2: tp: does not divide the attention heads (got 3, expected a divisor of 32 heads); write tp=2 or tp=4",
        "2: pp: does not divide the number of accelerators (got 7, expected a divisor of 64); write pp=4 or pp=8",
        "3: accelerator: no accelerator preset of that name (got 'H101')",
        f"3: tp: is no whole number (got '1.5', expected {whole})",
        f"3: global_batch: is not a finite number >= 0 (got 'inf', expected {whole})",
        "3: precision: is not known (got 'bf99', expected one of fp32, tf32, fp16, bf16, fp8, int8, fp4); "
        "did you mean 'bf16'?",
        "3: model: no model preset of that name, and no widths (got 'llama-3-99b', expected a preset, or layers, "
        "hidden, heads beside it)",
    ]
    assert ["; nearest: 'H100" in lines[4], "; nearest: 'llama-3-8b'" in lines[8]] == [True, True]


SPREAD = {
    "model": "mixtral-8x7b", "accelerator": "H100-SXM", "n_accelerators": "64", "seq_len": "8192", "global_batch": "64",
    "ep": "8", "tp": "4", "pp": "1", "cp": "2", "dp": "8", "moe_experts": "", "layers": "", "hidden": "", "heads": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "keys"),
    [
        ({"n_accelerators": "x", "tp": "3"}, ["n_accelerators", "tp"]),  # which is wrong for the heads
        ({"tp": "x"}, ["tp"]),  # the other degrees do not fill 64, and need not
        ({"cp": "x"}, ["cp"]),
        ({"moe_experts": "x"}, ["moe_experts"]),  # not: no experts to spread
        ({"layers": "x", "hidden": "x", "heads": "x", "model": "big"}, ["layers", "hidden", "heads"]),  # not: no preset
        ({"layers": "x", "hidden": "512", "heads": "8", "model": "big", "tp": "3"}, ["layers"]),
        ({"heads": "8", "model": "big"}, ["layers", "hidden"]),
        ({"accelerator": "H101", "global_batch": "nan"}, ["accelerator", "global_batch"]),
    ],
)
def test_a_cell_that_cannot_be_read_is_no_ground_for_another_mistake(
    cells: dict[str, str], keys: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    row = SPREAD | cells
    lines = told_of_rows(capsys, tmp_path / "rows.csv", f"{','.join(row)}\n{','.join(row.values())}\n")
    assert [line.split(": ")[1] for line in lines] == keys


def test_the_row_beside_those_that_cannot_be_read_is_a_good_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "rows.csv").write_text(f"{','.join(SPREAD)}\n{','.join(SPREAD.values())}\n")
    assert main(["estimate", "--rows", str(tmp_path / "rows.csv")]) == 0
    assert capsys.readouterr().err == ""


def test_rows_that_are_wrong_alike_are_told_in_one_line_that_names_theirs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    rows = [f"{name},llama-3-8b,H101,64,512,8192\n" for name in "abcdefgh"]
    (line,) = told_of_rows(capsys, tmp_path / "jobs.csv", f"{NAMED}\n{''.join(rows)}")
    assert line.startswith(
        "2: accelerator: no accelerator preset of that name, as in lines 3, 4, 5, 6, 7 and 2 more (go"
    )


@pytest.mark.parametrize(("chip", "has", "lacks"), [("V100-SXM2-32GB", "fp16", "bf16"), ("TPU-v3", "bf16", "fp16")])
def test_one_16_bit_format_is_not_the_other_though_either_serves_where_none_is_asked_for(
    chip: str, has: str, lacks: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "rows.csv"
    runs = [f"{precision},llama-3-8b,{chip},64,512,8192,{precision}\n" for precision in (has, lacks, "")]
    file.write_text(f"{NAMED},precision\n{''.join(runs)}")
    assert main(["estimate", "--rows", str(file)]) == 0
    said = capsys.readouterr()
    assert [row["id"] for row in csv.DictReader(io.StringIO(said.out))] == [has, ""]
    (line,) = said.err.splitlines()
    assert line.startswith(f"dcsim: left out: {file}:3: precision: {chip} lacks this precision (got '{lacks}'")
    assert line.endswith(f"; write {has}")


@pytest.mark.parametrize(
    ("chip", "asked", "fix"),
    [
        ("A100-SXM4-80GB", "fp8", "bf16"),
        ("A100-SXM4-80GB", "fp4", "bf16"),
        ("T4", "fp8", "fp16"),
        ("TPU-v6e", "fp8", "bf16"),
        ("TPU-v7x", "int8", "fp8"),
    ],
)
def test_no_fix_ever_advises_to_train_in_int8(
    chip: str, asked: str, fix: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "rows.csv"
    file.write_text(f"{NAMED},precision\na,llama-3-8b,{chip},64,512,8192,{asked}\n")
    words = ["--accelerator", chip, "--precision", asked]
    (of_rows,) = refused(capsys, ["estimate", "--rows", str(file)])
    (of_plan,) = refused(capsys, ["plan", "llama-3-8b", "--count", "64", "--global-batch", "512", *words])
    assert of_rows.endswith(f"; write {fix}")
    assert of_plan.endswith(f"; write --precision {fix}")
    assert ("int8" in of_plan.replace("got 'int8'", "")) == (chip == "TPU-v6e")  # which is listed, and has it


def test_int8_may_be_asked_for_wherever_rows_may_have_it(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(f"{NAMED},precision\na,llama-3-8b,TPU-v5e,256,512,4096,int8\n")
    assert main(["estimate", "--rows", str(file), "--json"]) == 0
    assert "precision" not in json.loads(capsys.readouterr().out)[0]["assumed"]
    words = ["llama-3-8b", "--count", "256", "--global-batch", "512", "--seq-len", "4096", "--json"]
    for chip in ("TPU-v5e", "TPU-v6e"):
        times = []
        for precision in ("bf16", "int8"):
            assert main(["plan", *words, "--accelerator", chip, "--precision", precision]) == 0
            times.append(json.loads(capsys.readouterr().out)["plans"][0]["step_time_s"])
        assert times[1] < times[0], chip


def test_a_row_that_names_a_model_alone_is_predicted_as_with_the_widths_of_its_preset(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    plan, run = "tp,pp,cp,micro_batch,recompute,precision", "1,1,1,1,none,bf16"
    # Llama 3 8B: Meta's config.json
    widths, given = "layers,hidden,heads,kv_heads,ffn_hidden,vocab,mlp_type", "32,4096,32,8,14336,128256,swiglu"
    file, answers = tmp_path / "rows.csv", []
    for header, cells in ((NAMED, ""), (f"{NAMED},{widths}", f",{given}")):
        file.write_text(f"{header},{plan}\na,Llama-3-8B,H100-SXM,64,512,8192{cells},{run}\n")
        assert main(["estimate", "--rows", str(file), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        answers.append(row)
    named, wide = answers
    assert named["step_time_s"] == wide["step_time_s"]
    assert named["memory_b"] == wide["memory_b"]
    assert [name for name in named["assumed"] if name not in wide["assumed"]] == ["widths of llama-3-8b"]


def test_a_file_without_widths_and_without_models_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text("accelerator,n_accelerators,global_batch,seq_len\nH100-SXM,64,512,8192\n")
    assert main(["estimate", "--rows", str(file)]) == 2
    assert "no column layers, hidden, heads" in capsys.readouterr().err


def test_recompute_that_a_row_does_not_say_is_the_least_that_fits_and_is_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    run = "H100-SXM,8,32,4096,32,{},50304,bf16,8,1,1,1,64,{}\n"
    file = tmp_path / "rows.csv"
    told = ["a," + run.format(2048, ""), "b," + run.format(131072, ""), "c," + run.format(131072, "none")]
    file.write_text(HEADER.replace("\n", ",recompute\n") + "".join(told))
    assert main(["estimate", "--rows", str(file), "--json"]) == 0
    short, long, none = json.loads(capsys.readouterr().out)
    assert [row["fits"] for row in (short, long, none)] == [True, True, False]
    assert ["recompute" in row["assumed"] for row in (short, long, none)] == [True, True, False]
    assert any("recompute at least" in note for note in long["notes"])
    assert long["step_time_s"] == none["step_time_s"]


def test_rows_that_repeat_others_are_predicted_too(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "rows.csv"
    run = "H100-SXM,8,32,4096,32,2048,50304,bf16,2,1,4,1,64"
    file.write_text(HEADER.replace("\n", ",primary\n") + f"a,{run},1\nb,{run},0\n")
    assert main(["estimate", "--rows", str(file)]) == 0
    assert [row["id"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["a", "b"]


@pytest.mark.parametrize("text", [None, "id,layers\n1,2\n"])
def test_a_file_without_the_columns_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | None):
    file = tmp_path / "rows.csv"
    if text is not None:
        file.write_text(text)
    assert main(["estimate", "--rows", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"dcsim: error: {file}: ")


def test_the_published_rows_can_be_predicted(capsys: pytest.CaptureFixture[str], shared: Path):
    assert main(["estimate", "--rows", str(shared / "training_measured.csv"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 1670  # all but 69 that give no widths or no sequence length, and plans that cannot be
    odd = [note for row in rows for note in row["notes"] if note.startswith("an unusual plan")]
    assert "an unusual plan: vpp interleaved stages must be of equal size" in odd
    assert sum(row["fits"] for row in rows) >= 0.94 * len(rows)  # all of them ran
    assert all(row["tokens_per_s_per_accelerator"] > 0 for row in rows)


def test_a_row_says_what_was_computed_where_it_leaves_that_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "rows.csv"
    file.write_text(
        "id,model,accelerator,n_accelerators,seq_len,framework,sharding,tp,pp,dp\n"
        "open,llama-3-8b,H100-SXM,8,8192,,,,,\n"
        "tpu,llama-3-8b,TPU-v5p,8,8192,,,,,\n"
        "own,llama-3-8b,H100-SXM,16,8192,torchtitan,hsdp,1,1,16\n"
    )
    assert main(["estimate", "--rows", str(file)]) == 0
    bare, tpu, own = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert bare["plan"] == "tp 2 dp 4, zero1, recompute none, micro-batch 1 of 512, megatron"
    assert {"framework", "plan", "global_batch"} <= set(bare["assumed"].split("; "))
    assert tpu["plan"] == "dp 8, zero3, recompute none, micro-batch 1 of 8, jax"
    assert own["plan"] == "dp 16, hsdp, recompute none, micro-batch 1 of 16, pytorch"
    assert "framework" not in own["assumed"].split("; ")


@pytest.mark.parametrize(("chip", "framework"), [("TPU-v6e", "JAX"), ("H100-SXM", "Megatron-LM")])
def test_no_framework_is_the_usual_one_in_time_and_memory(
    chip: str, framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "rows.csv"
    run = f"llama-3-8b,{chip},64,8192,{{}},zero3,8,1,8,4,64"
    file.write_text(
        "id,model,accelerator,n_accelerators,seq_len,framework,sharding,tp,pp,dp,micro_batch,global_batch\n"
        f"a,{run.format('')}\nb,{run.format(framework)}\n"
    )
    assert main(["estimate", "--rows", str(file), "--json"]) == 0
    bare, named = json.loads(capsys.readouterr().out)
    assert [bare[key] for key in ("step_time_s", "memory_b", "plan")] == [
        named[key] for key in ("step_time_s", "memory_b", "plan")
    ]
