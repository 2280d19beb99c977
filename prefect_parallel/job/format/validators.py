"""What one value must be: each validator checks it and names what is allowed."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from prefect_parallel.data import Size
from prefect_parallel.document import Date, KeyPath, Typed, plain, shown
from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_scalar import parse_scalar
from prefect_parallel.yaml_schema import Diagnostics, Refused

Schema: TypeAlias = Mapping[str, Any]

INT_MAX = 2**31 - 1

# Python converts at most 4,300 digits to a number.
_DIGITS = re.compile(r"[-+]?\d{1,4000}", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_EXPRESSION_SCHEMA = {"type": "string", "pattern": r"^\s*\$\{\{.*\}\}\s*$"}


class Validator(ABC):
    """What one value must be. Subclasses are put into `Annotated`."""

    bindable: bool = False
    """Whether an expression is allowed, too."""

    json: ClassVar[Schema] = {}
    """Its JSON schema, if that is the same for all of its kind."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What is allowed, for messages and the reference."""

    def refused(self, value: Any, hint: str | None = None) -> Refused:
        """The error for a value that is not allowed."""
        return Refused(f"found {shown(value)}", allowed=self.allowed, hint=hint)

    @abstractmethod
    def check(self, value: Any) -> Any:
        """The value as it is used.

        Raises:
            Refused: The value is not allowed.
        """

    def json_schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        return dict(self.json)

    def written(self, value: Any) -> Any:
        """The value as YAML has it."""
        return value

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        """The value as it is used; None if it is not allowed, which is then reported."""
        try:
            return self.check(value)
        except Refused as refused:
            diagnostics.refuse(path, refused)
            return None


@dataclass(frozen=True)
class TextValidator(Validator):
    """Text. Numbers and booleans must be quoted."""

    nullable: bool = False
    allowed = "text"

    def check(self, value: Any) -> Any:
        if _is_text(value):
            return str(value)
        if value is None and self.nullable:
            return None
        raise self.refused(value, _quoted(value))

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
        if self.bindable and whole(value):
            return str(value)
        number = self._number(value)
        if number is None or not self.low <= number <= self.high:
            raise self.refused(value)
        return number

    @staticmethod
    def _number(value: Any) -> int | None:
        if isinstance(value, str):
            return int(value) if _DIGITS.fullmatch(value.strip()) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return int(value) if isinstance(value, int) or value.is_integer() else None

    @property
    def allowed(self) -> str:
        what = f"a whole number of {self.unit}" if self.unit else "a whole number"
        if self.high == INT_MAX:
            return f"{what}, {self.low} or more"
        return f"{what} from {self.low} to {self.high}"

    def json_schema(self) -> dict[str, Any]:
        digits = {"type": "string", "pattern": r"^\s*[-+]?\d+\s*$"}
        number = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, digits, *([_EXPRESSION_SCHEMA] if self.bindable else [])]}


@dataclass(frozen=True)
class NumberValidator(Validator):
    """A number within limits, quoted or not; with `above`, `low` itself is not allowed.

    `what` names it in messages, e.g. "seconds".
    """

    low: float
    high: float
    what: str
    above: bool = False

    def check(self, value: Any) -> float:
        text = str(value) if type(value) in (int, float) else value
        if isinstance(text, str) and _NUMBER.fullmatch(text):
            number = int(text) if _DIGITS.fullmatch(text) else float(text)
            if self.low <= number <= self.high and not (self.above and number == self.low):
                return number
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        if self.above:
            return f"{self.what}, more than {self.low}, at most {self.high}"
        return f"{self.what} from {self.low} to {self.high}"


@dataclass(frozen=True)
class TrueOrFalseValidator(Validator):
    """The text `True` or `False`, in any case."""

    allowed = "True or False"

    def check(self, value: Any) -> bool:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise self.refused(value)


@dataclass(frozen=True)
class SizeValidator(Validator):
    """A mini-batch size in files, bytes (kb, mb, gb) or rows. It must be quoted."""

    bindable: bool = True
    allowed = 'a string, e.g. "10" files, "10kb" (also mb, gb) or "1000 rows"'
    json: ClassVar[Schema] = {
        "anyOf": [
            {"type": "string", "pattern": r"^\d+([kKmMgG][bB]| +[rR][oO][wW][sS]?)?$"},
            _EXPRESSION_SCHEMA,
        ]
    }

    def check(self, value: Any) -> int | str:
        if not isinstance(value, str):
            raise self.refused(value, f'quote it: "{value}"' if isinstance(value, int) else None)
        if whole(value):
            return str(value)
        size = Size.parse(value)
        if size is None:
            raise self.refused(value)
        return size

    def written(self, value: Any) -> Any:
        return str(value)


