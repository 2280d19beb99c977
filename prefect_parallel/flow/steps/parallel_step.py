"""How a parallel step runs on nodes: plan, map over mini-batches, monitor."""

from __future__ import annotations

import shutil
from dataclasses import replace

from prefect.flows import Flow

from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.cluster import ThisMachine, cluster_of
from prefect_parallel.flow.nodes.groups import Groups
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.nodes import assemble_nodes, open_nodes
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.step_monitor import Limits, StepMonitor
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner
from prefect_parallel.flow.prefect_names import task_run_tags
from prefect_parallel.flow.run.run import CANCEL_GRACE_SECONDS, Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.server.concurrency_limits import limited
from prefect_parallel.flow.steps.run_store_exchange import (
    collect_earlier_results,
    run_store_exchange,
)
from prefect_parallel.flow.steps.step_flow import step_flow
from prefect_parallel.flow.steps.step_plan import StepPlan, plan_step
from prefect_parallel.flow.steps.step_run import StepRun
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.packs import list_anew


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
    return step_flow(
        step,
        run,
        lambda: _ParallelStep(step, run, nodes, slots).run(),
        task_runner=NodeTaskRunner(on_dask),
    )


class _ParallelStep(StepRun):
    """One run of one parallel step on nodes."""

    def __init__(self, step: ParallelStep, run: Run, nodes: int, slots: int) -> None:
        super().__init__(step, run)
        self._nodes = nodes
        self._slots = slots

    def run(self) -> StepResult:
        try:
            return super().run()
        finally:
            shutil.rmtree(self._directory.fetched, ignore_errors=True)
            shutil.rmtree(self._directory.isolated, ignore_errors=True)

    def _work(self) -> StepResult:
        if self._run.resumes:
            collect_earlier_results(self._step, self._run)
        plan = plan_step(self._step, self._run, self._slots)
        progress = self._reporter.planned(
            plan, f"{counted(self._nodes, 'node')} x {counted(self._slots, 'slot')}"
        )
        plan.mini_batches.returns.check()
        if plan.mini_batches.to_run:
            self._map(plan, progress)
        return self._complete(plan.mini_batches.planned, plan.mini_batches.in_output)

    def _map(self, plan: StepPlan, progress: Progress) -> None:
        """Run the mini-batches on nodes until all are done or the step has failed.

        Raises:
            StepFailed: The step cannot succeed any more.
            MixedReturns: One file cannot hold what mini-batches returned.
            NotStored: What scripts have written last cannot be uploaded to the run store.
            StepCanceled: The step was canceled.
        """
        limits = Limits.of(self._step)
        slots = self._nodes * self._slots
        self._reporter.waiting("the Dask cluster")
        with run_store_exchange(self._step, self._run) as access:
            fewer = assemble_nodes(limits.first_task_creation_timeout, self._canceled)
            if fewer is not None:
                self._reporter.noted(fewer)
            monitor = StepMonitor(
                progress,
                plan.mini_batches.returns,
                self._thresholds,
                limits,
                self._canceled,
            )
            config = self._with_packs(plan.config)
            with open_nodes(
                config,
                access,
                monitor.events,
                wanted=self._nodes,
                delays=RetryDelays.of(self._step),
            ) as nodes:
                task_runs = nodes.task_runs(
                    Groups(
                        plan.mini_batches.to_do(),
                        plan.mini_batches.work(),
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
                    self._reporter.waiting("the entry processes to end")
                    grace = CANCEL_GRACE_SECONDS if self._canceled.is_set() else 0
                    not_stored = nodes.close(grace=grace, canceled=self._canceled)
                for error in not_stored:
                    raise error
                if config.packs:
                    list_anew(self._directory.packs / config.packs)
        self._refuse_if_canceled()

    def _with_packs(self, config: EntryConfig) -> EntryConfig:
        """The configuration, with packs where all nodes write to the run directory itself."""
        if self._run.mirror is not None:
            return config
        folder = self._directory.new_packs()
        folder.mkdir(parents=True)
        return replace(config, packs=folder.name)
