"""What pydantic finds, in dcsim's plain sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dcsim.scenario.mistakes import Mistakes, hint, shown, shown_with_type
from dcsim.scenario.positions import KeyPath

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

RULE = "rule"  # type of our own errors: a rule about several keys, which blames one of them
MOST_READ = 1000  # errors of a value that are told apart; further ones are counted

TYPES = {
    "int": "integer",
    "float": "number",
    "string": "string",
    "bool": "true or false",
    "tuple": "array",
    "list": "array",
    "dict": "table",
    "model": "table",
    "dataclass": "table",
    "datetime": "date and time, such as 2020-03-18T04:01:39+08:00",
    "date": "date, such as 2020-03-18",
}
BOUNDS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
BOUND_KEYS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$": "letters, digits, '_', '.' and '-', with a letter or digit first",
}


class Sentence(NamedTuple):
    """The parts of a problem that come from the value."""

    what: str
    got: str | None = None
    expected: str | None = None
    fix: str | None = None


def note_all(
    failure: ValidationError,
    value: object,
    path: KeyPath,
    known: Callable[[KeyPath], Iterable[str]],
    mistakes: Mistakes,
    elsewhere: Callable[[KeyPath], Sequence[str]] = lambda _: (),
) -> None:
    """Note pydantic's errors on the value that stands at `path`; `known` gives the keys of a table in it, `elsewhere`
    those of other tables that an unknown key may stand for.

    Tags that pydantic puts into its paths (members of a union) are left out; of several errors at one place,
    all expectations are named. What is wrong with a table is not said where something inside it is wrong.
    """
    errors = failure.errors(include_url=False)
    found: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors[:MOST_READ]:
        found.setdefault(_real(error["loc"], value, error["type"]), []).append(error)
    for inner, group in found.items():
        whole = (*path, *inner)
        if group[0]["type"] == "extra_forbidden":
            mistakes.unknown_key(whole, known(inner[:-1]), elsewhere(inner))
        elif not mistakes.below(whole):
            mistakes.add(whole, *_joined([sentence(e) for e in group]))
    if len(errors) > MOST_READ:
        mistakes.count(len(errors) - MOST_READ)


def sentence(error: ErrorDetails) -> Sentence:
    """One error in plain words."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return Sentence("required key is missing")
    if kind == "union_tag_not_found":
        name = str(context["discriminator"]).strip("'")
        return Sentence(f"its {name} is missing, which says what it is", fix=f'write {name} = "..."')
    if kind == RULE:
        what, _, fix = context["text"].partition("; ")
        return Sentence(what, fix=fix or None)
    if kind == "value_error":
        return _of_value_error(str(context["error"]), value)
    if kind == "literal_error":
        return _of_literal(context, value)
    if kind in BOUNDS:
        return Sentence("out of range", shown(value), f"{BOUNDS[kind]} {context[BOUND_KEYS[kind]]}")
    if kind == "finite_number":
        return Sentence("must be finite", shown(value))
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return Sentence("has a wrong form", shown(value), PATTERNS.get(pattern, f"text like {pattern}"))
    if kind.endswith(("too_short", "too_long")):
        return _of_length(kind, context, value)
    for suffix in ("_type", "_exact_type", "_from_float", "_parsing"):
        if kind.removesuffix(suffix) in TYPES:
            return Sentence("wrong type", shown_with_type(value), TYPES[kind.removesuffix(suffix)])
    return Sentence(error["msg"][0].lower() + error["msg"][1:], shown_with_type(value))


def _of_value_error(text: str, value: object) -> Sentence:
    what, _, fix = text.partition("; ")
    said = shown(value).strip('"') in what.split()
    whole = isinstance(value, dict)  # a rule about several keys: the sentence names their values
    return Sentence(what, None if said or whole else shown(value), None, fix or None)


def _of_literal(context: Mapping[str, Any], value: object) -> Sentence:
    options = re.findall(r"'([^']*)'", context["expected"])
    if isinstance(value, str):
        return Sentence("not one of the known values", shown(value), context["expected"], hint(value, options))
    return Sentence("wrong type", shown_with_type(value), context["expected"])


def _of_length(kind: str, context: Mapping[str, Any], value: object) -> Sentence:
    short = kind.endswith("short")
    limit = context["min_length" if short else "max_length"]
    unit = "characters" if kind.startswith("string") else "elements"
    size = len(value) if isinstance(value, str | tuple | list | dict) else None
    expected = f"at {'least' if short else 'most'} {limit} {unit}"
    return Sentence(f"too {'short' if short else 'long'}", f"{size} {unit}", expected)


def _joined(sentences: list[Sentence]) -> Sentence:
    first = sentences[0]
    expected = list(dict.fromkeys(s.expected for s in sentences if s.expected))
    return first._replace(expected=" or ".join(expected) or None)


def _real(location: tuple[str | int, ...], value: Any, kind: str) -> KeyPath:
    """A path of pydantic without the parts that lead to nothing in the value, but for a key that is missing."""
    path: list[str | int] = []
    for number, part in enumerate(location, 1):
        if _leads(value, part):
            value = value[part]
        elif kind not in ("missing", RULE) or number < len(location):
            continue
        path.append(part)
    return tuple(path)


def _leads(value: object, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, tuple | list) and isinstance(part, int) and part < len(value)
