"""Plans and estimates of networks that are no transformers: sums by hand, and what a planner may rely on."""

from __future__ import annotations

import math

import pytest

from dcsim.errors import ScenarioError
from dcsim.performance import network
from dcsim.performance.answers import Estimate
from dcsim.performance.estimate import estimate
from dcsim.performance.network_run import footprint
from dcsim.performance.optimizers import OPTIMIZERS
from dcsim.performance.planner import plan
from dcsim.scenario import presets

V100 = "V100-SXM2-32GB"
RESNET = presets.model("resnet-50")
NETWORKS = [name for name in presets.names("models") if presets.model(name).kind == "network"]


@pytest.fixture(scope="module")
def imagenet() -> Estimate:
    return estimate("resnet-50", V100, samples="1.28e6*90", count=8, global_batch=2048)


def test_steps_time_and_data_by_hand(imagenet: Estimate):
    assert imagenet.samples == 1.28e6 * 90
    assert imagenet.steps == math.ceil(1.28e6 * 90 / 2048)
    assert imagenet.time_s == imagenet.steps * imagenet.plan.step_time_s
    assert imagenet.plan.samples_per_s == pytest.approx(2048 / imagenet.plan.step_time_s)
    assert imagenet.dataset_b == pytest.approx(1.28e6 * 90 * 110e3)
    assert imagenet.read_b_per_s == pytest.approx(imagenet.plan.samples_per_s * 110e3, rel=1e-3)
    assert (imagenet.tokens, imagenet.loss, imagenet.seq_len) == (None, None, None)
    assert imagenet.energy_j == pytest.approx(8 * 300 * 1.25 * 1.12 * imagenet.time_s)


def test_mfu_is_flop_over_what_the_peak_would_do(imagenet: Estimate):
    done = 3 * network.forward_flop(RESNET) * 2048 / imagenet.plan.step_time_s
    assert imagenet.plan.mfu == pytest.approx(done / 8 / 125e12)


def test_the_step_is_that_of_its_operations(imagenet: Estimate):
    assert (imagenet.plan.dp, imagenet.plan.micro_batch) == (8, 256)
    assert sum(imagenet.plan.shares.values()) == pytest.approx(1.0)


def test_memory_of_resnet_50_by_hand():
    # 25.56 M parameters of 2 + 2 + 8 bytes. Backward reads the results of 53 convolutions (11.1 M elements, the sum of
    # their outputs in He 2015, table 1) and of as many norms, of the residual sums, and of the pools; ReLU is in place.
    found = footprint(RESNET, 2.0, OPTIMIZERS["sgd"])
    assert found.states_b == pytest.approx(25_557_032 * 12)
    assert found.tables_b == 0.0
    convolutions = sum(row.written * row.times for row in map(network.row, RESNET.operations) if row.kind == 0.0)
    assert convolutions == pytest.approx(11.1e6, rel=0.01)
    sums = 3 * 802_816 + 4 * 401_408 + 6 * 200_704 + 3 * 100_352
    assert found.sample_b == pytest.approx(2 * (2 * convolutions + sums + 64 * 56 * 56), rel=0.001)


def test_batch_256_in_mixed_precision_fits_into_16_gb():
    # NVIDIA's DeepLearningExamples trains so on DGX-1 with 16 GB.
    assert estimate("resnet-50", "V100-SXM2-16GB", samples=1e6, count=1, global_batch=256).plan.micro_batch == 256


def test_a_batch_that_does_not_fit_is_taken_in_micro_batches():
    small = estimate("resnet-50", V100, samples=1e6, count=1, global_batch=2048)
    assert small.plan.micro_batch == 512
    assert small.plan.memory_b <= small.memory_available_b
    fixed = estimate("resnet-50", V100, samples=1e6, count=1, global_batch=2048, micro_batch=64)
    assert fixed.plan.micro_batch == 64
    assert fixed.plan.step_time_s > small.plan.step_time_s


DLRM = presets.model("dlrm-dcnv2")
TABLES, DENSE = network.table_parameters(DLRM), network.dense_parameters(DLRM)
DLRM_GIVEN = {"samples": 4e9, "global_batch": 65536}


def test_tables_are_spread_over_accelerators():
    found = estimate("dlrm-dcnv2", "A100-SXM4-80GB", **DLRM_GIVEN)
    assert found.accelerators == found.fewest_that_fit == 4
    assert TABLES * 8 / 4 < found.memory_available_b < TABLES * 8 / 2
    plain = estimate("dlrm-dcnv2", "A100-SXM4-80GB", optimizer="sgd", **DLRM_GIVEN)
    assert plain.fewest_that_fit == 2
    assert TABLES * 4 / 2 < plain.memory_available_b < TABLES * 4


