"""Tracebacks that end where the user's code calls this package."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect_parallel.errors import PrefectParallelError

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")


def cut_tracebacks(function: Callable[_Parameters, _Returned]) -> Callable[_Parameters, _Returned]:
    """Raise the errors of this package without its frames: their messages are for users."""

    @functools.wraps(function)
    def cutting(*arguments: _Parameters.args, **keywords: _Parameters.kwargs) -> _Returned:
        try:
            return function(*arguments, **keywords)
        except PrefectParallelError as error:
            raise error.with_traceback(None) from None

    return cutting
