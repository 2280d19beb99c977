"""`parallel`: a Python function over data, in many processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from prefect_parallel.functions.ahead import start_fork_server
from prefect_parallel.functions.settings import (
    DEFAULTS,
    Settings,
    check_settings,
    run_options,
)
from prefect_parallel.functions.target import Target
from prefect_parallel.functions.traceback_cut import cut_tracebacks
from prefect_parallel.gc_pause import gc_paused

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from prefect_parallel.flow.deployable_flow import DeployableFlow
    from prefect_parallel.flow.run_options import RunOptions
    from prefect_parallel.functions.result import ParallelResult


class ParallelFunction:
    """A function that runs over mini-batches of data, made by `parallel`.

    Attributes:
        target: The function, or the class with its constructor's arguments.
        settings: The settings that were given.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        self.target = target
        self.settings = settings
        self.__name__ = target.name
        self.__module__ = target.definition.__module__
        self.__doc__ = target.definition.__doc__

    @cut_tracebacks
    def __call__(
        self,
        data: Any,
        *,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        name: str | None = None,
        resume: str | None = None,
        first: int | None = None,
        sample: int | None = None,
        only: str | None = None,
        output_dir: str | os.PathLike[str] = "runs",
    ) -> ParallelResult:
        """Run the function over data, and wait for it to end.

        In a Prefect flow, the run is a subflow of it. Elsewhere, a Prefect server is started if
        none is configured, and the progress is shown.

        Args:
            data: What is split into mini-batches: a path, URL, DataFrame or items; Prefect's
                future of it, or a list with some.
            output: The file or URL for what the function returns. Its extension decides the
                format: `.parquet`, `.jsonl`, else CSV or lines of text.
            overwrite: Whether the output may replace a file.
            name: Name of the run directory. Defaults to the function's name and the time.
            resume: Resume the run of this name or directory: only what is missing or has changed
                is run.
            first: Try so many mini-batches from the beginning; `resume` runs the others.
            sample: Try so many mini-batches, spread evenly over the data.
            only: Run only the mini-batches with these indexes, e.g. `3,17-20`.
            output_dir: The folder of run directories, or its URL.

        Raises:
            InvalidCall: More than one of `first`, `sample` and `only` is given, or is not allowed.
            ParallelFailed: More has failed than the thresholds allow, or the run was canceled.
            CannotPickle: The function refers to something that cannot be sent to a process.
            InvalidInput: The data is missing, empty, or cannot be split.
            InvalidOutput: The output exists, cannot be written, or its extension is missing or of
                another format.
            UnknownCompute: `compute` is a name without a Compute block.
        """
        if "compute" not in self.settings:
            start_fork_server()
        with gc_paused():
            from prefect_parallel.flow.run.selection import Selection
            from prefect_parallel.functions.call import Call
            from prefect_parallel.functions.output_file import OutputFile

        selection = Selection(first, sample, only)
        options = self._run_options(output_dir, name, resume, selection=selection)
        written = OutputFile.of(output, overwrite=overwrite, datastores=options.datastores)
        return Call(self.target, self.settings, data, written, options).run()

    async def aio(self, data: Any, **options: Any) -> ParallelResult:
        """Like a call, without blocking the event loop; arguments as for a call."""
        return await asyncio.to_thread(self, data, **options)

    @cut_tracebacks
    def as_flow(
        self,
        data: Any,
        *,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        output_dir: str | os.PathLike[str] = "runs",
        **flow_options: Any,
    ) -> DeployableFlow[ParallelResult]:
        """A Prefect flow that calls the function, to be served, deployed and scheduled.

        Its parameters are `data`, `output` and `overwrite`, with these values as defaults. A
        retry of its flow run runs only what is missing. Prefect loads a served or deployed flow
        by file and name: assign it at the top level of a file.

        Args:
            data: As for a call, but not a DataFrame, table or generator.
            output: As for a call.
            overwrite: As for a call.
            output_dir: As for a call.
            flow_options: Arguments of `prefect.flow`: `name`, `retries`, `retry_delay_seconds`,
                `flow_run_name`, `on_failure`, `on_completion` and so on.

        Raises:
            InvalidFlowData: The data is in memory, and cannot be a parameter of a flow.

        Example:
            ```python
            nightly = score.as_flow(
                "sales/*.parquet", output="scores.parquet", overwrite=True, retries=2
            )

            if __name__ == "__main__":
                nightly.serve(cron="0 3 * * *", tags=["scores"])
            ```
        """
        from prefect_parallel.functions.as_flow import flow_of_function

        options = self._run_options(output_dir)
        parameters = data, None if output is None else os.fspath(output), overwrite
        return flow_of_function(self.target, self.settings, options, parameters, flow_options)

    @cut_tracebacks
    def debug(
        self, data: Any, *, mini_batch: int = 0, item: int | None = None, pdb: bool = True
    ) -> Any:
        """Run one mini-batch, or one item of it, in this process.

        An exception starts the debugger, and is raised.

        Args:
            data: As for a call.
            mini_batch: Index of the mini-batch, as in `ParallelResult.failed`.
            item: The only item of it to run, as in `ParallelResult.failed_items`; None: all.
            pdb: Whether an exception starts the debugger.

        Returns:
            What the function returns.

        Raises:
            InvalidInput: The data cannot be split, or has no such mini-batch or item.
        """
        from prefect_parallel.functions.debug import debug

        return debug(self.target, self.settings, data, mini_batch, item, use_pdb=pdb)

    @cut_tracebacks
    def with_options(self, **settings: Unpack[Settings]) -> ParallelFunction:
        """The same function with other settings.

        Raises:
            InvalidSettings: A setting is not known, or a value is not allowed.
        """
        check_settings(settings)
        return type(self)(self.target, {**self.settings, **settings})

    def _run_options(
        self,
        output_dir: str | os.PathLike[str],
        name: str | None = None,
        resume: str | None = None,
        **others: Any,
    ) -> RunOptions:
        from prefect_parallel.data import NO_DATASTORES
        from prefect_parallel.flow.run_options import RunOptions
        from prefect_parallel.flow.server.block_datastores import with_blocks

        known = with_blocks(NO_DATASTORES)
        others |= {"datastores": known, "strict": True, **run_options(self.settings)}
        return RunOptions.named(os.fspath(output_dir), name, resume, **others)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"<ParallelFunction {self.__name__}({settings})>"


