"""How a step runs: `parallel_step` and `command_step`.

`step_plan` decides what there is to do (`snapshot`: the code), `run_store_exchange` shares files
with nodes that do not see the run directory, and `step_reporter` reports to logs, observer, Prefect
UI and MLflow (`artifacts`, `result_page`, `metrics`).
"""
