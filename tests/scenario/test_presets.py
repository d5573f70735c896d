"""Presets: every value has a source and a grade, and equals the table that it was taken from."""

from __future__ import annotations

import csv
import math
import tomllib
import typing
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.performance.devices import device_row, multiprocessors, scale_up_domain
from dcsim.scenario import presets
from dcsim.scenario.facts import Grade
from dcsim.scenario.spec import Accelerator

NAMES = presets.names("accelerators")
UNGRADED = {"name", "notes", "provenance"}

ROWS = {
    "P100-16GB-SXM": "P100-SXM2-16GB",
    "V100-16GB-SXM": "V100-SXM2-16GB",
    "V100-32GB-SXM": "V100-SXM2-32GB",
    "A100-40GB-SXM": "A100-SXM4-40GB",
    "A100-80GB-SXM": "A100-SXM4-80GB",
    "A100-80GB-PCIe": "A100-PCIe-80GB",
    "H100-80GB-SXM": "H100-SXM",
    "H100-80GB-PCIe": "H100-PCIe",
    "H200-141GB-SXM": "H200-SXM",
    "GH200-96GB": "GH200",
    "B200-180GB-SXM": "B200-SXM",
    "B300-288GB-SXM": "B300-SXM",
    "GB200-186GB": "GB200",
    "GB300-288GB": "GB300",
    "TPU v6e (Trillium)": "TPU-v6e",
    "TPU v7x (Ironwood)": "TPU-v7x",
    "EPYC 9654 (96 cores)": "EPYC-9654",
    "Xeon Platinum 8480C (56 cores)": "Xeon-8480C",
}
"""Rows of the table whose presets have another name; elsewhere blanks become hyphens."""

COLUMNS: dict[str, tuple[str, float]] = {
    "launch_year": ("launch_year", 1),
    "fp64_tflops": ("fp64", 1e12),
    "fp32_tflops": ("fp32", 1e12),
    "tf32_tflops": ("tf32", 1e12),
    "fp16_tflops": ("fp16", 1e12),
    "bf16_tflops": ("bf16", 1e12),
    "fp8_tflops": ("fp8", 1e12),
    "int8_tops": ("int8", 1e12),
    "fp4_tflops": ("fp4", 1e12),
    "mem_gb": ("memory", 1e9),
    "mem_bw_gb_s": ("memory_bandwidth", 1e9),
    "on_chip_cache_mb": ("cache", 1e6),
    "intra_link_gb_s_per_dir_total": ("link_bandwidth", 1e9),
    "intra_link_p2p_gb_s_per_dir": ("link_bandwidth_pair", 1e9),
    "nic_gbit_s_per_server": ("nic_bandwidth_server", 1e9 / 8),
    "accels_per_server": ("accelerators_per_server", 1),
    "tdp_w": ("tdp", 1),
    "idle_w": ("idle_power", 1),
    "measured_matmul_bf16_tflops": ("matmul_bf16", 1e12),
    "measured_matmul_fp8_tflops": ("matmul_fp8", 1e12),
    "price_usd": ("price", 1),
    "ondemand_usd_h": ("rent", 1 / 3600),
    "spot_usd_h": ("rent_spot", 1 / 3600),
}
TEXTS = {
    "vendor": "vendor",
    "device_class": "device_class",
    "mem_type": "memory_type",
    "intra_link": "link",
    "scale_up_domain": "scale_up_domain",
}

