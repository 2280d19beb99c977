"""A Python function over data, as a parallel step."""
