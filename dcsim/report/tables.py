"""The numbers of the page: headline figures and the table of tenants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

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
    started = " if started" if s["jobs_waiting_at_end"] else ""
    shown = [
        Card("Jobs completed", human_count(s["jobs_completed"]), f"of {human_count(s['jobs'])}"),
        *(
            Card(f"Jobs {state}", human_count(s[f"jobs_{state}"]))
            for state in ("failed", "cancelled", "rejected", "unfinished")
            if s[f"jobs_{state}"]
        ),
        *_still_waiting(s),
        Card(f"Mean wait{started}", _time(s["wait_s_mean"]), f"median {_time(s['wait_s_p50'])}"),
        Card(f"p99 wait{started}", _time(s["wait_s_p99"]), f"longest {_time(s['wait_s_max'])}"),
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


def _still_waiting(s: dict[str, Any]) -> Iterator[Card]:
    if s["jobs_waiting_at_end"]:
        longest = f"longest {_time(s['waiting_at_end_s_max'])}"
        yield Card("Still waiting", human_count(s["jobs_waiting_at_end"]), longest)


def answer(run: Run) -> str:
    """Who waited and what was busy, in plain sentences."""
    s = run.summary
    rejected = s["jobs_rejected"]
    came = s["jobs_submitted"]
    if came == rejected:
        return "No job ran: all were rejected." if rejected else "No job was submitted before the run stopped."
    return " ".join([_who_waited(run), _what_was_busy(run), *_who_is_left(s)])


def _who_waited(run: Run) -> str:
    """Waits until the first start; where jobs were stopped also those in all, which may be far longer."""
    s, wait_s = run.summary, waiting_s(run)
    stops = {word: s[word] for word in ("preemptions", "interruptions") if s[word]}
    if not wait_s.any():
        return "No job had to wait."
    text = _first_waits(s)
    if not stops:
        return text
    counts = " and ".join(counted(count, word.removesuffix("s")) for word, count in stops.items())
    again = wait_s[run.jobs.submit_s <= run.end_s]
    return (
        f"{text} With the waits after {counts}, {counted((again > 0.0).sum(), 'job')} waited: "
        f"{_time(float(again.mean()))} on average over all, {_time(float(again.max()))} at most."
    )


def _first_waits(s: dict[str, Any]) -> str:
    came, waited, waiting = s["jobs_submitted"] - s["jobs_rejected"], s["jobs_waited"], s["jobs_waiting_at_end"]
    text = f"{human_count(waited)} of {counted(came, 'job')} ({_percent(waited / came)}) waited"
    mean_s, most_s = _time(s["wait_s_mean"]), _time(s["wait_s_max"])
    if not waiting:
        return f"{text}: {mean_s} on average over all that started, {most_s} at most."
    text += f"; {human_count(waiting)} had not started when the run stopped, the longest had waited for "
    text += f"{_time(s['waiting_at_end_s_max'])}."
    return (
        text
        if s["wait_s_mean"] is None
        else f"{text} Jobs that started had waited {mean_s} on average, {most_s} at most."
    )


def _what_was_busy(run: Run) -> str:
    s = run.summary
    most = s["queue_jobs_max"]
    queue = f"; up to {counted(most, 'job')} waited at once" if most else ""
    return (
        f"Jobs held {_percent(s['utilization_allocated'])} of the time of {counted(s['accelerators'], 'accelerator')}"
        f"{queue}."
    )


def _who_is_left(s: dict[str, Any]) -> Iterator[str]:
    if s["jobs_rejected"]:
        yield f"{_of(s['jobs_rejected'], s['jobs'])} rejected."
    if s["jobs_unfinished"]:
        late = s["jobs"] - s["jobs_submitted"]
        rest = f", {_of(late)} not submitted by then" if late else ""
        yield f"{counted(s['jobs_unfinished'], 'job')} had not ended when the run stopped{rest}."


def _of(some: int, all_jobs: int | None = None) -> str:
    """`3 of 8 jobs were`, `1 of 8 jobs was`; `3 of them were`."""
    whole = "them" if all_jobs is None else counted(all_jobs, "job")
    return f"{human_count(some)} of {whole} {'was' if some == 1 else 'were'}"


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
