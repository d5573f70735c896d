"""Claims over all loaders of trace files: they loop over the folder."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from dcsim.plugins import find, names
from dcsim.scenario.datapath import DataPath
from dcsim.workloads.reading.trace import TraceFile

LOADERS = {name: cls for name in names("workload") if issubclass(cls := find("workload", name), TraceFile)}


def test_every_format_of_the_plan_has_a_loader():
    planned = "helios philly helios_log acme pai openb gavel sia tiresias muri swf csv"
    assert set(planned.split()) <= set(LOADERS)


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_is_frozen_and_takes_a_path(name):
    loader = LOADERS[name]
    assert loader.__dataclass_params__.frozen
    assert typing.get_type_hints(loader, include_extras=True)["path"] == DataPath
    needed = {f.name for f in dataclasses.fields(loader) if f.default is dataclasses.MISSING}
    assert needed <= {"path", "throughputs", "models"}


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_says_what_second_0_is(name):
    assert "second 0" in (LOADERS[name].__doc__ or "").lower()
