"""Validators of names: of steps, their inputs and outputs, and assets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from prefect_parallel.document import shown
from prefect_parallel.job.format.reading import Refused
from prefect_parallel.job.format.validators import Validator

_ASSET = re.compile(r"azureml:(?!\$\{\{)[^\s].*")


@dataclass(frozen=True)
class StepNameValidator(Validator):
    """A step's name: it becomes a folder, and part of expressions."""

    def check(self, value: Any) -> str:
        name = str(value)
        if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            return name
        better = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        hint = f"rename it to {better}" if re.fullmatch(r"[a-z_][a-z0-9_]*", better) else None
        raise Refused(f"invalid step name {shown(name)}", allowed=self.allowed, hint=hint)

    @property
    def allowed(self) -> str:
        return "lower-case letters, digits and underscores, not starting with a digit"

    def json_schema(self) -> dict[str, Any]:
        return {"pattern": "^[a-z_][a-z0-9_]*$"}


@dataclass(frozen=True)
class NameValidator(Validator):
    """The name of an input or output: part of expressions and, for outputs, a file's name."""

    def check(self, value: Any) -> str:
        name = str(value)
        if name.isidentifier():
            return name
        raise Refused(f"invalid name {shown(name)} of an input or output", allowed=self.allowed)

    @property
    def allowed(self) -> str:
        return "letters, digits and underscores, not starting with a digit"

    def json_schema(self) -> dict[str, Any]:
        return {"pattern": r"^[^\W\d]\w*$"}


@dataclass(frozen=True)
class AssetNameValidator(Validator):
    """The name under which an output is registered."""

    def check(self, value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,255}", value):
            return str(value)
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "up to 255 letters from a to z, digits, dashes and underscores"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"}


@dataclass(frozen=True)
class AssetValidator(Validator):
    """`azureml:NAME`, or one of some words."""

    what: str
    words: tuple[str, ...] = ()

    def check(self, value: Any) -> str:
        if isinstance(value, str) and value.lower() in self.words:
            return value.lower()
        if not isinstance(value, str) or not _ASSET.fullmatch(value):
            hint = None
            if isinstance(value, str) and re.fullmatch(r"[\w.@:-]+", value):
                hint = f"write azureml:{value}"
            raise self.refused(value, hint)
        return str(value)

    @property
    def allowed(self) -> str:
        return f"azureml:{self.what}" + "".join(f", or {word}" for word in self.words)

    def json_schema(self) -> dict[str, Any]:
        name = {"type": "string", "pattern": "^azureml:."}
        return {"anyOf": [name, {"enum": list(self.words)}]} if self.words else name


def as_asset(name: str) -> str:
    """A name as YAML has it; in Python, `azureml:` may be left out."""
    return name if name.startswith("azureml:") or name == "serverless" else f"azureml:{name}"
