"""One node: its entry processes, their pool and their logs."""
