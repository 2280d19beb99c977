"""Train the digit model on the digits that make_images.py did not write, and test it on the others.

The model is JSON instead of a pickle, so that it loads with any version of the libraries.
Needs scikit-learn and pillow.
"""

import json
from pathlib import Path

from make_images import BRIGHTEST, HELD_OUT
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

MODEL = Path(__file__).parent / "digit-model" / "digit_model.json"


def main() -> None:
    digits = load_digits()
    pixels = digits.data / BRIGHTEST
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(pixels[:-HELD_OUT], digits.target[:-HELD_OUT])
    accuracy = classifier.score(pixels[-HELD_OUT:], digits.target[-HELD_OUT:])
    print(f"Right for {accuracy:.1%} of {HELD_OUT} held-out images")

    model = {
        "size": list(digits.images[0].shape),
        "classes": classifier.classes_.tolist(),
        "coefficients": classifier.coef_.round(4).tolist(),
        "intercepts": classifier.intercept_.round(4).tolist(),
    }
    MODEL.write_text(json.dumps(model) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
