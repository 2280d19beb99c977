"""What a delimiter must be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from prefect_parallel.job.format.validators import Validator

_DELIMITER = re.compile(r"[^\w\s.+\x22\x27-]|[ \t]", re.ASCII)


@dataclass(frozen=True)
class DelimiterValidator(Validator):
    """A character between cells; a tab may be written as a backslash and a t."""

    allowed = r"one character, or \t for a tab; no quote, letter, digit or line break"

    def check(self, value: Any) -> str:
        text = "\t" if value == r"\t" else value
        if isinstance(text, str) and len(text) == 1 and _DELIMITER.fullmatch(text):
            return text
        raise self.refused(value)
