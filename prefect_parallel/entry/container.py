"""Commands in containers, by podman or docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.errors import EnvironmentBuildFailed

ENGINES = ("podman", "docker")

LAST_LINES = 10
"""Number of lines of an engine's output shown in an error."""


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

    def image_id(self, image: str, on_line: Callable[[str], None]) -> str:
        """The id of an image, which is pulled unless this machine has it.

        `on_line` is called with each line that the engine prints.

        Raises:
            EnvironmentBuildFailed: The image cannot be pulled.
        """
        if (found := self._id(image)) is not None:
            return found
        lines: list[str] = []
        with subprocess.Popen(
            [self.program, "pull", image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as pull:
            assert pull.stdout is not None
            for line in map(str.rstrip, pull.stdout):
                lines.append(line)
                on_line(line)
        found = self._id(image)
        if found is None:
            text = "\n".join(lines[-LAST_LINES:])
            raise EnvironmentBuildFailed(f"the image {image} cannot be pulled:\n{text}")
        return found

    def shell(
        self,
        image: str,
        command: str,
        *,
        name: str,
        folder: Path,
        writable: Path,
        readable: Iterable[str],
        variables: Iterable[str],
    ) -> list[str]:
        """The command line that runs a shell command in a container, as this user.

        Args:
            name: Of the container.
            folder: The working directory.
            writable: A folder that the command may write to, at its own path.
            readable: Files and folders that it may read, at their own paths.
            variables: Names of environment variables of the engine that the command gets.
        """
        users = ["--user", f"{os.getuid()}:{os.getgid()}"]
        if Path(self.program).name == "podman" and os.getuid() != 0:
            users = ["--userns", "keep-id"]
        return [
            *(self.program, "run", "--rm", "--name", name, *users),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--volume", f"{writable}:{writable}"),
            *(part for path in readable for part in ("--volume", f"{path}:{path}:ro")),
            *(part for variable in variables for part in ("--env", variable)),
            *("--workdir", str(folder), "--entrypoint", "bash", image, "-c", command),
        ]

    def remove(self, container: str) -> None:
        """End a container and delete it, if it is there."""
        self._ask("rm", "--force", container)

    def _id(self, image: str) -> str | None:
        answer = self._ask("image", "inspect", "--format", "{{.Id}}", image)
        return answer.stdout.strip() if answer.returncode == 0 else None

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, check=False
        )
