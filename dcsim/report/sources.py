"""Where the numbers of a report come from: the trace, the preset values, and what was passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcsim.report.markup import folded, in_html, section, table
from dcsim.report.tables import jobs_from

if TYPE_CHECKING:
    from dcsim.run import Run
    from dcsim.scenario.model import Network, Transformer
    from dcsim.scenario.spec import Accelerator


def sources(run: Run) -> str:
    """The section on sources, as HTML."""
    facts = [*(pool.accelerator for pool in run.scenario.pools), *(job.model for job in run.scenario.jobs)]
    named = {preset.name: preset for preset in facts}
    inside = [_trace(run), *(_preset(preset) for preset in named.values()), _warnings(run)]
    return section("Where the numbers come from", "", "\n".join(inside))


def _trace(run: Run) -> str:
    origin = [(str(key), str(value)) for key, value in run.jobs.origin.items()]
    if not origin:
        return f"<p>The jobs were made by the workload {in_html(jobs_from(run))}.</p>"
    return f"<h3>Jobs</h3>\n{table(('What', 'Value'), origin, 'words')}"


def _preset(device: Accelerator | Transformer | Network) -> str:
    """Every value of a preset with its source and grade."""
    values = device.model_dump(mode="json", exclude={"provenance"}, exclude_none=True)
    rows = [
        (key, str(values[key]), origin.grade, origin.source)
        for key, origin in device.provenance.items()
        if key in values
    ]
    if not rows:
        return f"<h3>{in_html(device.name)}</h3>\n<p>Its values are given without sources.</p>"
    weak = sum(grade in ("weak", "assumed") for _, _, grade, _ in rows)
    caption = f"{device.name}: {len(rows)} values, {weak} of them weak or assumed"
    return folded(caption, table(("Key", "Value", "Grade", "Source"), rows, "words"))


def _warnings(run: Run) -> str:
    if not run.jobs.warnings:
        return "<p>The trace was read without warnings.</p>" if run.jobs.origin and run.scenario.workload else ""
    items = "\n".join(f"<li>{in_html(warning)}</li>" for warning in run.jobs.warnings)
    return f"<h3>What to know of the jobs</h3>\n<ul>{items}</ul>"
