"""Fits: known constants come back, sources are left out whole, files are written and read."""

import os
import tomllib

import numpy as np
import pytest

from dcsim.__main__ import main
from dcsim.errors import ScenarioError
from dcsim.performance.calibrate import bench, calibrate, cross_validate, fit, predict, weights
from dcsim.performance.calibration_files import entries, preset_texts
from dcsim.performance.constants import CONSTANTS
from dcsim.performance.devices import constants_of, device_row, families, family_of, fitted_to, shipped
from dcsim.performance.rows import Configurations, configurations, read
from dcsim.performance.scores import score
from dcsim.scenario import presets
from tests.performance.test_rows import ROW

FEW = tuple(c for c in CONSTANTS if (c.scope, c.field) in {("ampere", "product_efficiency"), ("all", "nic_efficiency")})


def made(sources=("a", "b", "c")):
    """Rows of several sizes; no measurement is looked at."""
    rows = [
        ROW | {"source_group": source, "hidden": str(hidden), "layers": str(layers), "global_batch": str(batch)}
        for source, layers in zip(sources, (12, 24, 48), strict=True)
        for hidden in (2048, 4096, 8192)
        for batch in (64, 512)
    ]
    return configurations(rows)


def test_constants_that_made_the_rows_come_back():
    at = bench(made(), FEW)
    true = np.array([c.start * factor for c, factor in zip(FEW, (0.9, 0.8), strict=True)])
    told = bench(made(), FEW)
    object.__setattr__(told, "measured", at.predict(true))
    loose = tuple(type(c)(c.scope, c.field, c.start, 100.0, c.meaning, c.source, c.most) for c in FEW)
    object.__setattr__(told, "constants", loose)
    assert fit(told) == pytest.approx(true, rel=0.02)


def test_a_source_never_helps_to_predict_itself():
    found = made()
    one = calibrate(found, FEW)
    held = np.array([row.source == "a" for row in found.rows])
    alone = fit(one.bench.select(~held))
    assert one.outside[held] == pytest.approx(one.bench.select(held).predict(alone))


def test_a_constant_that_one_source_alone_uses_keeps_its_start():
    two = tuple(c for c in CONSTANTS if c.field == "product_efficiency" and c.scope in ("ampere", "volta"))
    rows = [
        ROW | {"source_group": source, "accelerator": chip, "layers": layers, "tokens_per_s_per_accelerator": "900"}
        for source, chip in (("a", "A100-80GB-SXM"), ("b", "A100-80GB-SXM"), ("b", "V100-32GB-SXM"))
        for layers in ("12", "24")
    ]
    ampere, volta = fit(bench(configurations(rows), two))
    assert (ampere != two[0].start, volta == two[1].start) == (True, True)
    said = preset_texts(entries(calibrate(configurations(rows), two)))["volta.toml"]
    assert "not fitted, since 2 rows of 1 source use it" in said
    alone = fit(bench(configurations(rows[2:]), two))  # a user's own machines are one source
    assert (alone != [c.start for c in two]).all()


def test_each_source_counts_the_same():
    counted = weights(np.array(["a"] * 4 + ["b"]))
    assert counted[:4].sum() == pytest.approx(counted[4])
    assert counted.mean() == pytest.approx(1.0)


def test_whole_families_of_frameworks_can_be_left_out():
    at = bench(made(), FEW)
    names = np.array(["x"] * 6 + ["y"] * 12)
    found = cross_validate(at, names)
    alone = fit(at.select(names == "y"))
    assert found[names == "x"] == pytest.approx(at.select(names == "x").predict(alone))


def test_written_presets_say_what_they_rest_on():
    texts = preset_texts(entries(calibrate(made(), FEW)))
    ampere = tomllib.loads(texts["ampere.toml"])
    assert "A100" in ampere["accelerators"]
    assert ampere["fitted_to"] == ["A100-SXM4-80GB"]
    assert ampere["product_efficiency"]["grade"] == "measured"
    assert (ampere["product_efficiency"]["rows"], ampere["product_efficiency"]["sources"]) == (18, 3)


