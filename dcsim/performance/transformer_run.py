"""Training a transformer: how long it is, and the pace of its fastest plan on any number of accelerators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, planning, scaling_laws
from dcsim.performance.answers import Length, Paced, Proposal
from dcsim.performance.planner import best, illegal, proposal, question, too_large
from dcsim.performance.planning import Assumption
from dcsim.performance.plans import MOST_VALUES, divisors, option
from dcsim.performance.request import MOST_TOKENS, Request, refuse
from dcsim.performance.search import STEP, Question, ranks, search
from dcsim.units import human_count, human_si

LEAST_MFU = 1 / 16  # numbers of accelerators at which a deadline needs less of the peak than this are not looked at
STATE_BYTES = 18.0  # a parameter, before sharding (Rajbhandari 2020): how many accelerators can at most be needed
MANY = 4.0  # numbers of accelerators up to so many times a given one are compared with it
PIECE = 4096  # tokens of a sequence that a context-parallel rank keeps at least where numbers are compared
SIZES_SHARDING = (facts.ZERO1, facts.ZERO3)  # kinds of sharding where numbers are compared


def trained_tokens(r: Request) -> float:
    """Tokens of a training: as given, by samples, or by the loss that is wanted; ScenarioError where none reach it."""
    if r.target_loss is None:
        return r.tokens or (r.samples or 0.0) * r.seq_len
    key = option(r.where, "target_loss")
    try:
        tokens = scaling_laws.tokens_for(r.law, models.active_parameters(r.model), r.target_loss)
    except OverflowError:
        tokens = math.inf
    except ScenarioError as error:
        raise ScenarioError(replace(p, file=r.where, key=key) for p in error.problems) from None
    if not 1.0 <= tokens <= MOST_TOKENS:
        what = f"takes {tokens:.3g} tokens by the law '{r.law.name}'"
        refuse([Problem(r.where, key, what, f"{r.target_loss:g}", f"a loss that takes 1 to {MOST_TOKENS:g}")])
    return tokens


class TransformerRun:
    """A training run of a transformer; see `answers.Run`."""

    def __init__(self, request: Request) -> None:
        self.given_batch = request.global_batch is not None
        self.request = request
        if not self.given_batch:
            batch = planning.usual_batch(self.length.flop, request.seq_len)
            self.request = replace(request, global_batch=batch)

    @property
    def name(self) -> str:
        """Of the model."""
        return self.request.model.name

    @property
    def seq_len(self) -> int:
        """Tokens a sample."""
        return self.request.seq_len

    @cached_property
    def length(self) -> Length:
        """Tokens as given, or from the loss that is wanted; FLOP by the model."""
        r = self.request
        active, tokens = models.active_parameters(r.model), trained_tokens(r)
        flop = models.flop_per_token(models.model_row(r.model), r.seq_len) * tokens
        loss = scaling_laws.loss(r.law, active, tokens)
        return Length(models.parameters(r.model), active, tokens / r.seq_len, tokens, loss, flop, r.input.sample_b)

    def paces(self) -> list[Paced]:
        """Every number of accelerators on which some plan fits, ascending; whole servers or parts of one.

        Where the user gives the number, others need not have a plan.
        """
        r, device = self.request, self.request.device.device
        server = r.accelerator.accelerators_per_server or 1
        most = max(
            MANY * (r.count or server),
            4 * STATE_BYTES * self.length.parameters / device.memory_b,
            self.length.flop / device.linear_flop_per_s / LEAST_MFU / (r.deadline_s or math.inf),
        )
        setting = r.setting(None, most=int(min(most, MOST_VALUES)))
        found = search(self._compared(question(r, setting)), top=1)
        if not len(found) and r.count is None:
            refuse([illegal(r, setting) if found.smallest is None else too_large(r, found)])
        work = zip(ranks(found.plans), found.results[:, STEP["step_s"]], strict=True)
        return [self._paced(int(count), float(step_s)) for count, step_s in work]

    def pace(self, accelerators: int) -> Paced | None:
        """That of one number of accelerators, None where no plan fits it."""
        found = search(self._compared(question(self.request, self.request.setting(accelerators))), top=1)
        return self._paced(accelerators, float(found.step(0).step_s)) if len(found) else None

    def best(self, accelerators: int) -> Proposal:
        """The best plan; ScenarioError where none is legal or none fits."""
        found = best(self.request, accelerators)
        return proposal(found.plan(0), found.step(0), self.request)

    def assumptions(self) -> Sequence[Assumption]:
        """What is taken for granted."""
        r, found = self.request, []
        if not self.given_batch:
            words = f"{human_count(r.global_batch or 0)} sequences a step, usual for {self.length.flop:.3g} FLOP"
            key = option(r.where, "global_batch")
            found.append(planning.usual().assumption("batch_tokens", f"{words} ({key})"))
        return [
            *found,
            Assumption(
                f"sequences of {human_count(r.seq_len)} tokens", "the question, or usual pre-training", "assumed"
            ),
            Assumption(
                "fewest and compared numbers of accelerators: tp inside the scale-up domain, at least "
                f"{human_count(PIECE)} tokens of a sequence a rank, ZeRO-1 or -3",
                "the search",
                "assumed",
            ),
            self._law(),
            Assumption(
                f"{human_si(r.input.sample_b / r.seq_len, 'B')} of data a token",
                "the question, or token ids as Megatron-LM stores them",
                "assumed",
            ),
            *(Assumption(note, "calibration", "assumed") for note in r.device.notes),
        ]

    def _paced(self, accelerators: int, work_s: float) -> Paced:
        batch = self.request.global_batch or 1
        return Paced(accelerators, self.request.input.waited(work_s, batch, accelerators).step_s)

    def _compared(self, asked: Question) -> Question:
        """The question with fewer choices, for numbers that are compared."""
        r, setting = self.request, asked.setting
        pieces = [cp for cp in divisors(r.seq_len // PIECE) if r.seq_len % (2 * cp) == 0]
        near = [tp for tp in divisors(int(setting.model.heads)) if tp <= setting.domain]
        usual = {"cp": [1, *pieces], "tp": near, "sharding": SIZES_SHARDING}
        return replace(asked, choices=usual | dict(asked.choices or {}))

    def _law(self) -> Assumption:
        """Whose law ties tokens to loss."""
        law = self.request.law
        words = f"loss by the law '{law.name}'"
        if self.request.model.experts:
            words += ", with the parameters that work for a token"
        origin = law.provenance.get("a")
        return Assumption(
            words, *("the user's file", "assumed") if origin is None else (origin.source, str(origin.grade))
        )
