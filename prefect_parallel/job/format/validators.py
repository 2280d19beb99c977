"""What a key's value must be: each rule checks it, and says what is allowed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from prefect_parallel.document import Date, Typed, shown
from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_file import parse_scalar

INT_MAX = 2**31 - 1

_SIZE = re.compile(r"(\d+)(?:([kmg])b)?", re.IGNORECASE | re.ASCII)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_EXPRESSION_SCHEMA = {"type": "string", "pattern": r"^\s*\$\{\{.*\}\}\s*$"}


def wrong(
    found: str, *, allowed: str | None = None, hint: str | None = None
) -> PydanticCustomError:
    """An error whose parts go into an `errors.Problem`."""
    return PydanticCustomError(
        "rule", "{found}", {"found": found, "allowed": allowed, "hint": hint}
    )


def _quoted(value: Any) -> str | None:
    """What to write where a value is meant to be text."""
    if isinstance(value, (bool, int, float, Date)):
        return f'quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    return None


class Validator:
    """What a key's value must be. Subclasses are put into `Annotated`."""

    bindable: bool = False
    """Whether an expression may stand there, too."""

    @property
    def allowed(self) -> str:
        """What is, for messages and the reference."""
        raise NotImplementedError

    def refused(self, value: Any, hint: str | None = None) -> PydanticCustomError:
        """The error for a value that is not allowed."""
        return wrong(f"found {shown(value)}", allowed=self.allowed, hint=hint)

    def check(self, value: Any) -> Any:
        """The value as it counts.

        Raises:
            PydanticCustomError: It is not allowed.
        """
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """The same for editors."""
        raise NotImplementedError

    def written(self, value: Any) -> Any:
        """The value as YAML takes it."""
        return value

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.check,
            serialization=core_schema.plain_serializer_function_ser_schema(self.written),
        )

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        about = (type(self).__doc__ or "").strip().partition("\n")[0]
        return {"description": about, **self.json_schema()}


@dataclass(frozen=True)
class TextValidator(Validator):
    """Text. Numbers and booleans must be quoted."""

    nullable: bool = False

    def check(self, value: Any) -> Any:
        if isinstance(value, str) and not isinstance(value, Date):
            return str(value)
        if value is None and self.nullable:
            return None
        raise self.refused(value, _quoted(value))

    @property
    def allowed(self) -> str:
        return "text"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"] if self.nullable else "string"}


@dataclass(frozen=True)
class IntegerValidator(Validator):
    """A whole number within limits, quoted or not; or an expression."""

    low: int
    high: int = INT_MAX
    unit: str = ""
    bindable: bool = True

    def check(self, value: Any) -> int | str:
        if self.bindable and isinstance(value, str) and whole(value):
            return str(value)
        number = self._number(value)
        if number is None or not self.low <= number <= self.high:
            raise self.refused(value)
        return number

    @staticmethod
    def _number(value: Any) -> int | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, int):
            return value
        if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+\s*", value, re.ASCII):
            return int(value)
        return None

    @property
    def allowed(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.high == INT_MAX:
            return f"a whole number{unit and ' of' + unit}, {self.low} or more"
        return f"a whole number{unit and ' of' + unit} from {self.low} to {self.high}"

    def json_schema(self) -> dict[str, Any]:
        digits = {"type": "string", "pattern": r"^\s*[-+]?\d+\s*$"}
        number = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, digits, *([_EXPRESSION_SCHEMA] if self.bindable else [])]}


@dataclass(frozen=True)
class SizeValidator(Validator):
    """A mini-batch size, in files or bytes: digits, with kb, mb or gb. It must be quoted."""

    bindable: bool = True

    def check(self, value: Any) -> int | str:
        if not isinstance(value, str):
            raise self.refused(value, f'quote it: "{value}"' if isinstance(value, int) else None)
        if whole(value):
            return str(value)
        match = _SIZE.fullmatch(value)
        if match is None:
            raise self.refused(value)
        return int(match[1]) * _FACTORS[(match[2] or "").lower()]

    @property
    def allowed(self) -> str:
        return 'a string of digits, e.g. "10" files, or of digits and kb, mb or gb, e.g. "10kb"'

    def written(self, value: Any) -> Any:
        return None if value is None else str(value)

    def json_schema(self) -> dict[str, Any]:
        size = {"type": "string", "pattern": r"^\d+([kKmMgG][bB])?$"}
        return {"anyOf": [size, _EXPRESSION_SCHEMA]}


