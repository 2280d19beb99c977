"""Local copies of remote files."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from prefect_parallel.data import BySize, File, FileCache, Location, plan
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch
from tests.remote.conftest import Store
from tests.remote.http_server import HttpServer


def fetch(root: Path, url: str, size: int) -> str:
    return FileCache(root).file(Location(url), File(url, size, None))


def test_concurrent_processes_fetch_a_file_once(http: HttpServer, tmp_path: Path) -> None:
    http.files = {"/model": b"x" * 10_000_000}
    root = tmp_path / "fetched"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(fetch, [(root, f"{http.url}/model", 10_000_000)] * 8)
    assert len(set(found)) == 1
    assert Path(found[0]).stat().st_size == 10_000_000
    assert http.gets == 1


def test_a_signature_is_neither_in_messages_nor_in_names(http: HttpServer, tmp_path: Path) -> None:
    path = f"/cat.png?sig=SECRET/{'S' * 300}"
    http.files = {path: b"123"}
    copy = Path(fetch(tmp_path, http.url + path, 3))
    assert copy.name == "cat.png"
    assert "SECRET" not in str(copy)
    assert Path(FileCache(tmp_path).input(Location(http.url + path))).name == "cat.png"
    other = f"{http.url}/cat.png?sig=SECRET2"
    with pytest.raises(
        UnreadableMiniBatch, match=r"/cat\.png: cannot be fetched: no such"
    ) as caught:
        fetch(tmp_path, other, 3)
    assert "SECRET" not in str(caught.value)
    for url in (other, f"{http.url}/cat.png?sig=SECRET.", "nosuch://me:SECRET@host/a.csv"):
        with pytest.raises(InvalidInput) as refused:
            plan(url, type="uri_file", mode="download", split=BySize(1))
        assert "SECRET" not in str(refused.value)
    made = plan(http.url + path, type="uri_file", mode="download", split=BySize(1))
    assert [each.describe() for each in made.mini_batches] == ["cat.png"]


def test_copies_appear_atomically(http: HttpServer, tmp_path: Path) -> None:
    http.files = {"/a": b"123"}
    with pytest.raises(UnreadableMiniBatch, match="received 3 bytes instead of 5"):
        fetch(tmp_path, f"{http.url}/a", 5)
    assert [path for path in tmp_path.rglob("*") if path.name.endswith("a")] == []


def test_a_host_that_cannot_be_reached_is_not_a_missing_file() -> None:
    with pytest.raises(
        InvalidInput, match=r"cannot be accessed: Cannot connect to host 127\.0\.0\.1:9"
    ):
        plan("http://127.0.0.1:9/a.csv", type="uri_file", mode="download", split=BySize(1))


def test_names_cannot_lead_out_of_a_folder(s3: Store, tmp_path: Path) -> None:
    import fsspec

    s3.write("model/weights", b"1")
    s3.write("model/deep/config", b"2")
    filesystem = fsspec.filesystem("s3", **s3.options)
    bucket = s3.url.split("/")[2]
    filesystem.call_s3("put_object", Bucket=bucket, Key="some data/model/../../evil", Body=b"3")
    url = "azureml://datastores/store/paths/model"
    copy = Path(FileCache(tmp_path / "in" / "it").input(Location(url, s3.datastores)))
    assert copy.name == "model"
    assert (copy / "weights").read_bytes() == b"1"
    assert (copy / "deep" / "config").read_bytes() == b"2"
    outside = [path for path in tmp_path.rglob("evil") if not path.is_relative_to(copy)]
    assert outside == []


@pytest.mark.parametrize("keys", [("in/a", "in/a/b"), ("in/a/b", "in/a")])
def test_a_file_and_a_folder_of_the_same_name(
    s3: Store, tmp_path: Path, keys: tuple[str, str]
) -> None:
    for key in keys:
        s3.write(key, b"1")
    cache = FileCache(tmp_path)
    first, second = (
        Location(f"azureml://datastores/store/paths/{key}", s3.datastores) for key in keys
    )
    cache.file(first, first.file())
    with pytest.raises(UnreadableMiniBatch, match="a file and a folder have the same name"):
        cache.file(second, second.file())
    whole = Location("azureml://datastores/store/paths/in", s3.datastores)
    with pytest.raises(InvalidInput, match="in/a: a file and a folder have the same name"):
        cache.input(whole)
