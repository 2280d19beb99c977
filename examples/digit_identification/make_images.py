"""Write scikit-learn's last handwritten digits as PNG files with the correct digit in each name.

Needs scikit-learn and pillow.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

IMAGES = Path(__file__).parent / "images"
HELD_OUT = 100
"""Number of digits that become images; train_model.py trains on the others."""
BRIGHTEST = 16
"""Largest value of a pixel in the digits; in a PNG file it is 255."""


def main() -> None:
    digits = load_digits()
    IMAGES.mkdir(exist_ok=True)
    held_out = zip(digits.images[-HELD_OUT:], digits.target[-HELD_OUT:], strict=True)
    for number, (pixels, digit) in enumerate(held_out):
        image = Image.fromarray(np.rint(pixels / BRIGHTEST * 255).astype(np.uint8))
        image.save(IMAGES / f"scan_{number:03}_shows_{digit}.png", optimize=True)
    print(f"{HELD_OUT} images in {IMAGES}")


if __name__ == "__main__":
    main()
