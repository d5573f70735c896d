"""What can be wrong with an input, said so that a person can mend it: file, key, value, expectation, fix."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """One mistake in one place.

    `file` and `key` say where (`line` counts from 1), `what` says what is wrong, `got` and `expected` are shown
    in brackets, and `fix` is what to write instead. The file is "" where who finds the mistake knows none, as in a
    simulation of facts: `run` fills it in.
    """

    file: str
    key: str
    what: str
    got: str | None = None
    expected: str | None = None
    fix: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        head = ": ".join(part for part in (where, self.key, self.what) if part)
        facts = []
        if self.got is not None:
            facts.append(f"got {self.got}")
        if self.expected is not None:
            facts.append(f"expected {self.expected}")
        bracket = f" ({', '.join(facts)})" if facts else ""
        return head + bracket + (f"; {self.fix}" if self.fix else "")


class DcsimError(Exception):
    """The user's input or surroundings are at fault; `problems` lists every mistake found."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One line a problem, at most 20, then a line that counts the rest."""
        shown = [str(p) for p in self.problems[:MOST_PROBLEMS]]
        rest = len(self.problems) - len(shown)
        return shown + ([f"{self.problems[0].file}: and {rest} more problems"] if rest > 0 else [])


class ScenarioError(DcsimError):
    """A scenario, preset or command-line value that cannot be used."""


class TraceError(DcsimError):
    """A trace file that cannot be read as the format it is said to have."""


class PolicyError(DcsimError):
    """A policy that breaks its contract or decides something illegal."""


class EnvironmentFault(DcsimError):  # noqa: N818 - a fault of the surroundings, not of the input
    """The machine is in the way: a folder that cannot be written, a full disk."""

    exit_code = 3


def tried(problems: list[Problem], make: Callable[P, T], *args: P.args, **options: P.kwargs) -> T | None:
    """What a function makes; None, with its problems put to the others, where it raises ScenarioError."""
    try:
        return make(*args, **options)
    except ScenarioError as error:
        problems += error.problems
        return None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A hint 'did you mean ...' with up to three near matches of `word`, or None."""
    close = difflib.get_close_matches(word.lower(), {k.lower(): k for k in sorted(known)}, n=3, cutoff=0.5)
    names = {k.lower(): k for k in sorted(known)}
    if not close:
        return None
    return "did you mean " + " or ".join(f"'{names[c]}'" for c in close) + "?"