@pytest.mark.parametrize(
    ("options", "table_b", "dense_b"),
    [({}, 8, 10), ({"optimizer": "sgd"}, 4, 10), ({"optimizer": "adam"}, 12, 14), ({"optimizer": "adagrad"}, 8, 10)],
)
def test_memory_and_checkpoint_of_tables_agree(options: dict[str, str], table_b: float, dense_b: float):
    # fp32 elements with nothing beside them (SGD), a sum of squares (Adagrad: MLPerf) or two moments (Adam)
    found = estimate("dlrm-dcnv2", "A100-SXM4-80GB", count=8, **DLRM_GIVEN, **options)
    assert found.checkpoint.size_b == pytest.approx(table_b * TABLES + dense_b * DENSE)
    beside = found.plan.memory_b - table_b * TABLES / 8
    assert 0 < beside < 2e9  # 26 million dense parameters, and 8,192 samples at work
    words = " ".join(a.what for a in found.assumptions)
    assert f"tables (99.9 % of parameters) {table_b} B" in words
    assert f"{dense_b} B a parameter, of tables {table_b} B" in words


def test_states_of_the_rows_that_were_looked_up_take_the_optimisers_time():
    # 214 rows of 128 elements a sample: 4 B of a sum of squares each, read and written
    def optimizer_s(name: str) -> float:
        plan = estimate("dlrm-dcnv2", "A100-SXM4-80GB", count=8, optimizer=name, **DLRM_GIVEN).plan
        return plan.shares["optimizer"] * plan.step_time_s

    beside_s = optimizer_s("adagrad") - optimizer_s("sgd")
    moved_b = 8192 * 214 * 128 * 4 * 2
    assert 0.5 < moved_b / beside_s / 2.039e12 <= 1.0  # of the memory bandwidth of A100
    assert optimizer_s("adam") - optimizer_s("sgd") == pytest.approx(2 * beside_s + 12 * DENSE * beside_s / moved_b)


def test_the_optimiser_of_the_preset_is_told_with_its_source():
    own = estimate("dlrm-dcnv2", "A100-SXM4-80GB", count=8, **DLRM_GIVEN)
    (told,) = [a for a in own.assumptions if "of states a parameter" in a.what]
    assert told.what.startswith("Adagrad: ")
    assert (told.grade, "mlcommons/training" in told.source) == ("vendor", True)
    other = estimate("dlrm-dcnv2", "A100-SXM4-80GB", count=8, optimizer="sgd", **DLRM_GIVEN)
    (told,) = [a for a in other.assumptions if "of states a parameter" in a.what]
    assert (told.source, told.grade) == ("the question", "assumed")
    assert estimate("dlrm-criteo-1tb", "A100-SXM4-80GB", samples=1e6).checkpoint.size_b < 4.1 * 22.8e9  # plain SGD


def test_storage_needs_the_larger_of_reads_and_checkpoint_writes(imagenet: Estimate):
    assert imagenet.storage_b_per_s == imagenet.read_b_per_s > imagenet.checkpoint.bandwidth_b_per_s
    tokens = estimate("llama-3-8b", "H100-SXM", tokens="15T", count=1024)
    assert tokens.storage_b_per_s == tokens.checkpoint.bandwidth_b_per_s > tokens.read_b_per_s


def test_a_model_without_parameters_has_nothing_to_save():
    found = estimate("matmul-8192", "TPU-v4", samples=1e6)
    assert (found.checkpoint.size_b, found.storage_b_per_s) == (0.0, None)
    assert not any("checkpoint" in a.what for a in found.assumptions)


def test_the_share_of_a_step_that_waits_for_memory_is_part_of_computing(imagenet: Estimate):
    row = imagenet.plan
    assert row.bound == "memory bandwidth"
    assert row.shares["compute"] / 2 < row.memory_wait < row.shares["compute"]


def test_the_memory_of_a_cpu_is_that_of_its_server_and_not_checked():
    found = estimate("resnet-50", "EPYC-9654", samples=1e6, count=1, global_batch=65536)
    assert found.memory_available_b is None
    assert found.plan.micro_batch == 65536
    assert any("memory is not checked" in a.what for a in found.assumptions)


@pytest.mark.parametrize(("accelerator", "grade"), [("A100-SXM4-80GB", "measured"), ("TPU-v4", "assumed")])
def test_the_allowance_is_measured_where_it_was_measured(accelerator: str, grade: str):
    found = estimate("resnet-50", accelerator, samples=1e6, count=1)
    (told,) = [a for a in found.assumptions if "for the allocator" in a.what]
    assert told.grade == grade
    if grade == "measured":
        assert "a data sheet's 80 GB are 80 GiB = 85.9 GB, 81.3 GB of them usable" in told.what


