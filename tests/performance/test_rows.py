"""Rows of measured runs: what is read, what is assumed, what is left out."""

from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.kernels import facts
from dcsim.performance.row_cells import Unusable
from dcsim.performance.row_text import (
    accelerator_preset,
    framework_family,
    nic_b_per_s,
    nic_by_test_b_per_s,
    precision_of,
    without_tests,
)
from dcsim.performance.rows import configuration, configurations, mistakes, numbered, read
from dcsim.scenario import presets

ROW = {
    "id": "one", "source_group": "s", "primary": "1", "model": "GPT", "layers": "24", "hidden": "1024", "heads": "16",
    "seq_len": "2048", "vocab": "50304", "accelerator": "A100-80GB-SXM", "n_accelerators": "64",
    "accelerators_per_node": "8", "precision": "bf16", "tp": "4", "pp": "2", "cp": "1", "micro_batch": "2",
    "global_batch": "512", "framework": "Megatron-LM", "sharding": "zero1", "flash_attention": "y",
    "tokens_per_s_per_accelerator": "1000",
}  # fmt: skip


def test_a_row_becomes_a_model_and_a_plan():
    one = configuration(ROW)
    assert (one.model.layers, one.model.kv_heads, one.model.head_dim, one.model.ffn_hidden) == (24, 16, 64, 4096)
    assert (one.plan.tp, one.plan.pp, one.plan.dp, one.plan.sharding) == (4, 2, 8, facts.ZERO1)
    assert (one.accelerator.name, one.framework, one.domain, one.ordinary) == ("A100-SXM4-80GB", "megatron", 8, True)
    assert one.tokens == 512 * 2048 / 64
    assert one.assumed == ("ffn_hidden", "mlp_type", "vpp", "sequence_parallel", "recompute")


@pytest.mark.parametrize(
    ("column", "field", "usual"),
    [("kv_heads", "kv_heads", 16), ("head_dim", "head_dim", 64), ("moe_top_k", "top_k", 1), ("vocab", "vocab", 50304)],
)
def test_zero_is_what_nobody_knows(column: str, field: str, usual: float):
    experts = ROW | {"moe_experts": "8", "moe_ffn_hidden": "2048"}
    zero, empty = (configuration(experts | {column: text}) for text in ("0", ""))
    assert zero == empty
    assert getattr(zero.model, field) == usual
    assert (column in zero.assumed) == (column in ("moe_top_k", "vocab"))


def test_measured_columns_do_not_reach_the_prediction():
    measured = {"tokens_per_s_per_accelerator": "7", "step_time_s": "3", "mfu_pct": "50", "tflops_per_accelerator": "9"}
    one, other = configuration(ROW), configuration(ROW | measured)
    assert (one.model, one.plan, one.nic_b_per_s) == (other.model, other.plan, other.nic_b_per_s)


TESTED = "NVLink4 8-GPU node; inter-node fabric not printed; measured all-reduce 26.88 GB/s"


def test_a_network_is_as_fast_as_its_all_reduces_say():
    # Eight NICs carry 26.88 GB/s together, which is 0.8 of what they have: 26.88 / 8 / 0.8.
    assert nic_by_test_b_per_s(TESTED, 8.0, 256.0) == pytest.approx(4.2e9)
    assert nic_b_per_s(TESTED, 8) is None  # it is no port's rate
    h100 = ROW | {"accelerator": "H100-SXM", "accelerators_per_node": "8", "interconnect": TESTED}
    assert configuration(h100).nic_b_per_s == pytest.approx(4.2e9)
    assert "NICs by a measured all-reduce" in configuration(h100).assumed
    assert configuration(h100 | {"interconnect": without_tests(TESTED)}).nic_b_per_s is None


@pytest.mark.parametrize(
    ("text", "gb_per_s"),
    [
        ("measured all-reduce 200 Gb/s", 25.0),
        ("8x 400 Gb/s NDR; measured all-reduce 1.6 Tbit/s, NVLink4", 200.0),
        ("Measured allreduce: 1e2 GB/s", 100.0),
        ("measured all-reduce 1 GiB/s", 1.073741824),
        ("measured all-reduce 20 GB/s (16 nodes)", 20.0),
        ("NDR; measured all-reduce 20 GB/s.", 20.0),
        ("measured all-reduce 20 GB/s per GPU", None),
        ("measured all-reduce -26.88 GB/s", None),
        ("measured all-reduce 0 GB/s", None),
        ("measured all-reduce 26.88 GB", None),
        ("measured all-reduce 26.88 foo/s", None),
        ("measured all-reduce inside a node 450 GB/s", None),
        ("all-reduce 26.88 GB/s", None),
    ],
)
def test_tests_are_read_by_a_written_rule(text, gb_per_s):
    found = nic_by_test_b_per_s(text, 8.0, 256.0)
    assert found == (None if gb_per_s is None else pytest.approx(gb_per_s * 1e9 / 8 / 0.8))


