"""Requirements in the conda file of an environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_parallel.document import KeyPath, shown

_SPEC = re.compile(
    r"(?:[\w./-]+::)?(?P<name>\w[\w.-]*)(?P<constraint>\s*[=<>!~].*|\s+[\d*].*)?", re.ASCII
)
_BUILD = re.compile(r"(={0,2}\s*[^=<>!~,|\s]+)(?:=|\s+)[\w*.]+")
_CLAUSE = re.compile(r"(==|>=|<=|!=|~=|=|>|<)?(.*?)(\.?\*)?")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")

MAX_INCLUDES = 20
"""Maximum depth of requirements files that include each other."""


class WrongRequirement(Exception):
    """The value at a path of a conda file is not allowed."""

    def __init__(self, path: KeyPath, message: str, allowed: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.allowed = allowed


@dataclass(frozen=True)
class CondaSpec:
    """A conda package, as in `conda-forge::numpy=1.21`.

    Attributes:
        text: As written.
        name: In lower case.
        versions: Allowed versions, as alternatives in the syntax of PEP 440. Empty: all.
    """

    text: str
    name: str
    versions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> CondaSpec:
        """The package; text that only conda understands, such as a URL, is its own name."""
        match = _SPEC.fullmatch(text.strip())
        if match is None:
            return cls(text.strip(), text.strip())
        constraint = (match["constraint"] or "").strip()
        build = _BUILD.fullmatch(constraint)
        versions = map(_pep440, (build[1] if build else constraint).split("|"))
        return cls(text.strip(), match["name"].lower(), tuple(filter(None, versions)))


@dataclass(frozen=True)
class Requirements:
    """The content of a conda file.

    Attributes:
        source: The file as the pipeline names it, or the key whose value it is.
        python: The interpreter, if the file names one.
        pip: Lines for pip, as written, with the lines of included requirements files.
        conda: All other packages.
        channels: The channels of conda packages.
    """

    source: str
    python: CondaSpec | None
    pip: tuple[str, ...]
    conda: tuple[CondaSpec, ...]
    channels: tuple[str, ...]

    def to_conda(self) -> dict[str, Any]:
        """The content of an equivalent conda file that includes no other file."""
        packages = [*([self.python] if self.python else ()), *self.conda]
        pip = [{"pip": list(self.pip)}] if self.pip else []
        dependencies = [*(package.text for package in packages), *pip]
        return {"channels": list(self.channels), "dependencies": dependencies}


def requirements_in(data: Mapping[str, Any], source: str, folder: Path) -> Requirements:
    """The requirements in the content of a conda file.

    Args:
        data: The content.
        source: See `Requirements`.
        folder: The folder that paths of requirements files start from.

    Raises:
        WrongRequirement: conda could not read the content.
    """
    specs: list[CondaSpec] = []
    lines: list[str] = []
    for number, item in _items(data, ("dependencies",)):
        path: KeyPath = ("dependencies", number)
        if isinstance(item, Mapping) and set(item) == {"pip"}:
            for place, line in _items(item, (*path, "pip")):
                of_line = (*path, "pip", place)
                lines += _lines(_text(line, of_line), of_line, folder)
        else:
            specs.append(CondaSpec.parse(_text(item, path)))
            if specs[-1].text.startswith("-"):
                raise WrongRequirement(path, f"found {shown(item)}", "name, or name=version")
    python = [spec for spec in specs if spec.name == "python"]
    return Requirements(
        source,
        python[0] if python else None,
        tuple(lines),
        tuple(spec for spec in specs if spec.name not in ("python", "pip")),
        tuple(_text(item, ("channels", number)) for number, item in _items(data, ("channels",))),
    )


def _items(holder: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[int, Any]]:
    value = holder.get(str(path[-1]))
    if value is not None and not isinstance(value, list):
        raise WrongRequirement(path, f"found {shown(value)}", "a list")
    return enumerate(value or [])


def _text(value: Any, path: KeyPath) -> str:
    if not isinstance(value, str):
        raise WrongRequirement(path, f"found {shown(value)}", "text, or `pip: [...]`")
    return str(value)


def _lines(line: str, path: KeyPath, folder: Path, depth: int = 0) -> list[str]:
    """A line for pip, or the lines of the requirements file that it includes."""
    line = _COMMENT.sub("", line).strip()
    include = _INCLUDE.fullmatch(line)
    if include is None:
        return [line] if line else []
    file = folder / include[1]
    if depth == MAX_INCLUDES:
        raise WrongRequirement(
            path, f"{file}: requirements files include each other more than {MAX_INCLUDES} deep"
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise WrongRequirement(path, f"{line}: {file} cannot be read: {error}") from None
    lines = text.replace("\\\n", " ").splitlines()
    return [found for each in lines for found in _lines(each, path, file.parent, depth + 1)]


def _pep440(constraint: str) -> str:
    """Conda's `=1.21` and `1.21` in the syntax of PEP 440."""
    clauses = [_clause(part.replace(" ", "")) for part in constraint.split(",")]
    return ",".join(filter(None, clauses))


def _clause(clause: str) -> str:
    match = _CLAUSE.fullmatch(clause)
    assert match is not None, "each of its parts may be empty"
    operator, version, star = match.groups()
    if not version:
        return ""
    if operator in (None, "="):
        star = star or operator
        operator = "=="
    return f"{operator}{version}{'.*' if star and operator in ('==', '!=') else ''}"
