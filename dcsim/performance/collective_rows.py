"""A CSV of measured collectives -> groups, sizes and times. Columns are those of collectives_measured.csv.

What a row does not say is filled by a written rule. A row that cannot be told is left out under a rule, and counted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dcsim.kernels.collectives import bus_factor
from dcsim.kernels.tuning import COLLECTIVES, Group
from dcsim.performance.collectives import fact_s, generation_of, group_of, usual_algorithms
from dcsim.performance.measured_csv import rows_of
from dcsim.performance.row_text import GBIT_B_PER_S, accelerator_preset, nic_b_per_s
from dcsim.scenario import presets
from dcsim.scenario.spec import Accelerator

Row = Mapping[str, str]

NEEDED = ("source_id", "gpu", "nodes", "nranks", "collective", "size_bytes", "time_us", "busbw_GBps")

NAMES = {
    "p2p_unidir": "send_recv",
    "p2p_bidir": "send_recv",
    "ib_write_bw": "send_recv",
    "moe_dispatch": "all_to_all",
    "moe_combine": "all_to_all",
}
"""Collectives by other names, by their beginnings; DeepEP's are all-to-alls whose size is what a rank sends."""

PCIE_5_B_PER_S = 63e9
BRIDGE_B_PER_S = 300e9
"""NVLink bridge between two PCIe cards, one direction (NVIDIA: 600 GB/s both)."""
WORDS = (("in_network", "nvls"), ("in_network", "sharp"), ("tree", "tree"), ("ring", "ring"))
"""Algorithms by words of the column, first match wins."""

LARGE_B = 16.0 * 2**30
"""Size of a row that gives a bandwidth and no size."""
PRINTED_GB = 0.005
"""How far a bandwidth may be from its print: nccl-tests has two decimals."""
WIDEST = 1.025 / 0.975
"""Longest over shortest time that bandwidths may leave: within 2.5 % of what lies between, as 0.2 GB/s alone does."""
PAIR = 2

_ADAPTER = re.compile(r"([\d.]+)\s*(?:Gbps|Gb/s)", re.IGNORECASE)


class Unusable(Exception):  # noqa: N818 - a rule, not an error
    """The rule under which a row is left out."""


@dataclass(frozen=True)
class Measured:
    """One measured point; `algorithms` are those that were allowed.

    `call_s`: what a call took beyond NCCL's base where the timing says so, else None for the generation's.
    """

    source: str
    collective: str
    size_b: float
    time_s: float
    nodes: int
    generation: str
    group: Group
    algorithms: tuple[str, ...]
    call_s: float | None


@dataclass(frozen=True)
class MeasuredRows:
    """What was read; rows left out by rule; all rows; times taken from the bus bandwidth instead."""

    rows: list[Measured]
    excluded: Counter[str] = field(default_factory=Counter)
    total: int = 0
    mended: int = 0


def read(path: Path) -> MeasuredRows:
    """All rows of a file that can be told; TraceError as for `rows_of`."""
    return measured_rows(row for _, row in rows_of(path, NEEDED))


def measured_rows(rows: Iterable[Row]) -> MeasuredRows:
    """The rows that can be told, in order."""
    kept, excluded, mended, total = [], Counter[str](), 0, 0
    for row in rows:
        total += 1
        try:
            found, derived = _measured(row)
        except Unusable as rule:
            excluded[str(rule)] += 1
            continue
        kept.append(found)
        mended += derived
    return MeasuredRows(kept, excluded, total, mended)


def _measured(row: Row) -> tuple[Measured, bool]:
    collective = next((name for old, name in NAMES.items() if row["collective"].startswith(old)), row["collective"])
    if collective not in COLLECTIVES:
        raise Unusable("not between accelerators, or no known collective")
    ranks, nodes = _ranks_and_nodes(row)
    if ranks < PAIR or nodes > ranks:
        raise Unusable("fewer than two ranks, or than nodes")
    name, accelerator = _accelerator(row["gpu"])
    size_b, time_s, derived = _time(row, collective, ranks)
    group = _group(row, accelerator, ranks, nodes)
    words = re.sub(r"\(.*?\)", "", row.get("algorithm") or "").lower()
    named = sorted({found for found, word in WORDS if word in words and not (found == "tree" and "nvls" in words)})
    algorithms = (named[0],) if len(named) == 1 else usual_algorithms()
    if algorithms == ("in_network",):
        group = group._replace(in_network=1.0)  # the source saw it, whatever is known of the device
    call_s = fact_s("python_call_us") if ".py" in (row.get("note") or "") else None
    generation = generation_of(name).name
    return Measured(row["source_id"], collective, size_b, time_s, nodes, generation, group, algorithms, call_s), derived


