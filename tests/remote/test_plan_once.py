"""A remote folder is listed once for each planning, and a file that must be read whole is, once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
import yaml

from prefect_parallel.data import ByKeys, BySize, plan
from tests.remote.conftest import Store
from tests.remote.counting_proxy import CountingProxy
from tests.remote.test_runs import run, write_job

HERE = "azureml://datastores/store/paths/"
CSV = b"k,x\n" + b"".join(b'%d,"a\n%d"\n' % (number % 3, number) for number in range(2000))
FILES = {f"d={number % 2}/{number}.csv": CSV for number in range(5)}
SCRIPT = """
import os
def init(): ...
def run(paths): return [os.path.basename(path) for path in paths]
"""
PATHS: dict[str, Any] = {"paths": [{"pattern": "./**/*.csv"}]}


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[CountingProxy]:
    found = CountingProxy(s3_endpoint)
    yield found
    found.close()


@pytest.fixture
def counted(proxy: CountingProxy) -> Store:
    options = {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": proxy.url}}
    bucket = f"bucket-{uuid4().hex}"
    fsspec.filesystem("s3", **options).mkdir(bucket)
    store = Store(f"s3://{bucket}/data", options)
    for name, content in FILES.items():
        store.write(name, content)
    return store


def table(*transformations: Any) -> dict[str, Any]:
    quoted = {"read_delimited": {"support_multi_line": True}}
    return {**PATHS, "transformations": [quoted, *transformations]}


@pytest.mark.parametrize(
    ("mltable", "split"),
    [
        (None, BySize(1)),
        (PATHS, BySize(1)),
        ({"paths": [{"folder": "./"}]}, BySize(1)),
        ({**PATHS, "transformations": [{"take": 3}]}, BySize(1)),
        (table(), BySize(5000)),
        (table({"take": 7000}), BySize(5000)),
        (table(), ByKeys(("k",))),
    ],
    ids=["folder", "pattern", "folder of MLTable", "some files", "table", "take", "by key"],
)
def test_a_folder_is_listed_once(
    counted: Store, proxy: CountingProxy, mltable: Mapping[str, Any] | None, split: BySize | ByKeys
) -> None:
    if mltable is not None:
        counted.write("MLTable", yaml.safe_dump(mltable).encode())
    proxy.counts.clear()
    made = plan(
        HERE,
        type="uri_folder" if mltable is None else "mltable",
        mode=None,
        split=split,
        datastores=counted.datastores,
    )
    assert len(list(made.mini_batches)) >= 3
    assert proxy.counts["list"] == 1


def test_quoted_text_is_read_once_to_be_cut(counted: Store, tmp_path: Path) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([["n", "text"], *([n, "some\ntext " * 20] for n in range(100_000))])
    (tmp_path / "big.csv").write_text(rows.getvalue())
    mltable = {"paths": [{"file": "./big.csv"}], "transformations": table()["transformations"]}
    (tmp_path / "MLTable").write_text(yaml.safe_dump(mltable))
    size = (tmp_path / "big.csv").stat().st_size
    assert size > 20_000_000
    before = bytes_read()
    made = plan(str(tmp_path), type="mltable", mode=None, split=BySize(1_000_000))
    assert len(list(made.mini_batches)) > 15
    # The head of the file is looked at, too.
    assert bytes_read() - before < 1.3 * size


def bytes_read() -> int:
    """What this process has read so far, from files and from whatever else."""
    fields = Path("/proc/self/io").read_text().split()
    return int(fields[fields.index("rchar:") + 1])


def test_a_run_lists_its_input_to_check_it_and_to_plan(
    counted: Store, proxy: CountingProxy, tmp_path: Path, server: str
) -> None:
    it = write_job(tmp_path, server, counted)
    job = yaml.safe_load(it.file.read_text())
    del job["jobs"]["look"]
    job["jobs"]["step"]["inputs"] = {"files": {"type": "uri_folder", "path": f"{HERE}pictures"}}
    job["jobs"]["step"]["task"]["program_arguments"] = ""
    it.file.write_text(yaml.safe_dump(job))
    script = (
        "import os\ndef init(): ...\ndef run(paths): return [os.path.basename(p) for p in paths]"
    )
    (it.folder / "code" / "script.py").write_text(script)
    for number in range(6):
        counted.write(f"pictures/{number}", b"")
    for arguments in (("--name", "run"), ("--resume", "run")):
        proxy.counts.clear()
        run(it, *arguments)
        assert it.output.read_text().split() == list("012345")
        assert proxy.counts["list"] == 2
