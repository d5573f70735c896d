"""The facts of a training job that is described by its model, not by a run time: `[[jobs]]` of a scenario."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from dcsim.scenario.facts import Count, Facts, Name, broken_rule
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.units import Bytes, BytesPerSecond, Seconds

Positive = Annotated[float, Field(gt=0, le=1e18, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1, le=1 << 22, strict=True)]
Priority = Annotated[int, Field(ge=-(2**31), lt=2**31, strict=True)]

LENGTHS = ("steps", "tokens", "samples", "target_loss")
DATA = ("loader_rate", "storage_bandwidth")
OF_TRANSFORMERS = {
    "tokens": "write samples or steps",
    "target_loss": "write samples or steps",
    "sequence_length": "leave it out",
}
"""Keys that only transformers have, and what to do about them."""


class Plan(Facts):
    """How a step is spread over accelerators. What is left out is chosen: the fastest plan that fits."""

    tp: Whole | None = None
    """Tensor-parallel degree."""
    pp: Whole | None = None
    """Pipeline stages."""
    vpp: Whole | None = None
    """Interleaved chunks of layers a stage."""
    dp: Whole | None = None
    """Data-parallel degree."""
    cp: Whole | None = None
    """Context-parallel degree."""
    ep: Whole | None = None
    """Expert-parallel degree, over the ranks of tp x cp x dp."""
    micro_batch: Whole | None = None
    """Samples of a micro-batch."""
    recompute: Literal["none", "selective", "full"] | None = None
    """Activations that are computed again in the backward pass."""
    sharding: Literal["none", "zero1", "zero2", "zero3", "hsdp"] | None = None
    """What data-parallel ranks divide: optimiser states, gradients too, weights too; `hsdp`: inside a domain."""
    schedule: Literal["1f1b", "gpipe", "zb-h1", "zb-h2", "dualpipe"] | None = None
    """Of the pipeline; `1f1b` unless given, interleaved where `vpp` is above 1."""
    experts: Literal["whole", "cut"] | None = None
    """Routed experts that `ep` spreads: `whole` unless given, or `cut` by tp besides."""


def _plan(written: object) -> object:
    if isinstance(written, str) and written != "auto":
        raise ValueError('is no plan; write "auto", or a table such as { tp = 8 }')
    return {} if written == "auto" else written


class TrainingJob(Facts):
    """Trains a model: how long it runs follows from model, plan, pool, place, clock and neighbours.

    Its service time is that in its reference: the first pool of the scenario that it may use and fits into, packed on
    the fewest nodes, at the nominal clock. Elsewhere it runs at the ratio of the step times.
    """

    name: Name
    """Name of the job; with `count` above 1, `-1`, `-2`, ... are put behind it."""
    model: Annotated[Transformer | Network, Field(discriminator="kind")]
    """Name of a preset in `dcsim/presets/models/`, path to a TOML file of the same keys, or a table of them."""
    submit: Seconds = 0.0
    """When it is submitted, from the scenario's start."""
    count: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1
    """How many such jobs there are."""
    every: Seconds = 0.0
    """Time from one of them to the next."""
    steps: Count | None = None
    """Length of the training: optimiser steps. One of steps, tokens, samples and target_loss is needed."""
    tokens: Positive | None = None
    """Length of the training: tokens, of a transformer."""
    samples: Positive | None = None
    """Length of the training: samples (sequences, images, ...)."""
    target_loss: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None
    """Length of the training: until this loss, by the scaling law `law`; of a transformer."""
    law: ScalingLaw | None = None
    """Scaling law for `target_loss`: name of a preset in `dcsim/presets/scaling_laws/`, path to a TOML file of the
    same keys, or a table of them. Default: `chinchilla-corrected`."""
    noise_scale: Positive | None = None
    """Gradient noise scale, samples. With it, `steps` are those at boundless batches and the other lengths those
    at tiny batches; at the batch B the training needs `steps` x (1 + noise scale / B), or x (1 + B / noise scale)
    of the others (McCandlish 2018, arXiv 1812.06162). Without it, they are what the training takes."""
    global_batch: Whole
    """Samples a step."""
    sequence_length: Whole | None = None
    """Tokens of a sequence, of a transformer. Default: the longest of the model, at most the usual one."""
    precision: Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"] | None = None
    """Precision of linear layers. Default: the first 16-bit one that the device has. `int8` is what TPUs before v7x
    have in 8 bits; no other device is known to train in it."""
    framework: Literal["megatron", "pytorch", "deepspeed", "jax"] | None = None
    """Training framework of a transformer: Megatron Core, PyTorch with FSDP, DeepSpeed with plain PyTorch layers, or
    JAX with XLA. Default: JAX on TPUs, Megatron Core elsewhere."""
    gradient_bytes: Literal[2, 4] | None = None
    """Bytes of a gradient that is added up and sent, of a transformer. Default: 4."""
    optimizer: Literal["adam", "sgd", "adagrad"] | None = None
    """Adam, SGD with momentum, or Adagrad: states of 12, 8 or 8 bytes a parameter. Default: Adam; of networks their
    own, SGD where they name none."""
    plan: Annotated[Plan, BeforeValidator(_plan, json_schema_input_type=Literal["auto"] | Plan)] = Plan()
    """`"auto"`: the fastest plan that fits, for each pool; or a table of degrees. Networks are data-parallel, with the
    largest micro-batch that fits, or the one that is given."""
    accelerators: Whole | None = None
    """Accelerators of the gang; or write min_accelerators and max_accelerators."""
    min_accelerators: Whole | None = None
    """Fewest accelerators of an elastic job."""
    max_accelerators: Whole | None = None
    """Most accelerators of an elastic job: it starts on as many as fit then, and keeps that number."""
    pool: Name | None = None
    """Name of the only pool that will do. Default: any into which it fits."""
    priority: Priority | None = None
    """Priority; larger is more important. Default: 0."""
    tenant: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Whose job it is."""
    jitter: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    """Deviation of a worker's step time over its mean (log-normal); a step ends with its slowest worker."""
    sample_size: Bytes | None = None
    """One sample as it is loaded. Default: that of the model, or of the stored token ids."""
    loader_rate: BytesPerSecond | None = None
    """Rate at which the data loader of one accelerator delivers. Default: not a bound."""
    storage_bandwidth: BytesPerSecond | None = None
    """Bandwidth of the storage that all loaders of the job share. Default: not a bound."""

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingJob:
        if found := [broken_rule(key, text) for key, text in contradictions(self)]:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self


