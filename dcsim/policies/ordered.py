"""Schedulers that say how the queue is ordered, and the queue that keeps it so: a plain job costs microseconds.

Most schedulers are an order and a rule of overtaking. Such a scheduler is a dataclass derived from
`OrderedScheduler`; the engine keeps its queue and carries its rule out. Whoever needs more implements
`decide(view)` instead (see `GeneralScheduler`). Ties of the order go by submission, then by place in the trace.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from numbers import Real
from typing import ClassVar, Literal, Protocol

from dcsim.errors import PolicyError, Problem
from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Decision, Preempt, Reject, SetRate, Start, WakeAt
from dcsim.policies.view import JobView, View

Key = tuple[float, ...]


class OrderedScheduler:
    """Base of schedulers that order the queue.

    `overtake`: what happens when the job at the head does not fit. "none": all wait for it (strict head of line);
    "skip": later jobs that fit start; "reserve_head": the head gets a reservation and others may only start if
    they do not delay it (EASY); "reserve_all": every waiting job has a reservation (conservative).
    `preempts`: a job at the head may stop running jobs whose key is strictly larger.
    `key_rate`: how fast the first element of a running job's key changes, 1/s (-1 for a remaining time).
    """

    overtake: ClassVar[Literal["none", "skip", "reserve_head", "reserve_all"]] = "none"
    preempts: bool = False
    key_rate: ClassVar[float] = 0.0

    def key(self, job: JobView) -> Key:
        """Place in the queue, smallest first; the empty tuple for the order of submission."""
        return ()

    def next_change(self, job: JobView) -> float | None:
        """Attained service, accelerator-seconds, at which a running job's key jumps next; None if never."""
        return None

    def levels(self) -> Sequence[float] | None:
        """Rising limits of attained service, accelerator-seconds, if `key` is the number of them that a job has
        passed, and nothing else; None if it is not. The engine then looks at running jobs by level."""
        return None


def key_of(scheduler: OrderedScheduler) -> Callable[[JobView], Key]:
    """The key of a scheduler; of one from outside dcsim with a check, since NaN would order the queue anyhow.

    The check raises PolicyError for a key that is no tuple of numbers.
    """
    if type(scheduler).__module__.startswith("dcsim."):
        return scheduler.key
    name = type(scheduler).__name__

    def checked(job: JobView) -> Key:
        """The key, if a queue can be ordered by it."""
        key = scheduler.key(job)
        if not isinstance(key, tuple) or not all(isinstance(part, Real) and part == part for part in key):
            raise PolicyError(
                Problem(name, f"key of job {job.job}", "cannot order a queue", repr(key), "a tuple of numbers")
            )
        return key

    return checked


class GeneralScheduler(Protocol):
    """A scheduler that decides from the whole view; decisions are applied one by one, as they are yielded."""

    def decide(self, view: View) -> Iterable[Decision]:
        """Called once per instant after all that happened at that instant."""
        ...


class Queue(Protocol):
    """What the engine drives: told of jobs that wait, asked to decide once an instant.

    A queue with a method `ended(job)` is also told of runs that end, are interrupted by a failure, or have saved after
    a preemption; one with `started(job)`, of jobs that came when nobody waited, fitted, and were started at once; one
    with `again(job)`, instead of by `push`, of interrupted jobs that wait again.
    """

    def push(self, job: int) -> None:
        """A job begins to wait: submitted, or back from a preemption that took time to save."""

    def decide(self, freed: bool, act: Actions) -> None:
        """Decide for this instant; `freed`: accelerators were given back since the last call."""
        ...


class GeneralQueue:
    """The general form: no order is kept, the scheduler looks at the whole view."""

    def __init__(self, scheduler: GeneralScheduler, view: View) -> None:
        self._scheduler = scheduler
        self._view = view

    def push(self, job: int) -> None:
        """Nothing to keep: the view knows who waits."""

    def decide(self, freed: bool, act: Actions) -> None:
        """Ask the scheduler and carry out what it says, one by one."""
        hand: dict[type, Callable[..., None]] = {
            Start: act.start, Preempt: act.preempt, Reject: act.reject, SetRate: act.set_rate, WakeAt: act.wake_at
        }  # fmt: skip
        decisions = self._scheduler.decide(self._view)
        if not isinstance(decisions, Iterable):
            raise self._illegal("decide returns no decisions", decisions)
        for decision in decisions:
            if type(decision) not in hand:
                raise self._illegal("illegal decision: not one of " + ", ".join(t.__name__ for t in hand), decision)
            try:
                hand[type(decision)](*decision)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise self._illegal(f"illegal decision: {error}", decision) from error

    def _illegal(self, rule: str, decision: object) -> PolicyError:
        return PolicyError(Problem(type(self._scheduler).__name__, f"at {self._view.now:g} s", rule, f"{decision!r}"))


