"""Names and tags for Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSED = re.compile(r"[/%&<>]")


def prefect_name(name: str) -> str:
    """Replace characters that Prefect rejects in names of flows and deployments."""
    return _REFUSED.sub("-", name)


def prefect_tags(tags: Mapping[str, object]) -> list[str]:
    """Azure's tags, which have values, as Prefect's, which have none."""
    return [f"{key}:{value}" for key, value in tags.items()]