def test_no_more_than_forty_constants_ship_each_documented():
    known = shipped()
    fitted = [key for key in known if key[0] != "memory"]
    assert len(fitted) == len(CONSTANTS) <= 40
    for scope in {scope for scope, _ in fitted}:
        for field, entry in presets.table("calibration", scope).items():
            if isinstance(entry, dict) and "value" in entry:
                assert entry["source"], f"{scope}.{field}"
                assert entry["grade"], f"{scope}.{field}"


def test_a_family_without_rows_falls_back_on_its_class_and_says_so():
    row = device_row(presets.accelerator("MI300X"))
    chip = presets.accelerator("MI300X")
    best = chip.matmul_bf16 / chip.bf16  # no product is faster than the best that was measured
    assert row.device.product_efficiency == min(shipped()["all", "product_efficiency"], best)
    assert any("class 'gpu'" in note for note in row.notes)
    assert device_row(presets.accelerator("H100-SXM")).notes == ()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("H800-SXM", "no measured steps of H800-SXM: constants of family 'hopper' serve, fitted to those of H100-SXM"),
        ("A30", "no measured steps of A30: constants of family 'ampere' serve, fitted to those of A100-SXM4-40GB"),
        ("V100-PCIe-32GB", "constants of family 'volta' serve, fitted to those of V100-SXM2-32GB"),
        ("RTX-4090", "no constants of RTX-4090's family: those of class 'gpu' and of all serve"),
        ("TPU-v2", "no constants of TPU-v2's family: those of class 'tpu' and of all serve"),
        ("TPU-v4", "no constants of TPU-v4's family: those of class 'tpu' and of all serve"),
        ("TPU-v7x", "no measured steps of TPU-v7x: constants of family 'trillium' serve, fitted to those of TPU-v6e"),
        ("Ascend-910C", "no constants of Ascend-910C's family: those of class 'asic' and of all serve"),
    ],
)
def test_a_device_whose_steps_nobody_measured_says_whose_constants_serve(name, note):
    assert any(note in said for said in device_row(presets.accelerator(name)).notes)


def test_a_family_names_the_devices_of_the_rows_behind_its_constants(shared):
    rows = configurations(read(shared / "training_measured.csv")).rows
    for family in families():
        measured = {row.accelerator.name for row in rows if family_of(row.accelerator) == family}
        own = (family.name, "product_efficiency") in shipped()
        assert set(family.fitted_to) == (measured if own else set()), family.name


def test_a_class_names_the_devices_of_the_rows_behind_its_constants_of_which_nothing_is_said(shared):
    rows = configurations(read(shared / "training_measured.csv")).rows
    tpus = [row.accelerator for row in rows if row.accelerator.device_class == "tpu"]
    alone = {chip.name for chip in tpus if family_of(chip) is None}
    assert set(fitted_to("tpu")) == alone == {"TPU-v5e", "TPU-v5p"}
    for name in alone:
        assert device_row(presets.accelerator(name)).notes == ()


def test_a_class_without_a_share_of_its_own_is_fitted_to_no_device():
    texts = preset_texts(entries(calibrate(made(), CONSTANTS)))
    assert "fitted_to" not in texts["gpu.toml"]
    assert tomllib.loads(texts["tpu.toml"])["fitted_to"] == []


def test_shipped_constants_predict_published_rows(shared):
    found = configurations(read(shared / "training_measured.csv"))
    ordinary = found.ordinary
    got = score(predict(found)[ordinary], found.measured[ordinary])
    assert got.median < 0.11
    assert got.p90 < 0.35


def test_predicting_nothing_is_nothing():
    assert len(predict(Configurations([]))) == 0