def test_a_test_inside_a_node_tells_nothing_of_nics():
    assert nic_by_test_b_per_s(TESTED, 8.0, 8.0) is None


def test_a_test_that_is_not_understood_is_named():
    odd = ROW | {"accelerator": "H100-SXM", "interconnect": "measured all-reduce 20 GB/s per GPU"}
    assert "NICs, as a measured all-reduce is not understood" in configuration(odd).assumed


def test_a_test_makes_no_port_faster_than_it_is():
    """Reductions in switches pass what rings can."""
    fast = ROW | {"accelerator": "H100-SXM", "interconnect": "measured all-reduce 900 GB/s"}
    assert configuration(fast).nic_b_per_s == 50e9
    for text in ("8x 200 Gb/s HDR; measured all-reduce 900 GB/s", "8x 200 Gb/s HDR measured all-reduce 900 GB/s"):
        assert configuration(fast | {"interconnect": text}).nic_b_per_s == 25e9


@pytest.mark.parametrize(
    ("text", "gbit"),
    [
        ("NVLink3; 800 Gb/s IB per node (4x HDR)", 100),
        ("4x200 Gb/s RDMA per node", 100),
        ("Storage: 2x ConnectX-7 IB NDR 400Gb/s, Compute: 8x ConnectX-7 IB NDR 400Gb/s", 400),
        ("NVLink4; NDR IB/RoCE per GPU", 400),
        ("NVSwitch (DGX-A100)", 200),
    ],
)
def test_nics_are_read_by_written_rules(text, gbit):
    assert nic_b_per_s(text, 8) == gbit * 1e9 / 8


def test_ranks_of_latent_attention_come_from_the_model_s_preset():
    one = configuration(ROW | {"model": "DeepSeek-V3-4L-proxy"})
    assert (one.model.q_rank, one.model.kv_rank, one.model.rope_dim, one.model.head_dim) == (1536, 512, 64, 128)
    assert configuration(ROW).model.kv_rank == 0


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("H100-80GB-SXM", "H100-SXM"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("H200", "H200-SXM"),
        ("NVIDIA H20 96GB", "H20"),
        ("H800-80GB-SXM", "H800-SXM"),
        ("A800-80GB-SXM", "A800-SXM4-80GB"),
        ("A100-40GB-SXM", "A100-SXM4-40GB"),
        ("Tesla V100-PCIE-16GB", "V100-PCIe-16GB"),
        ("V100-32GB", "V100-SXM2-32GB"),
        ("Tesla P100-PCIE-16GB", "P100-PCIe-16GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("4090", "RTX-4090"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
        ("A6000", "RTX-A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("MI300X", "MI300X"),
        ("AMD MI250", "MI250"),
        ("AMD Instinct MI250X", "MI250X"),
        ("TPU v5p", "TPU-v5p"),
        ("TPUv2", "TPU-v2"),
        ("Google TPU v3-8", "TPU-v3"),
        ("AWS Trainium2", "Trainium2"),
        ("AWS Trainium 2", "Trainium2"),
        ("Intel Gaudi 3", "Gaudi3"),
        ("NVIDIA GeForce RTX4090", "RTX-4090"),
        *((name, "TPU-v6e") for name in ("Trillium", "TPU Trillium", "Google Trillium TPU", "TPU v6", "TPU v6 lite")),
        *((name, "TPU-v7x") for name in ("Ironwood", "TPU Ironwood", "TPU-v7", "TPU v7", "TPU7x", "tpu7x-2x2x1")),
        *(("TPU v5 lite", "TPU-v5e"), ("Grace Hopper", "GH200"), ("trn1.32xlarge", "Trainium1")),
        ("Xeon Platinum 8480C", "Xeon-8480C"),
    ],
)
def test_names_mean_the_nearest_preset(name, preset):
    assert accelerator_preset(name) == preset


@pytest.mark.parametrize(
    "name",
    [
        *("", "Abacus 3000", "TPU", "NVIDIA", "MI300", "Ascend 310", "EPYC 7742", "Alveo U250"),
        *("TPU v5", "TPU v8", "Grace Blackwell", "Gaudi", "Trainium"),
        *("Quadro RTX 6000", "RTX 3090 Ti", "RTX 4090 D", "GeForce RTX 4090 Laptop GPU"),
    ],
)
def test_names_of_other_devices_mean_no_preset(name):
    assert accelerator_preset(name) is None


def test_every_preset_is_found_by_its_name_in_other_letters():
    for name in presets.names("accelerators"):
        assert accelerator_preset(name.lower().replace("-", " ")) == name


def test_frameworks_and_precisions_have_families():
    assert framework_family("NVIDIA NeMo Framework Release 25.04") == "megatron"
    assert framework_family("Composer/llm-foundry FSDP") == "pytorch"
    assert framework_family("MaxText (JAX)") == "jax"
    assert framework_family("Megatron-DeepSpeed", fused=False) == "unfused"
    assert [precision_of(text) for text in ("mxfp8", "nvfp4+fp8", "", "posit16")] == ["fp8", "fp4", "bf16", None]


def test_a_plan_that_is_not_given_holds_the_states_and_the_batch():
    bare = ROW | dict.fromkeys(("tp", "pp", "cp"), "") | {"layers": "80", "hidden": "8192", "heads": "64"}
    one = configuration(bare | {"global_batch": "4", "n_accelerators": "64"})
    assert "plan" in one.assumed
    assert one.plan.tp * one.plan.pp > 1
    assert one.plan.dp <= 4


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"hidden": ""}, "hidden is not given"),
        ({"seq_len": "nan"}, "seq_len is not a finite number >= 0"),
        ({"accelerator": "Abacus"}, "no accelerator preset for 'Abacus'"),
        ({"tp": "2.5"}, "tp is no whole number"),
        ({"tokens_per_s_per_accelerator": ""}, "no measured tokens/s or step time"),
    ],
)
def test_a_row_that_cannot_be_told_is_counted_under_its_rule(change, rule):
    found = configurations([ROW, ROW | change, ROW | {"primary": "0"}])
    assert (len(found.rows), found.total, dict(found.excluded)) == (1, 2, {rule: 1})


