"""The facts of a scenario: frozen, typed, and complete; what is not written here has no effect on a run.

Every field's type names its dimension and every field has a description: `docs/scenario.md`, the JSON Schema and
the resolved `scenario.toml` of a run are made from this file.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dcsim.scenario.facts import Count, Facts, Name, Provenance
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.scenario.training import TrainingJob
from dcsim.units import (
    Bytes,
    BytesPerSecond,
    FlopPerSecond,
    OpsPerSecond,
    Seconds,
    Usd,
    UsdPerSecond,
    Watts,
)


class Accelerator(Facts):
    """One accelerator device: peaks without sparsity, memory, links, power, price. Unknown values are left out."""

    name: str
    """Name of the device; the key of its preset."""
    vendor: str = ""
    """Manufacturer."""
    device_class: Literal["gpu", "tpu", "asic", "cpu", "fpga", "other"] = "other"
    """Kind of device."""
    launch_year: int | None = Field(default=None, ge=1990, le=2100)
    """Year in which the device was first sold."""
    fp64: FlopPerSecond | None = None
    """Peak dense rate in double precision."""
    fp32: FlopPerSecond | None = None
    """Peak dense rate in single precision."""
    tf32: FlopPerSecond | None = None
    """Peak dense rate in TF32."""
    fp16: FlopPerSecond | None = None
    """Peak dense rate in half precision, on matrix units where there are any."""
    bf16: FlopPerSecond | None = None
    """Peak dense rate in bfloat16."""
    fp8: FlopPerSecond | None = None
    """Peak dense rate in 8-bit floating point."""
    int8: OpsPerSecond | None = None
    """Peak dense rate in 8-bit integers."""
    fp4: FlopPerSecond | None = None
    """Peak dense rate in 4-bit floating point."""
    matmul_bf16: FlopPerSecond | None = None
    """Best measured rate of a large bfloat16 matrix product."""
    matmul_fp8: FlopPerSecond | None = None
    """Best measured rate of a large 8-bit matrix product."""
    memory: Bytes | None = None
    """Device memory."""
    memory_type: str = ""
    """Technology of the device memory, such as HBM3."""
    memory_bandwidth: BytesPerSecond | None = None
    """Peak bandwidth of the device memory."""
    cache: Bytes | None = None
    """On-chip memory shared by the device (last-level cache or scratchpad)."""
    link: str = ""
    """Technology of the links inside a server or pod."""
    link_bandwidth: BytesPerSecond | None = None
    """Sum over the scale-up links of one device, one direction."""
    link_bandwidth_pair: BytesPerSecond | None = None
    """Scale-up bandwidth between one pair of devices, one direction."""
    nic_bandwidth_server: BytesPerSecond | None = None
    """Back-end network bandwidth of the usual server, one direction."""
    scale_up_domain: str = ""
    """How many devices share the scale-up network: `"72"`, or `"16x16 pod"`. Where it is missing, step times assume
    those of the usual server, else 8, and say so."""
    accelerators_per_server: Annotated[int, Field(ge=1)] | None = None
    """Devices in the usual server."""
    tdp: Watts | None = None
    """Thermal design power, or the vendor's nearest term."""
    idle_power: Watts | None = None
    """Power drawn while nothing runs."""
    price: Usd | None = None
    """Price of one device."""
    rent: UsdPerSecond | None = None
    """On-demand rent of one device."""
    rent_spot: UsdPerSecond | None = None
    """Spot rent of one device."""
    notes: str = ""
    """What a careful user should know."""
    provenance: dict[str, Provenance] = Field(default_factory=dict)
    """Source and grade of each value above, by key."""


class Pool(Facts):
    """A pool of identical nodes."""

    name: Name
    """Name of the pool; jobs may ask for it."""
    accelerator: Accelerator
    """Name of a preset in `dcsim/presets/accelerators/`, path to a TOML file of the same keys, or a table of them."""
    nodes: Count
    """Number of nodes."""
    accelerators_per_node: Count
    """Accelerators in each node."""
    cpus_per_node: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """CPU cores in each node; without it, CPU requests of jobs are not looked at."""
    memory_per_node: Bytes | None = None
    """Host memory of each node; without it, memory requests of jobs are not looked at."""
    nic_bandwidth: BytesPerSecond | None = None
    """Back-end network bandwidth of each node, one direction. Default: that of the accelerator's usual server."""
    nics_per_node: Count | None = None
    """NICs of each node that carry it. Default: one for each accelerator. Fewer are shared by the gangs on a node
    that span several nodes."""
    clock: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 1.0
    """Core clock as a share of the nominal one: what computing bounds runs that much slower (or faster)."""


