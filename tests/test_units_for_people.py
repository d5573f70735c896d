"""Durations and quantities as people read them: three digits, no exponents."""

from __future__ import annotations

import pytest

from dcsim.units import DAY, HOUR, TIME, human_si, human_time, human_time_up


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(47, "47 s"), (14.31 * HOUR, "14.4 h"), (14.3 * HOUR, "14.3 h"), (0.12345, "0.124 s"), (6641.2 * DAY, "6650 d")],
)
def test_times_that_are_rounded_up_are_read_as_no_less(seconds: float, text: str):
    assert human_time_up(seconds) == text
    assert TIME.parse(text) >= seconds


@pytest.mark.parametrize(("value", "text"), [(5.67e12, "5.67 TB"), (999_960, "1 MB"), (0.0, "0 B"), (999, "999 B")])
def test_quantities_have_a_prefix(value: float, text: str):
    assert human_si(value, "B") == text
