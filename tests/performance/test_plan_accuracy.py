"""Published runs beside best plans: what a row asks, which rows are left out, and percentiles by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dcsim
from benchmarks.plan_accuracy import Question, compare, line, percentiles, report
from dcsim.errors import ScenarioError
from dcsim.performance import planning
from dcsim.performance.calibrate import weights
from dcsim.performance.row_cells import Row
from dcsim.performance.rows import read

RUN = {
    "id": "a", "source_group": "one", "task": "pretrain", "model": "Llama 3 8B", "layers": "32", "hidden": "4096",
    "heads": "32", "kv_heads": "8", "head_dim": "128", "ffn_hidden": "14336", "mlp_type": "swiglu", "vocab": "128256",
    "seq_len": "4096", "accelerator": "H100-80GB-SXM", "n_accelerators": "8", "precision": "bf16", "tp": "8", "pp": "1",
    "dp": "1", "micro_batch": "1", "global_batch": "64", "framework": "Megatron-Core", "primary": "1",
    "tokens_per_s_per_accelerator": "1000",
}  # fmt: skip
ASKED = Question("llama-3-8b", "H100-SXM", 8, 64, 4096, "bf16")


@pytest.fixture(scope="module")
def best() -> float:
    """What `dcsim plan` says of the same question, tokens/s an accelerator."""
    found = dcsim.plan("llama-3-8b", "H100-SXM", count=8, global_batch=64, seq_len=4096, precision="bf16").plans[0]
    assert found.tokens_per_s_per_accelerator is not None
    return found.tokens_per_s_per_accelerator


def run(**cells: str) -> Row:
    return {**RUN, **cells}


def at(speed: float, source: str = "one") -> Row:
    return run(tokens_per_s_per_accelerator=repr(speed), source_group=source)


def test_a_speed_is_held_against_the_best_plan_of_the_same_question(best: float) -> None:
    found = compare([at(0.5 * best), at(1.25 * best, "two")])
    assert found.ratio == pytest.approx([0.5, 1.25])
    assert (found.questions, list(found.best)) == ([ASKED, ASKED], [ASKED])
    assert found.own[0] == found.own[1] < best  # eight tensor ranks are not the fastest here


def test_a_vocabulary_may_be_padded_and_a_preset_be_named_without_widths() -> None:
    bare = dict.fromkeys(("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn_hidden", "vocab"), "")
    found = compare([run(vocab="131072"), run(model="llama-3-8b", **bare)])
    assert found.questions == [ASKED, ASKED]
    (longer,) = compare([run(seq_len="16384")]).questions  # 8,192 positions are all that llama-3-8b has
    assert longer.model == "llama-3.1-8b"


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"layers": "31"}, "the model is no preset"),
        ({"vocab": "32000"}, "the model is no preset"),
        ({"seq_len": "1048576"}, "longer sequences than the preset has positions for"),
        ({"flash_attention": "n"}, "attention without a fused kernel, which no plan of a search has"),
        ({"global_batch": ""}, "no global batch"),
        ({"precision": "nvfp4"}, "a precision that the device lacks"),
        ({"n_accelerators": "1", "tp": "1"}, "no plan fits, by the model"),  # 18 B a parameter are 145 GB
        ({"tokens_per_s_per_accelerator": ""}, "no measured tokens/s or step time"),
    ],
)
def test_a_row_that_asks_no_question_is_left_out_by_rule(cells: dict[str, str], rule: str) -> None:
    assert compare([run(**cells)]).left_out == {rule: 1}


def test_rows_that_do_not_count_are_not_looked_at() -> None:
    found = compare([run(primary="0"), run(task="lora"), run(task="sft")])
    assert (found.rows, found.left_out) == ([], {})


def test_each_source_may_weigh_the_same() -> None:
    values = np.array([0.5, 0.6, 0.7, 1.2])
    sources = weights(np.array(["one", "one", "one", "two"]))
    # By rows a quarter of the weight lies at 0.5; by sources a sixth lies there, a third at 0.6 or below, half at 1.2.
    assert percentiles(values).tolist() == [0.5, 0.5, 0.5, 0.6, 0.7, 1.2, 1.2]
    assert percentiles(values, sources)[[2, 4, 5]].tolist() == [0.6, 1.2, 1.2]
    assert [line("", values, weight).split()[-1] for weight in (None, sources)] == ["25", "50"]


def test_the_last_line_is_one_object(best: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [at(0.8 * best), at(0.9 * best), at(1.1 * best, "two"), run(task="lora"), run(layers="31")]
    names = list(RUN)
    text = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(text), encoding="utf-8")
    report(tmp_path / "rows.csv")
    said = capsys.readouterr().out.splitlines()
    told = json.loads(said[-1])
    assert said[0] == "3 of 4 primary rows of pre-training: 1 questions, 2 sources"
    assert (told["rows"], told["questions"], told["sources"], told["left_out"]) == (3, 1, 2, 1)
    assert (told["above_best"], told["above_best_by_source"]) == (0.3333, 0.5)
    assert told["each_row_the_same"]["p50"] == 0.9
    assert told["each_source_the_same"]["p95"] == 1.1
    assert "1 rows are more than 5% faster than the best plan;" in said


def test_the_preset_says_what_the_benchmark_finds(shared: Path) -> None:
    found = compare(read(shared / "training_measured.csv"))
    said = planning.usual().published_over_best_plan
    assert (said.runs, said.sources) == (len(found.rows), len(set(found.sources.tolist())))
    # New constants may move the percentiles; by more than this the preset and the documents want the new ones.
    _, low, *_, high, _ = percentiles(found.ratio, weights(found.sources))
    assert (low, high) == pytest.approx((said.low, said.high), abs=0.02)


def test_a_file_with_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(",".join(RUN) + "\n" + ",".join(run(layers="31").values()), encoding="utf-8")
    with pytest.raises(ScenarioError, match="no row can be held against a best plan"):
        report(tmp_path / "rows.csv")
