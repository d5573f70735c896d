"""The story of a job as text: at most some 25 lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from dcsim.cli.tables import aligned
from dcsim.report.markup import counted, number, plain
from dcsim.units import DAY, SIZE, human_time

if TYPE_CHECKING:
    from dcsim.metrics.story import Asked, Cause, Other, Range, Story
    from dcsim.scenario.spec import Scenario

MOST_CAUSES = 8
MOST_REASONS = 3
EVEN = 0.005  # speeds that differ from 1 by less are not told

SUMMARY = {
    "short": "too few free accelerators",
    "fragmented": "enough free accelerators, but not as its nodes need them",
    "behind": "there was room for it, but others go first",
    "apart": "there was room for it, but not on nodes {wanted}",
}
SPENT = {
    "waiting_s": "waiting",
    "startup_s": "start-up and restore",
    "useful_s": "useful work",
    "lost_s": "work lost in preemptions and failures",
    "saving_s": "saving its state",
    "cut_off_s": "no way between its nodes",
    "other_s": "checkpoints or sharing by time",
}


def lines(story: Story, scenario: Scenario) -> list[str]:
    """Head, what happened, why it waited, where its time went."""
    why = (_head(story, scenario), _why_in_all(story), _why(story, scenario))
    parts = (*why, _stops(story), _rates(story), _spent(story))
    return [plain(line).replace("\n", " ") for part in parts for line in part]


def _head(story: Story, scenario: Scenario) -> list[str]:
    tenant = f" of tenant {story.tenant}" if story.tenant else ""
    asked = ", ".join([counted(story.accelerators, "accelerator"), *_asked(story.asked)])
    shown = [f"job {story.job_id}{tenant}: {asked}, {human_time(story.service_s)} of service; {story.state}"]
    if not story.steps:
        return shown
    first = story.steps[0].time_s
    rows = [("submitted", _clock(first, scenario), "")]
    start = next((step.time_s for step in story.steps if step.kind == "start"), None)
    if start is not None:
        rows.append(("started", _clock(start, scenario), f"{human_time(start - first)} after submission"))
    if story.pool is not None and len(scenario.pools) > 1:
        rows.append(("ran in", story.pool, ""))
    if abs(story.spent.pace - 1.0) > EVEN:
        rows.append(("speed", f"{story.spent.pace:.3g} x", "that for which its service is told"))
    if story.state == "rejected":
        rows.append(("rejected", _clock(story.until_s, scenario), story.steps[-1].reason))
    else:
        end = "run ended" if story.state == "unfinished" else "ended"
        rows.append((end, _clock(story.until_s, scenario), f"{human_time(story.until_s - first)} after submission"))
    return shown + [f"  {line}" for line in aligned(rows)]


def _asked(asked: Asked) -> Iterator[str]:
    if asked.cpus:
        yield counted(asked.cpus, "CPU core")
    if asked.memory_b:
        yield f"{SIZE.format(asked.memory_b)} of memory"
    if asked.accelerator_names:
        yield f"on {asked.accelerator_names.replace('|', ' or ')}"
    if asked.pool:
        yield f"in pool {asked.pool}"


def _why_in_all(story: Story) -> list[str]:
    total = sum(cause.length_s for cause in story.causes)
    if not total:
        return [] if story.state == "rejected" or not story.steps else ["it did not wait"]
    shown = [f"it waited {human_time(total)} in all"]
    for kind, text in SUMMARY.items():
        part = sum(cause.length_s for cause in story.causes if cause.kind == kind)
        if part:
            shown.append(f"  {100 * part / total:3.0f} %  {text.format(wanted=story.wanted)}")
    return shown


def _why(story: Story, scenario: Scenario) -> list[str]:
    """The longest causes, in the order in which they came."""
    if not story.causes:
        return []
    shown = sorted(sorted(story.causes, key=lambda c: -c.length_s)[:MOST_CAUSES], key=lambda c: c.start_s)
    rows = [
        (_clock(cause.start_s, scenario), human_time(cause.length_s), _missing(cause, story, scenario))
        for cause in shown
    ]
    rest = len(story.causes) - len(shown)
    hidden_s = sum(c.length_s for c in story.causes) - sum(c.length_s for c in shown)
    more = [f"  ... {rest} more, shorter: {human_time(hidden_s)} in all"] if rest else []
    table = aligned([("from", "for", "what was missing"), *rows], "<>")
    return [f"  {line}" for line in table] + more + _unseen(story)


def _unseen(story: Story) -> list[str]:
    """A word of caution where the log does not tell all that a job needs."""
    if not story.unseen or all(cause.kind != "behind" for cause in story.causes):
        return []
    return [f"  where there was room, what was missing may also be {' or '.join(story.unseen)}: the log does not tell"]


def _missing(cause: Cause, story: Story, scenario: Scenario) -> str:
    need = number(story.accelerators)
    if cause.kind == "short":
        what = f"needs {need}, {_range(cause.free)} free"
    elif cause.kind == "fragmented":
        what = f"{_range(cause.free)} free, but {_pieces(cause, story, scenario)}"
    else:
        apart = f", but not on nodes {story.wanted}" if cause.kind == "apart" else ""
        what = f"room for it ({_range(cause.free)} free){apart}"
    held = [f"held by {_names(cause.holders)}"] if cause.holders else []
    return "; ".join([what, *_before(cause), *held])


def _pieces(cause: Cause, story: Story, scenario: Scenario) -> str:
    """What the nodes lacked, in nodes of the widest pool."""
    width = max(pool.accelerators_per_node for pool in scenario.pools)
    need = int(story.accelerators)
    if need < width or story.accelerators < 1.0:
        return f"at most {_range(cause.on_node)} on one node"
    whole, rest = divmod(need, width)
    more = f" and {rest} accelerators on another" if rest else ""
    return f"it needs {counted(whole, 'whole node')}{more}, {_range(cause.empty)} empty"


def _before(cause: Cause) -> list[str]:
    if not cause.before.most:
        return []
    jobs = "job" if cause.before.most == 1 else "jobs"
    return [f"behind {_range(cause.before)} {jobs}, led by {_names(cause.first)}"]


def _stops(story: Story) -> list[str]:
    """How often it was preempted by the scheduler and interrupted by failures, and why."""
    shown = []
    for word, kinds in (("preempted", ("preempt", "save")), ("interrupted", ("interrupt",))):
        reasons = Counter(step.reason or "no reason given" for step in story.steps if step.kind in kinds)
        shown += _counted(word, reasons.most_common())
    return shown


def _rates(story: Story) -> list[str]:
    """What made it faster or slower while it ran."""
    return _counted("rate changed", story.rates)


def _counted(what: str, reasons: Sequence[tuple[str, int]]) -> list[str]:
    """How often something happened in all, and its most frequent reasons."""
    if not reasons:
        return []
    often = [f"  {number(count)} x {reason}" for reason, count in reasons[:MOST_REASONS]]
    return [f"{what} {counted(sum(count for _, count in reasons), 'time')}", *often]


def _spent(story: Story) -> list[str]:
    parts = {text: getattr(story.spent, name) for name, text in SPENT.items()}
    total = sum(parts.values())
    if not total:
        return []
    rows = [(text, human_time(part), f"{100 * part / total:.0f} %") for text, part in parts.items() if part > 0.0]
    return [f"where its time went ({human_time(total)})", *(f"  {line}" for line in aligned(rows, "<>>"))]


def _clock(time_s: float, scenario: Scenario) -> str:
    """Calendar time where the scenario has a start, else days and hours of simulated time."""
    if scenario.start is not None:
        return (scenario.start + timedelta(seconds=round(time_s))).strftime("%Y-%m-%d %H:%M:%S")
    days, rest = divmod(round(time_s), int(DAY))
    clock = str(timedelta(seconds=rest)).zfill(8)
    return f"{days} d {clock}" if days else clock


def _range(values: Range) -> str:
    least, most = number(values.least), number(values.most)
    return least if least == most else f"{least} to {most}"


def _names(others: tuple[Other, ...]) -> str:
    return ", ".join(f"{other.job_id} ({number(other.accelerators)})" for other in others)
