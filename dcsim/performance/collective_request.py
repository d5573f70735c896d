"""A question on collectives, read and checked: names become facts, text numbers, and all mistakes are told at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.kernels.tuning import ALGORITHMS, COLLECTIVES
from dcsim.performance.collectives import (
    Answer,
    answers,
    generation_of,
    group_of,
    torus_answers,
    usual_algorithms,
)
from dcsim.performance.plans import option
from dcsim.performance.reader import Reader
from dcsim.scenario import presets, source
from dcsim.scenario.spec import Accelerator
from dcsim.topologies.torus import wrapped_axes
from dcsim.units import BANDWIDTH, SIZE

MOST_NODES, MOST_LOCAL, MOST_SIZES = 1 << 20, 1000, 200
LEAST_B, MOST_B = 1.0, 1e18
"""Sizes of messages, B: the largest is far above any memory, and far below what no longer has a finite time."""
LEAST_B_PER_S = 1.0
USUAL_SIZES = "8KiB..16GiB"
OTHER_NAMES = {"p2p": "send_recv"}


@dataclass(frozen=True)
class Question:
    """A question without mistakes."""

    accelerator: Accelerator
    collective: str
    ranks: int
    sizes_b: tuple[float, ...]
    answer: Callable[[], list[Answer]]
    """Times of all sizes."""
    where: str
    """The group in words."""
    assumed: tuple[str, ...]
    """What no preset says."""


def read(options: Mapping[str, Any], where: str = "collective") -> Question:
    """The question that options make; ScenarioError with every mistake in them.

    Options: accelerator, collective, nodes, per_node, nic, sizes (`"8KiB..16GiB"`: doubling, or a list with commas),
    algorithms (names with commas), torus (`"4x4x4"`).
    """
    reader = Reader(where, options)
    chip: Accelerator | None = reader.named("accelerator", options.get("accelerator"), _accelerator)
    name = options.get("collective") or COLLECTIVES[0]
    collective = _one_of(reader, "collective", OTHER_NAMES.get(name, name), COLLECTIVES)
    sizes = _sizes(reader, options.get("sizes") or USUAL_SIZES)
    if chip is not None and chip.device_class == "tpu":
        made = _on_torus(reader, chip, collective, sizes)
    else:
        made = _on_servers(reader, chip, collective, sizes)
    if reader.problems or made is None:
        raise ScenarioError(reader.problems)
    return made


def _accelerator(name: str) -> Accelerator:
    return (
        presets.accelerator_of(source.read(Path(name), name)) if name.endswith(".toml") else presets.accelerator(name)
    )


def _one_of(reader: Reader, key: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        reader.wrong(key, "is unknown", name, f"one of {', '.join(known)}", nearest(name, known))
    return name


def _sizes(reader: Reader, text: str) -> tuple[float, ...]:
    """`A..B`: A, twice A, ... up to B; else a list."""
    parts = [part.strip() for part in (text.split("..") if ".." in text else text.split(","))]
    try:
        values = [SIZE.parse(part) for part in parts]
    except ValueError as error:
        reader.wrong("sizes", str(error), text, fix=f"write e.g. {USUAL_SIZES}")
        return ()
    if min(values) <= 0.0 or (".." in text and (len(values) != 2 or values[0] > values[1])):
        reader.wrong("sizes", "must be > 0 B, from the smaller to the larger", text, fix=f"write e.g. {USUAL_SIZES}")
        return ()
    if min(values) < LEAST_B or max(values) > MOST_B:
        expected = f"{SIZE.format(LEAST_B)} to {SIZE.format(MOST_B)}"
        reader.wrong("sizes", "no message is so small or so large", text, expected, f"write e.g. {USUAL_SIZES}")
        return ()
    if ".." in text:
        low, high = values
        values = [low]
        while values[-1] * 2.0 <= high:
            values.append(values[-1] * 2.0)
    if len(values) > MOST_SIZES:
        reader.wrong("sizes", f"more than {MOST_SIZES} sizes", text)
    return tuple(values)


def _on_servers(reader: Reader, chip: Accelerator | None, collective: str, sizes: tuple[float, ...]) -> Question | None:
    nodes = reader.whole("nodes", MOST_NODES) or 1
    usual = (chip.accelerators_per_server if chip else None) or 8
    local = reader.whole("per_node", MOST_LOCAL) or usual
    nic = _bandwidth(reader)
    names = reader.options.get("algorithms")
    algorithms = tuple(name.strip() for name in names.split(",")) if names else usual_algorithms()
    for name in algorithms:
        _one_of(reader, "algorithms", name, ALGORITHMS)
    if reader.options.get("torus") is not None:
        reader.wrong("torus", "is for TPUs", reader.options["torus"], fix="leave it out")
    if reader.problems or chip is None:
        return None
    group, tuned = group_of(chip, nodes * local, local, nic), generation_of(chip.name).tuned
    if not math.isfinite(answers(collective, sizes[:1], group, tuned, algorithms)[0].time_s):
        what = f"none of them can do {collective} on {nodes} x {local} {chip.name}"
        reader.wrong("algorithms", what, names or ", ".join(algorithms), f"some of {', '.join(ALGORITHMS)}")
        return None
    missing = {
        "link_bandwidth": chip.link_bandwidth is None,
        "nic_bandwidth_server": nodes > 1 and nic is None and chip.nic_bandwidth_server is None,
    }
    values = {"link_bandwidth": group.link_b_per_s, "nic_bandwidth_server": group.nic_b_per_s * local}
    return Question(
        chip,
        collective,
        nodes * local,
        sizes,
        lambda: answers(collective, sizes, group, tuned, algorithms),
        f"{nodes} x {local} {chip.name}",
        tuple(f"{key} = {BANDWIDTH.format(values[key])}" for key, gone in missing.items() if gone),
    )


def _bandwidth(reader: Reader) -> float | None:
    text = reader.options.get("nic")
    if text is None:
        return None
    try:
        found = BANDWIDTH.parse(text)
    except ValueError as error:
        reader.problems.append(Problem(reader.where, option(reader.where, "nic"), str(error), f"'{text}'"))
        return None
    if found < LEAST_B_PER_S:
        reader.wrong("nic", "no NIC is so slow", text, f"at least {BANDWIDTH.format(LEAST_B_PER_S)}")
    return found


def _on_torus(reader: Reader, chip: Accelerator, collective: str, sizes: tuple[float, ...]) -> Question | None:
    for name in ("nodes", "per_node", "nic", "algorithms"):
        if reader.options.get(name) is not None:
            reader.wrong(
                name, "has no effect on TPUs, whose links form a torus", reader.options[name], fix="use --torus"
            )
    sides = _sides(reader, chip)
    link = chip.link_bandwidth_pair
    if link is None:
        reader.wrong("accelerator", "the bandwidth of a link is not known", chip.name)
    if reader.problems or link is None:
        return None
    text = "x".join(map(str, sides))
    wrapped = wrapped_axes(sides)
    rings = "".join("o" if wraps else "-" for wraps in wrapped)
    return Question(
        chip,
        collective,
        math.prod(sides),
        sizes,
        lambda: torus_answers(collective, sizes, sides, wrapped, link),
        f"{text} {chip.name} (axes {rings}: o a ring, - a line)",
        (),
    )


def _sides(reader: Reader, chip: Accelerator) -> tuple[int, ...]:
    """Sides of the slice: as many as the chip's torus has axes, where its preset says that, else two or three."""
    text = str(reader.options.get("torus") or "")
    sides = tuple(map(int, text.split("x"))) if re.fullmatch(r"\d{1,4}(x\d{1,4}){1,2}", text) else ()
    if not sides or min(sides) < 1:
        reader.wrong("torus", "must be two or three sides", text, fix="write e.g. 4x4x4")
        return ()
    axes = re.search(r"(\d)D torus", chip.link)
    if axes and len(sides) != int(axes[1]):
        what, fix = f"links of {chip.name} form a torus of {axes[1]} axes", "write e.g. " + "x".join("4" * int(axes[1]))
        reader.wrong("torus", what, text, f"{axes[1]} sides", fix)
    pod = re.fullmatch(r"(\d+(?:x\d+)*) pod", chip.scale_up_domain)
    if pod and math.prod(sides) > (most := math.prod(map(int, pod[1].split("x")))):
        reader.wrong("torus", f"a pod of {chip.name} is {pod[1]}", text, f"at most {most} chips")
    return sides
