"""Durations and quantities as people read them: three digits, no exponents."""

from __future__ import annotations

import pytest

from dcsim.units import DAY, HOUR, human_si, human_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (47, "47 s"),
        (12 * 60, "12 min"),
        (3.4 * HOUR, "3.4 h"),
        (700 * DAY, "700 d"),
        (18.2 * 365 * DAY, "18.2 years"),
        (6640 * DAY, "18.2 years"),
        (1e4 * 365 * DAY, "10,000 years"),
        (999.9 * 365 * DAY, "1,000 years"),
    ],
)
def test_times_have_the_largest_unit_of_which_there_are_two(seconds: float, text: str):
    assert human_time(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(5.67e12, "5.67 TB"), (999_960, "1 MB"), (0.0, "0 B"), (999, "999 B")])
def test_quantities_have_a_prefix(value: float, text: str):
    assert human_si(value, "B") == text
