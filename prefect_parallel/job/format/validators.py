"""What one value must be: each validator checks it and names what is allowed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from prefect_parallel.document import Date, KeyPath, Typed, plain, shown
from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.format.reading import BROKEN, Reading, Refused
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_file import parse_scalar

INT_MAX = 2**31 - 1

_DIGITS = re.compile(r"[-+]?\d+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_SIZE = re.compile(r"(\d+)(?:([kmg])b)?", re.IGNORECASE | re.ASCII)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_EXPRESSION_SCHEMA = {"type": "string", "pattern": r"^\s*\$\{\{.*\}\}\s*$"}


def _quoted(value: Any) -> str | None:
    """A hint for a value that should be text."""
    if isinstance(value, (bool, int, float, Date)):
        return f'quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    return None


class Validator:
    """What one value must be. Subclasses are put into `Annotated`."""

    bindable: bool = False
    """Whether an expression is allowed, too."""

    @property
    def allowed(self) -> str:
        """What is allowed, for messages and the reference."""
        raise NotImplementedError

    def refused(self, value: Any, hint: str | None = None) -> Refused:
        """The error for a value that is not allowed."""
        return Refused(f"found {shown(value)}", allowed=self.allowed, hint=hint)

    def check(self, value: Any) -> Any:
        """The value as it is used.

        Raises:
            Refused: The value is not allowed.
        """
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """The same for editors."""
        raise NotImplementedError

    def written(self, value: Any) -> Any:
        """The value as YAML has it."""
        return value

    def read(self, value: Any, path: KeyPath, reading: Reading) -> Any:
        """The value as it is used; `BROKEN` if it is not allowed, which is then reported."""
        try:
            return self.check(value)
        except Refused as refused:
            reading.refuse(path, refused)
            return BROKEN

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        """Its JSON schema, with the docstring as description."""
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
class NumberValidator(Validator):
    """A number within limits, as text.

    Attributes:
        low: The smallest number; if `above` is true, only larger ones are allowed.
        high: The largest number.
        what: For messages, e.g. "seconds".
    """

    low: float
    high: float
    what: str
    above: bool = False

    def check(self, value: Any) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            number = int(value) if _DIGITS.fullmatch(value) else float(value)
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

    def check(self, value: Any) -> bool:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "True or False"


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
        return str(value)

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
    """Any value: it has no effect here, or is checked where it is used."""

    def check(self, value: Any) -> Any:
        return parse_scalar(value) if isinstance(value, Typed) else plain(value)

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
    """The path of a conda file, or its content."""

    def check(self, value: Any) -> Any:
        if isinstance(value, dict) or (isinstance(value, str) and not isinstance(value, Date)):
            return plain(value)
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "a path, or a mapping"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "object"]}


@dataclass(frozen=True)
class LooseTextValidator(Validator):
    """Text; a number or a boolean counts as its text."""

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
