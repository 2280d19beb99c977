"""The folder of a node that sees nothing but the run store."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prefect_parallel.data import Location
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.nodes.node_folder import OwnFolder, RunAccess
from prefect_parallel.flow.run_directories.archive import pack
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record, read_record, write_part

EMPTY: dict[str, Any] = {
    "str": "",
    "tuple[str, ...]": (),
    "dict[str, str]": {},
    "dict[str, Any]": {},
    "int": 1,
    "float": 1.0,
    "bool": False,
}


class Node:
    """A node, in whose folder a test is the script."""

    def __init__(self, tmp_path: Path) -> None:
        self._store = Location(f"memory://{uuid4().hex}")
        code = tmp_path / "code"
        code.mkdir()
        archive = tmp_path / "code.tar.gz"
        pack(code, archive)
        self._store.join(archive.name).put(archive)
        config = EntryConfig(
            **{each.name: EMPTY.get(str(each.type)) for each in dataclasses.fields(EntryConfig)}
        )
        config = dataclasses.replace(config, step_directory=str(tmp_path / "unseen"))
        access = RunAccess("", "", self._store.path, (), ("outputs/models",))
        self.folder = OwnFolder(config, access, "node", tmp_path)
        self.step: StepDirectory = self.folder.config.directory
        self.models = self.step.outputs / "models"

    def commit(self, mini_batch: int) -> float:
        """Publish a mini-batch's part; the CPU seconds that it took."""
        started = time.process_time()
        self.publish(Record(mini_batch, 1, items=1, succeeded=1))
        return time.process_time() - started

    def publish(self, record: Record) -> Record:
        write_part(self.step.part(record.index), record)
        return self.folder.publish_part(record)

    def stored(self) -> dict[str, bytes]:
        models = self._store.join("outputs/models")
        found = {}
        for name, _, _ in models.remote_path().files():
            with models.join(name).open() as file:
                found[name] = file.read()
        return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.folder.close()


def test_a_file_is_uploaded_with_the_first_part_after_it_was_closed(node: Node) -> None:
    with (node.models / "slow").open("w") as slow, (node.models / "log").open("w") as log:
        print("half", file=slow, flush=True)
        print("one", file=log, flush=True)
        (node.models / "quick").write_text("whole")
        node.commit(0)
        assert node.stored() == {"quick": b"whole"}
        print("and half", file=slow)
        slow.close()
        (node.models / "quick").write_text("again")
        node.commit(1)
        assert node.stored() == {"quick": b"again", "slow": b"half\nand half\n"}
        node.folder.store()
        assert node.stored()["log"] == b"one\n"
        print("two", file=log)
    (node.models / "slow").unlink()
    node.commit(2)
    assert node.stored() == {"quick": b"again", "log": b"one\ntwo\n"}


def test_a_part_costs_what_is_new_however_many_files_there_are(node: Node) -> None:
    def commits(first: int) -> float:
        seconds = []
        for number in range(first, first + 20):
            (node.models / str(number)).touch()
            seconds.append(node.commit(number))
        return sorted(seconds)[10]

    few = commits(0)
    for number in range(5_000):
        (node.models / f"more {number}").touch()
    node.commit(20)
    assert commits(21) < 5 * few
    assert len(node.stored()) == 5_040


def test_a_failure_does_not_replace_the_success_of_another_node(node: Node) -> None:
    success = Record(0, 1, items=1, succeeded=1)
    assert node.publish(success) == success
    failure = Record(0, 2, items=1, succeeded=0, error="too late")
    assert node.publish(failure) == success
    node.folder.fetch_part(0)
    assert read_record(node.step.part(0)) == success

    other = Record(1, 1, items=1, succeeded=1, settings="of other code")
    node.publish(other)
    assert node.publish(dataclasses.replace(failure, index=1)).error == "too late"
