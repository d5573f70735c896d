"""From an accelerator's datasheet and the calibration presets to what the kernels are told of it.

A calibrated constant is looked up in the scopes that fit, narrowest first: the framework, the accelerator's family,
its class, all. A family without constants of its own takes those of its class, and `DeviceRow.notes` says so, unless
its own measured steps are among those that made them; it also says where constants of a family serve an accelerator
whose steps nobody measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.facts import Device
from dcsim.performance.precisions import ELEMENT_B, listed
from dcsim.performance.unknown import unknown
from dcsim.scenario import presets
from dcsim.scenario.source import read
from dcsim.scenario.spec import Accelerator
from dcsim.units import human_si

FIELDS = {name: number for number, name in enumerate(Device._fields)}
CALIBRATED = tuple(
    name for name in Device._fields[FIELDS["product_efficiency"] : FIELDS["nic_share_tp"]] if name != "clock"
)
FRAMEWORKS = ("megatron", "pytorch", "jax", "unfused")

SPECIAL, SPECIAL_OF = 16.0, {"B300": 32.0, "GB300": 32.0}
"""Results of special functions a cycle and multiprocessor, of compute capabilities 6.0 to 10.0 (CUDA C++ programming
guide, throughput of native arithmetic instructions; 3.9e12 a second of an H100: arXiv 2407.08608, section 3.1) and of
compute units of CDNA, a quarter of whose 64 lanes they use; Blackwell Ultra has twice as many, 10.7e12 a second in all
(NVIDIA, "Making Softmax More Efficient with NVIDIA Blackwell Ultra")."""
FEW_LANES = ("P100", "V100", "T4", "A100", "A800", "A30", "MI100", "MI2")
"""GPUs whose multiprocessors or compute units have 64 lanes for single precision (6.0, 7.0, 7.5, 8.0, CDNA 1 and 2)
instead of 128."""
CLOCK_HZ = 1.7e9
"""Of multiprocessors whose rate in single precision is not in the preset: between an A100's 1.41 and an H100's 1.98."""
HALF_FLOP = 128.0
"""FLOP of the 16-bit peak for each exponential, of devices that are no GPUs: an A100's."""
CUDNN = frozenset(("ampere", "ada", "hopper", "blackwell", "grace-blackwell", "rtx-blackwell"))
"""Families that cuDNN's fused attention runs on: compute capability 8.0 and later (cuDNN developer guide)."""

Scope = str
Calibration = Mapping[tuple[Scope, str], float]
"""Constants by scope (`all`, a class, a family, a framework) and field of `Device`."""


@dataclass(frozen=True)
class DeviceRow:
    """A row for the kernels, bytes an element of linear layers, and what was assumed."""

    device: Device
    linear_bytes: float
    notes: tuple[str, ...] = ()

    @property
    def row(self) -> NDArray[np.float64]:
        """Shape (1, fields)."""
        return np.array([self.device])


@dataclass(frozen=True)
class Family:
    """Accelerators of one architecture: names begin with one of `prefixes`; multiprocessors where published.

    `fitted_to`: those whose measured rows the constants that ship were fitted to.
    """

    name: str
    prefixes: tuple[str, ...]
    multiprocessors: Mapping[str, float]
    fitted_to: tuple[str, ...] = ()


@cache
def families() -> tuple[Family, ...]:
    """The families of `presets/calibration/`, those files that list accelerators."""
    tables = ((name, presets.table("calibration", name)) for name in presets.names("calibration"))
    return tuple(
        Family(name, tuple(table["accelerators"]), table.get("multiprocessors", {}), tuple(table.get("fitted_to", ())))
        for name, table in tables
        if "accelerators" in table
    )


@cache
def fitted_to(device_class: str) -> tuple[str, ...]:
    """Accelerators without a family whose measured rows the constants of their class that ship were fitted to."""
    known = device_class in presets.names("calibration")
    return tuple(presets.table("calibration", device_class).get("fitted_to", ())) if known else ()


@cache
def shipped() -> Calibration:
    """The constants that ship with dcsim."""
    return _constants({scope: presets.table("calibration", scope) for scope in presets.names("calibration")})


def constants_of(folder: str) -> Calibration:
    """The constants that `dcsim calibrate` fitted and wrote into a folder, in place of those that ship; ScenarioError
    if there are none. One that no row told (`fitted = false`) leaves that which ships."""
    files = [path for path in sorted(Path(folder).glob("*.toml")) if path.stem != "memory"]  # not of step times
    tables = {path.stem: read(path, str(path)).tree for path in files}
    found = _constants(tables)
    problems = [
        Problem(f"{folder}/{scope}.toml", field, "is not a number above 0 that is a constant of the model", repr(value))
        for (scope, field), value in found.items()
        if field not in CALIBRATED or not 0.0 < value < math.inf
    ]
    if not found:
        fix = "write one with `dcsim calibrate ROWS.csv --out DIR`"
        problems.append(Problem(folder, "calibration", "no such folder, or no constants in it", fix=fix))
    if problems:
        raise ScenarioError(problems)
    told = {(scope, field) for scope, field in found if tables[scope][field].get("fitted", True)}
    return {**shipped(), **{key: value for key, value in found.items() if key in told}}


