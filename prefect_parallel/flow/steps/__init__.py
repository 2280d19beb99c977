"""The life of a step: `parallel_step` and `command_step`.

`step_plan` is what there is to do (`snapshot`: the code; `groups`: what shares a task run),
`elsewhere` what becomes of that where nodes do not see the run directory, and `step_reporter` tells
of it all (`artifacts`, `result_page`, `metrics`).
"""
