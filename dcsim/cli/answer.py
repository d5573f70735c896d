"""The answer at the end of a run: at most 15 lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.metrics.contention import SEEN
from dcsim.units import human_count, human_time

if TYPE_CHECKING:
    from dcsim.run import Run


def answer(run: Run, place: Path, report: bool) -> str:
    """Jobs, waits, completion times, use, what was unmet, and where the files are."""
    s = run.summary
    scenario = run.scenario
    rows = [
        ("jobs", _jobs(s)),
        ("waited", _waited(s)),
        ("still waiting", _waiting(s)),
        ("wait if started" if s["jobs_waiting_at_end"] else "wait", _times(s, "wait_s")),
        ("completion time", _times(s, "jct_s")),
        ("utilisation", _use(s)),
        ("training jobs", _trained(run)),
        ("preemptions", _preemptions(s)),
        ("contention", _contention(run)),
        ("network", _network(s)),
        ("not met", _unmet(s)),
        ("results", f"{place}/"),
        ("report", f"{place}/report.html" if report else ""),
    ]
    head = (
        f"{scenario.name}: {_count(s['jobs'], 'job')} on {_count(s['accelerators'], 'accelerator')}, "
        f"{scenario.scheduler.use} + {scenario.placement.use}, {human_time(s['end_s'])} simulated in {run.wall_s:.1f} s"
    )
    return "\n".join([head, *(f"  {name:<16}{text}" for name, text in rows if text)])


def _trained(run: Run) -> str:
    if not run.trained:
        return ""
    from dcsim.report.trained import bounds

    return bounds(run)


def _contention(run: Run) -> str:
    """Slow-down of the jobs that may send, and how many others slowed down."""
    s, slowdown = run.summary, run.slowdown
    if slowdown is None or s["contention_slowdown_mean"] is None:
        return ""
    slowed = int((slowdown >= SEEN).sum())  # NaN is not
    mean, most = (f"{s[f'contention_slowdown_{part}']:.2f} x" for part in ("mean", "max"))
    by_how_much = f"; run time over time alone: mean {mean}, max {most}" if slowed else ""
    return f"{_count(slowed, 'job')} slowed down{by_how_much}"


def _count(number: int, thing: str) -> str:
    return f"{human_count(number)} {thing}{'' if number == 1 else 's'}"


def _jobs(s: dict[str, Any]) -> str:
    counts = {name: s[f"jobs_{name}"] for name in ("completed", "failed", "cancelled", "rejected", "unfinished")}
    return ", ".join(f"{human_count(n)} {name}" for name, n in counts.items() if n or name == "completed")


def _waited(s: dict[str, Any]) -> str:
    came = s["jobs_submitted"] - s["jobs_rejected"]
    share = s["jobs_waited"] / came if came else 0.0
    return f"{_count(s['jobs_waited'], 'job')} ({share:.1%}); at most {human_count(s['queue_jobs_max'])} at once"


def _waiting(s: dict[str, Any]) -> str:
    if not s["jobs_waiting_at_end"]:
        return ""
    longest = human_time(s["waiting_at_end_s_max"])
    return f"{_count(s['jobs_waiting_at_end'], 'job')} at the horizon, not started; the longest for {longest}"


def _times(s: dict[str, Any], name: str) -> str:
    if s[f"{name}_mean"] is None:
        return "no job got so far"
    parts = (("mean", "mean"), ("median", "p50"), ("p90", "p90"), ("p99", "p99"), ("max", "max"))
    return ", ".join(f"{label} {human_time(s[f'{name}_{key}'])}" for label, key in parts)


def _use(s: dict[str, Any]) -> str:
    use = s["utilization_allocated"]
    share = "" if use is None else f"{use:.1%} of the accelerators allocated, "
    return f"{share}{_hours(s['accelerator_hours'])}"


def _hours(hours: float) -> str:
    return f"{hours:,.{0 if hours >= 100 else 1}f} accelerator-hours"


def _preemptions(s: dict[str, Any]) -> str:
    if not s["preemptions"]:
        return ""
    return f"{human_count(s['preemptions'])}; {_hours(s['lost_accelerator_hours'])} of work lost"


def _network(s: dict[str, Any]) -> str:
    if not s["network_failures"]:
        return ""
    stops = f"; {_count(s['interruptions'], 'interruption')} of jobs" if s["interruptions"] else ""
    return f"{_count(s['network_failures'], 'failure')} of links and switches{stops}"


def _unmet(s: dict[str, Any]) -> str:
    parts = []
    if s["jobs_rejected"]:
        parts.append(f"{_count(s['jobs_rejected'], 'job')} rejected (`explain` tells why)")
    if s["jobs_unfinished"]:
        parts.append(f"{_count(s['jobs_unfinished'], 'job')} unfinished at the horizon")
    return ", ".join(parts)
