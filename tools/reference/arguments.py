"""The page of predefined program arguments."""

from __future__ import annotations

from prefect_parallel.job.settings.parallel_settings import SETTINGS
from prefect_parallel.job.settings.program_arguments import MIN_PREFIX
from tools.reference.markdown import code, document, fenced, table

_INTRO = f"""\
In [`task.program_arguments`](pipeline.md#task) of a parallel step, these arguments configure the
step. The script gets them as well, so parse with `parse_known_args`. An unambiguous prefix of at
least {MIN_PREFIX} letters is enough for those that Azure has; `--name=value` is the same as
`--name value`. Arguments after a bare `--` are only for the script."""

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
            "" if each.default in (None, ()) else code(each.default),
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
