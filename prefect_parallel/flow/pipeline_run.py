"""The life of a run of a pipeline: its directory, its result and its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause, TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.errors import counted, os_error_text
from prefect_parallel.flow.graph_run import GraphRun
from prefect_parallel.flow.log_frames import FLOW_RUN_LOG, log_without_frames
from prefect_parallel.flow.prefect_names import prefect_tags
from prefect_parallel.flow.run.cancellation import CANCELED, SUSPENDED
from prefect_parallel.flow.run.pipeline_result import PipelineFailed, PipelineResult
from prefect_parallel.flow.run.run import Run, log_end
from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.flow.server.flow_run import (
    crash_abandoned,
    go_on,
    halted,
    is_supervised,
    run_cancellation_hooks,
    tag_flow_run,
)
from prefect_parallel.flow.server.heartbeats import heartbeats
from prefect_parallel.flow.server.placeholders import check_placeholders
from prefect_parallel.flow.steps.artifacts import show_pipeline
from prefect_parallel.flow.workers.leases import running_workers
from prefect_parallel.job import PipelineJob, ResolvedJob
from prefect_parallel.layout import UnusableRunDirectory
from prefect_parallel.output.job_result import Status
from prefect_parallel.output.report import write_report
from prefect_parallel.output.run_result import RunResult


class PipelineRun:
    """One run of a pipeline."""

    def __init__(
        self,
        job: PipelineJob,
        values: dict[str, Any],
        resolved: ResolvedJob,
        run: Run,
        flow_run: UUID,
    ) -> None:
        self._job = job
        self._values = values
        self._resolved = resolved
        self._run = run
        self._flow_run = flow_run
        self._server_is_away = False
        self._is_canceled_on_server = False
        self._interruption: BaseException | None = None
        self._started_at = datetime.now(timezone.utc)

    def run(self) -> PipelineResult | State[None]:
        try:
            with heartbeats(self._flow_run):
                self._run_in_directory()
        except (KeyboardInterrupt, TerminationSignal) as interruption:
            if self._run.cancellation.reason() is not None:
                raise  # The second one, which waits for nothing.
            self._interrupt(interruption)
        if isinstance(self._interruption, TerminationSignal) and is_supervised(self._flow_run):
            # Prefect knows whether it is a cancellation, a crash, or a reschedule.
            raise self._interruption
        if isinstance(self._interruption, Pause):
            # The flow run stays suspended, until Prefect runs it again.
            raise self._interruption
        return self._end()

    def _interrupt(self, interruption: BaseException) -> None:
        self._interruption = interruption
        self._run.cancellation.cancel(CANCELED)

    def _run_in_directory(self) -> None:
        directory = self._run.directory
        self._prepare()
        if not self._run.resumes:
            directory.make()
        tag_flow_run(self._flow_run, prefect_tags(self._job.tags))
        with hold(directory):
            self._refuse_workers()
            self._write_job()
            # Unwritable storage is found before anything runs.
            self._run.upload()
            try:
                self._run_steps()
                self._write_if_possible(directory.result, self._write_result)
                if not self._server_is_away:
                    status, reason = self._outcome()
                    show_pipeline(reason, self._result(status), self._run.flow_runs)
            finally:
                self._write_if_possible(directory.report, lambda: write_report(directory))
                self._run.upload()

    def _refuse_workers(self) -> None:
        """Raise UnusableRunDirectory if workers use what is about to be replaced."""
        root, running = self._run.directory.root, running_workers(self._run.directory.workers)
        if running and self._run.phase != "finish":
            raise UnusableRunDirectory(
                f"{counted(len(running), 'worker')} running on {root}: {', '.join(running)}; wait"
                " for them to end, or stop them"
            )

    def _write_job(self) -> None:
        """Note the pipeline and its flow run; one that was killed would seem to run for ever."""
        directory = self._run.directory
        file = directory.flow_run_file
        before = file.read_text() if file.exists() else ""
        if before not in ("", str(self._flow_run)):
            crash_abandoned(UUID(before))
        text = self._job.to_yaml(values=self._values, absolute_paths=True)
        try:
            file.write_text(str(self._flow_run))
            directory.token_file.write_text(uuid4().hex)
            with atomic_write(directory.job_file) as job_file:
                job_file.write(text.encode())
            directory.result.unlink(missing_ok=True)
        except OSError as error:
            if not self._run.resumes:
                shutil.rmtree(directory.root, ignore_errors=True)
            raise UnusableRunDirectory(os_error_text(error, directory.root)) from error

    def _write_if_possible(self, file: Path, write: Callable[[], object]) -> None:
        """Write a file about the run, whose absence does not change the run's result."""
        try:
            write()
        except Exception as error:
            text = f"{file.name} was not written: {type(error).__name__}: {error}"
            get_run_logger().warning(text)
            self._run.observer.warned(text)

    def _write_result(self) -> None:
        status, reason = self._outcome()
        RunResult(
            status=status,
            reason=reason,
            started_at=self._started_at.isoformat(timespec="seconds"),
            duration_seconds=(datetime.now(timezone.utc) - self._started_at).total_seconds(),
            steps={
                name: {
                    "status": end.status,
                    "reason": end.reason,
                    "mini_batches": dict(end.mini_batches),
                    "items": dict(end.items),
                }
                for name, end in self._run.ended.items()
            },
        ).write(self._run.directory.result)

    def _prepare(self) -> None:
        """Check and build what steps need, before anything is run or written."""
        steps = self._resolved.steps.values()
        check_placeholders(self._job, steps)
        of_environments = self._run.environments.prepare(steps, self._run.observer)
        of_job = map(str, self._resolved.warnings)
        of_run = (self._run.computes.warning, self._run.output_places.warning)
        for warning in (*of_job, *of_run, *of_environments):
            if warning is not None:
                get_run_logger().warning(warning)
                self._run.observer.warned(warning)

    def _run_steps(self) -> None:
        graph_run = GraphRun(self._resolved.graph, self._run)
        graph_run.run(poll=self._obey_server)
        self._interruption = self._interruption or graph_run.interruption

    def _obey_server(self) -> None:
        """Do what somebody has asked for in the Prefect UI, of the run or of a single step."""
        running = {self._flow_run: "", **self._run.running}
        states = halted(list(running))
        was_away, self._server_is_away = self._server_is_away, states is None
        if self._server_is_away and not was_away:
            self._run.observer.waiting("the Prefect server, which does not answer; work goes on")
        for flow_run, step in running.items():
            state = (states or {}).get(flow_run)
            if state is None:
                continue
            if state.is_paused() and state.state_details.pause_reschedule and not step:
                self._interruption = Pause(SUSPENDED, state=state)
                self._run.cancellation.cancel(SUSPENDED)
            elif state.is_paused():
                self._refuse_pause(flow_run, step)
            elif step:
                self._run.cancellation.cancel(f"step {step} was canceled", step)
            else:
                self._is_canceled_on_server = True
                self._run.cancellation.cancel(CANCELED)

    def _refuse_pause(self, flow_run: UUID, step: str) -> None:
        what = f"step {step}" if step else "the run"
        text = f"{what} was paused and goes on: a pipeline can be canceled and resumed, not paused"
        get_run_logger().warning(text)
        self._run.observer.warned(text)
        go_on(flow_run)

    def _end(self) -> PipelineResult | State[None]:
        status, reason = self._outcome()
        self._log_end()
        if status == "Failed":
            # Raised, because Prefect retries a flow only after an exception.
            raise PipelineFailed(reason, self._result(status))
        if status == "Canceled":
            state: State[None] = Cancelled(message=reason)
            if not (self._is_canceled_on_server and is_supervised(self._flow_run)):
                run_cancellation_hooks(state)
            return state
        if status == "Prepared":
            return Completed(name=status, message=reason)
        get_run_logger().info(reason)
        # Not a state: tasks that are given the result depend on this flow run, for Prefect.
        return self._result(status)

    def _log_end(self) -> None:
        """Log what went wrong in the flow run that a user looks at first."""
        log_without_frames(FLOW_RUN_LOG, PipelineFailed)
        for name, end in self._run.leaves(self._resolved.graph).items():
            if end.status != "Completed" or end.failures:
                log_end(end, f"step {name}: ")
        get_run_logger().info("report: %s", self._run.place_of(self._run.directory.report))

    def _outcome(self) -> tuple[Status, str]:
        if failed := self._reasons("Failed"):
            return "Failed", failed
        if (canceled := self._run.why_canceled()) is not None:
            return "Canceled", canceled
        if prepared := self._reasons("Prepared"):
            return "Prepared", prepared
        return (
            "Completed",
            f"{counted(len(self._run.leaves(self._resolved.graph)), 'step')} completed",
        )

    def _reasons(self, status: Status) -> str:
        """Why parallel and command steps ended with a status; empty if none did."""
        ends = self._run.leaves(self._resolved.graph).items()
        return "; ".join(f"step {name}: {end.reason}" for name, end in ends if end.status == status)

    def _result(self, status: Status) -> PipelineResult:
        run, steps = self._run, self._resolved.graph.steps
        bound = {
            output.bound_to: run.ended[name].outputs[own]
            for name, step in steps.items()
            for own, output in step.outputs.items()
            if output.bound_to and name in run.ended and own in run.ended[name].outputs
        }
        return PipelineResult(
            name=run.pipeline,
            status=status,
            outputs={name: bound[name] for name in self._resolved.outputs if name in bound},
            steps={
                name: run.ended[name] for name in self._resolved.graph.names() if name in run.ended
            },
            run_directory=run.place_of(run.directory.root),
            report=run.place_of(run.directory.report),
        )
