"""The keys of a table: the fields of its class, with types, defaults and meanings.

A plug-in and the tables in it are dataclasses, the tables of the scenario itself are pydantic models.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic_core import PydanticUndefined

from dcsim.errors import PolicyError, Problem


@dataclass(frozen=True)
class Key:
    """One key: `hint` is its type with all metadata; `default` is MISSING where the key is required."""

    name: str
    hint: Any
    default: Any
    owner: type[Any]

    @property
    def required(self) -> bool:
        """Whether a table must have the key."""
        return self.default is MISSING

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The checker of values of this type; PolicyError for a type that TOML cannot give."""
        try:
            return TypeAdapter(self.hint)
        except PydanticUserError as error:
            reason = error.message.split("\n")[0].split(". ")[0]
            raise PolicyError(Problem(source_file(self.owner), self.name, f"type of the field: {reason}")) from None

    def written(self, value: Any) -> Any:
        """A value as TOML has it: text with units, arrays, tables; None where it has none."""
        return self.adapter.dump_python(value, warnings="none")


def keys_of(cls: type[Any]) -> tuple[Key, ...]:
    """The keys of a dataclass or model, in order; PolicyError where a type cannot be resolved."""
    return _keys_of(cls)  # type: ignore[arg-type]  # mypy takes a class of any metaclass for unhashable


@cache
def _keys_of(cls: type[Any]) -> tuple[Key, ...]:
    if issubclass(cls, BaseModel):
        return _keys_of_model(cls)
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception as error:  # whatever a plug-in's annotations raise
        raise PolicyError(Problem(source_file(cls), cls.__name__, f"types of its fields: {error}")) from error
    return tuple(Key(f.name, hints[f.name], _default(f), cls) for f in dataclasses.fields(cls) if f.init)


def key_docs(cls: type[Any]) -> dict[str, str]:
    """What the texts under the fields of a class and its bases say, by field, each on one line."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base) or (issubclass(base, BaseModel) and base is not BaseModel):
            docs |= _texts_under_fields(base)
    return docs


def description(cls: type[Any]) -> str:
    """The documentation of a class; empty where it has none of its own."""
    made_up = (cls.__doc__ or "").startswith(f"{cls.__name__}(")  # by `dataclass`
    return "" if made_up else inspect.cleandoc(cls.__doc__ or "")


def summary(cls: type[Any]) -> str:
    """The first paragraph of a class's documentation, on one line."""
    return description(cls).split("\n\n")[0].replace("\n", " ")


def source_file(cls: type[Any]) -> str:
    """The file that defines a class, for error texts."""
    try:
        return inspect.getsourcefile(cls) or cls.__module__
    except (OSError, TypeError):
        return cls.__module__


def _keys_of_model(cls: type[BaseModel]) -> tuple[Key, ...]:
    keys = []
    for name, field in cls.model_fields.items():
        hint = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        default = field.get_default(call_default_factory=True)
        keys.append(Key(name, hint, MISSING if default is PydanticUndefined else default, cls))
    return tuple(keys)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _texts_under_fields(cls: type[Any]) -> dict[str, str]:
    definition = _definitions(sys.modules[cls.__module__]).get(cls.__qualname__)
    if definition is None:
        return {}
    texts = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[name] = " ".join(words.split())
    return texts


@cache
def _definitions(module: ModuleType) -> dict[str, ast.ClassDef]:
    """The classes of a module by qualified name, as its file defines them; read once, `inspect` reads for each."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    return dict(_classes_in(tree, ""))


def _classes_in(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child
            yield from _classes_in(child, f"{prefix}{child.name}.")
