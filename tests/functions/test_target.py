"""What can run over mini-batches, and what of it entry processes get."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.flows import load_flow_from_entrypoint

import prefect_parallel
from prefect_parallel import parallel
from prefect_parallel.data import NO_DATASTORES, MiniBatchContext
from prefect_parallel.entry.function_file import FunctionHeader, load_entry
from prefect_parallel.entry.script import InvalidEntryScript
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.functions.call import pipeline_of
from prefect_parallel.functions.modules import modules_by_value
from prefect_parallel.functions.settings import RUN_OPTIONS, STEP_KEYS, Settings
from prefect_parallel.functions.target import LARGE_BYTES, CannotPickle, LargeFunction, Target
from prefect_parallel.job import ParallelStep, resolve
from prefect_parallel.job.settings.parallel_settings import SETTINGS
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.formats import format_for

LOCK = threading.Lock()

SOURCE = """
import functools
import json
NAMES = {"a", "b", "c", "d", "e"}
RATE = 2


class Rates:
    first = RATE

    @staticmethod
    def knows(name):
        return name in {"x", "y", "z"}

    @property
    def last(self):
        return self.first + 3

    def of(self, name):
        return self.last if self.knows(name) else 1


def helper(row, rates=Rates()):
    return rates.of(row) * RATE


def plus(one, other):
    return one + other


more = functools.partial(plus, 5)


def score(rows, scale=10):
    return [(json.dumps(row), more(helper(row)) * scale, row in NAMES) for row in rows]
"""


def _fingerprint(source: str, file: str = "score.py") -> str:
    """Of the function that a file defines, as a script's."""
    module = ModuleType("__main__")
    exec(compile(source, file, "exec"), module.__dict__)
    return _written(module.score).fingerprint


