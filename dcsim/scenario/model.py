"""The facts of a model: a transformer by its widths, or another network by the operations of one sample.

Names follow the papers and `config.json` files that figures come from. Presets stand in `dcsim/presets/models/`;
what follows from the facts (parameters by formula, FLOPs) is computed in `dcsim/performance/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from dcsim.scenario.facts import Facts, Provenance, broken_rule
from dcsim.scenario.operation import Operation
from dcsim.units import Bytes

Width = Annotated[int, Field(ge=1, le=1 << 30, strict=True)]
Number = Annotated[int, Field(ge=0, le=1 << 30, strict=True)]
Large = Annotated[int, Field(ge=1, le=1 << 60, strict=True)]

Mlp = Literal["gelu", "relu", "squared-relu", "swiglu", "geglu"]
GATED: frozenset[Mlp] = frozenset({"swiglu", "geglu"})


class _ModelFacts(Facts):
    """What every model has."""

    model_config = ConfigDict(defer_build=True)  # most runs name no model

    name: str
    """Name of the model; the key of its preset."""
    by: str = ""
    """Who made it."""
    year: Annotated[int, Field(ge=1950, le=2100)] | None = None
    """Year of publication."""
    parameters: Large | None = None
    """Parameters as published; counted from the widths where nothing was."""
    notes: str = ""
    """What a careful user should know."""
    provenance: dict[str, Provenance] = Field(default_factory=dict)
    """Source and grade of each value, by key."""


class Transformer(_ModelFacts):
    """A transformer: widths in elements, and what each layer is made of. A width left out follows from the others."""

    kind: Literal["transformer"]
    """Says that the model is described by widths."""
    arrangement: Literal["decoder", "encoder", "encoder-decoder"] = "decoder"
    """A decoder attends to earlier positions only, an encoder to all; the third has a stack of each."""
    layers: Width
    """Layers of the stack; of both stacks together in an encoder-decoder."""
    cross_layers: Number = 0
    """Layers that also attend to an encoder's output."""
    hidden: Width
    """Width of the residual stream."""
    heads: Width
    """Query heads."""
    kv_heads: Width | None = None
    """Key and value heads; as many as query heads unless given."""
    head_dim: Width | None = None
    """Width of a head; `hidden / heads` unless given. Of latent attention: without the position part."""
    ffn_hidden: Width | None = None
    """Width of the dense feed-forward layers; needed unless all layers have experts."""
    mlp: Mlp
    """Activation of the feed-forward layers; the gated ones have three matrices."""
    vocab: Width
    """Rows of the embedding, padding included."""
    tied: bool
    """Whether the output head shares the embedding."""
    positions: Number = 0
    """Rows of a learned position table; 0 for rotary, relative or linear-bias positions."""
    max_sequence: Width | None = None
    """Longest sequence that it was made for, tokens."""
    biases: Literal["all", "qkv", "none"] = "none"
    """Which projections have a bias; with all, norms have one too."""
    window: Number = 0
    """Sliding window of every layer's attention, tokens; 0: none."""
    experts: Number = 0
    """Routed experts a layer; 0: a dense model."""
    top_k: Number = 0
    """Experts that work for each token."""
    capacity_factor: Annotated[float, Field(ge=0.1, le=100, allow_inf_nan=False)] = 1.0
    """Places that experts have for tokens over those of even routing, as in GShard and Switch; 1: nothing is padded."""
    expert_hidden: Number = 0
    """Width of one expert."""
    shared_hidden: Number = 0
    """Width of the shared experts of a layer together."""
    dense_layers: Number = 0
    """First layers without experts, of a model with experts."""
    q_rank: Number = 0
    """Latent rank of queries; 0: full rank."""
    kv_rank: Number = 0
    """Latent rank of keys and values; 0: no latent attention."""
    rope_dim: Number = 0
    """Width of latent attention's decoupled position part, beside `head_dim`."""
    v_head_dim: Number = 0
    """Width of a value head where it differs from `head_dim`; 0: the same."""
    active_parameters: Large | None = None
    """Parameters that work for one token, as published."""

    @model_validator(mode="after")
    def _fits_together(self) -> Transformer:
        if found := [broken_rule(key, text) for key, text in misfits(self)]:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self


def misfits(model: Transformer) -> Iterator[tuple[str, str]]:
    """Rules about several keys that a model breaks: the key to blame, what is wrong and the fix."""
    if model.head_dim is None and model.hidden % model.heads:
        yield "heads", f"{model.heads} do not divide hidden ({model.hidden}); write head_dim too"
    if model.heads % (model.kv_heads or model.heads):
        yield "kv_heads", f"{model.kv_heads} do not divide heads ({model.heads})"
    of_experts = [name for name in ("experts", "top_k", "expert_hidden") if not getattr(model, name)]
    if len(of_experts) in (1, 2):
        for name in of_experts:
            yield name, "is missing: experts, top_k and expert_hidden belong together; write all three or none"
    if model.experts and model.top_k > model.experts:
        yield "top_k", f"{model.top_k} is more than experts ({model.experts})"
    for name in ("dense_layers", "cross_layers"):
        if getattr(model, name) > model.layers:
            yield name, f"{getattr(model, name)} are more than layers ({model.layers})"
    if model.ffn_hidden is None and (not model.experts or model.dense_layers):
        yield "ffn_hidden", "is missing; only a model whose layers all have experts does without it"
    for name in ("q_rank", "rope_dim"):
        if getattr(model, name) and not model.kv_rank:
            yield name, "is of latent attention, which has a kv_rank; write that too, or leave this out"


class Network(_ModelFacts):
    """Any other network: the operations that one sample takes, in order."""

    kind: Literal["network"]
    """Says that the model is described by its operations."""
    sample: str
    """What one sample is, such as "image of 224 x 224 px"."""
    sample_size: Bytes | None = None
    """One sample as it is stored and loaded."""
    forward_flop: Large | None = None
    """FLOPs of one sample forward as published, a multiply-add being two."""
    optimizer: Literal["adam", "sgd", "adagrad"] = "sgd"
    """What it was published with, of those that are known; sgd has momentum, save in embedding tables."""
    operations: Annotated[tuple[Operation, ...], Field(min_length=1)]
    """The operations of one sample, in order."""
