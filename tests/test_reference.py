"""The reference pages are those generated from the code."""

from __future__ import annotations

import pytest

from prefect_parallel.job.syntax.expressions import FORMS, find
from tools.reference import FOLDER, pages

PAGES = pages()
COMMAND = "run: python -m tools.reference"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    file = FOLDER / name
    assert file.exists(), COMMAND
    assert file.read_text(encoding="utf-8") == PAGES[name], COMMAND


def test_no_page_is_obsolete() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(PAGES), COMMAND


def test_every_documented_expression_is_parsed() -> None:
    assert [expression.form for form in FORMS for expression in find(form)] == list(FORMS)
    assert find("${{parent.outputs.scores}}")[0].form in FORMS
