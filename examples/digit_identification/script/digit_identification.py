"""Recognize the handwritten digit in each image: paths in, lines like `name.png: 7` out."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

logger = logging.getLogger("digit_identification")

model: dict[str, Any]


def init() -> None:
    """Load the model, once in each process."""
    global model
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="folder of digit_model.json")
    # sys.argv also contains predefined arguments, such as --error_threshold.
    args, _ = parser.parse_known_args()

    model = json.loads((args.model / "digit_model.json").read_text(encoding="utf-8"))
    logger.info("Model loaded from %s", args.model)


def run(mini_batch: list[str]) -> list[str]:
    """Recognize the digit in each image. Unreadable images are left out and count as failed."""
    lines = []
    for path in map(Path, mini_batch):
        try:
            digit = identify(path)
        except OSError:
            logger.exception("Cannot read %s", path)
            continue
        lines.append(f"{path.name}: {digit}")
    return lines


def identify(path: Path) -> int:
    """Recognize the digit in one image of any size: light strokes on a dark background."""
    with Image.open(path) as image:
        grey = image.convert("L").resize(model["size"])
    pixels = np.asarray(grey).ravel() / 255
    scores = np.asarray(model["coefficients"]) @ pixels + model["intercepts"]
    return int(model["classes"][scores.argmax()])


def shutdown() -> None:
    """Called once in each process, after its last mini-batch."""
    logger.info("No more images for this process")
