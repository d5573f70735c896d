"""`dcsim explain`: why a job waited, behind whom, and where its time went."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.scenario.jobs import JobTable

MOST_LOOKED_AT = 2000  # ids among which near matches are looked for: more would take seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("job", metavar="JOB", help="id of a job, as its trace has it")
    parser.add_argument("--json", action="store_true", help="print the whole story as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Find the job, read its story off the event log, print it."""
    from dcsim import results
    from dcsim.cli.story import lines
    from dcsim.metrics.story import Teller
    from dcsim.report.slowdown import slowdown_of, slowdown_sentences
    from dcsim.report.trained import sentences

    finished = results.read(Path(arguments.run))
    rows = rows_of(finished.jobs, arguments.job, arguments.run)
    story = Teller(finished.scenario, finished.jobs, finished.log, finished.end_s).story(rows[0])
    told = next((told for told in finished.trained if told.job == rows[0]), None)
    if arguments.json:
        slowdown = slowdown_of(finished, rows[0])
        more = ({"contention_slowdown": slowdown} if slowdown else {}) | ({"training": asdict(told)} if told else {})
        print(json.dumps(asdict(story) | more))
        return 0
    others = slowdown_sentences(finished, rows[0])
    print("\n".join([*lines(story, finished.scenario), *others, *(sentences(told) if told else [])]))
    if len(rows) > 1:
        print(f"{len(rows)} jobs have this id: this is the first by submission.")
    return 0


def rows_of(jobs: JobTable, job_id: str, folder: str) -> list[int]:
    """Numbers of the jobs with an id; ScenarioError with near matches if there is none."""
    from dcsim.errors import Problem, ScenarioError, nearest

    ids = [jobs.job_id(row) for row in range(len(jobs))]
    rows = [row for row, known in enumerate(ids) if known == job_id]
    if not rows:
        alike = [known for known in ids if job_id in known or known in job_id or known[:3] == job_id[:3]]
        hint = nearest(job_id, (alike or ids)[:MOST_LOOKED_AT])
        fix = hint or f"the run has {len(ids)} jobs, such as '{ids[0]}'"
        raise ScenarioError(Problem(folder, "JOB", "no job of that id", got=f"'{job_id}'", fix=fix))
    return rows
