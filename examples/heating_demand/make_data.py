"""Write history.parquet and buildings/: synthetic heating data of 40 buildings, always the same."""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
KINDS = ["flat", "house", "office", "school"]
BUILDINGS = 40
PAST = pd.date_range("2025-01-06", periods=10, freq="D")
COMING = pd.date_range("2026-01-05", periods=15, freq="D")
DAYS_A_FILE = 5
ROWS_A_GROUP = 50


def main() -> None:
    random = np.random.default_rng(seed=2026)
    stock = pd.DataFrame(
        {
            "building": np.arange(101, 101 + BUILDINGS),
            "kind": random.choice(KINDS, BUILDINGS),
            "floor_area": random.integers(60, 1200, BUILDINGS),
        }
    )
    past = with_weather(random, stock, PAST)
    past.assign(kwh=burnt(random, past)).to_parquet(HERE / "history.parquet", index=False)

    coming = with_weather(random, stock, COMING)
    (HERE / "buildings").mkdir(exist_ok=True)
    for first in range(0, len(COMING), DAYS_A_FILE):
        days = COMING[first : first + DAYS_A_FILE]
        file = HERE / "buildings" / f"from-{days[0]:%Y-%m-%d}.parquet"
        rows = coming[coming["day"].isin(days)]
        rows.to_parquet(file, index=False, row_group_size=ROWS_A_GROUP)
        print(f"{len(rows)} rows in {file}")


def with_weather(
    random: np.random.Generator, stock: pd.DataFrame, days: pd.DatetimeIndex
) -> pd.DataFrame:
    """Return all buildings on all days, with one outside temperature (degrees Celsius) a day."""
    weather = pd.DataFrame({"day": days, "outside": random.normal(2, 5, len(days)).round(1)})
    return weather.merge(stock, how="cross")


def burnt(random: np.random.Generator, rows: pd.DataFrame) -> pd.Series:
    """Return the kWh of a building on a day, more if it is colder or the kind is less insulated."""
    leaks = rows["kind"].map(dict(zip(KINDS, [0.03, 0.05, 0.04, 0.06], strict=True)))
    cold = (18 - rows["outside"]).clip(lower=0)
    return (rows["floor_area"] * (0.1 + leaks * cold) * random.normal(1, 0.05, len(rows))).round(1)


if __name__ == "__main__":
    main()
