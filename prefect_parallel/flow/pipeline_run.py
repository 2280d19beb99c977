"""A run of a pipeline: each step starts as soon as the steps that it depends on have ended."""

from __future__ import annotations

import contextvars
import shutil
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timezone
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.flows import Flow
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed
from prefect.utilities.engine import link_state_to_flow_run_result

from prefect_parallel.errors import PrefectParallelError, counted, os_error_text
from prefect_parallel.flow.prefect_names import prefect_tags
from prefect_parallel.flow.run.earlier_results import EarlierResults
from prefect_parallel.flow.run.pipeline_result import PipelineFailed, PipelineResult
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.flow.run_directories.run_mirror import UploadFailed
from prefect_parallel.flow.server.flow_run import (
    NO_ANSWER,
    ask_once_if_away,
    crash_abandoned,
    is_canceled,
    is_supervised,
    tag_flow_run,
)
from prefect_parallel.flow.server.heartbeats import heartbeats
from prefect_parallel.flow.server.placeholders import check_placeholders
from prefect_parallel.flow.server.settings import with_settings
from prefect_parallel.flow.steps.artifacts import show_metrics, show_pipeline
from prefect_parallel.flow.steps.command_step import command_step_flow
from prefect_parallel.flow.steps.parallel_step import parallel_step_flow
from prefect_parallel.flow.steps.worker_step import worker_step_flow
from prefect_parallel.flow.workers.leases import running_workers
from prefect_parallel.job import CommandStep, PipelineJob, ResolvedJob
from prefect_parallel.layout import UnusableRunDirectory
from prefect_parallel.output.job_result import Status
from prefect_parallel.output.report import write_report
from prefect_parallel.output.run_result import RunResult

