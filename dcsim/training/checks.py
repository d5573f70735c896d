"""What is wrong with training jobs of a scenario that has other mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.errors import Problem
    from dcsim.scenario.drafts import Drafts


def look(found: Drafts) -> list[Problem]:
    """What models and devices say against what can be read of jobs; for `scenario.load`."""
    if not found.jobs:
        return []
    from dcsim.performance.job_plans import mistakes_in  # its kernels load Numba, which scenarios without jobs need not

    return mistakes_in(found)
