"""Values in shell commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from prefect_parallel.job.expressions import fill, keep_given


class UnsafeCommand(ValueError):
    pass


def quoted_command(command: str, values: Mapping[str, str], missing: Iterable[str]) -> str:
    return fill(keep_given(command, set(missing)), {k: shlex.quote(v) for k, v in values.items()})


def check_command(command: str) -> None:
    pass
