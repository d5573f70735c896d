"""What estimates take for granted is data with a source and a grade."""

from __future__ import annotations

import pytest

from dcsim.performance import planning
from dcsim.scenario import presets
from dcsim.units import HOUR

GRADES = {"measured", "vendor", "paper", "weak", "assumed"}


@pytest.mark.parametrize("name", presets.names("planning"))
def test_every_usual_value_has_a_source_and_a_grade(name):
    table = presets.table("planning", name)
    values = set(table) - {"name", "notes", "provenance"}
    assert values == set(table["provenance"])
    assert all(origin["source"] and origin["grade"] in GRADES for origin in table["provenance"].values())


def test_the_mtbf_is_that_of_the_llama_3_run():
    # arXiv 2407.21783, table 5: 419 unexpected interruptions of 16,384 accelerators in 54 days
    assert abs(planning.usual().accelerator_mtbf_s - 16_384 * 54 * 24 * HOUR / 419) < HOUR


def test_usual_batches_ascend_from_no_compute_at_all():
    batches = planning.usual().batch_tokens
    assert batches[0][0] == 0.0
    assert sorted(batches) == list(batches)
    assert sorted(tokens for _, tokens in batches) == [tokens for _, tokens in batches]
