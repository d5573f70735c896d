"""Training a network that is a list of operations: memory, micro-batches, and the pace on any number of accelerators.

Every accelerator holds all weights but its part of the embedding tables, and takes an equal part of the batch, in as
few micro-batches as its memory allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.operations import PASSED, TABLE_B, WEIGHTED, Operation
from dcsim.performance import network, planning
from dcsim.performance.answers import TRAFFIC, Length, Paced, Proposal, Proposals, whole
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.optimizers import OPTIMIZERS, Optimizer
from dcsim.performance.planning import Assumption
from dcsim.performance.plans import divisors, option, word_of, written
from dcsim.performance.reader import refuse
from dcsim.scenario.model import Network
from dcsim.units import human_count, human_si

USUAL_SAMPLES = 256  # of an accelerator and step where nobody gives a batch, if so many fit
FP32_B = 4.0
INPUT = Operation(WEIGHTED)


class Footprint(NamedTuple):
    """Bytes that training a network takes: on every worker, of all workers together, and for a sample at work."""

    states_b: float
    tables_b: float
    sample_b: float

    def needed_b(self, micro_batch: int, workers: int) -> float:
        """Bytes on each of the workers."""
        return self.states_b + self.tables_b / workers + micro_batch * self.sample_b


def footprint(model: Network, element_b: float, optimizer: Optimizer) -> Footprint:
    """What training takes with so many bytes an element.

    Weights, gradients and optimiser states (with an fp32 copy of the weights, which those in fp32 do without); the
    embedding tables in fp32 with their states, spread over the workers; and the result of every operation, which
    backward reads, but for activations: frameworks write them over what they read.
    """
    dense = network.dense_parameters(model)
    element_b = max(element_b, 2.0)
    states_b = dense * (2.0 * element_b + optimizer.states_b - (FP32_B if element_b >= FP32_B else 0.0))
    rows = [network.row(operation) for operation in model.operations]
    kept = sum(row.written * row.times for before, row in pairwise([INPUT, *rows]) if not _in_place(before, row))
    tables_b = network.table_parameters(model) * (TABLE_B + optimizer.table_states_b)
    return Footprint(states_b, tables_b, element_b * kept)


def _in_place(before: Operation, row: Operation) -> bool:
    """Whether an operation only changes each element that elementwise work just wrote, as activations do."""
    return row.kind == before.kind == PASSED and row.read == row.written == before.written


class NetworkRun:
    """A training run of a network; see `answers.Run`."""

    def __init__(self, request: NetworkRequest) -> None:
        self.given_batch = request.global_batch is not None
        self.request = request
        if not self.given_batch:
            self.request = replace(request, global_batch=self._usual_batch())

    @property
    def name(self) -> str:
        """Of the model."""
        return self.request.model.name

    @property
    def seq_len(self) -> None:
        """Samples are no sequences."""

    @cached_property
    def _footprint(self) -> Footprint:
        r = self.request
        return footprint(r.model, r.device.linear_bytes, r.optimizer)

    @cached_property
    def length(self) -> Length:
        """How long training is."""
        model, samples = self.request.model, self.request.samples or 0.0
        weights = network.parameters(model)
        flop = 3.0 * network.forward_flop(model) * samples
        return Length(weights, weights, samples, None, None, flop, self.request.input.sample_b or None)

    def fewest(self) -> Paced | None:
        """The fewest accelerators that divide the batch into parts that fit, whole servers or parts of one."""
        counts = (count for count in map(int, divisors(self._batch)) if whole(count, self._server))
        return next(filter(None, map(self.pace, counts)), None)

    def unfit(self) -> Problem:
        """Why no number fits."""
        return self._too_large(self._batch)

    def in_time(self, step_s: float) -> Paced | None:
        """The number of accelerators to take for steps of at most so long, a late one if none is in time."""
        paces = filter(None, map(self.pace, map(int, divisors(self._batch))))
        return min(paces, key=lambda pace: pace.wanted(step_s, self._server), default=None)

    @property
    def _server(self) -> int:
        return self.request.accelerator.accelerators_per_server or 1

    def pace(self, accelerators: int) -> Paced | None:
        """That of one number of accelerators, None where it does not divide the batch or memory is too small."""
        micro = self.micro_batch(accelerators)
        return None if micro is None else Paced(accelerators, self._proposal(accelerators, micro).step_time_s)

    def best(self, accelerators: int) -> Proposal:
        """The plan with the largest micro-batch that fits; ScenarioError where none does."""
        if self._batch % accelerators:
            values = divisors(self._batch)
            near = [*values[values < accelerators][-1:], *values[values > accelerators][:1]]
            fix = " or ".join(written(self.request.where, "count", int(n)) for n in near)
            key = option(self.request.where, "count")
            what = f"does not divide the batch of {self._batch}"
            refuse([Problem(self.request.where, key, what, str(accelerators), fix=f"write {fix}")])
        micro = self.micro_batch(accelerators)
        if micro is None:
            raise ScenarioError(self._too_large(accelerators))
        return self._proposal(accelerators, micro)

    def proposals(self, accelerators: int) -> Proposals:
        """A plan for each micro-batch that fits, the fastest first."""
        best, request = self.best(accelerators), self.request
        micros = [int(n) for n in divisors(self._batch // accelerators)] if request.micro_batch is None else []
        fitting = [n for n in micros if self._fits(n, accelerators)] or [best.micro_batch]
        plans = sorted((self._proposal(accelerators, n) for n in fitting), key=lambda plan: plan.step_time_s)
        return Proposals(
            model=self.name,
            accelerator=request.accelerator.name,
            precision=request.precision,
            accelerators=accelerators,
            global_batch=self._batch,
            seq_len=None,
            evaluated=max(len(micros), 1),
            fitting=len(fitting),
            memory_available_b=planning.finite(request.available_b),
            peak_flop_per_s=request.device.device.linear_flop_per_s,
            plans=tuple(plans[: request.top]),
            notes=(self._optimizer().what, *request.device.notes),
        )

    def assumptions(self) -> Sequence[Assumption]:
        """What is taken for granted."""
        request = self.request
        tables = " and its part of embedding tables" if self._footprint.tables_b else ""
        found = []
        if not self.given_batch:
            words = f"{human_count(self._batch)} samples a step: {USUAL_SAMPLES} an accelerator, or what fits"
            words += f" ({option(request.where, 'global_batch')})"
            found.append(Assumption(words, "usual practice", "assumed", "training"))
        found += [
            Assumption(
                f"data-parallel: each accelerator holds the network{tables}; gradients are summed under the last "
                "backward pass",
                "Goyal 2017, arXiv 1706.02677",
                "paper",
                "training",
            ),
            self._optimizer(),
            Assumption("every operation's result is kept for backward", "definition", "assumed", "memory"),
            *planning.noted(request.device.notes),
            Assumption(
                "what a device sustains comes from transformers: published speeds of ResNet-50 are 0.7 to 2 times "
                "what is said here, those of EfficientNet (depthwise convolutions) down to 0.4 times",
                "benchmarks/RESULTS.md",
                "weak",
                "speed",
            ),
        ]
        return found

    def _optimizer(self) -> Assumption:
        """The optimiser and what it keeps: of dense layers, and of embedding tables where there are any."""
        optimizer, origin = self.request.optimizer, self.request.optimizer_origin
        words = f"{optimizer.words}: {optimizer.states_b:g} B of states a parameter, fp32 weights included"
        if tables := network.table_parameters(self.request.model):
            share = 100 * tables / self.length.parameters
            words += f"; tables ({share:.3g} % of parameters) {self._table_b:g} B with their states"
        return Assumption(words, origin.source, str(origin.grade), "training")

    @property
    def _table_b(self) -> float:
        """Bytes an element of embedding tables, with its states."""
        return TABLE_B + self.request.optimizer.table_states_b

    @property
    def saved(self) -> planning.Saved:
        """What a checkpoint holds: tables as they are in memory."""
        r = self.request
        one_b = planning.saved_b(r.optimizer.states_b, r.device.linear_bytes)
        size_b = one_b * network.dense_parameters(r.model) + self._footprint.tables_b
        words = f"{one_b:g} B a parameter"
        if self._footprint.tables_b:
            words += f", of tables {self._table_b:g} B"
        return planning.Saved(size_b, words)

    @property
    def _batch(self) -> int:
        assert self.request.global_batch is not None
        return self.request.global_batch

    def _usual_batch(self) -> int:
        request = self.request
        workers = request.count or request.accelerator.accelerators_per_server or 1
        micro = request.micro_batch or USUAL_SAMPLES
        while micro > 1 and request.micro_batch is None and not self._fits(micro, workers):
            micro //= 2
        return workers * micro

    def memory_b(self, accelerators: int, micro_batch: int) -> float:
        """Bytes that a step takes on each accelerator."""
        return self._footprint.needed_b(micro_batch, accelerators)

    def step(self, accelerators: int, micro_batch: int) -> network.NetworkStep:
        """The step of so many accelerators, before anybody waits."""
        r, own = self.request, self._batch // accelerators
        how = network.Training(own, accelerators, r.optimizer, micro_batches=own // micro_batch)
        return network.network_step(r.model, r.device, how)

    def _fits(self, micro_batch: int, workers: int) -> bool:
        return self.memory_b(workers, micro_batch) <= self.request.available_b

    def micro_batch(self, accelerators: int) -> int | None:
        """The largest micro-batch that divides an accelerator's part of the batch and fits; None if there is none."""
        if self._batch % accelerators:
            return None
        own = self._batch // accelerators
        given = self.request.micro_batch
        values = divisors(own) if given is None else np.array([given] if own % given == 0 else [], dtype=np.int64)
        fitting = [int(n) for n in values if self._fits(int(n), accelerators)]
        return max(fitting, default=None)

    def _too_large(self, accelerators: int) -> Problem:
        """Says how many bytes are needed at least and how many there are."""
        r = self.request
        micro = r.micro_batch or 1
        need_b = self.memory_b(accelerators, micro)
        samples = "1 sample" if micro == 1 else f"{micro} samples"
        others = "use more accelerators, or others" if self._footprint.tables_b else "use another accelerator"
        return Problem(
            r.where,
            option(r.where, "micro_batch" if r.micro_batch else "accelerator"),
            f"{r.model.name} does not fit into {r.accelerator.name} on {human_count(accelerators)}: {samples} at once",
            f"{need_b:.0f} B ({human_si(need_b, 'B')}) a device",
            f"at most {r.available_b:.0f} B ({human_si(r.available_b, 'B')})",
            others if micro == 1 else "use smaller micro-batches",
        )

    def _proposal(self, accelerators: int, micro_batch: int) -> Proposal:
        r, step = self.request, self.step(accelerators, micro_batch)
        waited = r.input.waited(step.step_s, self._batch, accelerators)
        exposed = dict.fromkeys((*TRAFFIC, "bubble"), 0.0) | {"dp": step.traffic_s, "optimizer": step.optimizer_s}
        exposed |= {"stragglers": waited.stragglers_s, "loading": waited.loading_s}
        shares = {name: time_s / waited.step_s for name, time_s in exposed.items()}
        shares["compute"] = 1.0 - sum(shares.values())
        return Proposal(
            tp=1,
            pp=1,
            vpp=1,
            cp=1,
            ep=1,
            dp=accelerators,
            micro_batch=micro_batch,
            recompute="none",
            sharding="none",
            step_time_s=waited.step_s,
            samples_per_s=self._batch / waited.step_s,
            tokens_per_s_per_accelerator=None,
            mfu=step.flop / accelerators / waited.step_s / r.device.device.linear_flop_per_s,
            memory_b=self.memory_b(accelerators, micro_batch),
            shares=shares,
            memory_wait=step.memory_s / waited.step_s,
            bound=waited.bound(step.parts),
            optimizer=word_of(OPTIMIZERS, r.optimizer),
        )
