"""Expressions, `${{...}}`, and optional parts, `$[[...]]`.

Which expressions are allowed where is decided by the code that reads a key; see `resolution`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_EXPRESSION = re.compile(r"\$\{\{([^{}]*)\}\}")

FORMS = {
    "${{inputs.NAME}}": (
        "An input of the step: a value, or a path. In the path of an output: a value."
    ),
    "${{outputs.NAME}}": "An output of the step: the path to write to.",
    "${{parent.inputs.NAME}}": "An input of the pipeline.",
    "${{parent.outputs.NAME}}": "An output of the pipeline: an output of the step is bound to it.",
    "${{parent.jobs.STEP.outputs.NAME}}": "An output of another step, which then runs first.",
    "${{parent.jobs.STEP.inputs.NAME}}": "An input of another step.",
    "${{name}}": (
        "The run's name: in an input of the pipeline, the path of an output, a command, arguments"
        " and environment variables."
    ),
    "${{output_name}}": "The output's name, in the path of an output.",
    "${{default_datastore}}": (
        "`settings.default_datastore` or else `workspaceblobstore`, in the path of an output."
    ),
}
"""All forms, and the meaning of each."""


@dataclass(frozen=True)
class Expression:
    """One `${{...}}` and its place in the text; `words` are e.g. `("parent", "inputs", "x")`."""

    words: tuple[str, ...]
    start: int = 0
    end: int = 0

    @property
    def key(self) -> str:
        return ".".join(self.words)

    @property
    def name(self) -> str:
        """The input or output that it names."""
        return self.words[-1]

    @property
    def form(self) -> str | None:
        """Its form, such as `${{parent.inputs.NAME}}`; None if it has none of them."""
        match self.words:
            case ("inputs" | "outputs" as side, _):
                return f"${{{{{side}.NAME}}}}"
            case ("parent", "inputs" | "outputs" as side, _):
                return f"${{{{parent.{side}.NAME}}}}"
            case ("parent", "jobs", _, "inputs" | "outputs" as side, _):
                return f"${{{{parent.jobs.STEP.{side}.NAME}}}}"
            case ("name" | "output_name" | "default_datastore" as word,):
                return f"${{{{{word}}}}}"
        return None

    def __str__(self) -> str:
        return f"${{{{{self.key}}}}}"


def _words(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(match[1].strip().split("."))


def find(text: str) -> list[Expression]:
    """All expressions of a text, in order."""
    return [
        Expression(_words(match), match.start(), match.end())
        for match in _EXPRESSION.finditer(text)
    ]


def whole(value: object) -> Expression | None:
    """The expression, if the whole value is one."""
    if not isinstance(value, str):
        return None
    match = _EXPRESSION.fullmatch(value.strip())
    return Expression(_words(match)) if match else None


def malformed(text: str) -> str | None:
    """The start of a `${{` that is not closed, or contains braces; None if there is none."""
    rest = _EXPRESSION.sub("", text)
    at = rest.find("${{")
    return rest[at : at + 30] if at >= 0 else None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace expressions by values, by key (`inputs.x`); those without a value are kept."""
    return _EXPRESSION.sub(lambda match: values.get(match[1].strip(), match[0]), text)


def keep_given(text: str, missing: Collection[str]) -> str:
    """Remove each `$[[...]]` that contains an input without a value; of others, the brackets.

    `missing` are the keys of these inputs, e.g. `inputs.note`.
    """
    # Not by a regular expression, which takes quadratic time on many unclosed brackets.
    kept, at = [], 0
    while (start := text.find("$[[", at)) >= 0 and (end := text.find("]]", start + 3)) >= 0:
        inside = text[start + 3 : end]
        given = all(expression.key not in missing for expression in find(inside))
        kept += [text[at:start], inside if given else ""]
        at = end + 2
    return "".join([*kept, text[at:]])
