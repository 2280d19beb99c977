"""The work of the data plane's benchmark: rows of ten numbers, a small model, a script."""

from __future__ import annotations

import pickle
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import yaml
from sklearn.linear_model import LogisticRegression

COLUMNS = [f"x{number}" for number in range(10)]
ROWS_AT_A_TIME = 50_000
BYTES_OF_A_CSV_ROW = 190

READS = {"csv": "read_delimited", "parquet": "read_parquet", "jsonl": "read_json_lines"}

SCRIPT = """
    import pickle, sys
    import pandas as pd

    def init():
        global model
        with open(sys.argv[sys.argv.index("--model") + 1], "rb") as file:
            model = pickle.load(file)

    def run(mini_batch):
        return pd.DataFrame({"prediction": model.predict_proba(mini_batch)[:, 1]})
"""


def frames(megabytes: int) -> Iterator[pd.DataFrame]:
    """Rows that are about so many megabytes as CSV."""
    rows = megabytes * 10**6 // BYTES_OF_A_CSV_ROW
    for seed, start in enumerate(range(0, rows, ROWS_AT_A_TIME)):
        count = min(ROWS_AT_A_TIME, rows - start)
        values = np.random.default_rng(seed).normal(size=(count, len(COLUMNS)))
        yield pd.DataFrame(values, columns=COLUMNS)


def make(folder: Path, format_: str, megabytes: int) -> None:
    """Writes the data, its MLTable, the model, the code and the pipeline, unless they are there."""
    table = folder / f"{format_}-{megabytes}"
    data = table / f"data.{format_}"
    if not data.exists():
        table.mkdir(parents=True, exist_ok=True)
        temporary = data.with_suffix(".tmp")
        _write(temporary, format_, megabytes)
        temporary.rename(data)
    mltable = {"paths": [{"file": f"./{data.name}"}], "transformations": [{READS[format_]: {}}]}
    (table / "MLTable").write_text(yaml.safe_dump(mltable))
    first = next(frames(1))
    model = LogisticRegression().fit(first, first["x0"] > first["x1"])
    (folder / "model.pickle").write_bytes(pickle.dumps(model))
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(textwrap.dedent(SCRIPT))


def _write(path: Path, format_: str, megabytes: int) -> None:
    schema = pa.schema([(name, pa.float64()) for name in COLUMNS])
    if format_ == "csv":
        with pyarrow.csv.CSVWriter(path, schema) as csv:
            for frame in frames(megabytes):
                csv.write_table(pa.Table.from_pandas(frame, schema))
    elif format_ == "parquet":
        with pq.ParquetWriter(path, schema) as parquet:
            for frame in frames(megabytes):
                # The row groups that most writers make.
                parquet.write_table(pa.Table.from_pandas(frame, schema))
    else:
        with path.open("w") as lines:
            for frame in frames(megabytes):
                lines.write(frame.to_json(orient="records", lines=True, double_precision=15))


def write_pipeline(folder: Path, format_: str, megabytes: int, size: str, slots: int) -> Path:
    step = {
        "type": "parallel",
        "inputs": {
            "rows": {"type": "mltable", "path": f"./{format_}-{megabytes}", "mode": "direct"},
            "model": {"type": "uri_file", "path": "./model.pickle"},
        },
        "outputs": {"scores": {"type": "uri_file"}},
        "input_data": "${{inputs.rows}}",
        "mini_batch_size": size,
        "resources": {"instance_count": 1},
        "max_concurrency_per_instance": slots,
        "task": {
            "type": "run_function",
            "code": "./code",
            "entry_script": "score.py",
            "environment": "azureml:any:1",
            "program_arguments": "--model ${{inputs.model}}",
            "append_row_to": "${{outputs.scores}}",
        },
    }
    file = folder / f"pipeline-{format_}.yml"
    file.write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"score": step}}))
    return file
