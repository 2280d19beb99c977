"""`{{ prefect.blocks... }}` and `{{ prefect.variables... }}` in text, as in `prefect.yaml`.

They are only found and checked here; their values are looked up when they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"(?<!\$)\{\{\s*(prefect\.[^{}]*)\}\}")
_FORMS = re.compile(
    r"prefect\.(blocks\.[\w-]+\.[\w-]+(\.[\w.\-\[\]]+)?|variables\.[\w-]+)", re.ASCII
)

ALLOWED = "{{ prefect.blocks.TYPE.NAME }}, or {{ prefect.variables.NAME }}"


def placeholders(text: str) -> list[str]:
    """The contents of the braces, in order: `prefect.variables.region`."""
    return [match[1].rstrip() for match in _PLACEHOLDER.finditer(text)]


def malformed_placeholder(text: str) -> str | None:
    """A placeholder that names neither a block nor a variable; None if there is none."""
    return next((each for each in placeholders(text) if not _FORMS.fullmatch(each)), None)


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Replace placeholders by values; placeholders in values are kept."""
    return _PLACEHOLDER.sub(lambda match: values[match[1].rstrip()], text)
