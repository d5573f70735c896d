"""From compute to model quality and back, and from batch size to steps: published laws, coefficients as presets.

All laws have one form (`scenario.scaling_law.ScalingLaw`), so all questions have closed answers. Compute is counted
as C = 6 N D (Kaplan 2020, arXiv 2001.08361, section 2.1).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.scaling_law import ScalingLaw

FLOP = 6.0  # of training, for each parameter and token
CAUSAL = "scaling laws tell the loss of causal language models (decoders) alone"


class Split(NamedTuple):
    """A model and its data: parameters and tokens."""

    parameters: float
    tokens: float


def loss(law: ScalingLaw, parameters: float, tokens: float) -> float:
    """Loss of a model of so many parameters after so many tokens, nats a token."""
    return float(law.irreducible + (law.a / parameters**law.alpha + law.b / tokens**law.beta) ** law.power)


def too_small(law: ScalingLaw, parameters: float, tokens: float) -> bool:
    """Whether a model or its training is below all that the law was fitted to, where its powers grow without bound."""
    return parameters < (law.least_parameters or 0.0) or tokens < (law.least_tokens or 0.0)


def extrapolated(law: ScalingLaw, parameters: float, tokens: float) -> bool:
    """Whether a model or its training is larger than all that the law was fitted to."""
    return parameters > (law.most_parameters or math.inf) or tokens > (law.most_tokens or math.inf)


def tokens_for(law: ScalingLaw, parameters: float, target_loss: float) -> float:
    """Tokens after which a model reaches a loss; ScenarioError where it never does, with the loss that it can reach."""
    left = _reducible(law, target_loss) - law.a / parameters**law.alpha
    if left <= 0:
        floor = law.irreducible + (law.a / parameters**law.alpha) ** law.power
        raise _out_of_reach(law, target_loss, f"above {floor:.4g}, the limit of {parameters:.4g} parameters")
    return float((law.b / left) ** (1 / law.beta))


def parameters_for(law: ScalingLaw, tokens: float, target_loss: float) -> float:
    """Parameters that reach a loss on so many tokens; ScenarioError where no number does."""
    left = _reducible(law, target_loss) - law.b / tokens**law.beta
    if left <= 0:
        floor = law.irreducible + (law.b / tokens**law.beta) ** law.power
        raise _out_of_reach(law, target_loss, f"above {floor:.4g}, the limit of {tokens:.4g} tokens")
    return float((law.a / left) ** (1 / law.alpha))


def compute_optimal(law: ScalingLaw, flop: float) -> Split:
    """The split of compute, C = 6 N D, with the least loss.

    N^(alpha + beta) = alpha a / (beta b) (C / 6)^beta, from the derivative of both terms along C (Hoffmann 2022,
    arXiv 2203.15556, equation 4).
    """
    both = law.alpha + law.beta
    parameters = (law.alpha * law.a / (law.beta * law.b)) ** (1 / both) * (flop / FLOP) ** (law.beta / both)
    return Split(parameters, flop / FLOP / parameters)


def optimal_for(law: ScalingLaw, target_loss: float) -> Split:
    """The split with the least compute that reaches a loss; ScenarioError where none does.

    At the optimum alpha a / N^alpha = beta b / D^beta, which divides the reducible loss between both terms.
    """
    reducible = _reducible(law, target_loss)
    both = law.alpha + law.beta
    parameters = (law.a * both / (law.beta * reducible)) ** (1 / law.alpha)
    tokens = (law.b * both / (law.alpha * reducible)) ** (1 / law.beta)
    return Split(float(parameters), float(tokens))


def steps_for(least_steps: float, critical_batch: float, batch: float) -> float:
    """Optimiser steps at a batch size (McCandlish 2018, arXiv 1812.06162, equation 2.7).

    `least_steps` are those at boundless batches; `critical_batch`, the noise scale, and `batch` in the same unit.
    """
    return least_steps * (1 + critical_batch / batch)


def samples_for(least_samples: float, critical_batch: float, batch: float) -> float:
    """Samples (or tokens) at a batch size, `least_samples` being those at tiny ones (arXiv 1812.06162, eq. 2.7)."""
    return least_samples * (1 + batch / critical_batch)


def batch_efficiency(noise_scale: float, first_batch: float, batch: float) -> float:
    """Progress of a sample in a batch over that in `first_batch`: 1 at it, less above (Pollux, OSDI 2021, eq. 4)."""
    return (noise_scale + first_batch) / (noise_scale + batch)


def _reducible(law: ScalingLaw, target_loss: float) -> float:
    """What the two terms may add up to."""
    if target_loss <= law.irreducible:
        raise _out_of_reach(law, target_loss, f"above {law.irreducible:.4g}, the irreducible loss of '{law.name}'")
    return float((target_loss - law.irreducible) ** (1 / law.power))


def _out_of_reach(law: ScalingLaw, target_loss: float, expected: str) -> ScenarioError:
    return ScenarioError(Problem(law.name, "target_loss", "is out of reach", f"{target_loss:g}", expected))
