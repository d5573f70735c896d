"""A naive training step: every operation and every transfer of every micro-batch on every stage is an event.

Slow and plain on purpose: what the closed forms of `dcsim.kernels` are held against.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from dcsim.kernels.facts import Device, Model, Plan
from dcsim.kernels.layer import (
    accumulated,
    attention_core,
    elementwise,
    embedding,
    head,
    layer_parameters,
    mlp,
    projections,
)
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import launches_of, waited_s
from dcsim.kernels.traffic import all_reduce_s, gather_s, road, send_s

FORWARD, INPUT, WEIGHT, BACKWARD = "forward", "input gradients", "weight gradients", "both gradients"


class Task(NamedTuple):
    """One pass of a micro-batch through a chunk of layers on a stage."""

    kind: str
    micro: int
    chunk: int = 0


Order = Callable[[int, int, int], list[Task]]
"""(stage, stages, micro-batches) -> tasks in the order in which that stage runs them."""

Pieces = Callable[[int, Task], Sequence[float]]
"""(stage, task) -> durations of its operations and blocking transfers, s."""


def gpipe(stage: int, stages: int, micros: int) -> list[Task]:
    """All forward passes, then all backward ones (Huang 2019, arXiv 1811.06965)."""
    return [Task(kind, micro) for kind in (FORWARD, BACKWARD) for micro in range(micros)]


def one_f_one_b(stage: int, stages: int, micros: int) -> list[Task]:
    """PipeDream-flush (Narayanan 2021, arXiv 2104.04473, figure 4)."""
    return _alternate(min(stages - stage - 1, micros), [(m, 0) for m in range(micros)], [(m, 0) for m in range(micros)])


def interleaved(chunks: int) -> Order:
    """1F1B over chunks (the same paper, figure 4, below); micro-batches a multiple of the stages."""

    def order(stage: int, stages: int, micros: int) -> list[Task]:
        turn = range(micros * chunks)
        forward = [(k // (stages * chunks) * stages + k % stages, k // stages % chunks) for k in turn]
        backward = [(micro, chunks - 1 - chunk) for micro, chunk in forward]
        ahead = min(2 * (stages - stage - 1) + (chunks - 1) * stages, len(forward))
        return _alternate(ahead, forward, backward)

    return order


def _alternate(ahead: int, forward: list[tuple[int, int]], backward: list[tuple[int, int]]) -> list[Task]:
    tasks = [Task(FORWARD, *turn) for turn in forward[:ahead]]
    for later, earlier in zip(forward[ahead:], backward, strict=False):
        tasks += [Task(FORWARD, *later), Task(BACKWARD, *earlier)]
    return tasks + [Task(BACKWARD, *turn) for turn in backward[len(forward) - ahead :]]


def zero_bubble_1(stage: int, stages: int, micros: int) -> list[Task]:
    """ZB-H1: weight gradients wait so that all stages keep p micro-batches (Qi 2023, arXiv 2401.10241, figure 3)."""
    return _zero_bubble(min(stages - stage, micros), stage, micros)


def zero_bubble_2(stage: int, stages: int, micros: int) -> list[Task]:
    """ZB-H2: more forward passes before the first backward, 2 p - 1 micro-batches kept."""
    return _zero_bubble(min(2 * (stages - stage) - 1, micros), 2 * stage, micros)


def _zero_bubble(ahead: int, delay: int, micros: int) -> list[Task]:
    tasks = [Task(FORWARD, micro) for micro in range(ahead)]
    for micro in range(micros):
        tasks.append(Task(INPUT, micro))
        if micro >= delay:
            tasks.append(Task(WEIGHT, micro - delay))
        if ahead + micro < micros:
            tasks.append(Task(FORWARD, ahead + micro))
    return tasks + [Task(WEIGHT, micro) for micro in range(max(micros - delay, 0), micros)]


@dataclass
class Oracle:
    """One step of a pipeline. `run` gives when each stage began and ended, s."""

    stages: int
    micros: int
    order: Order
    pieces: Pieces
    send_s: float = 0.0
    chunks: int = 1
    now_s: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    arrived: set[tuple[int, Task]] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.turns = count()
        self.queue = [self.order(stage, self.stages, self.micros) for stage in range(self.stages)]

    def run(self) -> tuple[dict[int, float], dict[int, float]]:
        self.arrived |= {(0, Task(FORWARD, micro)) for micro in range(self.micros)}
        self.start(0)
        while self.events:
            self.now_s, _, happen = heapq.heappop(self.events)
            happen()
        assert not any(self.queue), "the order of tasks waits for itself"
        return self.began, self.ended

    def after(self, delay_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now_s + delay_s, next(self.turns), happen))

    def start(self, stage: int) -> None:
        """The stage's next task, if it is idle and the task's input is there."""
        if stage in self.busy or not self.queue[stage] or (stage, self.queue[stage][0]) not in self.arrived:
            return
        task = self.queue[stage].pop(0)
        self.busy.add(stage)
        self.began.setdefault(stage, self.now_s)
        self.work(stage, task, list(self.pieces(stage, task)))

    def work(self, stage: int, task: Task, left: list[float]) -> None:
        """One operation after the other."""
        if left:
            self.after(left[0], lambda: self.work(stage, task, left[1:]))
            return
        self.busy.discard(stage)
        self.ended[stage] = self.now_s
        self.hand_on(stage, task)
        self.start(stage)

    def hand_on(self, stage: int, task: Task) -> None:
        """What the end of a task makes possible, here at once and on the neighbour after a transfer."""
        backward = BACKWARD if any(t.kind == BACKWARD for t in self.queue[stage]) else INPUT
        if task.kind == FORWARD:
            place = task.chunk * self.stages + stage + 1
            if place == self.stages * self.chunks:
                self.arrive(stage, task._replace(kind=backward))
            else:
                self.send(place, task._replace(chunk=place // self.stages))
        elif task.kind in (INPUT, BACKWARD):
            place = task.chunk * self.stages + stage - 1
            if place >= 0:
                self.send(place, task._replace(chunk=place // self.stages))
            if task.kind == INPUT:
                self.arrive(stage, task._replace(kind=WEIGHT))

    def send(self, place: int, task: Task) -> None:
        self.after(self.send_s, lambda: self.arrive(place % self.stages, task))

    def arrive(self, stage: int, task: Task) -> None:
        self.arrived.add((stage, task))
        self.start(stage)


def step_s(model: Model, plan: Plan, device: Device, order: Order = one_f_one_b) -> float:
    """Time of a step up to the last gradient, s: dense layers that divide evenly, tp and pp, no data parallelism.

    How long a layer waits for the host is the kernels' own closed form, which has tests by hand.
    """
    at = rates(device, plan.linear_bytes)
    tokens = plan.micro_batch * plan.seq_len
    attention, core = projections(model, plan, tokens, at), attention_core(model, plan, at)
    norms, dense = elementwise(model, plan, tokens, at), mlp(model, plan, tokens, model.ffn_hidden / plan.tp, at)
    first, last = embedding(model, plan, at), head(model, plan, at)
    held = layer_parameters(model, plan)
    summed = accumulated(held.dense, plan, at)
    size_b, links = 2.0 * tokens * model.hidden, road(device, 1.0, plan.tp)
    reduce_s = all_reduce_s(size_b, links) if plan.tp > 1.0 else 0.0
    layers = int(model.layers / (plan.pp * plan.vpp))

    parts = (attention, core, norms, dense, summed)
    forward_s, backward_s = sum(p.forward_s for p in parts), sum(p.input_s + p.weight_s for p in parts)
    launches = launches_of(model, plan, 0.0)
    waits_s = [
        waited_s(count * device.launch_s, work_s + 2.0 * reduce_s)
        for count, work_s in zip(launches, (forward_s, backward_s), strict=True)
    ]

    def pieces(stage: int, task: Task) -> list[float]:
        opens, ends = stage == task.chunk == 0, stage == plan.pp - 1 and task.chunk == plan.vpp - 1
        if task.kind == FORWARD:
            layer = [part.forward_s for part in parts] + [reduce_s, reduce_s, waits_s[0]]
            return ([first.forward_s] if opens else []) + layer * layers + ([last.forward_s] if ends else [])
        layer = [part.input_s for part in parts] + [part.weight_s for part in parts] + [reduce_s, reduce_s, waits_s[1]]
        head_s = [last.input_s, last.weight_s] if ends else []
        return head_s + layer * layers + ([first.input_s] if opens else [])

    hop_s = send_s(size_b / plan.tp, device, plan.tp) if plan.pp > 1.0 else 0.0
    if plan.tp > 1.0 and plan.pp > 1.0 and not plan.sequence_parallel:
        hop_s += gather_s(size_b, links)  # the next stage makes one of the shares that its ranks were sent
    micros = int(plan.global_batch / plan.micro_batch)
    _, ended = Oracle(int(plan.pp), micros, order, pieces, hop_s, int(plan.vpp)).run()
    return max(ended.values())


def job_s(model: Model, plan: Plan, device: Device, clocks: Sequence[float], order: Order = one_f_one_b) -> float:
    """Time of a job of as many steps as `clocks`, s, each step at a core clock of that share, one after the other.

    A step ends with the optimiser on the stage that holds most, 30 bytes a parameter (two 16-bit and four 32-bit
    values read, one and three written) over sustained memory bandwidth, and with what the host does once a step.
    Dense layers, an untied head.
    """
    attention = model.hidden * model.head_dim * (2.0 * model.heads + 2.0 * model.kv_heads)
    layer = attention + (2.0 + model.gated) * model.hidden * model.ffn_hidden
    tables = 1.0 if plan.pp > 1.0 else 2.0  # embedding and head stand on one stage, or on the first and the last
    held = (model.layers / plan.pp * layer + tables * model.vocab * model.hidden) / plan.tp
    update_s = 30.0 * held / (device.memory_b_per_s * device.memory_efficiency)
    known = {clock: step_s(model, plan, device._replace(clock=clock), order) for clock in dict.fromkeys(clocks)}
    return sum(known[clock] + update_s + device.step_latency_s for clock in clocks)
