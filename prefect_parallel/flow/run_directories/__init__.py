"""Where runs leave what they leave: `runs`, here or on remote storage (`synced_folder`, `archive`).

`place` is where one run is. `lock` keeps two drivers from one run directory.
"""