def _constants(tables: Mapping[Scope, Mapping[str, Any]]) -> dict[tuple[Scope, str], float]:
    found = {}
    for scope, table in tables.items():
        for field, entry in table.items():
            if isinstance(entry, dict) and "value" in entry:
                value = entry["value"]
                found[scope, field] = float(value) if isinstance(value, int | float) else math.nan
    return found


def family_of(accelerator: Accelerator) -> Family | None:
    """The family of an accelerator by its name, None if there is no such family."""
    for family in families():
        if accelerator.name.startswith(family.prefixes):
            return family
    return None


def scopes(accelerator: Accelerator, framework: str) -> tuple[Scope, ...]:
    """Where constants of an accelerator under a framework are looked up, narrowest first."""
    family = family_of(accelerator)
    own = (family.name,) if family else ()
    return (framework, *own, accelerator.device_class, "all")


def scope_of(field: str, where: tuple[Scope, ...], known: Calibration) -> Scope | None:
    """The narrowest scope that has a constant; none for launches on TPUs, which run a whole program by themselves. What
    Megatron Core's attention reaches is cuDNN's, where that runs."""
    if field == "launch_s" and "tpu" in where:
        return None
    if field == "attention_efficiency" and not CUDNN.intersection(where):
        where = tuple(scope for scope in where if scope != "megatron")
    return next((scope for scope in where if (scope, field) in known), None)


def device_row(
    accelerator: Accelerator,
    precision: str = "bf16",
    framework: str | None = None,
    domain: float | None = None,
    nic_b_per_s: float | None = None,
    calibration: Calibration | None = None,
) -> DeviceRow:
    """What the kernels are told of an accelerator.

    `precision` is that of linear layers; `framework` a family, XLA programs on TPUs and Megatron Core elsewhere unless
    given; `domain` and `nic_b_per_s` (one accelerator, one direction) replace those
    of the usual server. Raises ScenarioError for a precision or a peak that the device lacks.
    """
    known = shipped() if calibration is None else calibration
    notes: list[str] = []
    sheet = datasheet(accelerator, precision, domain, nic_b_per_s, notes)
    tpu = accelerator.device_class == "tpu"
    where = scopes(accelerator, framework or ("jax" if tpu else "megatron"))
    if tpu and where[0] != "jax":
        notes.append(f"constants of framework '{where[0]}' are those of its steps on GPUs; TPUs run JAX or PyTorch/XLA")
    constants = {"launch_s": 0.0} if tpu else {}
    for field in CALIBRATED:
        scope = scope_of(field, where, known)
        if scope is not None:
            constants[field] = known[scope, field]
    family = family_of(accelerator)
    if family is None or (family.name, "product_efficiency") not in known:
        constants |= _at_most_measured(accelerator, constants)
        if accelerator.name not in fitted_to(accelerator.device_class):
            serving = f"those of class '{accelerator.device_class}' and of all serve"
            notes.append(f"no constants of {accelerator.name}'s family: {serving}")
    elif accelerator.name not in family.fitted_to and _ships(known, family):
        notes.append(
            f"no measured steps of {accelerator.name}: constants of family '{family.name}' serve, fitted to those of "
            f"{' and '.join(family.fitted_to)}"
        )
    return DeviceRow(Device(*sheet, **constants), ELEMENT_B[precision], tuple(notes))


def _ships(known: Calibration, family: Family) -> bool:
    """Whether a family's share of peak is the one that ships."""
    key = family.name, "product_efficiency"
    return known[key] == shipped().get(key)


def _at_most_measured(accelerator: Accelerator, constants: Mapping[str, float]) -> dict[str, float]:
    """The shares of peak that serve all, held below the best product that was measured on this very device."""
    best, peak_half = accelerator.matmul_bf16, accelerator.bf16
    if best is None or peak_half is None:
        return {}
    names = ("product_efficiency", "attention_efficiency")
    return {name: min(constants[name], best / peak_half) for name in names if name in constants}


def datasheet(
    accelerator: Accelerator, precision: str, domain: float | None, nic_b_per_s: float | None, notes: list[str]
) -> tuple[float, ...]:
    """The first fields of `Device`: peaks, memory, links; what is missing is assumed and noted."""
    linear = peak(accelerator, precision)
    half = accelerator.bf16 or accelerator.fp16 or linear
    memory = accelerator.memory or _memory(accelerator, notes)
    bandwidth = accelerator.memory_bandwidth or _assume(
        "memory_bandwidth", half / unknown().memory_flop_per_byte, notes
    )
    link = accelerator.link_bandwidth or _assume("link_bandwidth", unknown().link_b_per_s, notes)
    nic = nic_b_per_s or usual_nic_b_per_s(accelerator) or _assume("nic_bandwidth", unknown().nic_b_per_s, notes)
    vector = accelerator.fp32 or half / 16.0
    usual = _domain(accelerator, notes)
    size = domain or usual  # a given one is mostly a part of the usual one
    # A model in single precision has no product in 16 bits: head and attention are as wide as the linear layers.
    rest = linear if ELEMENT_B[precision] > ELEMENT_B["fp16"] else half
    units = multiprocessors(accelerator)
    exponentials = exponential_per_s(accelerator, half)
    return linear, rest, vector, memory, bandwidth, link, size, nic, units, exponentials


