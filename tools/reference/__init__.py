"""The pages of `docs/reference`, made of the code; `python -m tools.reference` writes them."""

from __future__ import annotations

from pathlib import Path

from tools.reference import (
    arguments,
    blocks,
    commands,
    datastores,
    entry_script,
    index,
    mltable,
    pipeline,
    python,
    run_directory,
    schedule,
)

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

_PAGES = {
    "pipeline.md": pipeline.page,
    "program_arguments.md": arguments.page,
    "entry_script.md": entry_script.page,
    "mltable.md": mltable.page,
    "commands.md": commands.page,
    "schedule.md": schedule.page,
    "blocks.md": blocks.page,
    "datastores.md": datastores.page,
    "run_directory.md": run_directory.page,
    "python.md": python.page,
}


def pages() -> dict[str, str]:
    """File name to text."""
    made = {name: page() for name, page in _PAGES.items()}
    return {"index.md": index.page(made), **made}
