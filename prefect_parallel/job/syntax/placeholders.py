"""`{{ prefect.blocks... }}` and `{{ prefect.variables... }}` in text, as `prefect.yaml` has them.

Here they are only found and checked; what they stand for is looked up when it is needed.
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
    """What stands between the braces, in order: `prefect.variables.region`."""
    return [match[1].rstrip() for match in _PLACEHOLDER.finditer(text)]


def malformed_placeholder(text: str) -> str | None:
    """One that names neither a block nor a variable; None if there is none."""
    return next((each for each in placeholders(text) if not _FORMS.fullmatch(each)), None)


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Put values in; what looks like a placeholder in them stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values[match[1].rstrip()], text)