def test_a_file_without_a_needed_column_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("accelerator,layers\nA100,3\n")
    with pytest.raises(ScenarioError, match="no column n_accelerators"):
        read(path)


def test_at_least_95_percent_of_the_published_rows_can_be_told(shared):
    found = configurations(read(shared / "training_measured.csv"))
    assert len(found.rows) >= 0.95 * found.total
    assert found.ordinary.sum() > 1200


@pytest.mark.parametrize(
    ("change", "hidden", "whole"),
    [
        ({}, 1.0, 0.0),
        ({"framework": "nanotron"}, 0.0, 1.0),
        ({"framework": "nanotron", "sharding": "none"}, 1.0, 1.0),
        ({"framework": "Megatron-DeepSpeed", "flash_attention": "n"}, 0.0, 1.0),
        ({"framework": "Megatron-DeepSpeed", "flash_attention": "n", "precision": "fp16"}, 0.0, 0.0),
        ({"framework": "Megatron-DeepSpeed", "flash_attention": "n", "pp": "1"}, 0.0, 0.0),
    ],
)
def test_how_a_framework_sums_gradients_is_a_fact_of_its_code(change, hidden, whole):
    plan = configuration(ROW | change).plan
    assert (plan.overlap_dp, plan.sum_whole) == (hidden, whole)


FUSED, UNFUSED, FIRST_FUSED = facts.FUSED, facts.UNFUSED, facts.FIRST_FUSED
FOUNDRY = "Composer/llm-foundry FSDP"


