"""podman, and images made of this machine's own files, since none can be pulled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PROGRAMS = ("bash", "cat", "df", "env", "id", "sleep", "touch")

# What an engine of this kind needs on machines without cgroups of their own.
CONTAINERS = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""

STORAGE = """
[storage]
driver = "{driver}"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""

NOT_IN_IMAGES = shutil.ignore_patterns(
    *("test", "tests", "idlelib", "ensurepip", "site-packages", "dist-packages", "config-*"),
    *("lib2to3", "turtledemo", "include", "*flight*"),
)

PACKAGES = (
    *("dateutil", "fsspec", "numpy", "numpy.libs", "orjson", "pandas", "pandas.libs", "pyarrow"),
    *("pytz", "six.py", "tzdata", "yaml"),
)


# It is linked with what all packages are.
LINKED = (f"pyarrow/lib{sysconfig.get_config_var('EXT_SUFFIX')}",)


def podman(*arguments: str) -> str:
    return subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def use_podman(folder: Path) -> Iterator[None]:
    """Have podman keep everything in a folder, while this is in use; skip without it."""
    if shutil.which("podman") is None or shutil.which("runc") is None:
        pytest.skip("podman and runc are not installed: apt-get install podman runc")
    (folder / "containers.conf").write_text(CONTAINERS)
    storage = folder / "storage.conf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
        try:
            storage.write_text(STORAGE.format(driver="overlay", folder=folder))
            podman("info")
        except subprocess.CalledProcessError:
            # It copies all files for each container.
            storage.write_text(STORAGE.format(driver="vfs", folder=folder))
        yield
        # They have mounts.
        podman("rm", "--all", "--force")


def write_root(root: Path) -> None:
    """Write the files of an image: some programs, and a Python without packages."""
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program is not None
        _copy_program(Path(program), root, f"bin/{name}")
    _copy_program(Path(sys.executable).resolve(), root, "opt/python/bin/python3")
    library = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    shutil.copytree(library, root / "opt/python/lib" / library.name, ignore=NOT_IN_IMAGES)
    modules = [*(library / "lib-dynload").glob("*.so"), *map(_site.joinpath, LINKED)]
    _copy_libraries(modules, root)
    (root / "tmp").mkdir()


def packages() -> list[str]:
    """Options of a container that give its Python what entry processes need.

    In the image, they would take minutes on a busy machine.
    """
    inside = f"/opt/python/lib/{Path(sysconfig.get_path('stdlib')).name}/site-packages"
    there = [package for package in PACKAGES if (_site / package).exists()]
    return [f"--volume={_site / package}:{inside}/{package}:ro" for package in there]


_site = Path(sysconfig.get_path("purelib"))


def _copy_program(program: Path, root: Path, to: str) -> None:
    copy = root / to
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, copy)
    _copy_libraries([program], root)


def _copy_libraries(files: Iterable[Path], root: Path) -> None:
    """Copy the system's libraries that files are linked with."""
    listed = subprocess.run(
        ["ldd", *map(str, files)], capture_output=True, text=True, check=False
    ).stdout
    for library in {Path(path) for path in re.findall(r"(?:=> |^\s)(/\S+) \(", listed, re.M)}:
        copy = root / str(library)[1:]
        if not library.is_relative_to(sys.prefix) and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, copy)