@dataclass(frozen=True)
class ChoiceValidator(Validator):
    """One of some names."""

    names: tuple[str, ...]
    any_case: bool = False
    bindable: bool = False

    def check(self, value: Any) -> str:
        if self.bindable and whole(value):
            return str(value)
        name = value.lower() if self.any_case and isinstance(value, str) else value
        if isinstance(name, str) and name in self.names:
            return str(name)
        raise self.refused(
            value, did_you_mean(value, self.names) if isinstance(value, str) else None
        )

    @property
    def allowed(self) -> str:
        return ", ".join(self.names)

    def json_schema(self) -> dict[str, Any]:
        names: dict[str, Any] = {"enum": list(self.names)}
        if self.any_case:
            # Listed for completion; the pattern also allows other cases.
            either = "|".join("".join(map(_any_case, name)) for name in self.names)
            names = {"anyOf": [names, {"type": "string", "pattern": f"^({either})$"}]}
        return {"anyOf": [names, _EXPRESSION_SCHEMA]} if self.bindable else names


@dataclass(frozen=True)
class BooleanValidator(Validator):
    """True or false, in any of YAML's forms, quoted or not."""

    allowed = "true or false"
    json: ClassVar[Schema] = {
        "enum": [True, False, "true", "false", "yes", "no", "on", "off", 0, 1]
    }

    def check(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).lower() if isinstance(value, (str, int)) else ""
        if word in ("true", "yes", "on", "1"):
            return True
        if word in ("false", "no", "off", "0"):
            return False
        raise self.refused(value)


@dataclass(frozen=True)
class ScalarValidator(Validator):
    """Text, a number or a boolean; from the command line, text."""

    allowed = "text, a number or a boolean"
    json: ClassVar[Schema] = {"type": ["string", "number", "boolean"]}

    def check(self, value: Any) -> Any:
        if isinstance(value, Typed):
            return str(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refused(value, _quoted(value))
        if _is_text(value) or isinstance(value, (bool, int, float)):
            return value
        raise self.refused(value, _quoted(value))


@dataclass(frozen=True)
class LiteralValidator(ScalarValidator):
    """The value of an input: text, a number or a boolean; `{value: X}` is the same as X."""

    allowed = "text, a number, a boolean, or a mapping with `type` and `path`"
    json: ClassVar[Schema] = {
        "anyOf": [
            ScalarValidator.json,
            {
                "type": "object",
                "properties": {"value": ScalarValidator.json},
                "required": ["value"],
                "additionalProperties": False,
            },
        ]
    }

    def check(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"value"}:
            value = value["value"]
        return super().check(parse_scalar(value) if isinstance(value, Typed) else value)


@dataclass(frozen=True)
class AnythingValidator(Validator):
    """Any value: it has no effect here, or is checked where it is used."""

    allowed = "anything"

    def check(self, value: Any) -> Any:
        return parse_scalar(value) if isinstance(value, Typed) else plain(value)


@dataclass(frozen=True)
class TextsValidator(Validator):
    """Text, or a list of texts."""

    allowed = "text, or a list of texts"
    json: ClassVar[Schema] = {"type": ["string", "array"], "items": {"type": "string"}}

    def check(self, value: Any) -> Any:
        if isinstance(value, dict):
            raise self.refused(value)
        if isinstance(value, list):
            return [TextValidator().check(item) for item in value]
        return TextValidator().check(value)


@dataclass(frozen=True)
class CondaFileValidator(Validator):
    """The path of a conda file, or its content."""

    allowed = "a path, or a mapping"
    json: ClassVar[Schema] = {"type": ["string", "object"]}

    def check(self, value: Any) -> Any:
        if isinstance(value, dict) or _is_text(value):
            return plain(value)
        raise self.refused(value)


@dataclass(frozen=True)
class LooseTextValidator(Validator):
    """Text; a number or a boolean counts as its text."""

    allowed = "text"
    json: ClassVar[Schema] = ScalarValidator.json

    def check(self, value: Any) -> str:
        if isinstance(value, (str, bool, int, float)):
            return str(value)
        raise self.refused(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Date)


def _quoted(value: Any) -> str | None:
    """A hint for a value that should be text."""
    if isinstance(value, (bool, int, float, Date)):
        return f'quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    return None


def _any_case(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter
