"""Remote tables and lists of files give the same results as local ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from prefect_parallel import load_files, load_table
from prefect_parallel.data import (
    BySize,
    Datastores,
    FileCache,
    describe_data,
    open_reader,
    plan,
)
from prefect_parallel.data.locations.datastores import Asset
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch
from tests.remote.conftest import Store
from tests.remote.http_server import HttpServer

HERE = "azureml://datastores/store/paths"
FRAME = pd.DataFrame({"number": range(5000), "text": [f"ü{n}" for n in range(5000)]})


def write_table(folder: Path, read: str, files: list[str]) -> None:
    """A table of some files, each with all rows, in folders with awkward names."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if read == "read_parquet":
            FRAME.to_parquet(path, row_group_size=700)
        elif read == "read_json_lines":
            FRAME.to_json(path, orient="records", lines=True)
        else:
            FRAME.to_csv(path, index=False)
    table = {"paths": [{"pattern": "./**/part *"}], "transformations": [{read: {}}]}
    (folder / "MLTable").write_text(yaml.safe_dump(table))


@pytest.mark.parametrize("read", ["read_delimited", "read_parquet", "read_json_lines"])
def test_a_table_is_the_same_whole_and_split(store: Store, tmp_path: Path, read: str) -> None:
    write_table(tmp_path, read, ["part 2", "part 10", "a b/part ü", "a b/c/part 1", "a.b/part 1"])
    store.upload(tmp_path)
    expected = load_table(str(tmp_path)).to_pandas()
    table = load_table(f"{HERE}/", store.datastores)
    pd.testing.assert_frame_equal(table.to_pandas(), expected)
    split = [frame for _, frame in table.mini_batches("10kb")]
    assert len(split) > 10
    pd.testing.assert_frame_equal(pd.concat(split, ignore_index=True), expected)


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_table_without_an_mltable_file(store: Store, tmp_path: Path, name: str) -> None:
    read = "read_delimited" if name == "csv" else "read_parquet"
    write_table(tmp_path / "up", read, [f"a.{name}", f"b c/d.{name}", f".hidden/e.{name}"])
    (tmp_path / "up" / "MLTable").unlink()
    store.upload(tmp_path / "up")
    for data, files in {
        f"{HERE}/a.{name}": 1,
        HERE: 2,
        f"{HERE}/*/d.{name}": 1,
        f"{HERE}/**/?.{name}": 2,
        (f"{HERE}/a.{name}", f"{HERE}/b c"): 2,
    }.items():
        given = list(data) if isinstance(data, tuple) else data
        described = describe_data(given, tmp_path / "spool", datastores=store.datastores)
        planned = plan(
            described.path,
            type=described.type,
            mode=described.mode,
            split=BySize.parse("3000 rows"),
            input_format=described.input_format,
            datastores=store.datastores,
        )
        reader = open_reader(planned.reader, store.datastores)
        frames = [reader.read(each) for each in planned.mini_batches]
        assert [len(frame) for frame in frames] == [3000, 2000] * files
        joined = pd.concat(frames, ignore_index=True)
        pd.testing.assert_frame_equal(joined, pd.concat([FRAME] * files, ignore_index=True))
    with pytest.raises(InvalidInput, match="no such file or folder"):
        describe_data(f"{HERE}/nothing.{name}", tmp_path / "spool", datastores=store.datastores)
    with pytest.raises(InvalidInput, match="no file matches"):
        describe_data(f"{HERE}/nothing*", tmp_path / "spool", datastores=store.datastores)


def test_a_delta_table(s3: Store, tmp_path: Path) -> None:
    import deltalake

    deltalake.write_deltalake(str(tmp_path / "delta"), FRAME, partition_by=None)
    table = {"paths": [{"folder": "./delta"}], "transformations": ["read_delta_lake"]}
    (tmp_path / "MLTable").write_text(yaml.safe_dump(table))
    s3.upload(tmp_path)
    found = load_table(HERE, s3.datastores).to_pandas()
    pd.testing.assert_frame_equal(found, load_table(str(tmp_path)).to_pandas())


def test_a_local_mltable_of_remote_files(s3: Store, tmp_path: Path) -> None:
    s3.write("a.csv", b"x\n1\n")
    long = "azureml://subscriptions/1/resourcegroups/2/workspaces/3/datastores/store/paths/a.csv"
    (tmp_path / "b.csv").write_bytes(b"x\n2\n")
    paths = [{"file": long}, {"file": "b.csv"}, {"pattern": f"{HERE}/*.csv"}]
    table = {"paths": paths, "transformations": ["read_delimited"]}
    (tmp_path / "MLTable").write_text(yaml.safe_dump(table))
    assert load_table(str(tmp_path), s3.datastores).to_pandas()["x"].tolist() == [1, 2, 1]
    assets = {"numbers": {"9": Asset("mltable", "gone"), "10": Asset("mltable", str(tmp_path))}}
    known = Datastores(s3.datastores.stores, assets)
    for name in ("azureml:numbers@latest", "azureml:numbers:10"):
        assert load_table(name, known).to_pandas()["x"].tolist() == [1, 2, 1]


