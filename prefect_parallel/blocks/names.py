"""Names of blocks, which Prefect limits to lower-case letters, digits and dashes."""

from __future__ import annotations

import re


def block_name(name: str) -> str:
    """The block name for a name in Azure ML.

    Example:
        ```python
        block_name("Sales_2026")  # sales-2026
        ```
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