CANCEL_POLL_SECONDS = 2.0
"""How long it may take until a cancellation in the Prefect UI is noticed."""


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
        self._earlier = EarlierResults(run)
        self._flow_run = flow_run
        self._flow_runs: dict[str, UUID | None] = {}
        self._flows: dict[str, Flow[[], None]] = {}
        self._server_is_away = False
        self._interruption: BaseException | None = None
        self._started_at = datetime.now(timezone.utc)

    def run(self) -> PipelineResult | State[None]:
        try:
            with heartbeats(self._flow_run):
                self._run_in_directory()
        except (KeyboardInterrupt, TerminationSignal) as interruption:
            if self._run.canceled.is_set():
                raise  # The second one, which waits for nothing.
            self._interrupt(interruption)
        if isinstance(self._interruption, TerminationSignal) and is_supervised(self._flow_run):
            # Prefect knows whether it is a cancellation, a crash, or a reschedule.
            raise self._interruption
        return self._end()

    def _interrupt(self, interruption: BaseException) -> None:
        self._interruption = interruption
        self._run.canceled.set()

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
            self._upload()
            try:
                self._run_steps()
                self._write_if_possible(directory.result, self._write_result)
                if not self._server_is_away:
                    status, reason = self._outcome()
                    show_pipeline(reason, self._result(status), self._flow_runs)
            finally:
                self._write_if_possible(directory.report, lambda: write_report(directory))
                self._upload()

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
            directory.job_file.write_text(text, encoding="utf-8")
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

    def _upload(self, step: str | None = None) -> None:
        if self._run.mirror is not None:
            self._run.mirror.upload(step)

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
        order = TopologicalSorter(self._resolved.graph)
        order.prepare()
        running: dict[Future[State[None]], str] = {}
        with ThreadPoolExecutor(max_workers=len(self._resolved.steps) or 1) as threads:
            try:
                ready = self._ready(order)
                while running or ready:
                    running |= {self._start(threads, name): name for name in ready}
                    ended = wait(running, timeout=CANCEL_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended.done:
                        self._finish(future, running.pop(future), order)
                    self._look_for_cancellation()
                    ready = [] if self._run.canceled.is_set() else self._ready(order)
            except (KeyboardInterrupt, TerminationSignal) as interruption:
                self._interrupt(interruption)
            except NO_ANSWER:
                # A step has waited for the server.
                self._run.canceled.set()
                ask_once_if_away(patience=0)
                raise
            except BaseException:
                # A defect of this package: no step may go on alone.
                self._run.canceled.set()
                raise

    def _ready(self, order: TopologicalSorter[str]) -> list[str]:
        """The steps that can start; those that have completed do not run again to finish others."""
        ready, looked_at = [], list(order.get_ready())
        for name in looked_at:
            step = self._resolved.steps[name]
            if self._run.phase == "finish" and self._earlier.has(step):
                self._run.ended[name] = self._earlier.of(step)
                order.done(name)
                looked_at += order.get_ready()
            else:
                ready.append(name)
        return ready

    def _look_for_cancellation(self) -> None:
        canceled = is_canceled(self._flow_run)
        if canceled:
            self._run.canceled.set()
        was_away, self._server_is_away = self._server_is_away, canceled is None
        if self._server_is_away and not was_away:
            self._run.observer.waiting("the Prefect server, which does not answer; work goes on")

    def _start(self, threads: ThreadPoolExecutor, name: str) -> Future[State[None]]:
        step = self._resolved.steps[name]
        if isinstance(step, CommandStep):
            flow = command_step_flow(step, self._run)
        elif self._run.phase == "all":
            flow = parallel_step_flow(step, self._run)
        else:
            flow = worker_step_flow(step, self._run)
        self._flows[name] = flow
        # The context has the pipeline's flow run, the parent of the step's.
        context = contextvars.copy_context()
        return threads.submit(context.run, self._run_step, name, flow)

    def _run_step(self, name: str, flow: Flow[[], None]) -> State[None]:
        with self._run.starts.turn(name, self._run.observer):
            if self._run.canceled.is_set():
                return Cancelled(message="the run was canceled before the step started")
            before = [
                self._flows[each] for each in self._resolved.graph[name] if each in self._flows
            ]
            state = _run_flow(flow, before)
            # For the arrows in Prefect's graph of the run. Not the result: parts of a dataclass are
            # linked, too, and results have equal ones.
            link_state_to_flow_run_result(state, flow)
        try:
            self._upload(name)
        except UploadFailed as error:
            # The upload is tried again at the end of the run.
            self._run.observer.noted(name, str(error))
        return state

    def _finish(
        self, future: Future[State[None]], name: str, order: TopologicalSorter[str]
    ) -> None:
        state = future.result()
        self._flow_runs[name] = state.state_details.flow_run_id
        end = self._run.ended.get(name)
        if end is None and state.is_completed():
            # Prefect does not run completed subflows again when it retries a flow run.
            end = self._run.ended[name] = self._earlier.of(self._resolved.steps[name])
        if end is None and state.is_cancelled():
            return
        if end is None:
            raise PrefectParallelError(f"step {name} broke off: {state.message}")
        if end.metrics_for_parent:
            show_metrics(self._run.pipeline, name, end.metrics_for_parent)
        if end.status == "Completed":
            order.done(name)
        elif end.status != "Prepared" and not self._resolved.continue_on_step_failure:
            self._run.canceled.set()

    def _end(self) -> PipelineResult | State[None]:
        status, reason = self._outcome()
        if status == "Failed":
            # Raised, because Prefect retries a flow only after an exception.
            raise PipelineFailed(reason, self._result(status))
        if status == "Canceled":
            return Cancelled(message=reason)
        if status == "Prepared":
            return Completed(name=status, message=reason)
        get_run_logger().info(reason)
        # Not a state: tasks that are given the result depend on this flow run, for Prefect.
        return self._result(status)

    def _outcome(self) -> tuple[Status, str]:
        if failed := self._reasons("Failed"):
            return "Failed", failed
        if self._run.canceled.is_set():
            return "Canceled", "the run was canceled"
        if prepared := self._reasons("Prepared"):
            return "Prepared", prepared
        return "Completed", f"{counted(len(self._run.ended), 'step')} completed"

    def _reasons(self, status: Status) -> str:
        """Why steps ended with a status; empty if none did."""
        return "; ".join(
            f"step {name}: {end.reason}"
            for name, end in self._run.ended.items()
            if end.status == status
        )

    def _result(self, status: Status) -> PipelineResult:
        run, steps = self._run, self._resolved.steps
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
            steps={name: run.ended[name] for name in steps if name in run.ended},
            run_directory=run.place_of(run.directory.root),
            report=run.place_of(run.directory.report),
        )


def _run_flow(flow: Flow[[], None], after: list[Flow[[], None]]) -> State[None]:
    # The pipeline's run has a heartbeat in the same process. Ending one takes up to a second.
    with with_settings("flows", heartbeat_frequency=None):
        return flow(return_state=True, wait_for=after)
