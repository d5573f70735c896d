"""Training a transformer: how long it is, and the pace of its fastest plan on any number of accelerators."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, planning, scaling_laws
from dcsim.performance.answers import Length, Optimal, Paced, Proposal, whole
from dcsim.performance.devices import scale_up_domain
from dcsim.performance.memory import needed_b
from dcsim.performance.plan_rules import DEGREES, MOST_VALUES, SHAPE
from dcsim.performance.planner import best, illegal, proposal, question, too_large
from dcsim.performance.planning import Assumption
from dcsim.performance.plans import option
from dcsim.performance.reader import refuse
from dcsim.performance.request import MOST_TOKENS, Request
from dcsim.performance.search import RANKED_ALIKE, STEP, Found, fastest, ranks, search
from dcsim.scenario.model import Transformer
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.units import human_count, human_large, human_si


def trained_tokens(r: Request) -> float:
    """Tokens of a training: as given, by samples, or by the loss that is wanted; ScenarioError where none reach it."""
    if r.target_loss is None:
        return r.tokens or (r.samples or 0.0) * r.seq_len
    return tokens_to_loss(r.model, r.law, r.target_loss, r.where)


def tokens_to_loss(model: Transformer, law: ScalingLaw, loss: float, where: str) -> float:
    """Tokens until a loss by a law; ScenarioError where none reach it, or the law tells nothing of what does."""
    key, counted = option(where, "target_loss"), models.law_parameters(model, law)
    if model.arrangement != "decoder":
        refuse([Problem(where, key, scaling_laws.CAUSAL, model.name, fix="give tokens or samples")])
    refuse(_unknown_to(law, counted, loss, where))
    try:
        tokens = scaling_laws.tokens_for(law, counted, loss)
    except OverflowError:
        tokens = math.inf
    except ScenarioError as error:
        raise ScenarioError(replace(p, file=where, key=key) for p in error.problems) from None
    if not 1.0 <= tokens <= MOST_TOKENS:
        what = f"takes {tokens:.3g} tokens by the law '{law.name}'"
        refuse([Problem(where, key, what, f"{loss:g}", f"a loss that takes 1 to {MOST_TOKENS:g}")])
    return tokens


def _unknown_to(law: ScalingLaw, parameters: float, loss: float, where: str) -> Iterator[Problem]:
    """What is outside of what a law was fitted to: a smaller model, or a loss of a shorter training."""
    key, fix = option(where, "target_loss"), "give tokens or samples"
    if scaling_laws.too_small(law, parameters, math.inf):
        least = f"{_si(law.least_parameters)} parameters or more"
        yield Problem(
            where, key, f"the law '{law.name}' tells nothing of so small a model", _si(parameters), least, fix
        )
    elif law.least_tokens and loss > (most := scaling_laws.loss(law, parameters, law.least_tokens)):
        what = f"takes fewer than {_si(law.least_tokens)} tokens, of which the law '{law.name}' tells nothing"
        yield Problem(where, key, what, f"{loss:g}", f"at most {math.floor(1e3 * most) / 1e3:g}", fix)


class TransformerRun:
    """A training run of a transformer; see `answers.Run`."""

    def __init__(self, request: Request) -> None:
        self.given_batch = request.global_batch is not None
        self.request = request
        if not self.given_batch:
            batch = planning.usual_batch(self.length.flop, request.seq_len)
            self.request = replace(request, global_batch=batch, batch_assumed=True)

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
        counted, tokens = models.law_parameters(r.model, r.law), trained_tokens(r)
        flop = models.flop_per_token(models.model_row(r.model), r.seq_len) * tokens
        loss, optimal = None, None
        if r.model.arrangement == "decoder" and not scaling_laws.too_small(r.law, counted, tokens):
            loss = scaling_laws.loss(r.law, counted, tokens)
            split = scaling_laws.compute_optimal(r.law, scaling_laws.FLOP * counted * tokens)
            optimal = Optimal(*split, scaling_laws.loss(r.law, *split))
        everything, active = models.parameters(r.model), models.active_parameters(r.model)
        return Length(everything, active, tokens / r.seq_len, tokens, loss, flop, r.input.sample_b, optimal)

    @property
    def saved(self) -> planning.Saved:
        """What a checkpoint holds."""
        states_b, element_b = self.request.optimizer_bytes, self.request.device.linear_bytes
        one_b = states_b if self.request.framework.shares_master else planning.saved_b(states_b, element_b)
        return planning.Saved(one_b * self.length.parameters, f"{one_b:g} B a parameter")

    def fewest(self) -> Paced | None:
        """The fewest accelerators that some plan fits, whole servers or parts of one; None if no number does."""
        for first, last in _octaves(1, MOST_VALUES):
            paces = (pace for pace in self._paces(first, last) if whole(pace.accelerators, self._server))
            if found := next(paces, None):
                return found
        return None

    def unfit(self) -> Problem:
        """Why no plan fits any number: told by the numbers whose memory would hold four times what is trained."""
        r = self.request
        needed = max(4 * self._whole_b() / r.device.device.memory_b, 1.0)
        fixed = math.prod(r.fixed.get(name, 1) for name in DEGREES)
        setting = r.setting(None, most=_number(max(self._server, needed, fixed)))
        none = search(question(r, setting), top=1)
        return illegal(r, setting) if none.smallest is None else too_large(r, none)

    def in_time(self, step_s: float) -> Paced | None:
        """The number of accelerators to take for steps of at most so long, a late one if none is in time.

        An octave of numbers at a time, from the first that may be in time upwards, so that the first found is the
        fewest. Where none is, those below follow: the quickest may be among them.
        """
        floor_s = self._least_s(1, MOST_VALUES) * (1 + RANKED_ALIKE)
        wanted_s = max(step_s, floor_s)  # where that is too soon for all, the fewest of the quickest are found
        first = _number(self._peak_s / wanted_s)
        best: Paced | None = None
        for window in (*_octaves(first, MOST_VALUES), *reversed([*_octaves(1, first - 1)])):
            least_s = self._least_s(*window)
            if best is None:
                paces = self._paces(*window)
            elif least_s <= wanted_s or least_s < best.step_s:
                paces = [best, *self._paces(*window, max(wanted_s, best.step_s))]
            else:
                continue
            best = min(paces, key=lambda pace: pace.wanted(wanted_s, self._server), default=None)
            if best is not None and best.step_s <= wanted_s and whole(best.accelerators, self._server):
                break
        return best

    def pace(self, accelerators: int) -> Paced | None:
        """That of one number of accelerators, None where no plan fits it."""
        found = self._fastest(accelerators)
        return self._paced(accelerators, float(found.step(0).step_s)) if len(found) else None

    def best(self, accelerators: int) -> Proposal:
        """The best plan; ScenarioError where none is legal or none fits."""
        found = self._fastest(accelerators)
        if not len(found):
            found = best(self.request, accelerators)  # which says why
        return proposal(found.plan(0), found.step(0), self.request)

    def assumptions(self) -> Sequence[Assumption]:
        """What is taken for granted."""
        r, found = self.request, []
        sequences = f"sequences of {human_count(r.seq_len)} tokens"
        if self.given_batch:
            found.append(Assumption(sequences, "the question, or usual", "assumed", "training"))
        else:
            words = f"{human_count(r.global_batch or 0)} {sequences} a step, usual for {self.length.flop:.3g} FLOP"
            key = option(r.where, "global_batch")
            found.append(planning.usual().assumption("batch_tokens", f"{words} ({key})", "training"))
        words = f"{r.run} ({option(r.where, 'framework')})"
        found.append(Assumption(words, "the question, or usual", "assumed", "speed"))
        keys = ("optimizer", "schedule", *(["experts"] if r.model.experts else []))
        words = f"{r.kinds} ({', '.join(option(r.where, key) for key in keys)})"
        found.append(Assumption(words, "the question, or usual", "assumed", "memory"))
        if not set(SHAPE) <= set(r.fixed):
            words = f"this model's fastest plan: {planning.usual().published_over_best_plan}"
            found.append(planning.usual().assumption("published_over_best_plan", words, "speed"))
        return [
            *found,
            self._law(),
            Assumption(
                f"{human_si(r.input.sample_b / r.seq_len, 'B')} of data a token",
                "the question, or token ids as Megatron-LM stores them",
                "assumed",
                "training",
            ),
            *planning.noted(r.device.notes),
        ]

    def _fastest(self, accelerators: int) -> Found:
        request = self.request.on(accelerators)
        return fastest(question(request, request.setting(accelerators)))

    def _paced(self, accelerators: int, work_s: float) -> Paced:
        batch = self.request.global_batch or 1
        return Paced(accelerators, self.request.input.waited(work_s, batch, accelerators).step_s)

    def _paces(self, first: int, last: int, within_s: float = math.inf) -> list[Paced]:
        """The pace of all numbers of a window that step within so long, and of some others, ascending."""
        domain = int(scale_up_domain(self.request.accelerator))
        if first <= domain < last:
            return [*self._paces(first, domain, within_s), *self._paces(domain + 1, last, within_s)]
        request = self.request.on(last)
        setting = replace(request.setting(None, last, first), server=1)
        found = fastest(question(request, setting), within_s / request.input.stretch(first))
        work = zip(ranks(found.plans), found.results[:, STEP["step_s"]], strict=True)
        return [self._paced(int(count), float(step_s)) for count, step_s in work]

    def _least_s(self, first: int, last: int) -> float:
        """What a step takes at least on any number of accelerators of a window, s: FLOP at the peak, what the host does
        once, the slowest of the fewest, and the data of the most."""
        waits = self.request.input
        work_s = self._peak_s / last + self.request.device.device.step_latency_s
        return max(work_s * waits.stretch(first), waits.load_s(self.request.global_batch or 1, last))

    @cached_property
    def _peak_s(self) -> float:
        """A step on a single accelerator at its peak, s."""
        device, r = self.request.device.device, self.request
        tokens = (r.global_batch or 1) * r.seq_len
        flop = models.flop_per_token(models.model_row(r.model), r.seq_len, causal_half=True) * tokens
        return flop / max(device.linear_flop_per_s, device.half_flop_per_s)

    @property
    def _server(self) -> int:
        return self.request.accelerator.accelerators_per_server or 1

    def _whole_b(self) -> float:
        """Bytes that a training of one sequence at a time, or of all that GPipe keeps, would need on a single device,
        whatever is recomputed."""
        plan = self.request.like()
        at_once = plan.global_batch if plan.schedule == facts.GPIPE else 1.0
        plan = plan._replace(global_batch=at_once, micro_batch=at_once)
        return float(needed_b(np.array([models.model_row(self.request.model)]), np.array([plan]))[0])

    def _law(self) -> Assumption:
        """Whose law ties tokens to loss, and whether it speaks of such models at all."""
        law, model = self.request.law, self.request.model
        if model.arrangement != "decoder":
            return Assumption(f"no loss: {scaling_laws.CAUSAL}", "definition", "assumed", "training")
        counted, tokens = models.law_parameters(model, law), self.length.tokens or 0.0
        if scaling_laws.too_small(law, counted, tokens):
            least = f"{_si(law.least_parameters)} parameters and {_si(law.least_tokens)} tokens or more"
            return Assumption(f"no loss: outside of what the law '{law.name}' was fitted to, {least}", *_origin(law))
        words = f"loss by the law '{law.name}'"
        if scaling_laws.extrapolated(law, counted, tokens):
            words += f", outside of what it was fitted to: at most {_si(law.most_parameters)} parameters"
            words += f" and {_si(law.most_tokens)} tokens"
        if model.experts:
            words += ", with the parameters that work for a token"
        if not law.embeddings:
            words += ", without embeddings and head"
        return Assumption(words, *_origin(law))


def _origin(law: ScalingLaw) -> tuple[str, str, str]:
    """Source and grade of a law, and what it is about."""
    origin = law.provenance.get("a")
    source, grade = ("the user's file", "assumed") if origin is None else (origin.source, str(origin.grade))
    return source, grade, "training"


def _si(value: float | None) -> str:
    """A bound of a law, for people."""
    return "any number of" if value is None else human_large(value)


def _octaves(least: int, most: int) -> Iterator[tuple[int, int]]:
    """Windows of numbers, first and last, a factor of two at a time, ascending."""
    while least <= most:
        yield least, min(2 * least - 1, most)
        least *= 2


def _number(accelerators: float) -> int:
    """A bound of numbers of accelerators that is searched."""
    return int(min(max(accelerators, 1.0), MOST_VALUES))
