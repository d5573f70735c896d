"""What a planner is told: plans, numbers of accelerators, and the whole estimate. Units stand in the names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dcsim.errors import Problem
from dcsim.performance.devices import DeviceRow
from dcsim.performance.planning import Assumption, Checkpoints, Saved
from dcsim.performance.waiting import Input
from dcsim.scenario.spec import Accelerator

LATE = 2  # place of what comes too late among what may be taken
TRAFFIC = ("tp", "pp", "dp", "cp", "ep")


@dataclass(frozen=True)
class Proposal:
    """A plan with what it comes to. `shares` are parts of the step that are exposed; they add up to about 1.

    `memory_wait` is the part of `shares["compute"]` in which operations wait for device memory; `samples_per_s` of all
    accelerators together; `tokens_per_s_per_accelerator` is None for networks, as are the framework that runs the plan
    and the bytes of a gradient that is added up and sent. `schedule` is that of a pipeline, None without; `experts` are
    whole or cut where ep spreads them, else None; `optimizer` is its name, or the bytes of its states where these are
    given instead.
    """

    tp: int
    pp: int
    vpp: int
    cp: int
    dp: int
    ep: int
    micro_batch: int
    recompute: str
    sharding: str
    step_time_s: float
    samples_per_s: float
    tokens_per_s_per_accelerator: float | None
    mfu: float
    memory_b: float
    shares: dict[str, float]
    memory_wait: float
    bound: str
    framework: str | None = None
    gradient_bytes: float | None = None
    schedule: str | None = None
    experts: str | None = None
    optimizer: str | None = None

    @property
    def traffic_share(self) -> float:
        """Share of the step in which accelerators wait for communication."""
        return sum(self.shares[name] for name in TRAFFIC)


@dataclass(frozen=True)
class Proposals:
    """The best plans, best first, and what was searched. `seq_len` is None for networks."""

    model: str
    accelerator: str
    precision: str
    accelerators: int
    global_batch: int
    seq_len: int | None
    evaluated: int
    fitting: int
    memory_available_b: float | None
    peak_flop_per_s: float
    plans: tuple[Proposal, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """What one number of accelerators comes to."""

    accelerators: int
    time_s: float
    mfu: float
    cost_usd: float | None


@dataclass(frozen=True)
class Optimal:
    """The model and the tokens with the least loss for as much compute, 6 FLOP a parameter and token, by a law."""

    parameters: float
    tokens: float
    loss: float


@dataclass(frozen=True)
class Estimate:
    """What a training run takes. None where presets or the question allow no answer.

    `fewest_that_fit` and `fewest_for_deadline` are numbers of accelerators (multiples of a server, or parts of one),
    `fewest_round_for_deadline` the fewest of 2^n or 3 x 2^n servers; `sizes` compares some of them. `read_b_per_s` and
    `checkpoint` say what storage must do, `storage_b_per_s` the larger of both rates; `checkpoint_at_given` says what
    checkpoints come to on storage that is given and slower than they need. `memory_available_b` is None where the
    memory of a device is not known and not checked; `plan` is the best one.
    `dataset_b`: what is read in all, each sample as often as it is trained on. Tokens, loss and `seq_len` are those
    of transformers; `loss` and `compute_optimal` those of causal ones of a size that the scaling law speaks of.
    """

    model: str
    accelerator: str
    precision: str
    accelerators: int
    fewest_that_fit: int | None
    fewest_for_deadline: int | None
    fewest_round_for_deadline: int | None
    deadline_s: float | None
    parameters: float
    active_parameters: float
    samples: float
    tokens: float | None
    loss: float | None
    compute_optimal: Optimal | None
    global_batch: int
    seq_len: int | None
    steps: int
    time_s: float
    flop: float
    peak_flop_per_s: float
    memory_available_b: float | None
    dataset_b: float | None
    read_b_per_s: float | None
    storage_b_per_s: float | None
    checkpoint: Checkpoints
    checkpoint_at_given: Checkpoints | None
    interruptions: float
    power_w: float | None
    energy_j: float | None
    cost_usd: float | None
    plan: Proposal
    sizes: tuple[Size, ...]
    assumptions: tuple[Assumption, ...]
    open: bool
    """Whether neither a number of accelerators nor a deadline was given, and the answer is for the fewest that fit."""


@dataclass(frozen=True)
class Length:
    """How long training is. `parameters`: all, and those that work for one sample or token; `sample_b`: as stored."""

    parameters: float
    active: float
    samples: float
    tokens: float | None
    loss: float | None
    flop: float
    sample_b: float | None
    optimal: Optimal | None = None


def whole(accelerators: int, server: int) -> bool:
    """Whether so many accelerators fill servers of so many, or are a part of one."""
    return accelerators % server == 0 or server % accelerators == 0


class Paced(NamedTuple):
    """A number of accelerators and the step time of its fastest plan."""

    accelerators: int
    step_s: float

    def wanted(self, step_s: float, server: int) -> tuple[int, float]:
        """Whom who wants steps of at most so long takes, the least first: of whole servers or parts of one the fewest,
        then of other numbers, then the one with the shortest step."""
        if step_s < self.step_s:
            return LATE, self.step_s
        return int(not whole(self.accelerators, server)), self.accelerators


class Asked(Protocol):
    """What all questions have, of transformers and of other networks."""

    @property
    def where(self) -> str:
        """Where it was asked: command line, or the name of a function."""

    @property
    def accelerator(self) -> Accelerator:
        """Whose number is asked for."""

    @property
    def device(self) -> DeviceRow:
        """What kernels know of it."""

    @property
    def precision(self) -> str:
        """Of linear layers."""

    @property
    def count(self) -> int | None:
        """Number of accelerators, if it is given."""

    @property
    def deadline_s(self) -> float | None:
        """Longest time, if it is given."""

    @property
    def global_batch(self) -> int | None:
        """Samples a step."""

    @property
    def available_b(self) -> float:
        """Bytes of a device's memory that a step may use."""

    @property
    def input(self) -> Input:
        """Jitter and data."""


class Run(Protocol):
    """A training run that is asked about: how long it is, and how fast on any number of accelerators."""

    @property
    def request(self) -> Asked:
        """The question, its batch known."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def length(self) -> Length:
        """How long training is."""

    @property
    def seq_len(self) -> int | None:
        """Tokens a sample, of a transformer."""

    @property
    def saved(self) -> Saved:
        """What a checkpoint holds."""

    def fewest(self) -> Paced | None:
        """The fewest accelerators on which some plan fits, whole servers or parts of one; None if no number does."""

    def unfit(self) -> Problem:
        """Why no plan fits any number."""

    def in_time(self, step_s: float) -> Paced | None:
        """The number of accelerators to take for steps of at most so long, by `Paced.wanted`: of all up to MOST_VALUES,
        a late one if none is in time. None where no plan fits."""

    def pace(self, accelerators: int) -> Paced | None:
        """That of one number of accelerators, None where no plan fits it."""

    def best(self, accelerators: int) -> Proposal:
        """The best plan; ScenarioError where none fits."""

    def assumptions(self) -> Sequence[Assumption]:
        """What is taken for granted, most important first."""
