"""Whatever a file holds, the answer is an exit code and lines a person can read."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.scenario.given import GOOD, Room, say

BASE = GOOD + (
    '[overheads]\nstart = "5 s"\ncheckpoint_interval = "1 h"\n[estimates]\nmodel = "uniform"\nspread = 0.5\n'
    '[workload.service]\na = { law = "exponential", mean = "1 h" }\n'
)
RICH = BASE.replace('use = "mine"', 'use = "mine"\nweights = [1, 2.5]\nthresholds = ["1 h"]\npair = [1, "2 kB"]')

TOKENS = (
    *('"', "'", '"""', "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", "\n", "\r", "\r\n", " "),
    *("nan", "-inf", "1e400", "0", "-1", "1_0", "0x1F", "9" * 30, "9" * 5000, "true", "2020-01-01T00:00:00Z"),
    *('"1 s"', '"1"', '"x y"', "base", "name", "pools", "[[pools]]", "[workload]", "use", "\x00", "\ufeff"),
    *('"s.toml"', '"../x"', '"/dev/null"', '"\\u0000"', "é", "😀", "[" * 600, "{a=" * 40, "a." * 80),
)


def bytes_changed(text: bytes, rng: random.Random) -> bytes:
    """Some bytes replaced, taken out or put in."""
    found = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found))
        match rng.randrange(3):
            case 0:
                found[at] = rng.randrange(256)
            case 1:
                del found[at : at + rng.randint(1, 20)]
            case _:
                found[at:at] = rng.randbytes(rng.randint(1, 3))
    return bytes(found)


def tokens_changed(text: bytes, rng: random.Random) -> bytes:
    """Some words replaced by others that TOML or dcsim knows."""
    words = text.decode().replace(" ", "\0 \0").replace("\n", "\0\n\0").split("\0")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(words))
        words[at : at + rng.randint(0, 2)] = [rng.choice(TOKENS)]
    return "".join(words).encode()


def lines_changed(text: bytes, rng: random.Random) -> bytes:
    """Lines doubled, moved or cut."""
    rows = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        row = rows.pop(rng.randrange(len(rows)))
        rows[rng.randrange(len(rows)) : 0] = [row] * rng.randrange(3)
    return b"".join(rows)


@pytest.mark.parametrize("change", [bytes_changed, tokens_changed, lines_changed])
@pytest.mark.parametrize("seed", range(4))
def test_a_mangled_scenario_is_valid_or_refused_with_lines(
    here: Room,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[bytes, random.Random], bytes],
    seed: int,
) -> None:
    rng = random.Random(seed)
    for number in range(50):
        text = change(RICH.encode(), rng)
        said = say(capsys, "validate", here.write(text), "--plugins", here.plugins[0])
        context = f"seed {seed}, number {number}: {text!r}: {said}"
        assert said.code in (0, 2), context
        assert "Traceback" not in said.err, context
        if said.code == 0:
            assert said.out.count("\n") == 1, context
        else:
            assert said.out == "", context
            assert said.errors, context
            assert all(line.startswith("dcsim: error: ") for line in said.errors), context
            assert len(said.errors) <= 21, context
            assert max(map(len, said.errors)) < 1000, context


def test_random_overrides_are_taken_or_refused(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    parts = ["pools", "0", "-1", "7", "nodes", "name", "workload", "use", "weights", "x", "", "base", "99999"]
    for _ in range(150):
        key = ".".join(rng.choices(parts, k=rng.randint(1, 4)))
        change = f"{key}={rng.choice(TOKENS)}".replace("\0", "")
        said = say(capsys, "validate", here.file, "--plugins", here.plugins[0], f"--set={change}")
        assert said.code in (0, 2), change
        assert all(line.startswith("dcsim: error: ") for line in said.errors), change
