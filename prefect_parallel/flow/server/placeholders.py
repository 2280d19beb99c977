"""The values of `{{ prefect.blocks... }}` and `{{ prefect.variables... }}`.

Some are secrets: values go into the environment of processes that are about to start, and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.utilities.templating import resolve_block_document_references

from prefect_parallel.blocks.unreachable_server import server_unreachable
from prefect_parallel.errors import (
    InvalidPipeline,
    PrefectParallelError,
    did_you_mean,
)
from prefect_parallel.flow.server.flow_run import NO_ANSWER
from prefect_parallel.job import CommandStep, ParallelStep, PipelineJob, path_of
from prefect_parallel.job.syntax.placeholders import fill_placeholders, placeholders

LISTED = 200
"""The most variables that a server lists at a time, for hints about misspelt names."""

_BLOCKS = "prefect.blocks."
_VARIABLES = "prefect.variables."


class UnknownPlaceholder(PrefectParallelError):
    """A block or variable does not exist, or is not a text or number."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


def look_up(templates: Mapping[str, str]) -> dict[str, str]:
    """Fill the placeholders in the values of environment variables.

    Raises:
        UnknownPlaceholder: The Prefect server does not know a block or variable.
        ServerUnreachable: The server does not answer.
    """
    if not templates:
        return {}
    found: dict[str, str] | None = run_coro_as_sync(_look_up_all(templates))
    assert found is not None
    return found


def check_placeholders(job: PipelineJob, steps: Iterable[ParallelStep | CommandStep]) -> None:
    """Check the placeholders of a pipeline before it runs.

    Raises:
        InvalidPipeline: The server does not know a block or variable; the error lists all.
    """
    problems = []
    for step in steps:
        for name, template in step.environment_templates.items():
            try:
                look_up({name: template})
            except UnknownPlaceholder as error:
                path = (*path_of(step.name), "environment_variables", name)
                problems.append(job.document.problem(path, error.message, hint=error.hint))
    if problems:
        raise InvalidPipeline(problems)


async def _look_up_all(templates: Mapping[str, str]) -> dict[str, str]:
    try:
        async with get_client() as client:
            return {name: await _look_up(text, client) for name, text in templates.items()}
    except NO_ANSWER as error:
        # Without the text of the error, which may quote the server's answer.
        names = ", ".join(templates)
        why = f"{type(error).__name__}, when asked for environment_variables {names}"
        raise server_unreachable(why) from None


async def _look_up(template: str, client: PrefectClient) -> str:
    values = {}
    for name in placeholders(template):
        value = await _value(name, client)
        if not isinstance(value, (str, int, float, bool)):
            raise UnknownPlaceholder(
                f"{{{{ {name} }}}} is of type {type(value).__name__}, not a text or number",
                "name one of its values: {{ prefect.blocks.TYPE.NAME.KEY }}",
            )
        values[name] = str(value)
        if "\0" in values[name]:
            raise UnknownPlaceholder(
                f"{{{{ {name} }}}} has a NUL character, which environment variables cannot have"
            )
    return fill_placeholders(template, values)


async def _value(name: str, client: PrefectClient) -> object:
    if name.startswith(_VARIABLES):
        wanted = name.removeprefix(_VARIABLES)
        variable = await client.read_variable_by_name(wanted)
        if variable is None:
            known = [each.name for each in await client.read_variables(limit=LISTED)]
            raise _unknown(f"no variable {wanted!r}", wanted, known)
        return variable.value
    try:
        return await resolve_block_document_references(f"{{{{ {name} }}}}", client=client)
    except ObjectNotFound:
        kind, wanted = name.removeprefix(_BLOCKS).split(".")[:2]
        known = await _blocks(kind, client)
        raise _unknown(f"no block {wanted!r} of type {kind!r}", wanted, known) from None
    except ValueError:
        raise UnknownPlaceholder(f"{{{{ {name} }}}}: the block has no such value") from None


async def _blocks(kind: str, client: PrefectClient) -> list[str]:
    """The names of all blocks of a type; none if the type does not exist."""
    try:
        found = await client.read_block_documents_by_type(kind, include_secrets=False)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return []
    return [each.name for each in found if each.name is not None]


def _unknown(what: str, wanted: str, known: Collection[str]) -> UnknownPlaceholder:
    there = f"there are: {', '.join(sorted(known))}" if known else "there are none"
    return UnknownPlaceholder(
        f"the Prefect server has {what}", did_you_mean(wanted, known) or there
    )