@pytest.mark.parametrize(
    ("change", "flash"),
    [
        ({}, FUSED),
        ({"flash_attention": "n"}, UNFUSED),
        ({"date": "2023-06"}, FIRST_FUSED),
        ({"date": "2023-07"}, FUSED),
        ({"date": "2022-11-29"}, FIRST_FUSED),
        ({"date": "2022"}, FIRST_FUSED),
        ({"date": "2023"}, FUSED),  # a year alone is its end
        ({"date": "2023.05"}, FIRST_FUSED),
        ({"date": "2023-9"}, FUSED),
        ({"date": "20230501"}, FIRST_FUSED),
        ({"date": "May 2022"}, FIRST_FUSED),
        ({"date": "MLPerf v3.0"}, FUSED),  # no date
        ({"framework": FOUNDRY}, FIRST_FUSED),  # Triton's kernels of 2022, until March 2024
        ({"framework": "decomposer-lm"}, FUSED),
        ({"framework": "MosaicML LLM Foundry"}, FIRST_FUSED),
        ({"framework": FOUNDRY, "date": "2025-05-01T10:00"}, FUSED),
        ({"framework": FOUNDRY, "date": "May 2025"}, FUSED),
        ({"framework": FOUNDRY, "date": "2024-02"}, FIRST_FUSED),
        ({"framework": FOUNDRY, "date": "2024-03"}, FUSED),
        ({"framework": FOUNDRY, "flash_attention": "n"}, UNFUSED),
        ({"accelerator": "TPU v4", "date": "2023"}, FUSED),  # XLA has kernels of its own
    ],
)
def test_runs_before_flash_attention_2_had_kernels_of_the_first_generation(change, flash):
    one = configuration(ROW | change)
    assert one.plan.flash == flash
    assert ("attention before FlashAttention-2" in one.assumed) == (flash == FIRST_FUSED)


@pytest.mark.parametrize(
    ("change", "moved_b"),
    [
        ({"framework": "nanotron"}, 10.0),  # reads 16 bits, reads and writes 32
        ({"framework": "Megatron-DeepSpeed", "flash_attention": "n", "precision": "fp16"}, 6.0),
        ({"framework": "Megatron-DeepSpeed", "flash_attention": "n"}, 10.0),
        ({}, 0.0),  # Megatron Core: within the product
        ({"framework": "MaxText (JAX)"}, 0.0),
        ({"framework": "nanotron", "sharding": "fsdp"}, 0.0),  # shards add up
        ({"framework": "nanotron", "sharding": "zero2"}, 0.0),
        ({"framework": "nanotron", "global_batch": "1"}, 0.0),  # one micro-batch
    ],
)
def test_gradients_of_micro_batches_pass_through_memory_where_no_product_adds_them_up(change, moved_b):
    assert configuration(ROW | change).plan.accumulate_b == moved_b


@pytest.mark.parametrize(("ports", "gbit"), [(4, 100.0), (2, 100.0), (1, 50.0)])
def test_collectives_use_two_ports_of_omni_path_at_most_each_half(ports: int, gbit: float):
    infiniband, *omni_path = (
        nic_b_per_s(f"{ports}x 100 Gb/s {name}", 4.0) for name in ("EDR", "OmniPath (Jean Zay)", "OPA")
    )
    assert infiniband == ports * 100e9 / 8 / 4
    assert omni_path == [gbit * 1e9 / 8 / 4] * 2


@pytest.mark.parametrize("name", ["sharding", "recompute", "flash_attention", "sequence_parallel", "mlp_type"])
def test_a_word_that_nobody_knows_counts_as_not_said_and_is_named(name: str):
    assert f"{name} ('odd' is not known)" in configuration(ROW | {name: " Odd "}).assumed
    assert name in configuration(ROW | {name: ""}).assumed


def test_flags_may_be_written_out():
    assert [configuration(ROW | {"flash_attention": word}).framework for word in ("no", "False", "Yes")] == [
        "unfused", "unfused", "megatron",
    ]  # fmt: skip


def test_a_run_whose_degrees_contradict_each_other_did_run_so_its_plan_is_taken_for_unknown():
    told = configuration(ROW | {"dp": "8"})
    assert not {"plan", "dp"} & set(told.assumed)
    assert "dp" in configuration(ROW | {"dp": "7"}).assumed
    assert "plan" in configuration(ROW | {"pp": "41"}).assumed


def test_deepspeed_is_megatron_s_only_where_it_says_so():
    assert framework_family("NGC PyTorch Release 24.01 Deepspeed N8") == "pytorch"
    assert framework_family("Megatron-DeepSpeed", fused=False) == "unfused"
    assert framework_family("NGC PyTorch Release 24.01") == "megatron"


def test_a_precision_that_a_device_lacks_is_that_of_the_next_wider_one_and_stops_no_file():
    row = ROW | {"accelerator": "TPU v5e", "precision": "fp32"}
    found = configuration(row)
    assert (found.precision, "precision" in found.assumed) == ("bf16", True)
    assert configuration(ROW | {"accelerator": "V100-SXM2-32GB", "precision": "tf32"}).precision == "fp32"


