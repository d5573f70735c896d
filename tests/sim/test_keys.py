"""Keys of schedulers from outside dcsim must be able to order a queue."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from dcsim.__main__ import main
from dcsim.errors import PolicyError
from dcsim.policies.ordered import OrderedScheduler, key_of
from dcsim.policies.schedulers.sjf import Sjf
from dcsim.policies.view import JobView
from tests.simulate import simulate, table

JOBS = ([0, 1, 2, 3], [9, 3, 2, 1])


@pytest.mark.parametrize("overtake", ["none", "skip"])
@pytest.mark.parametrize("preempts", [False, True])
@pytest.mark.parametrize("key", [(nan,), (0.0, nan), "later", 3.0, (None,), ("a",)])
def test_a_key_that_cannot_order_stops_the_run_and_is_named(key: Any, overtake: Any, preempts: bool):
    class Odd(OrderedScheduler):
        """Bad keys."""

        def key(self, job: JobView) -> Any:
            return key

    Odd.overtake, Odd.preempts = overtake, preempts
    with pytest.raises(PolicyError, match=r"^Odd: key of job \d: cannot order a queue \(got "):
        simulate(table(*JOBS), 1, 1, Odd())


def test_infinite_keys_are_in_order():
    @dataclass(frozen=True)
    class Last(OrderedScheduler):
        """Job 1 goes last."""

        def key(self, job: JobView) -> Any:
            return (inf if job.job == 1 else -inf,)

    assert simulate(table(*JOBS), 1, 1, Last()).start_s == [0, 12, 9, 11]


def test_own_schedulers_are_not_checked_again():
    assert key_of(Sjf()).__func__ is Sjf.key  # type: ignore[attr-defined]


def test_check_finds_a_key_that_is_not_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "odd.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom dcsim.policies.ordered import OrderedScheduler\n"
        '@dataclass(frozen=True)\nclass Odd(OrderedScheduler):\n    """Bad keys."""\n'
        "    def key(self, job):\n        return (float('nan'),)\n"
    )
    assert main(["check", str(file)]) == 1
    assert "cannot order a queue (got (nan,), expected a tuple of numbers)" in capsys.readouterr().err
