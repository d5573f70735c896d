"""Presets: every value has a source and a grade, and equals the table that it was taken from."""

from __future__ import annotations

import csv
import tomllib
import typing
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
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
    "TPU-v7x": {"memory", "memory_type", "memory_bandwidth", "nic_bandwidth_server"},
    "Alveo-U280": {"int8", "memory", "memory_type", "memory_bandwidth"},
}
"""Values that the table does not have; their provenance names the source in full."""


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
        "Gaudi3 EPYC-9654 Alveo-U280"
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
    assert len(rows) == len(NAMES)


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
