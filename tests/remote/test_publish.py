"""Copying outputs to a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_parallel.data import Location, publish
from prefect_parallel.errors import PrefectParallelError
from tests.remote.conftest import Store


def test_a_published_folder_has_what_was_published_last(store: Store, tmp_path: Path) -> None:
    target = Location.parse("azureml://datastores/store/paths/out/", datastores=store.datastores)
    store.write("out/of somebody else", b"stays")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ü").write_text("1")
    (tmp_path / "b").write_text("2")
    publish(tmp_path, target)
    (tmp_path / "b").unlink()
    publish(tmp_path, target)
    found = store.files()
    assert json.loads(found.pop("out/.published.json")) == ["deep/ü"]
    assert found == {"out/deep/ü": b"1", "out/of somebody else": b"stays"}


def test_a_folder_without_its_marker_is_not_complete(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a").write_text("1")
    place = Location.parse(str(target))
    publish(source, place)
    (source / "gone").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        publish(source, place)
    assert not (target / ".published.json").exists()
    # What an interrupted publication left is known to the next one.
    (source / "gone").unlink()
    (source / "a").rename(source / "b")
    publish(source, place)
    assert sorted(path.name for path in target.iterdir()) == [".published.json", "b"]


class Stopped(PrefectParallelError):
    pass


def test_a_copy_is_stopped_in_the_middle(store: Store, tmp_path: Path) -> None:
    large, target = tmp_path / "large", tmp_path / "target" / "large"
    with large.open("wb") as file:
        file.truncate(400 * 1024 * 1024)
    target.parent.mkdir()
    target.write_text("an older one")
    store.write("large", b"an older one")
    in_store = Location.parse("azureml://datastores/store/paths/large", datastores=store.datastores)
    for place in (Location.parse(str(target)), in_store):
        calls = iter(range(3))

        def check(calls: Iterator[int] = calls) -> None:
            if next(calls, None) is None:
                raise Stopped("in the middle")

        with pytest.raises(Stopped):
            publish(large, place, check)
    assert [path.read_text() for path in target.parent.iterdir()] == ["an older one"]
    assert store.files() == {"large": b"an older one"}


def test_a_marker_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "victim").touch()
    listed = ["../victim", str(tmp_path / "victim")]
    (tmp_path / "target" / ".published.json").write_text(json.dumps(listed))
    publish(tmp_path / "source", Location.parse(str(tmp_path / "target")))
    assert (tmp_path / "victim").exists()
