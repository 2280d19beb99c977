"""Write sales.csv: synthetic weekly sales of four juice brands in 25 stores, always the same."""

from pathlib import Path

import numpy as np
import pandas as pd

SALES = Path(__file__).parent / "sales.csv"
STORES = range(1001, 1026)
USUAL_PRICES = {"grove": 2.4, "morning": 1.8, "sunrise": 3.1, "valley": 2.0}
WEEKS = pd.date_range("2024-01-01", periods=60, freq="7D")


def main() -> None:
    random = np.random.default_rng(seed=2024)
    pairs = [
        weekly_sales(random, usual_price).assign(store=store, brand=brand)
        for store in STORES
        for brand, usual_price in USUAL_PRICES.items()
    ]
    columns = ["week", "store", "brand", "price", "advert", "quantity"]
    sales = pd.concat(pairs).sort_values(["week", "store", "brand"])[columns]
    sales.to_csv(SALES, index=False, lineterminator="\n")
    print(f"{len(sales)} rows in {SALES}")


def weekly_sales(random: np.random.Generator, usual_price: float) -> pd.DataFrame:
    """Draw one brand's weeks in one store. A low price and an advert increase sales."""
    price = (usual_price * random.uniform(0.75, 1.15, len(WEEKS))).round(2)
    advert = random.binomial(1, 0.2, len(WEEKS))
    elasticity = random.uniform(1.5, 3.0)
    season = 0.15 * np.sin(2 * np.pi * np.arange(len(WEEKS)) / 52)
    drift = random.normal(0, 0.05, len(WEEKS)).cumsum()
    noise = random.normal(0, 0.08, len(WEEKS))
    log_quantity = (
        random.uniform(5.5, 7.5)
        - elasticity * np.log(price / usual_price)
        + 0.4 * advert
        + season
        + drift
        + noise
    )
    quantity = np.exp(log_quantity).round().astype(int)
    return pd.DataFrame({"week": WEEKS, "price": price, "advert": advert, "quantity": quantity})


if __name__ == "__main__":
    main()