class PluginTable(BaseModel):
    """A table that names a plug-in by `use`; its other keys are the plug-in's own fields."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    use: Name
    """Name of the plug-in: the name of its file."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The other keys, checked against the plug-in's fields when the scenario was loaded."""
        return dict(self.__pydantic_extra__ or {})


class Overheads(Facts):
    """What starting, saving and restoring a job costs; all zero unless written."""

    start: Seconds = 0.0
    """Time from allocation to the first useful work, at every start."""
    preemption: Seconds = 0.0
    """Time for which a preempted job still holds its accelerators while it saves its state."""
    restore: Seconds = 0.0
    """Extra time at each start after a preemption, to load the saved state."""
    checkpoint: Seconds = 0.0
    """Time for which work stops at each periodic checkpoint."""
    checkpoint_interval: Seconds | None = None
    """Useful work between periodic checkpoints. Without it, a preempted job loses no work."""


class Traffic(Facts):
    """What a workload's gangs that span nodes send around, which traces do not tell: the same of every gang."""

    bandwidth: BytesPerSecond
    """Mean rate at which each accelerator of a gang sends to the next node when nothing is in its way, one direction;
    no more than its NICs carry."""
    exposed: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    """Share of a job's run time in which it waits for this traffic when nothing is in its way."""


class Interconnect(Facts):
    """The graph that joins the nodes of all pools, and whether jobs slow each other down on it."""

    topology: PluginTable
    """Which graph: a file of `dcsim/topologies/` and its keys. Its hosts are the nodes of the pools, in order."""
    host: PluginTable | None = None
    """What is inside each host: a topology too, whose accelerators are those of the nodes and whose NICs have the
    host's cables. Default: hosts are points."""
    contention: Literal["none", "fair"] = "none"
    """`none`: every gang sends as fast as its NICs; `fair`: gangs that span nodes share links max-min fairly."""
    traffic: Traffic | None = None
    """What gangs of the workload send. Without it, they load no links and are not slowed down."""
    failures: tuple[NetworkFailure, ...] = ()
    """Links and switches that fail while jobs run; with contention `fair`."""


class Estimates(Facts):
    """How far the run times that users request are from the true ones; schedulers see requested times only."""

    model: Literal["trace", "exact", "uniform", "lognormal"] = "trace"
    """`trace`: as the trace says; `exact`: the true run time; `uniform`: true run time x (1 + U(0, `spread`))
    (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001); `lognormal`: true run time x exp(N(0, `spread`))."""
    spread: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 1.0
    """Upper end of the uniform factor, or sigma of the log-normal one."""


class Scenario(Facts):
    """A whole scenario: a pure value. Same scenario, same data: same results, byte for byte."""

    name: Name
    """Name of the scenario; the results folder begins with it."""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    """The one seed from which every named random stream is drawn."""
    start: datetime | None = None
    """Calendar time of simulated second 0, with its time zone; ties signals and figures to the calendar."""
    horizon: Seconds | None = None
    """Simulated time at which the run stops; by default it stops when the last job ends."""
    pools: Annotated[tuple[Pool, ...], Field(min_length=1)]
    """One or more pools of identical nodes."""
    workload: PluginTable | None = None
    """Where jobs come from: a file of `dcsim/workloads/` and its keys. It may be left out where there are `jobs`."""
    jobs: tuple[TrainingJob, ...] = ()
    """Training jobs described by their models, beside those of the workload."""
    speeds: PluginTable = PluginTable(use="same")
    """How fast jobs of the workload run in each pool: a file of `dcsim/speeds/` and its keys."""
    scheduler: PluginTable = PluginTable(use="fifo")
    """Which waiting job goes next: a file of `dcsim/policies/schedulers/` and its keys."""
    placement: PluginTable = PluginTable(use="pack")
    """Which nodes a job gets: a file of `dcsim/policies/placement/` and its keys."""
    network: Interconnect | None = None
    """The interconnect. Without it, links between nodes are not contended."""
    overheads: Overheads = Overheads()
    """Costs of starting, saving and restoring jobs."""
    estimates: Estimates = Estimates()
    """Error of requested run times."""
    reject_oversize: bool = True
    """Reject a job that can never fit, with the reason in the results; `false` makes such a job an error."""

    @property
    def shares_links(self) -> bool:
        """Whether jobs share the links of an interconnect."""
        return self.network is not None and self.network.contention == "fair"
