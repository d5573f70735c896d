"""One operation of a network, as a TOML table with `op`: what it multiplies, looks up or moves for one sample."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from dcsim.scenario.facts import Facts

Width = Annotated[int, Field(ge=1, le=1 << 40, strict=True)]
Size = Annotated[tuple[Width, Width], Field(description="height and width, elements")]


class _Operation(Facts):
    """What every operation has."""

    model_config = ConfigDict(defer_build=True)  # most runs name no network

    name: str = ""
    """What it is called in its paper."""
    times: Width = 1
    """How often it is done, one after the other, each time with weights of its own."""


class Dense(_Operation):
    """A linear layer: every one of `rows` vectors of width `inputs` becomes one of width `outputs`."""

    op: Literal["dense"]
    """The kind of operation."""
    rows: Width = 1
    """Vectors a sample."""
    inputs: Width
    """Width of a vector."""
    outputs: Width
    """Width of its result."""
    bias: bool = True
    """Whether a bias is added."""
    tied: bool = False
    """Whether its weights are those of an embedding, and counted there."""


class Conv2d(_Operation):
    """A convolution, cost of its implicit matrix product."""

    op: Literal["conv2d"]
    """The kind of operation."""
    size: Size
    """Height and width of the output."""
    inputs: Width
    """Input channels."""
    outputs: Width
    """Output channels."""
    kernel: Size
    """Height and width of the kernel."""
    stride: Width = 1
    """Step of the kernel, both ways."""
    groups: Width = 1
    """Channel groups that do not see each other."""
    bias: bool = False
    """Whether a bias is added."""

    @model_validator(mode="after")
    def _groups_divide(self) -> Conv2d:
        if self.inputs % self.groups or self.outputs % self.groups:
            raise ValueError(
                f"groups ({self.groups}) do not divide inputs ({self.inputs}) and outputs ({self.outputs})"
            )
        return self


class Depthwise(_Operation):
    """A convolution of each channel by itself, bound by memory."""

    op: Literal["depthwise"]
    """The kind of operation."""
    size: Size
    """Height and width of the output."""
    channels: Width
    """Channels."""
    kernel: Size
    """Height and width of the kernel."""
    stride: Width = 1
    """Step of the kernel, both ways."""


class Embedding(_Operation):
    """A look-up of rows of a table; its gradient touches the same rows only."""

    op: Literal["embedding"]
    """The kind of operation."""
    rows: Width
    """Rows of the table."""
    width: Width
    """Elements of a row."""
    lookups: Width = 1
    """Rows that a sample looks up."""
    pooled: bool = False
    """Whether the rows of a sample are summed into one."""


class Matmul(_Operation):
    """A product of two activations, (m x k)(k x n); neither is a weight."""

    op: Literal["matmul"]
    """The kind of operation."""
    m: Width
    """Rows of the left matrix."""
    k: Width
    """Columns of the left matrix."""
    n: Width
    """Columns of the right matrix."""
    products: Width = 1
    """Such products a sample."""


class Attention(_Operation):
    """Scores, softmax and weighted sum of a fused attention kernel; projections are dense operations of their own."""

    op: Literal["attention"]
    """The kind of operation."""
    queries: Width
    """Query positions."""
    keys: Width
    """Key positions."""
    heads: Width
    """Heads."""
    head_dim: Width
    """Width of a head."""


class Elementwise(_Operation):
    """Work on every element by itself (activation, norm, residual sum, resampling): bytes, no FLOPs to speak of."""

    op: Literal["elementwise"]
    """The kind of operation."""
    elements: Width
    """Elements of the result."""
    reads: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 1.0
    """Elements read for each one written."""
    parameters: Annotated[int, Field(ge=0, le=1 << 40, strict=True)] = 0
    """Weights, such as a norm's scale and shift."""


class Pooling(_Operation):
    """The largest or mean value of windows."""

    op: Literal["pool"]
    """The kind of operation."""
    size: Size
    """Height and width of the output."""
    channels: Width
    """Channels."""
    stride: Width
    """Step of the window, both ways."""


Operation = Annotated[
    Dense | Conv2d | Depthwise | Embedding | Matmul | Attention | Elementwise | Pooling, Field(discriminator="op")
]

OPERATIONS: dict[str, type[Facts]] = {
    "dense": Dense,
    "conv2d": Conv2d,
    "depthwise": Depthwise,
    "embedding": Embedding,
    "matmul": Matmul,
    "attention": Attention,
    "elementwise": Elementwise,
    "pool": Pooling,
}
"""The table of each kind of operation."""
