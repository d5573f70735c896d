"""Cells of measured rows: numbers, words and flags, and the rules that leave a row out for what stands in one."""

from __future__ import annotations

import math
from collections.abc import Mapping

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
MOST = 1e9
FLAGS = {"y": 1.0, "yes": 1.0, "true": 1.0, "1": 1.0, "n": 0.0, "no": 0.0, "false": 0.0, "0": 0.0}


class Unusable(Exception):  # noqa: N818 - a rule, not an error
    """The rule under which a row is left out; `told`: with what to write instead, if anybody knows."""

    def __init__(self, rule: str, fix: str | None = None) -> None:
        super().__init__(rule)
        self.told = f"{rule}; {fix}" if fix else rule


def number(row: Row, name: str, default: float | None = None) -> float:
    """A cell as a finite number that is not negative; the default, if it is empty and there is one."""
    text = (row.get(name) or "").strip()
    if text == "":
        if default is None:
            raise Unusable(f"{name} is not given")
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0.0:
        raise Unusable(f"{name} is not a finite number >= 0")
    return value


def word(row: Row, name: str, known: Mapping[str, float], default: float, assumed: list[str]) -> float:
    """The code of a cell's word; the default, named in `assumed`, for an empty cell and for a word nobody knows."""
    text = (row.get(name) or "").strip().lower()
    if text in known:
        return known[text]
    assumed.append(f"{name} ('{text}' is not known)" if text else name)
    return default


def refuse_absurd(row: Row) -> None:
    """Refuses sizes and degrees that no run can have; 0 stands for one that is not given, where it need not be."""
    for name in COUNTS:
        value = number(row, name, 0.0)
        if value and not 1.0 <= value <= MOST:
            raise Unusable(f"{name} is not from 1 to {MOST:g}")
        if value != int(value):
            raise Unusable(f"{name} is no whole number")
    for name in ("n_accelerators", "accelerators_per_node", "seq_len"):
        if number(row, name, 1.0) == 0.0:
            raise Unusable(f"{name} is zero")
