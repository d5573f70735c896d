"""A CSV of training runs -> what the kernels are told: models, plans, and the surroundings of each accelerator.

Columns are those of `../shared/data/training_measured.csv`; others are not looked at, and no column that holds a
measurement reaches a prediction. What a row does not say is filled by a written rule (`Configuration.assumed` names
it); a row that cannot be told is left out under a rule, and counted.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.kernels.facts import Model, Plan
from dcsim.performance.devices import scale_up_domain, usual_nic_b_per_s
from dcsim.performance.measured_csv import text_of
from dcsim.performance.memory import as_kept, least_recompute
from dcsim.performance.precisions import ELEMENT_B, WIDER, has_peak, listed
from dcsim.performance.row_cells import (
    COUNTS,
    FLAGS,
    MOST,
    NEEDED,
    Row,
    Unusable,
    faults,
    number,
    refuse_absurd,
    usable,
    word,
    wrong,
)
from dcsim.performance.row_models import WIDTHS, model_faults, model_of
from dcsim.performance.row_plans import plan_of
from dcsim.performance.row_text import (
    accelerator_preset,
    framework_family,
    names_test,
    nic_b_per_s,
    nic_by_test_b_per_s,
    precision_of,
    without_tests,
)
from dcsim.performance.unknown import unknown
from dcsim.scenario import presets
from dcsim.scenario.spec import Accelerator

TESTED = "NICs by a measured all-reduce"
UNTOLD = "NICs, as a measured all-reduce is not understood"
"""What `Configuration.assumed` says of networks whose test is believed, and of those whose test says nothing."""


@dataclass(frozen=True)
class Configuration:
    """One run: what the kernels need, and what was assumed. `measured` is tokens/s an accelerator, NaN if not given.

    `kept` is the plan as memory sees it: what its framework keeps, and the least recompute that fits where none is
    said. Times are then those without recompute: runs that say nothing of it ran as fast as that (median error 10 %
    for 105 rows that would not fit so, 24 % with full recompute), so they spare memory by other means.
    """

    id: str
    source: str
    label: str
    accelerator: Accelerator
    accelerators: float
    framework: str
    precision: str
    domain: float
    nic_b_per_s: float | None
    model: Model
    plan: Plan
    kept: Plan
    measured: float
    assumed: tuple[str, ...] = ()

    @property
    def ordinary(self) -> bool:
        """Whether tp x cp stays inside the scale-up domain."""
        return self.plan.tp * self.plan.cp <= self.domain

    @property
    def tokens(self) -> float:
        """Tokens of a step for each accelerator."""
        return self.plan.global_batch * self.plan.seq_len / self.accelerators


@dataclass(frozen=True)
class Configurations:
    """What was read: runs that can be told, in the order of the file; rows left out, by rule; all rows looked at."""

    rows: list[Configuration]
    excluded: Counter[str] = field(default_factory=Counter)
    total: int = 0

    @property
    def models(self) -> NDArray[np.float64]:
        """Shape (n, fields of Model)."""
        return np.array([row.model for row in self.rows]).reshape(-1, len(Model._fields))

    @property
    def plans(self) -> NDArray[np.float64]:
        """Shape (n, fields of Plan)."""
        return np.array([row.plan for row in self.rows]).reshape(-1, len(Plan._fields))

    @property
    def tokens(self) -> NDArray[np.float64]:
        """Tokens of a step for each accelerator, shape (n,)."""
        return np.array([row.tokens for row in self.rows])

    @property
    def measured(self) -> NDArray[np.float64]:
        """Measured tokens/s an accelerator, shape (n,)."""
        return np.array([row.measured for row in self.rows])

    @property
    def ordinary(self) -> NDArray[np.bool_]:
        """Whether tp x cp stays inside the scale-up domain, shape (n,)."""
        return np.array([row.ordinary for row in self.rows], dtype=bool)


def read(path: Path) -> list[Row]:
    """The rows of a CSV file; ScenarioError if it cannot be read, or a column that every row needs is missing."""
    return [row for _, row in numbered(path)]


def numbered(path: Path) -> list[tuple[int, Row]]:
    """The rows of a CSV file as by `read`, each with the line that it ends on."""
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""))
    try:
        columns = reader.fieldnames or ()
        rows: list[tuple[int, Row]] = [(reader.reader.line_num, row) for row in reader]
    except csv.Error as error:
        what = f"cannot be read as CSV: {error}"
        raise ScenarioError(Problem(str(path), "", what, line=reader.line_num + 1)) from None
    needed = ["accelerator", "n_accelerators", *(() if "model" in columns else WIDTHS), "seq_len"]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise ScenarioError(Problem(str(path), "", f"no column {', '.join(missing)}"))
    if not rows:
        raise ScenarioError(Problem(str(path), "", "has no rows below its header"))
    return rows


def configurations(rows: Iterable[Row]) -> Configurations:
    """Primary rows that can be told and say how fast they ran, to learn from.

    They did run, so a plan that cannot be is a misprint: another that holds the states is taken, and named.
    """
    kept: list[Configuration] = []
    excluded: Counter[str] = Counter()
    total = 0
    for row in rows:
        if (row.get("primary") or "1").strip() not in ("1", "1.0"):
            continue
        total += 1
        try:
            one = _with_measured(configuration(row), row)
            if not one.measured > 0.0:
                raise Unusable("no measured tokens/s or step time")
            kept.append(one)
        except Unusable as rule:
            excluded[str(rule)] += 1
    return Configurations(kept, excluded, total)


def configuration(row: Row) -> Configuration:
    """One row, without what was measured; Unusable, with the first rule of `mistakes`, if it cannot be told."""
    if found := mistakes(row):
        raise found[0]
    assumed: list[str] = []
    accelerator = accelerator_of(row)
    precision = _supported(accelerator, _asked_precision(row), assumed)
    model = model_of(row, assumed)
    per_node, text = _per_node(row, accelerator), row.get("interconnect") or ""
    row = _with_framework(row, accelerator, assumed)
    framework = framework_family(row["framework"], word(row, "flash_attention", FLAGS, 1.0, []) > 0.0)
    plan = plan_of(row, model, accelerator, framework, assumed)._replace(linear_bytes=ELEMENT_B[precision])
    count, domain = number(row, "n_accelerators"), domain_of(row, accelerator)
    plan = plan._replace(shard_ranks=max(domain // plan.tp, 1.0))
    tested = _tested_b_per_s(text, accelerator, per_node, domain, count)
    if tested is not None:
        assumed.append(TESTED)
    elif names_test(text) and count > domain:
        assumed.append(UNTOLD)
    kept = as_kept(plan, row["framework"])
    if any(name.startswith("recompute") for name in assumed):
        kept = kept._replace(recompute=least_recompute(model, kept, accelerator.memory or unknown().memory_b))
    return Configuration(
        row.get("id") or "",
        row.get("source_group") or row.get("source") or "",
        row.get("accelerator") or "",
        accelerator,
        count,
        framework,
        precision,
        domain,
        nic_b_per_s(without_tests(text), per_node) if tested is None else tested,
        model,
        plan,
        kept,
        math.nan,
        tuple(assumed),
    )


def _with_framework(row: Row, accelerator: Accelerator, assumed: list[str]) -> Row:
    """The row with the usual framework of its accelerator where none is given."""
    if (row.get("framework") or "").strip():
        return row
    assumed.append("framework")
    return {**row, "framework": "JAX" if accelerator.device_class == "tpu" else "Megatron-LM"}


def mistakes(row: Row) -> list[Unusable]:
    """Every rule under which a row cannot be told, one a cell: those that cannot be read, then what is missing beside.

    The rules of its plan, and what its device or its model cannot, are no matter of whether it can be told.
    """
    found = [*faults(accelerator_of, row), *(fault for name in COUNTS for fault in faults(refuse_absurd, row, name))]
    found += faults(_asked_precision, row)
    unread = {fault.problem.key for fault in found}
    sound = {**row, **dict.fromkeys(unread, "")}
    missing = [*model_faults(sound, unread), *(fault for name in NEEDED for fault in faults(number, sound, name))]
    return found + [fault for fault in missing if fault.problem.key not in unread]


def accelerator_of(row: Row) -> Accelerator:
    """The accelerator that a row means; Unusable if there is no such preset, or no peak rate is known of it."""
    given = row.get("accelerator") or ""
    name, rule = accelerator_preset(given), f"no accelerator preset for '{given}'"
    if not given.strip():
        raise wrong(row, "accelerator", "is not given", "an accelerator preset", rule=rule)
    if name is None:
        fix = presets.nearest_names("accelerators", given)
        raise wrong(row, "accelerator", "no accelerator preset of that name", None, fix, rule)
    found = presets.accelerator(name)
    if not any(has_peak(found, precision) for precision in ELEMENT_B):
        what = f"no peak rate of '{found.name}' is known"
        raise wrong(row, "accelerator", what, rule=what)
    return found


def _asked_precision(row: Row) -> str:
    """The precision that a row asks for."""
    given = row.get("precision") or ""
    if (found := precision_of(given)) is not None:
        return found
    chip = usable(accelerator_of, row)
    known = list(ELEMENT_B) if chip is None else listed(chip)
    rule = f"precision '{given}' is not known"
    raise wrong(row, "precision", "is not known", f"one of {', '.join(known)}", nearest(given.strip(), known), rule)


def _with_measured(one: Configuration, row: Row) -> Configuration:
    tokens_per_s, step_s = (number(row, name, 0.0) for name in ("tokens_per_s_per_accelerator", "step_time_s"))
    if tokens_per_s > MOST:
        raise Unusable(f"tokens_per_s_per_accelerator is more than {MOST:g}")
    if not tokens_per_s and step_s and "global_batch" not in one.assumed:
        tokens_per_s = one.tokens / step_s
    return replace(one, measured=tokens_per_s or math.nan)


def _supported(accelerator: Accelerator, precision: str, assumed: list[str]) -> str:
    """The precision, or the next wider one that the device has a peak for, else any: a format may be emulated or
    misnamed. One 16-bit format stands in for the other unnamed, as in all presets."""
    candidates = (precision, *WIDER.get(precision, ()), *ELEMENT_B)
    found = next(candidate for candidate in candidates if has_peak(accelerator, candidate))
    if found == precision or {found, precision} == {"bf16", "fp16"}:
        return precision
    assumed.append("precision")
    return found


def _tested_b_per_s(text: str, accelerator: Accelerator, per_node: float, domain: float, count: float) -> float | None:
    """Scale-out bandwidth of one accelerator of a row by a test of the network, at most that of its ports; None where
    no test is named."""
    tested = nic_by_test_b_per_s(text, domain, count)
    if tested is None:
        return None
    return min(tested, nic_b_per_s(without_tests(text), per_node) or usual_nic_b_per_s(accelerator) or tested)


def domain_of(row: Row, accelerator: Accelerator) -> float:
    """Accelerators in the scale-up domain: of the row's server, unless the domain spans servers (racks, TPU slices)."""
    domain, per_node = scale_up_domain(accelerator), _per_node(row, accelerator)
    if domain <= float(accelerator.accelerators_per_server or per_node):
        return per_node
    slices = re.search(r"between ([1-9]\d*) slice", row.get("interconnect") or "")
    return min(domain, number(row, "n_accelerators", domain) / float(slices[1])) if slices else domain


def _per_node(row: Row, accelerator: Accelerator) -> float:
    return number(row, "accelerators_per_node", float(accelerator.accelerators_per_server or 8))
