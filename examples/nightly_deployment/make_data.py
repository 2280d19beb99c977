"""Write shop/customers/customers.csv: 60 synthetic customers of a shop, always the same."""

from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).parent / "shop" / "customers" / "customers.csv"
CUSTOMERS = 60


def main() -> None:
    random = np.random.default_rng(seed=7)
    customers = pd.DataFrame(
        {
            "customer": np.arange(5001, 5001 + CUSTOMERS),
            "days_since_order": random.integers(1, 200, CUSTOMERS),
            "orders_last_year": random.poisson(6, CUSTOMERS),
            "complaints": random.binomial(3, 0.2, CUSTOMERS),
        }
    )
    customers.to_csv(FILE, index=False, lineterminator="\n")
    print(f"{len(customers)} rows in {FILE}")


if __name__ == "__main__":
    main()