def _ranks_and_nodes(row: Row) -> tuple[int, int]:
    """Both as the row says; where it says one of them alone, the other by its accelerators a node."""
    local = _number(row.get("gpus_per_node") or "")
    if local and not row["nodes"]:
        ranks = _whole(row, "nranks")
        return ranks, math.ceil(ranks / local)
    if local and not row["nranks"]:
        nodes = _whole(row, "nodes")
        return round(nodes * local), nodes
    return _whole(row, "nranks"), _whole(row, "nodes")


def _accelerator(text: str) -> tuple[str, Accelerator]:
    """Name for the generation, and what is known of the device; of an unknown one nothing is."""
    preset = accelerator_preset(text)
    return (preset, presets.accelerator(preset)) if preset else (text, Accelerator(name=text or "unknown"))


def _group(row: Row, accelerator: Accelerator, ranks: int, nodes: int) -> Group:
    """The group that a row's columns describe."""
    local = math.ceil(ranks / nodes)
    network = row.get("inter_link") or ""
    per_node = nic_b_per_s(network, local)
    adapter = _ADAPTER.search(network)
    if per_node is None and adapter:  # an adapter for each accelerator
        per_node = float(adapter[1]) * GBIT_B_PER_S
    group = group_of(accelerator, ranks, local, per_node)
    if "EFA" in network:
        later = re.search(r"EFAv[2-9]", network) is not None
        group = group._replace(nic_latency_s=fact_s("efa_us" if later else "efa_1_us"))
    links = row.get("intra_link") or ""
    if "pairs" in links and nodes == 1:
        # Bridges join two devices; larger groups meet on PCIe. Neither has a switch that sums.
        rate = BRIDGE_B_PER_S if ranks == PAIR else PCIE_5_B_PER_S
        group = group._replace(in_network=0.0, link_b_per_s=rate, pair_b_per_s=rate, pcie=float(ranks > PAIR))
    return group


def _time(row: Row, collective: str, ranks: int) -> tuple[float, float, bool]:
    """Size, B, time, s, and whether the time was taken from the bus bandwidth.

    A printed time that its own bus bandwidth contradicts is a slip of the source (a column cut in two); the bandwidths
    are then believed, if they have digits enough.
    """
    size_b, time_s, bus = _number(row["size_bytes"]), _number(row["time_us"]), _number(row["busbw_GBps"])
    both_ways = 2.0 if row["collective"] == "p2p_bidir" else 1.0
    factor = both_ways * (1.0 if row["collective"].startswith("moe_") else bus_factor(collective, ranks))
    if size_b is None or size_b <= 0.0:
        if not bus:
            raise Unusable("neither size nor bandwidth")
        return LARGE_B, factor * LARGE_B / (bus * 1e9), False
    if time_s:
        implied = factor * size_b / (time_s * 1e-6) / 1e9
        if bus is None or abs(implied - bus) <= 0.006 + 0.05 * bus:
            return size_b, time_s * 1e-6, False
    return size_b, size_b / 1e9 * _second_a_gb(bus, factor, _number(row.get("algbw_GBps") or ""), both_ways), True


def _second_a_gb(bus: float | None, factor: float, algorithm: float | None, both_ways: float) -> float:
    """Seconds that a GB takes, by the printed bus bandwidth, `factor` times size over time, and by that of the
    algorithm: the middle of what the rounding of both leaves."""
    shortest, longest = 0.0, math.inf
    for printed, times in ((bus, factor), (algorithm, both_ways)):
        if printed is not None and printed > PRINTED_GB:
            shortest = max(shortest, times / (printed + PRINTED_GB))
            longest = min(longest, times / (printed - PRINTED_GB))
    if not shortest <= longest <= WIDEST * shortest:
        raise Unusable("no time, or one that its bandwidth contradicts, and bandwidths of too few digits")
    return 0.5 * (shortest + longest)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _whole(row: Row, key: str) -> int:
    value = _number(row[key])
    if value is None or value < 1 or value != int(value):
        raise Unusable(f"{key} is no whole number > 0")
    return int(value)
