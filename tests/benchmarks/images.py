"""How fast small images are processed with Pillow, against the bare limit and Dask.

    python -m tests.benchmarks.images --images 20000

The images are JPEGs of 128 x 128 pixels. Each is decoded, halved, and described by its mean color.
All outputs have the same bytes.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tests.benchmarks.contest import compete, print_results, report
from tests.benchmarks.measure import warm_server

PIXELS = 128
SLOTS = 2

SCRIPT = """
    import os
    from PIL import Image, ImageStat

    def describe(path):
        with Image.open(path) as image:
            half = image.convert("RGB").resize((image.width // 2, image.height // 2))
        red, green, blue = ImageStat.Stat(half).mean
        return f"{os.path.basename(path)} {red:.3f} {green:.3f} {blue:.3f}"

    def run(mini_batch):
        return [describe(path) for path in mini_batch]
"""


@dataclass(frozen=True)
class Images:
    """The images, and an empty folder for what comes out."""

    folder: Path
    per_mini_batch: int
    work: Path

    @property
    def data(self) -> Path:
        return self.folder / "images"

    def batches(self) -> list[list[str]]:
        paths = sorted(map(str, self.data.rglob("*.jpg")))
        step = self.per_mini_batch
        return [paths[start : start + step] for start in range(0, len(paths), step)]


def make(folder: Path, count: int) -> None:
    """Write the images and the code, unless they are there."""
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    (code / "describe_images.py").write_text(textwrap.dedent(SCRIPT))
    if (folder / "images").exists():
        return
    import numpy as np
    from PIL import Image

    made = folder / "images.tmp"
    shutil.rmtree(made, ignore_errors=True)
    colors = np.random.default_rng(0)
    for number in range(count):
        place = made / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(colors.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((PIXELS, PIXELS)).save(place / f"{number:06d}.jpg")
    made.rename(folder / "images")


def bare(images: Images) -> None:
    """The limit: a pool that writes parts; then they are joined."""
    tasks = [
        (images.folder / "code", batch, images.work / f"{number:06d}")
        for number, batch in enumerate(images.batches())
    ]
    with multiprocessing.get_context("spawn").Pool(SLOTS) as pool:
        pool.starmap(_write_lines, tasks, chunksize=1)
    with (images.work / "colors").open("wb") as joined:
        for _, _, part in tasks:
            joined.write(part.read_bytes())


def _write_lines(code: Path, batch: list[str], part: Path) -> None:
    part.write_text(_lines(code, batch))


def _lines(code: Path, batch: list[str]) -> str:
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))
    run = importlib.import_module("describe_images").run
    return "".join(f"{line}\n" for line in run(batch))


def entry_processes(images: Images) -> None:
    """Entry processes alone: no Prefect, no Dask."""
    # The processes of the bare limit import this module, too, but not what is imported here.
    from prefect_parallel.data import BySize, plan
    from tests.benchmarks.ways import run_entry_processes

    size = BySize.parse(str(images.per_mini_batch))
    run_entry_processes(
        plan(str(images.data), type="uri_folder", mode="ro_mount", split=size),
        images.work,
        code=images.folder / "code",
        script="describe_images.py",
        arguments=(),
        output="colors",
        slots=SLOTS,
    )


def whole_run(images: Images) -> None:
    """`prefect-parallel run`, on the server that `PREFECT_API_URL` names."""
    step = {
        "type": "parallel",
        "inputs": {"images": {"type": "uri_folder", "path": str(images.data)}},
        "outputs": {"colors": {"type": "uri_file"}},
        "input_data": "${{inputs.images}}",
        "mini_batch_size": str(images.per_mini_batch),
        "max_concurrency_per_instance": SLOTS,
        "task": {
            "type": "run_function",
            "code": str(images.folder / "code"),
            "entry_script": "describe_images.py",
            "environment": "azureml:any:1",
            "append_row_to": "${{outputs.colors}}",
        },
    }
    file = images.work / "pipeline.yml"
    file.write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"describe": step}}))
    command = [sys.executable, "-m", "prefect_parallel.cli", "run", str(file), "--name", "run"]
    command += ["--output-dir", str(images.work)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    colors = images.work / "run" / "steps" / "describe" / "outputs" / "colors"
    shutil.copyfile(colors, images.work / "colors")


def dask_map(images: Images) -> None:
    """Dask's `client.map` over lists of paths; the lines are gathered by the client."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=SLOTS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        parts = client.gather(client.map(partial(_lines, images.folder / "code"), images.batches()))
    (images.work / "colors").write_text("".join(parts))


WAYS: dict[str, Callable[[Images], None]] = {
    "bare limit": bare,
    "entry processes": entry_processes,
    "prefect-parallel run": whole_run,
    "Dask client.map": dask_map,
}


def refuse_other_output(images: Images, way: str) -> None:
    """Check that a way has written the bytes that the first one did, a line for each image."""
    colors = (images.work / "colors").read_bytes()
    expected = images.folder / "colors"
    if not expected.exists():
        assert len(set(colors.splitlines())) == len(list(images.data.rglob("*.jpg"))), way
        expected.write_bytes(colors)
    assert colors == expected.read_bytes(), f"{way}: the output differs from {expected}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--mini-batch-size", type=int, default=100, help="images")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = Path(tempfile.gettempdir(), f"images-{options.images}")
    size = options.mini_batch_size
    if options.one:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            images = Images(folder, size, Path(work))
            report(lambda: WAYS[options.one](images))
            refuse_other_output(images, options.one)
        return
    make(folder, options.images)
    shared = ["--images", str(options.images), "--mini-batch-size", str(size)]
    commands = {way: ["-m", __spec__.name, "--one", way, *shared] for way in options.ways}
    with tempfile.TemporaryDirectory() as home, warm_server(Path(home)):
        best = compete(commands, options.repeat)
    title = f"{options.images:,} JPEGs of {PIXELS} x {PIXELS} pixels, {size} in a mini-batch"
    print_results(title, "images", options.images, best)


if __name__ == "__main__":
    main()