def test_the_command_fits_and_writes(tmp_path, shared, capsys):
    lines = (shared / "training_measured.csv").read_text(encoding="utf-8").splitlines()
    few = tmp_path / "rows.csv"
    few.write_text(
        "\n".join([lines[0], *[line for line in lines[1:] if line.startswith(("fms", "korth", "nemo-docs"))]])
    )
    assert main(["calibrate", str(few), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "sources left out" in said
    assert "no rows: starting value" in said
    assert (tmp_path / "out" / "hopper.toml").is_file()
    assert "as they ship:" in said


def test_what_no_row_told_leaves_the_constants_that_ship(tmp_path, shared, capsys):
    lines = (shared / "training_measured.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "rows.csv").write_text("\n".join([lines[0], *[x for x in lines if x.startswith("nemo-docs")]]))
    command = ["calibrate", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    assert main(command) == 0  # 13 runs on H100 with Megatron Core
    known, ships = constants_of(str(tmp_path / "out")), shipped()
    of = configurations(read(tmp_path / "rows.csv"))
    assert (
        f"fitted:           {score(predict(of, known), of.measured)}" in capsys.readouterr().out
    )  # as it will be used
    assert known["hopper", "product_efficiency"] != ships["hopper", "product_efficiency"]
    for key in [("ampere", "product_efficiency"), ("volta", "product_efficiency"), ("pytorch", "framework_factor")]:
        assert known[key] == ships[key]
    notes = device_row(presets.accelerator("H800-SXM"), calibration={**ships}).notes
    assert any("no measured steps of H800-SXM" in note for note in notes)  # said where the family's share ships
    capsys.readouterr()
    assert main([*command, "--start", "shipped"]) == 0
    key = "hopper", "product_efficiency"
    far, near = (abs(found[key] / ships[key] - 1.0) for found in (known, constants_of(str(tmp_path / "out"))))
    assert near < far


def test_few_rows_that_the_shipped_constants_tell_better_are_said_to_be_so(tmp_path, shared, capsys):
    lines = (shared / "training_measured.csv").read_text(encoding="utf-8").splitlines()
    one = next(line for line in lines if line.startswith("fms-fsdp") and "H100-80GB-SXM" in line)
    (tmp_path / "rows.csv").write_text("\n".join([lines[0], one]))
    command = ["calibrate", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "tell these rows better than this fit; --start shipped holds it to them" in capsys.readouterr().out
    assert main([*command, "--start", "shipped"]) == 0
    assert "better than this fit" not in capsys.readouterr().out


def test_a_file_without_usable_rows_is_an_error(tmp_path, capsys):
    empty = tmp_path / "rows.csv"
    empty.write_text("accelerator,n_accelerators,layers,hidden,heads,seq_len\n")
    assert main(["calibrate", str(empty)]) == 2
    assert "has no rows below its header" in capsys.readouterr().err
    empty.write_text("accelerator,n_accelerators,layers,hidden,heads,seq_len\nA100,8,12,768,12,1024\n")
    assert main(["calibrate", str(empty)]) == 2
    assert "no row can be used: 1 no measured tokens/s" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["calibrate"], ["estimate", "--rows"]])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.csv", ": no such file"),
        ("rows.csv/none.csv", ": no such file"),
        (".", ": is a directory (expected a CSV file)"),
        ("rows.csv", ":2: is not UTF-8: byte 0xff at byte offset 14; save it as UTF-8"),
        ("wide.csv", ":2: cannot be read as CSV: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_csv_is_bad_input_told_in_one_line(command, name, told, tmp_path, capsys):
    (tmp_path / "rows.csv").write_bytes(b"accelerator\r\n,\xff")
    (tmp_path / "wide.csv").write_text("accelerator\n" + "x" * 200_000)
    file = tmp_path / name
    assert main([*command, str(file)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"dcsim: error: {file}{told}")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="rights of files are those of Unix")
def test_a_file_that_may_not_be_read_is_told(tmp_path):
    file, me = tmp_path / "rows.csv", os.geteuid()
    file.touch(mode=0)
    if me == 0:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(ScenarioError, match=r"rows\.csv: may not be read; give yourself the right to read it"):
            read(file)
    finally:
        os.seteuid(me)
