"""A command step, from written to run."""

from __future__ import annotations

from prefect_parallel.job.format.types import Timeout
from prefect_parallel.job.models.components import CommandComponentModel
from prefect_parallel.job.models.steps import CommandComponentStepModel, CommandStepModel
from prefect_parallel.job.resolution.resolved import (
    CommandStep,
    missing_keys,
)
from prefect_parallel.job.resolution.step_resolver import StepResolver
from prefect_parallel.job.shell import InvalidCommand, check_command
from prefect_parallel.job.syntax.expressions import keep_given


class CommandResolver(StepResolver):
    """Makes a command step; what is wrong with it goes to the diagnostics."""

    def resolve(self) -> CommandStep | None:
        """The step; None if it has mistakes that leave nothing to make."""
        model = self.model
        assert isinstance(model, (CommandStepModel, CommandComponentStepModel))
        lent = self.component.model if self.component else None
        assert lent is None or isinstance(lent, CommandComponentModel)
        command = lent.command if lent else model.command
        code = lent.code if lent else model.code
        environment = model.environment or (lent.environment if lent else None)
        # The step's own `command` and `code` do not count beside a component.
        folder = self.component.document.folder if self.component else self.job.folder
        assert command is not None
        common = self.common(environment, ("environment",))
        self.check_text(("command",), command)
        try:
            check_command(keep_given(command, set(missing_keys(self.inputs))))
        except InvalidCommand as error:
            self.diagnostics.in_step(self.name, ("command",), str(error))
        timeout = None
        if model.limits is not None:
            timeout = self.setting(("limits", "timeout"), model.limits.timeout, Timeout)
        return CommandStep(
            **common,
            command=command,
            code=self.local_code(code, ("code",), folder) if code is not None else None,
            timeout=timeout,
        )
