"""What is wrong with a plan that a user fixes, and what would be right: the rules of plans as error lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from dcsim.errors import Problem
from dcsim.kernels import facts
from dcsim.performance.plan_rules import DEGREES, FILLS, SHAPE, SHARDING, Column, Rule, Setting
from dcsim.performance.plans import broken, completed, legal_shapes, option, word_of, written


def problems(
    plan: Mapping[str, int], setting: Setting, where: str = "estimate", conventions: bool = True
) -> list[Problem]:
    """Every rule that the fixed degrees of a plan break, as error lines; empty if it is legal as far as it goes."""
    known = completed(plan, setting)
    rules = list(broken(known, setting, conventions))
    blamed = {_blamed(rule, plan) for rule in rules if rule is not FILLS}
    shared = _shared_out({name: plan[name] for name in DEGREES if name in plan and name not in blamed}, setting)
    if FILLS in rules and set(shared.misfits) <= {"dp"}:  # then dp is told with all four
        shared = shared._replace(misfits=[])
        blamed.add("dp")
    elif FILLS in rules:
        rules.remove(FILLS)
    batch, micro_batch = setting.global_batch, plan.get("micro_batch", 1)
    uneven = "dp" not in known and batch % micro_batch > 0
    # Advice for one of several keys that are wrong takes for granted that the others are mended.
    wrong = blamed | {*shared.misfits, *(["micro_batch"] if uneven else [])}
    sound = {name: plan[name] for name in plan if name not in wrong}
    found = [_problem(rule, plan, known, setting, where, sound) for rule in rules]
    for name in shared.misfits:
        values = nearest_legal(name, plan[name], sound, setting)
        found.append(_misfit(name, plan[name], shared, setting, where, values))
        # Advice for the next one holds beside the nearest of these.
        sound |= {name: min(values, key=partial(_apart, plan[name]))} if values else {}
    if uneven:
        fix = advice(where, "micro_batch", nearest_legal("micro_batch", micro_batch, sound, setting))
        what, expected = "does not divide the global batch", f"a divisor of {batch}"
        found.append(Problem(where, option(where, "micro_batch"), what, str(micro_batch), expected, fix))
    return found


class _Shared(NamedTuple):
    """Degrees above 1 that divide the accelerators one after the other, and those that do not divide what is left."""

    fitting: dict[str, int]
    misfits: list[str]


def _shared_out(degrees: Mapping[str, int], setting: Setting) -> _Shared:
    """Shares the accelerators out among these degrees, in their order; all fit while their number is open."""
    left, shared = setting.accelerators or 0, _Shared({}, [])
    for name, value in degrees.items():
        if left % value:
            shared.misfits.append(name)
        elif value > 1:
            shared.fitting[name] = value
            left //= value
    return shared


def _apart(one: int, other: int) -> int:
    return abs(one - other)


def _misfit(name: str, value: int, shared: _Shared, setting: Setting, where: str, legal: Iterable[int]) -> Problem:
    """The error line of a degree that does not divide the accelerators, or what the sound ones leave of them."""
    whole, taken = setting.accelerators or 0, math.prod(shared.fitting.values())
    what, expected = "does not divide the number of accelerators", f"a divisor of {whole}"
    if shared.fitting:
        what = f"does not divide the accelerators that {' x '.join(shared.fitting)} leaves"
        expected += f" / {taken} = {whole // taken}"
    return Problem(where, option(where, name), what, str(value), expected, advice(where, name, legal))


def _blamed(rule: Rule, given: Mapping[str, int]) -> str:
    """The first degree of a rule that the user gave, else the batch."""
    return next((name for name in rule.columns if name in given), "global_batch")


def _problem(
    rule: Rule,
    given: Mapping[str, int],
    plan: dict[str, int],
    setting: Setting,
    where: str,
    sound: Mapping[str, int],
) -> Problem:
    """The error line: blames one key, and names values of it that are legal beside the `sound` ones."""
    key = _blamed(rule, given)
    words = setting.model._asdict() | vars(setting) | plan
    words["stages"] = plan.get("pp", 1) * plan.get("vpp", 1)
    words["ranks"] = math.prod(plan.get(name, 1) for name in DEGREES)
    words["row"] = plan.get("dp", 1) * plan.get("micro_batch", 1)
    words["sharding_word"] = word_of(SHARDING, plan.get("sharding", facts.UNSHARDED))
    words["other_sharding"] = ", ".join(word for word in SHARDING if word != words["sharding_word"])
    words["expert_ranks"] = (1 if setting.cut_experts else plan.get("tp", 1)) * plan.get("cp", 1) * plan.get("dp", 1)
    words["pairs"] = 2 * plan.get("pp", 1)
    words["micro_batches"] = setting.global_batch // words["row"]
    fix = advice(where, key, nearest_legal(key, given[key], sound, setting)) if key in given and key in SHAPE else None
    got = (rule.got or f"{{{rule.columns[0]}}}").format_map(words)
    return Problem(where, option(where, key), rule.what, got, rule.expected.format_map(words), fix)


def advice(where: str, key: str, values: Iterable[int]) -> str | None:
    """What to write instead: one of these values, if there are any."""
    words = [written(where, key, value) for value in values]
    return f"write {' or '.join(words)}" if words else None


def nearest_legal(key: str, value: int, fixed: Mapping[str, float], setting: Setting) -> list[int]:
    """Up to two values of a degree, nearest to a given one, that some legal plan has beside what else is `fixed`;
    while the number of accelerators is open, a plan whose other degrees are 1."""
    others = dict.fromkeys(SHAPE, 1) if setting.accelerators is None else {}
    beside = {name: [value] for name, value in (others | dict(fixed)).items() if name != key}
    return nearest(value, legal_shapes(setting, beside)[key])


def nearest(value: int, values: Column) -> list[int]:
    """Up to two other values, nearest to a given one, ascending."""
    others = np.unique(values[values != value])
    order = np.argsort(np.abs(others - value), kind="stable")[:2]
    return sorted(int(number) for number in others[order])