class Fifo:
    """Waiting jobs in order of submission, with the head in front."""

    def __init__(self) -> None:
        self._jobs: deque[int] = deque()

    def push(self, job: int) -> None:
        """Add a job; jobs come in order of submission, those that come back go to their old place."""
        if self._jobs and job < self._jobs[-1]:
            self._jobs = deque(sorted([*self._jobs, job]))
        else:
            self._jobs.append(job)

    def head(self) -> int:
        """The first job; -1 if there is none."""
        return self._jobs[0] if self._jobs else -1

    def pop(self) -> int:
        """Take the first job out."""
        return self._jobs.popleft()

    def __len__(self) -> int:
        return len(self._jobs)


class Ordered:
    """Waiting jobs in order of their keys, ties by submission."""

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._key = key_of(scheduler)
        self._view = view
        self._heap: list[tuple[Key, int]] = []

    def push(self, job: int) -> None:
        """Add a job with the key it has now; keys of waiting jobs do not change."""
        heappush(self._heap, (self._key(self._view.job(job)), job))

    def head(self) -> int:
        """The first job; -1 if there is none."""
        return self._heap[0][1] if self._heap else -1

    def head_key(self) -> Key:
        """The key of the first job."""
        return self._heap[0][0]

    def pop(self) -> int:
        """Take the first job out."""
        return heappop(self._heap)[1]

    def __len__(self) -> int:
        return len(self._heap)


def strict_queue(scheduler: OrderedScheduler, view: View) -> FifoQueue | StrictQueue:
    """The strict queue that a scheduler's key asks for."""
    plain = type(scheduler).key is OrderedScheduler.key
    return FifoQueue() if plain else StrictQueue(scheduler, view)


class FifoQueue:
    """Strict first come, first served: the plainest queue, and the quickest."""

    def __init__(self) -> None:
        self._jobs: deque[int] = deque()
        self._blocked = -1  # the head that did not fit when it was last tried
        self.push = self._jobs.append

    def again(self, job: int) -> None:
        """A job that was interrupted goes back to its place."""
        insort(self._jobs, job)

    def decide(self, freed: bool, act: Actions) -> None:
        """Start from the head until one does not fit; not tried again before something has changed."""
        jobs, start_if_fits = self._jobs, act.start_if_fits
        if jobs and jobs[0] == self._blocked and not freed:
            return
        while jobs:
            if not start_if_fits(jobs[0]):
                self._blocked = jobs[0]
                return
            jobs.popleft()


class StrictQueue:
    """Strict head of line over a sorted queue: when the head does not fit, everyone waits."""

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._line = Ordered(scheduler, view)
        self.push = self._line.push
        self._blocked = -1  # the head that did not fit when it was last tried

    def decide(self, freed: bool, act: Actions) -> None:
        """Start from the head until one does not fit; not tried again before something has changed."""
        line, start_if_fits = self._line, act.start_if_fits
        head = line.head()
        if head == self._blocked and not freed:
            return
        while head >= 0:
            if not start_if_fits(head):
                break
            line.pop()
            head = line.head()
        self._blocked = head


class SkipQueue:
    """First that fits: jobs are looked at in order and each that fits starts.

    Jobs with the same needs stand in one line each. If the first of a line does not fit, none of that line does,
    so a pass looks at lines, not at jobs.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._view = view
        self._key = key_of(scheduler)
        self._classes = view.facts.request_class
        self._lines: dict[int, list[tuple[Key, int]]] = {}
        self._new: list[tuple[Key, int]] = []

    def push(self, job: int) -> None:
        """Add a job to the line of its needs."""
        entry = (self._key(self._view.job(job)), job)
        heappush(self._lines.setdefault(self._classes[job], []), entry)
        self._new.append(entry)

    def decide(self, freed: bool, act: Actions) -> None:
        """Merge the lines in order; a line whose head does not fit is done for this pass.

        Without freed accelerators only lines with new jobs can have anything that fits.
        """
        if freed:
            heads = [(line[0], kind) for kind, line in self._lines.items() if line]
        else:
            kinds = dict.fromkeys(self._classes[job] for _, job in self._new)
            heads = [(self._lines[kind][0], kind) for kind in kinds if self._lines[kind]]
        self._new.clear()
        heads.sort()
        while heads:
            (_, job), kind = heappop(heads)
            allocation = self._view.place(job)
            if allocation is None:
                continue
            line = self._lines[kind]
            heappop(line)
            if line:
                heappush(heads, (line[0], kind))
            act.start(job, allocation)
