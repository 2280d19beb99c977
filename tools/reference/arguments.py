"""The page of predefined program arguments."""

from __future__ import annotations

from prefect_parallel.job.settings.parallel_settings import SETTINGS
from prefect_parallel.job.settings.program_arguments import MIN_PREFIX
from tools.reference.markdown import code, document, fenced, table

_INTRO = f"""\
In [`task.program_arguments`](pipeline.md#task) of a parallel step, these set the run itself. The
script gets them, too, with all others: it should parse with `parse_known_args`. A shorter form will
do, from {MIN_PREFIX} letters on, where it can mean only one of them; `--name=value` is the same as
`--name value`, and what follows a bare `--` is the script's alone."""

_EXAMPLE = """\
program_arguments: >-
  --model ${{inputs.model}}
  --allowed_failed_percent 5
  --append_row_dataframe_header True
"""


def page() -> str:
    rows = [
        (
            code(f"--{each.name}"),
            each.argument.allowed,
            "" if each.default is None else code(each.default),
            each.description,
        )
        for each in SETTINGS.values()
        if each.argument is not None
    ]
    return document(
        "Predefined program arguments",
        _INTRO,
        fenced("yaml", _EXAMPLE),
        table(("argument", "value", "default", ""), rows),
    )
