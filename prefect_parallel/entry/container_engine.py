"""podman and docker: images, and the command lines that run something in them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.entry.gpus import devices_of_this_node
from prefect_parallel.errors import EnvironmentBuildFailed

ENGINES = ("podman", "docker")

LAST_LINES = 10
"""Number of lines of an engine's output shown in an error."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The `PATH` in an image that sets none."""


@dataclass(frozen=True)
class ContainerEngine:
    """podman or docker; each has settings of its own, such as `containers.conf`."""

    program: str

    @classmethod
    def find(cls) -> ContainerEngine:
        """The first of `ENGINES` on the `PATH`.

        Raises:
            EnvironmentBuildFailed: There is none.
        """
        found = next(filter(None, map(shutil.which, ENGINES)), None)
        if found is None:
            raise EnvironmentBuildFailed(f"none of {', '.join(ENGINES)} is on the PATH")
        return cls(found)

    def pull(self, image: str, on_line: Callable[[str], None]) -> str:
        """The id of an image, which is pulled unless this machine has it.

        `on_line` is called with each line that the engine prints.

        Raises:
            EnvironmentBuildFailed: The image cannot be pulled.
        """
        return self._id_after(
            image, ["pull", image], f"the image {image} cannot be pulled", on_line
        )

    def build(
        self, image: str, context: str, dockerfile: str | None, on_line: Callable[[str], None]
    ) -> str:
        """The id of an image, which is built from a Docker context unless this machine has it.

        Raises:
            EnvironmentBuildFailed: The image cannot be built.
        """
        # podman takes a path with a comma for two.
        file = [] if dockerfile is None else ["--file", dockerfile]
        command = ["build", "--tag", image, *file, "."]
        return self._id_after(image, command, f"{context} cannot be built", on_line, context)

    def run(
        self,
        image: str,
        command: Sequence[str],
        *,
        folder: str,
        writable: Iterable[str] = (),
        readable: Iterable[str] = (),
        mounts: Iterable[tuple[str, str]] = (),
        variables: Iterable[str] = (),
        options: Sequence[str] = (),
        name: str | None = None,
    ) -> list[str]:
        """The command line that runs a program in a container, as this user.

        Args:
            folder: The working directory.
            writable: Files and folders that the program may write to, at their own paths.
            readable: Files and folders that it may read, at their own paths.
            mounts: More of these, each with its path in the container.
            variables: Environment variables of the program: names of those of the engine, or
                `NAME=VALUE`.
            options: Further options of `podman run` or `docker run`.
            name: Of the container.
        """
        users = ["--user", f"{os.getuid()}:{os.getgid()}"]
        if self._is_podman and os.getuid() != 0:
            users = ["--userns", "keep-id"]
        volumes = [
            *(_bind(path, path) for path in writable),
            *(_bind(path, path, read_only=True) for path in readable),
            *(_bind(path, inside, read_only=True) for path, inside in mounts),
        ]
        program, *arguments = command
        return [
            *(self.program, "run", "--rm", *users, *(["--name", name] if name else [])),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            # Where SELinux is in force, containers may not read what is mounted.
            *("--security-opt", "label=disable", "--stop-signal", "KILL"),
            *(part for volume in volumes for part in ("--mount", volume)),
            *(part for variable in variables for part in ("--env", variable)),
            *(*self._gpus(), *options),
            *("--workdir", folder, "--entrypoint", program, image, *arguments),
        ]

    def path_in(self, image: str) -> str:
        """The `PATH` that an image sets."""
        answer = self._ask("image", "inspect", "--format", "{{json .Config.Env}}", image)
        given = dict(each.split("=", 1) for each in json.loads(answer.stdout) or ())
        return given.get("PATH") or DEFAULT_PATH

    def removal(self, container: str) -> list[str]:
        """The command line that ends a container and deletes it, if it is there."""
        return [self.program, "rm", "--force", container]

    def remove(self, container: str) -> None:
        """End a container and delete it, if it is there."""
        subprocess.run(self.removal(container), capture_output=True, check=False)

    @property
    def _is_podman(self) -> bool:
        return Path(self.program).name == "podman"

    def _gpus(self) -> list[str]:
        if not devices_of_this_node():
            return []
        return ["--device", "nvidia.com/gpu=all"] if self._is_podman else ["--gpus", "all"]

    def _id_after(
        self,
        image: str,
        command: list[str],
        failure: str,
        on_line: Callable[[str], None],
        folder: str | None = None,
    ) -> str:
        """The id of an image, which the engine provides by a command if it is not there."""
        if (found := self._id(image)) is not None:
            return found
        lines: list[str] = []
        with subprocess.Popen(
            [self.program, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in map(str.rstrip, process.stdout):
                lines.append(line)
                on_line(line)
        found = self._id(image)
        if found is None:
            raise EnvironmentBuildFailed(f"{failure}:\n" + "\n".join(lines[-LAST_LINES:]))
        return found

    def _id(self, image: str) -> str | None:
        answer = self._ask("image", "inspect", "--format", "{{.Id}}", image)
        # podman leaves out what docker puts before it.
        return answer.stdout.strip().removeprefix("sha256:") if answer.returncode == 0 else None

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, check=False
        )


def _bind(source: str, target: str, *, read_only: bool = False) -> str:
    """The value of `--mount`, a line of CSV: paths may contain commas, colons and quotes."""
    fields = ["type=bind", f"source={source}", f"destination={target}"]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([*fields, *(["readonly"] if read_only else [])])
    return line.getvalue()