SOURCED_ELSEWHERE = {
    "EPYC-9654": {"fp64", "fp32", "cache", "memory_bandwidth", "memory_type"},
    "TPU-v7x": {"memory", "memory_type", "memory_bandwidth", "nic_bandwidth_server", "scale_up_domain"},
    "Alveo-U280": {"int8", "memory", "memory_type", "memory_bandwidth", "scale_up_domain"},
    **{name: {"scale_up_domain"} for name in ("A10", "Ascend-910B", "GH200", "L4", "MI250X", "T4")},
    "H200-NVL": {
        *("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "memory_bandwidth"),
        *("link", "link_bandwidth", "link_bandwidth_pair", "scale_up_domain"),
    },
}
"""Values that the table does not have; their provenance names the source in full."""

BEYOND_THE_TABLE: dict[str, dict[str, float]] = {
    "H800-SXM": {"bf16": 989.5e12, "fp8": 1979e12, "memory": 80e9, "memory_bandwidth": 3350e9, "link_bandwidth": 200e9},
    "H20": {"bf16": 148e12, "fp8": 296e12, "memory": 96e9, "memory_bandwidth": 4000e9, "link_bandwidth": 450e9},
    "H100-NVL": {"bf16": 835.5e12, "memory": 94e9, "memory_bandwidth": 3938e9, "link_bandwidth": 300e9},
    "A800-SXM4-80GB": {"bf16": 312e12, "memory": 80e9, "memory_bandwidth": 2039e9, "link_bandwidth": 200e9},
    "A40": {"bf16": 149.7e12, "fp32": 37.4e12, "memory": 48e9, "memory_bandwidth": 696e9, "tdp": 300},
    "A30": {"bf16": 165e12, "fp32": 10.3e12, "memory": 24e9, "memory_bandwidth": 933e9, "tdp": 165},
    "L40": {"bf16": 181e12, "fp32": 90.5e12, "memory": 48e9, "memory_bandwidth": 864e9, "tdp": 300},
    "RTX-A6000": {"bf16": 154.8e12, "fp32": 38.7e12, "memory": 48e9, "memory_bandwidth": 768e9, "tdp": 300},
    "RTX-6000-Ada": {"bf16": 364e12, "fp32": 91.1e12, "memory": 48e9, "memory_bandwidth": 960e9, "tdp": 300},
    "RTX-3090": {"bf16": 71e12, "fp32": 35.6e12, "memory": 24e9, "memory_bandwidth": 936e9, "tdp": 350},
    "RTX-4090": {"bf16": 165.2e12, "fp32": 82.6e12, "memory": 24e9, "memory_bandwidth": 1008e9, "tdp": 450},
    "RTX-5090": {"bf16": 209.5e12, "fp32": 104.8e12, "memory": 32e9, "memory_bandwidth": 1792e9, "tdp": 575},
    "V100-PCIe-16GB": {"fp16": 112e12, "memory": 16e9, "memory_bandwidth": 900e9, "link_bandwidth": 15.75e9},
    "V100-PCIe-32GB": {"fp16": 112e12, "memory": 32e9, "memory_bandwidth": 900e9, "link_bandwidth": 15.75e9},
    "P100-PCIe-16GB": {"fp16": 18.7e12, "fp32": 9.3e12, "memory": 16e9, "memory_bandwidth": 720e9, "tdp": 250},
    "MI100": {"fp16": 184.6e12, "fp32": 23.1e12, "memory": 32e9, "memory_bandwidth": 1230e9, "tdp": 300},
    "MI210": {"bf16": 181e12, "fp32": 22.6e12, "memory": 64e9, "memory_bandwidth": 1638e9, "tdp": 300},
    "MI250": {"bf16": 362e12, "fp32": 45.3e12, "memory": 128e9, "memory_bandwidth": 3280e9, "tdp": 560},
    "MI300A": {"bf16": 980.6e12, "fp32": 122.6e12, "memory": 128e9, "memory_bandwidth": 5300e9, "tdp": 550},
    "TPU-v2": {"bf16": 45e12, "memory": 16e9, "memory_bandwidth": 700e9, "link_bandwidth": 248e9},
    "Inferentia2": {"bf16": 190e12, "memory": 32e9, "memory_bandwidth": 820e9, "link_bandwidth": 192e9},
    "Ascend-910C": {"bf16": 752e12, "memory": 128e9, "memory_bandwidth": 3200e9, "link_bandwidth": 392e9},
}
"""Presets that the table does not have, with figures as read in their sources."""

KNOWN_TO_LACK = {
    *(("Alveo-U280", key) for key in ("peak", "link_bandwidth")),
    *(("Ascend-910B", key) for key in ("memory_bandwidth", "link_bandwidth")),
    *(("EPYC-9654", key) for key in ("peak", "memory", "link_bandwidth")),
    ("T4", "link_bandwidth"),
    *(("Xeon-8480C", key) for key in ("peak", "memory", "memory_bandwidth", "link_bandwidth")),
}
"""What was found in no source, by preset: a peak in 16 bits, memory, bandwidths."""


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_preset_has_a_source_and_a_grade(name: str) -> None:
    device = presets.accelerator(name)
    written = set(tomllib.loads((presets.PRESETS / "accelerators" / f"{name}.toml").read_text("utf-8")))
    assert device.name == name
    assert set(device.provenance) == written - UNGRADED
    for origin in device.provenance.values():
        assert len(origin.source) > 8
        assert origin.grade in typing.get_args(Grade)


def test_the_asked_for_devices_have_presets() -> None:
    wanted = (
        "V100-SXM2-32GB P100-SXM2-16GB T4 A10 A100-SXM4-40GB A100-SXM4-80GB H100-SXM H100-PCIe H200-SXM "
        "B200-SXM GB200 L4 L40S MI250X MI300X TPU-v4 TPU-v5e TPU-v5p TPU-v6e Trainium1 Trainium2 Gaudi2 "
        "Gaudi3 EPYC-9654 Alveo-U280 "
        "H800-SXM H20 A800-SXM4-80GB H100-NVL H200-NVL L40 A40 A30 RTX-A6000 RTX-6000-Ada RTX-4090 RTX-3090 RTX-5090 "
        "V100-PCIe-16GB V100-PCIe-32GB MI100 MI210 MI250 MI300A TPU-v2 TPU-v3 Inferentia2 Ascend-910C"
    )
    assert set(wanted.split()) <= set(NAMES)
    classes = {presets.accelerator(name).device_class for name in NAMES}
    assert classes == {"gpu", "tpu", "asic", "cpu", "fpga"}


def test_figures_equal_the_table_they_were_taken_from(shared: Path) -> None:
    with (shared / "accelerators.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        name = ROWS.get(row["name"], row["name"].replace(" ", "-"))
        device, extra = presets.accelerator(name), SOURCED_ELSEWHERE.get(name, set())
        for column, (key, factor) in COLUMNS.items():
            value = getattr(device, key)
            if row[column]:
                assert value == pytest.approx(float(row[column]) * factor, rel=1e-12), f"{name} {key}"
            else:
                assert (value is None) != (key in extra), f"{name} {key}"
        for column, key in TEXTS.items():
            assert getattr(device, key) == row[column] or key in extra, f"{name} {key}"
    assert {ROWS.get(row["name"], row["name"].replace(" ", "-")) for row in rows} == set(NAMES) - set(BEYOND_THE_TABLE)


def test_presets_beyond_the_table_have_the_figures_of_their_sources() -> None:
    for name, figures in BEYOND_THE_TABLE.items():
        device = presets.accelerator(name)
        assert {key: getattr(device, key) for key in figures} == pytest.approx(figures, rel=1e-12), name


def test_presets_have_a_peak_memory_and_bandwidths() -> None:
    lacking = set()
    for name in NAMES:
        device = presets.accelerator(name)
        has = {
            "peak": device.bf16 or device.fp16,
            "memory": device.memory,
            "memory_bandwidth": device.memory_bandwidth,
            "link_bandwidth": device.link_bandwidth,
        }
        lacking |= {(name, key) for key, value in has.items() if not value}
        assert device.link or not device.link_bandwidth, name
    assert {name for name, _ in lacking}.isdisjoint(BEYOND_THE_TABLE)
    assert lacking == KNOWN_TO_LACK


def test_all_accelerators_but_processors_say_how_many_share_their_scale_up_network() -> None:
    found = {name: presets.accelerator(name) for name in NAMES}
    assert {device.device_class for device in found.values() if not device.scale_up_domain} == {"cpu"}
    # Google: a pod of TPU7x has 9,216 chips, of v5p 8,960, of v6e 256.
    pods = {"TPU-v7x": 9216, "TPU-v5p": 8960, "TPU-v6e": 256}
    assert {name: scale_up_domain(found[name]) for name in pods} == pods
    beyond = {name for name, chip in found.items() if scale_up_domain(chip) > (chip.accelerators_per_server or 1e9)}
    assert beyond == {name for name in NAMES if name.startswith("TPU")} | {"GB200", "GB300", "Ascend-910C"}
    for card in ("A10", "L4", "L40S", "T4", "Alveo-U280"):  # on PCI Express alone
        assert scale_up_domain(found[card]) == 1, card


@pytest.mark.parametrize(("cut", "whole"), [("H800-SXM", "H100-SXM"), ("A800-SXM4-80GB", "A100-SXM4-80GB")])
def test_devices_with_fewer_links_are_their_models_otherwise(cut: str, whole: str) -> None:
    one, other = presets.accelerator(cut), presets.accelerator(whole)
    for key in ("fp32", "bf16", "int8", "memory", "memory_bandwidth", "tdp", "scale_up_domain"):
        mine, theirs = getattr(one, key), getattr(other, key)
        assert mine == (theirs if isinstance(theirs, str) else pytest.approx(theirs, rel=1e-3)), key
    assert one.link_bandwidth == 200e9 < (other.link_bandwidth or 0)


def test_multiprocessors_are_those_of_the_chip_of_each_name() -> None:
    counts = [
        (132, "H100-SXM H100-NVL H200-SXM H200-NVL H800-SXM GH200"),
        *((114, "H100-PCIe"), (78, "H20"), (108, "A100-SXM4-80GB A800-SXM4-80GB"), (72, "A10"), (56, "A30")),
        *((84, "A40 RTX-A6000"), (82, "RTX-3090"), (142, "L40 L40S RTX-6000-Ada"), (58, "L4"), (128, "RTX-4090")),
        *((170, "RTX-5090"), (80, "V100-PCIe-16GB"), (120, "MI100"), (104, "MI210"), (208, "MI250"), (220, "MI250X")),
        *((228, "MI300A"), (304, "MI300X MI325X"), (256, "MI350X MI355X"), (1, "TPU-v2 Ascend-910C")),
    ]
    for count, names in counts:
        for name in names.split():
            assert multiprocessors(presets.accelerator(name)) == count, name


def test_sixteen_special_functions_a_cycle_and_multiprocessor() -> None:
    # 80, 108, 132 and 304 multiprocessors at 1.53, 1.41, 1.98 and 2.1 GHz; arXiv 2407.08608 says 3.9e12 of an H100.
    rates = {"V100-SXM2-16GB": 1.96e12, "A100-SXM4-80GB": 2.44e12, "H100-SXM": 4.18e12, "MI300X": 10.2e12}
    for name, expected in rates.items():
        assert device_row(presets.accelerator(name)).device.exponential_per_s == pytest.approx(expected, rel=0.05)
    assert device_row(presets.accelerator("TPU-v5p")).device.exponential_per_s == math.inf  # not known


def test_placeholders_are_graded_as_assumed() -> None:
    for name in NAMES:
        for key, origin in presets.accelerator(name).provenance.items():
            if any(word in origin.source for word in ("placeholder", "not measured", "not a published")):
                assert origin.grade == "assumed", f"{name} {key}"


def test_physics_holds_for_every_preset() -> None:
    for name in NAMES:
        device = presets.accelerator(name)
        assert (device.idle_power or 0) <= (device.tdp or 1e9), name
        assert (device.matmul_bf16 or 0) <= (device.bf16 or 1e30), name
        assert (device.rent_spot or 0) <= (device.rent or 1e9), name


def test_an_unknown_preset_has_three_nearest_names() -> None:
    with pytest.raises(ScenarioError) as caught:
        presets.accelerator("a100")
    (line,) = caught.value.lines()
    assert line.startswith("a100: no accelerator preset of that name; nearest: 'A100-")
    assert line.count("'") == 6
    for name in ("../accelerators/T4", "t 4", ""):
        with pytest.raises(ScenarioError):
            presets.accelerator(name)


def test_a_preset_is_the_same_object_each_time() -> None:
    assert presets.accelerator("T4") is presets.accelerator("T4")
    assert isinstance(presets.accelerator("T4"), Accelerator)
