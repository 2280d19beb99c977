"""What the value of a key must be: one value, a list, a mapping from names, or one of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from prefect_parallel.document import KeyPath, shown
from prefect_parallel.job.format.reading import BROKEN, Reading, Refused
from prefect_parallel.job.format.validators import Validator


@runtime_checkable
class Shape(Protocol):
    """A kind of value; every `Model` class, too, is one."""

    def read(self, value: Any, path: KeyPath, reading: Reading) -> Any:
        """The value as it is used; `BROKEN` if it is not allowed, which is then reported."""

    def written(self, value: Any) -> Any:
        """The value as YAML has it."""

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        """Its JSON schema; those of models go into the definitions."""


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: Shape

    def read(self, value: Any, path: KeyPath, reading: Reading) -> Any:
        if not isinstance(value, list):
            reading.refuse(path, Refused(f"found {shown(value)}", allowed="a list"))
            return BROKEN
        items = [self.item.read(item, (*path, at), reading) for at, item in enumerate(value)]
        return BROKEN if any(item is BROKEN for item in items) else items

    def written(self, value: Any) -> Any:
        return [self.item.written(item) for item in value]

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(definitions)}


@dataclass(frozen=True)
class MappingOf:
    """A mapping whose keys are names; a broken value stays in it as `BROKEN`."""

    name: Validator | None
    value: Shape

    def read(self, value: Any, path: KeyPath, reading: Reading) -> Any:
        if not isinstance(value, dict):
            reading.refuse(path, Refused(f"found {shown(value)}", allowed="a mapping"))
            return BROKEN
        return {
            name: self._item(name, child, (*path, name), reading) for name, child in value.items()
        }

    def _item(self, name: str, value: Any, path: KeyPath, reading: Reading) -> Any:
        read = self.value.read(value, path, reading)
        try:
            if self.name is not None:
                self.name.check(name)
        except Refused as refused:
            reading.refuse(path, refused, of_key=True)
            return BROKEN
        return read

    def written(self, value: Any) -> Any:
        return {name: self.value.written(child) for name, child in value.items()}

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        value = self.value.schema(definitions)
        pattern = self.name.json_schema().get("pattern") if self.name else None
        if pattern is None:
            return {"type": "object", "additionalProperties": value}
        return {
            "type": "object",
            "patternProperties": {pattern: value},
            "additionalProperties": False,
        }


@dataclass(frozen=True, eq=False)
class OneOf:
    """One of several shapes.

    Attributes:
        choose: Names the one that a value is, or None.
        choices: By name.
        refuse: Notes a value that is none of them, if that can happen.
    """

    choose: Callable[[Any], str | None]
    choices: Mapping[str, Shape]
    refuse: Callable[[Any, KeyPath, Reading], None] | None = None

    def read(self, value: Any, path: KeyPath, reading: Reading) -> Any:
        name = self.choose(value)
        if name is None:
            assert self.refuse is not None
            self.refuse(value, path, reading)
            return BROKEN
        return self.choices[name].read(value, path, reading)

    def written(self, value: Any) -> Any:
        model: Any = type(value)
        return model.written(value) if model in self.choices.values() else value

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [shape.schema(definitions) for shape in self.choices.values()]}


def mapping_or(mapping: Shape, other: Shape) -> OneOf:
    """One shape for mappings, another for all else."""
    return OneOf(
        lambda value: "mapping" if isinstance(value, dict) else "other",
        {"mapping": mapping, "other": other},
    )
