"""Resolving a command step."""

from __future__ import annotations

from prefect_parallel.job.format.types import TIMEOUT
from prefect_parallel.job.resolution.resolved import CommandStep, missing_keys
from prefect_parallel.job.resolution.step_resolver import StepResolver
from prefect_parallel.job.syntax.expressions import keep_given
from prefect_parallel.job.syntax.shell import InvalidCommand, check_command


class CommandResolver(StepResolver):
    """Resolves a command step; problems go to the diagnostics."""

    def resolve(self) -> CommandStep | None:
        """The step; None if it has problems that leave nothing to run."""
        # The step's own `command` and `code` have no effect beside a component.
        keys = self.keys.of_component or self.keys
        command, code = keys.effective("command"), keys.effective("code")
        common = self.common(self.keys.effective("environment"))
        timeout = self.bound(self.keys.effective("limits", "timeout"), TIMEOUT)
        local_code = self.local_code(code) if code.value is not None else None
        if command.value is None:
            return None
        self.check_text(command)
        try:
            check_command(keep_given(command.value, set(missing_keys(self.inputs))))
        except InvalidCommand as error:
            self.add(command, str(error))
        return CommandStep(**common, command=command.value, code=local_code, timeout=timeout)
