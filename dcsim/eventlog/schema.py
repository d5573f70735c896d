"""Every kind of row of the event log and every column: the contract between the engine and all readers."""

from __future__ import annotations

from typing import NamedTuple

SUBMIT = 0
START = 1
PREEMPT = 2
RELEASE = 3
COMPLETE = 4
FAIL = 5
CANCEL = 6
REJECT = 7
RATE = 8
SAVE = 9
INTERRUPT = 10
BREAK = 11
REPAIR = 12

KINDS = (
    *("submit", "start", "preempt", "release", "complete", "fail", "cancel", "reject", "rate", "save"),
    *("interrupt", "break", "repair"),
)
END_KINDS = (COMPLETE, FAIL, CANCEL)


class Column(NamedTuple):
    """A column of the event log: name with unit, Arrow type, meaning."""

    name: str
    type: str
    meaning: str


KIND_MEANINGS = {
    "submit": "the job begins to wait",
    "start": "the job takes its accelerators; `value` is its rate: service per second, 1 unless jobs run faster or "
    "slower by pool, place, clock and neighbours, or share all accelerators by time; 0 while no way joins its nodes",
    "preempt": "the job is stopped, gives its accelerators back and waits again; `value` is the work lost, s",
    "save": "the job is stopped and saves its state on its accelerators, until its `release`; `value` as for `preempt`",
    "release": "a preempted job has saved its state and gives its accelerators back",
    "complete": "the job ends well and gives its accelerators back",
    "fail": "the job ends with a failure after its service, as its trace says",
    "cancel": "the job is cancelled by its user after its service, as its trace says",
    "reject": "the job is sent away and never runs",
    "rate": "a running job's rate becomes `value`",
    "interrupt": "a failure, which `reason` names, stops the job; it gives its accelerators back and waits again; "
    "`value` is the work lost, s",
    "break": "the link or switch that `reason` names fails; `value` is the share of its bandwidth that is left",
    "repair": "the link or switch that `reason` names is repaired; `value` is the share that it had left",
}

NOBODY = -1
"""Number of the job in rows of links and switches."""

COLUMNS = (
    Column("time_s", "double", "simulated time, s since the scenario's start"),
    Column("event", "dictionary", "kind of row: " + ", ".join(KINDS)),
    Column("job", "int32", "number of the job: its row in jobs.parquet; -1 where a row is of none"),
    Column("value", "double", "see the kind of row"),
    Column("pool", "int16", "start rows: number of the pool, in the order of the scenario; -1 elsewhere"),
    Column("nodes", "list<int32>", "start rows: nodes of that pool; empty without node walls"),
    Column("counts", "list<int32>", "start rows: accelerators on each of `nodes`"),
    Column("reason", "dictionary", "the policy's reason, if it gave one; what has failed or is repaired"),
)
