"""Whatever is asked, the answer is a figure or lines that a person can read."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.performance.estimate import estimate
from dcsim.performance.planner import plan
from dcsim.performance.predictions import predict

MODELS = ("gpt-2", "llama-3-8b", "mixtral-8x7b", "resnet-50", "dlrm-dcnv2", "gpt2", "", "x" * 300, None, 3, "no.toml")
CHIPS = ("H100-SXM", "V100-SXM2-16GB", "TPU-v4", "H100", "", None, [], "nope.toml")
JUNK: tuple[object, ...] = (
    *(
        "nan",
        "inf",
        "-1",
        "0",
        "1e400",
        "1e-400",
        "1.5",
        "abc",
        "",
        "1_000",
        "\uff11",
        "*",
        "1e6*",
        "-2*-3",
        "1e18*1e18",
    ),
    *("60", "-5 s", "0 s", "1e-320 B/s", True, [1], {"a": 1}, b"8", 10**400, math.nan, math.inf, 1e-320, 2**63, "\x00"),
)
GOOD: dict[str, tuple[object, ...]] = {
    "tokens": ("1e9", 1e12, "1e6*10"),
    "samples": ("1e6", "1.28e6*90"),
    "target_loss": ("2.2", 1e9, 1.8170001, 1.69),
    "count": ("8", 64, 7),
    "deadline": ("60 d", 1e6, "1 s"),
    "global_batch": ("256", 8, 96),
    "seq_len": ("128", 4096, "333"),
    "precision": ("bf16", "fp8", "fp32"),
    **dict.fromkeys(("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch"), (1, 2, 8, 999)),
    "recompute": ("none", "full"),
    "sharding": ("zero1", "zero3"),
    "law": ("chinchilla", "kaplan"),
    "optimizer": ("adam", "sgd"),
    "jitter": (0.1, "0.5"),
    "sample_size": ("1 MB", 100),
    "loader_rate": ("1 GB/s", 1e8),
    "storage_bandwidth": ("10 GB/s",),
    "top": (1, 3),
}


@pytest.mark.parametrize("seed", range(8))
def test_questions_of_any_kind_are_answered_or_refused_in_words(seed: int):
    rng = random.Random(seed)
    for _ in range(60):
        options = {
            name: rng.choice(JUNK if rng.random() < 0.25 else GOOD[name])
            for name in rng.sample(sorted(GOOD), rng.randint(1, 7))
        }
        model, chip, said = rng.choice(MODELS), rng.choice(CHIPS), []
        try:
            answered = [estimate(model, chip, **options).plan] if seed % 2 else plan(model, chip, **options).plans
        except ScenarioError as error:
            answered, said = [], error.lines()
        assert answered or said
        assert all("\n" not in line and len(line) < 450 for line in said)
        assert all(0 < one.step_time_s < math.inf and 0 < one.mfu < 1 for one in answered)


COLUMNS = ("id", "accelerator", "n_accelerators", "layers", "hidden", "heads", "seq_len", "vocab", "precision")
PLAIN = ("a", "H100-SXM", "8", "32", "4096", "32", "2048", "50304", "bf16")
MORE = ("tp", "pp", "dp", "cp", "ep", "micro_batch", "global_batch", "moe_experts", "moe_first_dense", "interconnect")
CELLS = ("nan", "-1", "0", "1e400", "abc", "1.5", "1e9", "1e-300", "8x 0 Gb/s", "\x00", '"', "")


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_any_kind_are_predicted_or_left_out(seed: int, tmp_path: Path):
    rng = random.Random(seed)
    file = tmp_path / "rows.csv"
    rows = [dict(zip(COLUMNS, PLAIN, strict=True)) for _ in range(200)]
    for row in rows:
        for name in rng.sample((*COLUMNS, *MORE), rng.randint(1, 3)):
            row[name] = rng.choice(CELLS)
    with file.open("w", newline="") as out:
        table = csv.DictWriter(out, (*COLUMNS, *MORE))
        table.writeheader()
        table.writerows(rows)
    found = predict(file)
    left_out = {problem.line for problem in found.left_out}
    assert all(problem.key and (problem.got or "is not given" in problem.what) for problem in found.left_out)
    assert len(found.rows) + len(left_out) == 200
    assert all(0 < row.step_time_s < math.inf and 0 < row.memory_b < math.inf for row in found.rows)


def test_a_missing_cell_is_no_crash(tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(",".join(reversed(COLUMNS)) + "\nbf16,50304\n")
    with pytest.raises(ScenarioError, match=":2: accelerator: is not given"):
        predict(file)
