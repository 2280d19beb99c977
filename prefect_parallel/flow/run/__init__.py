"""What the steps of a run share (`run`), what each reads and writes there, and what became of it.

`computes` says where steps run, `environments` (`unmet`) on what. `step_data` (`major_input`) is
what a step reads and writes, `step_end` how it ended.
"""