class ParallelClass(ParallelFunction):
    """A class whose instances run over mini-batches; called with its constructor's arguments."""

    @cut_tracebacks
    def __call__(self, *arguments: Any, **keywords: Any) -> ParallelFunction:  # type: ignore[override]
        """The class with these arguments; each process makes an instance with them.

        Raises:
            InvalidFunction: The constructor does not take these arguments.
        """
        return ParallelFunction(self.target.bound(arguments, keywords), self.settings)


@overload
def parallel(function: type, /, **settings: Unpack[Settings]) -> ParallelClass: ...


@overload
def parallel(function: Callable[..., Any], /, **settings: Unpack[Settings]) -> ParallelFunction: ...


@overload
def parallel(
    function: None = None, /, **settings: Unpack[Settings]
) -> Callable[[Callable[..., Any]], Any]: ...


@cut_tracebacks
def parallel(function: Any = None, /, **settings: Unpack[Settings]) -> Any:
    """Make a function, or a class, run over data in many processes.

    The function gets a mini-batch: of a table, a DataFrame or, if its first argument is annotated
    so, a `pyarrow.Table` or a `list` of dicts; a list of paths of files; or a list of items. It
    returns a DataFrame or a list, with a row or an element for each item. It may take a
    `MiniBatchContext` as a second argument.

    A class loads a model once in each process: in `__init__`, then `init()` if there is one.
    `__call__` or `run` gets each mini-batch; `shutdown`, `close` or `__exit__` is called at the
    end. Call the class with the constructor's arguments first: `Scorer("model.pkl")(data)`.

    Args:
        function: The function or class. Without it, `parallel` returns a decorator.
        settings: Settings of a parallel step by their names, as in YAML; `compute`, the name of a
            Compute block, a `Compute` or a Dask client; `task_run_seconds`; and `reuse` (the
            results of earlier runs, or the name of one) with `reuse_by` (`time` or `content`).

    Raises:
        InvalidSettings: A setting is not known, or a value is not allowed.
        InvalidFunction: It is a generator or async function, or takes no argument.
        InvalidCompute: `compute` is something else.
        NoCluster: The Dask client is closed, or its workers are threads of this process.

    Example:
        ```python
        import pandas as pd

        from prefect_parallel import parallel


        @parallel(mini_batch_size="4mb", timeout=60, max_retries=2)
        def score(rows: pd.DataFrame) -> pd.DataFrame:
            return rows.assign(total=rows.price * rows.quantity)


        result = score("sales/*.parquet", output="scores.parquet")
        ```
    """
    check_settings(settings)
    if function is None:
        return lambda function: parallel(function, **settings)
    kind = ParallelClass if isinstance(function, type) else ParallelFunction
    return kind(Target(function), {**DEFAULTS, **settings})
