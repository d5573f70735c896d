"""Cells of measured rows: numbers, words and flags, and the rules that leave a row out for what stands in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec, TypeVar

from dcsim.errors import Problem
from dcsim.performance.reader import shown

P = ParamSpec("P")
T = TypeVar("T")
Row = Mapping[str, str]

COUNTS = (
    *("n_accelerators", "accelerators_per_node", "layers", "hidden", "heads", "kv_heads", "head_dim", "ffn_hidden"),
    *("vocab", "seq_len", "moe_experts", "moe_top_k", "moe_ffn_hidden", "moe_shared_experts", "moe_first_dense"),
    *("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "global_batch"),
)
NEVER_ZERO = (
    *("kv_heads", "head_dim", "ffn_hidden", "vocab"),
    *("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "global_batch"),
)
"""Counts that measured rows may have as 0 where nobody knows them, and no question."""
NEEDED = ("n_accelerators", "seq_len")
ABOVE_ZERO = (*NEEDED, "accelerators_per_node")
MOST = 1e9
FLAGS = {"y": 1.0, "yes": 1.0, "true": 1.0, "1": 1.0, "n": 0.0, "no": 0.0, "false": 0.0, "0": 0.0}


class Unusable(Exception):  # noqa: N818 - a rule, not an error
    """The rule under which a row is left out; `problem`: the same for who can mend the row, without file and line."""

    def __init__(self, rule: str, problem: Problem | None = None) -> None:
        super().__init__(rule)
        self.problem = problem or Problem("", "", rule)


def wrong(
    row: Row, name: str, what: str, expected: str | None = None, fix: str | None = None, rule: str | None = None
) -> Unusable:
    """A cell that cannot be used, under the rule that it is so, unless another is given."""
    text = (row.get(name) or "").strip()
    problem = Problem("", name, what, shown(text) if text else None, expected, fix)
    return Unusable(rule or f"{name} {what}", problem)


def faults(check: Callable[P, object], *args: P.args, **options: P.kwargs) -> Iterator[Unusable]:
    """The rule that a check finds broken, if any."""
    try:
        check(*args, **options)
    except Unusable as rule:
        yield rule


def usable(make: Callable[P, T], *args: P.args, **options: P.kwargs) -> T | None:
    """What a function makes of a row, None where it cannot."""
    try:
        return make(*args, **options)
    except Unusable:
        return None


def whole(name: str) -> str | None:
    """What is expected of a count."""
    least = 0 if name.startswith("moe_") else 1
    return f"a whole number from {least} to {MOST:.0f}" if name in COUNTS else None


def number(row: Row, name: str, default: float | None = None) -> float:
    """A cell as a finite number that is not negative; the default, if it is empty and there is one."""
    text = (row.get(name) or "").strip()
    if text == "":
        if default is None:
            raise wrong(row, name, "is not given", whole(name))
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0.0:
        raise wrong(row, name, "is not a finite number >= 0", whole(name))
    return value


def word(row: Row, name: str, known: Mapping[str, float], default: float, assumed: list[str]) -> float:
    """The code of a cell's word; the default, named in `assumed`, for an empty cell and for a word nobody knows."""
    text = (row.get(name) or "").strip().lower()
    if text in known:
        return known[text]
    assumed.append(f"{name} ('{text}' is not known)" if text else name)
    return default


def refuse_absurd(row: Row, name: str) -> None:
    """Refuses sizes and degrees that no run can have; 0 stands for one that is not given, where it need not be."""
    value = number(row, name, 0.0)
    if value and not 1.0 <= value <= MOST:
        raise wrong(row, name, f"is not from 1 to {MOST:g}", whole(name))
    if value != int(value):
        raise wrong(row, name, "is no whole number", whole(name))
    if name in ABOVE_ZERO and number(row, name, 1.0) == 0.0:
        raise wrong(row, name, "is zero", whole(name))
