"""How names and tags are written in Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSED = re.compile(r"[/%&<>]")


def prefect_name(name: str) -> str:
    """A name for a flow or a deployment, without what Prefect refuses in one."""
    return _REFUSED.sub("-", name)


def prefect_tags(tags: Mapping[str, object]) -> list[str]:
    """Azure's tags have values, Prefect's have none."""
    return [f"{key}:{value}" for key, value in tags.items()]
