"""What blocks are called: Prefect allows lower-case letters, digits and dashes only."""

from __future__ import annotations

import re


def block_name(name: str) -> str:
    """The name of the block for an Azure name.

    Example:
        ```python
        block_name("Sales_2026")  # sales-2026
        ```
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
