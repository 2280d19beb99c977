"""The page that leads to the others."""

from __future__ import annotations

from collections.abc import Mapping

from tools.reference.markdown import document

_INTRO = """\
Made of the code by `python -m tools.reference`: what stands here is what the code does."""


def page(pages: Mapping[str, str]) -> str:
    links = [
        f"- [{text.splitlines()[0].removeprefix('# ')}]({name})" for name, text in pages.items()
    ]
    return document("Reference", _INTRO, "\n".join(links))