def _written(function: Any, folder: Path | None = None) -> FunctionHeader:
    file = (folder or Path(os.environ["PREFECT_HOME"])) / "score.function"
    Target(function).write(file)
    return FunctionHeader.of(file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* scale", "+ scale"),
        ("scale=10", "scale=11"),
        ("RATE = 2", "RATE = 3"),
        ('"e"}', '"f"}'),
        ('"z"}', '"w"}'),
        ("else 1", "else 0"),
        ("rates.of(row) * RATE", "rates.of(row)"),
        ("self.first + 3", "self.first + 4"),
        ("one + other", "one - other"),
        ("plus, 5", "plus, 6"),
    ],
)
def test_a_changed_function_has_another_fingerprint(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert _fingerprint(SOURCE) != _fingerprint(SOURCE.replace(old, new))


KINDS = """
import abc
import functools
import json
from typing import NamedTuple

import numpy as np


class Config(NamedTuple):
    depth: int

    def scaled(self):
        return self.depth * 3


class Vocabulary(dict):
    def has(self, name):
        return name in self or name == "m"


class Name(str):
    pass


class Names(set):
    pass


class Vector(np.ndarray):
    pass


class Slots:
    __slots__ = ("size",)


class Sized(Slots, abc.ABC):
    pass


@functools.wraps(json.dumps)
def written(row):
    return json.dumps(row, indent=5)


@functools.lru_cache
def cached(row):
    return row + 7


sized = Sized()
sized.size = 8
config, words, name, names = Config(9), Vocabulary(a=11), Name("n"), Names({"p", "q", "r"})
vector = np.full(2, 12).view(Vector)


def score(rows):
    own = config.scaled(), words.has("x"), name, names, vector, sized.size
    return [(written(row), cached(row), own) for row in rows]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* 3", "* 4"),
        ('== "m"', '== "k"'),
        ("indent=5", "indent=6"),
        ("row + 7", "row + 6"),
        ("functools.lru_cache", "functools.lru_cache(1)"),
        ("size = 8", "size = 7"),
        ("Config(9)", "Config(8)"),
        ("a=11", "a=12"),
        ('Name("n")', 'Name("m")'),
        ('"p"', '"s"'),
        ("full(2, 12)", "full(2, 13)"),
        ("words.has", "words.get"),
    ],
)
def test_a_changed_value_of_any_kind_gives_another_fingerprint(old: str, new: str) -> None:
    assert KINDS.count(old) == 1
    assert _fingerprint(KINDS) != _fingerprint(KINDS.replace(old, new))


def test_the_code_of_a_started_module_counts_even_if_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", pytest.__file__, raising=False)
    assert _fingerprint(SOURCE) != _fingerprint(SOURCE.replace("RATE = 2", "RATE = 3"))


def test_a_moved_function_has_the_same_fingerprint_in_any_process() -> None:
    printing = """
        from tests.functions.test_target import KINDS, SOURCE, _fingerprint
        print(*(_fingerprint("# moved" + each, "elsewhere.py") for each in (SOURCE, KINDS)))
    """
    printed = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(printing)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert printed == {f"{_fingerprint(SOURCE)} {_fingerprint(KINDS)}"}


def test_a_module_that_a_used_module_uses_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_rates.py").write_text("import own_numbers\ndef rate(): return own_numbers.ONE")

    def fingerprint(numbers: str) -> str:
        (tmp_path / "own_numbers.py").write_text(numbers)
        for name in ("own_rates", "own_numbers"):
            sys.modules.pop(name, None)
        return _fingerprint("import own_rates\ndef score(rows): return own_rates.rate()")

    assert fingerprint("ONE = 1") == fingerprint("ONE = 1") != fingerprint("ONE = 10")


def test_a_folder_that_is_named_like_this_package_is_not_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("own_jobs")
    module.__file__ = f"{Path(prefect_parallel.__file__).parent}_jobs/own_jobs.py"
    monkeypatch.setitem(sys.modules, "own_jobs", module)
    assert module in modules_by_value()


FLOW = """
import own_helper
from prefect import flow
import prefect_parallel
from prefect_parallel import parallel

def helper(row):
    return row + own_helper.ONE

@parallel
def score(rows):
    return [helper(row) for row in rows]

@flow
def nightly():
    return score
"""


def test_a_function_of_a_flow_that_a_worker_loads_goes_along_with_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_helper.py").write_text("ONE = 1")
    (tmp_path / "nightly.py").write_text(FLOW)
    nightly = load_flow_from_entrypoint(f"{tmp_path}/nightly.py:nightly")
    nightly.fn().target.write(tmp_path / "score.function")
    assert _printed_elsewhere(tmp_path / "score.function", "[1, 2]") == "[2, 3]\n"


def _printed_elsewhere(function: Path, mini_batch: str) -> str:
    """What a function returns in a process that cannot import the module that defines it."""
    loading = f"""
        from pathlib import Path
        from prefect_parallel.entry.function_file import load_entry
        script = load_entry(Path("."), {function.name!r})
        script.init()
        print(script.run({mini_batch}, None))
    """
    ended = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(loading)],
        cwd=function.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


BY_NAME = """
import abc
import functools
import threading

LOCK = threading.Lock()


class Scorer(abc.ABC):
    @abc.abstractmethod
    def of(self, row): ...


class Twice(Scorer):
    def of(self, row):
        return fibonacci(row) * 2

    def run(self, rows):
        return [self.of(row) for row in rows if not hasattr(row, "LOCK") or row.LOCK]


@functools.cache
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)
"""


def test_a_class_that_uses_abstract_and_cached_ones_and_names_of_globals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "by_name.py").write_text(BY_NAME)
    monkeypatch.syspath_prepend(str(tmp_path))
    Target(importlib.import_module("by_name").Twice).write(tmp_path / "twice.function")
    assert _printed_elsewhere(tmp_path / "twice.function", "[9, 10]") == "[68, 110]\n"


def test_what_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    def score(rows: list[Any]) -> list[Any]:
        with LOCK:
            return rows

    with pytest.raises(CannotPickle, match=r"score refers to LOCK, .*'_thread.lock'"):
        _written(score, tmp_path)
    assert not list(tmp_path.iterdir())


def test_large_data_is_named_with_its_size(tmp_path: Path) -> None:
    table = os.urandom(LARGE_BYTES)

    def score(rows: list[Any]) -> list[Any]:
        return [table[row] for row in rows]

    with pytest.warns(LargeFunction, match=r"it refers to table \(10.0 MB\)"):
        _written(score, tmp_path)


def generator(rows: Any) -> Iterator[Any]:
    yield rows


async def coroutine(rows: Any) -> Any:
    return rows


class WithoutCall:
    pass


@pytest.mark.parametrize(
    ("function", "settings", "message"),
    [
        (generator, {}, "generator is a generator function"),
        (coroutine, {}, "coroutine is an async function"),
        (lambda: [1], {}, "function takes no argument"),
        (WithoutCall, {}, "the class WithoutCall has no __call__ and no run"),
        (3, {}, "found a value of type int"),
        (len, {"mini_batch_siz": 3}, "mini_batch_siz: unknown setting"),
        (len, {"mini_batch_siz": 3}, "did you mean mini_batch_size?"),
        (len, {"task_run_seconds": -1}, "task_run_seconds: found the number -1"),
        (len, {"compute": 8}, "compute: found a value of type int"),
        (len, {"timeout": 0}, r"timeout: found the number 0\n    allowed: "),
        (len, {"allowed_failed_percent": 101}, "allowed_failed_percent: found the number 101"),
        (len, {"mini_batch_size": 0}, "mini_batch_size: found the number 0\n.*at least 1"),
        (len, {"mini_batch_size": True}, "mini_batch_size: found the boolean true"),
        (len, {"mini_batch_size": "10 parsecs"}, "mini_batch_size: found '10 parsecs'"),
    ],
)
def test_what_is_refused(function: Any, settings: Any, message: str) -> None:
    with pytest.raises(PrefectParallelError, match=message) as refused:
        parallel(function, **settings)
    # Its last frame is the first one in this package.
    assert len(refused.traceback) == 2


def test_arguments_that_a_constructor_does_not_take_are_refused() -> None:
    with pytest.raises(PrefectParallelError, match="missing a required argument"):
        parallel(Model)()


@pytest.mark.parametrize("keys", [["store"], ("store", "brand")])
def test_partition_keys_reach_the_step(tmp_path: Path, keys: Sequence[str]) -> None:
    function = parallel(Model, partition_keys=keys)("name")
    frame = pd.DataFrame({"store": [1], "brand": [2]})
    run = RunDirectory(tmp_path / "run")
    job = pipeline_of(function.target, function.settings, frame, run, ".csv", NO_DATASTORES)
    (step,) = resolve(job).steps.values()
    assert isinstance(step, ParallelStep)
    assert list(step.partition_keys) == list(keys)


def test_all_settings_of_a_step_are_settings_of_a_function() -> None:
    assert set(Settings.__annotations__) == {*SETTINGS, *STEP_KEYS, *RUN_OPTIONS}


class Model:
    def __init__(self, name: str) -> None:
        self.calls = [f"__init__ {name}"]

    def init(self) -> None:
        self.calls.append("init")

    def __enter__(self) -> None:
        self.calls.append("__enter__")

    def run(self, items: list[Any], context: MiniBatchContext) -> list[Any]:
        self.calls.append(f"run {items} {context.mini_batch_index}")
        return self.calls

    def __exit__(self, *_: object) -> None:
        self.calls.append("__exit__")


def test_a_class_is_made_and_ended_in_each_process(tmp_path: Path) -> None:
    Target(Model, (), {"name": "m"}).write(tmp_path / "model.function")
    script = load_entry(tmp_path, "model.function")
    script.init()
    calls = script.run(["a"], MiniBatchContext(mini_batch_index=3))
    script.shutdown()
    assert calls == ["__init__ m", "init", "__enter__", "run ['a'] 3", "__exit__"]


def test_a_second_argument_with_a_default_is_not_the_context(tmp_path: Path) -> None:
    def option(rows: list[Any], reverse: bool = False) -> list[Any]:
        return [type(reverse).__name__]

    def named(rows: list[Any], mini_batch_context: Any = None) -> list[Any]:
        return [type(mini_batch_context).__name__]

    def annotated(rows: list[Any], about: MiniBatchContext | None = None) -> list[Any]:
        return [type(about).__name__]

    found = []
    for function in (option, named, annotated):
        _written(function, tmp_path)
        found += load_entry(tmp_path, "score.function").run([1], MiniBatchContext())
    assert found == ["bool", "MiniBatchContext", "MiniBatchContext"]


def test_integers_of_an_arrow_table_stay_integers_beside_a_null(tmp_path: Path) -> None:
    def score(rows: list[Any]) -> pa.Table:
        return pa.table({"id": pa.array(rows)})

    _written(score, tmp_path)
    rows = [2**60 + 1, None]
    returned: Any = load_entry(tmp_path, "score.function").run(rows, MiniBatchContext())
    payload = format_for("out.parquet").encode_frame(returned).payload
    assert pq.read_table(pa.BufferReader(payload)) == pa.table({"id": pa.array(rows, pa.int64())})


def test_another_version_of_python_is_refused(tmp_path: Path) -> None:
    FunctionHeader("score", "", python="2.7").write(tmp_path / "score.function", b"")
    with pytest.raises(InvalidEntryScript, match=r"score was pickled with Python 2.7; this is"):
        load_entry(tmp_path, "score.function")
