"""`--profiling_module cProfile`: profiles of entry processes."""

from __future__ import annotations

import cProfile
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prefect_parallel.entry.script import Script

_Returned = TypeVar("_Returned")


def profiled(script: Script, target: Path) -> Script:
    """A script whose `init` and `run` are profiled into a file for `pstats` or snakeviz.

    The file is rewritten after each call, so that a killed process leaves one as well.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    profiler = cProfile.Profile()

    def under_profiler(function: Callable[..., _Returned]) -> Callable[..., _Returned]:
        def call(*arguments: object) -> _Returned:
            try:
                return profiler.runcall(function, *arguments)
            finally:
                profiler.dump_stats(target)

        return call

    return dataclasses.replace(
        script, init=under_profiler(script.init), run=under_profiler(script.run)
    )
