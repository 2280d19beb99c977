"""What pages are put together from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import docstring_parser
from docstring_parser import Docstring


def document(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def code(text: object) -> str:
    return f"`{text}`"


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, without the columns that no row has anything in."""
    cells = [[line(cell) for cell in row] for row in rows]
    used = [at for at in range(len(head)) if any(row[at] for row in cells)]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(row[at] for at in used) + " |" for row in lines)


def line(text: str) -> str:
    """A text of several lines as one."""
    return re.sub(r"\s+", " ", text).strip()


def anchor(heading: str) -> str:
    """What a link to a heading ends with, on GitHub and in MkDocs alike."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def link(text: str, heading: str) -> str:
    return f"[{text}](#{anchor(heading)})"


def docstring(of: object) -> Docstring:
    return docstring_parser.parse(of.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE)


def prose(doc: Docstring) -> str:
    """The text before the sections of a docstring."""
    return "\n\n".join(filter(None, [doc.short_description, doc.long_description]))


def example(doc: Docstring) -> str:
    return "\n\n".join(each.description or "" for each in doc.examples)
