"""Timed products: constants come back, files are read, the shipped starts are those of the fit."""

import csv

import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.performance.constants import CONSTANTS
from dcsim.performance.products import SHARED, Products, fit, in_sixteen_bits, read

SIDES = [(m, n, k) for m in (16, 512, 2048, 8192) for n in (1024, 8192) for k in (1024, 4096)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "products.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["device", "dtype", "m", "n", "k", "time_us", "kernel"])
        writer.writerows(
            [name, "bf16", *sides, 1, "a"] for name in ("A100-80GB-SXM", "H100-80GB-SXM") for sides in SIDES
        )
        writer.writerow(["Abacus 3000", "bf16", 1, 1, 1, 1, "a"])
    return path


def test_devices_without_a_preset_are_left_out(table):
    assert len(read(table).sides) == 2 * len(SIDES)


def test_constants_that_made_the_times_come_back(table):
    made = read(table)
    true = SHARED | {"ampere": 0.7, "hopper": 0.8, "wave_share": 0.2, "memory_efficiency": 0.7}
    timed = Products(made.sides, made.predict(true), made.element_b, made.tables, made.families, made.devices)
    assert fit(timed) == pytest.approx(true, rel=0.02)


def test_a_product_alone_waits_for_its_launch(table):
    found = read(table)
    values = SHARED | {"ampere": 0.7, "hopper": 0.8}
    later = found.predict(values | {"launch_s": 1e-3}) - found.predict(values | {"launch_s": 0.0})
    assert later == pytest.approx(np.full(len(later), 1e-3))


def test_a_file_without_times_is_an_error(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("device,dtype\nA100,bf16\n")
    with pytest.raises(ScenarioError, match="time_us"):
        read(path)
    with pytest.raises(ScenarioError, match="no such file"):
        read(tmp_path / "none.csv")


def test_steps_start_from_what_timed_products_say(shared):
    found = fit(in_sixteen_bits(read(shared / "gemm_measured.csv")))
    starts = {(c.scope, c.field): c.start for c in CONSTANTS}
    for family in ("ampere", "hopper", "blackwell", "grace-blackwell"):
        assert starts[family, "product_efficiency"] == pytest.approx(found[family], rel=0.01)
    for scope, field in (("gpu", "wave_share"), ("gpu", "tile_latency_s"), ("all", "memory_efficiency")):
        assert starts[scope, field] == pytest.approx(found[field], rel=0.02)
