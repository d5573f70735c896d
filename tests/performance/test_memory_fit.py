"""The fit rule, against runs that others published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory_accuracy import error_pct, judge, left_out_sizes, peaks, read_grid, right
from dcsim.kernels.facts import FULL, NONE, SELECTIVE, Model, Plan
from dcsim.performance.memory import Allowance, as_kept, available_b, eager, least_recompute, needed_b, shipped

LLAMA_8B = Model(32.0, 4096.0, 32.0, 8.0, 128.0, 14336.0, 1.0, 128256.0, 0.0)
PLAN = Plan(1.0, 1.0, 1.0, 64.0, 1.0, 1.0, 1.0, 64.0, 8192.0, sharding=3.0)


def test_what_is_available_follows_from_the_allowance() -> None:
    assert available_b(100.0, Allowance(visible=1.06, fixed_b=3.0, slack=0.03)) == pytest.approx(103.0 / 1.03)
    assert available_b(1.0, Allowance(visible=1.06, fixed_b=3.0, slack=0.03)) == 0.0


def test_the_least_recomputing_that_fits_is_chosen() -> None:
    needed = [
        float(needed_b(np.array([LLAMA_8B]), np.array([PLAN._replace(recompute=w, flash=0.0)]))[0]) for w in (0, 1)
    ]
    plan = PLAN._replace(flash=0.0)
    given = [1.1 * need * (1.0 + shipped().slack) + shipped().fixed_b for need in needed]
    assert least_recompute(LLAMA_8B, plan, given[0]) == NONE
    assert least_recompute(LLAMA_8B, plan, given[1]) == SELECTIVE
    assert least_recompute(LLAMA_8B, plan, 1e9) == FULL


def test_frameworks_keep_what_is_known_of_them() -> None:
    plain = PLAN._replace(sharding=0.0, tp=4.0)
    assert as_kept(plain, "Megatron-LM") == plain
    assert as_kept(PLAN, "torchtitan").optimizer_bytes == PLAN.optimizer_bytes - 2.0
    assert as_kept(plain, "MaxText (JAX)").sequence_parallel == 1.0
    assert as_kept(plain, "Megatron-DeepSpeed") == plain


def test_plain_code_keeps_copies_an_unfused_loss_and_16_bit_gradients_beside_fp32_sums() -> None:
    plain = PLAN._replace(sharding=1.0, tp=4.0)
    for name in ("nanotron", "DeepSpeed", "Colossal-AI", "Hugging Face"):
        found = as_kept(plain, name)
        assert (found.kept_factor, found.loss_bytes, found.beside_bytes) == (*eager(), 2.0)
    for changes in ({"sharding": 2.0}, {"gradient_bytes": 2.0}, {"linear_bytes": 4.0}):  # scattered; no wider sums
        assert as_kept(plain._replace(**changes), "DeepSpeed").beside_bytes == 0.0


def test_fsdp_adds_up_in_fp32_what_it_sends_in_16_bits() -> None:
    assert as_kept(PLAN._replace(gradient_bytes=2.0), "PyTorch FSDP").beside_bytes == 2.0
    assert as_kept(PLAN, "PyTorch FSDP").beside_bytes == 0.0


def test_recompute_that_names_no_tensors_is_taken_for_the_least_that_it_can_mean() -> None:
    selective = PLAN._replace(recompute=SELECTIVE)
    assert as_kept(selective, "torchtitan").recompute == FULL
    assert as_kept(selective._replace(sharding=0.0), "MaxText (JAX)").recompute == FULL
    assert as_kept(selective._replace(sharding=0.0), "Megatron-LM").recompute == SELECTIVE


def test_plans_of_the_strategy_grid_are_rightly_said_to_fit_or_not(shared: Path) -> None:
    grid = read_grid(shared / "strategy_grid_h100.csv")
    assert len(grid.ran) == 2287
    assert grid.sound.sum() == 1049
    assert right(grid, grid.needed_b(eager().kept_factor), shipped())[grid.sound].mean() >= 0.98
    assert right(grid, grid.needed_b(grid.factors), shipped()).mean() >= 0.98
    assert min(share for share, _ in left_out_sizes(grid).values()) >= 0.95


def test_hardly_any_run_that_ran_is_said_not_to_fit(shared: Path) -> None:
    ran = judge(shared / "training_measured.csv")
    assert ran.fits.mean() >= 0.98
    assert len(ran.fits) + sum(ran.left_out.values()) == 1469


def test_predicted_peaks_come_within_six_percent_of_the_measured_ones(shared: Path) -> None:
    found = peaks(shared / "training_memory_measured.csv", shared / "training_measured.csv")
    assert len(found["allocated"]) == 22
    assert error_pct(found["predicted"], found["allocated"]).max() < 6.0


def test_a_grid_with_empty_cells_loses_those_rows_alone(tmp_path: Path) -> None:
    names = "model,layers,hidden,heads,ffn_hidden,vocab,seq_len,dp,tp,pp,micro_batch,global_batch,zero_stage,status"
    rows = ["a,4,64,4,128,100,32,1,1,1,1,1,,ok", "a,4,64,4,,100,32,1,1,1,1,1,0,oom", "a,4,64,4,128,100,32,1,1,1,1,1,0,"]
    (tmp_path / "grid.csv").write_text("\n".join([names, *rows]))
    grid = read_grid(tmp_path / "grid.csv")
    assert grid.ran.tolist() == [True]
    assert grid.left_out == {"ffn_hidden is not given": 1, "status ''": 1}
