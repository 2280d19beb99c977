"""`--profiling_module cProfile`: where the time of an entry process goes."""

from __future__ import annotations

import cProfile
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prefect_parallel.entry.script import Script

_Returned = TypeVar("_Returned")


def profiled(script: Script, target: Path) -> Script:
    """A script whose `init` and `run` are profiled into one file, for `pstats` or snakeviz.

    The file is written anew after each call: a process that is killed leaves what it had.
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
