"""What to look at next: commands that can be copied, each with the question that it answers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dcsim.report.markup import counted
from dcsim.report.waits import longest_waiters, waiting_s
from dcsim.units import human_count

if TYPE_CHECKING:
    from dcsim.run import Run
    from dcsim.scenario.loaded import Source

PROGRAM = "python -m dcsim"
IDLE = 0.5  # utilisation below which fewer nodes are worth a try


class Step(NamedTuple):
    """A question and the command that answers it."""

    question: str
    command: str


def next_steps(run: Run, folder: str) -> list[Step]:
    """Steps that suit what happened. `folder`: the run's folder.

    Paths are relative to the current folder where they lie inside it, else absolute: a report made twice from one
    folder has the same bytes, whether `run` or `report` made it.
    """
    steps = []
    where = shlex.quote(near(folder))
    worst = longest_waiters(waiting_s(run))
    if len(worst):
        job = run.jobs.job_id(int(worst[0]))
        steps.append(Step(f"Why did job {job} wait longest?", f"{PROGRAM} explain {where} {_word(job)}"))
    elif len(run.jobs):
        job = run.jobs.job_id(0)
        steps.append(Step(f"What became of job {job}?", f"{PROGRAM} explain {where} {_word(job)}"))
    changes = _changes(run, len(worst) > 0)
    steps += [Step(question, again(run.source, folder, change)) for question, change in changes]
    steps.append(Step("The same run again", again(run.source, folder)))
    steps.append(Step("The same figures as PNG and SVG, for a paper", f"{PROGRAM} report {where} --figures"))
    return steps


def again(source: Source, folder: str, change: str = "") -> str:
    """The command that makes the run again, with one more change if given; `folder`: the run's folder.

    Facts made in Python have no file of their own: the run's scenario.toml stands for it. A change of the scheduler
    takes the place of all earlier ones, since their keys may not be those of the new one.
    """
    overrides = [o for o in source.overrides if not (o.startswith("scheduler.") and change.startswith("scheduler."))]
    words = [near(source.scenario or f"{folder}/scenario.toml")]
    words += ["--data", near(source.data)] if source.data else []
    for option, values in (("--plugins", map(near, source.plugins)), ("--set", overrides + [change] * bool(change))):
        words += [word for value in values for word in (option, value)]
    return f"{PROGRAM} run {shlex.join(words)}"


def near(path: str) -> str:
    """A path relative to the current folder where it lies inside it, else absolute; never with a dash first."""
    whole, here = Path(path).absolute(), Path.cwd()
    shown = str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
    return str(whole) if shown.startswith("-") else shown


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
