"""What `{{ prefect.blocks... }}` and `{{ prefect.variables... }}` stand for.

Secrets are among it: the values go into the environment of processes that are about to start, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.utilities.templating import resolve_block_document_references

from prefect_parallel.errors import (
    InvalidPipeline,
    PrefectParallelError,
    ServerUnreachable,
    did_you_mean,
)
from prefect_parallel.flow.server.flow_run import NO_ANSWER
from prefect_parallel.job import CommandStep, ParallelStep, PipelineJob
from prefect_parallel.job.syntax.placeholders import fill_placeholders, placeholders

LISTED = 200
"""So many variables a server lists at a time; the one that was meant is looked for among them."""

_BLOCKS = "prefect.blocks."
_VARIABLES = "prefect.variables."


class UnknownPlaceholder(PrefectParallelError):
    """There is no such block or variable, or nothing that text could be made of."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


def look_up(templates: Mapping[str, str]) -> dict[str, str]:
    """The values of environment variables.

    Args:
        templates: Variable to what stands in the pipeline.

    Raises:
        UnknownPlaceholder: Something is not known to the Prefect server.
        ServerUnreachable: The server does not answer.
    """
    if not templates:
        return {}
    found: dict[str, str] | None = run_coro_as_sync(_look_up_all(templates))
    assert found is not None
    return found


def check_placeholders(job: PipelineJob, steps: Iterable[ParallelStep | CommandStep]) -> None:
    """Refuse a job that names what is not known, before anything runs.

    Raises:
        InvalidPipeline: So it does; all of them are named.
    """
    problems = []
    for step in steps:
        for name, template in step.environment_templates.items():
            try:
                look_up({name: template})
            except UnknownPlaceholder as error:
                path = ("jobs", step.name, "environment_variables", name)
                problems.append(job.document.problem(path, error.message, hint=error.hint))
    if problems:
        raise InvalidPipeline(problems)


async def _look_up_all(templates: Mapping[str, str]) -> dict[str, str]:
    try:
        async with get_client() as client:
            return {name: await _look_up(text, client) for name, text in templates.items()}
    except NO_ANSWER as error:
        # Not the error's own text: it may hold what the server said.
        names = ", ".join(templates)
        why = f"{type(error).__name__}, when asked for environment_variables {names}"
        raise ServerUnreachable.at(PREFECT_API_URL.value(), why) from None


async def _look_up(template: str, client: PrefectClient) -> str:
    values = {}
    for name in placeholders(template):
        value = await _value(name, client)
        if not isinstance(value, (str, int, float, bool)):
            raise UnknownPlaceholder(
                f"{{{{ {name} }}}} is a {type(value).__name__}, which no text can be made of",
                "name one of its values: {{ prefect.blocks.TYPE.NAME.KEY }}",
            )
        values[name] = str(value)
        if "\0" in values[name]:
            raise UnknownPlaceholder(f"{{{{ {name} }}}} holds a NUL, which no variable can hold")
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
    """The names of those of a type, which may not be one."""
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
