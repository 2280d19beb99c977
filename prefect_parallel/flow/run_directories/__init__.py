"""Where runs leave what they leave: `runs`, here or on remote storage (`run_store`, `archive`).

`lock` keeps two drivers from one run directory.
"""
