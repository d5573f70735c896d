"""Networks that are lists of operations: parameters, FLOPs, and the time of a data-parallel training step.

Every worker holds the whole network but for embedding tables, which are spread over workers. Gradients are summed
under backward (arXiv 1706.02677 and its successors); what a device sustains comes from `devices.device_row`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import operations as kernel
from dcsim.kernels.facts import Device
from dcsim.kernels.operations import Operation, Spent, Work
from dcsim.kernels.roofline import rates
from dcsim.kernels.traffic import all_reduce_s, all_to_all_s, exposed_s, road
from dcsim.performance.devices import DeviceRow
from dcsim.performance.optimizers import OPTIMIZERS, Optimizer
from dcsim.scenario import operation as facts
from dcsim.scenario.facts import Facts
from dcsim.scenario.model import Network

SGD = OPTIMIZERS["sgd"]


@dataclass(frozen=True)
class Training:
    """How a network is trained: samples a worker and step, workers, optimiser, micro-batches."""

    batch: int
    workers: int = 1
    optimizer: Optimizer = SGD
    micro_batches: int = 1  # equal pieces of `batch` that are computed one after the other, gradients adding up


@dataclass(frozen=True)
class NetworkStep:
    """One training step, and its parts as exposed, s, which add up to `step_s`; nobody waits for workers or data."""

    step_s: float
    compute_s: float
    memory_s: float
    launch_s: float
    optimizer_s: float
    traffic_s: float
    samples_per_s: float
    flop: float

    @property
    def parts(self) -> dict[str, float]:
        """What the step is made of, s, by the names of `kernels.facts.BOUNDS`."""
        return {
            "compute": self.compute_s,
            "memory bandwidth": self.memory_s,
            "host time": self.launch_s,
            "optimizer": self.optimizer_s,
            "data-parallel traffic": self.traffic_s,
        }


def rows(network: Network) -> NDArray[np.float64]:
    """The operations as kernels read them, shape (k, fields of Operation)."""
    return np.array([row(operation) for operation in network.operations])


def row(operation: facts.Operation) -> Operation:
    """One operation as kernels read it; counts are those of one sample."""
    match operation:
        case facts.Dense():
            made = _dense(operation)
        case facts.Conv2d():
            made = _convolution(operation)
        case facts.Depthwise():
            made = _depthwise(operation)
        case facts.Embedding():
            looked_up = operation.lookups * operation.width
            summed = operation.width if operation.pooled else looked_up
            made = Operation(kernel.LOOKUP, read=looked_up, written=summed, parameters=operation.rows * operation.width)
        case facts.Matmul(m=m, k=k, n=n, products=products):
            made = Operation(kernel.PLAIN, m, k, n, products, (m + n) * k * products, m * n * products)
        case facts.Attention(queries=queries, keys=keys, heads=heads, head_dim=width):
            read = (queries + 2 * keys) * heads * width
            made = Operation(kernel.ATTENTION, queries, width, keys, heads, read, queries * heads * width)
        case facts.Elementwise(elements=elements):
            weights = operation.parameters
            made = Operation(kernel.PASSED, read=operation.reads * elements, written=elements, parameters=weights)
        case facts.Pooling():
            written = _area(operation.size) * operation.channels
            made = Operation(kernel.PASSED, read=written * operation.stride**2, written=written)
    return made._replace(times=operation.times)


def parameters(network: Network) -> float:
    """All weights, embedding tables included."""
    return table_parameters(network) + dense_parameters(network)


def table_parameters(network: Network) -> float:
    """Elements of embedding tables."""
    return _weights(network, facts.OPERATIONS["embedding"])


def dense_parameters(network: Network) -> float:
    """All weights but embedding tables; tied ones count as tables."""
    kinds = [kind for name, kind in facts.OPERATIONS.items() if name != "embedding"]
    return _weights(network, *kinds)


def forward_flop(network: Network) -> float:
    """FLOPs of one sample forward, a multiply-add being two."""
    return sum(kernel.forward_flop(row(operation)) for operation in network.operations)


def network_step(network: Network, device: DeviceRow, training: Training) -> NetworkStep:
    """The training step of a network on `training.workers` accelerators.

    Operations of one stream add; kernels that the host launches too slowly leave the device idle; gradients of
    dense weights are summed under backward of the last micro-batch, vectors from spread tables are exchanged both
    ways.
    """
    times = training.micro_batches
    work = Work(training.batch / times, device.linear_bytes)
    spent = Spent(*kernel.network_steps(rows(network), np.array([work]), device.row)[0])
    at, busy_s = rates(device.device, device.linear_bytes), times * (spent.forward_s + spent.backward_s)
    launch_s = max(times * spent.kernels * device.device.launch_s - busy_s, 0.0)
    optimizer_s = _updated_b(network, training) * at.memory_s
    traffic_s = _traffic_s(network, device.device, training, work, spent.backward_s)
    step_s = float(busy_s + launch_s + optimizer_s + traffic_s)
    memory_s = times * spent.memory_s
    return NetworkStep(
        step_s=step_s,
        compute_s=float(busy_s - memory_s),
        memory_s=float(memory_s),
        launch_s=float(launch_s),
        optimizer_s=float(optimizer_s),
        traffic_s=float(traffic_s),
        samples_per_s=training.batch * training.workers / step_s,
        flop=float(spent.flop) * times * training.workers,
    )


def _dense(d: facts.Dense) -> Operation:
    weights = (d.inputs + d.bias) * d.outputs
    return Operation(kernel.WEIGHTED, d.rows, d.inputs, d.outputs, 1, d.rows * d.inputs, d.rows * d.outputs, weights)


def _depthwise(d: facts.Depthwise) -> Operation:
    size, taps = _area(d.size), _area(d.kernel)
    written = size * d.channels
    read = written * d.stride**2
    return Operation(kernel.CHANNELWISE, size, taps, 1, d.channels, read, written, taps * d.channels)


def _convolution(c: facts.Conv2d) -> Operation:
    size, depth = _area(c.size), c.inputs // c.groups * _area(c.kernel)
    weights = (depth + c.bias) * c.outputs
    read = size * c.stride**2 * c.inputs
    columns = c.outputs // c.groups
    return Operation(kernel.WEIGHTED, size, depth, columns, c.groups, read, size * c.outputs, weights)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _weights(network: Network, *kinds: type[Facts]) -> float:
    own = [o for o in network.operations if isinstance(o, kinds) and not getattr(o, "tied", False)]
    return sum(r.parameters * r.times for r in map(row, own))


def _traffic_s(network: Network, device: Device, training: Training, work: Work, backward_s: float) -> float:
    workers = float(training.workers)
    if training.workers == 1:
        return 0.0
    summed_s = all_reduce_s(gradients_b(network, work), road(device, 1.0, workers, device.nic_share_dp))
    exchanged_s = 0.0
    if looked_up_b(network, work):
        one_s = all_to_all_s(looked_up_b(network, work), device, 1.0, workers)
        exchanged_s = 2.0 * training.micro_batches * one_s
    return exposed_s(summed_s, device.overlap * backward_s) + exchanged_s


def _updated_b(network: Network, training: Training) -> float:
    """Bytes that a worker's optimiser moves in a step: all of dense layers, and the states beside each element of a
    table that was looked up, read and written; the elements themselves are moved by backward."""
    looked_up = training.batch * sum(r.read * r.times for r in map(row, network.operations) if r.kind == kernel.LOOKUP)
    states_b = 2.0 * training.optimizer.table_states_b * looked_up
    return training.optimizer.traffic_b * dense_parameters(network) + states_b


def gradients_b(network: Network, work: Work) -> float:
    """Bytes of the gradients that workers sum once a step."""
    return work.element_b * dense_parameters(network)


def looked_up_b(network: Network, work: Work) -> float:
    """Bytes of the vectors that a worker's micro-batch looks up in embedding tables, which are spread over workers."""
    made = map(row, network.operations)
    return work.element_b * work.batch * sum(r.written * r.times for r in made if r.kind == kernel.LOOKUP)
