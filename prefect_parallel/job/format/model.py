"""What all models of the format share: known keys, keys without meaning here, and messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema

from prefect_parallel.document import Document, Key, KeyPath, Section, shown
from prefect_parallel.errors import Problem, advice_for

_MISSING_HINTS: dict[Key, str] = {
    "environment": "steps run in the environment that runs the pipeline; "
    "any name will do: azureml:NAME",
    "type": "write `type: pipeline` on top, `type: run_function` in a task",
}


_WITHOUT_MEANING = "A key of Azure ML's; it has no meaning here."


def optional(about: str, *, default: Any = None, examples: list[Any] | None = None) -> Any:
    """A key that may be left out. It is then None in its model, so that a component's may count.

    Args:
        about: What it does; editors show it, and the reference.
        default: What counts in the end.
        examples: Values that it may have.
    """
    more = {} if default is None else {"default": default}
    return Field(None, description=about, examples=examples, json_schema_extra=more)


@dataclass
class Reading:
    """What comes up while a document is read into models.

    Attributes:
        document: The document.
        problems: Mistakes found by the models themselves.
        ignored: Paths of keys that are right, and have no meaning here.
    """

    document: Document
    problems: list[Problem] = field(default_factory=list)
    ignored: list[KeyPath] = field(default_factory=list)


class Model(BaseModel):
    """A mapping of the format. Unknown keys and keys without a value are mistakes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=())

    no_meaning: ClassVar[frozenset[str]] = frozenset()
    """Keys that Azure ML knows and that change nothing here."""
    nullable: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def known_keys(cls) -> list[str]:
        return [info.alias or name for name, info in cls.model_fields.items()]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        made = handler(schema)
        keys = handler.resolve_ref_schema(made)["properties"]
        for name in cls.no_meaning & keys.keys():
            keys[name]["description"] = _WITHOUT_MEANING
        return made

    @model_validator(mode="before")
    @classmethod
    def _sift_keys(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, Section):
            return data
        reading = info.context
        assert isinstance(reading, Reading)
        known = sorted(cls.known_keys())
        kept: dict[str, Any] = {}
        for key, value in data.items():
            path = (*data.path, key)
            if key not in known:
                reading.problems.append(
                    reading.document.problem(
                        path,
                        "unknown key",
                        **advice_for(key, known),
                        of_key=True,
                    )
                )
            elif value is None and key not in cls.nullable:
                reading.problems.append(
                    reading.document.problem(
                        path,
                        "the key has nothing after it (null)",
                        hint="give it a value, or leave the key out",
                    )
                )
            else:
                kept[key] = value
                if key in cls.no_meaning:
                    reading.ignored.append(path)
        return kept


_TAG = "‹"  # noqa: RUF001 - no key of a pipeline begins with it


def tag(name: str) -> str:
    """A name for one of several models that a value may be; never part of a key's path."""
    return _TAG + name


def path_of(location: Sequence[int | str]) -> KeyPath:
    """Keys of the file, from where pydantic says that an error is."""
    return tuple(key for key in location if key != "[key]" and not str(key).startswith(_TAG))


def problems_of(error: ValidationError, reading: Reading) -> list[Problem]:
    """All mistakes: what pydantic found and what the models noted on the way."""
    problems = list(reading.problems)
    noted = {problem.key for problem in problems}
    for line in error.errors(include_url=False):
        path = path_of(line["loc"])
        of_key = "[key]" in line["loc"]
        kind, value, more = line["type"], line["input"], line.get("ctx", {})
        allowed = hint = None
        if kind == "rule":
            message, allowed, hint = more["found"], more["allowed"], more["hint"]
        elif kind == "missing":
            message, hint = "the key is missing", _MISSING_HINTS.get(path[-1])
        elif kind in ("model_type", "dict_type", "model_attributes_type"):
            message, allowed = f"found {shown(value)}", "a mapping"
        elif kind.startswith("union_tag"):
            # Of steps only: all else that may be one of several models always finds its own.
            if isinstance(value, Section):
                path, value = (*path, "type"), value.get("type")
            message, allowed = f"found {shown(value)}", "a step of type parallel or command"
        elif kind == "list_type":
            message, allowed = f"found {shown(value)}", "a list"
        else:
            message = line["msg"]
        problem = reading.document.problem(path, message, allowed=allowed, hint=hint, of_key=of_key)
        if kind != "missing" or problem.key not in noted:
            problems.append(problem)
    return problems
