"""Accelerators as people call them: makers and brands before the name, code names, names without signs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import dropwhile

MAKER = re.compile("nvidia|geforce|quadro|tesla|rtx|amd|instinct|intel|habana|google|cloud|amazon|aws|huawei")

OTHER_NAMES = (
    (r"trillium|tpu[\s_-]*v?6([\s_-]*lite)?", "TPU-v6e"),
    (r"ironwood|tpu[\s_-]*v?7x?", "TPU-v7x"),
    (r"tpu[\s_-]*v5[\s_-]*lite|v5litepod", "TPU-v5e"),
    (r"grace[\s_-]*hopper", "GH200"),
    (r"trn1", "Trainium1"),
    (r"trn2", "Trainium2"),
    (r"inf2", "Inferentia2"),
)
"""Names of their own, as words: Google's code names, its generations as JAX and Google Cloud write them, NVIDIA's pair
of chips, instances of Amazon. Names that several presets may bear are left out: TPU v5 is v5e or v5p, Grace Blackwell
GB200 or GB300."""


def words(name: str) -> list[str]:
    """The words of a name in lower case from the first that is no maker or brand, "TPUv3" as two."""
    parts = re.split(r"[\s\-_/]+|(?<=tpu)(?=v\d)", name.lower())
    return list(dropwhile(MAKER.fullmatch, filter(None, parts)))


def plain(name: str) -> str:
    """A name without what people write in several ways: capitals and signs."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def other_name_of(name: str, known: Iterable[str]) -> str | None:
    """The known accelerator that is meant, where a name differs from its own in signs alone ("Gaudi 3", "RTX4090"), or
    holds a name of its own; None elsewhere."""
    mine = {plain(name), plain("".join(words(name)))}
    own = next((theirs for theirs in known if plain(theirs) in mine), None)
    found = (theirs for pattern, theirs in OTHER_NAMES if re.search(rf"\b({pattern})\b", name.lower()))
    return own or next(found, None)
