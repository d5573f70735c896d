"""The kernel of fused attention against published timings, and constants against what the benchmark finds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attention_accuracy import (
    EARLIEST,
    FIRST,
    KINDS,
    LENGTHS,
    TIMED,
    TRAINED,
    WIDTH,
    errors,
    fit,
    left_out,
    over_second,
    ships,
    speed_up,
)
from benchmarks.attention_accuracy import TOKENS as TIMED_TOKENS
from dcsim.kernels import roofline
from dcsim.kernels.facts import Device
from dcsim.kernels.roofline import fused_attention_s, rates
from dcsim.performance.constants import CONSTANTS
from tests.kernels.by_hand import near


def test_the_figures_of_the_kernel_and_where_shares_begin_are_those_that_fit_the_timings():
    shares, figures = np.split(fit(), [len(KINDS)])
    shipped = (roofline.FILL_KEYS, roofline.FORWARD_EXPONENTIALS, roofline.BACKWARD_EXPONENTIALS)
    assert figures == pytest.approx(shipped, rel=0.03)
    starts = {one.scope: one.start for one in CONSTANTS if one.field == "attention_efficiency"}
    assert shares == pytest.approx([starts[scope] for scope in ("hopper", "megatron", "ampere")], rel=0.01)


def test_timings_are_told_within_five_percent_and_nine_when_left_out():
    assert np.median(np.abs(np.expm1(errors(TIMED, fit())))) < 0.05
    assert np.median(np.abs(np.expm1(left_out()))) < 0.095


@pytest.mark.parametrize("what", ["forward", "backward"])
def test_the_benchmark_has_the_formula_of_the_kernel(what: str):
    device = Device(
        1e15, 989e12, 67e12, 80e9, 1e12, 1e11, 8.0, 1e11, exponential_per_s=16 * 67e12 / 256, attention_efficiency=0.5
    )
    series = next(one for one in TIMED if one.what == what and one.causal == (what == "forward"))
    rows, share = TIMED_TOKENS * WIDTH / series.head, 0.5 if series.causal else 1.0
    figures = (roofline.FILL_KEYS, roofline.FORWARD_EXPONENTIALS, roofline.BACKWARD_EXPONENTIALS)
    both = fused_attention_s(rows, share * LENGTHS[2], series.head, series.head, False, rates(device, 2.0))
    assert both[what == "backward"] == near(series.seconds(0.5, *figures)[2])


def test_the_first_generation_is_as_much_slower_as_published():
    # Forward and backward together, by FLOP: (1.4 + 2.5 x 2.0) / 3.5. Bars of one figure: 1.5 to 2.6.
    factor = (roofline.FIRST_FORWARD + 2.5 * roofline.FIRST_BACKWARD) / 3.5
    second = np.array(next(one.tflops for one in TIMED if one.chip == "A100"))
    slower = np.median([second / np.array(one.tflops) for one in FIRST])
    assert factor == pytest.approx(slower, rel=0.1)


def test_the_very_first_release_was_slower_still_as_documents_say():
    forward, backward = (np.median(over_second(one, ships())) for one in EARLIEST)
    assert (forward, backward) == (pytest.approx(2.8, abs=0.05), pytest.approx(2.5, abs=0.05))
    assert forward > roofline.FIRST_FORWARD
    assert backward > roofline.FIRST_BACKWARD


@pytest.mark.parametrize(("name", "layers", "hidden", "heads", "length", "printed"), TRAINED)
def test_whole_steps_gain_from_the_second_generation_what_is_published(name, layers, hidden, heads, length, printed):
    assert speed_up(layers, hidden, heads, length) == pytest.approx(printed, rel=0.1)
