"""A planner's question about a network that is a list of operations, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dcsim.errors import Problem, ScenarioError
from dcsim.performance.devices import DeviceRow, constants_of, device_row
from dcsim.performance.memory import available_b
from dcsim.performance.optimizers import OPTIMIZERS, Optimizer
from dcsim.performance.plans import option, written
from dcsim.performance.reader import Reader
from dcsim.performance.request import input_of, missing, plain_numbers, precision_of
from dcsim.performance.waiting import Input
from dcsim.scenario.facts import Provenance
from dcsim.scenario.model import Network
from dcsim.scenario.spec import Accelerator

OF_TRANSFORMERS = (
    *("tokens", "target_loss", "law", "seq_len"),
    *("recompute", "sharding", "schedule", "experts", "framework"),
)
DEGREES = ("tp", "pp", "vpp", "dp", "cp", "ep")
ASKED = Provenance(source="the question", grade="assumed")
USUAL = Provenance(source="usual practice", grade="assumed")


@dataclass(frozen=True)
class NetworkRequest:
    """A question without mistakes about a network that is trained data-parallel."""

    where: str
    model: Network
    accelerator: Accelerator
    device: DeviceRow
    precision: str
    samples: float | None
    count: int | None
    deadline_s: float | None
    global_batch: int | None
    micro_batch: int | None
    top: int
    optimizer: Optimizer
    optimizer_origin: Provenance
    input: Input

    @property
    def available_b(self) -> float:
        """Bytes of a device's memory that a step may use."""
        return available_b(self.device.device.memory_b)


def asked(reader: Reader, net: Network, chip: Accelerator | None, needs: Iterable[str] = ()) -> NetworkRequest:
    """The question that facts and a reader's options make; ScenarioError with the reader's mistakes and its own."""
    precision, numbers = precision_of(reader, chip), plain_numbers(reader)
    for name in needs:
        if reader.options.get(name) is None:
            reader.problems.append(missing(reader.where, name))
    folder = reader.options.get("calibration")
    known = reader.named("calibration", folder, constants_of) if folder else None
    _refuse_others(reader, net)
    micro, count, batch = reader.whole("micro_batch"), numbers["count"], numbers["global_batch"]
    given = input_of(reader, net.sample_size)
    reader.problems += _indivisible(reader.where, count, batch, micro)
    if reader.problems or chip is None or precision is None:
        raise ScenarioError(reader.problems)
    for name in ("tokens", "target_loss", "optimizer_bytes", "gradient_bytes"):
        del numbers[name]
    row = device_row(chip, precision, calibration=known)
    optimizer = reader.word("optimizer", OPTIMIZERS)
    numbers["optimizer"], numbers["optimizer_origin"] = _optimizer(net) if optimizer is None else (optimizer, ASKED)
    return NetworkRequest(reader.where, net, chip, row, precision, micro_batch=micro, input=given, **numbers)


def _optimizer(net: Network) -> tuple[Optimizer, Provenance]:
    """What a network is usually trained with, and who says so."""
    return OPTIMIZERS[net.optimizer], net.provenance.get("optimizer", USUAL)


def _refuse_others(reader: Reader, net: Network) -> None:
    """Options that a network has no use for."""
    for name in (*OF_TRANSFORMERS, *DEGREES, "optimizer_bytes", "gradient_bytes"):
        given = reader.options.get(name)
        if given is not None:
            what = f"{net.name} is no transformer: every accelerator holds the whole network, and batches are divided"
            example = written(reader.where, "samples", "1.28e6*90")
            fix = f"write {example}" if name in ("tokens", "target_loss") else "leave it out"
            reader.wrong(name, what, given, fix=fix)


def _indivisible(where: str, count: int | None, batch: int | None, micro: int | None) -> Iterable[Problem]:
    """Batches that cannot be divided."""
    pieces = (count or 1) * (micro or 1)
    if batch is None or batch % pieces == 0:
        return
    key = option(where, "global_batch")
    near = sorted({max(batch // pieces, 1) * pieces, (batch // pieces + 1) * pieces})
    fix = " or ".join(written(where, "global_batch", value) for value in near)
    given = (("count", count), ("micro_batch", micro))
    words = " x ".join(f"{option(where, name)} {value}" for name, value in given if value)
    yield Problem(where, key, "is not divisible", str(batch), f"a multiple of {words}", f"write {fix}")
