"""How much memory the processes of this node may use together, before the kernel kills one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil


def memory_limit(root: Path = Path("/")) -> int:
    """The least limit of this process's control groups, else the machine's memory; in bytes."""
    return min([psutil.virtual_memory().total, *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    groups, mounted = root / "proc/self/cgroup", root / "sys/fs/cgroup"
    if not groups.exists():
        return
    for line in groups.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # Version 2.
            folder, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container, the path may be that outside of it: then the limit is at the root.
        inside = PurePosixPath(path.lstrip("/"))
        for file in [folder / each / name for each in (inside, *inside.parents)]:
            text = file.read_text().strip() if file.exists() else ""
            if text.isdigit():
                yield int(text)