def test_bytes_of_nics_are_no_bits():
    assert nic_b_per_s("8x 50 GB/s ConnectX-7", 8.0) == nic_b_per_s("8x 400 Gb/s NDR", 8.0) == 50e9
    assert nic_b_per_s("NVLink 900 GB/s", 8.0) is None
    assert nic_b_per_s("4x 1..2 Gb/s", 8.0) is None


BARE = {name: text for name, text in ROW.items() if name not in ("layers", "hidden", "heads", "vocab")}


def test_widths_that_a_row_gives_win_over_those_of_the_preset_that_it_names():
    whole, short = (configuration(BARE | {"model": "Mixtral-8x7B"} | more).model for more in ({}, {"layers": "4"}))
    assert (whole.layers, whole.hidden, whole.heads, whole.kv_heads, whole.experts) == (32, 4096, 32, 8, 8)
    assert short == whole._replace(layers=4.0)
    given = configuration(ROW | {"model": "mixtral-8x7b"})
    assert given.model == configuration(ROW).model  # a row with widths of its own needs no preset
    assert "widths of mixtral-8x7b" not in given.assumed


@pytest.mark.parametrize(
    ("model", "rule", "told"),
    [
        (
            "llama-9b",
            "no widths, and no model preset of the name 'llama-9b'",
            "model: no model preset of that name, and",
        ),
        ("resnet-50", "resnet-50 is no transformer", "model: is no transformer (got 'resnet-50'); ask for it with"),
        ("", "layers is not given", "layers: is not given (expected a whole number from 1 to 1000000000)"),
    ],
)
def test_a_row_without_widths_whose_model_is_no_preset_is_left_out(model: str, rule: str, told: str):
    with pytest.raises(Unusable) as caught:
        configuration(BARE | {"model": model})
    assert str(caught.value) == rule
    assert str(caught.value.problem).startswith(told)


def test_a_row_is_counted_under_its_first_mistake_and_told_all_of_them():
    row = ROW | {"accelerator": "H101", "tp": "-1", "seq_len": "", "precision": "bf99", "hidden": "0"}
    keys = ["accelerator", "tp", "precision", "hidden", "seq_len"]
    assert [rule.problem.key for rule in mistakes(row)] == keys
    assert dict(configurations([row]).excluded) == {"no accelerator preset for 'H101'": 1}
    assert mistakes(ROW) == []


def test_what_was_measured_matters_to_those_alone_who_learn_from_it():
    row = ROW | {"tokens_per_s_per_accelerator": "n/a"}
    assert configuration(row).plan == configuration(ROW).plan
    assert dict(configurations([row]).excluded) == {"tokens_per_s_per_accelerator is not a finite number >= 0": 1}


def test_lines_of_rows_are_those_of_their_file(tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text('accelerator,n_accelerators,model,seq_len\n\na,1,"b\nc",2\nd,3,e,4\n')
    assert [(line, row["accelerator"]) for line, row in numbered(file)] == [(4, "a"), (5, "d")]


def test_files_that_are_no_rows_are_told(tmp_path: Path):
    for content, words in (
        (b"", "no column accelerator"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"accelerator,n_accelerators,layers,hidden,heads,seq_len\n", "has no rows below its header"),
    ):
        (tmp_path / "rows.csv").write_bytes(content)
        with pytest.raises(ScenarioError, match=words):
            read(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("framework", "precision", "size"),
    [
        ("Megatron-LM", "bf16", 4.0),
        ("Megatron-LM", "fp16", 2.0),
        ("NVIDIA NeMo Framework Release 24.09", "fp8", 2.0),
        ("Megatron-Bridge", "mxfp8", 2.0),
        ("torchtitan", "bf16", 4.0),
        ("PyTorch FSDP + torch.compile", "bf16", 2.0),
        ("Composer/llm-foundry FSDP", "bf16", 4.0),
    ],
)
def test_gradients_are_as_wide_as_the_framework_s_recipes_have_them(framework, precision, size):
    one = configuration(ROW | {"framework": framework, "precision": precision})
    assert one.plan.gradient_bytes == size
    sharded = configuration(ROW | {"framework": framework, "precision": precision, "sharding": "fsdp"})
    held = sharded.kept.gradient_bytes + sharded.kept.beside_bytes
    assert held == (4.0 if "FSDP" in framework else size)  # adds up in fp32