def usual_nic_b_per_s(accelerator: Accelerator) -> float:
    """NIC bandwidth of one accelerator of the usual server, one direction, B/s; 0 where the preset does not say."""
    return (accelerator.nic_bandwidth_server or 0.0) / (accelerator.accelerators_per_server or 8)


def exponential_per_s(accelerator: Accelerator, half_flop_per_s: float) -> float:
    """Exponentials a second: so many a multiprocessor as its special-function units give, beside 64 or 128 lanes of
    which the rate in single precision tells the clock. Devices that are no GPUs are taken to have as many for their
    FLOP as an A100; TPUs infinitely many, since the share of peak that is calibrated on them covers exponentials."""
    if accelerator.device_class == "tpu":
        return math.inf
    units = multiprocessors(accelerator)
    if accelerator.device_class != "gpu" or (accelerator.fp32 is None and units == 1.0):
        return half_flop_per_s / HALF_FLOP
    special = next((rate for name, rate in SPECIAL_OF.items() if accelerator.name.startswith(name)), SPECIAL)
    if accelerator.fp32 is None:
        return special * units * CLOCK_HZ
    lanes = 64.0 if accelerator.name.startswith(FEW_LANES) else 128.0
    return special * accelerator.fp32 / (2.0 * lanes)


def _memory(accelerator: Accelerator, notes: list[str]) -> float:
    """Memory of a device whose preset does not say: infinite, that is not checked, where it is not the device's own."""
    if accelerator.device_class == "cpu":
        notes.append("memory is not checked: a CPU has that of its server, which the preset does not say")
        return math.inf
    return _assume("memory", unknown().memory_b, notes)


def _domain(accelerator: Accelerator, notes: list[str]) -> float:
    """Accelerators in the scale-up domain, noted where the preset does not say."""
    size = scale_up_domain(accelerator)
    if _domain_size(accelerator.scale_up_domain) is None:
        missing = "tells no size" if accelerator.scale_up_domain else "not in the preset"
        notes.append(f"scale_up_domain {missing}: {size:g} assumed")
    return size


def _assume(what: str, value: float, notes: list[str]) -> float:
    notes.append(f"{what} not in the preset: {human_si(value, 'B' if what == 'memory' else 'B/s')} assumed")
    return value


def peak(accelerator: Accelerator, precision: str) -> float:
    """Dense peak in a precision, FLOP/s; fp16 stands in for bf16 and the other way round."""
    found = getattr(accelerator, precision, None) if precision in ELEMENT_B else None
    if found is None and precision in ("bf16", "fp16"):
        found = accelerator.bf16 or accelerator.fp16
    if found is None:
        has = listed(accelerator)
        fix = f"it has {', '.join(has)}" if has else None
        raise ScenarioError(Problem(accelerator.name, "precision", f"no peak for '{precision}'", fix=fix))
    return float(found)


def scale_up_domain(accelerator: Accelerator) -> float:
    """Accelerators in the scale-up domain: `"72"`, `"8 (16 in DGX-2)"` (the first), `"16x16 pod"` (the product).

    Those of the usual server, else 8, where the preset does not say; `DeviceRow.notes` does then.
    """
    return _domain_size(accelerator.scale_up_domain) or float(accelerator.accelerators_per_server or 8)


@cache
def _domain_size(text: str) -> float | None:
    found = re.match(r"\d+(?:x\d+)*", text)
    return None if found is None else float(math.prod(int(side) for side in found[0].split("x")))


def uncut_domain(accelerator: Accelerator, spans: Iterable[int], count: int | None) -> float:
    """The scale-up domain; where its borders cut groups that the user wants, which span so many accelerators each, the
    largest part of a group that none cuts, so that all of them are priced like those that lie across a border."""
    domain = int(scale_up_domain(accelerator))
    if count is not None and count <= domain:
        return float(domain)
    return float(math.gcd(domain, *(span for span in spans if domain % span and span % domain)))


def multiprocessors(accelerator: Accelerator) -> float:
    """Units that each compute one tile of a product; matrix engines other than GPUs count as one."""
    family = family_of(accelerator)
    counts = family.multiprocessors if family else {}
    for name, count in counts.items():
        if accelerator.name.startswith(name):
            return float(count)
    if accelerator.device_class != "gpu" or accelerator.fp32 is None:
        return 1.0
    return float(round(accelerator.fp32 / unknown().multiprocessor_flop_per_s))
