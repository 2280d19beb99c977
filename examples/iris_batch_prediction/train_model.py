"""Train the iris model on four rows of every five, and test it on the fifth.

The model is JSON instead of a pickle, so that it loads with any version of the libraries.
Needs scikit-learn.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def main() -> None:
    iris = pd.read_csv(HERE / "neural-iris-mltable" / "iris.csv")
    held_out = np.arange(len(iris)) % 5 == 4
    train, test = iris[~held_out], iris[held_out]

    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(train[FEATURES].to_numpy(), train["variety"])
    accuracy = classifier.score(test[FEATURES].to_numpy(), test["variety"])
    print(f"Right for {accuracy:.1%} of {len(test)} held-out rows")

    model = {
        "features": FEATURES,
        "classes": classifier.classes_.tolist(),
        "coefficients": classifier.coef_.round(6).tolist(),
        "intercepts": classifier.intercept_.round(6).tolist(),
    }
    text = json.dumps(model, indent=1) + "\n"
    (HERE / "iris-model" / "iris_model.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
