"""Columns from the path of a file: `/sales/{region}/{day:yyyy/MM/dd}/*.csv`."""

from __future__ import annotations

import re
from typing import Any

from prefect_parallel.data.columns.datetimes import in_range, nanoseconds

# Parts of a date, in order.
_DATE_PARTS = {
    "yyyy": "year",
    "MM": "month",
    "dd": "day",
    "HH": "hour",
    "mm": "minute",
    "ss": "second",
}
FORMS = {
    "{name}": "A text column: a part of the path, up to the next `/` or the text that follows.",
    "{name:yyyy/MM/dd}": f"A datetime column. The parts are `{' '.join(_DATE_PARTS)}`, in this"
    " order; the year is required.",
    "*": "Any text within a segment of the path.",
}
"""Placeholders of a format, and what each matches; for the reference."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|([{}])|(\*)|([^{}*]+)")


class PartitionFormat:
    """A compiled partition format.

    Attributes:
        columns: Names of its placeholders in order of appearance, that of the date last.
        date: Name of the date placeholder, if there is one.
    """

    def __init__(self, text: str) -> None:
        """Compiles the format.

        Raises:
            ValueError: The format is invalid.
        """
        self.text = text
        self.date: str | None = None
        self._date_parts: dict[str, slice] = {}
        names: list[str] = []
        pattern = ""
        for match in _PLACEHOLDER.finditer(text):
            inside, brace, star, literal = match.groups()
            if brace:
                raise ValueError(f"unmatched brace in {text!r}")
            if literal is not None:
                pattern += re.escape(literal)
            elif star:
                pattern += "[^/]*"
            else:
                name, colon, date = inside.partition(":")
                if not name:
                    raise ValueError(f"a placeholder in {text!r} has no name")
                if name in names or name == self.date:
                    raise ValueError(f"duplicate placeholder {name!r} in {text!r}")
                pattern += f"({self._date_pattern(name, date)})" if colon else "([^/]+)"
                names.append(name)
        if not names:
            raise ValueError(f"{text!r} has no placeholder such as {{name}}")
        self._groups = names
        self._pattern = re.compile(pattern, re.DOTALL)
        self.columns = [*(n for n in names if n != self.date), *([self.date] if self.date else [])]

    def _date_pattern(self, name: str, date: str) -> str:
        if self.date is not None:
            raise ValueError(f"{self.text!r} has two dates")
        self.date = name
        if "yyyy" not in date:
            raise ValueError(f"the date {date!r} of {self.text!r} needs the year, yyyy")
        pattern = ""
        position = 0
        for part, name in _DATE_PARTS.items():
            at = date.find(part, position)
            if at < 0:
                continue
            pattern += re.escape(date[position:at]) + f"[0-9]{{{len(part)}}}"
            position = at + len(part)
            self._date_parts[name] = slice(at, position)
        if any(
            date.count(part) != (name in self._date_parts) for part, name in _DATE_PARTS.items()
        ):
            raise ValueError(
                f"the parts of the date {date!r} must appear once each, in the order "
                + " ".join(_DATE_PARTS)
            )
        return pattern + re.escape(date[position:])

    def values(self, path: str) -> dict[str, str | int | None]:
        """Values from a path: text, and nanoseconds since the epoch for the date.

        None for all of a path that does not match, and for an impossible date.
        """
        match = self._pattern.search(path)
        if match is None:
            return dict.fromkeys(self.columns)
        texts: dict[str, str] = dict(zip(self._groups, match.groups(), strict=True))
        return {
            name: self._moment(texts[name]) if name == self.date else texts[name]
            for name in self.columns
        }

    def _moment(self, text: str) -> int | None:
        parts: dict[str, Any] = {name: int(text[at]) for name, at in self._date_parts.items()}
        return in_range(nanoseconds(**parts))
