"""JSON Schema of experiment files, for editors."""

from __future__ import annotations

from typing import Any

from dcsim.scenario.schema import DIALECT, Schema, explain, tidy
from dcsim.scenario.type_text import tables_below
from dcsim.sweep.experiment import Experiment, Swept

_END = {"type": ["number", "string"]}
_RANGE: Schema = {
    "title": "range",
    "type": "object",
    "properties": {
        "from": _END,
        "to": _END,
        "count": {"type": "integer", "minimum": 1, "description": "Values in a grid or zip, both ends included."},
        "scale": {"enum": ["linear", "log"], "default": "linear"},
    },
    "required": ["from", "to"],
    "additionalProperties": False,
}


def experiment_schema() -> Schema:
    """The schema of an experiment file."""
    schema: Schema = Experiment.model_json_schema()
    explain(schema, Experiment)
    for table in tables_below(Experiment):
        explain(schema["$defs"][table.__name__], table)
    values: Any = {"title": "values", "type": "array", "minItems": 1}
    what = "Values of this key of the scenario, such as pools.0.nodes, or a range."
    schema["$defs"][Swept.__name__]["additionalProperties"] = {"description": what, "anyOf": [values, _RANGE]}
    tidied: Schema = tidy({"$schema": DIALECT} | schema | {"title": "dcsim experiment"})
    return tidied
