"""Mappings of the YAML format, with described and checked keys.

A `Model` declares its keys as annotated attributes:

    class Build(Model):
        path: Text = key("The folder of the context.")

Reading a model never raises: each problem is reported, and the rest is read. A key whose value is
broken counts as not given.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from prefect_parallel.document import KeyPath
from prefect_parallel.job.format.validators import Validator
from prefect_parallel.yaml_schema import Diagnostics, ListOf, MappingOf, Refused, ValueSchema

_MISSING_HINTS = {
    "environment": "steps run in the environment that runs the pipeline; "
    "any name will do: azureml:NAME",
    "type": "write `type: pipeline` at the top, `type: run_function` in a task",
}


@dataclass(frozen=True)
class Key:
    """A key of a model.

    Attributes:
        description: What it does, for editors and the reference.
        default: Of the model's attribute; `Ellipsis` if the key is required.
        factory: Makes the default of an attribute that may be changed.
        effective: The value that applies in the end if none is given, for editors and the
            reference.
        name: As written in the file.
        ignored: Whether it is a key of Azure ML that has no effect here.
    """

    description: str = ""
    default: Any = ...
    factory: Callable[[], Any] | None = None
    effective: Any = None
    examples: tuple[Any, ...] = ()
    name: str = ""
    schema: ValueSchema = None  # type: ignore[assignment]  # until `Model.all_keys` sets it
    ignored: bool = False

    @property
    def required(self) -> bool:
        return self.default is ... and self.factory is None

    def absent(self) -> Any:
        """The attribute's value if the key is not given, or broken."""
        return self.factory() if self.factory else None if self.default is ... else self.default


def key(
    description: str,
    *,
    default: Any = ...,
    factory: Callable[[], Any] | None = None,
    examples: list[Any] | None = None,
    name: str = "",
) -> Any:
    """A key, required unless it has a default or a factory of one; see `Key`."""
    effective = None if default in (..., ()) else default
    return Key(description, default, factory, effective, tuple(examples or ()), name)


def optional(description: str, *, default: Any = None, examples: list[Any] | None = None) -> Any:
    """A key whose attribute is None if it is not given, so that a component's value may apply.

    `default` is the value that applies in the end.
    """
    return Key(description, None, None, default, tuple(examples or ()))


def ignored() -> Any:
    """A key of Azure ML that is checked, but has no effect here."""
    return Key("A key of Azure ML; it has no effect here.", default=None, ignored=True)


class Model:
    """A mapping of the format. Unknown keys and keys without a value are errors.

    Attributes:
        given: The names of the attributes that were given, in order.
        broken: The names of the keys whose values could not be read.
    """

    allowed: ClassVar[str] = "a mapping"
    old_names: ClassVar[Mapping[str, str]] = {}
    """Old names of keys, for hints."""
    nullable: ClassVar[bool] = False
    """Whether nothing (null) is the same as an empty mapping."""
    _declared: ClassVar[tuple[Callable[[], Mapping[str, Key]], ...]] = ()
    _keys: ClassVar[dict[str, Key]]

    def __init_subclass__(cls, declared: Callable[[], Mapping[str, Key]] | None = None) -> None:
        """Add keys that are declared elsewhere, which `declared` returns by name."""
        bases = (each for base in cls.__mro__[1:] for each in base.__dict__.get("_declared", ()))
        cls._declared = (*dict.fromkeys(bases), *([declared] if declared else ()))

    def __init__(self, **values: Any) -> None:
        self.given = list(values)
        self.broken: set[str] = set()
        for name, each in self.all_keys().items():
            object.__setattr__(self, name, values[name] if name in values else each.absent())

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in self.all_keys() and name not in self.given:
            self.given.append(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.all_keys())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.given)
        return f"{type(self).__name__}({values})"

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        """Check keys against each other; `refuse` takes a key and why it is not allowed."""

    @classmethod
    def all_keys(cls) -> Mapping[str, Key]:
        """All keys, by the name of their attribute."""
        if "_keys" not in cls.__dict__:
            found = {
                name: _declared(cls, name, annotation)
                for name, annotation in get_type_hints(cls, include_extras=True).items()
                if get_origin(annotation) is not ClassVar
            }
            for declared in cls._declared:
                found = {**declared(), **found}
            cls._keys = found
        return cls._keys

    @classmethod
    def read(cls, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        """A model; None if the value is not a mapping, which is then reported."""
        if value is None and cls.nullable:
            value = {}
        if not isinstance(value, dict):
            diagnostics.wrong_value(value, path, cls.allowed)
            return None
        model = cls(**cls.read_keys(value, path, diagnostics))
        model.broken = {str(each[-1]) for each in diagnostics.broken if each[:-1] == path}
        model.check(lambda name, refused: diagnostics.refuse((*path, name), refused))
        return model

    @classmethod
    def read_keys(
        cls, section: dict[str, Any], path: KeyPath, diagnostics: Diagnostics
    ) -> dict[str, Any]:
        """The values of the keys that a mapping gives, without the broken ones."""
        attributes = {each.name: name for name, each in cls.all_keys().items()}
        values: dict[str, Any] = {}
        for name, child in section.items():
            at = (*path, name)
            if name not in attributes:
                new = cls.old_names.get(name)
                hint = f"it is called {new} now" if new else None
                diagnostics.unknown_name(name, path, sorted(attributes), hint)
            elif child is None:
                hint = "give it a value, or leave the key out"
                diagnostics.refuse(at, Refused("the key has nothing after it (null)", hint=hint))
            else:
                read = cls.all_keys()[attributes[name]].schema.read(child, at, diagnostics)
                if read is not None:
                    values[attributes[name]] = read
                if cls.all_keys()[attributes[name]].ignored:
                    diagnostics.ignored.append(at)
        for each in cls.all_keys().values():
            if each.required and each.name not in section:
                missing = Refused("the key is missing", hint=_MISSING_HINTS.get(each.name))
                diagnostics.refuse((*path, each.name), missing)
        return values

    def dump(self) -> dict[str, Any]:
        """What was given, as plain values for YAML."""
        keys = self.all_keys()
        return {
            keys[name].name: _written(keys[name].schema, value)
            for name in self.given
            if (value := getattr(self, name)) is not None
        }


def _written(schema: ValueSchema | None, value: Any) -> Any:
    if isinstance(schema, Validator):
        return schema.written(value)
    if isinstance(value, Model):
        return value.dump()
    if isinstance(value, dict):
        return {name: _written(None, child) for name, child in value.items()}
    return [_written(None, child) for child in value] if isinstance(value, list) else value


def _declared(cls: type[Model], name: str, annotation: Any) -> Key:
    declared = getattr(cls, name, ...)
    made = declared if isinstance(declared, Key) else Key(default=declared)
    return replace(made, name=made.name or name, schema=schema_of(annotation))


def schema_of(annotation: Any) -> ValueSchema:
    """The schema of an annotation: the metadata in `Annotated`, or that of a known type."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        schema: ValueSchema = parts[1]
        return schema
    if kind in (Union, types.UnionType):
        (only,) = (part for part in parts if part is not type(None))
        return schema_of(only)
    if kind is dict:
        name = None if parts[0] is str else schema_of(parts[0])
        assert name is None or isinstance(name, Validator)
        return MappingOf(schema_of(parts[1]), name)
    if kind is list:
        return ListOf(schema_of(parts[0]))
    assert isinstance(annotation, type)
    assert issubclass(annotation, Model), annotation
    return annotation