def contradictions(job: TrainingJob, wrong: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Rules about several keys that a job breaks: the key to blame, what is wrong and the fix.

    `wrong`: keys that are given, but whose values have mistakes and are None here.
    """

    def given(name: str) -> bool:
        """Whether a key is written, rightly or not."""
        return name in wrong or getattr(job, name) is not None

    lengths = [name for name in LENGTHS if given(name)]
    if len(lengths) != 1:
        said = "none is given" if not lengths else f"{' and '.join(lengths)} are given"
        what = f"one of {', '.join(LENGTHS)} says how long it trains: {said}; write exactly one"
        yield lengths[1] if lengths else LENGTHS[0], what
    if given("law") and not given("target_loss"):
        yield "law", "has no effect without target_loss; leave it out"
    span = [given(name) for name in ("min_accelerators", "max_accelerators")]
    if any(span) if given("accelerators") else not all(span):
        what = "its size is accelerators, or min_accelerators and max_accelerators; write one or the other"
        yield "accelerators", what
    elif (job.min_accelerators or 0) > (job.max_accelerators or math.inf):
        what = f"{job.min_accelerators} is more than max_accelerators ({job.max_accelerators})"
        yield "min_accelerators", what
    if job.every and job.count == 1:
        yield "every", "has no effect without count; leave it out, or write count too"
    if given("sample_size") and not any(map(given, DATA)):
        yield "sample_size", f"has no effect without {' or '.join(DATA)}; leave it out"
    if isinstance(job.model, Network):
        yield from _of_a_network(job, job.model, given)


def _of_a_network(job: TrainingJob, model: Network, given: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """What only transformers have, and what networks need."""
    for name, fix in OF_TRANSFORMERS.items():
        if given(name):
            yield name, f"is for transformers, {model.name} is none; {fix}"
    degrees = {} if job.plan is None else job.plan.model_dump(exclude={"micro_batch"}, exclude_none=True)
    for name in degrees:
        why = f"{model.name} is no transformer and is trained data-parallel"
        yield f"plan.{name}", f"plan may only say micro_batch: {why}; leave it out"
    if model.sample_size is None and not given("sample_size") and any(map(given, DATA)):
        yield "sample_size", f"is missing: {model.name} does not say how large a sample is; write it"
