"""The reference is what the code gives."""

from __future__ import annotations

import pytest

from prefect_parallel.job.syntax.expressions import FORMS, find
from tools.reference import FOLDER, pages

PAGES = pages()
COMMAND = "write it anew: python -m tools.reference"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_gives(name: str) -> None:
    file = FOLDER / name
    assert file.exists(), COMMAND
    assert file.read_text(encoding="utf-8") == PAGES[name], COMMAND


def test_no_page_is_left_of_what_is_gone() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(PAGES), COMMAND


def test_the_forms_of_expressions_are_those_that_are_understood() -> None:
    assert [expression.form for form in FORMS for expression in find(form)] == list(FORMS)
    assert find("${{parent.outputs.scores}}")[0].form in FORMS
