"""Gavel's table of measured throughputs: how fast a job type runs on a gang of one GPU type."""

from __future__ import annotations

import re
from typing import Any

from dcsim.errors import nearest
from dcsim.workloads.reading.objects import document
from dcsim.workloads.reading.rows import shown
from dcsim.workloads.reading.stream import Source

_KEY = re.compile(r"\('(?P<kind>.*)', (?P<gpus>\d+)\)")


class Throughputs:
    """Steps/s of job types alone on gangs of one GPU type.

    The file is a JSON object: GPU type, then "('job type', gang size)", then "null" for the throughput alone
    (the other entries, for shared GPUs, are not looked at). Raises TraceError for an unknown GPU type or
    another shape.
    """

    def __init__(self, source: Source, accelerator: str) -> None:
        table: Any = document(source)
        if not isinstance(table, dict):
            raise source.error("not a table of throughputs", expected="a JSON object with GPU types as keys")
        if not isinstance(table.get(accelerator), dict):
            hint = nearest(accelerator, list(filter(str.isprintable, table))) or "known: " + shown(", ".join(table))
            raise source.error("no throughputs for this GPU type", got=repr(accelerator), fix=hint)
        self._source = source
        self._accelerator = accelerator
        self._rates: dict[str, dict[int, float]] = {}
        for key, entry in table[accelerator].items():
            match = _KEY.fullmatch(key)
            alone = entry.get("null") if isinstance(entry, dict) else None
            if match is None or isinstance(alone, bool) or not isinstance(alone, int | float):
                raise source.error("no throughput", key=accelerator, got=shown(key), expected='a number under "null"')
            self._rates.setdefault(match["kind"], {})[int(match["gpus"])] = float(alone)

    def rate(self, kind: str, gpus: int) -> tuple[float, bool]:
        """Steps/s of a job type on a gang, and whether that was measured.

        A size that was not measured is given the rate of the largest measured gang, in proportion to the
        GPUs.
        """
        sizes = self._rates.get(kind)
        if sizes is None:
            hint = nearest(kind, self._rates)
            raise self._source.error("no such job type", key=self._accelerator, got=repr(kind), fix=hint)
        size = gpus if gpus in sizes else max(sizes)
        if not 0 < sizes[size] < float("inf"):
            key = f"{self._accelerator}.('{kind}', {size})"
            raise self._source.error("the job does not run there", key=key, got=f"{sizes[size]:g} steps/s")
        return sizes[size] * gpus / size, size == gpus

    def runs(self, kind: str, gpus: int) -> bool:
        """Whether a job type runs on a gang at all: a throughput of 0 says that it does not fit into memory."""
        sizes = self._rates.get(kind, {})
        return not sizes or sizes[gpus if gpus in sizes else max(sizes)] > 0
