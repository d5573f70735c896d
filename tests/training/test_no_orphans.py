"""No orphan facts: every key of a training job, and of a pool that only such jobs read, changes what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dcsim.scenario.load import load
from dcsim.scenario.training import Plan, TrainingJob
from dcsim.scenario.write import from_toml, to_toml
from tests.training.given import PASS, PRODUCT, job, loaded, pool, ran

LLAMA = {"model": '"llama-3-8b"', "global_batch": 64, "accelerators": 16, "sequence_length": 4096, "steps": 10}
ELASTIC = LLAMA | {"accelerators": None, "min_accelerators": 8, "max_accelerators": 16}
LOSS = {"steps": None, "target_loss": 2.5}
DATA = {"sample_size": '"1 MB"', "loader_rate": '"1 MB/s"'}

# Key: keys of the job before, and what changes.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model": ({}, {"model": PASS}),
    "submit": ({}, {"submit": '"5 s"'}),
    "count": ({}, {"count": 2}),
    "every": ({"count": 2}, {"every": '"5 s"'}),
    "steps": ({}, {"steps": 11}),
    "tokens": (LLAMA, {"steps": None, "tokens": 1e8}),
    "samples": ({}, {"steps": None, "samples": 1000.0}),
    "target_loss": (LLAMA | LOSS, {"target_loss": 2.4}),
    "law": (LLAMA | LOSS, {"law": '"kaplan"'}),
    "noise_scale": ({}, {"noise_scale": 4.0}),
    "global_batch": ({}, {"global_batch": 2}),
    "sequence_length": (LLAMA, {"sequence_length": 2048}),
    "precision": (LLAMA, {"precision": '"fp8"'}),
    "framework": (LLAMA, {"framework": '"pytorch"'}),
    "gradient_bytes": (LLAMA, {"gradient_bytes": 2}),
    "optimizer": ({"model": '"resnet-50"', "global_batch": 64}, {"optimizer": '"adam"'}),
    "plan": (LLAMA, {"plan": "{ tp = 8 }"}),
    "plan.tp": (LLAMA, {"plan": "{ tp = 8 }"}),
    "plan.pp": (LLAMA, {"plan": "{ pp = 4 }"}),
    "plan.vpp": (LLAMA | {"plan": "{ pp = 4, vpp = 1 }"}, {"plan": "{ pp = 4, vpp = 4 }"}),
    "plan.dp": (LLAMA, {"plan": "{ dp = 2 }"}),
    "plan.cp": (LLAMA, {"plan": "{ cp = 8 }"}),
    "plan.ep": (LLAMA | {"model": '"mixtral-8x7b"', "plan": "{ ep = 8, dp = 16 }"}, {"plan": "{ ep = 4, dp = 16 }"}),
    "plan.micro_batch": (LLAMA, {"plan": "{ micro_batch = 1 }"}),
    "plan.recompute": (LLAMA, {"plan": '{ recompute = "full" }'}),
    "plan.sharding": (LLAMA | {"plan": '{ sharding = "zero1" }'}, {"plan": '{ sharding = "zero3" }'}),
    "plan.schedule": (LLAMA | {"plan": "{ pp = 4, vpp = 1 }"}, {"plan": '{ pp = 4, vpp = 1, schedule = "zb-h1" }'}),
    "plan.experts": (
        LLAMA | {"model": '"mixtral-8x7b"', "plan": "{ tp = 2, ep = 8, dp = 8 }"},
        {"plan": '{ tp = 2, ep = 8, dp = 8, experts = "cut" }'},
    ),
    "accelerators": ({"global_batch": 8}, {"accelerators": 2}),
    "min_accelerators": (ELASTIC, {"min_accelerators": 16}),
    "max_accelerators": (ELASTIC, {"max_accelerators": 8}),
    "pool": ({}, {"pool": '"b"'}),
    "jitter": ({"global_batch": 8, "accelerators": 8}, {"jitter": 0.1}),
    "sample_size": (DATA, {"sample_size": '"2 MB"'}),
    "loader_rate": (DATA, {"loader_rate": '"2 MB/s"'}),
    "storage_bandwidth": (DATA, {"storage_bandwidth": '"1 kB/s"'}),
}  # fmt: skip

NO_CHANGE = {
    "name": "names the job in results",
    "priority": "is a column of the job table, which schedulers read",
    "tenant": "is a column of the job table, which metrics read",
}


def leaves(folder: Path, keys: dict[str, Any], *pools: str) -> tuple[Any, ...]:
    """Rows of the log, and what the training jobs came to."""
    keys = dict(keys)
    usual = pool(nodes=2), pool("b", '"A100-SXM4-80GB"', nodes=2)
    run = ran(folder, *(pools or usual), job("j", keys.pop("model", PRODUCT), **keys))
    log = run.log
    return log.time_s.tolist(), log.value.tolist(), log.pool.tolist(), log.nodes.tolist(), run.trained


def test_every_key_of_a_training_job_is_looked_at_here():
    known = [*TrainingJob.model_fields, *(f"plan.{name}" for name in Plan.model_fields)]
    assert sorted({*CHANGES, *NO_CHANGE}) == sorted(known)


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_changes_what_comes_of_the_job(tmp_path: Path, key: str):
    before, change = CHANGES[key]
    assert leaves(tmp_path, before) != leaves(tmp_path, before | change)


def test_the_network_of_a_pool_changes_what_comes_of_a_job_that_spans_nodes(tmp_path: Path):
    keys = LLAMA | {"plan": '{ sharding = "zero3" }', "accelerators": 16}
    usual, slow = (leaves(tmp_path, keys, pool(nodes=2, more=more)) for more in ("", 'nic_bandwidth = "10 GB/s"'))
    assert usual != slow
    # On twelve, the second node has four: they have the NIC of that node to themselves only if it is one for all.
    keys = LLAMA | {"accelerators": 12, "global_batch": 48, "plan": '{ tp = 1, sharding = "zero3" }'}
    nics = (f'nic_bandwidth = "10 GB/s"\nnics_per_node = {n}' for n in (1, 8))
    one, each = (leaves(tmp_path, keys, pool(nodes=2, more=more)) for more in nics)
    assert one[0] == each[0]  # the first node is full: its NIC is no wider for being one


def test_labels_are_columns_of_the_job_table(tmp_path: Path):
    run = ran(tmp_path, pool(), job("j", tenant='"us"', priority=7))
    assert (run.jobs.tenant.name(0), run.jobs.priority.tolist(), run.jobs.job_id(0)) == ("us", [7], "j")


def test_a_resolved_scenario_runs_again_as_it_is(tmp_path: Path):
    text = to_toml(loaded(tmp_path, pool(), job("j", **LLAMA | LOSS | {"plan": "{ tp = 8 }"})).scenario)
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    assert from_toml(text) == load(tmp_path / "again.toml").scenario
    assert to_toml(load(tmp_path / "again.toml").scenario) == text
