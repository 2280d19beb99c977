"""Thumbnails of a folder of pictures, on all cores: python examples/thumbnails/thumbnails.py."""

from pathlib import Path

from PIL import Image

from prefect_parallel import parallel

PHOTOS, SMALL = Path("photos"), Path("small")


@parallel(mini_batch_size=20, timeout=60, mini_batch_error_threshold=0)
def thumbnails(paths: list[str]) -> list[str]:
    written = [SMALL.absolute() / Path(path).name for path in paths]
    for path, target in zip(paths, written, strict=True):
        with Image.open(path) as image:
            image.thumbnail((64, 64))
            image.save(target)
    return [str(target) for target in written]


def draw_photos(count: int) -> None:
    """Pictures to begin with; use your own instead."""
    PHOTOS.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (640, 480), (number % 256, 80, 160)).save(PHOTOS / f"{number:03d}.png")


if __name__ == "__main__":
    draw_photos(100)
    SMALL.mkdir(exist_ok=True)
    result = thumbnails(PHOTOS)
    print(f"{result.items['succeeded']} thumbnails, the first is {next(iter(result))}")
