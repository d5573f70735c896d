"""What to look at next: commands that can be copied, each with the question that it answers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from dcsim.report.markup import counted
from dcsim.report.waits import longest_waiters, waiting_s
from dcsim.units import human_count

if TYPE_CHECKING:
    from dcsim.run import Run

PROGRAM = "python -m dcsim"
IDLE = 0.5  # utilisation below which fewer nodes are worth a try


class Step(NamedTuple):
    """A question and the command that answers it."""

    question: str
    command: str


def next_steps(run: Run, folder: str, scenario: str, data: str | None = None) -> list[Step]:
    """Steps that suit what happened.

    `folder`: the run's folder; `scenario`: the scenario's file, to run it again with changes; `data`: the data
    folder that it needs, if any.
    """
    steps = []
    where = shlex.quote(folder)
    worst = longest_waiters(waiting_s(run))
    if len(worst):
        job = run.jobs.job_id(int(worst[0]))
        steps.append(Step(f"Why did job {job} wait longest?", f"{PROGRAM} explain {where} {_word(job)}"))
    elif len(run.jobs):
        job = run.jobs.job_id(0)
        steps.append(Step(f"What became of job {job}?", f"{PROGRAM} explain {where} {_word(job)}"))
    again = f"{PROGRAM} run {shlex.quote(scenario)}" + (f" --data {shlex.quote(data)}" if data else "")
    steps += [Step(question, f"{again} --set {change}") for question, change in _changes(run, len(worst) > 0)]
    steps.append(Step("The same figures as PNG and SVG, for a paper", f"{PROGRAM} report {where} --figures"))
    return steps


def _changes(run: Run, waits: bool) -> list[tuple[str, str]]:
    """What else to try: another order and more nodes where jobs wait, fewer nodes where many are idle."""
    pool = run.scenario.pools[0]
    if waits:
        other = "easy" if run.scenario.scheduler.use != "easy" else "sjf"
        more = pool.nodes + max(1, round(pool.nodes / 6))
        return [
            (f"Would another scheduler help? Try {other}", f"scheduler.use={other}"),
            (f"Would more nodes help? {pool.name} with {human_count(more)}", f"pools.0.nodes={more}"),
        ]
    if (run.summary["utilization_allocated"] or 1.0) < IDLE and pool.nodes > 1:
        fewer = max(1, int(pool.nodes * 0.75))
        return [(f"Nobody waited: would {counted(fewer, 'node')} do?", f"pools.0.nodes={fewer}")]
    return []


def _word(job: str) -> str:
    """A job id as a word of a command line; one that looks like an option goes behind `--`."""
    return ("-- " if job.startswith("-") else "") + shlex.quote(job)
