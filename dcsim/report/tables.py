"""The numbers of the page: headline figures and the table of tenants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.metrics.runs import stretches
from dcsim.report.figure import Floats
from dcsim.scenario.jobs import Names
from dcsim.units import HOUR, human_count, human_time

if TYPE_CHECKING:
    from dcsim.run import Run

MOST_TENANTS = 20


class Card(NamedTuple):
    """One headline figure: what it is, its value with its unit, and a word of context."""

    label: str
    value: str
    note: str = ""


def cards(run: Run) -> list[Card]:
    """The headline figures, those that answer first."""
    s = run.summary
    shown = [
        Card("Jobs completed", human_count(s["jobs_completed"]), f"of {human_count(s['jobs'])}"),
        *(
            Card(f"Jobs {state}", human_count(s[f"jobs_{state}"]))
            for state in ("failed", "cancelled", "rejected", "unfinished")
            if s[f"jobs_{state}"]
        ),
        Card("Mean wait", _time(s["wait_s_mean"]), f"median {_time(s['wait_s_p50'])}"),
        Card("99th percentile wait", _time(s["wait_s_p99"]), f"longest {_time(s['wait_s_max'])}"),
        Card("Mean JCT", _time(s["jct_s_mean"]), "submission to end"),
        Card("Utilisation", _percent(s["utilization_allocated"]), f"of {human_count(s['accelerators'])} accelerators"),
        Card("Accelerator-hours", human_count(s["accelerator_hours"]), f"in {human_time(s['end_s'])}"),
    ]
    if s["preemptions"]:
        lost = f"{s['lost_accelerator_hours']:,.4g} accelerator-hours lost"
        shown.append(Card("Preemptions", human_count(s["preemptions"]), lost))
    return shown


def answer(run: Run) -> str:
    """Who waited and what was busy, in plain sentences."""
    s = run.summary
    jobs, waited = s["jobs"], s["jobs_waited"]
    parts = [_who_waited(waited, jobs - s["jobs_rejected"], s)]
    if s["utilization_allocated"] is not None:
        parts.append(
            f"Jobs held {_percent(s['utilization_allocated'])} of the {human_count(s['accelerators'])} accelerators' "
            f"time, and up to {human_count(s['queue_jobs_max'])} jobs waited at once."
        )
    if s["jobs_rejected"]:
        parts.append(f"{human_count(s['jobs_rejected'])} of {human_count(jobs)} jobs were rejected.")
    if s["jobs_unfinished"]:
        parts.append(f"{human_count(s['jobs_unfinished'])} had not ended when the run stopped.")
    return " ".join(parts)


def _who_waited(waited: int, jobs: int, s: dict[str, float]) -> str:
    if not jobs:
        return "No job ran."
    if not waited:
        return "No job that started had to wait."
    return (
        f"{human_count(waited)} of {human_count(jobs)} jobs ({_percent(waited / jobs)}) waited: {_time(s['wait_s_mean'])} on "
        f"average over all that started, {_time(s['wait_s_max'])} at most."
    )


@dataclass(frozen=True)
class Shares:
    """The table by tenant, or by user where a trace names no tenants. `rows`: name and cells of each row."""

    by: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


SHARE_COLUMNS = ("Jobs", "Accelerator-hours", "Mean wait", "90th percentile wait", "Mean JCT")


def shares(run: Run) -> Shares | None:
    """The tenants that used most, the others in one row; None where the trace names neither tenants nor users."""
    jobs = run.jobs
    names, by = (jobs.tenant, "tenant") if jobs.tenant.codes is not None else (jobs.user, "user")
    if names.codes is None:
        return None
    held = stretches(run.log, run.end_s)
    used_s = held.length_s * held.rate * jobs.accelerators[held.job]
    hours = np.bincount(held.job, used_s, len(jobs)) / HOUR
    order, group = _groups(names, hours)
    labels = [*(names.names[code] if code >= 0 else "(none)" for code in order[:MOST_TENANTS])]
    if len(order) > MOST_TENANTS:
        labels.append(f"{len(order) - MOST_TENANTS} others")
    return Shares(by, tuple((label, _row(run, hours, group == i)) for i, label in enumerate(labels)))


def _groups(names: Names, hours: Floats) -> tuple[list[int], NDArray[np.intp]]:
    """Codes of names by falling use, ties by name number, and for each job the row of the table it counts in."""
    assert names.codes is not None
    codes = names.codes + 1  # 0: no name
    total = np.bincount(codes, hours, len(names.names) + 1)
    order = np.argsort(-total, kind="stable")
    order = order[np.bincount(codes, minlength=len(total))[order] > 0]
    rank = np.zeros(len(total), np.intp)
    rank[order] = np.arange(len(order))
    return (order - 1).tolist(), np.minimum(rank, MOST_TENANTS)[codes]


def _row(run: Run, hours: Floats, mine: NDArray[np.bool_]) -> tuple[str, ...]:
    wait_s, jct_s = run.results.wait_s[mine], run.results.jct_s[mine]
    wait_s, jct_s = wait_s[~np.isnan(wait_s)], jct_s[~np.isnan(jct_s)]
    return (
        human_count(int(mine.sum())),
        human_count(float(hours[mine].sum())),
        _time(float(wait_s.mean()) if len(wait_s) else None),
        _time(float(np.percentile(wait_s, 90)) if len(wait_s) else None),
        _time(float(jct_s.mean()) if len(jct_s) else None),
    )


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else human_time(seconds)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")
