"""The facts of a training job that is described by its model, not by a run time: `[[jobs]]` of a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from dcsim.scenario.facts import Count, Facts, Name
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.units import Bytes, BytesPerSecond, Seconds

Positive = Annotated[float, Field(gt=0, le=1e18, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1, le=1 << 22, strict=True)]
Priority = Annotated[int, Field(ge=-(2**31), lt=2**31, strict=True)]

LENGTHS = ("steps", "tokens", "samples", "target_loss")
DATA = ("loader_rate", "storage_bandwidth")


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
    precision: Literal["fp32", "tf32", "fp16", "bf16", "fp8", "fp4"] | None = None
    """Precision of linear layers. Default: the first 16-bit one that the device has."""
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
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            said = "none is given" if not given else f"{' and '.join(given)} are given"
            raise ValueError(f"one of {', '.join(LENGTHS)} says how long it trains: {said}; write exactly one")
        if self.law is not None and self.target_loss is None:
            raise ValueError("law has no effect without target_loss; leave it out")
        span = (self.min_accelerators, self.max_accelerators)
        if None in span if self.accelerators is None else span != (None, None):
            raise ValueError(
                "its size is accelerators, or min_accelerators and max_accelerators; write one or the other"
            )
        if self.accelerators is None and (span[0] or 0) > (span[1] or 0):
            raise ValueError(f"min_accelerators ({span[0]}) is more than max_accelerators ({span[1]})")
        if self.every and self.count == 1:
            raise ValueError("every has no effect without count; leave it out, or write count too")
        if self.sample_size is not None and self.loader_rate is None and self.storage_bandwidth is None:
            raise ValueError(f"sample_size has no effect without {' or '.join(DATA)}; leave it out")
        return self._of_its_kind()

    def _of_its_kind(self) -> TrainingJob:
        """What only transformers have, and what networks need."""
        if isinstance(self.model, Transformer):
            return self
        only = [name for name in ("tokens", "target_loss", "sequence_length") if getattr(self, name) is not None]
        if only:
            raise ValueError(f"{only[0]} is for transformers, {self.model.name} is none; write samples or steps")
        if self.plan != Plan(micro_batch=self.plan.micro_batch):
            why = f"{self.model.name} is no transformer and is trained data-parallel"
            raise ValueError(f"plan may only say micro_batch: {why}; leave the rest out")
        if self.sample_size is None and self.model.sample_size is None and (self.loader_rate or self.storage_bandwidth):
            raise ValueError(f"sample_size is missing: {self.model.name} does not say how large a sample is; write it")
        return self