@dataclass(frozen=True)
class ChoiceValidator(Validator):
    """One of some names."""

    names: tuple[str, ...]
    any_case: bool = False
    bindable: bool = False

    def check(self, value: Any) -> str:
        if self.bindable and isinstance(value, str) and whole(value):
            return str(value)
        name = value.lower() if self.any_case and isinstance(value, str) else value
        if not isinstance(name, str) or name not in self.names:
            raise self.refused(
                value, did_you_mean(value, self.names) if isinstance(value, str) else None
            )
        return str(name)

    @property
    def allowed(self) -> str:
        return ", ".join(self.names)

    def json_schema(self) -> dict[str, Any]:
        names: dict[str, Any] = {"enum": list(self.names)}
        if self.any_case:
            # Listed for completion; the pattern lets other cases pass.
            either = "|".join("".join(map(_any_case, name)) for name in self.names)
            names = {"anyOf": [names, {"type": "string", "pattern": f"^({either})$"}]}
        return {"anyOf": [names, _EXPRESSION_SCHEMA]} if self.bindable else names


@dataclass(frozen=True)
class BooleanValidator(Validator):
    """True or false, in any of YAML's ways, quoted or not."""

    def check(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).lower() if isinstance(value, (str, int)) else ""
        if word in ("true", "yes", "on", "1"):
            return True
        if word in ("false", "no", "off", "0"):
            return False
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "true or false"

    def json_schema(self) -> dict[str, Any]:
        return {"enum": [True, False, "true", "false", "yes", "no", "on", "off", 0, 1]}


@dataclass(frozen=True)
class ScalarValidator(Validator):
    """Text, a number or a boolean."""

    def check(self, value: Any) -> Any:
        if isinstance(value, Typed):
            value = parse_scalar(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refused(value, _quoted(value))
        if isinstance(value, (str, bool, int, float)) and not isinstance(value, Date):
            return value
        raise self.refused(value, _quoted(value) if isinstance(value, Date) else None)

    @property
    def allowed(self) -> str:
        return "text, a number or a boolean"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class LiteralValidator(ScalarValidator):
    """An input in place: text, a number or a boolean; `{value: X}` means X."""

    def check(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"value"}:
            value = value["value"]
        return super().check(value)

    @property
    def allowed(self) -> str:
        return "text, a number, a boolean, or a mapping with `type` and `path`"

    def json_schema(self) -> dict[str, Any]:
        plain = super().json_schema()
        wrapped = {
            "type": "object",
            "properties": {"value": plain},
            "required": ["value"],
            "additionalProperties": False,
        }
        return {"anyOf": [plain, wrapped]}


@dataclass(frozen=True)
class AnythingValidator(Validator):
    """Whatever stands there: it has no meaning here, or none of ours to check."""

    def check(self, value: Any) -> Any:
        if isinstance(value, Typed):
            return parse_scalar(value)
        return str(value) if isinstance(value, Date) else value

    @property
    def allowed(self) -> str:
        return "anything"

    def json_schema(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class TextsValidator(Validator):
    """Text, or a list of texts."""

    def check(self, value: Any) -> Any:
        text = TextValidator()
        if isinstance(value, list):
            return [text.check(item) for item in value]
        if isinstance(value, dict):
            raise self.refused(value)
        return text.check(value)

    @property
    def allowed(self) -> str:
        return "text, or a list of texts"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "array"], "items": {"type": "string"}}


@dataclass(frozen=True)
class CondaFileValidator(Validator):
    """The path of a conda file, or what would stand in it."""

    def check(self, value: Any) -> Any:
        if isinstance(value, dict) or (isinstance(value, str) and not isinstance(value, Date)):
            return value
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "a path, or a mapping"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "object"]}


@dataclass(frozen=True)
class LooseTextValidator(Validator):
    """Text, numbers and booleans, as text."""

    def check(self, value: Any) -> str:
        if isinstance(value, (str, bool, int, float)):
            return str(value)
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "text"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


def _any_case(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter
