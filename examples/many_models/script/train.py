"""Train a sales model for one brand in one store; a mini-batch contains all its weeks.

The model is a ridge regression of the week's log quantity on its log price, its advert and the log
quantity of the previous week. The last weeks are held out to measure the error.
"""

import argparse
import json
import logging
from typing import Any

import numpy as np
import pandas as pd

FEATURES = ["constant", "log_price", "advert", "log_quantity_last_week"]
RIDGE = 0.1

logger = logging.getLogger("train")

args: argparse.Namespace


def init() -> None:
    """Read the arguments, once in each process."""
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdout_weeks", type=int, default=8)
    args, _ = parser.parse_known_args()


def run(mini_batch: pd.DataFrame, mini_batch_context: Any) -> list[str]:
    """Train and save one model. The result is the file, so nothing is returned."""
    keys = {key: str(value) for key, value in mini_batch_context.partition_key_value.items()}
    model = {**keys, **train(mini_batch.sort_values("week"), args.holdout_weeks)}

    folder = mini_batch_context.output_dir / keys["store"] / keys["brand"]
    folder.mkdir(parents=True)
    text = json.dumps(model, indent=1) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")
    logger.info("%s: off by %.1f %%", keys, model["error_percent"])
    return []


def train(sales: pd.DataFrame, holdout_weeks: int) -> dict[str, Any]:
    """Fit the model to all but the last weeks, and measure its mean error on them."""
    weeks_trained = len(sales) - 1 - holdout_weeks
    if holdout_weeks < 1 or weeks_trained < len(FEATURES):
        raise ValueError(f"Cannot hold out {holdout_weeks} of {len(sales)} weeks")

    log_quantity = np.log(sales["quantity"].to_numpy(dtype=float))
    log_price = np.log(sales["price"].to_numpy(dtype=float))
    advert = sales["advert"].to_numpy(dtype=float)
    # The first week is only used as the previous week of the second.
    features = np.column_stack(
        [np.ones(len(sales) - 1), log_price[1:], advert[1:], log_quantity[:-1]]
    )
    target = log_quantity[1:]

    x, y = features[:weeks_trained], target[:weeks_trained]
    penalty = RIDGE * np.diag([0.0, 1.0, 1.0, 1.0])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ y)

    forecast = features[weeks_trained:] @ weights
    errors = np.abs(np.exp(forecast - target[weeks_trained:]) - 1)
    return {
        "weeks_trained": weeks_trained,
        "error_percent": round(100 * float(errors.mean()), 2),
        "weights": dict(zip(FEATURES, weights.round(6).tolist(), strict=True)),
    }
