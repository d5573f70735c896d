"""Numba kernels: arrays in, arrays out. Pure, batched, without objects, randomness or time.

Compiled code is kept between runs, in a folder named after the content of all kernels: Numba itself looks only at
the file of the function that was compiled, and would run old code after a change of a kernel that is inlined in it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from numba import config


def _cache_folder() -> str:
    """The user's cache folder, or the temporary one where that cannot be written. Nothing is made here."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    base = home if os.access(there, os.W_OK) else Path(tempfile.gettempdir())
    return str(base / "dcsim" / digest.hexdigest()[:16])


def compiled() -> bool:
    """Whether these kernels were compiled here before. To be asked before they are imported: that makes the folder."""
    return Path(getattr(config, "CACHE_DIR")).exists()  # noqa: B009 - as below


if not os.environ.get("NUMBA_CACHE_DIR"):
    setattr(config, "CACHE_DIR", _cache_folder())  # noqa: B010 - numba makes this attribute while it is imported
