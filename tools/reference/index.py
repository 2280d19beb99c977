"""The index of the reference."""

from __future__ import annotations

from collections.abc import Mapping

from tools.reference.markdown import document

_INTRO = """\
These pages are generated from the code with `python -m tools.reference`."""


def page(pages: Mapping[str, str]) -> str:
    links = [
        f"- [{text.splitlines()[0].removeprefix('# ')}]({name})" for name, text in pages.items()
    ]
    return document("Reference", _INTRO, "\n".join(links))
