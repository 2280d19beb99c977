"""The documentation tells what the tests know."""

from __future__ import annotations

from pathlib import Path

from tests.data.test_golden import DIFFERENCES as OF_TABLES
from tests.job.test_golden import DIFFERENCES as OF_PIPELINES

DOCS = Path(__file__).parents[1] / "docs"


def test_every_difference_from_the_reference_is_listed() -> None:
    listed = (DOCS / "differences.md").read_text()
    for case, (what, reason) in OF_PIPELINES.items():
        assert f"| {case} | {what} it | {reason} |" in listed
    for case, reason in OF_TABLES.items():
        assert f"| {case} | {reason} |" in listed