def test_a_device_without_a_peak_can_be_described_in_a_file():
    with pytest.raises(ScenarioError, match='a TOML file of its keys with one, such as bf16 = "100 TFLOP/s"'):
        estimate("resnet-50", "Xeon-8480C", samples=1e6)


def test_late_data_bound_a_step_and_double_the_loader_halves_it():
    # A step loads 256 samples of 110 kB an accelerator.
    slow = estimate("resnet-50", V100, samples=1e6, count=8, global_batch=2048, loader_rate="25 MB/s")
    fast = estimate("resnet-50", V100, samples=1e6, count=8, global_batch=2048, loader_rate="50 MB/s")
    assert slow.plan.bound == fast.plan.bound == "data loading"
    assert slow.plan.step_time_s == pytest.approx(256 * 110e3 / 25e6)
    assert fast.plan.step_time_s == pytest.approx(256 * 110e3 / 50e6)
    shared = estimate("resnet-50", V100, samples=1e6, count=8, global_batch=2048, storage_bandwidth="200 MB/s")
    assert shared.plan.step_time_s == slow.plan.step_time_s


def test_jitter_waits_for_the_slowest(imagenet: Estimate):
    uneven = estimate("resnet-50", V100, samples="1.28e6*90", count=8, global_batch=2048, jitter=0.1)
    late = uneven.plan.shares["stragglers"] * uneven.plan.step_time_s
    assert uneven.plan.step_time_s == pytest.approx(imagenet.plan.step_time_s + late)
    assert 0.1 < late / imagenet.plan.step_time_s < 0.2  # the largest of 8 is 1.42 deviations above the mean


def test_an_earlier_deadline_never_needs_fewer_accelerators():
    counts = [
        estimate("resnet-50", V100, samples="1.28e6*90", global_batch=2048, deadline=f"{hours} h").accelerators
        for hours in (30, 15, 8, 4, 2)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_plans_of_a_network_are_its_micro_batches_fastest_first():
    found = plan("resnet-50", V100, count=8, global_batch=2048)
    times = [one.step_time_s for one in found.plans]
    assert times == sorted(times)
    assert [one.micro_batch for one in found.plans] == [256, 128, 64, 32, 16]
    assert found.fitting == found.evaluated == 9


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_an_estimate(name: str):
    found = estimate(name, "A100-SXM4-80GB", samples=1e6)
    assert found.time_s > 0
    assert found.plan.memory_b <= found.memory_available_b
    assert [size.accelerators for size in found.sizes] == sorted({size.accelerators for size in found.sizes})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "samples: is missing; write e.g. samples=1.28e6*90"),
        ({"samples": 1e6, "tp": 2}, "tp: resnet-50 is no transformer"),
        ({"samples": 1e6, "tokens": 1e9}, "tokens: resnet-50 is no transformer"),
        ({"samples": 1e6, "count": 7, "global_batch": 2048}, "write global_batch=2044 or global_batch=2051"),
        ({"samples": 1e6, "count": 8, "global_batch": 2048, "micro_batch": 3}, "a multiple of count 8 x micro_batch 3"),
        ({"samples": 1e6, "count": 1, "micro_batch": 4096, "global_batch": 4096}, "4096 samples at once"),
        ({"samples": "1e6*x"}, "samples: is no product of numbers > 0 (got '1e6*x'"),
        ({"samples": 1e6, "jitter": 2}, "jitter: out of range (got '2', expected a share of the step time, at most 1)"),
        ({"samples": 1e6, "loader_rate": "100"}, "loader_rate: 100 has no unit"),
        ({"samples": 1e6, "optimizer": "adma"}, "did you mean 'adam' or 'adagrad'?"),
        ({"samples": 1e6, "deadline": "1 s"}, "deadline: none of up to 4,194,304 accelerators is that fast"),
    ],
)
def test_bad_questions_are_told(options: dict[str, object], told: str):
    with pytest.raises(ScenarioError) as error:
        estimate("resnet-50", V100, **options)
    assert told in str(error.value)


def test_rates_without_a_sample_size_are_refused():
    with pytest.raises(ScenarioError, match="sample_size: is missing"):
        estimate("matmul-8192", V100, samples=1e6, loader_rate="100 MB/s")
    assert (
        estimate("matmul-8192", V100, samples=1e6, loader_rate="1 MB/s", sample_size="1 GB").plan.bound
        == "data loading"
    )
