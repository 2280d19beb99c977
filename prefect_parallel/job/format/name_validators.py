"""Validators of names: of steps, their inputs and outputs, and assets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from prefect_parallel.document import shown
from prefect_parallel.job.format.validators import Schema, Validator
from prefect_parallel.yaml_schema import Refused

_ASSET = re.compile(r"azureml:(?!\$\{\{)[^\s].*")
_STEP_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_ASSET_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


class StepNameValidator(Validator):
    """A step's name: it becomes a folder, and part of expressions."""

    allowed = "lower-case letters, digits and underscores, not starting with a digit"
    json: ClassVar[Schema] = {"pattern": f"^{_STEP_NAME.pattern}$"}

    def check(self, value: Any) -> str:
        name = str(value)
        if _STEP_NAME.fullmatch(name):
            return name
        better = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        hint = f"rename it to {better}" if _STEP_NAME.fullmatch(better) else None
        raise Refused(f"invalid step name {shown(name)}", allowed=self.allowed, hint=hint)


class NameValidator(Validator):
    """The name of an input or output: part of expressions and, for outputs, a file's name."""

    allowed = "letters, digits and underscores, not starting with a digit"
    json: ClassVar[Schema] = {"pattern": r"^[^\W\d]\w*$"}

    def check(self, value: Any) -> str:
        name = str(value)
        if name.isidentifier():
            return name
        raise Refused(f"invalid name {shown(name)} of an input or output", allowed=self.allowed)


class AssetNameValidator(Validator):
    """The name under which an output is registered."""

    allowed = "up to 255 letters from a to z, digits, dashes and underscores"
    json: ClassVar[Schema] = {"type": "string", "pattern": f"^{_ASSET_NAME.pattern}$"}

    def check(self, value: Any) -> str:
        if isinstance(value, str) and _ASSET_NAME.fullmatch(value):
            return str(value)
        raise self.refused(value)


@dataclass(frozen=True)
class AssetValidator(Validator):
    """`azureml:NAME`, or one of some words."""

    what: str
    words: tuple[str, ...] = ()

    def check(self, value: Any) -> str:
        text = str(value) if isinstance(value, str) else ""
        if text.lower() in self.words:
            return text.lower()
        if _ASSET.fullmatch(text):
            return text
        raise self.refused(
            value, f"write azureml:{value}" if re.fullmatch(r"[\w.@:-]+", text) else None
        )

    @property
    def allowed(self) -> str:
        return f"azureml:{self.what}" + "".join(f", or {word}" for word in self.words)

    def json_schema(self) -> dict[str, Any]:
        name = {"type": "string", "pattern": "^azureml:."}
        return {"anyOf": [name, {"enum": list(self.words)}]} if self.words else name


def as_asset(name: str) -> str:
    """A name as YAML has it; in Python, `azureml:` may be omitted."""
    return name if name.startswith("azureml:") or name == "serverless" else f"azureml:{name}"
