"""The steps of a pipeline, or of one nested in it: each starts when those before it have ended."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause, TerminationSignal
from prefect.flows import Flow
from prefect.states import Cancelled
from prefect.utilities.engine import link_state_to_flow_run_result

from prefect_parallel.errors import PrefectParallelError, counted
from prefect_parallel.flow.run.cancellation import CANCELED, SUSPENDED
from prefect_parallel.flow.run.earlier_results import EarlierResults
from prefect_parallel.flow.run.run import CANCEL_GRACE_SECONDS, Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.run_directories.run_mirror import UploadFailed
from prefect_parallel.flow.server.flow_run import NO_ANSWER, ask_once_if_away
from prefect_parallel.flow.server.settings import with_settings
from prefect_parallel.flow.steps.artifacts import show_metrics
from prefect_parallel.flow.steps.command_step import command_step_flow
from prefect_parallel.flow.steps.parallel_step import parallel_step_flow
from prefect_parallel.flow.steps.step_flow import step_flow
from prefect_parallel.flow.steps.worker_step import worker_step_flow
from prefect_parallel.job import CommandStep, Graph, ParallelStep, PipelineStep
from prefect_parallel.output.job_result import Status

CANCEL_POLL_SECONDS = 2.0
"""How long it may take until a cancellation is noticed."""


class GraphRun:
    """A run of the steps of one level, in the flow run of their pipeline.

    Args:
        name: That of the nested pipeline's step; empty for that of the run.

    Attributes:
        interruption: What has interrupted the main thread, if anything.
    """

    def __init__(self, graph: Graph, run: Run, name: str = "") -> None:
        self.interruption: BaseException | None = None
        self._graph = graph
        self._run = run
        self._canceled = run.cancellation.of(name)
        self._earlier = EarlierResults(run)
        self._flows: dict[str, Flow[[], None]] = {}

    def run(self, poll: Callable[[], None]) -> None:
        """Run the steps until all have ended or the run is canceled; `poll` is called meanwhile."""
        order = TopologicalSorter(self._graph.after)
        order.prepare()
        running: dict[Future[State[None]], str] = {}
        with ThreadPoolExecutor(max_workers=len(self._graph.steps) + 1) as threads:
            try:
                ready = self._ready(order)
                while running or ready:
                    running |= {self._start(threads, name): name for name in ready}
                    ended = wait(running, timeout=CANCEL_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended.done:
                        self._finish(future, running.pop(future), order)
                    poll()
                    ready = [] if self._canceled.is_set() else self._ready(order)
            except (KeyboardInterrupt, TerminationSignal, Pause) as interruption:
                self.interruption = interruption
                is_pause = isinstance(interruption, Pause)
                self._run.cancellation.cancel(SUSPENDED if is_pause else CANCELED)
                by_ctrl_c = isinstance(interruption, KeyboardInterrupt)
                say = self._run.observer.canceling
                # Not in this thread, where a second Ctrl-C would interrupt it.
                threads.submit(say, CANCEL_GRACE_SECONDS, by_ctrl_c=by_ctrl_c)
            except NO_ANSWER:
                # A step has waited for the server.
                self._run.cancellation.cancel(CANCELED)
                ask_once_if_away(self._run.observer, patience=0)
                raise
            except BaseException:
                # A defect of this package: no step may go on alone.
                self._run.cancellation.cancel(CANCELED)
                raise

    def _ready(self, order: TopologicalSorter[str]) -> list[str]:
        """The steps that can start; those that have completed do not run again to finish others."""
        ready, looked_at = [], list(order.get_ready())
        for name in looked_at:
            step = self._graph.steps[name]
            if self._run.phase == "finish" and self._earlier.has(step):
                self._earlier.note(step)
                order.done(name)
                looked_at += order.get_ready()
            else:
                ready.append(name)
        return ready

    def _start(self, threads: ThreadPoolExecutor, name: str) -> Future[State[None]]:
        flow = self._flows[name] = _flow_of(self._graph.steps[name], self._run)
        # The context has the pipeline's flow run, the parent of the step's.
        context = contextvars.copy_context()
        return threads.submit(context.run, self._run_step, name, flow)

    def _run_step(self, name: str, flow: Flow[[], None]) -> State[None]:
        with self._run.starts.turn(name, self._run.observer):
            if self._run.cancellation.of(name).is_set():
                return Cancelled(message="the run was canceled before the step started")
            before = [self._flows[each] for each in self._graph.after[name] if each in self._flows]
            state = _run_flow(flow, before)
            # For the arrows in Prefect's graph of the run. Not the result: parts of a dataclass are
            # linked, too, and results have equal ones.
            link_state_to_flow_run_result(state, flow)
        try:
            self._run.upload(name)
        except UploadFailed as error:
            # The upload is tried again at the end of the run.
            self._run.observer.noted(name, str(error))
        return state

    def _finish(
        self, future: Future[State[None]], name: str, order: TopologicalSorter[str]
    ) -> None:
        state = future.result()
        self._run.flow_runs[name] = state.state_details.flow_run_id
        end = self._run.ended.get(name)
        if end is None and state.is_completed():
            # Prefect does not run completed subflows again when it retries a flow run.
            end = self._earlier.note(self._graph.steps[name])
        if end is None and state.is_cancelled():
            return
        if end is None:
            raise PrefectParallelError(f"step {name} broke off: {state.message}")
        step = self._graph.steps[name]
        if end.metrics and isinstance(step, ParallelStep) and step.push_metrics_to_parent:
            show_metrics(self._run.pipeline, name, end.metrics)
        if end.status == "Completed":
            order.done(name)
        elif end.status != "Prepared" and not self._run.continues_on_step_failure:
            self._run.cancellation.cancel(CANCELED)


def pipeline_step_flow(step: PipelineStep, run: Run) -> Flow[[], None]:
    """The flow that runs a nested pipeline: its steps are subflows of it."""

    def result() -> StepResult:
        graph_run = GraphRun(step.graph, run, step.name)
        graph_run.run(poll=lambda: None)
        if graph_run.interruption is not None:
            raise graph_run.interruption
        status, reason = _outcome(step, run)
        return run.step_result(step, status, reason, log=None)

    return step_flow(step, run, result)


def _flow_of(step: ParallelStep | CommandStep | PipelineStep, run: Run) -> Flow[[], None]:
    if isinstance(step, PipelineStep):
        return pipeline_step_flow(step, run)
    if isinstance(step, CommandStep):
        return command_step_flow(step, run)
    return (parallel_step_flow if run.phase == "all" else worker_step_flow)(step, run)


def _run_flow(flow: Flow[[], None], after: list[Flow[[], None]]) -> State[None]:
    # The pipeline's run has a heartbeat in the same process. Ending one takes up to a second.
    with with_settings("flows", heartbeat_frequency=None):
        return flow(return_state=True, wait_for=after)


def _outcome(step: PipelineStep, run: Run) -> tuple[Status, str]:
    """The status of a nested pipeline, and the reason."""
    ends, steps = run.leaves(step.graph), sum(1 for _ in step.graph.leaves())

    def named(status: Status) -> list[str]:
        return [name for name, end in ends.items() if end.status == status]

    if failed := named("Failed"):
        return "Failed", f"{counted(len(failed), 'step')} failed: {', '.join(failed)}"
    if prepared := named("Prepared"):
        return "Prepared", f"{counted(len(prepared), 'step')} prepared: {', '.join(prepared)}"
    if len(named("Completed")) < steps:
        return "Canceled", run.why_canceled() or CANCELED
    return "Completed", f"{counted(steps, 'step')} completed"
