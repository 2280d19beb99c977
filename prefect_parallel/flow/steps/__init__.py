"""How a step runs: `command_step`, or a `step_run` on nodes (`parallel_step`) or workers.

Each has a `step_flow`. `worker_step` prepares a step for workers, and finishes it. `step_plan`
decides what there is to do (`snapshot`: the code). `part_search` finds the parts that hold, of this
run and of earlier ones (`earlier_steps`, `step_fingerprint`, `stable_files`);
`planned_mini_batches` is the result. `completed_command` is the same for command steps.
`run_store_exchange` shares files with nodes that do not see the run directory, and `step_reporter`
reports to logs, observer, Prefect UI and MLflow (`artifacts`, `result_page`, `metrics`).
"""
