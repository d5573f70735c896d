"""JSON Schema of scenario files, for editors: completion, explanations and checks while one types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcsim import plugins, units
from dcsim.scenario import presets
from dcsim.scenario.keys import Key, description, key_docs, keys_of
from dcsim.scenario.plugin_tables import KINDS, OF_NETWORK, Kind
from dcsim.scenario.spec import Scenario
from dcsim.scenario.type_text import tables_below

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "Path of another scenario file, over which this one is laid: tables merge, arrays replace."

Schema = dict[str, Any]

_DEFINITIONS = "#/$defs/"
_DIMENSIONS = {d.name: d for d in vars(units).values() if isinstance(d, units.Dimension)}


def scenario_schema(folders: tuple[Path, ...] = ()) -> Schema:
    """The schema of a scenario file with all plug-ins, those of `folders` too."""
    schema: Schema = Scenario.model_json_schema(ref_template=_DEFINITIONS + "{model}")
    definitions, properties = schema["$defs"], schema["properties"]
    explain(schema, Scenario)
    for table in tables_below(Scenario):
        explain(definitions[table.__name__], table)
    definitions["Pool"]["properties"]["accelerator"] |= {"$ref": None, "anyOf": _ways("accelerators", "Accelerator")}
    job = definitions["TrainingJob"]["properties"]
    job["model"] |= {"discriminator": None, "oneOf": None, "anyOf": _ways("models", "Transformer", "Network")}
    job["law"] |= {"$ref": None, "anyOf": _ways("scaling_laws", "ScalingLaw")}
    del definitions["PluginTable"]
    whole = {"required": schema.pop("required"), "anyOf": [{"required": ["workload"]}, {"required": ["jobs"]}]}
    network = definitions["Interconnect"]
    needed: Schema = {"network": {"required": network.pop("required"), "properties": {}}}
    for kind in KINDS:
        tables = [_plugin(kind, name, folders, definitions) for name in plugins.names(kind, folders)]
        place, needs = (network, needed["network"]["properties"]) if kind in OF_NETWORK else (schema, needed)
        needs[kind] = {"required": ["use"], "allOf": [_needs(table) for table in tables]}
        place["properties"][kind] |= {"$ref": None, "oneOf": None, "anyOf": tables}
    schema["properties"] = {"base": {"type": "string", "description": BASE}} | properties
    # Tables merge with those of a base: only a file without one must hold all that is required.
    schema |= {"if": {"required": ["base"]}, "else": whole | {"properties": needed}}
    tidied: Schema = tidy({"$schema": DIALECT} | schema | {"title": "dcsim scenario"})
    return tidied


def _ways(presets_of: str, *tables: str) -> list[Schema]:
    """The ways to give facts: the name of a preset, a file, a table."""
    return [
        {"title": "preset", "type": "string", "enum": presets.names(presets_of)},
        {"title": "path", "type": "string", "pattern": r"\.toml$"},
        *({"$ref": f"{_DEFINITIONS}{table}"} for table in tables),
    ]


def _plugin(kind: Kind, name: str, folders: tuple[Path, ...], definitions: Schema) -> Schema:
    """The schema of one plug-in's table; the tables in it are put among the definitions."""
    cls = plugins.find(kind, name, folders)
    keys, prefix = keys_of(cls), f"{kind}.{name}."
    written = {k.name: _key(k, prefix) for k in keys}
    for schema in written.values():
        inner = schema.pop("$defs", {})
        definitions |= {f"{prefix}{model}": definition for model, definition in inner.items()}
    for table in tables_below(cls):
        explain(definitions[f"{prefix}{table.__name__}"], table)
    schema = {
        "title": name,
        "description": description(cls),
        "type": "object",
        "properties": {"use": {"const": name}} | written,
        "required": [k.name for k in keys if k.required],
        "additionalProperties": False,
    }
    explain(schema, cls)
    return schema


def _needs(plugin: Schema) -> Schema:
    """What a table must hold if it names a plug-in, taken out of the plug-in's schema."""
    named = {"properties": {"use": plugin["properties"]["use"]}, "required": ["use"]}
    return {"if": named, "then": {"required": plugin.pop("required")}}


def _key(key: Key, prefix: str) -> Schema:
    """The schema of one key; `prefix` stands before the names of tables in it."""
    schema = key.adapter.json_schema(ref_template=f"{_DEFINITIONS}{prefix}{{model}}")
    return schema if key.required else schema | {"default": key.written(key.default)}


def explain(schema: Schema, cls: type[Any]) -> None:
    """Put the meanings of a class's keys into its schema."""
    for name, text in key_docs(cls).items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = text


def tidy(node: Any) -> Any:
    """The same schema without null, which TOML does not have, and with units in defaults."""
    if isinstance(node, list | tuple):
        return [tidy(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = _without_null({k: tidy(v) for k, v in node.items() if v is not None})
    dimension = _DIMENSIONS.get(node.get("title", ""))
    if dimension is not None and isinstance(node.get("default"), float):
        node["default"] = dimension.format(node["default"])
    return node


def _without_null(node: Schema) -> Schema:
    """A choice without null; what is left of it takes the place of the choice if it is one only."""
    members: list[Schema] = [m for m in node.get("anyOf", []) if m != {"type": "null"}]
    if len(members) == 1:
        return members[0] | {k: v for k, v in node.items() if k not in ("anyOf", "title")}
    return node | {"anyOf": members} if members else node
