"""Training jobs that cannot be: file, line, key, value and fix, all of them at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dcsim.__main__ import main
from dcsim.errors import ScenarioError
from dcsim.report.trained import bounds, sentences
from dcsim.scenario.spec import Pool
from dcsim.scenario.training import TrainingJob
from tests.training.given import PRODUCT, job, loaded, pool, ran, trained

LLAMA = '"llama-3-8b"'
GOOD = {"global_batch": 64, "accelerators": 16, "sequence_length": 4096}
HERE = pool(nodes=5)

# What is wrong: keys of a job of llama-3-8b, what the error line must say behind the file's name.
CASES = {
    "unknown model": (
        {"model": '"llama-3-8bb"'},
        "model: no model preset of that name (got \"llama-3-8bb\"); nearest: 'llama-3-8b'",
    ),
    "unknown law": (
        {"steps": None, "target_loss": 2.2, "law": '"hoffman"'},
        "law: no scaling-law preset of that name",
    ),
    "unknown key": ({"acelerators": 8}, "acelerators: unknown key; did you mean 'accelerators'"),
    "a key like one of the file": (
        {"pools": '"a"'},
        "pools: unknown key; did you mean 'pool' or the key of that name at the top level?",
    ),
    "a key of the file": ({"seed": 3}, "seed: unknown key; did you mean the key of that name at the top level?"),
    "a key like one of a pool": (
        {"accelerator": '"H100-SXM"'},
        "accelerator: unknown key; did you mean 'accelerators' or 'pools.0.accelerator'?",
    ),
    "a key of other models": (
        {"model": PRODUCT.replace("sample", "hidden = 8, sample"), "sequence_length": None},
        "model.hidden: unknown key; did you mean 'ffn_hidden'",
    ),
    "unknown pool": ({"pool": '"b"'}, 'pool: no pool of that name (got "b"); known: a'),
    "unknown degree": ({"plan": "{ dpp = 2 }"}, "plan.dpp: unknown key; did you mean 'pp' or 'dp'"),
    "tp and heads": (
        {"plan": "{ tp = 3 }"},
        "plan.tp: does not divide the attention heads (got 3, expected a divisor of 32 heads); write plan.tp=",
    ),
    "degrees": (
        {"plan": "{ tp = 4, pp = 2, cp = 1, dp = 4 }"},
        "plan.dp: tp x pp x cp x dp is not the number of accelerators (got 4 x 2 x 1 x 4 = 32, expected 16); write",
    ),
    "a degree that does not divide what others leave": (
        {"plan": "{ tp = 4, pp = 3 }"},
        "plan.pp: does not divide the accelerators that tp leaves (got 3, expected a divisor of 16 / 4 = 4); write",
    ),
    "stages": (
        {"plan": "{ pp = 16, vpp = 4 }"},
        "plan.pp: more stages than layers (got 16 x 4 = 64, expected pp x vpp <= 32)",
    ),
    "batch": (
        {"global_batch": 63, "plan": "{ dp = 16 }"},
        "plan.dp: the data-parallel degree does not divide the global batch (got 16, expected a divisor of 63)",
    ),
    "no plan at all": (
        {"global_batch": 7, "accelerators": 37},
        "accelerators: no legal plan for llama-3-8b with a batch of 7 (got 37); numbers that have one: ",
    ),
    "a size that no pool has": (
        {"global_batch": 7, "accelerators": 41},
        "accelerators: no pool that it may use has so many: the largest has 40 (got 41)",
    ),
    "precision": (
        {"precision": '"fp4"'},
        "precision: H100-SXM lacks this precision (got 'fp4', expected one of bf16, fp16, tf32, fp32, fp8)",
    ),
    "sequence": (
        {"sequence_length": 65536},
        "sequence_length: longer than the positions of llama-3-8b allow (got '65536', expected at most 8192)",
    ),
    "memory": ({"accelerators": 1, "plan": "{ tp = 1 }"}, "plan.tp: none of 21 plans fits into H100-SXM: tp 1, pp 1, "),
    "loss": ({"steps": None, "target_loss": 1.0}, "target_loss: is out of reach (got 1, expected above"),
    "loss of too short a training": (
        {"steps": None, "target_loss": 90.0},
        "target_loss: takes fewer than 5 B tokens, of which the law 'chinchilla-corrected' tells nothing (got 90, ",
    ),
    "two lengths": (
        {"tokens": 1e9},
        "tokens: one of steps, tokens, samples, target_loss says how long it trains: steps an",
    ),
    "no length": (
        {"steps": None},
        "steps: one of steps, tokens, samples, target_loss says how long it trains: none is gi",
    ),
    "no size": (
        {"accelerators": None},
        "accelerators: its size is accelerators, or min_accelerators and max_accelerators",
    ),
    "size twice": ({"min_accelerators": 8, "max_accelerators": 16}, "accelerators: its size is accelerators, or min_"),
    "sizes the wrong way": (
        {"accelerators": None, "min_accelerators": 16, "max_accelerators": 8},
        "min_accelerators: 16 is more than max_accelerators (8)",
    ),
    "law without loss": ({"law": '"chinchilla"'}, "law: has no effect without target_loss"),
    "every without count": ({"every": '"1 h"'}, "every: has no effect without count"),
    "size of nothing": ({"sample_size": '"4 kB"'}, "sample_size: has no effect without loader_rate or storage_ban"),
    "nan": ({"jitter": "nan"}, "jitter: must be finite (got nan)"),
    "negative": ({"noise_scale": -1.0}, "noise_scale: out of range (got -1.0, expected > 0"),
    "zero": ({"global_batch": 0}, "global_batch: out of range (got 0, expected >= 1)"),
    "fraction": ({"accelerators": 2.5}, "accelerators: wrong type (got float 2.5, expected integer)"),
    "no unit": ({"loader_rate": 5e9}, 'loader_rate: 5000000000.0 has no unit; write e.g. "5000000000.0 B/s"'),
    "no word for a plan": (
        {"plan": '"fast"'},
        'plan: is no plan (got "fast"); write "auto", or a table such as { tp = 8 }',
    ),
    "a network without room": (
        {"model": '"dlrm-criteo-1tb"', "accelerators": 1, "sequence_length": None},
        "pool: dlrm-criteo-1tb does not fit into H100-SXM on 1: 1 sample at once (got 91135918530 B (91.1 GB) a device",
    ),
    "a network's tokens": (
        {"model": '"resnet-50"', "steps": None, "tokens": 1e9, "sequence_length": None},
        "tokens: is for transformers, resnet-50 is none; write samples or steps",
    ),
    "a network's plan": (
        {"model": '"resnet-50"', "plan": "{ tp = 2 }", "sequence_length": None},
        "plan.tp: plan may only say micro_batch: resnet-50 is no transformer and is trained data-parallel",
    ),
    "a network's batch": (
        {"model": '"resnet-50"', "global_batch": 100, "sequence_length": None},
        "global_batch: is not divisible (got 100, expected a multiple of accelerators 16); write global_batch=96 or ",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_job_is_told_with_line_key_value_and_fix(tmp_path: Path, name: str):
    keys, said = CASES[name]
    keys = GOOD | keys
    model = keys.pop("model", LLAMA)
    with pytest.raises(ScenarioError) as caught:
        ran(tmp_path, HERE, job("bad", model, **keys))
    (problem,) = caught.value.problems
    assert problem.line is not None
    assert str(problem).partition(f"train.toml:{problem.line}: jobs.0")[2].lstrip(".").startswith(said), str(problem)


def test_all_bad_jobs_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bad = [
        job("one", LLAMA, **GOOD | {"plan": "{ tp = 3, pp = 64 }"}),
        job("two", LLAMA, **GOOD | {"precision": '"fp4"', "sequence_length": 10**6}),
        job("good", LLAMA, **GOOD),
        job("three", '"llama-3-70b"', **GOOD | {"accelerators": 8}),
    ]
    file = tmp_path / "train.toml"
    with pytest.raises(ScenarioError) as caught:
        ran(tmp_path, HERE, *bad)
    keys = [problem.key for problem in caught.value.problems]
    plan = ["jobs.0.plan.tp", "jobs.0.plan.pp"]
    assert keys == [*plan, "jobs.1.precision", "jobs.1.sequence_length", "jobs.3.accelerators"]
    assert main(["validate", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[3] for line in lines] == keys
    text = file.read_text().splitlines()
    for line in lines:  # the line that is named holds the key
        number = int(line.split(": ")[2].rsplit(":", 1)[1])
        assert text[number - 1].startswith(line.split(": ")[3].split(".")[2])


KINDS_OF_MISTAKES = {  # keys of a job, and those that are told
    "its model is unknown": ({"model": '"llama-3-8bb"'}, ["model"]),
    "its length is no number": ({"steps": None, "tokens": "nan"}, ["tokens"]),
    "two lengths, a batch below 0, a sequence too long": (
        {"tokens": 1e9, "global_batch": -64, "sequence_length": 100000},
        ["tokens", "global_batch", "sequence_length"],
    ),
    "illegal degrees beside a misspelt one": (
        {"plan": "{ tpp = 2, tp = 5, pp = 40 }"},
        ["plan.tpp", "plan.tp", "plan.pp"],
    ),
    "a product": ({"plan": "{ tp = 4, pp = 4, dp = 8 }"}, ["plan.dp"]),
    "a precision that its pool lacks": ({"pool": '"old"', "precision": '"fp8"'}, ["precision"]),
    "a loss and a size out of reach": (
        {"steps": None, "target_loss": 1.2, "accelerators": 6000},
        ["target_loss", "accelerators"],
    ),
    "no room": ({"pool": '"old"', "accelerators": 1}, ["accelerators"]),
    "a network's": (
        {"model": '"resnet-50"', "plan": "{ tp = 2 }", "steps": None, "tokens": 1e9, "sequence_length": None},
        ["tokens", "plan.tp"],
    ),
    "a loss of no decoder": (
        {"model": '"bert-base"', "steps": None, "target_loss": 2.5, "sequence_length": 512},
        ["target_loss"],
    ),
    "its pool is unknown, and its precision no word": ({"pool": '"b"', "precision": '"bf17"'}, ["pool", "precision"]),
    "a batch without size": ({"accelerators": None, "global_batch": 2.5}, ["accelerators", "global_batch"]),
    "no unit and no effect": ({"loader_rate": 5e9, "every": '"1 h"'}, ["loader_rate", "every"]),
    "nothing": ({}, []),
}


@pytest.mark.parametrize("accelerator", ['"H100-SXM"', '"H100-SXMM"'], ids=["pools are right", "a pool is wrong"])
def test_no_mistake_hides_those_of_other_keys_jobs_and_pools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], accelerator: str
):
    jobs, expected = [], ["pools.0.accelerator"] if accelerator == '"H100-SXMM"' else []
    for number, (keys, told) in enumerate(KINDS_OF_MISTAKES.values()):
        keys = GOOD | keys
        jobs.append(job(f"j{number}", keys.pop("model", LLAMA), **keys))
        expected += [f"jobs.{number}.{key}" for key in told]
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, pool(accelerator=accelerator, nodes=8), pool("old", '"V100-SXM2-32GB"', nodes=8), *jobs)
    problems = caught.value.problems
    assert sorted(problem.key for problem in problems) == sorted(expected)
    assert [problem.line for problem in problems] == sorted(problem.line or 0 for problem in problems)
    assert main(["validate", str(tmp_path / "train.toml")]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[:20] == [f"dcsim: error: {problem}" for problem in problems[:20]]


def test_a_job_larger_than_every_pool_is_noted_by_validate_and_refused_where_none_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    own = job("large", LLAMA, **GOOD | {"accelerators": 128})
    found = loaded(tmp_path, pool(nodes=8), pool("b", nodes=2), own)
    said = "jobs.0.accelerators: no pool that it may use has so many: the largest has 64 (got 128)"
    assert [note.startswith(said) for note in found.notes] == [True]
    assert main(["validate", str(tmp_path / "train.toml")]) == 0
    assert f"{said}; the job is rejected when it is submitted" in capsys.readouterr().err
    assert main(["validate", str(tmp_path / "train.toml"), "--set", "reject_oversize=false"]) == 2
    assert re.search(rf"train\.toml:\d+: {re.escape(said)}\n", capsys.readouterr().err)
    assert not loaded(tmp_path, pool(nodes=16), pool("b", nodes=2), own).notes


def test_advice_for_a_degree_of_a_job_holds_under_all_rules(tmp_path: Path):
    keys = GOOD | {"global_batch": 96, "accelerators": 64}
    with pytest.raises(ScenarioError, match=r"plan\.dp: .* write plan\.dp=16 or plan\.dp=32$"):
        trained(tmp_path, pool(nodes=8), job("j", LLAMA, **keys | {"plan": "{ dp = 64 }"}))
    for dp in (16, 32):  # 48 divides 96, but not 64
        trained(tmp_path, pool(nodes=8), job("j", LLAMA, **keys | {"plan": f"{{ dp = {dp} }}"}))


def test_two_jobs_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(ScenarioError, match=r"jobs\.1\.name: another job has this name"):
        loaded(tmp_path, HERE, job("same"), job("same"))


def test_a_scenario_needs_a_workload_or_jobs(tmp_path: Path):
    with pytest.raises(ScenarioError, match="missing required table: workload"):
        loaded(tmp_path, HERE)
    with pytest.raises(ScenarioError, match=r"speeds: has no effect without a workload"):
        loaded(tmp_path, HERE, job(), '[speeds]\nuse = "roofline"\naccelerator = "H100-SXM"\nmodel = "gpt-2"')


def test_a_job_too_large_for_every_pool_is_rejected_with_the_reason(tmp_path: Path):
    run = ran(tmp_path, pool(nodes=1), job("small"), job("large", LLAMA, **GOOD))
    assert run.summary["jobs_rejected"] == 1
    assert "can never fit: it needs 16 accelerators, a has 1 x 8" in run.log.reasons
    assert [(told.pool, told.started) for told in run.trained] == [("a", True), (None, False)]
    assert bounds(run) == "1 bound by compute, 1 never started"
    assert sentences(run.trained[1])[0].startswith("it would train llama-3-8b")


def test_a_job_that_no_pool_can_train_is_told_what_each_has_against_it(tmp_path: Path):
    kinds = '"V100-SXM2-16GB"', '"A100-SXM4-40GB"', '"V100-SXM2-16GB"'
    pools = [pool(f"p{number}", kind) for number, kind in enumerate(kinds)]
    with pytest.raises(ScenarioError) as caught:
        trained(tmp_path, *pools, job("j", '"llama-3-70b"', **GOOD | {"accelerators": 8}))
    told = [str(problem) for problem in caught.value.problems]
    assert [("V100-SXM2-16GB" in line, "A100-SXM4-40GB" in line) for line in told] == [(True, False), (False, True)]
    with pytest.raises(ScenarioError) as caught:  # what is wrong everywhere is told once
        trained(tmp_path, *pools, job("j", LLAMA, **GOOD | {"plan": "{ tp = 3 }"}))
    assert len(caught.value.problems) == 1


def test_a_pool_into_which_a_job_does_not_fit_is_not_for_it(tmp_path: Path):
    small = pool("small", '"V100-SXM2-16GB"', nodes=4)
    run = ran(tmp_path, small, pool("large"), job("j", LLAMA, **GOOD | {"accelerators": 8}))
    assert [told.pool for told in run.trained] == ["large"]
    assert run.jobs.accelerator_names.name(0) == "H100-SXM"


def test_elastic_jobs_need_a_placement_that_looks_at_nodes(tmp_path: Path):
    keys = GOOD | {"accelerators": None, "min_accelerators": 8, "max_accelerators": 16}
    with pytest.raises(ScenarioError, match=r"placement\.use: elastic jobs need a placement that looks at nodes"):
        ran(tmp_path, HERE, job("e", LLAMA, **keys), overrides=["placement.use=pool"])


ODD = ["nan", "inf", "-inf", "-1", "0", "1.5", "1e300", "true", '""', '"x"', '"7 parsecs"', "[]", "[1]", "{}"]
ODD += ["9223372036854775807", "2020-01-01", '"\\u0000"', '"../up.toml"', '"nothing.toml"', "{ tp = nan, tp2 = 3 }"]


@pytest.mark.parametrize("key", sorted(TrainingJob.model_fields))
def test_odd_values_are_taken_or_told_and_never_crash(tmp_path: Path, key: str):
    told = []
    for odd in ODD:
        keys = {"name": '"odd"', "model": LLAMA} | GOOD | {"steps": 10} | {key: odd}
        table = "\n".join(f"{name} = {value}" for name, value in keys.items())
        try:
            trained(tmp_path, HERE, f"[[jobs]]\n{table}\n")
        except ScenarioError as error:
            told += error.problems
    assert len(told) >= len(ODD) // 2
    assert all("jobs.0" in problem.key or problem.file.endswith(".toml") for problem in told)


@pytest.mark.parametrize("key", sorted(Pool.model_fields))
def test_odd_values_of_pools_hide_no_mistake_of_a_job_and_never_crash(tmp_path: Path, key: str):
    own = job("bad", LLAMA, **GOOD | {"plan": "{ tp = 3 }"})
    for odd in ODD:
        keys = {"name": '"a"', "accelerator": '"H100-SXM"', "nodes": 4, "accelerators_per_node": 8} | {key: odd}
        table = "\n".join(f"{name} = {value}" for name, value in keys.items())
        with pytest.raises(ScenarioError) as caught:
            trained(tmp_path, f"[[pools]]\n{table}\n", own)
        assert "jobs.0.plan.tp" in [problem.key for problem in caught.value.problems]
