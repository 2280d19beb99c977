"""Ways to score a table: this package's, and what it is held against."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from prefect_parallel.data import BySize, Plan, plan
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.pool import EntryPool
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.aggregate import aggregate
from prefect_parallel.output.formats import Parts, format_for
from prefect_parallel.output.totals import count, records
from tests.benchmarks.scoring import COLUMNS, write_pipeline


@dataclass(frozen=True)
class Work:
    """What is to be scored.

    Attributes:
        folder: With the data, the model and the code.
        size: Of a mini-batch.
        slots: Processes at a time.
        work: An empty folder, for what comes out.
    """

    folder: Path
    format: str
    megabytes: int
    size: str
    slots: int
    work: Path

    @property
    def table(self) -> Path:
        return self.folder / f"{self.format}-{self.megabytes}"

    @property
    def data(self) -> Path:
        return self.table / f"data.{self.format}"

    @property
    def model(self) -> Path:
        return self.folder / "model.pickle"

    def ranges(self) -> list[tuple[int, int]]:
        """Of bytes or rows: those of the mini-batches of a run."""
        made = plan(str(self.table), type="mltable", mode="direct", split=BySize.parse(self.size))
        pieces = [mini_batch.pieces[0] for mini_batch in made.mini_batches]
        return [(piece.start, piece.stop or 0) for piece in pieces]


def bare(work: Work) -> None:
    """The limit: a pool reads ranges with Arrow, predicts, writes parts; then they are joined."""
    ranges = work.ranges()
    parts = [work.work / f"{number:06}" for number in range(len(ranges))]
    tasks = [(work, *range_, part) for range_, part in zip(ranges, parts, strict=True)]
    with multiprocessing.get_context("spawn").Pool(work.slots, _load_model, [work.model]) as pool:
        pool.starmap(_score_range, tasks, chunksize=1)
    _join(parts, work.work / "scores")


def _join(parts: list[Path], target: Path) -> None:
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, joined)


_model: Any = None


def _load_model(path: Path) -> None:
    global _model
    pa.set_cpu_count(1)
    _model = pickle.loads(path.read_bytes())


def _score_range(work: Work, start: int, stop: int, part: Path) -> None:
    frame = _read_range(work, start, stop)
    _scores(_model, frame).to_csv(part, index=False, header=False)


def _read_range(work: Work, start: int, stop: int) -> pd.DataFrame:
    if work.format == "parquet":
        with pq.ParquetFile(work.data) as file:
            group, first = 0, 0
            while first + file.metadata.row_group(group).num_rows <= start:
                first += file.metadata.row_group(group).num_rows
                group += 1
            table = file.read_row_group(group, use_threads=False)
        frame: pd.DataFrame = table.slice(start - first, stop - start).to_pandas()
        return frame
    with work.data.open("rb") as file:
        file.seek(start)
        data = io.BytesIO(file.read(stop - start))
    if work.format == "jsonl":
        options = pyarrow.json.ReadOptions(use_threads=False)
        frame = pyarrow.json.read_json(data, options).to_pandas()
    else:
        names = pyarrow.csv.ReadOptions(use_threads=False, column_names=COLUMNS)
        frame = pyarrow.csv.read_csv(data, names).to_pandas()
    return frame


def entry_config(
    step: Path,
    code: Path,
    entry_script: str,
    arguments: tuple[str, ...],
    reader: dict[str, Any],
    *,
    output_file: str | None = None,
    slots: int = 1,
    prefetch: bool = False,
    isolates_failed_items: bool = False,
) -> EntryConfig:
    """The configuration of a node, by default with one slot that only counts what is returned."""
    return EntryConfig(
        step_directory=str(step),
        code=str(code),
        entry_script=entry_script,
        arguments=arguments,
        environment_variables={},
        environment_templates={},
        environment=None,
        image=None,
        logging_level="INFO",
        input_name="rows",
        reader=reader,
        datastores={},
        fetch=(),
        folder_outputs=(),
        output_file=output_file,
        delimiter=",",
        checks_item_count=True,
        slots=slots,
        gpus=None,
        timeout=60,
        task_overhead_timeout=60,
        first_task_creation_timeout=60,
        resource_monitor_interval=0,
        profiles=False,
        prefetch=prefetch,
        max_mini_batches_per_process=None,
        max_process_memory=None,
        fingerprint="",
        isolates_failed_items=isolates_failed_items,
        error_threshold=-1,
        packages="",
    )


def entry_processes(work: Work) -> None:
    """Entry processes alone: no Prefect, no Dask."""
    made = plan(str(work.table), type="mltable", mode="direct", split=BySize.parse(work.size))
    run_entry_processes(
        made,
        work.work,
        code=work.folder / "code",
        script="score.py",
        arguments=("--model", str(work.model)),
        output="scores",
        slots=work.slots,
    )


def run_entry_processes(
    made: Plan,
    folder: Path,
    *,
    code: Path,
    script: str,
    arguments: tuple[str, ...],
    output: str,
    slots: int,
) -> None:
    """Run the mini-batches of a plan in a pool, and join their parts to `output` in the folder."""
    directory = StepDirectory(folder)
    directory.parts.mkdir(parents=True)
    config = entry_config(
        folder, code, script, arguments, made.reader, output_file=output, slots=slots
    )
    pool = EntryPool(config, "node-0")
    mini_batches = list(made.mini_batches)
    with ThreadPoolExecutor(slots) as threads:
        ran = list(threads.map(lambda mini_batch: pool.run(mini_batch, 1), mini_batches))
    pool.close()
    assert all(record.error is None for record in ran), ran[0].error
    parts = Parts(directory, len(mini_batches))
    returns = count(records(directory, len(mini_batches))).returns
    aggregate(parts, returns, folder / output, format_for(output), header=False)


def whole_run(work: Work) -> None:
    """`prefect-parallel run`, on the server that `PREFECT_API_URL` names."""
    args = (work.format, work.megabytes, work.size, work.slots)
    file = write_pipeline(work.folder, *args)
    command = [sys.executable, "-m", "prefect_parallel.cli", "run", str(file)]
    command += ["--output-dir", str(work.work), "--name", "run"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    scores = work.work / "run" / "steps" / "score" / "outputs" / "scores"
    shutil.copyfile(scores, work.work / "scores")


def dask_dataframe(work: Work) -> None:
    """Dask DataFrame's map_partitions, on as many worker processes."""
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    size = BySize.parse(work.size).bytes
    with (
        LocalCluster(n_workers=work.slots, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        if work.format == "parquet":
            frame = dd.read_parquet(work.data)
        elif work.format == "jsonl":
            frame = dd.read_json(work.data, lines=True, blocksize=size)
        else:
            frame = dd.read_csv(work.data, blocksize=size)
        scores = frame.map_partitions(
            _score_frame, work.model, meta={"prediction": "float64"}, enforce_metadata=False
        )
        parts = scores.to_csv(str(work.work / "*.part"), index=False, header=False)
    _join([Path(part) for part in parts], work.work / "scores")


_loaded: dict[Path, Any] = {}


def _score_frame(frame: pd.DataFrame, model: Path) -> pd.DataFrame:
    if model not in _loaded:
        _loaded[model] = pickle.loads(model.read_bytes())
    return _scores(_loaded[model], frame[COLUMNS])


def _scores(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    scores: pd.DataFrame = pd.DataFrame({"prediction": model.predict_proba(frame)[:, 1]})
    return scores


def ray_data(work: Work) -> None:
    """Ray Data's map_batches, on a pool of as many actors."""
    import ray

    class Scorer:
        def __init__(self) -> None:
            self.model = pickle.loads(work.model.read_bytes())

        def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
            return _scores(self.model, frame)

    ray.init(num_cpus=work.slots, include_dashboard=False, log_to_driver=False)
    read = {
        "csv": ray.data.read_csv,
        "parquet": ray.data.read_parquet,
        "jsonl": ray.data.read_json,
    }[work.format]
    scores = read(str(work.data)).map_batches(
        Scorer, batch_format="pandas", concurrency=work.slots, num_cpus=0.5
    )
    with tempfile.TemporaryDirectory(dir=work.work) as parts:
        scores.write_csv(parts)
    ray.shutdown()


WAYS: dict[str, Callable[[Work], None]] = {
    "bare limit": bare,
    "entry processes": entry_processes,
    "prefect-parallel run": whole_run,
    "Dask DataFrame": dask_dataframe,
    "Ray Data": ray_data,
}