def test_files_are_copied_once_and_direct_mode_passes_urls(store: Store, tmp_path: Path) -> None:
    for name in ("cats/1.png", "cats/2.png", "dogs/1.png", ".hidden"):
        store.write(name, name.encode())
    assert load_files(HERE, store.datastores).paths()[0] == f"{HERE}/cats/1.png"
    store.write("MLTable", b"not read")

    def read(mode: str) -> list[str]:
        made = plan(HERE, type="uri_folder", mode=mode, split=BySize(), datastores=store.datastores)
        reader = open_reader(made.reader, store.datastores, FileCache(tmp_path / "fetched"))
        ((mini_batch),) = made.mini_batches
        return reader.read(mini_batch)  # type: ignore[return-value]

    assert read("direct") == [f"{HERE}/{n}" for n in ("cats/1.png", "cats/2.png", "dogs/1.png")]
    copies = [Path(path) for path in read("ro_mount")]
    assert [path.read_text() for path in copies] == ["cats/1.png", "cats/2.png", "dogs/1.png"]
    # Scripts take labels from the names of folders.
    assert [path.parent.name for path in copies] == ["cats", "cats", "dogs"]
    before = copies[0].stat()
    assert read("download") == [str(path) for path in copies]
    assert copies[0].stat() == before


def test_a_file_that_has_changed_since_planning_is_an_error(store: Store, tmp_path: Path) -> None:
    store.write("a.csv", b"x\n1\n")
    table = {"paths": [{"file": f"{HERE}/a.csv"}], "transformations": ["read_delimited"]}
    (tmp_path / "MLTable").write_text(yaml.safe_dump(table))
    made = plan(
        str(tmp_path), type="mltable", mode=None, split=BySize(), datastores=store.datastores
    )
    (mini_batch,) = made.mini_batches
    reader = open_reader(made.reader, store.datastores)
    assert len(reader.read(mini_batch)) == 1
    store.write("a.csv", b"x\n2\n")
    with pytest.raises(UnreadableMiniBatch, match=r"a\.csv: has changed since .* its version was"):
        reader.read(mini_batch)
    store.write("a.csv", b"x\n1\n22\n")
    with pytest.raises(UnreadableMiniBatch, match="it had 4 bytes and now has 7"):
        reader.read(mini_batch)


def test_missing_remote_inputs(store: Store) -> None:
    store.write("a.csv", b"x\n1\n")

    def planned(path: str, type_: str) -> None:
        plan(f"{HERE}/{path}", type=type_, mode=None, split=BySize(), datastores=store.datastores)

    with pytest.raises(InvalidInput, match="gone: no such file or folder"):
        planned("gone", "uri_folder")
    with pytest.raises(InvalidInput, match="set its type to uri_file"):
        planned("a.csv", "uri_folder")
    with pytest.raises(InvalidInput, match=r"cannot read its MLTable file: no such file"):
        planned("", "mltable")


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InvalidInput, match=r"pip install 'prefect-parallel\[gcs\]'"):
        plan("gs://bucket/x", type="uri_folder", mode=None, split=BySize())


def test_a_mini_batch_reads_its_range_and_little_more(http: HttpServer, tmp_path: Path) -> None:
    lines = b"".join(b"%d,%d\n" % (n, n * n) for n in range(400_000))
    http.files = {"/big.csv": b"n,square\n" + lines}
    made = plan_of_url(http, tmp_path, "100kb")
    reader = open_reader(made.reader)
    mini_batches = list(made.mini_batches)
    http.sent = 0
    assert len(reader.read(mini_batches[20])) > 1000
    assert http.sent < 300_000 < len(lines) / 10


def test_transient_failures_are_retried(http: HttpServer, tmp_path: Path) -> None:
    http.files = {"/big.csv": b"n\n1\n"}
    for failures in (1, 3):
        http.failures = failures
        made = plan_of_url(http, tmp_path, "100kb")
        http.failures = failures
        (mini_batch,) = made.mini_batches
        assert len(open_reader(made.reader).read(mini_batch)) == 1


def test_permanent_failures_fail_the_mini_batch(http: HttpServer, tmp_path: Path) -> None:
    http.files = {"/big.csv": b"n\n1\n"}
    made = plan_of_url(http, tmp_path, "100kb")
    (mini_batch,) = made.mini_batches
    reader = open_reader(made.reader)
    http.failures = 10**6
    with pytest.raises(UnreadableMiniBatch, match=r"big\.csv: cannot be opened: .*503"):
        reader.read(mini_batch)
    http.status = 403
    with pytest.raises(UnreadableMiniBatch, match=r"big\.csv: cannot be opened: permission denied"):
        reader.read(mini_batch)
    http.failures = 0
    http.ranges = False
    http.files = {"/big.csv": b"n\n1\n2\n"}
    with pytest.raises(InvalidInput, match="does not support range requests"):
        plan_of_url(http, tmp_path, "3")
    http.files = {}
    with pytest.raises(UnreadableMiniBatch, match="no such file"):
        reader.read(mini_batch)


def plan_of_url(http: HttpServer, folder: Path, size: str):  # type: ignore[no-untyped-def]
    table = {"paths": [{"file": f"{http.url}/big.csv"}], "transformations": ["read_delimited"]}
    (folder / "MLTable").write_text(yaml.safe_dump(table))
    return plan(str(folder), type="mltable", mode=None, split=BySize.parse(size))
