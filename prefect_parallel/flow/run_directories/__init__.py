"""Run directories: `runs` finds one by its name, `run_handle` is one run, `run_mirror` its copy.

`earlier_runs` are those whose results a run reuses. `synced_folder` keeps files of a folder on
remote storage, `written_files` tells which of them were written, `archive` packs a folder into one
file, and `lock` keeps two drivers from one run directory.
"""
