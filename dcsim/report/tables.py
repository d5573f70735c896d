"""The numbers of the page: headline figures and the table of tenants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.schema import REJECT
from dcsim.metrics.fragmentation import unusable
from dcsim.metrics.runs import stretches
from dcsim.report.figure import Floats
from dcsim.report.markup import counted
from dcsim.report.waits import waiting_s
from dcsim.scenario.jobs import Names
from dcsim.units import HOUR, human_count, human_time

if TYPE_CHECKING:
    from dcsim.run import Run

DASH = "\u2013"  # where there is no value
MOST_TENANTS = 20
MOST_REASONS = 10
MANY = 100  # hours from which on parts of an hour do not matter


class Card(NamedTuple):
    """One headline figure: what it is, its value with its unit, and a word of context."""

    label: str
    value: str
    note: str = ""


def jobs_from(run: Run) -> str:
    """Where the jobs came from: the workload, the scenario's own training jobs, or both."""
    workload = [run.scenario.workload.use] if run.scenario.workload else []
    return " and ".join([*workload, *["the scenario's training jobs"] * bool(run.scenario.jobs)])


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
        Card("Accelerator-hours", _hours(s["accelerator_hours"]), f"in {human_time(s['end_s'])}"),
    ]
    if s["preemptions"]:
        lost = f"{_hours(s['lost_accelerator_hours'])} accelerator-hours lost"
        shown.append(Card("Preemptions", human_count(s["preemptions"]), lost))
    if s["network_failures"]:
        stopped = f"{human_count(s['interruptions'])} times a job stopped"
        shown.append(Card("Failures of links and switches", human_count(s["network_failures"]), stopped))
    return shown


def answer(run: Run) -> str:
    """Who waited and what was busy, in plain sentences."""
    s = run.summary
    rejected = s["jobs_rejected"]
    came = int(np.sum(run.jobs.submit_s <= run.end_s))
    if came == rejected:
        return "No job ran: all were rejected." if rejected else "No job was submitted before the run stopped."
    return " ".join([_who_waited(run, came - rejected), _what_was_busy(run), *_who_is_left(run, came)])


def _who_waited(run: Run, jobs: int) -> str:
    """Waits until the first start; where jobs were stopped also those in all, which may be far longer."""
    s, wait_s = run.summary, waiting_s(run)
    stops = {word: s[word] for word in ("preemptions", "interruptions") if s[word]}
    if not wait_s.any():
        return "No job had to wait."
    first = run.results.wait_s > 0.0 if stops else wait_s > 0.0
    text = (
        f"{human_count(first.sum())} of {human_count(jobs)} jobs ({_percent(first.sum() / jobs)}) waited: "
        f"{_time(s['wait_s_mean'])} on average over all that started, {_time(s['wait_s_max'])} at most."
    )
    if not stops:
        return text
    counts = " and ".join(f"{human_count(count)} {word}" for word, count in stops.items())
    again = wait_s[run.jobs.submit_s <= run.end_s]
    return (
        f"{text} With the waits after {counts}, {human_count((again > 0.0).sum())} jobs waited: "
        f"{_time(float(again.mean()))} on average over all, {_time(float(again.max()))} at most."
    )


def _what_was_busy(run: Run) -> str:
    s = run.summary
    most = s["queue_jobs_max"]
    queue = f"; up to {counted(most, 'job')} waited at once" if most else ""
    return (
        f"Jobs held {_percent(s['utilization_allocated'])} of the time of the {human_count(s['accelerators'])} "
        f"accelerators{queue}."
    )


def _who_is_left(run: Run, came: int) -> Iterator[str]:
    s = run.summary
    if s["jobs_rejected"]:
        yield f"{human_count(s['jobs_rejected'])} of {human_count(s['jobs'])} jobs were rejected."
    if s["jobs_unfinished"]:
        late = s["jobs"] - came
        rest = f", {human_count(late)} of them were not submitted by then" if late else ""
        yield f"{human_count(s['jobs_unfinished'])} jobs had not ended when the run stopped{rest}."


def rejections(run: Run) -> list[tuple[str, str]]:
    """Reasons of rejections and how many jobs they met, most first; the rarest are left out."""
    rows = run.log.of_kind(REJECT)
    count = np.bincount(run.log.reason[rows], minlength=len(run.log.reasons))
    order = np.argsort(-count, kind="stable")[:MOST_REASONS]
    return [(run.log.reasons[i] or "no reason given", human_count(count[i])) for i in order.tolist() if count[i]]


FRAGMENT_COLUMNS = ("Accelerators of the job", "Free, but of no use", "of", "At the end", "of")


def fragmentation(run: Run) -> list[tuple[str, ...]]:
    """What was free and of no use by size of job, where anything was: means over time, then at the end of the run."""
    rows = unusable(run.jobs, run.log, run.scenario.pools, run.end_s)
    return [
        (human_count(row.size), *(f"{n:,.1f}" for n in (row.mean, row.free_mean, row.at_end, row.free_at_end)))
        for row in rows
        if row.mean > 0.0
    ]


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
    used_s = held.length_s * held.share * jobs.demand[held.job]
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
        _hours(float(hours[mine].sum())),
        _time(float(wait_s.mean()) if len(wait_s) else None),
        _time(float(np.percentile(wait_s, 90)) if len(wait_s) else None),
        _time(float(jct_s.mean()) if len(jct_s) else None),
    )


def _time(seconds: float | None) -> str:
    return DASH if seconds is None else human_time(seconds)


def _hours(hours: float) -> str:
    return human_count(hours) if hours >= MANY or not hours else f"{hours:.3g}"


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.1f}\u00a0%"
