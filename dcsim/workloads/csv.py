"""dcsim's own table of jobs, a CSV that any other trace can be turned into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TenantTraceFile
