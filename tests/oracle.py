"""An independent reference for schedules: plain lists and loops, everything worked out anew at every event.

It shares nothing with dcsim and is slow on purpose: a rule stands here as a person would say it. Jobs are tuples
`(submit, accelerators, service, requested, priority)`, sorted by submission; times may be ints, floats or
`fractions.Fraction`, which makes every sum exact (LAS wants no floats). Overheads are zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

THRESHOLDS = (3250, 7200, 18000)  # of the discretised LAS, accelerator-seconds

Place = list[tuple[int, int]]  # (node, accelerators) pairs


@dataclass
class Job:
    number: int
    submit: float
    need: int
    service: float
    requested: float
    priority: int = 0
    state: str = "future"
    place: Place = field(default_factory=list)
    since: float = 0  # start of the present run
    done: float = 0  # work of earlier runs
    first_start: float | None = None
    last_end: float | None = None
    preemptions: int = 0

    def end(self):
        return self.since + (self.service - self.done)

    def requested_end(self):
        return self.since + (self.requested - self.done)

    def worked(self, now):
        return self.done + (now - self.since if self.state == "running" else 0)


class Cluster:
    """Free accelerators of each node; under `pool` the whole cluster is one node."""

    def __init__(self, nodes, width, placement):
        self.placement = placement
        self.width = nodes * width if placement == "pool" else width
        self.free = [self.width] * (1 if placement == "pool" else nodes)

    def best_node(self, free, need, without=()):
        fitting = [n for n in range(len(free)) if free[n] >= need and n not in without]
        if not fitting:
            return None
        sign = -1 if self.placement == "spread" else 1  # spread: most free first; pack: fewest
        return min(fitting, key=lambda n: (sign * free[n], n))

    def find(self, need, free=None):
        """Where a job goes, or None: one node, or whole empty nodes plus one node for the rest."""
        free = self.free if free is None else free
        if need <= self.width:
            node = self.best_node(free, need)
            return None if node is None else [(node, need)]
        whole, rest = need // self.width, need % self.width
        empty = [n for n in range(len(free)) if free[n] == self.width][:whole]
        if len(empty) < whole:
            return None
        place = [(n, self.width) for n in empty]
        if rest:
            node = self.best_node(free, rest, without=empty)
            if node is None:
                return None
            place.append((node, rest))
        return place

    def after(self, leaving=(), coming=()):
        """Free accelerators of each node if some places were left and others taken."""
        free = list(self.free)
        for place in leaving:
            for node, count in place:
                free[node] += count
        for place in coming:
            for node, count in place:
                free[node] -= count
        return free

    def take(self, place):
        self.free = self.after(coming=[place])
        assert min(self.free) >= 0

    def give(self, place):
        self.free = self.after(leaving=[place])
        assert max(self.free) <= self.width


class Oracle:
    """One run. `scheduler` is the name of one of its rules below."""

    def __init__(self, jobs, nodes, width, scheduler, placement, preempts=False, depth=None):
        self.jobs = [Job(number, *job) for number, job in enumerate(jobs)]
        self.cluster = Cluster(nodes, width, placement)
        self.scheduler = scheduler
        self.rule = getattr(self, "preemptive" if preempts else scheduler)
        self.depth = depth  # of backfill; None: all that wait
        self.now = 0

    def run(self):
        """Simulate; returns the jobs with `first_start`, `last_end` and `preemptions` filled in."""
        for job in self.jobs:
            if Cluster.find(Cluster(*self.size(), self.cluster.placement), job.need) is None:
                job.state = "rejected"
        while (times := self.coming()) != []:
            self.now = min(times)
            for job in self.some("running"):
                if job.end() <= self.now:
                    self.stop(job, "ended")
                    job.last_end = self.now
            for job in self.some("future"):
                if job.submit == self.now:
                    job.state = "waiting"
            self.rule()
        assert not self.some("waiting")
        return self.jobs

    def size(self):
        return len(self.cluster.free), self.cluster.width

    def coming(self):
        """Times of all events to come: arrivals, ends, and for LAS the moments when a job sinks a queue."""
        times = [job.submit for job in self.some("future")] + [job.end() for job in self.some("running")]
        if self.scheduler == "least_attained_service":
            for job in self.some("running"):
                ahead = [level for level in THRESHOLDS if job.worked(self.now) * job.need < level]
                times += [job.since + Fraction(level, job.need) - job.done for level in ahead]
        return times

    def some(self, state):
        return [job for job in self.jobs if job.state == state]

    def start(self, job, place):
        self.cluster.take(place)
        job.state, job.place, job.since = "running", place, self.now
        if job.first_start is None:
            job.first_start = self.now

    def stop(self, job, state):
        job.done = job.worked(self.now)
        job.state = state
        self.cluster.give(job.place)

    # Rules. Each decides for the present instant.

    def strict(self, order):
        """Start in order until one does not fit."""
        for job in order:
            place = self.cluster.find(job.need)
            if place is None:
                return
            self.start(job, place)

    def fifo(self):
        self.strict(self.some("waiting"))

    def sjf(self):
        self.strict(sorted(self.some("waiting"), key=lambda job: (job.requested, job.number)))

    def ljf(self):
        self.strict(sorted(self.some("waiting"), key=lambda job: (-job.requested, job.number)))

    def priority(self):
        self.strict(sorted(self.some("waiting"), key=lambda job: (-job.priority, job.number)))

    def fifo_skip(self):
        for job in self.some("waiting"):
            place = self.cluster.find(job.need)
            if place is not None:
                self.start(job, place)

    def easy(self):
        self.fifo()
        waiting = self.some("waiting")
        if not waiting:
            return
        head = waiting[0]
        reserved = self.reservation(head)
        for job in waiting[1 : None if self.depth is None else 1 + self.depth]:
            place = self.cluster.find(job.need)
            if place is None:
                continue
            free = self.cluster.after(leaving=self.left_by(reserved), coming=[place])
            if self.now + job.requested <= reserved or self.cluster.find(head.need, free) is not None:
                self.start(job, place)

    def left_by(self, time):
        """Places of jobs that are expected to have left by then; overdue ones are expected to leave now."""
        return [job.place for job in self.some("running") if max(job.requested_end(), self.now) <= time]

    def reservation(self, head):
        """Earliest time at which the head could be placed."""
        for time in sorted(max(job.requested_end(), self.now) for job in self.some("running")):
            if self.cluster.find(head.need, self.cluster.after(leaving=self.left_by(time))) is not None:
                return time
        raise AssertionError("it fits on an empty cluster")

    def conservative(self):
        """Reserve for all in order, in accelerators; start those whose time has come and that can be placed."""
        taken = [(self.now, max(job.requested_end(), self.now), job.need) for job in self.some("running")]
        taken = [(start, end, need) for start, end, need in taken if end > start]
        due = []
        for job in self.some("waiting"):
            start = self.earliest(job, taken)
            taken.append((start, start + job.requested, job.need))
            if start == self.now:
                due.append(job)
        for job in due:
            place = self.cluster.find(job.need)
            if place is not None:
                self.start(job, place)

    def earliest(self, job, taken):
        """First time from now on at which the job's accelerators stay free for as long as it asks."""
        total = self.cluster.width * len(self.cluster.free)

        def free(time):
            return total - sum(need for start, end, need in taken if start <= time < end)

        changes = sorted({self.now, *(time for start, end, _ in taken for time in (start, end))})
        for start in changes:
            inside = [time for time in changes if start < time < start + job.requested]
            if all(free(time) >= job.need for time in [start, *inside]):
                return start
        raise AssertionError("it fits when all have left")

    def key(self, job):
        """Rank of a job under the preemptive rules, smallest first."""
        if self.scheduler == "srtf":
            return job.requested - job.worked(self.now)
        if self.scheduler == "least_attained_service":
            return sum(level <= job.worked(self.now) * job.need for level in THRESHOLDS)
        return -job.priority

    def preemptive(self):
        """Look at waiting jobs in order, from the first again after each decision, until none can go."""
        while True:
            for job in sorted(self.some("waiting"), key=lambda job: (self.key(job), job.number)):
                victims = self.victims(job)
                if victims is not None:
                    for victim in victims:
                        self.stop(victim, "waiting")
                        victim.preemptions += 1
                    self.start(job, self.cluster.find(job.need))
                    break
                if self.scheduler == "priority":
                    return
            else:
                return

    srtf = least_attained_service = preemptive

    def victims(self, job):
        """The jobs to stop: of those that rank behind, last first, the fewest in a row that leave room; of these,
        whoever can stay beside the newcomer stays, first in rank first."""
        behind = [other for other in self.some("running") if self.key(other) > self.key(job)]
        behind.sort(key=lambda other: (self.key(other), other.number), reverse=True)
        for count in range(len(behind) + 1):
            leaving = behind[:count]
            free = self.cluster.after(leaving=[other.place for other in leaving])
            place = self.cluster.find(job.need, free)
            if place is not None:
                return self.in_the_way(leaving, place)
        return None

    def in_the_way(self, leaving, place):
        free = self.cluster.after(leaving=[other.place for other in leaving], coming=[place])
        stopped = []
        for other in reversed(leaving):
            if all(free[node] >= count for node, count in other.place):
                for node, count in other.place:
                    free[node] -= count
            else:
                stopped.append(other)
        return stopped[::-1]


def simulate(jobs, nodes, width, scheduler, placement, preempts=False, depth=None):
    """All jobs after a run: see `Oracle`."""
    return Oracle(jobs, nodes, width, scheduler, placement, preempts, depth).run()
