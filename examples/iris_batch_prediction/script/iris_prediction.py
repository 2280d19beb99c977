"""Predict the variety of irises: rows in, the same rows and a column `prediction` out."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

logger = logging.getLogger("iris_prediction")

model: dict[str, Any]
rows_done = 0


def init() -> None:
    """Load the model, once in each process."""
    global model
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="folder of iris_model.json")
    # sys.argv also contains predefined arguments, such as --error_threshold.
    args, _ = parser.parse_known_args()

    model = json.loads((args.model / "iris_model.json").read_text(encoding="utf-8"))
    logger.info("Model for %s loaded from %s", model["classes"], args.model)


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    """Predict one mini-batch. Rows that lack a measurement are left out and count as failed."""
    global rows_done
    complete = mini_batch.dropna(subset=model["features"])
    features = complete[model["features"]].to_numpy(dtype=float)
    scores = features @ np.transpose(model["coefficients"]) + model["intercepts"]
    rows_done += len(complete)
    logger.debug("%d of %d rows predicted", len(complete), len(mini_batch))
    return complete.assign(prediction=np.take(model["classes"], scores.argmax(axis=1)))


def shutdown() -> None:
    """Called once in each process, after its last mini-batch."""
    logger.info("%d rows predicted by this process", rows_done)
