"""The documentation tells what the tests know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prefect_parallel.deploy import schedule_file  # noqa: F401 - for its models
from prefect_parallel.job.model import Model
from tests.data.test_golden import DIFFERENCES as OF_TABLES
from tests.job.test_golden import DIFFERENCES as OF_PIPELINES

DOCS = Path(__file__).parents[1] / "docs"


def test_every_difference_from_the_reference_is_listed() -> None:
    listed = (DOCS / "differences.md").read_text()
    for case, (what, reason) in OF_PIPELINES.items():
        assert f"| {case} | {what} it | {reason} |" in listed
    for case, reason in OF_TABLES.items():
        assert f"| {case} | {reason} |" in listed


def test_every_key_without_a_meaning_is_listed() -> None:
    listed = (DOCS / "migrating_from_azure.md").read_text().partition("## Accepted")[2]
    for model in models():
        for key in model.no_meaning:
            assert f"`{key}`" in listed, f"{key} of {model.__name__}"


def models(of: type[Model] = Model) -> Iterator[type[Model]]:
    for model in of.__subclasses__():
        yield model
        yield from models(model)
