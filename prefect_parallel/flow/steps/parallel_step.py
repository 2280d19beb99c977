"""How a parallel step runs: plan, map over mini-batches, monitor, count, aggregate, report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.flows import Flow

from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import PrefectParallelError, counted, os_error_text
from prefect_parallel.flow.nodes.cluster import ThisMachine, cluster_of
from prefect_parallel.flow.nodes.groups import Groups
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.nodes import assemble_nodes, open_nodes
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.step_monitor import Limits, StepCanceled, StepMonitor, check_totals
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.flow.prefect_names import task_run_tags
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import aggregated_output
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.server.concurrency_limits import limited
from prefect_parallel.flow.steps.run_store_exchange import (
    collect_earlier_results,
    run_store_exchange,
)
from prefect_parallel.flow.steps.step_plan import StepPlan, plan_step
from prefect_parallel.flow.steps.step_reporter import StepReporter
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.aggregate import aggregate
from prefect_parallel.output.formats import Parts, format_for
from prefect_parallel.output.returns import Returns
from prefect_parallel.output.totals import Totals, count

CANCEL_GRACE_SECONDS = 5.0
"""Time that running mini-batches have to finish when a run is canceled."""


def parallel_step_flow(step: ParallelStep, run: Run) -> Flow[[], None]:
    """The flow that runs one parallel step, with a task runner of its own.

    Raises:
        NoCluster: The class of its cluster is not installed.
    """
    compute = run.computes.place_of(step)
    nodes = compute.instances(step.instance_count)
    slots = step.max_concurrency_per_instance or default_slots(compute.gpus_per_instance)
    request = NodeRequest(nodes, step.max_concurrency_per_instance, compute.gpus_per_instance)
    on_dask = ThisMachine(nodes, slots) if compute.is_this_machine else cluster_of(compute, request)

    def run_step() -> Any:
        run.starts.started(step.name)
        return run.end_step(step.name, _ParallelStep(step, run, nodes, slots).run())

    return Flow(
        run_step,
        name=step.name,
        description=step.description,
        flow_run_name=step.name,
        # TaskRunner is invariant in the type of its futures.
        task_runner=NodeTaskRunner(on_dask),  # type: ignore[arg-type]
        validate_parameters=False,
        persist_result=False,
    )


class _ParallelStep:
    """One run of one parallel step."""

    def __init__(self, step: ParallelStep, run: Run, nodes: int, slots: int) -> None:
        self._step = step
        self._run = run
        self._nodes = nodes
        self._slots = slots
        self._directory = run.directory.step(step.name)
        self._output = aggregated_output(step, self._directory)
        self._thresholds = Thresholds.of(step)
        self._reporter = StepReporter(step, run)

    def run(self) -> StepResult:
        try:
            self._reporter.begin()
            if self._run.resumes:
                collect_earlier_results(self._step, self._run)
            plan = plan_step(self._step, self._run, self._slots)
            progress = self._reporter.planned(
                plan, f"{counted(self._nodes, 'node')} x {counted(self._slots, 'slot')}"
            )
            if not plan.is_output_current:
                self._discard_output()
            plan.returns.check()
            if plan.work.mini_batches:
                self._map(plan, progress)
            totals = count(self._directory, plan.planned)
            check_totals(self._thresholds, totals, plan.mini_batches)
            self._aggregate(plan, totals)
            for note in self._run.output_places.publish(self._step, self._directory):
                self._reporter.noted(note)
            return self._reporter.completed(totals)
        except StepCanceled as error:
            return self._reporter.stopped("Canceled", str(error))
        except PrefectParallelError as error:
            return self._reporter.stopped("Failed", str(error))
        except OSError as error:
            return self._reporter.stopped("Failed", os_error_text(error, self._run.directory.root))
        except Exception as error:
            # A defect of this package; the step's result says it all the same.
            return self._reporter.broke_off(error)
        finally:
            shutil.rmtree(self._directory.fetched, ignore_errors=True)

    def _discard_output(self) -> None:
        """Delete the aggregated output of an earlier run, which is out of date."""
        if self._output is not None:
            self._output.unlink(missing_ok=True)

    def _map(self, plan: StepPlan, progress: Progress) -> None:
        """Run the mini-batches on nodes until all are done or the step has failed.

        Raises:
            StepFailed: The step cannot succeed any more.
            MixedReturns: One file cannot hold what mini-batches returned.
            StepCanceled: The run was canceled.
        """
        limits = Limits.of(self._step)
        slots = self._nodes * self._slots
        self._reporter.waiting("the Dask cluster")
        with run_store_exchange(self._step, self._run) as access:
            fewer = assemble_nodes(limits.first_task_creation_timeout, self._run.canceled)
            if fewer is not None:
                self._reporter.noted(fewer)
            monitor = StepMonitor(
                progress, plan.returns, self._thresholds, limits, self._run.canceled
            )
            with open_nodes(
                plan.config,
                access,
                monitor.events,
                wanted=self._nodes,
                delays=RetryDelays.of(self._step),
            ) as nodes:
                task_runs = nodes.task_runs(
                    Groups(
                        plan.to_do(),
                        plan.work,
                        slots=slots,
                        seconds=self._run.task_run_seconds,
                        max_task_runs=self._run.max_task_runs,
                    ),
                    slots=slots,
                    retries=self._step.max_retries,
                    tags=limited(
                        task_run_tags(self._step.name, self._run.computes.block_of(self._step))
                    ),
                )
                try:
                    monitor.until_done(task_runs, self._reporter.progressed, self._reporter.warned)
                finally:
                    self._reporter.waiting("shutdown() of the entry processes")
                    canceled = self._run.canceled
                    grace = CANCEL_GRACE_SECONDS if canceled.is_set() else 0
                    nodes.close(grace=grace, canceled=canceled)
        self._refuse_if_canceled()

    def _aggregate(self, plan: StepPlan, totals: Totals) -> None:
        if self._output is not None and not self._output.exists():
            parts = Parts(self._directory, plan.planned, self._on_part)
            header = self._step.append_row_dataframe_header
            aggregate_output(parts, totals.returns, self._output, header=header)

    def _on_part(self, doing: str) -> None:
        self._refuse_if_canceled()
        self._reporter.joining(doing)

    def _refuse_if_canceled(self) -> None:
        if self._run.canceled.is_set():
            raise StepCanceled("the run was canceled")


@task(name="aggregate", task_run_name="aggregate", cache_policy=NO_CACHE, persist_result=False)
def aggregate_output(parts: Parts, returns: Returns, target: Path, *, header: bool) -> None:
    """Join the parts of a step into its aggregated output."""
    aggregate(parts, returns, target, format_for(target.name), header=header)
