"""Fuzzing: what nobody would write, for some seconds each, or `--fuzz-minutes`."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

CPU_SECONDS = 10.0
"""For one example, which takes half a second at most, or several while coverage is measured; what
grows with more than the length of a text takes minutes."""

EXAMPLES = 200

MEMORY_KIB = 600 * 1024
"""How much the process may grow: what pyarrow loads, and no more."""

T = TypeVar("T")
Fuzz = Callable[[st.SearchStrategy[T], Callable[[T], object]], None]

CHARACTERS = st.characters(exclude_categories=["Cs"])


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz[Any]:
    """`fuzz(strategy, check)`: the same examples each time, and more the longer it goes on."""
    until = time.monotonic() + 60 * request.config.getoption("--fuzz-minutes")

    def run(strategy: st.SearchStrategy[T], check: Callable[[T], object]) -> None:
        def within_time(example: T) -> None:
            started = time.process_time()
            check(example)
            assert time.process_time() - started < CPU_SECONDS

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in itertools.count():
            rules = settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            rules(seed(number)(given(strategy)(within_time)))()
            if time.monotonic() >= until:
                break
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < MEMORY_KIB, f"the process grew by {grown} KiB"

    return run


def mutated(seeds: list[str], tokens: list[str]) -> st.SearchStrategy[str]:
    """A text with parts cut out, doubled, moved, or put in: some of many, some many times over."""
    pieces = st.one_of(
        st.sampled_from(tokens),
        st.text(CHARACTERS, max_size=5),
        st.builds(str.__mul__, st.sampled_from(tokens), st.integers(2, 3000)),
    )
    place = st.floats(0, 1)
    edit = st.tuples(st.sampled_from(["cut", "put", "double"]), place, place, pieces)
    return st.builds(_mutate, st.sampled_from(seeds), st.lists(edit, min_size=1, max_size=4))


def _mutate(text: str, edits: list[tuple[str, float, float, str]]) -> str:
    for kind, first, second, piece in edits:
        start, stop = sorted((int(first * len(text)), int(second * len(text))))
        stop = min(stop, start + 40)
        if kind == "cut":
            text = text[:start] + text[stop:]
        elif kind == "double":
            text = text[:stop] + text[start:stop] + text[stop:]
        else:
            text = text[:start] + piece + text[start:]
    return text
